"""A step with gradients that are not finite: taken, left out, or the end of the run."""

import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf
from closeness import FORWARD, assert_near, of_steps

import bert_tf2

TEXTS = ["tea tea", "The kettle hums.", "stone, rain & tea", "tea", "rain tea rain", "x"] * 2
LABELS = ["tea", "stone", "rain"] * 4
WEIGHTS = [1.0] * 5 + [float("inf")] + [1.0] * 6  # in the second of three batches
FIT = {"batch_size": 4, "shuffle": False, "epochs": 1, "verbose": 0}


def spoilt():
    """A dataset with a weight that no array may have."""
    return tf.data.Dataset.from_tensor_slices((TEXTS, LABELS, WEIGHTS)).batch(4)


def compiled(**settings):
    task = oracle.tiny_classifier(dropout=0.0, config=oracle.with_dropout(oracle.SMALL, 0.0))
    task.compile(bert_tf2.AdamW(1e-3), **settings)
    return task


def values(task):
    """Weights, slots and the step count."""
    slots = {v.path: np.array(v.value) for v in task.optimizer.variables}
    return slots | {name: np.array(v.value) for name, v in task.named_variables().items()}


@pytest.mark.parametrize("several", [1, pytest.param(2, marks=pytest.mark.full)])
def test_a_step_is_left_out(caplog, several):
    """The run is that of the other two batches."""
    task = compiled(nonfinite="skip", steps_per_execution=several)
    got = task.fit(spoilt(), **FIT).history
    assert "1 steps were left out" in caplog.text
    others = compiled(steps_per_execution=several)
    rest = TEXTS[:4] + TEXTS[8:], LABELS[:4] + LABELS[8:]
    want = others.fit(*rest, sample_weight=WEIGHTS[:4] + WEIGHTS[8:], **FIT).history
    assert got["loss"] == pytest.approx(want["loss"], rel=FORWARD)
    wanted = values(others)
    for name, value in values(task).items():
        assert_near(value, wanted[name], of_steps(4), err_msg=name)
    caplog.clear()
    task.fit(TEXTS, LABELS, **FIT)
    assert "left out" not in caplog.text


@pytest.mark.full
@pytest.mark.parametrize("several", [1, pytest.param(2, marks=pytest.mark.full)])
def test_the_run_ends_and_the_batch_is_saved(tmp_path, monkeypatch, several):
    monkeypatch.chdir(tmp_path)
    task = compiled(nonfinite="stop", steps_per_execution=several)
    before = compiled()
    before.fit(TEXTS[:4], LABELS[:4], sample_weight=WEIGHTS[:4], **FIT)
    with pytest.raises(
        FloatingPointError, match=r"After step 1 .* saved in nonfinite-after-step-1"
    ):
        task.fit(spoilt(), **FIT)
    wanted = values(before)
    for name, value in values(task).items():
        assert_near(value, wanted[name], of_steps(4), err_msg=name)
    batch = np.load(tmp_path / "nonfinite-after-step-1.npz")
    ids = task.preprocessor(TEXTS[4:8])["token_ids"]
    np.testing.assert_array_equal(batch["x/token_ids"], ids)
    np.testing.assert_array_equal(batch["y"], [1, 2, 0, 1])
    np.testing.assert_array_equal(batch["sample_weight"], WEIGHTS[4:8])
    assert {"x/padding_mask", "x/segment_ids"} < set(batch.files)
    # The same run, beside its checkpoints; then it goes on without that batch.
    saved = bert_tf2.Checkpoints(tmp_path / "run", every=1)
    again = compiled(nonfinite="stop", steps_per_execution=several)
    with pytest.raises(FloatingPointError, match=r"run/nonfinite-after-step-1\.npz"):
        again.fit(spoilt(), callbacks=[saved], **FIT)
    again.compile(bert_tf2.AdamW(1e-3), nonfinite="skip", steps_per_execution=several)
    again.fit(spoilt(), callbacks=[saved], **FIT)
    assert all(np.isfinite(value).all() for value in values(again).values())


def test_by_default_it_is_taken_as_in_keras():
    task = compiled()
    task.fit(spoilt(), **FIT)
    assert not np.isfinite(task.get_layer("classifier").kernel.numpy()).all()


@pytest.mark.full
def test_what_is_asked_for_is_saved(tmp_path):
    task = compiled(nonfinite="skip", micro_batches=2, fgm=0.5, r_drop=2.0)
    task.save(tmp_path / "task.keras")
    again = keras.saving.load_model(tmp_path / "task.keras")
    want = {"micro_batches": 2, "nonfinite": "skip", "fgm": 0.5, "r_drop": 2.0}
    assert again.step_settings == want
    again.fit(spoilt(), **FIT)
    assert int(again.optimizer.iterations.numpy()) == 2


def scaled():
    return keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"nonfinite": "ignore"}, r"`nonfinite` must be one of.*Received: 'ignore'"),
        ({"nonfinite": "skip", "optimizer": scaled()}, "LossScaleOptimizer, which skips"),
        ({"fgm": -1.0}, r"`fgm` must be 0 or more. Received: -1.0"),
        ({"r_drop": float("nan")}, r"`r_drop` must be 0 or more. Received: nan"),
        ({"fgm": 1.0, "optimizer": bert_tf2.AdamW(reproduce="google")}, "`fgm` must be 0 where"),
    ],
)
def test_settings_without_meaning(settings, message):
    with pytest.raises(ValueError, match=message):
        oracle.tiny_classifier().compile(**settings)
