"""What people pass as text, as string tensors."""

import tensorflow as tf


def to_strings(texts):
    """A string tensor of shape (B,) or () from what was passed as text.

    Args:
        texts: str or bytes, list of them, NumPy array of str, bytes or objects that are str, or a
            string tensor.

    Raises:
        TypeError: not text.
        ValueError: more than one dimension.
    """
    try:
        tensor = tf.convert_to_tensor(_encoded(texts), dtype=tf.string)
    except (TypeError, ValueError) as error:
        raise TypeError(
            "Texts must be a str, a list of str, a NumPy array of str or a tf.string tensor; "
            f"a pair of texts is a tuple of two of these. Received: {_describe(texts)}"
        ) from error
    if tensor.shape.rank is None or tensor.shape.rank > 1:
        raise ValueError(f"Texts must have shape (B,) or (). Received: shape {tensor.shape}")
    return tensor


def _encoded(texts):
    """str -> bytes, also with lone surrogates, which then count as invalid UTF-8."""
    if isinstance(texts, str):
        return texts.encode("utf-8", "surrogatepass")
    return [_encoded(text) for text in texts] if isinstance(texts, list) else texts


def _describe(value):
    text = repr(value)
    text = text if len(text) <= 100 else text[:97] + "..."
    return f"{text} (type {type(value).__name__})"
