"""What writes, exports or looks into a task: it sees the adapter that is active, or says no."""

import dataclasses

import keras
import numpy as np
import oracle
import pytest
import tiny_masked_lm
from by_default import by_default
from closeness import FORWARD, assert_near
from shell import runs

import bert_tf2
from bert_tf2 import weights
from bert_tf2.serving.runtimes import asked
from bert_tf2.tasks import made_anew
from bert_tf2.tasks.to_file import fingerprint

CONFIG = oracle.with_dropout(oracle.SMALL, 0.0)
TEXTS = ["stone, rain & tea", "tea", "a stone"]
PLACE = "layer_0/attention/query/kernel"
TASKS = {
    "MaskedLM": {},
    "NextSentenceClassifier": {},
    "TextClassifier": {"labels": ["a", "b", "c"]},
    "TextRegressor": {},
    "TokenClassifier": {"labels": ["O", "B-A"]},
    "QuestionAnswerer": {},
    "MultipleChoice": {},
    "SentenceEncoder": {},
    "SparseEncoder": {},
    "MultiVectorEncoder": {},
    "Reranker": {},
}


def adapted(name="TextClassifier", kind="lora", **settings):
    """A task with an adapter of random numbers."""
    task = oracle.tiny_task(getattr(bert_tf2, name), CONFIG, **TASKS[name])
    keras.utils.set_random_seed(1)
    task.add_adapter(kind, **settings)
    rng = np.random.default_rng(7)
    for variable in task.trainable_variables:
        variable.assign(variable + 0.2 * rng.standard_normal(variable.shape).astype("float32"))
    return task


def inputs_of(task):
    """A few rows of ids, of whatever the task reads."""
    found = oracle.random_inputs(task.encoder.config, 3, 9)
    if task.ids_rank == 3:
        found = {n: np.stack([x, x[::-1]], 1) for n, x in found.items()}
    if "masked_positions" in task.input:
        found["masked_positions"] = np.array([[1, 2], [1, 0], [2, 1]], "int32")
    found = {n: found.get(n, found["padding_mask"]) for n in task.input}
    return {n: keras.ops.convert_to_tensor(x) for n, x in found.items()}


def near(task, other):
    inputs = inputs_of(task)
    want = keras.tree.flatten(task(inputs))
    for got, array in zip(keras.tree.flatten(other(inputs)), want, strict=True):
        assert_near(got, array, FORWARD)


@pytest.mark.parametrize("name", by_default(TASKS, ["MaskedLM"]))
def test_other_formats_hold_the_merged_one(name, tmp_path, caplog):
    task = adapted(name)
    merged, base = task.merged_arrays(), task.base_arrays()
    assert np.abs(merged[PLACE] - base[PLACE]).max() > 0.01
    task.save_to_preset(tmp_path / "there", "huggingface")
    assert "(default): default was merged into the weights, others were left out" in caplog.text
    again = type(task).from_preset(tmp_path / "there", **TASKS[name])
    np.testing.assert_array_equal(again.named_variables()[PLACE], merged[PLACE])
    near(task, again)
    task.set_adapter(None)
    task.save_to_preset(tmp_path / "plain", "huggingface")
    assert "(default): none of them is active, others were left out" in caplog.text
    again = type(task).from_preset(tmp_path / "plain", **TASKS[name])
    np.testing.assert_array_equal(again.named_variables()[PLACE], base[PLACE])


@pytest.mark.full
def test_converted_and_as_a_text_encoder(tmp_path, capsys):
    task = adapted()
    task.save(tmp_path / "task.keras")
    merged, convert = task.merged_arrays(), ("convert", f"--model={tmp_path}/task.keras")
    for to in ("huggingface", "tfhub", "google"):
        runs(*convert, f"--to={to}", f"--output_dir={tmp_path}/{to}")
        assert "default was merged into the weights" in capsys.readouterr().out
    bert_tf2.export_text_encoder(task, tmp_path / "hub")
    for folder in ("huggingface", "tfhub", "google", "hub"):
        again = bert_tf2.Encoder.from_preset(tmp_path / folder)
        np.testing.assert_array_equal(again.named_variables()[PLACE], merged[PLACE], err_msg=folder)
    runs("inspect", f"--model={tmp_path}/task.keras")
    assert "adapters    default (lora); default is active; the variables" in capsys.readouterr().out
    runs(*convert, "--to=bert_tf2", f"--output_dir={tmp_path}/o")
    near(task, bert_tf2.TextClassifier.from_preset(tmp_path / "o"))


def test_what_cannot_be_written_is_refused(tmp_path):
    task = adapted(kind="houlsby")
    for write in (
        lambda: bert_tf2.export_text_encoder(task, tmp_path / "hub"),
        lambda: task.save_to_preset(tmp_path / "there", "google"),
    ):
        with pytest.raises(ValueError, match="a houlsby bottleneck is no sum of kernels"):
            write()
    assert not [*tmp_path.iterdir()]
    words = tiny_masked_lm.make().add_adapter()
    with pytest.raises(ValueError, match=r"beside an adapter.*Received: adapter 'default'"):
        words.save_to_preset(tmp_path / "slots", "google", optimizer=True)
    with pytest.raises(ValueError, match=r"a task without adapters.* Received: adapters default"):
        made_anew.with_dropout(words, 0.2)


def test_attention_is_that_which_is_computed():
    task = adapted(targets=("query", "key"))
    with task.disable_adapter():
        plain = bert_tf2.attention(task, TEXTS[0]).weights
    got = bert_tf2.attention(task, TEXTS[0]).weights
    assert np.abs(got - plain).max() > 0.01
    np.testing.assert_allclose(
        got, bert_tf2.attention(task.merge_and_unload(), TEXTS[0]).weights, atol=FORWARD
    )
    of_encoder = bert_tf2.attention(task.encoder, TEXTS[0], preprocessor=task.preprocessor)
    np.testing.assert_array_equal(of_encoder.weights, plain)  # an encoder has no adapters


@pytest.mark.full
def test_attributions_and_features_are_of_the_adapter():
    task = adapted()
    merged = task.merge_and_unload()
    got, want = (bert_tf2.integrated_gradients(t, TEXTS[0], target="b") for t in (task, merged))
    np.testing.assert_allclose(got.scores, want.scores, atol=1e-4)
    vectors = adapted("SentenceEncoder")
    got, want = (t.features(TEXTS, (0, -1)) for t in (vectors, vectors.merge_and_unload()))
    assert_near(got, want, FORWARD)


@pytest.mark.full
@pytest.mark.parametrize("kind", ["lora", "houlsby", "bias"])
def test_graphs_of_other_runtimes(kind):
    task = adapted(kind=kind)
    function, _ = asked.graph_of(task)
    ids = inputs_of(task)
    given = {asked.THEIRS[n]: keras.ops.cast(x, "int64") for n, x in ids.items()}
    assert_near(function(**given)["logits"], task(ids), FORWARD)
    assert not any("lora" in v.name for v in function.variables)  # it is merged


def test_a_failed_load_leaves_what_was_active(tmp_path):
    task = adapted()
    narrow = dataclasses.replace(CONFIG, hidden_size=12)
    other = oracle.tiny_task(bert_tf2.TextClassifier, narrow, **TASKS["TextClassifier"])
    other.add_adapter(train_head=False).save_adapter(tmp_path / "a", format="peft")
    want, shapes = task(TEXTS), len(task.trainable_variables)
    with pytest.raises(weights.CheckpointError, match="its tensors do not fit"):
        task.load_adapter(tmp_path / "a", "second", any_base=True)
    assert task.active_adapter == "default" and [*task.adapters] == ["default"]
    assert len(task.trainable_variables) == shapes
    np.testing.assert_array_equal(task(TEXTS), want)


def test_fingerprints_tell_adapters_apart():
    one, other = (adapted("SentenceEncoder", alpha=alpha) for alpha in (8, 16))
    assert fingerprint(one) == fingerprint(adapted("SentenceEncoder", alpha=8))
    assert fingerprint(one) != fingerprint(other)  # equal numbers, which count otherwise
