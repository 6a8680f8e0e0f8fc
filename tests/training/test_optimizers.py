"""AdamW against a NumPy restatement, alone and inside Keras's own training loop."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from closeness import FORMULA, assert_near, of_steps
from numpy_optimizer import NumpyOptimizer, variable

from bert_tf2.training.optimizers import LAMB, AdamW
from bert_tf2.training.schedules import LinearWarmupDecay


def rate_of(step):
    """A linear warm-up of 3 steps to 0.1 and a decay over 10."""
    return 0.1 * step / 3 if step < 3 else 0.1 * max(0.0, 1 - step / 10)


SCHEDULE = LinearWarmupDecay(0.1, total_steps=10, warmup_steps=3)


# --- The update ---------------------------------------------------------------------------------


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("clip_norm", [1.0, 1e6, None])
def test_twelve_steps_equal_numpy(clip_norm, compiled):
    rng = np.random.default_rng(0)
    shapes = {
        "layer_0/query/kernel": (3, 4),
        "layer_0/query/bias": (4,),
        "layer_0/attention/norm/gamma": (4,),
        "norm/beta": (4,),
        "output/scale": (2,),
    }
    target = {path: 3 * rng.normal(size=shape) for path, shape in shapes.items()}
    expected = {path: rng.normal(size=shape) for path, shape in shapes.items()}
    variables = {path: variable(path, w) for path, w in expected.items()}
    reference = NumpyOptimizer(expected, clip_norm)
    optimizer = AdamW(SCHEDULE, clip_norm=clip_norm)
    optimizer.build(list(variables.values()))

    def step():
        gradients = [w.value - target[path].astype("float32") for path, w in variables.items()]
        optimizer.apply(gradients, list(variables.values()))

    step = tf.function(step) if compiled else step
    for i in range(12):
        reference.step({path: w - target[path] for path, w in expected.items()}, rate_of(i))
        step()
        for path, w in variables.items():
            assert_near(w.numpy(), expected[path], of_steps(12, 0.1, FORMULA), err_msg=path)
    assert optimizer.iterations.numpy() == 12


def test_only_named_variables_escape_decay():
    paths = [
        "a/LayerNorm/gamma",
        "a/norm/gamma",
        "a/bias",
        "a/normal/kernel",
        "a/kernel",
        "b/kernel",
    ]
    variables = [variable(path, [1.0]) for path in paths]
    optimizer = AdamW(0.5, weight_decay=0.1, clip_norm=None)
    optimizer.exclude_from_weight_decay(var_list=variables[-1:])  # Keras's own way counts too.
    optimizer.apply([tf.zeros(1)] * len(paths), variables)
    decayed = [path for path, w in zip(paths, variables, strict=True) if w.numpy()[0] != 1.0]
    assert decayed == ["a/normal/kernel", "a/kernel"]
    assert variables[3].numpy()[0] == pytest.approx(0.95)


def test_plain_tf_variables():
    w, b = tf.Variable([1.0], name="dense/kernel"), tf.Variable([1.0], name="dense/bias")
    AdamW(0.5, weight_decay=0.1).apply([tf.zeros(1), tf.zeros(1)], [w, b])
    assert (w.numpy(), b.numpy()) == (pytest.approx(0.95), 1.0)


def test_zero_gradients_give_no_nan():
    w = variable("dense/bias", [1.0, 2.0])
    AdamW(0.1).apply([tf.zeros(2)], [w])
    np.testing.assert_array_equal(w.numpy(), [1.0, 2.0])


def test_variables_without_gradient_stay():
    used, unused = variable("a/kernel", [1.0]), variable("b/kernel", [1.0])
    optimizer = AdamW(0.1)
    with pytest.warns(UserWarning, match="b/kernel"):
        optimizer.apply([tf.ones(1), None], [used, unused])
    assert used.numpy() < 1.0
    assert unused.numpy() == 1.0
    with pytest.raises(ValueError, match="No gradients"):
        optimizer.apply([None, None], [used, unused])


def test_google_mode_counts_repeated_rows_one_by_one():
    """Row 1 occurs three times with gradient 4: the true norm is sqrt(12² + 4²) a column."""
    first_moments = {}
    for reproduce in (None, "google"):
        table = variable("embeddings/table", np.zeros((6, 3)))
        optimizer = AdamW(0.1, reproduce=reproduce)
        gradient = tf.IndexedSlices(tf.fill((4, 3), 4.0), [1, 1, 1, 4], tf.constant((6, 3)))
        optimizer.apply([gradient], [table])
        first_moments[reproduce] = optimizer.variables[-2].numpy()
    summed = np.array([0, 12, 0, 0, 4, 0])[:, None] * np.ones((6, 3))
    true_norm, counted_norm = np.sqrt(3 * (12**2 + 4**2)), np.sqrt(3 * 4 * 4**2)
    np.testing.assert_allclose(first_moments[None], 0.1 * summed / true_norm, rtol=FORMULA)
    np.testing.assert_allclose(first_moments["google"], 0.1 * summed / counted_norm, rtol=FORMULA)


# --- Inside Keras: a mean of embeddings and one dense unit, whose gradient fits on five lines ---

# Rows repeat; row 4 is unused.
IDS = np.tile(np.array([[1, 1, 2], [1, 3, 3], [0, 1, 1], [5, 5, 5]], "int32"), (2, 1))
TARGETS = np.linspace(-3, 3, len(IDS))[:, None].astype("float32")


def small_model(optimizer=None, jit_compile=False):
    keras.utils.set_random_seed(1)
    ids = keras.Input((3,), dtype="int32")
    x = keras.layers.Embedding(6, 4, name="embeddings")(ids)
    x = keras.layers.GlobalAveragePooling1D()(x)
    model = keras.Model(ids, keras.layers.Dense(1, name="output")(x))
    if optimizer:
        model.compile(optimizer, loss="mse", jit_compile=jit_compile)
    return model


def numpy_gradients(weights, ids, targets):
    """The gradients of the model's mean squared error."""
    table, kernel, bias = weights.values()
    pooled = table[ids].mean(axis=1)
    error = 2 * (pooled @ kernel + bias - targets) / len(ids)
    d_table = np.zeros_like(table)
    np.add.at(d_table, ids, (error @ kernel.T)[:, None, :] / ids.shape[1])
    return dict(zip(weights, [d_table, pooled.T @ error, error.sum(axis=0)], strict=True))


def numpy_fit(model, clip_norm, epochs):
    weights = {v.path: v.numpy().astype("float64") for v in model.trainable_variables}
    reference = NumpyOptimizer(weights, clip_norm)
    for i in range(2 * epochs):
        batch = slice(4 * (i % 2), 4 * (i % 2) + 4)
        reference.step(numpy_gradients(weights, IDS[batch], TARGETS[batch]), rate_of(i))
    return list(weights.values())


def fit(model, epochs, batch_size=4):
    model.fit(IDS, TARGETS, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0)


def assert_weights(model, expected, **tolerance):
    for ours, theirs in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(
            ours, theirs, **(tolerance or {"atol": of_steps(6, 0.1, FORMULA)})
        )


@pytest.mark.parametrize("clip_norm, jit_compile", [(0.5, False), (None, False), (0.5, True)])
def test_fit_sums_repeated_ids(clip_norm, jit_compile):
    model = small_model(AdamW(SCHEDULE, clip_norm=clip_norm), jit_compile=jit_compile)
    expected = numpy_fit(model, clip_norm, epochs=3)
    fit(model, epochs=3)
    assert_weights(model, expected)


def test_gradient_tape_sums_repeated_ids():
    model, optimizer = small_model(), AdamW(SCHEDULE, clip_norm=0.5)
    expected = numpy_fit(model, 0.5, epochs=3)
    for i in range(6):
        batch = slice(4 * (i % 2), 4 * (i % 2) + 4)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(IDS[batch]) - TARGETS[batch]) ** 2)
        gradients = tape.gradient(loss, model.trainable_variables)
        assert isinstance(gradients[0], tf.IndexedSlices)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
    assert_weights(model, expected)


def test_loss_scale_changes_nothing():
    model = small_model(AdamW(SCHEDULE, clip_norm=0.5, loss_scale_factor=8.0))
    expected = numpy_fit(model, 0.5, epochs=3)
    fit(model, epochs=3)
    assert_weights(model, expected)


def test_accumulation_clips_the_mean_of_its_micro_batches():
    model = small_model(AdamW(0.1, clip_norm=0.5, gradient_accumulation_steps=2))
    whole = small_model(AdamW(0.1, clip_norm=0.5))
    fit(model, epochs=3, batch_size=2)
    fit(whole, epochs=3, batch_size=4)
    assert_weights(model, whole.get_weights())


@pytest.mark.parametrize("optimizer_class", [AdamW, LAMB])
def test_update_is_traced_once_per_shape_and_decay(monkeypatch, optimizer_class):
    """Rates differ by layer, but are no reason to compile for each layer."""
    traced = []

    def counted(w, *arguments, **corrections):
        traced.append(tuple(w.shape))
        return plain(w, *arguments, **corrections)

    plain = optimizer_class.next_values
    monkeypatch.setattr(optimizer_class, "next_values", staticmethod(counted))
    optimizer = optimizer_class(SCHEDULE, layer_decay=0.9)
    variables = [variable(f"layer_{i}/kernel", np.ones((2, 3))) for i in range(4)]
    variables.append(variable("output/kernel", np.ones((3,))))
    optimizer.build(variables)
    step = tf.function(lambda: optimizer.apply([tf.ones(v.shape) for v in variables], variables))
    for _ in range(3):
        step()
    assert sorted(traced) == [(2, 3), (3,)]


# --- A strategy --------------------------------------------------------------------------------


def test_mirrored_on_one_replica_equals_none():
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        model = small_model(AdamW(SCHEDULE, clip_norm=0.5))
    expected = numpy_fit(model, 0.5, epochs=3)
    fit(model, epochs=3)
    assert_weights(model, expected)


# --- Saving -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.05, SCHEDULE])
def test_saved_and_reloaded_continues_alike(tmp_path, rate):
    model = small_model(AdamW(rate, clip_norm=0.5))
    fit(model, epochs=2)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(again.optimizer, AdamW)
    assert again.optimizer.iterations.numpy() == 4
    fit(model, epochs=1)
    fit(again, epochs=1)
    assert_weights(again, model.get_weights(), rtol=0, atol=0)
