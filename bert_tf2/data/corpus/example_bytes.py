"""Rows of numbers -> serialized `tf.train.Example`s with Google's features, a batch at once.

The bytes are those that protobuf itself writes, with the features in the order of `FEATURES`;
protobuf's own order changes from process to process, and so would files.

Letters: B rows, L length, P predictions a row.
"""

import functools

import numpy as np

# google-research/bert, `create_pretraining_data.py`: our name -> theirs, in the order of that file.
FEATURES = {
    "token_ids": "input_ids",
    "padding_mask": "input_mask",
    "segment_ids": "segment_ids",
    "masked_positions": "masked_lm_positions",
    "masked_ids": "masked_lm_ids",
    "masked_weights": "masked_lm_weights",
    "next_sentence_labels": "next_sentence_labels",
}
_INTS, _FLOATS = 3, 2  # fields of tf.train.Feature: int64_list, float_list


def examples(rows, order=tuple(FEATURES)):
    """Serialized examples of rows.

    Args:
        rows: dict of our names to arrays of B rows: whole numbers from 0, or float32.
        order: of the features, by our names.

    Returns:
        list of B bytes.
    """
    columns = [
        [_feature(FEATURES[name], field, len(content)) + content for content in contents]
        for name in order
        for field, contents in [_contents(np.asarray(rows[name]))]
    ]
    bodies = map(b"".join, zip(*columns, strict=True))
    return [b"\x0a" + _varint(len(body)) + body for body in bodies]


def _contents(values):
    """The field of an array's kind, and the packed bytes of each of its rows."""
    values = values.reshape(len(values), -1)
    if values.dtype.kind == "f":
        flat, width = values.astype("<f4").tobytes(), 4 * values.shape[1]
        return _FLOATS, [flat[i : i + width] for i in range(0, len(flat), width)]
    flat, ends = _varints(values)
    return _INTS, [flat[a:z] for a, z in zip([0, *ends[:-1]], ends, strict=True)]


def _varints(values):
    """Packed varints of whole numbers (B, n) from 0: bytes, and where each row ends."""
    rows, width = values.shape
    sizes = max(1, -(-int(values.max(initial=0)).bit_length() // 7))  # bytes of the largest
    found = np.empty((rows, width, sizes), np.uint8)
    for place in range(sizes):
        found[..., place] = (values >> 7 * place) | 0x80
    if sizes == 1:
        found &= 0x7F
        return found.tobytes(), range(width, rows * width + 1, width)
    used = np.empty(found.shape, bool)
    used[..., 0] = True
    for place in range(1, sizes):
        used[..., place] = values >= 1 << 7 * place
        found[..., place - 1] &= np.where(used[..., place], 0xFF, 0x7F).astype(np.uint8)
    found[..., -1] &= 0x7F
    return found[used].tobytes(), np.cumsum(used.sum((1, 2))).tolist()


@functools.lru_cache(maxsize=1 << 16)
def _feature(name, field, size):
    """What stands before the packed values of an entry of the map of features."""
    inner = b"\x0a" + _varint(size)  # the values, packed
    value = bytes([field << 3 | 2]) + _varint(len(inner) + size) + inner
    key = _bytes(name.encode())
    value = b"\x12" + _varint(len(value) + size) + value
    entry = b"\x0a" + key + value
    return b"\x0a" + _varint(len(entry) + size) + entry


def _bytes(content):
    return _varint(len(content)) + content


def _varint(value):
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])
