"""TensorFlow's Model Garden (tf-models-official, Keras 2) at work; its recipe pads to 128."""

from benchmarks.workers import protocol
from benchmarks.workers.protocol import Prepared

PADDED = 128
# Theirs -> ours.
NAMES = {
    "input_word_ids": "token_ids",
    "input_mask": "padding_mask",
    "input_type_ids": "segment_ids",
}
# Their variable -> the twin's, outside of the layers and in each. The twin's kernels are (out, in).
OUTSIDE = {
    "word_embeddings/embeddings": "embeddings.word_embeddings.weight",
    "position_embedding/embeddings": "embeddings.position_embeddings.weight",
    "type_embeddings/embeddings": "embeddings.token_type_embeddings.weight",
    "embeddings/layer_norm/gamma": "embeddings.LayerNorm.weight",
    "embeddings/layer_norm/beta": "embeddings.LayerNorm.bias",
    "pooler_transform/kernel": "pooler.dense.weight",
    "pooler_transform/bias": "pooler.dense.bias",
}
LAYER = {
    "self_attention/query": "attention.self.query",
    "self_attention/key": "attention.self.key",
    "self_attention/value": "attention.self.value",
    "self_attention/attention_output": "attention.output.dense",
    "self_attention_layer_norm": "attention.output.LayerNorm",
    "intermediate": "intermediate.dense",
    "output": "output.dense",
    "output_layer_norm": "output.LayerNorm",
}
PARTS = {"kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}


def _twin_name(name):
    name = name.split(":")[0]
    if name in OUTSIDE:
        return f"bert.{OUTSIDE[name]}"
    _, layer, rest = name.split("/", 2)
    unit, part = rest.rsplit("/", 1)
    return f"bert.encoder.layer.{layer.removeprefix('layer_')}.{LAYER[unit]}.{PARTS[part]}"


def _encoder(question):
    import json

    import tf_keras
    from official.nlp.modeling import networks
    from safetensors.numpy import load_file

    if question["dtype"] == "bfloat16":
        tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    with open(f"{question['huggingface']}/config.json", encoding="utf-8") as file:
        sizes = json.load(file)
    encoder = networks.BertEncoder(
        vocab_size=sizes["vocab_size"],
        hidden_size=sizes["hidden_size"],
        num_layers=sizes["num_hidden_layers"],
        num_attention_heads=sizes["num_attention_heads"],
        intermediate_size=sizes["intermediate_size"],
        max_sequence_length=sizes["max_position_embeddings"],
        type_vocab_size=sizes["type_vocab_size"],
        activation=lambda x: tf_keras.activations.gelu(x, approximate=True),
        dict_outputs=True,
    )
    twin = load_file(f"{question['huggingface']}/model.safetensors")
    for variable in encoder.trainable_variables:
        array = twin[_twin_name(variable.name)]
        array = array.T if "kernel" in variable.name else array
        variable.assign(array.reshape(variable.shape))
    return encoder


def _batch(path, length=None):
    import numpy as np

    with np.load(path) as arrays:
        inputs = {theirs: arrays[ours] for theirs, ours in NAMES.items()}
        labels = arrays["labels"]
    missing = max(0, (length or 0) - inputs["input_mask"].shape[1])
    return {k: np.pad(x, ((0, 0), (0, missing))) for k, x in inputs.items()}, labels


def _tokens(encoder, question):
    inputs, _ = _batch(question["check_batch"])
    return encoder(inputs)["sequence_output"].numpy()[inputs["input_mask"] == 1]


def step(question):
    """Forward, backward, clip and AdamW, on ids."""
    import tensorflow as tf
    import tf_keras
    from official.nlp import optimization
    from official.nlp.modeling import models

    encoder = _encoder(question)
    check = _tokens(encoder, question)
    model = models.BertClassifier(encoder, num_classes=2)
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = optimization.create_optimizer(5e-5, 1000, 100)  # clips at 1.0, decays 0.01
    model.compile(optimizer=optimizer, loss=loss)
    inputs, labels = _batch(question["batch"], PADDED)
    small = {name: x[:2] for name, x in inputs.items()}
    dataset = tf.data.Dataset.from_tensors((small, labels[:2]))
    dataset = dataset.concatenate(tf.data.Dataset.from_tensors((inputs, labels)).repeat())
    batches, train = iter(dataset), model.make_train_function()

    def once():
        if not float(train(batches)["loss"]) < float("inf"):
            raise FloatingPointError("The loss is not finite.")

    once()
    return Prepared(once, check)


def forward(question):
    """All vectors of a batch."""
    encoder = _encoder(question)
    inputs, _ = _batch(question["batch"])

    def once():
        encoder.predict_on_batch(inputs)

    once()
    return Prepared(once, _tokens(encoder, question))


if __name__ == "__main__":
    kinds = {"step": step, "forward": forward}
    protocol.serve(kinds, ("tf-models-official", "tensorflow"))
