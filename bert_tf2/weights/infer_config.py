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

from bert_tf2 import files
from bert_tf2.config import FAMILIES, EncoderConfig
from bert_tf2.variants import VARIANTS
from bert_tf2.weights.name_tables import Format, Naming, respelled, written_out
from bert_tf2.weights.report import CheckpointError

_FAMILIES = ("bert", "albert")
_MOST_LAYERS = 200
_HEAD_SIZE = 64
_LARGEST = 2 << 30  # bytes: of a protobuf, by its own rule
# What tells the sizes, and how many dimensions it may have.
_TELLING = {
    "embeddings/token": (2,),
    "embeddings/position": (2,),
    "embeddings/segment": (2,),
    "{block}/attention/norm/gamma": (1,),
    "{block}/attention/query/bias": (1, 2),  # (D,), or (N, H) by head
    "{block}/ffn/intermediate/bias": (1,),
}


def infer_config(
    variables: Mapping[str, tuple], stored: Format, names: Mapping[str, Naming], folder: Path
) -> EncoderConfig:
    """The config of a checkpoint of BERT or ALBERT.

    Args:
        variables: as in `Checkpoint`.
        stored: their format.
        names: its tables, by family.
        folder: where `saved_model.pb` lies, if there is one. Without, GELU is the tanh form, as the
            Model Garden's is (official/modeling/activations/gelu.py).

    Raises:
        CheckpointError: the variables are not those of an encoder, or leave something open.
    """
    found = {family: _found(family, stored, names[family], variables) for family in _FAMILIES}
    family = max(found, key=lambda name: len(found[name]))
    blocks = {n.split("/")[0] for n in found[family] if n.startswith(("layer_", "group_"))}
    telling = _telling(found[family], min(blocks, default="layer_0"), variables, folder)
    token, position, segment, (width,), query_bias, (inner,) = telling
    sizes = {
        "hidden_size": width,
        "intermediate_size": inner,
        "embedding_size": None if token[1] == width else token[1],
    }
    if family == "bert":
        sizes["num_hidden_layers"] = len(blocks)
    tables = {
        "vocab_size": token[0],
        "max_position_embeddings": position[0],
        "type_vocab_size": segment[0],
    }
    rest = _rest(family, sizes, tables["vocab_size"], query_bias, folder) | {
        "hidden_act": _activation(folder)
    }
    return EncoderConfig(family=family, **rest | sizes | tables)


def _telling(found: Mapping, block: str, variables: Mapping, folder: Path) -> list[tuple]:
    """The shapes of `_TELLING`, in its order."""
    needed = {name.format(block=block): ranks for name, ranks in _TELLING.items()}
    wrong = [name for name, ranks in needed.items() if len(found.get(name, ())) not in ranks]
    if wrong:
        raise CheckpointError(
            f"{folder} has no config, and its variables do not tell it: there is no "
            f"{' or '.join(wrong)} among {', '.join(list(variables)[:4]) or 'none'}, … "
            "Name a `config_file`, and make sure that the checkpoint is complete."
        )
    return [found[name] for name in needed]


def _found(family: str, stored: Format, naming: Naming, variables: Mapping) -> dict[str, tuple]:
    """Our name -> shape in the file, for as many layers as there may be."""
    shared = {"num_hidden_groups": 1} if family == "albert" else {}
    most = EncoderConfig(1, 1, _MOST_LAYERS, 1, 1, family, project_embeddings=True, **shared)
    ours_of = {row.theirs: ours for ours, row in written_out(most, stored, naming).items()}
    spelled = {respelled(name, stored): shape for name, (shape, _) in variables.items()}
    return {ours: spelled[theirs] for theirs, ours in ours_of.items() if theirs in spelled}


def _rest(family: str, sizes: Mapping, vocabulary: int, query_bias: tuple, folder: Path) -> dict:
    """What sizes leave open: heads, ALBERT's layers, dropout."""
    published = [
        config
        for config in VARIANTS.values()
        if config.family == family and all(getattr(config, n) == x for n, x in sizes.items())
    ]
    # Of equal sizes, the one with as many words; of these the newest.
    published.sort(key=lambda config: config.vocab_size == vocabulary)
    rest = published[-1].to_dict() if published else dict(FAMILIES[family])
    rest.pop("family", None)
    if len(query_bias) == 2:  # (N, H)
        rest["num_attention_heads"] = query_bias[0]
    elif not published:
        rest["num_attention_heads"] = sizes["hidden_size"] // _HEAD_SIZE
    if family == "albert":
        rest["num_hidden_layers"] = _layers_said(folder) or rest.get("num_hidden_layers")
    said = sizes | rest
    unsaid = [n for n in ("num_attention_heads", "num_hidden_layers") if not said[n]]
    if unsaid or said["hidden_size"] % said["num_attention_heads"]:
        raise CheckpointError(
            f"{folder} has no config, and nothing tells its {' and '.join(unsaid) or 'heads'}: no "
            f"published {family} has these sizes, {dict(sizes)}. Name a `config_file`."
        )
    return rest


def _layers_said(folder: Path) -> int | None:
    """`num_layers` in Keras's metadata, which old SavedModels have in their own file."""
    said = set()
    for name in ("keras_metadata.pb", "saved_model.pb"):
        if (folder / name).exists():
            content = files.read_bytes(folder / name, _LARGEST, CheckpointError)
            said |= set(re.findall(rb'"num_layers": ?(\d+)', content))
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
    if not file.exists():
        return set()
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    content = files.read_bytes(file, _LARGEST, CheckpointError)
    try:
        graphs = [meta.graph_def for meta in SavedModel.FromString(content).meta_graphs]
    except DecodeError as error:
        raise CheckpointError(f"{file} is damaged; get it again. protobuf says: {error}") from error
    functions = [function for graph in graphs for function in graph.library.function]
    return {node.op for graph in graphs for node in graph.node} | {
        node.op for function in functions for node in function.node_def
    }
