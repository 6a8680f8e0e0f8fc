"""bert_tf2 at work, by its documented calls."""

import contextlib
import os
import time

from benchmarks.workers import protocol, vectors
from benchmarks.workers.protocol import Prepared

BFLOAT16 = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def _encoder(question):
    import bert_tf2

    more = {"recompute": True} if question["variant"] == "recompute" else {}
    dtype = BFLOAT16[question["dtype"]]
    return bert_tf2.Encoder.from_preset(question["google"], dtype=dtype, **more)


def _tokens(encoder, question):
    """The last layer's vectors of the real tokens of the common batch, (T, D)."""
    from benchmarks.workers.keras_training import read_batch

    inputs, _ = read_batch(question["check_batch"])
    output = encoder(inputs)["sequence_output"].numpy()
    return output[inputs["padding_mask"] == 1]


def step(question):
    """Forward, backward, clip and AdamW, on ids; the model and recipe are `TextClassifier`'s."""
    import bert_tf2
    from benchmarks.workers.keras_training import one_step, read_batch

    encoder = _encoder(question)
    check = _tokens(encoder, question)
    tokenizer = bert_tf2.WordPieceTokenizer(question["vocab"], lowercase=True)
    model = bert_tf2.TextClassifier(encoder, bert_tf2.Preprocessor(tokenizer), labels=2)
    return Prepared(one_step(model, *read_batch(question["batch"])), check)


def span(question):
    """The same for a start and an end a text."""
    import bert_tf2.modeling.encoder as modeling
    from benchmarks.workers.keras_training import (
        classification_loss,
        one_step,
        read_batch,
        span_model,
    )
    from bert_tf2.training.recipes import finetuning_optimizer

    encoder = _encoder(question)
    check = _tokens(encoder, question)
    symbolic = modeling.input_tensors()
    tokens = encoder.encode(symbolic, drop_padding=True)["sequence_output"]
    model = span_model(symbolic, tokens)
    model.compile(finetuning_optimizer(), classification_loss(), jit_compile=False)
    return Prepared(one_step(model, *read_batch(question["batch"])), check)


def forward(question):
    """All vectors of a batch, in a `tf.function`."""
    import tensorflow as tf

    from benchmarks.workers.keras_training import read_batch

    encoder = _encoder(question)
    inputs, _ = read_batch(question["batch"])

    @tf.function(input_signature=[{name: tf.TensorSpec([None, None], tf.int32) for name in inputs}])
    def run(inputs):
        outputs = encoder(inputs)
        return outputs["sequence_output"], outputs["pooled_output"]

    tensors = {name: tf.constant(x) for name, x in inputs.items()}

    def once():
        run(tensors)[0].numpy()

    once()
    return Prepared(once, _tokens(encoder, question))


def export(question):
    """Sets up `serve`: writes the SavedModel."""
    import bert_tf2

    clf = bert_tf2.TextClassifier.from_preset(question["google"], labels=2)
    more = {"precision": question["variant"]} if question["variant"] else {}
    bert_tf2.export_saved_model(clf, question["saved_model"], **more)
    return Prepared()


def serve(question):
    """One raw string, or a batch of ids, through the SavedModel; knows tensorflow and its text."""
    if question["variant"] == "best":
        os.environ["TF_ONEDNN_ASSUME_FROZEN_WEIGHTS"] = "1"  # read when TensorFlow is loaded
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  registers the operations of the tokenizer

    from benchmarks.workers.keras_training import read_batch

    model = tf.saved_model.load(question["saved_model"])
    if question.get("ids"):
        answer, asked = model.signatures["token_ids"], read_batch(question["batch"])[0]
    else:
        answer, asked = model.signatures["serving_default"], {"text": [question["text"]]}
    asked = {name: tf.constant(x) for name, x in asked.items()}

    def once():
        for _ in range(question["calls"]):
            answer(**asked)["logits"].numpy()

    times = [time.perf_counter()]
    check = answer(**asked)["logits"].numpy()
    times.append(time.perf_counter())
    once()
    return Prepared(once, check, protocol.phases(["first call"], times))


def startup(question):
    """A fresh process to its first answer."""
    times = [time.perf_counter()]
    import tensorflow  # noqa: F401

    times.append(time.perf_counter())
    import bert_tf2

    times.append(time.perf_counter())
    clf = bert_tf2.TextClassifier.from_preset(question["google"], labels=2)
    times.append(time.perf_counter())
    clf.predict([question["text"]], verbose=0)
    times.append(time.perf_counter())
    names = ("import tensorflow", "import bert_tf2", "build and load", "first answer")
    return Prepared(notes=protocol.phases(names, times))


def epoch(question):
    """Raw strings through `fit`."""
    import bert_tf2
    from benchmarks.workers.keras_training import AfterFirstStep

    clf = bert_tf2.TextClassifier.from_preset(question["huggingface"], labels=["0", "1"])
    clf.compile({"learning_rate": question["learning_rate"]})
    check = _tokens(clf.encoder, question)

    def once():
        start = AfterFirstStep()
        clock = protocol.Clock()
        callbacks = [] if question["whole"] else [start]
        texts, labels = question["texts"], question["labels"]
        clf.fit(texts, labels, batch_size=32, epochs=1, callbacks=callbacks, verbose=0)
        if not question["whole"]:
            return start.measured
        measured = clock.read()
        result = clf.evaluate(*question["dev"], return_dict=True, verbose=0)
        return measured | {"accuracy": result["accuracy"]}

    return Prepared(once, check)


# Windows that share as many tokens as the peer's do, for a question of 20.
WINDOWS = {"max_seq_len": 384, "doc_stride": 384 - 3 - 20 - 128}
ASKED = {
    "tag": ("TokenClassifier", lambda task, x: task.predict_entities(x["text"])),
    "answer": (
        "QuestionAnswerer",
        lambda task, x: task.answer_question(x["question"], x["context"], **WINDOWS),
    ),
    "zero_shot": ("ZeroShotClassifier", lambda task, x: task.classify(x["text"], x["labels"])),
    "rerank": ("Reranker", lambda task, x: task.rank(x["query"], x["documents"])),
}


def asked(question):
    """Raw strings in, entities, answers or labels out."""
    import bert_tf2

    cls, answers = ASKED[question["head"]]
    task = getattr(bert_tf2, cls).from_preset(question["with_head"])

    def once():
        answers(task, question["asked"])

    once()
    return Prepared(once, _tokens(task.encoder, question))


VECTORS = {"pooling": "mean", "modules": ["normalize"], "max_length": 256}  # MiniLM's own


def export_vectors(question):
    """Sets up `embed` of a SavedModel: writes it."""
    import bert_tf2

    task = bert_tf2.SentenceEncoder.from_preset(question["huggingface"], **VECTORS)
    bert_tf2.export_saved_model(task, question["vectors"], precision=question["variant"] or None)
    return Prepared()


def embed(question):
    """Raw strings -> vectors, by `encode`; in 8 bits by the SavedModel, the longest texts first."""
    import numpy as np

    if question["variant"] == "int8":
        encode = _by_saved_model(question["vectors"])
    else:
        import bert_tf2

        task = bert_tf2.SentenceEncoder.from_preset(question["huggingface"], **VECTORS)
        encode = task.encode
    texts = question["asked"]["text"]
    found = np.asarray(encode(texts))
    notes = {"Spearman × 100 on STS-B dev": vectors.spearman(encode, question["pairs"])}

    def once():
        encode(texts)

    return Prepared(once, found, notes)


def _by_saved_model(folder):
    """A function of texts; knows only tensorflow and tensorflow_text."""
    import numpy as np
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  registers the operations of the tokenizer

    model = tf.saved_model.load(folder)

    def encode(texts):
        parts = [*vectors.longest_first(texts)]
        found = [model(tf.constant([texts[i] for i in rows])).numpy() for rows in parts]
        return np.concatenate(found)[np.argsort(np.concatenate(parts))]

    return encode


def fit(question):
    """Steps of `fit` on raw strings; variant "ids": on ids; "graph": the step's graph alone.

    Notes the share of a `fit` that its steps wait for the next batch.
    """
    import numpy as np
    import tensorflow as tf

    import bert_tf2
    from benchmarks.workers.keras_training import AfterFirstStep

    clf = bert_tf2.TextClassifier.from_preset(question["google"], labels=2)
    clf.compile(clf.optimizer)  # its own, not a recipe anew: what is traced stays
    size = question["copies"]
    texts, labels = [question["text"]] * size, np.zeros(size, "int32")
    steps, batch = question["calls"] + 1, (clf.preprocessor(texts), tf.constant(labels))
    anything = tf.nest.map_structure(lambda x: tf.TensorSpec([None] * x.ndim, x.dtype), batch)
    graph = tf.function(lambda batch: clf.train_step(batch)["loss"], input_signature=[anything])

    def once():
        if question["variant"] == "graph":
            for _ in range(question["calls"]):
                graph(batch).numpy()
            return None
        data = (texts * steps, np.tile(labels, steps))
        if question["variant"] == "ids":
            data = (tf.data.Dataset.from_tensors(batch).repeat(steps),)
        start = AfterFirstStep()
        clf.fit(*data, batch_size=size, epochs=1, shuffle=False, callbacks=[start], verbose=0)
        return start.measured

    clf.optimizer.build(clf.trainable_variables)
    once()
    if question["variant"] == "graph":
        return Prepared(once)
    with _waiting_for_data() as waited:
        whole = once()["wall"]
    return Prepared(
        once, notes={"share of the time waiting for data": round(sum(waited[1:]) / whole, 3)}
    )


@contextlib.contextmanager
def _waiting_for_data():
    """Yields a list that gets the seconds of each `next` of a tf.data iterator."""
    import tensorflow as tf

    iterator = type(iter(tf.data.Dataset.range(1)))
    original, waited = iterator.__next__, []

    def timed(self):
        started = time.perf_counter()
        try:
            return original(self)
        finally:
            waited.append(time.perf_counter() - started)

    iterator.__next__ = timed
    try:
        yield waited
    finally:
        iterator.__next__ = original


if __name__ == "__main__":
    kinds = (step, span, forward, export, serve, startup, epoch, asked, fit)
    kinds += (export_vectors, embed)
    protocol.serve({k.__name__: k for k in kinds}, ("tensorflow", "keras", "tensorflow-text"))
