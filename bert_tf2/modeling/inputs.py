"""What an encoder is asked: ids under anyone's names, checked where their values are known."""

import keras
import numpy as np
from keras import ops

# The same three inputs under Google's and Hugging Face's names.
INPUT_NAMES = {
    "token_ids": ("input_word_ids", "input_ids"),
    "segment_ids": ("input_type_ids", "token_type_ids"),
    "padding_mask": ("input_mask", "attention_mask"),
}

SHAPES = {2: "B, L", 3: "B, N, L"}


def input_tensors():
    """The symbolic inputs of every model here: int32 (B, L) each."""
    return {name: keras.Input((None,), dtype="int32", name=name) for name in INPUT_NAMES}


def rename_inputs(inputs, config=None, rank=2):
    """Gives Google's or Hugging Face's input names ours; fills what is left out.

    Args:
        inputs: dict of int32 (B, L): `token_ids` (or a known other name), and optionally
            `segment_ids` (default zeros) and `padding_mask` (default ones).
        config: an `EncoderConfig`, to check values against (see `check_ids`).
        rank: of the ids' shape: 3 for (B, N, L), N choices a row.

    Returns:
        dict with exactly `token_ids`, `segment_ids`, `padding_mask`.

    Raises:
        TypeError: not a dict.
        ValueError: no token ids, an unknown name, or the same input twice; with a config, what
            `check_ids` refuses.
    """
    if not isinstance(inputs, dict):
        raise TypeError(f"Inputs must be a dict of token ids. Received: {type(inputs).__name__}")
    ours = {alias: name for name, aliases in INPUT_NAMES.items() for alias in (name, *aliases)}
    unknown = [name for name in inputs if name not in ours]
    renamed = {ours[name]: value for name, value in inputs.items() if name in ours}
    if unknown or len(renamed) != len(inputs) or "token_ids" not in renamed:
        raise ValueError(
            "Inputs must be a dict with `token_ids` and, if wanted, `segment_ids` and "
            f"`padding_mask` (or Google's or Hugging Face's names). Received: {list(inputs)}"
        )
    if config is not None:
        _check_values(renamed, config, rank)
    renamed = {
        name: x if isinstance(x, keras.KerasTensor) else ops.convert_to_tensor(x, "int32")
        for name, x in renamed.items()
    }
    ids = renamed["token_ids"]
    filled = {"segment_ids": ops.zeros_like, "padding_mask": ops.ones_like}
    return renamed | {name: fill(ids) for name, fill in filled.items() if name not in renamed}


def _check_values(inputs, config, rank):
    # Where there is one segment, or none, nobody looks at its ids.
    segments = config.type_vocab_size if config.type_vocab_size > 1 else None
    counts = {"token_ids": config.vocab_size, "segment_ids": segments, "padding_mask": 2}
    shapes = {name: check_ids(name, x, counts[name], rank) for name, x in inputs.items()}
    if len({*shapes.values()} - {None}) > 1:
        raise ValueError(f"All inputs must have one shape ({SHAPES[rank]}). Received: {shapes}")


def check_ids(name, ids, count, rank=2):
    """Refuses ids that no row of a table answers to, where their values are known.

    They are for lists, arrays and eager tensors. In a graph they are not, and nothing is spent on
    them: there a CPU stops at the look-up of such an id ("indices … is not in …"), other devices
    take zeros or the nearest row.

    Args:
        name: of the input, for the message.
        ids: what was given. count: rows of the table; None for any.
        rank: of the ids' shape.

    Returns:
        tuple, their shape; None where they are not known.

    Raises:
        ValueError: an id outside 0 … count - 1, one that is not whole, or another rank.
    """
    if not hasattr(ids, "numpy") and not isinstance(ids, np.ndarray | list | tuple):
        return None
    try:
        values = np.asarray(ids.numpy() if hasattr(ids, "numpy") else ids)
    except ValueError as error:  # rows of different length
        raise ValueError(f"`{name}` must have rows of one length: pad them. {error}") from error
    if values.ndim != rank or values.dtype.kind not in "iufb":
        raise ValueError(
            f"`{name}` must be whole numbers of shape ({SHAPES[rank]}). "
            f"Received: shape {values.shape}, dtype {values.dtype}"
        )
    wrong = values < 0 if count is None else (values < 0) | (values >= count)
    wrong |= values % 1 != 0
    if wrong.any():
        most = "" if count is None else f" to {count - 1}"
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"`{name}` must be whole numbers from 0{most}. Received: {values[place]} at {place}"
        )
    return values.shape
