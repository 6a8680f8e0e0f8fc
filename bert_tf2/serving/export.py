"""A trained task as a SavedModel for TF Serving: raw strings in, named answers out."""

from pathlib import Path

import tensorflow as tf

from bert_tf2 import files
from bert_tf2.serving import card, warmup
from bert_tf2.serving.many_adapters import Many
from bert_tf2.serving.precision import at_precision, check_precision
from bert_tf2.serving.signatures import samples, signatures
from bert_tf2.tasks import answering
from bert_tf2.tasks.task import Task

# Nobody trains what is served, and a function for each gradient takes time to load.
WITHOUT_GRADIENTS = tf.saved_model.SaveOptions(experimental_custom_gradients=False)


def export_saved_model(
    task, folder, pairs=None, precision=None, about=None, adapters=None, model=None
):
    """Writes a SavedModel that needs nothing but tensorflow and tensorflow_text to run.

    The vocabulary and the class names are inside the graph: no file beside the model is read.
    Signatures:
        `serving_default`: `text` (B,) string, and `text_pair` (B,) string for a model of pairs;
        `token_ids`: the inputs of the model, int32: `token_ids`, `segment_ids`, `padding_mask`,
            each (B, L), and for a MaskedLM `masked_positions` (B, P);
        `examples`: (B,) string, serialized `tf.train.Example`s with these columns as features;
        and those of a task's own: `embed` of a SentenceEncoder, `embed_sparse` of a SparseEncoder
        and `embed_tokens` of a MultiVectorEncoder take `text` and `prompt_name`, each (B,) string;
        `rerank` of a Reranker `text` and `text_pair`, and `prompt_name` if it has prompts.
        `tokenize` answers `text` (B,) with `ids`, `pieces`, `starts`, `ends` (B, L), the last two
            characters of the text, and `lengths` (B,), without special tokens.
    A SentenceEncoder's SavedModel is also to be called, on strings (B,), and then gives float32
    (B, D): so `hub.KerasLayer` and what stands on it, such as Apache Beam's, take it.
    `assets.extra/labels.txt` has a classifier's names, one a line, in the order of the logits;
    beside it lie requests that TensorFlow Serving warms up with, and settings for servers, each
    value explained. README.md and model_card.json tell what the model is.
    All other signatures answer what the task's `answers` names; a TextClassifier gives `label` (B,)
    string, `probabilities` and `logits` (B, C) float32; a MaskedLM `words` (B, P, 5) string, their
    `probabilities`, and `masks` (B,), how many of the P are masks of that text; a SentenceEncoder
    `embedding` (B, D); a SparseEncoder `indices` and `values` (B, A), of each text in falling
    order, then zeros; a MultiVectorEncoder `token_embeddings` (B, L, W) and `mask` (B, L), the
    tokens that count; a Reranker `scores` (B, K), and of one logit `score` (B,).

    Args:
        task: a task model, e.g. a `TextClassifier`.
        folder: where to write. TF Serving serves numbered versions: if the last part of the path
            is not a number, the next free version below it is taken.
        pairs: whether the strings come in pairs; default: as the task was last trained.
        precision: None (default): as the task computes, which is float32 unless it was given a
            dtype policy.
            "float32": 32 bits, however it was trained.
            "bfloat16": weights and results of each layer in 16 bits, half the size. It is quicker
            where the processor multiplies bfloat16 (AVX512-BF16, AMX) and slower elsewhere.
            "int8": the encoder's dense layers and tables in 8-bit integers, a quarter of their
            size; the rest is float32, as is the table of words where a head multiplies with it.
            It is quicker on x86 with AVX512-VNNI, AVX-VNNI or AMX; other x86 processors give the
            same answers, no quicker. GPUs, and TensorFlow for other processors, lack the operation.
        about: dict of what the card is to say besides, such as `data`, `scores` and `license`.
        adapters: names of the task's LoRAs, or "all": rows then name theirs in a further column
            `adapter` (B,) string, "" for none, and `serving_default`, `token_ids` and `tokenize`
            are all there is. Default: the active one, merged.
        model: what gives the outputs to ids in the task's place, such as a `bilstm_of` it; the task
            reads the texts, and says what outputs mean.

    Returns:
        pathlib.Path of the folder written.

    Raises:
        FileExistsError: that version exists; nothing is changed.
        ValueError: another precision, also than the task's own beside `adapters` or `model`;
            adapters that cannot be chosen by the row, or beside a `model`; a `model` of other
            outputs than the task's.

    Examples:
        >>> clf = bert_tf2.TextClassifier.from_preset("all-MiniLM-L6-v2", labels=["bad", "good"])
        >>> bert_tf2.export_saved_model(clf, "serving/clf").name
        '1'
    """
    check_precision(precision)
    place = _Versions(Path(folder))
    place()  # a version that exists is refused before the work, not after it
    pairs = task.takes_pairs if pairs is None else pairs
    served, asked, requests = _asked(task, pairs, precision, adapters, model)
    # What the graphs read and no more: a float32 kernel has no place beside its int8 codes. Not
    # keras.export.ExportArchive, which writes every weight twice.
    module = tf.Module()
    read = {v.ref(): v for signature in asked.values() for v in signature.variables}
    module.weights = list(read.values())
    if adapters is None and served.plain_answer:
        module.__call__ = _plain_call(served, asked["serving_default"])
    with files.new_folder(place) as unfinished:
        tf.saved_model.save(module, unfinished, signatures=asked, options=WITHOUT_GRADIENTS)
        extra = unfinished / "assets.extra"  # TensorFlow's place for files of ours
        extra.mkdir()
        beside = {"task.txt": f"{type(task).__name__}\n"} | task.extra_assets()
        for name, text in beside.items():
            (extra / name).write_text(text, encoding="utf-8")
        name = place.folder.absolute().parent.name
        warmup.write(extra, name, requests)
        computed = precision or task.encoder.policy.compute_dtype
        card.write(unfinished, name, card.card_of(task, computed, asked, about, model), requests)
    return place.folder


def _asked(task, pairs, precision, adapters, model):
    """-> what holds the variables, its signatures, and a request for each."""
    if adapters is None and model is None:
        served = at_precision(task, precision)
        return served, signatures(served, pairs), samples(served, pairs)
    beside = "adapters" if model is None else "model"
    if precision not in (None, task.encoder.policy.name):
        raise ValueError(f"`precision` must be left out beside `{beside}`. Received: {precision!r}")
    if model is not None:
        if adapters is not None:
            raise ValueError("`adapters` are the task's, and change nothing of a `model`.")
        answering.check_model(task, model)
        return task, signatures(task, pairs, model), samples(task, pairs)
    many = Many(task, None if adapters == "all" else adapters)
    return many, many.signatures(pairs), many.samples(pairs)


def _plain_call(task, serve):
    """A function of texts (B,) alone, whose result is one of the answers that a signature gives."""

    def call(text):
        return serve(text=text)[task.plain_answer]

    return tf.function(call, [*task.string_inputs().values()], autograph=False)


class _Versions:
    """Where to export to: a function that gives a free version of what the user names."""

    def __init__(self, given):
        self.given = given

    def __call__(self):
        self.folder = self.given
        if not _is_number(self.given.name):
            taken = [int(p.name) for p in self.given.glob("*") if _is_number(p.name)]
            self.folder = self.given / str(max(taken, default=0) + 1)
        if self.folder.exists():
            raise FileExistsError(
                f"{self.folder} exists. Give the next version number, or only {self.given.parent} "
                "to have it chosen; remove the folder yourself if it is not needed."
            )
        return self.folder


def _is_number(name):
    return name.isascii() and name.isdecimal()


Task.exporters["tf_saved_model"] = export_saved_model  # `clf.export(folder)`
