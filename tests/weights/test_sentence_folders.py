"""sentence-transformers' folders: each word is followed, or refused by name."""

import json
import shutil

import numpy as np
import oracle
import pytest
import safetensors.numpy

import bert_tf2
from bert_tf2 import weights
from bert_tf2.weights import units

MODULES = [
    {"kind": "dense", "width": 5, "activation": "gelu"},
    {"kind": "norm"},
    {"kind": "normalize"},
]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    task = oracle.tiny_task(
        bert_tf2.SentenceEncoder, pooling="mean", modules=MODULES, prompts={"query": "tea: "}
    )
    return task.save_to_preset(tmp_path_factory.mktemp("st") / "a", format="sentence_transformers")


@pytest.fixture
def folder(written, tmp_path):
    return shutil.copytree(written, tmp_path / "a")


def said(folder):
    return weights.open_checkpoint(folder).task


def change(file, **words):
    old = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({n: x for n, x in (old | words).items() if x is not None}))


def refused(folder):
    """What who wants vectors is told; the encoder opens all the same."""
    task = said(folder)
    with pytest.raises(ValueError, match="nothing here computes") as error:
        bert_tf2.SentenceEncoder.from_preset(folder)
    assert len(str(error.value)) < 600 + len(str(folder))
    return task["refused"]


OLD = dict.fromkeys(
    ("pooling_mode_cls_token", "pooling_mode_max_tokens", "pooling_mode_mean_tokens"), False
)
POOLINGS = {
    "old": (OLD | {"pooling_mode_cls_token": True}, ["cls"]),
    "old, several": (OLD | dict.fromkeys(OLD, True), ["cls", "max", "mean"]),
    "old, none": (OLD, ["mean"]),
    "new": ({"pooling_mode": "lasttoken"}, ["lasttoken"]),
    "new, several": ({"pooling_mode": ["max", "cls"]}, ["max", "cls"]),
    "new counts more": (OLD | {"pooling_mode": "weightedmean"}, ["weightedmean"]),
}


@pytest.mark.parametrize("name", POOLINGS)
def test_spellings_of_a_pooling(folder, name):
    words, wanted = POOLINGS[name]
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(words))
    assert said(folder)["settings"]["pooling"] == wanted


SETTINGS = "config_sentence_transformers.json"
WORDS = {
    "prompts": (SETTINGS, {"prompts": {"a": "b ", "c": None}}, {"prompts": {"a": "b ", "c": ""}}),
    "a default that is not there": (
        SETTINGS,
        {"default_prompt_name": "document"},
        {"prompts": {"query": "tea: ", "document": ""}, "default_prompt_name": "document"},
    ),
    "similarity": (SETTINGS, {"similarity_fn_name": "dot"}, {"similarity_fn_name": "dot"}),
    "width": (SETTINGS, {"truncate_dim": 3}, {"truncate_dim": 3}),
    "include_prompt": (
        "1_Pooling/config.json",
        {"include_prompt": False},
        {"include_prompt": False},
    ),
}


@pytest.mark.parametrize("name", WORDS)
def test_words_that_are_followed(folder, name):
    file, words, wanted = WORDS[name]
    change(folder / file, **words)
    assert said(folder)["settings"].items() >= wanted.items()


def test_the_length_is_of_sentences_alone(folder):
    change(folder / "sentence_bert_config.json", max_seq_length=7)
    assert said(folder)["preprocessor"] == {"max_length": 7}
    assert bert_tf2.TextClassifier.from_preset(folder, labels=2).preprocessor.max_length == 20


UNFIT = {
    "similarity_fn_name": (SETTINGS, {"similarity_fn_name": "dot_score"}, "dot"),
    "default_prompt_name": (SETTINGS, {"default_prompt_name": "x"}, None),
    "max_length": ("sentence_bert_config.json", {"max_seq_length": 64}, 20),
}


@pytest.mark.parametrize("name", UNFIT)
def test_a_setting_that_does_not_fit_is_named_with_its_file(folder, name):
    """What is given goes before it."""
    file, words, instead = UNFIT[name]
    change(folder / file, **words)
    with pytest.raises(ValueError, match=f"{file} .*: mend that, or give `{name}` here"):
        bert_tf2.SentenceEncoder.from_preset(folder)
    bert_tf2.SentenceEncoder.from_preset(folder, **{name: instead})
    with pytest.raises(ValueError, match=f"`{name}`") as error:
        bert_tf2.SentenceEncoder.from_preset(folder, **{name: 99 if name == "max_length" else "y"})
    assert "mend that" not in str(error.value)


REFUSED = {
    "lower case": ("tokenizer_config.json", {"do_lower_case": False}, "`do_lower_case`"),
    "task": ("sentence_bert_config.json", {"transformer_task": "retrieval"}, "transformer_task"),
    "processing": (
        "sentence_bert_config.json",
        {"processing_kwargs": {"text": {"padding": "max_length"}}},
        "processing_kwargs",
    ),
    "states": (
        "sentence_bert_config.json",
        {"modality_config": {"text": {"method": "forward", "method_output_name": "pooler_output"}}},
        "modality_config",
    ),
    "pooling": ("1_Pooling/config.json", {"pooling_mode": "median"}, "lasttoken.*median"),
    "logits": ("sentence_bert_config.json", {"transformer_task": "fill-mask"}, "transformer_task"),
    "old pooling": ("1_Pooling/config.json", {"pooling_mode_median": True}, "pooling_mode_median"),
    "activation": (
        "2_Dense/config.json",
        {"activation_function": "my.Snake"},
        "activation_function.*Tanh.*my.Snake",
    ),
    "input": ("2_Dense/config.json", {"module_input_name": "token_embeddings"}, "module_input"),
    "a kind": (SETTINGS, {"model_type": "Router"}, "model_type.*Router"),
    "filled up": ("sentence_bert_config.json", {"query_length": 9}, "query_length"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_words_that_nothing_follows(folder, name):
    file, words, wanted = REFUSED[name]
    if name == "lower case":
        change(folder / "sentence_bert_config.json", do_lower_case=True)
    change(folder / file, **words)
    assert np.all([part in refused(folder) for part in wanted.split(".*")])
    bert_tf2.Encoder.from_preset(folder)


def test_what_nothing_follows_is_left_out_and_said(folder, tmp_path):
    change(folder / "1_Pooling" / "config.json", pooling_mode="median")
    report = bert_tf2.convert(folder, tmp_path / "b", to="huggingface")
    assert any("its task was left out. The folder's modules ask" in x for x in report.warnings)
    assert said(tmp_path / "b") is None


# Name -> the task, the file that is changed, how, and what is refused of it.
KINDS = {
    "another pooling": (
        "sparse",
        "1_SpladePooling",
        {"pooling_strategy": "mean"},
        "one of max, sum",
    ),
    "another activation": (
        "sparse",
        "1_SpladePooling",
        {"activation_function": "x"},
        "one of relu",
    ),
    "no logits": ("sparse", "", {"transformer_task": "feature-extraction"}, "fill-mask"),
    "one vector": ("late", "1_Dense", {"module_input_name": "sentence_embedding"}, "token_embed"),
    "unit length of none": ("late", "2_Normalize", {"module_input_name": None}, "token_embeddings"),
    "tokens": ("late", "3_MultiVectorMask", {"keep_only_token_ids": [3]}, "keep_only_token_ids"),
    "strategy": ("late", "", {"query_expansion": {"strategy": "x", "length": 9}}, "fixed or min"),
    "expansion": ("late", "", {"query_expansion": {"width": 9}}, "strategy, length, attend"),
}


@pytest.fixture(scope="module")
def other_kinds(tmp_path_factory):
    made = {"sparse": bert_tf2.SparseEncoder, "late": bert_tf2.MultiVectorEncoder}
    folder, more = tmp_path_factory.mktemp("kinds"), {"late": {"query_expansion": {"length": 9}}}
    for name, cls in made.items():
        oracle.tiny_task(cls, **more.get(name, {})).save_to_preset(folder / name, "huggingface")
    return folder


@pytest.mark.parametrize("name", KINDS)
def test_words_of_other_kinds_that_nothing_follows(other_kinds, tmp_path, name):
    kind, where, words, wanted = KINDS[name]
    folder = shutil.copytree(other_kinds / kind, tmp_path / "a")
    file = "config.json" if where else "sentence_bert_config.json"
    change(folder / where / file, **words)
    assert wanted in said(folder)["refused"]
    with pytest.raises(ValueError, match=r"open it as a (Sparse|MultiVector)Encoder"):
        bert_tf2.SentenceEncoder.from_preset(folder)


@pytest.mark.parametrize(
    ("kind", "module"),
    [("sparse", "1_SpladePooling"), ("late", "1_Dense"), ("late", "3_MultiVectorMask")],
)
def test_modules_of_other_kinds_that_say_nothing(other_kinds, tmp_path, kind, module):
    folder = shutil.copytree(other_kinds / kind, tmp_path / "a")
    (folder / module / "config.json").unlink()
    with pytest.raises(weights.CheckpointError, match=f"{module}/config.json must say how"):
        weights.open_checkpoint(folder)


WITHOUT = {
    "its pooling": ("sparse", [0], "Transformer and SpladePooling"),
    "a mask": ("late", [0, 1, 2], "a MultiVectorMask, for query_expansion"),
    "one mask": ("late", [0, 3, 3], "at most one MultiVectorMask"),
}


@pytest.mark.parametrize("name", WITHOUT)
def test_modules_of_other_kinds(other_kinds, tmp_path, name):
    kind, places, wanted = WITHOUT[name]
    folder = shutil.copytree(other_kinds / kind, tmp_path / "a")
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps([modules[i] for i in places]))
    assert wanted in said(folder)["refused"]


def test_words_of_stanfords_folders(other_kinds, tmp_path):
    """Markers are found in text; the projection must be in the encoder's file."""
    folder = shutil.copytree(other_kinds / "late", tmp_path / "a")
    (folder / "modules.json").unlink()
    change(folder / "config.json", architectures=["HF_ColBERT"])
    change(folder / "artifact.metadata", query_maxlen=9, doc_maxlen=18)
    with pytest.raises(weights.CheckpointError, match=r"must hold linear\.weight"):
        weights.open_checkpoint(folder)
    arrays = safetensors.numpy.load_file(folder / "model.safetensors")
    arrays["linear.weight"] = np.ones((5, 24), "float32")
    safetensors.numpy.save_file(arrays, folder / "model.safetensors")
    task = bert_tf2.MultiVectorEncoder.from_preset(folder)
    assert task.prompts == {"query": "[unused0] ", "document": "[unused1] "}
    assert task.query_expansion["length"] == 9
    assert [len(x) for x in task.encode_query(["tea"])] == [9]
    ids = task.preprocessor.tokenizer(["[unused0] tea"])[0]
    assert task.preprocessor.tokenizer.id_to_token(int(ids[0])) == "[unused0]"
    bert_tf2.convert(folder, tmp_path / "ours", to="bert_tf2")
    bert_tf2.convert(tmp_path / "ours", tmp_path / "theirs", to="huggingface")
    same = said(tmp_path / "theirs")["settings"]
    assert same.items() >= said(folder)["settings"].items()
    found = task.encode_document(["tea."])[0]
    np.testing.assert_allclose(np.abs(found), 5**-0.5, atol=1e-6)  # of ones all are alike
    change(folder / "artifact.metadata", query_maxlen="x")
    with pytest.raises(weights.CheckpointError, match="query_maxlen must be an integer"):
        weights.open_checkpoint(folder)


MODULE = {
    "unknown": "sentence_transformers.models.CNN",
    "someone else's": "custom_st.Transformer",
}


@pytest.mark.parametrize("name", MODULE)
def test_a_module_of_another_kind_is_named(folder, name):
    modules = json.loads((folder / "modules.json").read_text())
    modules[2]["type"] = MODULE[name]
    (folder / "modules.json").write_text(json.dumps(modules))
    assert MODULE[name] in refused(folder)


DAMAGED = {
    "no list": ("modules.json", "{", "modules.json is not a JSON file"),
    "a path outside": (
        "modules.json",
        '[{"path": "../b", "type": "sentence_transformers.models.Transformer"}]',
        "must be a folder below",
    ),
    "no width": ("2_Dense/config.json", '{"in_features": 24}', "lacks out_features"),
    "another width": (
        "2_Dense/config.json",
        '{"in_features": 24, "out_features": 9}',
        "as the config beside it says",
    ),
    "no weights": ("2_Dense/model.safetensors", None, "must hold one of model.safetensors"),
    "no pooling": ("1_Pooling/config.json", None, "1_Pooling/config.json must say how"),
    "an empty pooling": ("1_Pooling/config.json", "{}", "must say `pooling_mode`"),
    "a pooling of nothing": ("1_Pooling/config.json", "", "is not a JSON file"),
    "a list": ("1_Pooling/config.json", "[]", "must hold a JSON object"),
    "no dense": ("2_Dense/config.json", None, "2_Dense/config.json must say how"),
    "no norm": ("3_LayerNorm/config.json", None, "3_LayerNorm/config.json must say how"),
    "an empty norm": ("3_LayerNorm/config.json", "{}", "lacks dimension"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_damaged_is_named(folder, name):
    file, text, words = DAMAGED[name]
    (folder / file).unlink()
    if text is not None:
        (folder / file).write_text(text)
    with pytest.raises(weights.CheckpointError, match=words):
        weights.open_checkpoint(folder)


WIDTHS = {
    "a pooling twice": ({}, ["cls", "cls"], r"linear.weight in .*must be \(48, 5\).*\(24, 5\)"),
    "another width": ({"in_features": 9}, "mean", r"linear.weight in .*2_Dense"),
}


@pytest.mark.parametrize("name", WIDTHS)
def test_modules_that_do_not_follow_each_other(folder, name):
    """Never random numbers in their place, unless who opens it names other modules."""
    words, pooling, wanted = WIDTHS[name]
    change(folder / "1_Pooling" / "config.json", pooling_mode=pooling)
    change(folder / "2_Dense" / "config.json", **words)
    file = folder / "2_Dense" / "model.safetensors"
    arrays = safetensors.numpy.load_file(file)
    width = words.get("in_features", 24)
    arrays["linear.weight"] = np.ascontiguousarray(arrays["linear.weight"][:, :width])
    safetensors.numpy.save_file(arrays, file)
    with pytest.raises(weights.CheckpointError, match=wanted):
        bert_tf2.SentenceEncoder.from_preset(folder)
    bert_tf2.SentenceEncoder.from_preset(folder, pooling="mean", modules=["normalize"])


def test_an_encoder_in_a_folder_of_its_own(folder, written):
    """As until 2021: `0_Transformer`."""
    inner = folder / "0_Transformer"
    inner.mkdir()
    for file in folder.glob("*"):
        if file.is_file() and file.name not in ("modules.json", SETTINGS):
            file.rename(inner / file.name)
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (folder / "modules.json").write_text(json.dumps(modules))
    got, want = weights.open_checkpoint(folder), weights.open_checkpoint(written)
    assert (got.task, got.config) == (want.task, want.config)
    assert got.tokenizer.read("vocab.txt") == want.tokenizer.read("vocab.txt")


def test_modules_go_along_when_converted(folder, tmp_path):
    """Into ours and back, with all that the pooling and its followers are."""
    bert_tf2.convert(folder, tmp_path / "ours", to="bert_tf2")
    bert_tf2.convert(tmp_path / "ours", tmp_path / "theirs", to="huggingface")
    want, got = (
        weights.contents_of(weights.open_checkpoint(f)) for f in (folder, tmp_path / "theirs")
    )
    assert got[0].task["settings"] == want[0].task["settings"]
    assert {n for n in want[0].arrays if n.startswith("vector/")} == {
        *("vector/dense_0/kernel", "vector/dense_0/bias", "vector/norm_1/gamma"),
        "vector/norm_1/beta",
    }
    for name, array in want[0].arrays.items():
        np.testing.assert_array_equal(got[0].arrays[name], array, err_msg=name)
    report = bert_tf2.convert(folder, tmp_path / "google", to="google")
    assert any("how vectors of texts are made" in warning for warning in report.warnings)
    assert "vector/dense_0/kernel" in dict(report.skipped)


def test_a_pickle_stays_closed_without_torch(folder):
    (folder / "2_Dense" / "model.safetensors").rename(folder / "2_Dense" / "pytorch_model.bin")
    bert_tf2.Encoder.from_preset(folder)
    with pytest.raises((weights.CheckpointError, ImportError), match="torch"):
        bert_tf2.SentenceEncoder.from_preset(folder)


def test_the_names_of_a_format_and_the_units_agree():
    assert sum(name.startswith("vector/") for name in units.UNITS) == 3 * units.MODULES


def test_what_the_registry_knows_goes_along(tmp_path):
    """A folder of a published name that lost its modules: converted, it makes the same vectors."""
    folder = tmp_path / "all-MiniLM-L6-v2"
    oracle.tiny_task(bert_tf2.NextSentenceClassifier).save_to_preset(tmp_path / "whole")
    bert_tf2.convert(tmp_path / "whole", folder, to="google")
    want = bert_tf2.SentenceEncoder.from_preset(folder).encode(["tea", "stone and rain"])
    assert np.linalg.norm(want, axis=1) == pytest.approx(1)  # as the registry has it
    report = bert_tf2.convert(folder, tmp_path / "hf", to="huggingface")
    assert report.warnings == []
    found = bert_tf2.SentenceEncoder.from_preset(tmp_path / "hf")
    assert (*found.pooling, *(x["kind"] for x in found.modules)) == ("mean", "normalize")
    np.testing.assert_allclose(found.encode(["tea", "stone and rain"]), want, atol=1e-6)
    report = bert_tf2.convert(folder, tmp_path / "tfhub", to="keras_hub")
    assert any("how vectors of texts are made" in said for said in report.warnings)
