"""The forms in which people hold texts: each is read the one way it can be meant, or refused."""

from collections import UserDict

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_tf2.data import columns

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


def read(x):
    found = columns.text_columns(x)
    return {name: [text.decode() for text in column.numpy()] for name, column in found.items()}


@pytest.mark.parametrize("form", SINGLE)
def test_texts(form):
    assert read(SINGLE[form]()) == {"text": ONE}
    assert not columns.is_pair(SINGLE[form]())
    assert not columns.is_encoded(SINGLE[form]())


@pytest.mark.parametrize("form", PAIRS)
def test_pairs(form):
    assert read(PAIRS[form]()) == {"text": ONE, "text_pair": TWO}
    assert columns.is_pair(columns.as_dataset(PAIRS[form]()))
    with pytest.raises((TypeError, ValueError), match=r"no pairs|no others"):
        columns.text_columns(PAIRS[form](), columns.TEXT_NAMES[:1])


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


@pytest.mark.parametrize("form", REFUSED)
def test_refused_in_a_few_words(form):
    x, error, message = REFUSED[form]
    with pytest.raises(error, match=message) as caught:
        columns.text_columns(x)
    assert len(str(caught.value)) < 350
    assert "\n" not in str(caught.value)


def test_real_pandas():
    pandas = pytest.importorskip("pandas")
    for x in (
        pandas.Series(ONE, index=[7, 7, 8]),
        pandas.Series(ONE, dtype="category"),
        pandas.DataFrame({"review": ONE}),
        pandas.DataFrame({"text": ONE, "text_pair": ONE})[["text"]],
    ):
        assert read(x) == {"text": ONE}
    assert read(pandas.DataFrame({"text": ONE, "text_pair": TWO})) == read((ONE, TWO))
    with pytest.raises(TypeError, match="index 1"):
        columns.text_columns(pandas.Series(["a", None]))


def test_ids():
    for name in ("token_ids", "input_ids", "input_word_ids"):
        assert columns.is_encoded(UserDict({name: [[1]]}))


# === What goes with texts =========================================================================


@pytest.mark.parametrize("weights", [[1, 2.5], np.array([[1], [2.5]]), Series([1.0, 2.5])])
def test_sample_weights(weights):
    assert columns.sample_weights(weights, 2).tolist() == [1, 2.5]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1], "one number a text: 2. Received shape"),
        (1.0, "one number a text: 2"),
        (["a", "b"], "one number a text: 2"),
        ([1, float("nan")], "finite. Received at index 1: nan"),
    ],
)
def test_wrong_sample_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        columns.sample_weights(weights, 2)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ((ONE, [1]), (ONE, [1], None)),
        ([ONE, [1]], (ONE, [1], None)),
        ((ONE, [1], [2]), (ONE, [1], [2])),
        (((ONE, TWO), [1]), ((ONE, TWO), [1], None)),
        (ONE, (ONE, None, None)),
        (ONE[:2], (ONE[:2], None, None)),
        ([("a", "b"), ("c", "d")], ([("a", "b"), ("c", "d")], None, None)),
        ({"text": ONE}, ({"text": ONE}, None, None)),
    ],
)
def test_validation_data(data, expected):
    assert columns.validation(data) == expected


def test_split_sets_the_last_rows_apart():
    texts = [str(i) for i in range(10)]
    (x, y, w), (xs, ys, ws) = columns.split(texts, Series(list(range(10))), None, 0.25)
    assert (read(x)["text"], list(y), w) == (texts[:7], list(range(7)), None)
    assert (read(xs)["text"], list(ys), ws) == (texts[7:], [7, 8, 9], None)
    (x, y, _), _ = columns.split({"input_ids": [[1], [2]]}, [0, 1], None, 0.5)
    assert (x["input_ids"].tolist(), y) == ([[1]], [0])
    assert columns.split(ONE, TWO, None, 0.5, "given") == ((ONE, TWO, None), "given")
    dataset = tf.data.Dataset.from_tensor_slices(ONE)
    for x, fraction, message in (
        (ONE, 1.0, "between 0 and 1"),
        (ONE, -0.5, "between 0 and 1"),
        (ONE, 0.999, "part of 3 rows empty"),
        (dataset, 0.5, ".take"),
    ):
        with pytest.raises(ValueError, match=message):
            columns.split(x, TWO, None, fraction)


# === Data that come in batches ====================================================================


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


ENTRIES = {
    "texts and names": ([(ONE, TWO), (ONE[:1], TWO[:1])], {"text": ONE, "labels": TWO}),
    "texts alone": ([ONE, ONE[:2]], {"text": ONE}),
    "pairs": ([((ONE, TWO), [0, 1, 0])], {"text": ONE, "text_pair": TWO, "labels": [0, 1, 0]}),
    "weights": ([(ONE, [1.0] * 3, np.ones(3))], {"text": ONE, "labels": [1.0] * 3}),
    "series": ([(Series(ONE), Series(TWO))], {"text": ONE, "labels": TWO}),
    "ids": (
        [({"token_ids": [[1, 2]]}, [1]), ({"token_ids": [[1], [3]]}, [1, 2])],
        {"token_ids": [[1, 2]], "labels": [1]},
    ),
}


@pytest.mark.parametrize("form", ENTRIES)
@pytest.mark.parametrize("kind", [Sequence, iter, lambda entries: (entry for entry in entries)])
def test_batches_of_python(form, kind):
    entries, expected = ENTRIES[form]
    dataset = columns.as_dataset(kind(entries))
    assert int(dataset.cardinality()) == len(entries)
    for _ in range(2):
        batches = list(dataset)
        assert len(batches) == len(entries)
    first = batches[0]
    found = columns.in_graph(*(first if isinstance(first, tuple) else (first,)))
    found.pop("sample_weight", None)
    texts = {n: np.char.decode(v.numpy().astype("S")) if v.dtype == tf.string else v.numpy()
             for n, v in found.items()}  # fmt: skip
    assert {name: value.tolist() for name, value in texts.items()} == expected


def test_epochs_of_a_sequence():
    sequence = Sequence([(ONE, TWO)] * 3)
    dataset = columns.as_dataset(sequence)
    assert [len(list(dataset)) for _ in range(2)] == [3, 3]
    assert sequence.ended == 2
    with pytest.raises(ValueError, match="at least one batch"):
        columns.as_dataset(Sequence([]))


def test_generators():
    endless = columns.as_dataset(((ONE, TWO) for _ in iter(int, 1)), endless=True)
    assert endless.cardinality() == tf.data.INFINITE_CARDINALITY
    assert len(list(endless.take(5))) == 5
    assert columns.as_dataset(iter(ONE)) == ONE
    with pytest.raises(TypeError, match="not a function"):
        columns.as_dataset(lambda: iter(ONE))


@pytest.mark.parametrize("x", [{"text": ONE, "words": ONE}, {"sentence": ONE}, {"text_pair": ONE}])
def test_batches_with_other_columns(x):
    with pytest.raises(ValueError, match=r"must have the columns \['text', 'text_pair'\]"):
        columns.in_graph({name: tf.constant(column) for name, column in x.items()})
