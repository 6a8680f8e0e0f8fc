"""Tasks for pretraining: of a checkpoint, or of a config and a vocabulary alone."""

import dataclasses
from pathlib import Path

from bert_tf2 import weights
from bert_tf2.modeling.encoder import Encoder
from bert_tf2.text.packing import Preprocessor
from bert_tf2.text.tokenizer import Tokenizer

DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob")


def from_config(
    cls,
    config_file,
    vocab_file,
    max_length=None,
    lowercase=None,
    dtype=None,
    recompute=False,
    **settings,
):
    """A task with fresh weights.

    Args:
        cls: of the task.
        config_file: Google's `bert_config.json`, Hugging Face's `config.json`, or ours.
        vocab_file: `vocab.txt`, a SentencePiece model, or one of the two files of a byte-level BPE.
        max_length, lowercase, dtype, recompute, **settings: as in `Task.from_preset`.

    Raises:
        FileNotFoundError: one of them is not there.
        ValueError: it is not what it should be, or the vocabulary has other sizes.
    """
    config, files = weights.read_config(config_file), weights.given_vocabulary(Path(vocab_file))
    source = weights.TokenizerSource(files)
    blank = weights.Checkpoint("bert_tf2", "safetensors", Path(vocab_file), {}, config, source)
    tokenizer = Tokenizer.from_checkpoint(blank, lowercase)
    encoder = Encoder(config, dtype=dtype, recompute=recompute)
    return cls(encoder, Preprocessor(tokenizer, max_length or config.max_length), **settings)


def with_dropout(task, rate):
    """The same task with another rate of dropout in its encoder, and equal weights.

    Args:
        task: one whose encoder shares nothing with another's.
        rate: of dropout after dense layers, embeddings and attention.

    Raises:
        ValueError: the task has adapters.
    """
    if task.adapters:
        raise ValueError(
            "Another rate of dropout is for a task without adapters, whose layers are made anew: "
            f"`merge_and_unload()` gives one. Received: adapters {', '.join(task.adapters)}"
        )
    encoder = task.encoder
    rates = dict.fromkeys(DROPOUTS, rate) | {"attention_output_dropout_prob": None}
    config = dataclasses.replace(encoder.config, **rates)
    other = Encoder(config, dtype=encoder.policy, recompute=encoder.recompute)
    settings = {name: getattr(task, name) for name in task.settings}
    if "generator" in settings:
        settings["generator"] = settings["generator"] | rates
    made = type(task)(other, task.preprocessor, **settings, drop_padding=task.drop_padding)
    for variable, value in zip(made.weights, task.weights, strict=True):
        if variable.shape == value.shape and variable.trainable:
            variable.assign(value)
    return made
