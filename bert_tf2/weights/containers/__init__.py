"""The kinds of files that hold named arrays: each a module with `list_variables` and `read`."""

from bert_tf2.weights.containers import bundle, objects, safetensors

CONTAINERS = {"bundle": bundle, "objects": objects, "safetensors": safetensors}
