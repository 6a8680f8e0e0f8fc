"""The kinds of files that hold named arrays: each a module with `list_variables` and `read`."""

from bert_tf2.weights.containers import (
    bundle,
    hdf5,
    keras_weights,
    objects,
    safetensors,
    torch_files,
)

CONTAINERS = {
    "bundle": bundle,
    "hdf5": hdf5,
    "keras_weights": keras_weights,
    "objects": objects,
    "safetensors": safetensors,
    "torch": torch_files,
}
