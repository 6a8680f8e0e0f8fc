"""Whether this process can run TensorFlow at all."""

import os

from tensorflow.python.eager import context

_state = {"ran": False, "forked": False}


def _before():
    _state["ran"] = context.context()._context_handle is not None  # set when TensorFlow has run


def _after():
    _state["forked"] = _state["ran"]


os.register_at_fork(before=_before, after_in_child=_after)


def check():
    """Raises in a process that was forked from one where TensorFlow had run: it would hang."""
    if _state["forked"]:
        raise RuntimeError(
            "TensorFlow had run before this process was forked from another, and would hang here. "
            'Use multiprocessing.get_context("spawn"), and load the model in the new process.'
        )
