"""Adapters of tasks: what they compute, train, leave alone and keep."""

import json

import keras
import numpy as np
import oracle
import pytest
import replicas
import tensorflow as tf
from by_default import by_default
from closeness import CANCELLED, FORWARD, assert_near, of_steps
from interrupted import StopAt

import bert_tf2
from bert_tf2 import weights

TEXTS = ["The kettle hums.", "rain", "stone, rain & tea", "tea", "", "a stone"]
LABELS = ["tea", "rain", "stone", "tea", "rain", "stone"]
KINDS = {
    "lora": {"rank": 3, "targets": ("query", "ffn/output")},
    "lora, biases": {"targets": "dense", "bias": "all", "use_rslora": True, "alpha": np.float32(5)},
    "houlsby": {"size": np.int64(5)},
    "pfeiffer": {"size": 4},
    "bias": {"targets": ("norm", "intermediate")},
}
HEAD = ("classifier/kernel", "classifier/bias")
TOP_LAYERS = [("trainable_layers", 0), ("reinit_layers", 1)]


def made(config=oracle.SMALL, **settings):
    return oracle.tiny_classifier(config=oracle.with_dropout(config, 0.0), **settings)


def adapted(kind="lora", task=None, name="default", **more):
    """A task with an adapter of random numbers."""
    task = (task or made()).add_adapter(kind.partition(",")[0], name, **KINDS[kind] | more)
    disturb(task, seed=len(kind))
    return task


def disturb(task, seed=0):
    rng = np.random.default_rng(seed)
    for variable in task.trainable_variables:
        noise = 0.3 * rng.standard_normal(variable.shape).astype("float32")
        of_adapter = variable.path.startswith("adapter") and not variable.path.endswith("bias")
        variable.assign(noise if of_adapter else noise + variable)


def logits(task):
    return task(task.prepare(task.read(TEXTS))[0]).numpy()


def values(variables):
    return {name: v.numpy() for name, v in variables.items()}


def equal(got, want):
    assert got.keys() == want.keys()
    for name, value in want.items():
        np.testing.assert_array_equal(got[name], value, err_msg=name)


# === What is computed =============================================================================


def by_hand(task):
    """Logits of a task with an adapter, in NumPy float64."""
    adapter = task.adapters[task.active_adapter]
    own = {n: v.numpy().astype("float64") for n, v in adapter.named.items()}
    w = values(task.named_variables()) | {n: x for n, x in own.items() if n in w_names(task)}
    for name in [n for n in own if n.endswith("lora_a")]:
        unit = name.removesuffix("/lora_a")
        scale = adapter.settings.alpha / own[name].shape[1] ** (
            0.5 if adapter.settings.use_rslora else 1
        )
        w[f"{unit}/kernel"] = w[f"{unit}/kernel"] + scale * own[name] @ own[f"{unit}/lora_b"]

    def between(place, out, x):
        if f"{place}/down/kernel" not in own:
            return out
        houlsby = adapter.kind == "houlsby"
        read = out if houlsby else oracle.norm(task.encoder.config, w, f"{place}/norm", out + x)
        act = oracle.ACTIVATIONS["gelu_tanh" if houlsby else "relu"]
        inner = act(read @ own[f"{place}/down/kernel"] + own[f"{place}/down/bias"])
        return out + inner @ own[f"{place}/up/kernel"] + own[f"{place}/up/bias"]

    inputs = {n: x.numpy() for n, x in task.prepare(task.read(TEXTS))[0].items()}
    pooled = oracle.forward(task.encoder.config, w, inputs, between)["pooled_output"]
    return pooled @ w["classifier/kernel"] + w["classifier/bias"]


def w_names(task):
    return task.encoder.named_variables()


@pytest.mark.parametrize("config", by_default(["bert", "albert, inner groups"], ["bert"]))
@pytest.mark.parametrize("kind", by_default(KINDS, ["lora, biases", "houlsby", "pfeiffer"]))
def test_each_kind_computes_what_its_paper_says(kind, config):
    task = adapted(kind, made(oracle.TINIES[config]))
    assert_near(logits(task), by_hand(task), FORWARD)
    with task.disable_adapter():
        plain = logits(task)
    assert np.abs(plain - logits(task)).max() > 0.01
    padded = made(oracle.TINIES[config], drop_padding=False, pad=True)
    assert_near(logits(adapted(kind, padded)), logits(task), FORWARD)


def test_a_new_lora_computes_nothing_yet():
    task = made()
    before = logits(task)
    np.testing.assert_array_equal(logits(task.add_adapter()), before)
    assert_near(logits(task.add_adapter("houlsby", "b")), before, 1e-3)
    task.set_adapter("default")
    everything = sum(v.numpy().size for v in task.named_variables().values())
    products, head = 2 * 2 * 8 * 24, 24 * 3 + 3  # of query and value, A and B, of rank 8
    assert task.trained_share() == (products + head, everything + products)


# === What is trained ==============================================================================


@pytest.mark.parametrize("kind", by_default(KINDS, ["lora"]))
def test_it_trains_alone_with_a_head_of_its_own(kind):
    task = made()
    other = bert_tf2.TextClassifier(task.encoder, task.preprocessor, 2)
    alone, before, plain = logits(other), values(task.named_variables()), logits(task)
    task.add_adapter(kind.partition(",")[0], **KINDS[kind])
    task.compile(keras.optimizers.SGD(0.1))
    first = values(task.adapters["default"].named)
    task.fit(TEXTS, LABELS, batch_size=6, epochs=2, shuffle=False, verbose=0)
    after = values(task.named_variables())
    assert {n for n in before if (after[n] != before[n]).any()} == {*HEAD}
    moved = values(task.adapters["default"].named)
    no_effect = "layer_0/attention/key/bias"  # the same for all that a token looks at
    assert all((moved[n] != first[n]).any() for n in moved if n != no_effect)
    np.testing.assert_array_equal(logits(other), alone)  # on the same encoder
    with task.disable_adapter():
        np.testing.assert_array_equal(logits(task), plain)
        assert len(task.trainable_variables) == len(before)


def test_several_are_switched_with_their_heads():
    task = adapted(name="a")
    first = logits(task)
    second = logits(adapted("pfeiffer", task, "b"))
    task.set_adapter("a")
    np.testing.assert_array_equal(logits(task), first)
    task.set_adapter("b")
    np.testing.assert_array_equal(logits(task), second)
    names = {v.path.split("/")[0] for v in task.trainable_variables}
    assert names == {"adapter_b", "classifier"}
    task.delete_adapter("b")
    np.testing.assert_array_equal(logits(task), logits(made()))
    assert [*task.adapters] == ["a"] and task.active_adapter is None
    with pytest.raises(ValueError, match=r"no adapter 'b'; there are \['a'\]"):
        task.set_adapter("b")


def test_merged_and_unmerged():
    task = adapted("lora, biases")
    encoder, before = values(task.encoder.named_variables()), logits(task)
    task.merge_adapter()
    assert_near(logits(task), before, FORWARD)
    with pytest.raises(ValueError, match=r"is merged, and a merged one is not trained"):
        task.fit(TEXTS, LABELS, verbose=0)
    equal(values(task.encoder.named_variables()), encoder)
    task.unmerge_adapter()
    np.testing.assert_array_equal(logits(task), before)
    unloaded = task.merge_and_unload()
    assert_near(logits(unloaded), before, FORWARD)
    assert not unloaded.adapters and unloaded.labels == task.labels


def trained(micro_batches=1, recompute=False, **more):
    keras.utils.set_random_seed(5)
    config = oracle.with_dropout(oracle.SMALL, 0.0)
    task = oracle.tiny_classifier(config=config)
    if recompute:
        described = task.get_config()
        described["encoder"]["config"]["recompute"] = True
        again = bert_tf2.TextClassifier.from_config(described)
        again.preprocessor = task.preprocessor
        again.set_weights(task.get_weights())
        task = again
    keras.utils.set_random_seed(5)  # what is dropped does not follow from what was made before
    adapted(task=task, **more)
    task.compile(keras.optimizers.SGD(0.05), micro_batches=micro_batches)
    task.fit(TEXTS, LABELS, batch_size=6, epochs=3, shuffle=False, verbose=0)
    return values({v.path: v for v in task.trainable_variables})


@pytest.mark.full
@pytest.mark.parametrize("how", [{"micro_batches": 3}, {"recompute": True}])
def test_the_step_is_the_same_in_other_ways(how):
    want = trained()
    for path, value in trained(**how).items():
        assert_near(value, want[path], of_steps(3, 0.05, CANCELLED), err_msg=path)


@pytest.mark.full
def test_a_layer_that_is_computed_again_drops_the_same():
    """With dropout the two would differ by more than noise if it drew once more."""
    want = trained(dropout=0.5)
    assert max(np.abs(want[p] - x).max() for p, x in trained().items()) > 1e-3
    for path, value in trained(recompute=True, dropout=0.5).items():
        assert_near(value, want[path], of_steps(3, 0.05, CANCELLED), err_msg=path)


def train_on_both(strategy):
    """Called by the next test in a process that has two devices."""
    want = trained()
    with strategy.scope():
        got = trained()
    for path, value in got.items():
        assert_near(value, want[path], of_steps(3, 0.05, CANCELLED), err_msg=path)


@pytest.mark.full
def test_replicas():
    replicas.call(__file__, "train_on_both")


@pytest.mark.full
def test_a_killed_run_goes_on_with_its_adapter(tmp_path):
    def begun(seed):
        keras.utils.set_random_seed(seed)
        return adapted(dropout=0.2)

    def run(task, *callbacks):
        task.compile({"learning_rate": 1e-2})
        how = {"batch_size": 3, "epochs": 3, "shuffle": False, "verbose": 0}
        task.fit(TEXTS, LABELS, callbacks=[*callbacks], **how)
        return values({v.path: v for v in task.trainable_variables})

    want = run(begun(5))
    with pytest.raises(KeyboardInterrupt):
        run(begun(5), bert_tf2.Checkpoints(tmp_path, every=1), StopAt(4))
    with pytest.raises(ValueError, match=r"another run: .*adapters"):
        run(made(), bert_tf2.Checkpoints(tmp_path))
    got = run(begun(9), bert_tf2.Checkpoints(tmp_path))  # whose own seed counts no more
    for path, value in got.items():
        assert_near(value, want[path], of_steps(6, 1e-2), err_msg=path)


def test_unfreezing_has_no_meaning_beside_it():
    with pytest.raises(ValueError, match="do not train beside an adapter"):
        adapted().fit(TEXTS, LABELS, verbose=0, callbacks=[bert_tf2.GradualUnfreezing()])


# === What is kept =================================================================================


@pytest.mark.parametrize("kind", by_default(KINDS, ["lora, biases"]))
def test_files(kind, tmp_path):
    """Small files, a `.keras` file and a preset: equal answers, with it and without."""
    task = adapted(kind, name="a")
    adapted("houlsby", task, "b")
    task.set_adapter("a")
    if kind.startswith("lora"):
        task.merge_adapter()
    want = logits(task)
    task.save(tmp_path / "task.keras")
    task.save_to_preset(tmp_path / "preset")
    for again in (
        keras.saving.load_model(tmp_path / "task.keras"),
        bert_tf2.TextClassifier.from_preset(tmp_path / "preset"),
    ):
        np.testing.assert_array_equal(logits(again), want)
        assert [*again.adapters] == ["a", "b"] and again.active_adapter == "a"
        again.set_adapter(None)
        np.testing.assert_array_equal(logits(again), logits(made()))
    task.save_adapter(tmp_path / "adapter")
    again = made().load_adapter(tmp_path / "adapter", "c")
    assert_near(logits(again), want, FORWARD)
    equal(values(again.adapters["c"].named), values(task.adapters["a"].named))


def test_what_else_opens_a_preset_with_adapters_says_that_it_leaves_them_out(tmp_path, caplog):
    adapted().save_to_preset(tmp_path / "preset")
    encoder = bert_tf2.Encoder.from_preset(tmp_path / "preset")
    assert encoder.load_report.warnings == ["adapter default was left out"]
    bert_tf2.SentenceEncoder.from_preset(tmp_path / "preset")
    assert "its adapters are of a TextClassifier, left out: default" in caplog.text
    task = adapted()
    task.save_to_preset(tmp_path / "merged", "huggingface")
    assert "huggingface has no place for adapters (default)" in caplog.text
    again = bert_tf2.TextClassifier.from_preset(tmp_path / "merged", labels=task.labels)
    assert_near(logits(again), logits(task), FORWARD)
    with pytest.raises(ValueError, match="a houlsby bottleneck is no sum of kernels"):
        adapted("houlsby").save_to_preset(tmp_path / "none", "huggingface")


def test_a_preset_is_converted_with_its_adapters(tmp_path):
    """In a format of others the active one is merged, its head with it; a preset holds all."""
    task = adapted()
    task.save_to_preset(tmp_path / "preset")
    report = bert_tf2.convert(tmp_path / "preset", tmp_path / "hf", "huggingface")
    assert any("default was merged into the weights" in said for said in report.warnings)
    bert_tf2.convert(tmp_path / "preset", tmp_path / "ours", "bert_tf2")
    keep = task.preprocessor.tokenizer.vocabulary
    resized = bert_tf2.prune_vocabulary(tmp_path / "preset", tmp_path / "short", keep)
    assert any("default was merged into the weights" in said for said in resized.warnings)
    for place, adapters in {"hf": [], "ours": ["default"], "short": []}.items():
        again = bert_tf2.TextClassifier.from_preset(tmp_path / place, labels=task.labels)
        assert [*again.adapters] == adapters
        assert_near(logits(again), logits(task), FORWARD)
    adapted("houlsby").save_to_preset(tmp_path / "houlsby")
    with pytest.raises(ValueError, match="a houlsby bottleneck is no sum of kernels"):
        bert_tf2.convert(tmp_path / "houlsby", tmp_path / "none", "google")


@pytest.mark.parametrize("name, layers", by_default(TOP_LAYERS, TOP_LAYERS[:1]))
def test_top_layers_have_no_meaning_beside_it(tmp_path, name, layers):
    made().save_to_preset(tmp_path / "preset")
    task = bert_tf2.TextClassifier.from_preset(tmp_path / "preset", **{name: layers})
    with pytest.raises(ValueError, match=f"`{name}` is for an encoder that trains"):
        task.add_adapter()
    assert not task.adapters


@pytest.mark.full
def test_what_was_tuned_is_said(tmp_path, caplog):
    """Thresholds are the task's, and in no file of an adapter but as a note."""
    how = {"labels": ["neg", "pos"], "problem_type": "multi_label_classification"}
    adapted("lora", made(**how, thresholds=[0.25, 0.5])).save_adapter(tmp_path / "a")
    task = made(**how).load_adapter(tmp_path / "a")
    assert "used with thresholds=[0.25, 0.5], and this task has None: `set_thr" in caplog.text
    caplog.clear()
    task.set_thresholds([0.25, 0.5])
    task.load_adapter(tmp_path / "a", "again")
    assert "thresholds" not in caplog.text


@pytest.mark.parametrize("kind", by_default(["lora", "houlsby"], ["lora"]))
def test_a_head_that_means_something_else_is_refused_by_name(kind, tmp_path):
    """Other labels, in another order, too, another task or pooling: heads of equal sizes; without
    a head it fits all of them."""
    adapted(kind, made(labels=["neg", "pos"])).save_adapter(tmp_path / "a")
    config = oracle.with_dropout(oracle.SMALL, 0.0)
    tasks = {
        r"labels \['neg', 'pos'\]\. Received: .*\['pos', 'neg'\]": made(labels=["pos", "neg"]),
        r"labels \['neg', 'pos'\]\. Received: .*\['z', 'y'\]": made(labels=["z", "y"]),
        r"pooling first\. Received: .*mean": made(labels=["neg", "pos"], pooling="mean"),
        r"(head classes. Received: a|The head of this) TokenClassifier": oracle.tiny_task(
            bert_tf2.TokenClassifier, config, labels=["O", "X"], scheme=None
        ),
        r"problem_type single_label\w+\. Received: .*regression": oracle.tiny_task(
            bert_tf2.TextRegressor, config, labels=["neg", "pos"]
        ),
    }
    for message, task in tasks.items():
        with pytest.raises(
            weights.CheckpointError, match=f"is for another (task|head): .*{message}"
        ):
            task.load_adapter(tmp_path / "a")
        assert not task.adapters
    assert made(labels=["neg", "pos"]).load_adapter(tmp_path / "a").active_adapter == "default"
    adapted(kind, made(labels=["neg", "pos"]), train_head=False).save_adapter(tmp_path / "b")
    for task in tasks.values():
        task.load_adapter(tmp_path / "b")


@pytest.mark.full
@pytest.mark.parametrize("kind, precision", [("lora", None), ("lora", "int8"), ("houlsby", "int8")])
def test_exports_are_merged_where_that_can_be(kind, precision, tmp_path):
    task = adapted(kind)
    served = tf.saved_model.load(task.export(tmp_path / "served", precision=precision))
    got = served.signatures["serving_default"](text=tf.constant(TEXTS))["logits"].numpy()
    off = {None: FORWARD, "bfloat16": 0.05, "int8": 0.1}[precision]
    assert_near(got, logits(task), off)
    assert np.abs(got - logits(made())).max() > 0.05


# === What is refused ==============================================================================


@pytest.mark.parametrize(
    "given, error, message",
    [
        ({"kind": "dora"}, ValueError, r"one of \['lora', 'houlsby', 'pfeiffer', 'bias'\]"),
        ({"rank": 0}, ValueError, "`rank` must be an int from 1. Received: 0"),
        ({"targets": ["q_proj"]}, ValueError, r"`targets` must be ends of names .*'q_proj'"),
        ({"bias": "some"}, ValueError, "`bias` must be one of"),
        ({"dropout": 1}, ValueError, "`dropout` must be from 0 to below 1"),
        ({"use_rslora": "no"}, ValueError, "`use_rslora` must be True or False"),
        ({"kind": "bias", "train_head": 0}, ValueError, "`train_head` must be True or False"),
        ({"use_dora": True}, TypeError, r"Settings of 'lora' are .*use_dora"),
        ({"name": "a/b"}, ValueError, "`name` must be of letters"),
        ({"kind": "houlsby", "activation": "silu"}, ValueError, "`activation` must be one of"),
    ],
)
def test_settings_without_a_meaning(given, error, message):
    task = made()
    with pytest.raises(error, match=message):
        task.add_adapter(**given)
    assert not task.adapters and len(task.trainable_variables) == len(task.named_variables())


def test_an_adapter_of_another_model_is_refused_by_name(tmp_path):
    adapted().save_adapter(tmp_path / "a")
    other = made()
    other.encoder.named_variables()["layer_0/ffn/norm/gamma"].assign(np.ones(24))
    labels = made(labels=["tea", "rain"])
    vectors = oracle.tiny_task(bert_tf2.SentenceEncoder, oracle.with_dropout(oracle.SMALL, 0.0))
    with pytest.raises(
        weights.CheckpointError, match=r"another model: bert, 1 layers of 24, \w+\."
    ):
        other.load_adapter(tmp_path / "a")
    other.load_adapter(tmp_path / "a", any_base=True)
    with pytest.raises(ValueError, match="There is an adapter 'default' already"):
        made().load_adapter(tmp_path / "a").load_adapter(tmp_path / "a")
    for task in (labels, vectors):
        with pytest.raises(weights.CheckpointError, match=r"another head: it holds classifier"):
            task.load_adapter(tmp_path / "a")
        assert not task.adapters
    deep = made(oracle.TINY)
    with pytest.raises(weights.CheckpointError, match=r"disagree\. .*layer_1"):
        deep.load_adapter(tmp_path / "a", any_base=True)
    adapted("pfeiffer").save_adapter(tmp_path / "b")
    with pytest.raises(
        weights.CheckpointError, match=r"do not fit .*layer_1/ffn/down/kernel: None"
    ):
        deep.load_adapter(tmp_path / "b", any_base=True)
    said = json.loads((tmp_path / "a/adapter_config.json").read_text())
    (tmp_path / "a/adapter_config.json").write_text(json.dumps(said | {"use_dora": True}))
    with pytest.raises(weights.CheckpointError, match=r"nothing here computes: .*use_dora"):
        made().load_adapter(tmp_path / "a")
