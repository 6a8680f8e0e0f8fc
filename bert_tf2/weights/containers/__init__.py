"""The kinds of files that hold named arrays: each a module with `list_variables` and `read`."""

from bert_tf2.weights.containers import bundle, factorized, objects, safetensors

CONTAINERS = {
    "bundle": bundle,
    "factorized": factorized,
    "objects": objects,
    "safetensors": safetensors,
}
