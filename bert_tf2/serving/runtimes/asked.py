"""What other runtimes are given: a task as a graph of ids, under the names that the field uses.

Letters: B rows, N choices a row, L length, C classes, V vocabulary, E width of vectors.

Inputs and outputs are called as optimum and transformers call them, so that what reads their
exports reads these. Strings are not among them: names of classes stand in the card beside a model.
"""

import keras
import tensorflow as tf

from bert_tf2.modeling.answer_heads import FoundBeam
from bert_tf2.modeling.inputs import INPUT_NAMES
from bert_tf2.serving.precision import at_precision, copy_of
from bert_tf2.tasks.masked_lm import MaskedLM
from bert_tf2.tasks.sparse_encoder import SparseEncoder
from bert_tf2.tasks.text_regressor import TextRegressor

THEIRS = {ours: names[-1] for ours, names in INPUT_NAMES.items()}  # input_ids, …
SIZES = {2: ("batch_size", "sequence_length"), 3: ("batch_size", "num_choices", "sequence_length")}
ANSWERS = {"embedding": "sentence_embedding"}  # a task's own word for an answer -> the field's


def graph_of(task, dtype="int64", drop_padding=False):
    """A task as a concrete function of ids, in float32.

    Args:
        task: a task model; it is left alone. Its active adapter is merged, if that can be.
        dtype: of the ids, "int64" or "int32".
        drop_padding: whether padding is not computed.

    Returns:
        a concrete function of `input_ids`, `attention_mask` and, where the family has segments,
        `token_type_ids`, each (B, L), or (B, N, L) of choices; and of `pooling_mask` or
        `scoring_mask`, where the task has these. Its `structured_outputs` is a dict: see `outputs`.
        A MaskedLM answers every position. And {`ref()` of a variable's handle: our name}.
    """
    copy = copy_of(at_precision(task, None), "float32", drop_padding=drop_padding)
    for layer in copy.layers:
        if hasattr(layer, "in_one"):
            layer.in_one = True
    names = input_names(copy)
    specs = {
        theirs: tf.TensorSpec(copy.input[ours].shape, dtype, name=theirs)
        for ours, theirs in names.items()
    }

    def asked(**given):
        ids = {ours: tf.cast(given[theirs], tf.int32) for ours, theirs in names.items()}
        first = ids["token_ids"]
        if "segment_ids" not in ids:
            ids["segment_ids"] = tf.zeros_like(first)
        if "masked_positions" in copy.input:  # all
            ids["masked_positions"] = tf.zeros_like(first) + tf.range(tf.shape(first)[1])
        return {n: tf.identity(x, n) for n, x in outputs(copy, ids, copy(ids)).items()}

    names_of = {v.value.handle.ref(): name for name, v in copy.named_variables().items()}
    return tf.function(asked, autograph=False).get_concrete_function(**specs), names_of


def input_names(task):
    """{our name: the field's} of the inputs that a task's graph reads."""
    segments = task.encoder.config.type_vocab_size > 1
    return {
        ours: THEIRS.get(ours, ours)
        for ours in task.input
        if ours != "masked_positions" and (ours != "segment_ids" or segments)
    }


def outputs(task, ids, found):
    """What a graph answers: {name: float32 tensor}.

    `logits` of all that have classes or numbers, before any activation, with `probabilities` or
    `scores` beside them where the task's answers have these; of questions `start_logits` and
    `end_logits`, or the names of `FoundBeam`; `sentence_embedding` (B, E), or of a SparseEncoder
    (B, V); `token_embeddings` (B, L, E) of a MultiVectorEncoder; of a MaskedLM with a second task
    `seq_relationship_logits`. Of any other task its answers to ids that are numbers, under their
    own names.
    """
    if isinstance(task, MaskedLM):
        found = found if isinstance(found, dict) else {"mlm": found}
        second = [x for name, x in found.items() if name != "mlm"]
        return {"logits": found["mlm"]} | dict(
            zip(["seq_relationship_logits"], second, strict=False)
        )
    if isinstance(task, SparseEncoder):
        return {"sentence_embedding": found}
    if type(task) is TextRegressor:
        return {"logits": found}
    own = {"logits": found} if isinstance(task, TextRegressor) else {}
    answers = task.answers(ids, found)
    if "cls_logits" in answers:  # of a beam also places, as whole numbers in float32
        answers = {n: tf.cast(x, tf.float32) for n, x in answers.items()}
    numbers = {n: x for n, x in answers.items() if x.dtype.is_floating}
    return own | {ANSWERS.get(n, n): x for n, x in numbers.items()}


def inner_weights(task):
    """The names of weights that may lose digits: an encoder's, and what words are told with.

    Those of other heads are few, and answers follow from them at once.
    """
    return {*task.encoder.named_variables(), "mlm/transform/kernel"}


def outputs_from(task, ids, found):
    """What a task's model gives, from what its graph answered: `outputs` backwards."""
    found = {name: tf.constant(x) for name, x in found.items()}
    if "start_logits" in found:
        return tf.stack([found["start_logits"], found["end_logits"]], 1)
    if "cls_logits" in found:
        parts = [found[name] for name in FoundBeam.names]
        return tf.concat([tf.reshape(x, [tf.shape(x)[0], -1]) for x in parts], 1)
    if isinstance(task, MaskedLM):
        words = tf.gather(found["logits"], ids["masked_positions"], batch_dims=1)
        second = found.get("seq_relationship_logits")
        return words if second is None else {"mlm": words, task.second_task: second}
    wanted = ("logits", "sentence_embedding", "token_embeddings")
    return next(found[name] for name in wanted if name in found)


def settings_of(task):
    """What those need who ask a graph, as a dict: lengths, special ids, labels, prompts, …"""
    tokenizer, preprocessor = task.preprocessor.tokenizer, task.preprocessor
    return {
        "max_length": preprocessor.max_length,
        "pad_token_id": tokenizer.pad_token_id,
        "labels": getattr(task, "labels", None),
        "settings": {name: getattr(task, name) for name in task.settings},
        **transitions(task),
    }


def transitions(task):
    """Of a task that chooses tags together, the weights that it does that with; else nothing."""
    crf = getattr(task, "crf_layer", None)
    if crf is None:
        return {}
    names = ("transitions", "starts", "ends")
    return {"crf": {n: keras.ops.convert_to_numpy(getattr(crf, n)).tolist() for n in names}}
