"""Training in real float16 arithmetic, with the loss scaled up and our AdamW."""

import contextlib

import keras
import numpy as np
import oracle
import pytest
import replicas
import tiny_masked_lm

import bert_tf2

LABELS = ["tea", "stone", "rain"]
TEXTS = ["The kettle hums.", "", "stone, rain & tea", "tea", "rain rain tea", "x", "stone", "a b"]
TARGETS = [LABELS[i % 3] for i in range(len(TEXTS))]
SCALE = 2.0**8
LARGE = 1e6  # a weight with which a row's gradient is beyond float16, and well within float32


def scaled(rate=1e-3, **kwargs):
    return keras.optimizers.LossScaleOptimizer(bert_tf2.AdamW(rate), initial_scale=SCALE, **kwargs)


def classifier(strategy=None, optimizer=scaled, policy="mixed_float16"):
    base = oracle.tiny_classifier(config=oracle.with_dropout(oracle.SMALL, 0.0))
    arrays = {name: np.array(v.value) for name, v in base.named_variables().items()}
    with strategy.scope() if strategy else contextlib.nullcontext():
        task = bert_tf2.TextClassifier(
            bert_tf2.Encoder(base.encoder.config, dtype=policy),
            base.preprocessor,
            LABELS,
            dropout=0.0,
        )
        for name, variable in task.named_variables().items():
            variable.assign(arrays[name])
        task.compile(optimizer())
    return task


def state(task):
    """-> the scale of the loss, and the number of steps taken."""
    optimizer = task.optimizer
    return {
        "dynamic_scale": float(optimizer.dynamic_scale.numpy()),
        "iteration": int(optimizer.iterations.numpy()),
    }


def is_float16(task):
    """Whether the encoder computes in float16, and weights and slots are float32."""
    output = task.encoder({"token_ids": [[1, 2, 3]]})["sequence_output"]
    kept = [*task.trainable_variables, *task.optimizer.inner_optimizer.variables]
    floats = {str(v.dtype) for v in kept} - {"int32", "int64"}
    return output.dtype == "float16" and floats == {"float32"}


def test_a_classifier_learns_and_keeps_its_digits():
    task = classifier(optimizer=lambda: scaled(1e-5))
    before = {name: np.array(v.value) for name, v in task.named_variables().items()}
    losses = task.fit(TEXTS, TARGETS, batch_size=8, epochs=1, verbose=0).history["loss"]
    moved = {n: np.abs(v.numpy() - before[n]).max() for n, v in task.named_variables().items()}
    assert 0 < moved["layer_0/ffn/output/kernel"] < 1e-4  # float16 has steps of 2e-4 around 0.3
    assert is_float16(task)
    task.compile(scaled())
    losses += task.fit(TEXTS, TARGETS, batch_size=8, epochs=9, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]
    assert state(task)["iteration"] == 9


@pytest.mark.full
def test_losses_are_those_of_float32():
    losses = []
    for policy in ("mixed_float16", "float32"):
        task = classifier(policy=policy)
        fitted = task.fit(TEXTS, TARGETS, batch_size=8, epochs=3, shuffle=False, verbose=0)
        losses.append(fitted.history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.02)  # 11 bits
    assert losses[0] != losses[1]


@pytest.mark.full
@pytest.mark.parametrize("second", [None, "nsp"])
def test_a_masked_lm_learns(second):
    keras.utils.set_random_seed(1)
    task = tiny_masked_lm.make(second_task=second, dtype="mixed_float16")
    task.compile(scaled(1e-2))
    inputs, targets = tiny_masked_lm.records()
    losses = task.fit(inputs, targets, 3, epochs=10, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]
    assert is_float16(task)
    assert state(task)["iteration"] == 20


# --- An overflow. ---------------------------------------------------------------------------------


def with_overflow(strategy, out):
    """Three steps of 8 rows, of which the first one's row 5, on replica 1 of two, overflows."""
    task = classifier(strategy)
    weights = np.ones(24, "float32")
    weights[5] = LARGE
    task.fit(TEXTS * 3, TARGETS * 3, 8, 1, sample_weight=weights, shuffle=False, verbose=0)
    copies = {
        f"{name}/{i}": np.array(copy)
        for name, variable in task.named_variables().items()
        for i, copy in enumerate(
            task.distribute_strategy.experimental_local_results(variable.value)
        )
    }
    np.savez(out, **copies, **{f"state/{name}": value for name, value in state(task).items()})


@pytest.mark.full
def test_overflow_on_one_replica_skips_the_step_everywhere(tmp_path):
    with_overflow(None, tmp_path / "one.npz")
    replicas.call(__file__, "with_overflow", tmp_path / "two.npz")
    one, two = np.load(tmp_path / "one.npz"), np.load(tmp_path / "two.npz")
    for run in (one, two):
        assert run["state/dynamic_scale"] == SCALE / 2
        assert run["state/iteration"] == 2
    names = [name.removesuffix("/0") for name in one.files if name.endswith("/0")]
    assert len(names) > 20
    for name in names:
        np.testing.assert_array_equal(two[f"{name}/1"], two[f"{name}/0"], err_msg=name)
        assert np.isfinite(two[f"{name}/0"]).all()
    # Adam scales up what is rounding, of which keys' biases get nothing else (softmax).
    steady = [name for name in names if not name.endswith("key/bias")]
    apart = {name: np.abs(two[f"{name}/0"] - one[f"{name}/0"]).mean() for name in steady}
    assert max(apart.values()) < 1e-4, apart
    first = classifier().named_variables()  # two steps of at most a few times the rate of 1e-3
    assert all(0 < np.abs(two[f"{n}/0"] - first[n].numpy()).max() < 1e-2 for n in names)


@pytest.mark.full
def test_in_float32_it_would_not_overflow():
    """So that it is float16 that the test above is about."""
    task = classifier(policy="float32")
    weights = [LARGE if i == 5 else 1.0 for i in range(8)]
    task.fit(TEXTS, TARGETS, 8, 1, sample_weight=weights, shuffle=False, verbose=0)
    assert state(task)["dynamic_scale"] == SCALE
    assert state(task)["iteration"] == 1


@pytest.mark.full
def test_the_scale_is_kept_from_fit_to_evaluate_and_on():
    """Keras's `build` begins it anew, each time it is called."""
    task = classifier(optimizer=scaled)
    task.optimizer.build(task.trainable_variables)
    task.optimizer.dynamic_scale.assign(64.0)
    task.evaluate(TEXTS, TARGETS, verbose=0)
    task.fit(TEXTS, TARGETS, epochs=1, verbose=0)
    task.test_on_batch(TEXTS, TARGETS)
    assert float(task.optimizer.dynamic_scale.numpy()) == 64.0
    assert int(task.optimizer.step_counter.numpy()) == 1
