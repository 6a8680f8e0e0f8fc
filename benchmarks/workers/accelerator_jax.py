"""Our encoder and a classifier's head on Keras's JAX backend: training steps on an accelerator.

`modeling/` is written in keras.ops alone, so the same layers run there, compiled as one program a
step: loss, gradients, clipping and AdamW.
"""

import functools
import time

import numpy as np

from benchmarks.workers import protocol
from benchmarks.workers.protocol import Prepared

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def _model(question, policy, dropout=True):
    """-> a Keras model of ids (B, L) to float32 logits (B, 2), with the question's weights."""
    import keras

    from bert_tf2.config import EncoderConfig
    from bert_tf2.modeling.encoder import Encoder, input_tensors

    config = EncoderConfig(**question["config"] | ({} if dropout else NO_DROPOUT))
    encoder, inputs = Encoder(config, dtype=policy), input_tensors()
    pooled = encoder.encode(inputs, first_only=True)["pooled_output"]
    rate = config.classifier_dropout if dropout else 0.0
    head = keras.layers.Dense(2, name="classifier", dtype="float32")
    model = keras.Model(inputs, head(keras.layers.Dropout(rate)(pooled)))
    named = encoder.named_variables() | {v.path: v for v in head.variables}
    with np.load(question["ours"]) as arrays:
        for name, variable in named.items():
            variable.assign(arrays[name])
    return model


def _batch(path):
    import jax.numpy as jnp

    with np.load(path) as arrays:
        inputs = {name: jnp.asarray(arrays[name]) for name in arrays.files}
    return inputs, inputs.pop("labels")


def _stepper(model, optimizer):
    """-> (what a step changes, a compiled function of that and a batch to its next and the loss).

    `optimizer` is a Keras one; it takes the gradients of a mean cross entropy.
    """
    import jax
    import keras

    optimizer.build(model.trainable_variables)
    entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def loss_of(trainable, others, inputs, labels):
        logits, others = model.stateless_call(trainable, others, inputs, training=True)
        return entropy(labels, logits), others

    @functools.partial(jax.jit, donate_argnums=0)
    def step(held, inputs, labels):
        trainable, others, slots = held
        gradient = jax.value_and_grad(loss_of, has_aux=True)
        (loss, others), found = gradient(trainable, others, inputs, labels)
        trainable, slots = optimizer.stateless_apply(slots, found, trainable)
        return (trainable, others, slots), loss

    groups = (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
    return tuple([v.value for v in group] for group in groups), step


def _check(question):
    """Logits (3, B, 2): in float32, after a step of plain descent in float32, and in bfloat16."""
    import jax
    import keras

    inputs, labels = _batch(question["check_batch"])
    model = _model(question, "float32", dropout=False)
    with jax.default_matmul_precision("highest"):  # GPUs round float32 products to 10 bits
        before = np.asarray(model(inputs))
        held, step = _stepper(model, keras.optimizers.SGD(question["check_rate"]))
        held, _ = step(held, inputs, labels)
        after, _ = model.stateless_call(*held[:2], inputs)
        after = np.asarray(after)
    reduced = np.asarray(_model(question, "mixed_bfloat16", dropout=False)(inputs))
    return np.stack([before, after, reduced])


def _product(question):
    """-> a function that measures bfloat16 products of square matrices: operations a second."""
    import jax

    size = question["product_size"]
    keys = jax.random.split(jax.random.key(0), 2)
    a, b = (jax.random.normal(key, (size, size), "bfloat16") for key in keys)
    multiply = jax.jit(lambda a, b: a @ b)
    multiply(a, b).block_until_ready()

    def measure():
        began = time.perf_counter()
        for _ in range(question["products"]):
            product = multiply(a, b)
        product.block_until_ready()
        return 2 * size**3 * question["products"] / (time.perf_counter() - began)

    return measure


def step(question):
    """Steps in mixed_bfloat16, after the products that tell the device's peak."""
    import jax
    import keras

    check = _check(question)
    optimizer = keras.optimizers.AdamW(5e-5, weight_decay=0.01, global_clipnorm=1.0)
    held, step = _stepper(_model(question, "mixed_bfloat16"), optimizer)
    inputs, labels = _batch(question["batch"])
    product = _product(question)
    held, _ = step(held, inputs, labels)

    def once():
        nonlocal held
        peak = product()
        began = time.perf_counter()
        for _ in range(question["steps"]):
            held, loss = step(held, inputs, labels)
        if not np.isfinite(loss):  # waits for it
            raise FloatingPointError("The loss is not finite.")
        seconds = (time.perf_counter() - began) / question["steps"]
        return {"step": seconds, "product": peak, "device_peak": _device_peak(jax.devices()[0])}

    return Prepared(once, check)


def _device_peak(device):
    """The most memory the device has held for this process, in GiB, or None where it is no GPU."""
    held = device.memory_stats()
    return held and held["peak_bytes_in_use"] / 2**30


if __name__ == "__main__":
    protocol.serve({"step": step}, ("keras", "jax"))
