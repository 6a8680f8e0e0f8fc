"""Many texts to vectors: the longest first, so that texts of like length are computed together.

Letters: n texts, D width.
"""

import logging
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from bert_tf2.data import columns, pipeline
from bert_tf2.messages import checked_bool
from bert_tf2.scoring import vectors
from bert_tf2.tasks import feeding, process, theirs

LOGGER = logging.getLogger("bert_tf2")


class How(NamedTuple):
    """How texts become the numbers that are kept: arguments of `encode`, checked.

    Attributes:
        prompt: the text before each. precision: a name of `scoring.vectors.PRECISIONS`.
        normalize_embeddings: whether each vector is made of length 1.
        truncate_dim: how many numbers are kept; None: as many as the task says.
        ranges: float32 (2, D), for 8 bits; or None.
    """

    prompt: str
    precision: str = "float32"
    normalize_embeddings: bool = False
    truncate_dim: int | None = None
    ranges: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        task,
        prompt_name=None,
        prompt=None,
        precision="float32",
        normalize_embeddings=False,
        truncate_dim=None,
        ranges=None,
        **others,
    ):
        """Of the arguments of `encode`; raises as that does."""
        theirs.check(others, ("prompt_name", "prompt", "batch_size", *cls._fields[1:]))
        return cls(
            task.prompt_of(prompt_name, prompt),
            vectors.checked_precision(precision),
            checked_bool("normalize_embeddings", normalize_embeddings),
            task.checked_width(truncate_dim),
            None if ranges is None else np.asarray(ranges, "float32"),
        )

    def finished(self, found):
        """float32 (n, D) -> an array (n, …), of what is asked for."""
        found = vectors.checked(found, "embeddings") if len(found) else found
        found = vectors.unit_length(found) if self.normalize_embeddings else found
        return vectors.quantize(found, self.precision, self.ranges)


def encode(
    task, sentences, prompt_name=None, prompt=None, batch_size=32, show_progress_bar=False, **how
):
    """The vectors of texts.

    Args:
        sentences: a list or an array of str, or one str.
        prompt_name: of the prompt to put before each text; default: `default_prompt_name`.
        prompt: the text itself to put there; "" for none.
        batch_size: texts at a time.
        show_progress_bar: whether to show how far it is.
        precision: "float32", "int8", "uint8", "binary" or "ubinary": see `scoring.vectors`.
        normalize_embeddings: make each vector of length 1 (after it is truncated).
        truncate_dim: int; keep that many numbers of each, the first. Default: the task's own.
        ranges: for 8 bits, see `scoring.vectors.quantize`.
        **how: these, and what sentence-transformers has besides where it changes nothing, such as
            `convert_to_numpy=True`.

    Returns:
        an array (n, D), float32 unless `precision` says otherwise; of one str (D,).

    Raises:
        ValueError: no such prompt or precision, more numbers than a vector has, or vectors that are
            not finite numbers. TypeError: another argument; it says what to do instead.
    """
    if is_single(sentences):
        return encode(task, [sentences], prompt_name, prompt, batch_size, **how)[0]
    how = How.of(task, prompt_name, prompt, **how)
    return how.finished(computed(task, sentences, how, batch_size, show_progress_bar))


def computed(task, sentences, how, batch_size=32, verbose=False):
    """Texts -> float32 (n, D): see `encode`."""
    width = how.truncate_dim or task.width
    texts = texts_of(sentences)
    found = np.empty((int(texts.shape[0]), width), "float32")
    for rows, answers in each_batch(task, texts, how.prompt, batch_size, verbose):
        found[rows] = answers["embedding"][:, :width].numpy()
    return found


def is_single(sentences):
    """Whether something is one text, and no list of them."""
    return isinstance(sentences, str | bytes)


def texts_of(sentences):
    """Texts as people have them, perhaps none -> a string tensor (n,)."""
    process.check()
    if isinstance(sentences, tuple) and all(map(is_single, sentences)):
        sentences = list(sentences)  # elsewhere a tuple is of pairs, of which there are none here
    has_rows = hasattr(sentences, "__len__") and getattr(sentences, "shape", None) != ()
    if has_rows and not len(sentences):
        return tf.zeros([0], tf.string)
    return columns.text_columns(sentences, columns.TEXT_NAMES[:1])["text"]


def each_batch(task, texts, prompt, batch_size, verbose, more=None, longest=None, **how):
    """As `longest_first`, of texts (n,) after a prompt; at the end says once how many were cut.

    Args:
        longest: of a text, in tokens, for that message. Default: `max_length`.
    """
    more, cut = {"prompt": tf.constant(prompt)} | (more or {}), 0
    batches = longest_first(task, {"text": texts}, batch_size, verbose, more, counted=True, **how)
    for rows, answers in batches:
        cut += int(np.sum(answers["cut"]))
        yield rows, answers
    if cut and not task.said_what_is_cut:
        LOGGER.warning(
            "%d of %d texts are longer than %d tokens, and are cut.",
            *(cut, int(texts.shape[0]), longest or task.preprocessor.max_length),
        )
        task.said_what_is_cut = True


def longest_first(task, texts, batch_size=32, verbose=False, more=None, graph=None, **how):
    """A task's answers to texts, of which those of like length are computed together.

    Args:
        texts: dict of name to string tensor (n,).
        batch_size, verbose: as of `encode`.
        more: dict of name to a tensor that goes along with each batch.
        graph: what gives the answers, as `answering.graph`; default: the task's own.
        **how: as of `answering.graph`.

    Yields:
        the numbers of some rows (B,), and their answers, a dict of tensors (B, …).
    """
    lengths = sum(tf.strings.length(side).numpy() for side in texts.values())  # bytes, for tokens
    order, size = np.argsort(-lengths, kind="stable"), pipeline.rows_a_batch(batch_size)
    more = more or {}
    specs = {n: tf.TensorSpec([None], tf.string, name=n) for n in texts}
    specs |= {n: tf.TensorSpec(x.shape, x.dtype, name=n) for n, x in more.items()}
    key = ("longest first", id(graph), *specs, *sorted(how.items()))
    graphs = feeding.graphs_of(task)
    if key not in graphs:
        graphs[key] = (graph or task.answering(**how)).get_concrete_function(**specs)
    for start in tqdm(range(0, len(order), size), unit="batch", disable=not verbose):
        rows = order[start : start + size]
        yield rows, graphs[key](**{n: tf.gather(x, rows) for n, x in texts.items()}, **more)
