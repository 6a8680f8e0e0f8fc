"""Training the top of a model alone, and beginning it anew."""

import dataclasses

import keras
import numpy as np
import oracle
import pytest

import bert_tf2
from bert_tf2.modeling.top_layers import in_top, top_blocks

TEXTS, LABELS = ["tea", "a stone", "rain & tea"] * 2, ["tea", "stone", "rain"] * 2
GROUPS = dataclasses.replace(oracle.TINIES["albert"], num_hidden_layers=4, num_hidden_groups=2)


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("preset")
    oracle.tiny_classifier(config=oracle.TINY).save_to_preset(folder)
    return folder


def trained_names(task):
    ids = {id(v) for v in task.trainable_variables}
    return {name for name, v in task.named_variables().items() if id(v) in ids}


def test_only_the_top_trains_and_stays_so(preset, tmp_path, caplog):
    head = bert_tf2.TextClassifier.from_preset(preset, trainable_layers=0)
    assert trained_names(head) == {"classifier/kernel", "classifier/bias"}
    task = bert_tf2.TextClassifier.from_preset(preset, trainable_layers=1)
    starts = ("layer_1/", "pooler/", "classifier/")
    want = {n for n in task.named_variables() if n.startswith(starts)}
    assert trained_names(task) == want
    before = {name: v.numpy() for name, v in task.named_variables().items()}
    task.fit(TEXTS, LABELS, batch_size=3, epochs=1, verbose=0)
    moved = {n for n, v in task.named_variables().items() if (v.numpy() != before[n]).any()}
    assert moved == want
    task.save(tmp_path / "task.keras")
    task.save_to_preset(tmp_path / "preset")
    caplog.set_level("INFO")
    for again in (
        keras.saving.load_model(tmp_path / "task.keras"),
        bert_tf2.TextClassifier.from_preset(tmp_path / "preset"),
    ):
        assert trained_names(again) == want
    resting = len(before) - len(want)
    assert f"frozen, as it was saved: {resting} variables; trainable_layers=" in caplog.text
    whole = bert_tf2.TextClassifier.from_preset(tmp_path / "preset", trainable_layers="all")
    assert trained_names(whole) == {*before}
    whole = bert_tf2.TextClassifier.from_preset(tmp_path / "preset", trainable_layers=2)
    assert {*whole.named_variables()} - trained_names(whole) == {
        name for name in before if name.startswith("embeddings/")
    }


@pytest.mark.parametrize("layers", [1, 2])
def test_the_top_begins_anew(preset, layers):
    kept = bert_tf2.TextClassifier.from_preset(preset)
    keras.utils.set_random_seed(1)
    task = bert_tf2.TextClassifier.from_preset(preset, reinit_layers=layers)
    starts = tuple(f"layer_{i}/" for i in range(2 - layers, 2))
    report, want = task.load_report, {*kept.load_report.loaded}
    anew = {n for n in want if n.startswith((*starts, "pooler/"))}
    assert {*report.begun_anew} == anew and {*report.loaded} == want - anew
    assert "begun anew, as asked for: " in str(report) and not report.missing
    theirs, kernels = kept.named_variables(), []
    for name, variable in task.named_variables().items():
        value = variable.numpy()
        if name not in anew:
            np.testing.assert_array_equal(value, theirs[name], err_msg=name)
        elif name.endswith("kernel"):
            kernels.append(value)
            spread = 0.02 * 0.8796  # of a normal of 0.02, cut off at two deviations
            assert np.abs(value).max() <= 0.04 and 0.5 < value.std() / spread < 1.6, name
        else:
            assert (value == name.endswith("gamma")).all(), name
    flat = {kernel.tobytes() for kernel in kernels}
    assert len(flat) == len(kernels) == 6 * layers + 1  # no two alike


@pytest.mark.parametrize(
    "config, blocks",
    [
        (oracle.TINY, {0: set(), 1: {"layer_1"}, 2: {"layer_0", "layer_1"}}),
        (GROUPS, {0: set(), 2: {"group_1_inner_0"}, 4: {"group_0_inner_0", "group_1_inner_0"}}),
    ],
)
def test_layers_that_share_weights_are_not_parted(config, blocks):
    for layers in range(-1, config.num_hidden_layers + 2):
        if layers in blocks:
            assert top_blocks(config, layers) == blocks[layers]
        else:
            with pytest.raises(ValueError, match=rf"`layers` must be .*Received: {layers}"):
                top_blocks(config, layers)


def test_too_many_layers_are_refused_before_anything_is_built(preset):
    for name in ("trainable_layers", "reinit_layers"):
        with pytest.raises(ValueError, match=f"`{name}` must be 0 … 2. Received: 3"):
            bert_tf2.TextClassifier.from_preset(preset, **{name: 3})


@pytest.mark.parametrize("family", oracle.TINIES)
def test_each_variable_of_every_family_has_its_side(family):
    config = oracle.TINIES[family]
    encoder = bert_tf2.Encoder(config)
    names = encoder.named_variables()
    every = in_top(names, {*config.block_names()})
    below = ("embeddings/", "positions/")
    assert every == [name for name in names if not name.startswith(below)]
    assert in_top([*names, "classifier/bias"], set()) == ["classifier/bias"]
