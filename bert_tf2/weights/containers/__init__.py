"""The kinds of files that hold named arrays: each a module with `list_variables` and `read`."""

from bert_tf2.weights.containers import bundle, hdf5, keras_weights, safetensors

CONTAINERS = {
    "bundle": bundle,
    "hdf5": hdf5,
    "keras_weights": keras_weights,
    "safetensors": safetensors,
}
