"""Many texts to vectors: the longest first, so that texts of like length are computed together.

Letters: n texts, D width.
"""

import logging

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from bert_tf2.data import columns, pipeline
from bert_tf2.scoring import vectors
from bert_tf2.tasks import feeding, process

LOGGER = logging.getLogger("bert_tf2")


def encode(
    task,
    sentences,
    prompt_name=None,
    prompt=None,
    batch_size=32,
    show_progress_bar=False,
    precision="float32",
    normalize_embeddings=False,
    truncate_dim=None,
    ranges=None,
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

    Returns:
        an array (n, D), float32 unless `precision` says otherwise; of one str (D,).

    Raises:
        ValueError: no such prompt or precision, more numbers than a vector has, or vectors that are
            not finite numbers.
    """
    if isinstance(sentences, str | bytes):
        how = {"truncate_dim": truncate_dim, "ranges": ranges, "precision": precision}
        how["normalize_embeddings"] = normalize_embeddings
        return encode(task, [sentences], prompt_name, prompt, batch_size, **how)[0]
    process.check()
    vectors.checked_precision(precision)
    width = task.checked_width(truncate_dim) or task.width
    texts = tf.zeros([0], tf.string)
    if not hasattr(sentences, "__len__") or len(sentences):
        texts = columns.text_columns(sentences, columns.TEXT_NAMES[:1])["text"]
    prompt = task.prompt_of(prompt_name, prompt)
    found, cut = _computed(task, texts, prompt, batch_size, width, show_progress_bar)
    if cut and not task.said_what_is_cut:
        LOGGER.warning(
            "%d of %d texts are longer than `max_length`, %d tokens, and are cut.",
            *(cut, len(found), task.preprocessor.max_length),
        )
        task.said_what_is_cut = True
    return vectors.quantize(_finished(found, normalize_embeddings), precision, ranges)


def _finished(found, normalize):
    found = vectors.checked(found, "embeddings") if len(found) else found
    return vectors.unit_length(found) if normalize else found


def _computed(task, texts, prompt, batch_size, width, verbose):
    """texts, a tensor (n,) -> float32 (n, D), and how many were cut."""
    found, cut = np.empty((int(texts.shape[0]), width), "float32"), 0
    more = {"prompt": tf.constant(prompt)}
    for rows, answers in longest_first(
        task, {"text": texts}, batch_size, verbose, more, counted=True
    ):
        found[rows] = answers["embedding"][:, :width].numpy()
        cut += int(np.sum(answers["cut"]))
    return found, cut


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
    graphs, key = feeding.graphs_of(task), ("longest first", id(graph), *specs, *how)
    if key not in graphs:
        graphs[key] = (graph or task.answering(**how)).get_concrete_function(**specs)
    for start in tqdm(range(0, len(order), size), unit="batch", disable=not verbose):
        rows = order[start : start + size]
        yield rows, graphs[key](**{n: tf.gather(x, rows) for n, x in texts.items()}, **more)
