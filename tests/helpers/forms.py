"""The forms in which people hold texts and labels: tables of tests, one row a form."""

from collections import UserDict

import keras
import numpy as np
import tensorflow as tf

ONE, TWO = ["a", "bé", "c"], ["x", "y", "z"]


class Series:
    """What of pandas we rely on."""

    def __init__(self, values):
        self.values = values

    def __len__(self):
        return len(self.values)

    def __iter__(self):  # as a Series does
        return iter(self.values)

    def to_numpy(self):
        return np.array(self.values, object)


class Indexed(Series):
    """A Series with an index, such as that of pandas' `value_counts`."""

    ndim = 1

    def __init__(self, **values):
        super().__init__(list(values.values()))
        self.index = list(values)

    def to_dict(self):
        return dict(zip(self.index, self.values, strict=True))


class Frame:
    """Likewise; its own entries are its keys, which were once taken for texts."""

    def __init__(self, **columns):
        self.held = columns

    columns = property(lambda self: list(self.held))

    def __len__(self):
        return len(next(iter(self.held.values())))

    def __iter__(self):
        return iter(self.held)

    def __getitem__(self, name):
        return Series(self.held[name])

    def to_numpy(self):
        return np.array(list(self.held.values()), object).T


class Arrow:
    """A column of pyarrow, whose entries are no str."""

    def __len__(self):
        return len(ONE)

    def __iter__(self):
        return iter([object()] * len(ONE))

    def to_pylist(self):
        return ONE


SINGLE = {
    "list": lambda: ONE,
    "bytes": lambda: [text.encode() for text in ONE],
    "array": lambda: np.array(ONE),
    "array of objects": lambda: np.array(ONE, object),
    "array of bytes": lambda: np.array([text.encode() for text in ONE]),
    "column": lambda: np.array(ONE)[:, None],
    "tensor": lambda: tf.constant(ONE),
    "tensor column": lambda: tf.constant(ONE)[:, None],
    "list of tensors": lambda: list(tf.constant(ONE)),
    "generator": lambda: (text for text in ONE),
    "values of a dict": lambda: dict(enumerate(ONE)).values(),
    "series": lambda: Series(ONE),
    "frame": lambda: Frame(review=ONE),
    "frame of text": lambda: Frame(text=ONE),
    "arrow": Arrow,
    "dict": lambda: {"text": np.array(ONE)},
    "dict without a pair": lambda: {"text": ONE, "text_pair": None},
    "mapping": lambda: UserDict(text=Series(ONE)),
}
PAIRS = {
    "tuple": lambda: (ONE, TWO),
    "tuple of others": lambda: (Series(ONE), np.array(TWO)[:, None]),
    "rows": lambda: list(zip(ONE, TWO, strict=True)),
    "generator of rows": lambda: zip(ONE, TWO, strict=True),
    "dict": lambda: {"text_pair": TWO, "text": ONE},
    "mapping": lambda: UserDict(text=Series(ONE), text_pair=tf.constant(TWO)),
    "frame": lambda: Frame(text_pair=TWO, text=ONE),
    "structured array": lambda: np.array(
        list(zip(ONE, TWO, strict=True)), [("text", "U9"), ("text_pair", "U9")]
    ),
}


REFUSED = {
    "bare string": ("tea", TypeError, "bare string"),
    "bare bytes": (b"tea", TypeError, "bare string"),
    "two bare strings": (("a", "b"), TypeError, "bare string"),
    "bare string in a dict": ({"text": "tea"}, TypeError, "bare string"),
    "two lists": ([ONE, TWO], ValueError, r"\(first, second\).*a list of 2 lists, which could"),
    "long lists": ([["word " * 999] * 99] * 2, ValueError, "could mean either"),
    "rows that are lists": ([["a", "x"]] * 3, ValueError, r"\[\(first, second\), ...\]"),
    "two arrays": ([np.array(ONE), np.array(TWO)], ValueError, "could mean either"),
    "two tensors": ([tf.constant(ONE)] * 2, ValueError, "shape"),
    "matrix": (np.array([ONE, TWO]), ValueError, r"one column. Received: shape \(2, 3\)"),
    "ragged": (tf.ragged.constant([["a"], ["b", "c"]]), ValueError, "shape"),
    "frame of others": (Frame(text=ONE, label=TWO), ValueError, r"columns \['text', 'label'\]"),
    "frame with two": (Frame(a=ONE, b=TWO), ValueError, r"Received: the columns \['a', 'b'\]"),
    "dict of others": ({"texts": ONE}, ValueError, r"token_ids.*columns \['texts'\]"),
    "dict of more": ({"text": ONE, "words": ONE}, ValueError, "text_pair"),
    "second texts alone": ({"text_pair": ONE}, ValueError, "`text` and perhaps"),
    "empty dict": ({}, ValueError, r"columns \[\]"),
    "numbers": ([1, 2], TypeError, r"Received at index 0: 1 \(int\)"),
    "number array": (np.ones(2), TypeError, r"index 0: 1.0 \(float\)"),
    "number tensor": (tf.constant([1]), TypeError, "int32 of shape"),
    "none inside": (["a", None], TypeError, "index 1: None"),
    "nan inside": (Series(["a", "b", float("nan")]), TypeError, "index 2: nan"),
    "none in pairs": ([("a", "b"), ("c", None)], TypeError, "`text_pair`.*index 1: None"),
    "short row": ([("a", "b"), ("c",)], TypeError, "index 1: a tuple of 1"),
    "mixed rows": ([("a", "b"), "c"], TypeError, "index 1: 'c'"),
    "three lists": ((ONE, ONE, ONE), TypeError, "a tuple of 3"),
    "empty": ([], ValueError, "at least one text"),
    "unequal": ((ONE, TWO[:2]), ValueError, r"equally long. Received: \[3, 2\]"),
    "set": (set(ONE), TypeError, "set"),
    "none": (None, TypeError, "NoneType"),
    "number": (3, TypeError, "3"),
    "records": ([{"text": "a"}], TypeError, "index 0: {'text': 'a'}"),
}


class Sequence(keras.utils.PyDataset):
    """Two batches of another size; counts its epochs."""

    def __init__(self, entries):
        super().__init__()
        self.entries, self.ended = entries, 0

    def __len__(self):
        return len(self.entries)

    def __getitem__(self, index):
        return self.entries[index]

    def on_epoch_end(self):
        self.ended += 1


# === Labels ===

TONES, STARS = ["bad", "good"], ["1", "2", "3", "4", "5"]


NUMBERS = [
    (TONES, ["good", "bad"], [1, 0]),
    (TONES, [b"good", np.str_("bad")], [1, 0]),
    (TONES, np.array(["good", "bad"], object), [1, 0]),
    (TONES, [1, 0], [1, 0]),
    (TONES, np.array([1, 0], np.uint8), [1, 0]),
    (TONES, [1.0, 0.0], [1, 0]),
    (TONES, np.float32([1, 0]), [1, 0]),
    (TONES, np.array([[1], [0]]), [1, 0]),
    (TONES, [["good"], ["bad"]], [1, 0]),
    (TONES, Series([1, 0]), [1, 0]),
    (TONES, Frame(tone=["good", "bad"]), [1, 0]),
    (TONES, tf.constant(["good", "bad"]), [1, 0]),
    (TONES, [[0, 1], [1, 0]], [1, 0]),
    (TONES, np.eye(2, dtype="float32"), [0, 1]),
    (TONES, np.eye(2, dtype=bool), [0, 1]),
    (["yes", "no"], [True, False], [0, 1]),
    (["True", "False"], np.array([True, False]), [0, 1]),
    # Numbers that are names mean names.
    (["1", "0"], [1, 0], [0, 1]),
    (["1", "0"], [1.0, 0.0], [0, 1]),
    (["1", "0"], ["1", "0"], [0, 1]),
    (["1", "0"], [True, False], [0, 1]),
    (["1", "0"], np.eye(2), [0, 1]),
    (STARS, [1, 5, 3], [0, 4, 2]),
    (STARS, np.int64([5]), [4]),
    (["1.0", "2.0"], [1, 2], [0, 1]),
    (["1.5", "2"], [1.5, 2.0], [0, 1]),
    (["-1", "1"], [-1, 1], [0, 1]),
    (["0", "1", "many"], [0, 1], [0, 1]),
]


WRONG = [
    (TONES, ["fog", "bad"], r"Label 'fog' at index 0 is not a class. Classes: \['bad', 'good'\]"),
    (TONES, [0, 2], "Label 2 at index 1 is not a class: .* below 2. Classes"),
    (TONES, [-1], "Label -1 at index 0"),
    (TONES, [0.5], "Label 0.5 at index 0.*whole number below 2"),
    (TONES, ["0", "1"], "Label '0' at index 0"),
    (TONES, [0.0, float("nan")], "Label nan at index 1"),
    (STARS, [1, 0], "Label 0 at index 1 .*named by numbers.*give names"),
    (STARS, [6], "Label 6 at index 0"),
    (["0", "1", "many"], [0, 2], "Label 2 at index 1.*give names"),
    (["it's", 'a "b"]'], ["é\n"], "Label 'é. ?n?' at index 0"),
    ([str(i) * 200 for i in range(99)], ["w" * 999], "Label 'w"),
]
