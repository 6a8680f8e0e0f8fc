"""One of several endings, answers or options (Zellers et al. 2018, SWAG; Devlin et al. 2018, 4.4).

Letters: B rows of a batch, N choices a row, L length.
"""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from bert_tf2.data import columns
from bert_tf2.data import labels as classes
from bert_tf2.modeling import heads
from bert_tf2.modeling.inputs import INPUT_NAMES
from bert_tf2.tasks.task import Task
from bert_tf2.text.forms import cells, named_texts, shown, to_strings
from bert_tf2.training.losses import cross_entropy

NUMBERS = [str(i) for i in range(1000)]  # of choices


class Choice(NamedTuple):
    """One answer: the number of the likeliest choice, its text, and each one's probability."""

    index: int
    choice: str
    probabilities: list[float]


@keras.saving.register_keras_serializable("bert_tf2")
class MultipleChoice(Task):
    """Chooses for each text one of N choices.

    Each choice makes a pair with its text; a dense layer gives the pair a score, and the softmax is
    over the choices of a row (Devlin et al. 2018, section 4.4). The model maps int32 ids (B, N, L)
    to float32 logits (B, N); N may differ from batch to batch.

    Wherever a method takes `x`, it may be a tuple `(texts, choices)`: a list of n str, and n lists
    of N str; or a mapping of `text` and `choices`. A question that stands beside a text belongs
    before each of its choices. `y` is the number of the right choice, from 0.

    Args:
        encoder, preprocessor, dropout, drop_padding, name: as of a `TextClassifier`.
        pooling: what stands for a pair: "first", the pooled first token, as choices are published;
            or "mean", of all tokens, for encoders whose pooler was never trained.

    Raises:
        ValueError: another pooling.

    Examples:
        >>> task = bert_tf2.MultipleChoice.from_preset("uncased_L-12_H-768_A-12")
        >>> task.fit((["Where do fish live?"], [["in water", "on trees"]]), [0])
        >>> task.predict_choices((["Where do birds sit?"], [["in water", "on trees"]]))[0].choice
        'on trees'
    """

    head_kind = "choice"
    settings = ("dropout", "pooling")
    raw_names = ("text", "choices")
    together = "text"
    ids_rank = 3
    marks = ("choices",)
    own_loss = "sparse_categorical_crossentropy"
    softens = True
    wanted = "the numbers of the right choices"

    def __init__(
        self,
        encoder,
        preprocessor,
        dropout=None,
        pooling="first",
        drop_padding=True,
        name=None,
    ):
        dropout = encoder.config.classifier_dropout if dropout is None else dropout
        inputs = {n: keras.Input((None, None), dtype="int32", name=n) for n in INPUT_NAMES}
        rows = {n: heads.Fold()(x) for n, x in inputs.items()}  # (B N, L)
        pool = heads.pooling_of(pooling, heads.POOLINGS_OF_CHOICES)
        pooled = pool(encoder, rows, drop_padding)  # (B N, D)
        scores = heads.choices(pooled, encoder.config, dropout)  # (B N, 1)
        outputs = heads.Unfold()(scores, inputs["token_ids"])  # (B, N)
        super().__init__(encoder, preprocessor, inputs, outputs, drop_padding, name)
        self.dropout, self.pooling = dropout, pooling

    def predict_choices(self, x, batch_size=32, verbose=0):
        """The likeliest choices with probabilities.

        Args:
            x: see the class.
            batch_size: rows at a time.
            verbose: whether to show how far it is.

        Returns:
            list of `Choice`, one a row.
        """
        return [
            Choice(int(index), choice.decode(errors="replace"), shares.tolist())
            for a in self.answer(x, batch_size, verbose)
            for index, choice, shares in zip(
                a["index"], a["choice"], a["probabilities"], strict=True
            )
        ]

    def read_texts(self, x):
        return _read_choices(x)

    def packed_texts(self, found):
        """Each text with each of its choices, as they are packed."""
        texts, choices = found["text"], found["choices"]  # (n,), (n, N)
        pairs = (tf.repeat(texts, tf.shape(choices)[1]), tf.reshape(choices, [-1]))
        return dict(zip(columns.TEXT_NAMES, pairs, strict=True))

    def read_labels(self, y, rows):
        """The numbers of the right choices; `prepare` knows how many there are."""
        try:
            return classes.class_numbers(y, NUMBERS, rows)
        except ValueError as error:
            listed = isinstance(y, list | tuple | np.ndarray) and len(y) == rows
            strange = (
                next((i for i, x in enumerate(y) if not _is_number(x)), None) if listed else None
            )
            where = "" if strange is None else f" at index {strange}"
            raise ValueError(
                "`y` must be the number of the right choice of each row, from 0. Received"
                f"{where}: {shown(y if strange is None else y[strange])}"
            ) from error

    def worth_saying(self, found):
        right = found["labels"]  # places, of which no one need be learned
        if len(right) < 2 or np.ptp(right):
            return []
        return [f"All {len(right)} right choices are number {right[0]}: nothing to tell apart."]

    def prepare(self, columns):
        if "choices" in columns:
            choices = columns["choices"]  # (B, N)
            packed = self.preprocessor(tuple(self.packed_texts(columns).values()))
            inputs = {
                name: tf.reshape(x, tf.concat([tf.shape(choices), tf.shape(x)[1:]], 0))
                for name, x in packed.items()
            }
            inputs["choices"] = choices
        else:
            inputs = self.encoded(columns)
        if "labels" not in columns:
            return inputs, None, None
        count = tf.shape(inputs["token_ids"])[1]
        targets = classes.class_numbers_in_graph(columns["labels"], NUMBERS)  # (B,)
        strange = tf.boolean_mask(targets, (targets < 0) | (targets >= count))[:1]
        said = [f"{classes.MARK}", tf.strings.reduce_join(tf.strings.as_string(strange))]
        said = tf.strings.join(
            [*said, " is no choice: a row has ", tf.strings.as_string(count), " of them, from 0."]
        )
        with tf.control_dependencies([tf.debugging.Assert(tf.size(strange) == 0, [said])]):
            targets = tf.identity(targets)
        return inputs, targets, self.row_weights(columns)

    def losses(self, targets, outputs, weights):
        return {"loss": cross_entropy(targets, outputs, weights, **self.softening)}

    def answers(self, inputs, outputs):
        best = tf.argmax(outputs, -1, tf.int32)  # (B,)
        found = {"index": best, "probabilities": tf.nn.softmax(outputs), "logits": outputs}
        if "choices" in inputs:
            found["choice"] = tf.gather(inputs["choices"], best, batch_dims=1)
        return found

    def default_metrics(self):
        return ["accuracy"]

    def string_inputs(self, pairs=False):
        """`text` (B,) and `choices` (B, N)."""
        return {
            "text": tf.TensorSpec([None], tf.string, name="text"),
            "choices": tf.TensorSpec([None, None], tf.string, name="choices"),
        }


def _is_number(value):
    try:
        classes.class_numbers([value], NUMBERS)
    except (TypeError, ValueError):
        return False
    return True


def _read_choices(x):
    """Texts and their choices in memory -> columns `text` (n,) and `choices` (n, N).

    Raises:
        TypeError, ValueError: another form, or rows with different numbers of choices; the message
            has the index.
    """
    found = named_texts(x, MultipleChoice.raw_names)
    if len(found) != 2:
        raise TypeError(
            "Texts and their choices must be a tuple: a list of n str, and n lists of str. "
            f"Received: {shown(x)}"
        )
    texts, choices = columns.text_columns(found["text"], ("text",))["text"], found["choices"]
    rows = int(texts.shape[0])
    if not tf.is_tensor(choices):
        choices = [list(row) for row in _rows(choices)]
        sizes = [len(row) for row in choices]
        if len(set(sizes)) > 1:
            index = next(i for i, size in enumerate(sizes) if size != sizes[0])
            raise ValueError(
                f"All rows must have equally many choices: {sizes[0]}, as the first. Received at "
                f"index {index}: {sizes[index]}, {shown(choices[index])}"
            )
        flat = to_strings([choice for row in choices for choice in row], "choices")
        choices = tf.reshape(flat, [len(sizes), sizes[0] if sizes else 0])
    if choices.shape[0] != rows or choices.shape.rank != 2 or choices.shape[1] < 2:
        raise ValueError(
            f"There must be two or more choices for each of {rows} texts. Received: shape "
            f"{choices.shape}"
        )
    return {"text": texts, "choices": choices}


def _rows(choices):
    """The rows of a column of lists of str."""
    rows = choices.tolist() if hasattr(choices, "tolist") else cells(choices, "choices")
    for index, row in enumerate(rows):
        if isinstance(row, str | bytes) or not hasattr(row, "__len__"):
            raise TypeError(
                f"`choices` must be a list of str for each text. Received at index {index}: "
                f"{shown(row)}"
            )
    return rows
