"""TensorFlow 2 checkpoints, whose variables are found by way of Python objects: list and read.

`tf.train.Checkpoint` and SavedModels write the bundles of `bundle.py`, too, but under keys that are
paths of attributes, such as `encoder/layer_with_weights-4/_attention_layer/_query_dense/kernel`.
They change with the order of layers and the wrapping around a model. A graph of the objects lies
beside the values, and has the name that each variable was created with: that is what is listed.

Source: tensorflow/core/protobuf/trackable_object_graph.proto. Nothing of a SavedModel is executed.
"""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from bert_tf2.weights.containers import bundle
from bert_tf2.weights.report import CheckpointError

GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
# Listed by path, as their own names resemble the weights' or say nothing.
_BOOKKEEPING = re.compile(r"(^|/)(\w*optimizer|keras_api)/|\.OPTIMIZER_SLOT|(^|/)save_counter$")
# A layer around a loaded SavedModel has its variables by their names, "/" written ".S".
_WRAPPED = re.compile(r"^(.+)/[^/]*\.S[^/]*:0$")


def list_variables(prefix: Path) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Name -> (shape, dtype) of every variable.

    Where the data is absent, and with it the graph, the names are what the keys tell.

    Raises:
        CheckpointError: the index or the graph is damaged.
    """
    listed = bundle.list_variables(prefix)
    return dict(sorted((name, listed[key]) for key, name in _names(prefix, listed).items()))


def read(prefix: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The named variables as arrays of their own dtype. They may be read-only.

    Raises:
        CheckpointError: as `bundle.read`.
    """
    key_of = {name: key for key, name in _names(prefix, bundle.list_variables(prefix)).items()}
    names = list(names)
    arrays = bundle.read(prefix, [key_of[name] for name in names])
    return {name: arrays[key_of[name]] for name in names}


def _names(prefix: Path, listed: Iterable[str]) -> dict[str, str]:
    """Key -> name; what would not be told from something else is called by its path."""
    paths = {key: key.removesuffix(_VALUE) for key in listed if key.endswith(_VALUE)}
    full = _full_names(prefix)
    wrapped = {match[1] for path in paths.values() if (match := _WRAPPED.match(path))}

    def is_around(path):  # a layer of somebody's model around the one it was made from
        return wrapped and not any(path.startswith(f"{layer}/") for layer in wrapped)

    names = {
        key: path
        if _BOOKKEEPING.search(path) or is_around(path)
        else full.get(key) or _said_by(path)
        for key, path in paths.items()
    }
    times = Counter(names.values())
    return {key: name if times[name] == 1 else paths[key] for key, name in names.items()}


def _full_names(prefix: Path) -> dict[str, str]:
    """Key -> the name a variable was created with, from the graph; nothing where data is absent."""
    if not any(prefix.parent.glob(f"{prefix.name}.data-*")):
        return {}
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

    content = np.asarray(bundle.read(prefix, [GRAPH])[GRAPH]).item()
    try:
        graph = TrackableObjectGraph.FromString(content)
    except (DecodeError, TypeError) as error:
        raise CheckpointError(
            f"{prefix}: {GRAPH}, which names the variables, is damaged; get the checkpoint again. "
            f"protobuf says: {error}"
        ) from error
    return {a.checkpoint_key: a.full_name for node in graph.nodes for a in node.attributes}


def _said_by(path: str) -> str:
    """The name in a key of a wrapped model; else the path."""
    last = path.rpartition("/")[2]
    if not last.endswith(":0"):
        return path
    return last.replace(".S", "/").replace("..", ".").removesuffix(":0")
