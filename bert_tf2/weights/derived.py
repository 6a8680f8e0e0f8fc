"""A config for checkpoints that come without one: from names, shapes, and the graph beside them.

Modules of TF-Hub and Kaggle are SavedModels without a JSON. Names tell the family, shapes all
sizes. What they leave open is taken from the published model of the same sizes (`VARIANTS`):
dropout, heads where kernels are not split by head (TF1 modules), layers where these share their
weights. For sizes that nobody published there are D / 64 heads, and ALBERT's layers must be said by
Keras's metadata. The protos of a SavedModel are read and never executed.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from bert_tf2.config import EncoderConfig
from bert_tf2.dialects import FAMILIES
from bert_tf2.variants import VARIANTS
from bert_tf2.weights import names
from bert_tf2.weights.report import CheckpointError

_FAMILIES = ("bert", "albert")
_MOST_LAYERS = 200
_HEAD_SIZE = 64


def derive_config(variables: Mapping[str, tuple], format: str, folder: Path) -> EncoderConfig:
    """The config of a checkpoint of BERT or ALBERT.

    Args:
        variables: as in `Checkpoint`.
        format: a key of `formats.FORMATS`.
        folder: where `saved_model.pb` lies, if there is one. Without, GELU is the tanh form, as the
            Model Garden's is (official/modeling/activations/gelu.py).

    Raises:
        CheckpointError: the variables are not those of an encoder, or leave something open.
    """
    found = {family: _found(family, format, variables) for family in _FAMILIES}
    family = max(found, key=lambda name: len(found[name]))
    shapes = found[family]
    blocks = list(
        dict.fromkeys(n.split("/")[0] for n in shapes if n.startswith(("layer", "group")))
    )
    needed = ["embeddings/token", "embeddings/position", "embeddings/segment"]
    needed += [f"{(blocks or ['layer_0'])[0]}/{part}" for part in ("attention/norm/gamma", _INNER)]
    if missing := [name for name in needed if name not in shapes]:
        raise CheckpointError(
            f"{folder} has no config, and its variables do not tell it: there is no "
            f"{' or '.join(missing)} among {', '.join(list(variables)[:4]) or 'none'}, … "
            "Name a `config_file`, and make sure that the checkpoint is complete."
        )
    vocabulary, width = shapes["embeddings/token"]
    sizes = {
        "hidden_size": shapes[needed[-2]][0],
        "intermediate_size": shapes[needed[-1]][0],
        "embedding_size": width if width != shapes[needed[-2]][0] else None,
    }
    if family == "bert":
        sizes["num_hidden_layers"] = len(blocks)
    return EncoderConfig(
        family=family,
        **_rest(family, sizes, shapes[f"{blocks[0]}/attention/query/bias"], folder)
        | sizes
        | {
            "vocab_size": vocabulary,
            "max_position_embeddings": shapes["embeddings/position"][0],
            "type_vocab_size": shapes["embeddings/segment"][0],
            "hidden_act": _activation(folder),
        },
    )


_INNER = "ffn/intermediate/bias"


def _found(family: str, format: str, variables: Mapping[str, tuple]) -> dict[str, tuple]:
    """Our name -> shape in the file, for as many layers as there may be."""
    shared = {"num_hidden_groups": 1} if family == "albert" else {}
    most = EncoderConfig(1, 1, _MOST_LAYERS, 1, 1, family, project_embeddings=True, **shared)
    ours_of = {row.theirs: ours for ours, row in names.variables(most, format).items()}
    spelled = {names.respelled(name, format): shape for name, (shape, _) in variables.items()}
    return {ours: spelled[theirs] for theirs, ours in ours_of.items() if theirs in spelled}


def _rest(family: str, sizes: Mapping, query_bias: tuple, folder: Path) -> dict:
    """What sizes leave open: heads, ALBERT's layers, dropout."""
    published = [
        config
        for config in VARIANTS.values()
        if config.family == family and all(getattr(config, n) == x for n, x in sizes.items())
    ]
    rest = published[-1].to_dict() if published else dict(FAMILIES[family])
    rest.pop("family", None)
    if len(query_bias) == 2:  # (N, H)
        rest["num_attention_heads"] = query_bias[0]
    elif not published:
        rest["num_attention_heads"] = max(1, sizes["hidden_size"] // _HEAD_SIZE)
    if family == "albert":
        layers = _layers_said(folder) or rest.get("num_hidden_layers")
        if layers is None:
            raise CheckpointError(
                f"{folder} has no config, and how often ALBERT applies its one block is nowhere "
                "said. Name a `config_file`."
            )
        rest["num_hidden_layers"] = layers
    return rest


def _layers_said(folder: Path) -> int | None:
    """`num_layers` in Keras's metadata, which old SavedModels have in their own file."""
    said = set()
    for name in ("keras_metadata.pb", "saved_model.pb"):
        if (folder / name).is_file():
            said |= set(re.findall(rb'"num_layers": ?(\d+)', (folder / name).read_bytes()))
    return int(said.pop()) if len(said) == 1 else None


def _activation(folder: Path) -> str:
    """Of the feed-forward layers, from the operations that the graph is made of."""
    operations = _operations(folder)
    if "Pow" not in operations:  # the cube in the tanh form of GELU
        for operation, activation in (("Erf", "gelu_erf"), ("Relu", "relu")):
            if operation in operations:
                return activation
    return "gelu_tanh"


def _operations(folder: Path) -> set[str]:
    """The names of all operations in `saved_model.pb`; none where there is no such file.

    Raises:
        CheckpointError: it is damaged.
    """
    file = folder / "saved_model.pb"
    if not file.is_file():
        return set()
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    try:
        graphs = [meta.graph_def for meta in SavedModel.FromString(file.read_bytes()).meta_graphs]
    except DecodeError as error:
        raise CheckpointError(f"{file} is damaged; get it again. protobuf says: {error}") from error
    functions = [function for graph in graphs for function in graph.library.function]
    return {node.op for graph in graphs for node in graph.node} | {
        node.op for function in functions for node in function.node_def
    }
