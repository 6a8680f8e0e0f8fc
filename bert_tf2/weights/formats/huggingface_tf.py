"""The names of Hugging Face's TensorFlow classes, in the `tf_model.h5` of transformers 2 to 4.

They are those of the PyTorch classes, spelled as Keras 2 does, below the layer of the model and the
model, whose name may be any: `bert/tf_bert_model/bert/pooler/dense/kernel:0`. A head that reads the
token table holds the embeddings once more. Source: modeling_tf_utils.py (load_tf_weights) and
modeling_tf_*.py of transformers 4; transformers 5 has none of them.
"""

import re

from bert_tf2.weights.formats import huggingface
from bert_tf2.weights.formats.format import Format, Naming

_KERNEL_AND_BIAS = {"kernel": "kernel:0", "bias": "bias:0"}
_EMBEDDINGS = r"(?:bert|albert|distilbert|electra|roberta)/embeddings/"
FORMAT = Format(
    about="Hugging Face (TensorFlow, HDF5)",
    separator="/",
    parts={
        "table": {"": ""},
        "vector": {"": ""},
        "norm": {"gamma": "gamma:0", "beta": "beta:0"},
        "dense": _KERNEL_AND_BIAS,
        "logits": _KERNEL_AND_BIAS,
    },
    skipped={rf"^([^/]+)/[^/]+/(?!\1/){_EMBEDDINGS}": "the embeddings, once more for a head"},
    aliases=(
        (r"^([^/]+)/[^/]+/(?=\1/)", ""),
        (rf"^[^/]+/[^/]+/({_EMBEDDINGS}word_embeddings)", r"head/\1"),
    ),
)
# What only this format names by its variable; and where it has a class of its own for each head.
_VARIABLES = {
    "embeddings/token": "/weight:0",
    "embeddings/position": "/embeddings:0",
    "embeddings/segment": "/embeddings:0",
    "mlm/bias": ":0",
}
_HEADS = {"cls.predictions": "mlm___cls.predictions", "cls.seq_": "nsp___cls.seq_"}


def _name(unit: str, theirs: str) -> str:
    for before, after in _HEADS.items():
        theirs = theirs.replace(before, after)
    numbered = re.sub(r"\.(?=\{\d\})", "_._", theirs)  # layer.0 is layer_._0
    return re.sub(r"(?<!_)\.(?!_)", "/", numbered) + _VARIABLES.get(unit, "")


def _naming(naming: Naming) -> Naming:
    names = {unit: _name(unit, theirs) for unit, theirs in naming.names.items()}
    table = names["embeddings/token"]
    # ALBERT has its bias twice.
    return Naming(
        names, tied={f"head/{table}": table, "predictions/decoder/bias:0": names["mlm/bias"]}
    )


NAMES = {family: _naming(naming) for family, naming in huggingface.NAMES.items()}
