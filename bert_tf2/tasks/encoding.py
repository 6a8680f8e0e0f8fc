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
    batch_size, cut = pipeline.rows_a_batch(batch_size), 0
    lengths = tf.strings.length(texts).numpy()  # in bytes: near enough to tokens, and free
    order = np.argsort(-lengths, kind="stable")
    found = np.empty((len(order), width), "float32")
    graph, prompt = _graph(task), tf.constant(prompt)
    starts = range(0, len(order), batch_size)
    for start in tqdm(starts, unit="batch", disable=not verbose):
        rows = order[start : start + batch_size]
        answers = graph(text=tf.gather(texts, rows), prompt=prompt)
        found[rows] = answers["embedding"][:, :width].numpy()
        cut += int(np.sum(answers["cut"]))
    return found, cut


def _graph(task):
    """The task's answers to texts and a prompt, traced once for all numbers of texts."""
    graphs = feeding.graphs_of(task)
    if "encode" not in graphs:
        specs = {"text": tf.TensorSpec([None], tf.string), "prompt": tf.TensorSpec([], tf.string)}
        graph = task.answering(counted=True)
        graphs["encode"] = graph.get_concrete_function(
            **{name: tf.TensorSpec(s.shape, s.dtype, name=name) for name, s in specs.items()}
        )
    return graphs["encode"]
