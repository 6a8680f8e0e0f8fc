"""What speaks for an answer, and what against it: integrated gradients (Sundararajan et al. 2017).

Letters: S steps, L length, E embedding width.
"""

import logging
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from bert_tf2.analysis import targets
from bert_tf2.analysis.reading import read

LOGGER = logging.getLogger("bert_tf2")
STEPS = (32, 64, 128, 256, 512)  # tried in turn until the parts make the whole
COMPLETE = 0.01  # of the difference, what may be missing


class Attribution(NamedTuple):
    """What each token of a text adds to one number of an output.

    Attributes:
        target: what that number is.
        pieces: list of L str, the tokens as people read them.
        special: bool (L,), which of them are "[CLS]", "[SEP]" and their like: these add 0.
        second: where the second text begins; None of a single one.
        scores: float64 (L,), what each adds, in the number's own unit (of classes, a logit's).
        output: the number, for this text.
        blank: the number, for a text of as many paddings.
        steps: at how many places between them gradients were taken.
    """

    target: str
    pieces: list[str]
    special: np.ndarray
    second: int | None
    scores: np.ndarray
    output: float
    blank: float
    steps: int

    @property
    def missing(self):
        """What `scores` lack to add up to `output - blank`."""
        return self.output - self.blank - float(self.scores.sum())

    def _repr_html_(self):
        from bert_tf2.analysis.views import coloured_text

        return coloured_text(self).as_frame()


def integrated_gradients(model, text, text_pair=None, target=None, steps=None, batch_size=16):
    """What each token adds to a task's output, between a blank text and this one.

    The words' vectors, as they come from the token table, go straight from that of "[PAD]" to their
    own; positions, segments and special tokens stay. The gradient on the way, times the way, is
    what a token adds, and all of them add up to the difference of the two outputs.

    Args:
        model: a task.
        text: str; of a `QuestionAnswerer` the question.
        text_pair: str, the second text: a context, one choice; of a `SentenceEncoder` the text that
            the vector of the first one is compared with.
        target: which number of the output. Of classes or numbers: a name or position (default: the
            largest). Of tags: (position, tag) (default: the surest that is not "O"). Of answers:
            the (first, last) position (default: the best). Of masked words: a piece at the first
            "[MASK]" (default: the likeliest). Of sparse vectors: a piece (default: the one of the
            largest weight). Or a function, outputs of S texts -> tensor (S,).
        steps: at how many places the gradient is taken (Gauss and Legendre's). Default: 32, and
            twice as many until less than 1 % of the difference is missing, 512 at most.
        batch_size: places at a time.

    Returns:
        an `Attribution`: `pieces` (L str), `scores` float64 (L,), `target`, `output`, `blank`.

    Raises:
        TypeError: an encoder, which has no output to explain, or a text that is no str.
        ValueError: no such target, `steps` below 1, or a text that the task reads in several rows.

    Source: Sundararajan et al. 2017, "Axiomatic Attribution for Deep Networks", section 3.

    Examples:
        >>> clf = bert_tf2.TextClassifier.from_preset("all-MiniLM-L6-v2", labels=["bad", "good"])
        >>> found = bert_tf2.integrated_gradients(clf, "what a film", target="good")
        >>> found.target, found.scores.shape
        ('good', (5,))
    """
    if steps is not None and (isinstance(steps, bool) or not steps >= 1):
        raise ValueError(f"`steps` must be 1 or more. Received: {steps!r}")
    if not hasattr(model, "answers"):
        raise TypeError(f"`model` must be a task. Received: a {type(model).__name__}")
    other = None
    if text_pair is not None and hasattr(model, "encode"):  # of vectors: the pair is the target
        other, text_pair = targets.alike(model, text_pair), None
    path = _Path(model, read(model, text, text_pair))
    goal = other or targets.chosen(model, target, path.outputs(path.words), path.reading)
    output, blank = (float(goal.of(path.outputs(x))[0]) for x in (path.words, path.blank))
    for count in STEPS if steps is None else (steps,):
        scores = path.attributed(goal.of, count, batch_size)
        missing = output - blank - scores.sum()
        if abs(missing) <= COMPLETE * abs(output - blank):
            break
    else:
        LOGGER.warning(
            "%.2g of a difference of %.2g are not accounted for after %d steps.",
            *(missing, output - blank, count),
        )
    read_as = path.reading
    how = (read_as.pieces, read_as.special, read_as.second, scores, output, blank, count)
    return Attribution(goal.name, *how)


class _Path:
    """From a blank text to a text, in the vectors of its words."""

    def __init__(self, task, reading):
        self.task, self.reading = task, reading
        self.embeddings = reading.encoder.parts["embeddings"]
        ids = reading.inputs["token_ids"].reshape(-1)  # (L,)
        pad = task.preprocessor.tokenizer.pad_token_id
        table = tf.convert_to_tensor(self.embeddings.token_table())
        self.words = tf.gather(table, ids)[tf.newaxis]  # (1, L, E)
        blank = tf.gather(table, np.where(reading.special, ids, pad))
        self.blank = blank[tf.newaxis]

    def outputs(self, words):
        """(S, L, E) -> the task's outputs, of S rows."""
        inputs = {
            name: np.repeat(x, len(words), 0) for name, x in self.reading.inputs.items()
        }  # (S, L)
        if self.task.ids_rank == 3:  # one choice of a row
            inputs = {name: x[:, np.newaxis] for name, x in inputs.items()}
        with self.embeddings.showing(words):
            return self.task(inputs)

    def attributed(self, of, steps, batch_size):
        """float64 (L,): the mean gradient on the way, times the way."""
        places, shares = np.polynomial.legendre.leggauss(steps)
        places, shares = (places + 1) / 2, shares / 2  # from -1 … 1 to 0 … 1
        way, total = self.words - self.blank, np.zeros(self.words.shape[1:])
        for start in range(0, steps, batch_size):
            here = slice(start, start + batch_size)
            at = tf.constant(places[here, None, None], self.words.dtype)
            words = self.blank + at * way
            with tf.GradientTape() as tape:
                tape.watch(words)
                found = of(self.outputs(words))
            gradient = tape.gradient(found, words)
            total += np.einsum("s,sle->le", shares[here], gradient.numpy().astype("float64"))
        return (total * way[0].numpy()).sum(-1)
