"""What the tests of keras-hub presets share: small models of each kind, written and read."""

import dataclasses

import numpy as np
import oracle

from bert_tf2 import weights
from bert_tf2.weights import names

ELECTRA = {"hidden_act": "gelu_tanh", "pooler": True}
ROBERTA = {"position_padding_id": None, "type_vocab_size": 0, "pooler": False}


def tiny(name, **values):
    return dataclasses.replace(oracle.TINIES[name], **values)


# One of each kind that keras-hub has a class for.
CONFIGS = {
    "bert": tiny("bert"),
    "albert": tiny("albert"),
    "albert, groups": tiny("albert, groups", num_hidden_layers=4),
    "albert, inner groups": tiny("albert, inner groups"),
    "distilbert": tiny("distilbert"),
    "electra": tiny("electra", **ELECTRA),
    "electra, equal sizes": tiny("electra, equal sizes", **ELECTRA),
    "roberta": tiny("roberta", **ROBERTA),
    "xlm_roberta": tiny("roberta", family="xlm_roberta", **ROBERTA),
}
SENTENCEPIECE = {"albert": "spiece.model", "xlm_roberta": "sentencepiece.bpe.model"}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghij", "##a", "##b", "tea", "##s"]


def everything(config):
    """Random arrays of all that keras-hub has a name for."""
    table = names.variables(config, "keras_hub")
    return oracle.random_weights(
        {name: tuple(3 if n is None else n for n in row.shape) for name, row in table.items()}
    )


def contents(config, arrays=None, **rest):
    return weights.Contents(config, everything(config) if arrays is None else arrays, **rest)


def reopened(folder):
    return weights.contents_of(weights.open_checkpoint(folder))


def assert_same(got, want):
    assert set(got) == set(want)
    for name, array in want.items():
        np.testing.assert_array_equal(got[name], array, err_msg=name)
