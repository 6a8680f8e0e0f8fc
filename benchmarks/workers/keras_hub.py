"""keras-hub at work, as its guides show, and at its best settings.

Documented: `BertTextClassifier` with a preprocessor that pads to 128. Best: pads to the longest
text of the batch (of all texts in `fit`). keras-hub leaves XLA off on a CPU, and so do we.
"""

import time

from benchmarks.workers import protocol
from benchmarks.workers.protocol import Prepared

PADDED = 128  # sequence_length of the guides' preprocessors
DTYPES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
CLASSIFIERS = {
    "bert": "BertTextClassifier",
    "albert": "AlbertTextClassifier",
    "distilbert": "DistilBertTextClassifier",
}


def _backbone(question):
    import keras_hub

    dtype = "float32" if question["variant"] == "float32" else DTYPES[question["dtype"]]
    return keras_hub.models.Backbone.from_preset(question["huggingface"], dtype=dtype)


def _batch(question, model, path=None):
    from benchmarks.workers.keras_training import INPUTS, read_batch

    length = PADDED if question["variant"] != "best" and path is None else None
    names = [name for name in INPUTS if name in model.input]
    inputs, _ = read_batch(path or question["batch"])
    longest = inputs["token_ids"].shape[1]
    return read_batch(path or question["batch"], max(length or 0, longest), names)


def _tokens(backbone, question):
    from benchmarks.workers.keras_training import read_batch

    inputs, _ = _batch(question, backbone, question["check_batch"])
    output = backbone(inputs)
    output = output["sequence_output"] if isinstance(output, dict) else output
    mask = read_batch(question["check_batch"])[0]["padding_mask"]
    return output.numpy()[mask == 1]


def _optimizer(learning_rate=5e-5):
    import keras

    return keras.optimizers.AdamW(learning_rate, weight_decay=0.01, global_clipnorm=1.0)


def step(question):
    """Forward, backward, clip and AdamW, on ids."""
    import keras_hub

    from benchmarks.workers.keras_training import one_step

    backbone = _backbone(question)
    check = _tokens(backbone, question)
    classifier = getattr(keras_hub.models, CLASSIFIERS[question["family"]])
    model = classifier(backbone, num_classes=2)
    model.compile(optimizer=_optimizer())
    return Prepared(one_step(model, *_batch(question, backbone)), check)


def span(question):
    """The same for a start and an end a text; keras-hub has no such task, this is a user's."""
    from benchmarks.workers.keras_training import classification_loss, one_step, span_model

    backbone = _backbone(question)
    check = _tokens(backbone, question)
    model = span_model(backbone.input, backbone.output["sequence_output"])
    model.compile(_optimizer(), classification_loss())
    return Prepared(one_step(model, *_batch(question, backbone)), check)


def forward(question):
    """All vectors of a batch: `predict_on_batch`, at best a `tf.function`."""
    import tensorflow as tf

    backbone = _backbone(question)
    inputs, _ = _batch(question, backbone)
    if question["variant"] == "best":
        run = tf.function(backbone, reduce_retracing=True)
        tensors = {name: tf.constant(x) for name, x in inputs.items()}

        def once():
            run(tensors)["sequence_output"].numpy()
    else:

        def once():
            backbone.predict_on_batch(inputs)

    once()
    return Prepared(once, _tokens(backbone, question))


def _classifier(preset, length, **kwargs):
    """A text classifier with its preprocessor."""
    from keras_hub.models import BertTextClassifier, BertTextClassifierPreprocessor

    preprocessor = BertTextClassifierPreprocessor.from_preset(preset, sequence_length=length)
    return BertTextClassifier.from_preset(preset, preprocessor=preprocessor, **kwargs)


def preset(question):
    """Sets up `startup` and `serve`: a preset in keras-hub's format, with the twin's head."""
    from safetensors.numpy import load_file

    classifier = _classifier(question["huggingface"], PADDED, num_classes=2)
    twin = load_file(f"{question['huggingface']}/model.safetensors")
    head = classifier.output_dense
    head.kernel.assign(twin["classifier.weight"].T)
    head.bias.assign(twin["classifier.bias"])
    classifier.save_to_preset(question["keras_hub_preset"])
    return Prepared()


def serve(question):
    """`predict` of one raw string padded to 128; at best a `tf.function` on its own ids."""
    import tensorflow as tf

    from benchmarks.workers.keras_training import read_batch

    classifier = _classifier(question["keras_hub_preset"], PADDED)
    inputs = {k: tf.constant(x) for k, x in read_batch(question["batch"])[0].items()}
    run = tf.function(classifier, reduce_retracing=True)

    def predict():
        if question["variant"] == "best":
            return run(inputs).numpy()
        return classifier.predict([question["text"]], verbose=0)

    def once():
        for _ in range(question["calls"]):
            predict()

    times = [time.perf_counter()]
    check = predict()
    times.append(time.perf_counter())
    once()
    return Prepared(once, check, protocol.phases(["first call"], times))


def embed(question):
    """`BertTextEmbedder`, padded to 128; at best to the longest text of all."""
    import numpy as np
    from keras_hub.models import BertTextEmbedder, BertTextEmbedderPreprocessor

    length = max(question["padded"]) if question["variant"] == "best" else PADDED
    folder, texts = question["huggingface"], question["asked"]["text"]
    preprocessor = BertTextEmbedderPreprocessor.from_preset(folder, sequence_length=length)
    model = BertTextEmbedder.from_preset(folder, preprocessor=preprocessor)

    def once():
        model.encode_documents(texts)

    return Prepared(once, np.asarray(model.encode_documents(texts)))


def startup(question):
    """A fresh process to its first answer."""
    times = [time.perf_counter()]
    import tensorflow  # noqa: F401

    times.append(time.perf_counter())
    import keras_hub  # noqa: F401

    times.append(time.perf_counter())
    classifier = _classifier(question["keras_hub_preset"], PADDED)
    times.append(time.perf_counter())
    classifier.predict([question["text"]], verbose=0)
    times.append(time.perf_counter())
    names = ("import tensorflow", "import keras_hub", "build and load", "first answer")
    return Prepared(notes=protocol.phases(names, times))


def epoch(question):
    """Raw strings through `fit`; at best padded to the longest text, with a decaying rate."""
    import keras

    from benchmarks.workers.keras_training import AfterFirstStep

    best = question["variant"] == "best"
    length = question["longest"] if best else PADDED
    classifier = _classifier(question["huggingface"], length, num_classes=2)
    check = _tokens(classifier.backbone, question)
    steps, rate = len(question["texts"]) // 32, question["learning_rate"]
    if best:
        warm = max(1, steps // 10)
        rate = keras.optimizers.schedules.CosineDecay(0.0, steps, 0.0, "decay", rate, warm)
    classifier.compile(optimizer=_optimizer(rate))

    def once():
        start = AfterFirstStep()
        clock = protocol.Clock()
        callbacks = [] if question["whole"] else [start]
        texts, labels = question["texts"], question["labels"]
        classifier.fit(texts, labels, batch_size=32, callbacks=callbacks, verbose=0)
        if not question["whole"]:
            return start.measured
        measured = clock.read()
        result = classifier.evaluate(*question["dev"], return_dict=True, verbose=0)
        return measured | {"accuracy": result["sparse_categorical_accuracy"]}

    return Prepared(once, check)


if __name__ == "__main__":
    kinds = (step, span, forward, preset, serve, startup, epoch, embed)
    protocol.serve({k.__name__: k for k in kinds}, ("keras-hub", "tensorflow", "keras"))
