"""Pretraining by replaced words (ELECTRA: Clark et al. 2020), on plain text.

Letters: B batch, L length, P positions a row, V vocabulary.
"""

import dataclasses
import logging
from pathlib import Path

import keras
import tensorflow as tf

from bert_tf2 import weights
from bert_tf2.config import EncoderConfig
from bert_tf2.messages import checked_bool
from bert_tf2.modeling import heads
from bert_tf2.modeling.encoder import Encoder
from bert_tf2.modeling.inputs import INPUT_NAMES, input_tensors
from bert_tf2.modeling.layers import published_initializer
from bert_tf2.modeling.replacing import Replace
from bert_tf2.tasks.masked_lm import MASKING, MaskedLM
from bert_tf2.tasks.task import Task
from bert_tf2.training.losses import cross_entropy
from bert_tf2.training.metrics import (
    Perplexity,
    ReplacedAccuracy,
    ReplacedPrecision,
    ReplacedRecall,
)
from bert_tf2.weights.filling import load_variables

LOGGER = logging.getLogger("bert_tf2")
HIDDEN = {"masked_positions": "int32", "masked_ids": "int32", "masked_weights": "float32"}


@keras.saving.register_keras_serializable("bert_tf2")
class ReplacedWords(MaskedLM):
    """Finds the words of a text that another model has put there, and is so trained on text alone.

    That other one, a small generator, is a masked language model that shares the embeddings and is
    trained beside. A word is drawn from what it answers for each hidden one, without a gradient;
    the encoder then tells, of each token, whether it is another than was there. The losses are
    added up: the generator's mean over hidden words, and `discriminator_weight` times the mean over
    tokens (google-research/electra `run_pretraining.py`). Of the hidden words 85 % become "[MASK]"
    and the others stay, as there.

    The model maps what a `MaskedLM` takes, and `masked_ids` and `masked_weights` (B, P), the words
    that were hidden, to a dict: "mlm", the generator's logits (B, P, V), and "rtd", (B, L, 2): the
    encoder's logits, and 1 where a word is another. `fit` and `evaluate` take texts or records, as
    a `MaskedLM` does. The encoder may be of any family.

    Args:
        encoder, preprocessor: an `Encoder`, the discriminator, and a `Preprocessor`.
        generator: an `EncoderConfig`, or values of one that differ from the default: the encoder's
            own with a quarter of its width, and heads 64 wide.
        rate, max_predictions, whole_words: as of a `MaskedLM`. Large ELECTRA has a rate of 0.25.
        discriminator_weight: of the encoder's loss beside the generator's.
        temperature: what the generator's logits are divided by before a word is drawn; 0 takes the
            likeliest.
        drop_padding, name: as of a `MaskedLM`.

    Raises:
        ValueError: a generator with embeddings of other sizes, or numbers out of their range.

    Examples:
        >>> rtd = bert_tf2.ReplacedWords.from_preset("electra-small-discriminator")
        >>> rtd.fit(texts)
    """

    head_kind = "replaced_tokens"
    settings = ("generator", *MASKING, "discriminator_weight", "temperature")
    own_loss = None
    shares = (0.85, 0.0)
    second_task = None
    takes_adapters = False  # two encoders with one table learn here
    length_input = "token_ids"

    def __init__(
        self,
        encoder,
        preprocessor,
        generator=None,
        rate=0.15,
        max_predictions=None,
        whole_words=False,
        discriminator_weight=50.0,
        temperature=1.0,
        drop_padding=True,
        name=None,
    ):
        if not (discriminator_weight > 0 and temperature >= 0):
            raise ValueError(
                "`discriminator_weight` must be above 0 and `temperature` 0 or more. Received: "
                f"{discriminator_weight}, {temperature}"
            )
        config = generator_config(encoder.config, generator)
        other = Encoder(config, dtype=encoder.policy, shares_with=encoder, name="generator")
        inputs = input_tensors()
        inputs |= {n: keras.Input((None,), dtype=dtype, name=n) for n, dtype in HIDDEN.items()}
        ids = {name: inputs[name] for name in INPUT_NAMES}
        states = other.encode(ids, drop_padding)["sequence_output"]
        head = heads.MaskedWords(
            other.parts["embeddings"], config, name="generator_mlm", dtype=other.policy
        )
        words = head(states, inputs["masked_positions"])  # (B, P, V)
        shown, replaced = Replace(temperature, name="replace")(words, inputs)  # (B, L)
        seen = encoder.encode(ids | {"token_ids": shown}, drop_padding)["sequence_output"]
        initializer = published_initializer(encoder.config)
        judge = heads.ReplacedWords(encoder.config, initializer, name="rtd", dtype=encoder.policy)
        outputs = {"mlm": words, "rtd": keras.ops.stack([judge(seen), replaced], -1)}
        Task.__init__(self, encoder, preprocessor, inputs, outputs, drop_padding, name)
        self.generating, self.rate = other, rate
        self.max_predictions = max_predictions
        self.whole_words = checked_bool("whole_words", whole_words)
        self.discriminator_weight, self.temperature = float(discriminator_weight), temperature

    @property
    def generator(self):
        """The generator's config, as a dict."""
        return self.generating.config.to_dict()

    def rename_inputs(self, inputs):
        """As `Task.rename_inputs`; where nothing is said to be hidden, nothing is."""
        inputs = dict(inputs)
        given = {name: inputs.pop(name) for name in HIDDEN if name in inputs}
        renamed = Task.rename_inputs(self, inputs)
        if given and given.keys() != HIDDEN.keys():
            raise ValueError(f"Inputs must have all of {[*HIDDEN]}, or none. Received: {[*given]}")
        if not given:
            one = renamed["token_ids"][:, :1]
            given = {name: keras.ops.zeros_like(one) for name in HIDDEN}
        given = {
            name: x if isinstance(x, keras.KerasTensor) else keras.ops.cast(x, HIDDEN[name])
            for name, x in given.items()
        }
        return renamed | given

    # --- The protocol. ----------------------------------------------------------------------------

    def prepare(self, columns):
        """Texts, or rows of `masked_texts` or records -> inputs, targets and weights."""
        if "text" in columns:
            return self.rename_inputs(self.encoded(columns)), None, None
        columns = {name: x for name, x in columns.items() if name != "next_sentence_labels"}
        inputs = self.rename_inputs(columns)
        if "masked_ids" not in columns:
            return inputs, None, None
        mask = inputs["padding_mask"]
        return (
            inputs,
            {"mlm": inputs["masked_ids"], "rtd": tf.zeros_like(mask)},  # the model makes the latter
            {"mlm": inputs["masked_weights"], "rtd": tf.cast(mask, tf.float32)},
        )

    def blank_outputs(self, inputs):
        rows, length = tf.unstack(tf.shape(inputs["token_ids"]))
        count = tf.shape(inputs["masked_positions"])[1]
        vocabulary = self.encoder.config.vocab_size
        return {
            "mlm": tf.zeros([rows, count, vocabulary]),
            "rtd": tf.zeros([rows, length, 2]),
        }

    def losses(self, targets, outputs, weights):
        logits, replaced = tf.unstack(outputs["rtd"], axis=-1)
        values = tf.nn.sigmoid_cross_entropy_with_logits(replaced, logits) * weights["rtd"]
        total = self.discriminator_weight * tf.reduce_sum(values)
        return {
            "mlm": cross_entropy(targets["mlm"], outputs["mlm"], weights["mlm"], by_weight=True),
            "rtd": (total, tf.reduce_sum(weights["rtd"])),
        }

    def answers(self, inputs, outputs):
        """Of each token of a text, how probable it is that another stood there; 0 for padding."""
        mask = tf.cast(inputs["padding_mask"], tf.float32)
        return {
            "probabilities": tf.sigmoid(outputs["rtd"][..., 0]) * mask,
            "token_ids": inputs["token_ids"],
        }

    def default_metrics(self):
        """Of the generator accuracy and perplexity; of the encoder what it finds."""
        accuracy = keras.metrics.SparseCategoricalAccuracy
        return {
            "mlm": [accuracy("accuracy"), Perplexity("perplexity")],
            "rtd": [
                ReplacedAccuracy("accuracy"),
                ReplacedPrecision("precision"),
                ReplacedRecall("recall"),
            ],
        }

    def read(self, x, y=None, sample_weight=None):
        if "masked_ids" in (y or {}):
            return MaskedLM.read(self, x, y)
        return Task.read(self, x)

    def fill_masks(self, *args, **kwargs):
        """Not here: the generator is a `MaskedLM` of its own, once it is saved."""
        raise TypeError(
            "A ReplacedWords fills no masks: its generator does, opened as a MaskedLM from the "
            f"folder {weights.GENERATOR}/ of its preset."
        )

    # --- Files. -----------------------------------------------------------------------------------

    def named_variables(self):
        """dict of our names to variables: the encoder's, and its head's."""
        head = {v.path: v for v in self.get_layer("rtd").variables}
        return self.encoder.named_variables() | head

    def generator_variables(self):
        """The same of the generator, a masked language model; the embeddings are the encoder's."""
        shared = {
            name: v
            for name, v in self.encoder.named_variables().items()
            if name.startswith("embeddings/") and "projection" not in name
        }
        head = self.get_layer("generator_mlm")
        own = {f"mlm/{v.path.split('/', 1)[1]}": v for v in head.variables}
        return shared | self.generating.named_variables() | own

    def contents(self):
        found, own = super().contents(), self.generator_variables().items()
        arrays = {name: keras.ops.convert_to_numpy(variable) for name, variable in own}
        task = found.task | {"class": "MaskedLM", "settings": {}, "frozen": []}
        generator = dataclasses.replace(
            found, config=self.generating.config, arrays=arrays, task=task
        )
        return dataclasses.replace(found, generator=generator)

    @classmethod
    def from_preset(cls, preset, *args, **kwargs):
        task = super().from_preset(preset, *args, **kwargs)
        if kwargs.get("load_weights", True):
            task.fill_generator(weights.resolve(preset), kwargs.get("config_file"))
        return task

    from_preset.__func__.__doc__ = Task.from_preset.__doc__

    def fill_generator(self, place, config_file=None):
        """Gives the generator its weights, where they lie beside those of the encoder.

        That is, in Google's file with both, or in a folder `generator`; else it begins anew, and
        that is said.

        Returns:
            a `weights.Report`, or None where there is no generator.
        """
        folder = Path(place) / weights.GENERATOR
        checkpoint = weights.open_checkpoint(
            *((folder,) if folder.is_dir() else (place, config_file))
        )
        inside = any(name.startswith("generator/") for name in checkpoint.variables)
        if not folder.is_dir() and not inside:
            LOGGER.warning("%s has no generator, which begins anew.", place)
            return None
        config = self.generating.config
        checkpoint = dataclasses.replace(checkpoint, config=config, head="masked_lm", ahead=None)
        return load_variables(checkpoint, self.generator_variables())


def generator_config(config, given=None):
    """The `EncoderConfig` of a generator: a quarter as wide as its discriminator, heads 64 wide.

    Args:
        config: the discriminator's.
        given: an `EncoderConfig`, or a dict of values that differ.

    Raises:
        ValueError: embeddings of other sizes, or a value that no config can have.

    Source: google-research/electra `run_pretraining.py`, `get_generator_config`.
    """
    if not isinstance(given, EncoderConfig):
        width = max(config.hidden_size // 4, 1)
        family = {"electra": "electra_generator"}.get(config.family, config.family)
        sizes = {
            "family": family,
            "hidden_size": width,
            "intermediate_size": 4 * width,
            "num_attention_heads": max(1, width // 64),
            "embedding_size": config.embedding_width,
            "project_embeddings": None,
            "pooler": False,
            "classifier_act": config.classifier_act or "tanh",
        }
        given = EncoderConfig(**config.to_dict() | sizes | dict(given or {}))
    same = ("vocab_size", "embedding_width", "max_position_embeddings", "type_vocab_size")
    same += ("sinusoidal_positions", "position_padding_id")
    if wrong := [name for name in same if getattr(given, name) != getattr(config, name)]:
        raise ValueError(
            "`generator` reads the encoder's embeddings, and must be of their sizes. Received: "
            + ", ".join(f"{n} {getattr(given, n)} for {getattr(config, n)}" for n in wrong)
        )
    return given
