"""What the recordings of the originals hold, in our names."""

import numpy as np

from bert_tf2.weights import names

INPUTS = {"token_ids": "input_ids", "padding_mask": "input_mask", "segment_ids": "segment_ids"}
# References written by Google's own code -> the head of their second pretraining task.
SECOND_TASKS = {
    "bert_tiny": "nsp",
    "albert_tiny_v1": "sop",
    "albert_tiny_v2": "sop",
    "albert_tiny_groups2": "sop",
    "albert_tiny_inner2": "sop",
}
CLASSIFIER = {"classifier/kernel": "output_weights", "classifier/bias": "output_bias"}


def inputs_of(arrays, prefix=""):
    """The recorded ids and masks; without segments where none were recorded."""
    return {o: arrays[prefix + t] for o, t in INPUTS.items() if prefix + t in arrays}


def variables_of(task, recorded, prefix):
    """Our name -> array, as recorded under Google's names; heads' kernels are stored transposed."""
    table = names.variables(task.encoder.config, "google")
    arrays = {}
    for name in task.named_variables():
        theirs = CLASSIFIER.get(name) or table[name].theirs
        transposed = name == "classifier/kernel" or (name in table and table[name].transposed)
        array = np.asarray(recorded[f"{prefix}/{theirs}"])
        arrays[name] = array.T if transposed else array
    return arrays
