"""Commands run as a user runs them, and the tiny checkpoint that they train."""

import json

import keras
import numpy as np
import saved

from bert_tf2 import cli
from bert_tf2.config import EncoderConfig
from bert_tf2.modeling.encoder import Encoder


def tiny_checkpoint(folder, reference, **sizes):
    """Writes a checkpoint of Google's, uncased, of one layer if not said. -> the folder"""
    vocabulary = (reference / "own_fixture" / "vocab_uncased.txt").read_text("utf-8").splitlines()
    tiny = {
        "vocab_size": len(vocabulary),
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 40,
    }
    config = EncoderConfig(**tiny | sizes)
    keras.utils.set_random_seed(3)
    encoder = Encoder(config)
    arrays = {name: np.array(v) for name, v in encoder.named_variables().items()}
    saved.google(folder, config, arrays, vocabulary)
    return folder


def runs(*argv):
    """Runs a command that must succeed."""
    assert cli.main([str(part) for part in argv]) == 0


def fails(capsys, status, argv, *words):
    """Runs a command that must fail with this status and say these words, with no traceback."""
    assert cli.main([str(part) for part in argv]) == status
    said = capsys.readouterr().err
    for word in words:
        assert word in said
    assert "Traceback" not in said
    return said


def evaluation(argv, output):
    """The JSON that `evaluate` writes."""
    runs("evaluate", *argv, f"--output_file={output}")
    return json.loads(output.read_text("utf-8"))
