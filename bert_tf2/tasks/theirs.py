"""Arguments that sentence-transformers' methods have and ours do not: taken where they ask for what
comes anyway, else refused with what to do instead.
"""

import tensorflow as tf

from bert_tf2.messages import shorten

# Name -> the values that change nothing, and what to do for others.
ARGUMENTS = {
    "convert_to_numpy": ((True, None), "NumPy is what comes: make tensors of that"),
    "convert_to_tensor": (
        (False, None),
        "NumPy is what comes: `tf.constant` or torch's `as_tensor`",
    ),
    "convert_to_sparse_tensor": ((True, None), "`SparseVectors.toarray()` has the zeros"),
    "save_to_cpu": ((True, False, None), ""),
    "output_value": (
        ("sentence_embedding",),
        "`features` gives vectors of other layers and tokens",
    ),
    "device": ((None,), "TensorFlow chooses: `with tf.device(…)` says where"),
    "pool": ((None,), "one process computes all, `batch_size` texts at a time"),
    "chunk_size": ((None,), "one process computes all, `batch_size` texts at a time"),
    "activation_fn": ((None,), "`from_preset(…, activation=…)` sets it"),
    "show_progress_bar": ((False, None), "`verbose=1` shows how far it is"),
    "num_workers": ((0, None), "no worker reads ahead: one process computes all"),
    "apply_softmax": ((False, None), "`scipy.special.softmax(scores, 1)`"),
}


def check(given, known):
    """Raises a TypeError for arguments that ask for something else than what comes.

    Args:
        given: dict of name to value of what the method does not have. known: what it has.
    """
    for name, value in given.items():
        if name not in ARGUMENTS:
            raise TypeError(f"`{name}` is no argument here. There are {', '.join(known)}.")
        same, instead = ARGUMENTS[name]
        if name == "device" and str(value) == "cpu" and not tf.config.list_physical_devices("GPU"):
            continue
        if not any(value is one or (isinstance(value, str) and value == one) for one in same):
            raise TypeError(
                f"`{name}` must be {same[0]!r} here: {instead}. Received: {shorten(value)}"
            )
