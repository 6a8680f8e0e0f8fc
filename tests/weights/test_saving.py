"""What is saved in each format comes back, as a model too; and nothing half written is left."""

import dataclasses
import json

import hypothesis.strategies as st
import numpy as np
import oracle
import pytest
import tiny_masked_lm
from hypothesis import HealthCheck, given, settings

import bert_tf2
from bert_tf2 import Encoder, MaskedLM, TextClassifier, weights
from bert_tf2.weights import names
from bert_tf2.weights.saving import WRITERS

LABELS = ["tea", "stone", "rain"]


def bitwise(a, b):
    assert set(a) == set(b)
    for name in a:
        assert np.asarray(a[name]).tobytes() == np.asarray(b[name]).tobytes(), name


def arrays_of(model):
    return {name: variable.numpy() for name, variable in model.named_variables().items()}


@pytest.fixture(scope="module")
def classifier():
    base = tiny_masked_lm.make()
    return TextClassifier(base.encoder, base.preprocessor, LABELS, pooling="mean")


# --- Our presets. ---------------------------------------------------------------------------------


def test_a_task_comes_back_with_its_settings(classifier, tmp_path):
    folder = classifier.save_to_preset(tmp_path / "preset")
    again = TextClassifier.from_preset(folder)
    assert (again.labels, again.pooling) == (LABELS, "mean")
    assert again.preprocessor.get_config() == classifier.preprocessor.get_config()
    bitwise(arrays_of(again), arrays_of(classifier))
    texts = tiny_masked_lm.TEXTS[:3]
    np.testing.assert_array_equal(again.predict(texts), classifier.predict(texts))


def test_what_is_asked_for_comes_before_what_is_saved(classifier, tmp_path):
    folder = classifier.save_to_preset(tmp_path / "preset")
    other = TextClassifier.from_preset(folder, ["a", "b"], pooling="first", max_length=7)
    assert (other.labels, other.pooling, other.preprocessor.max_length) == (["a", "b"], "first", 7)
    assert set(other.load_report.missing) == {"classifier/kernel", "classifier/bias"}


def test_another_task_takes_the_encoder(classifier, tmp_path):
    folder = classifier.save_to_preset(tmp_path / "preset")
    task = MaskedLM.from_preset(folder)
    assert "classifier not used by this model" in str(task.load_report)
    bitwise(arrays_of(task.encoder), arrays_of(classifier.encoder))
    bitwise(arrays_of(Encoder.from_preset(folder)), arrays_of(classifier.encoder))


def test_a_masked_lm_comes_back(tmp_path):
    task = tiny_masked_lm.make(second_task="nsp", whole_words=True, rate=0.2)
    again = MaskedLM.from_preset(task.save_to_preset(tmp_path / "preset"))
    assert (again.second_task, again.whole_words, again.rate) == ("nsp", True, 0.2)
    bitwise(arrays_of(again), arrays_of(task))


def test_without_class_names_they_must_be_given(tmp_path):
    base = tiny_masked_lm.make()
    folder = base.save_to_preset(tmp_path / "preset")
    with pytest.raises(
        ValueError, match=r"`labels` must be .* a checkpoint that names its classes"
    ):
        TextClassifier.from_preset(folder)


@pytest.mark.parametrize("name", oracle.TINIES)
def test_every_encoder_has_a_preset(tmp_path, name):
    encoder = Encoder(oracle.TINIES[name])
    again = Encoder.from_preset(encoder.save_to_preset(tmp_path / "preset"))
    assert again.config == encoder.config
    bitwise(arrays_of(again), arrays_of(encoder))


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"encoder": {"family": "bert"}}', "\xff"])
def test_damaged_settings(classifier, tmp_path, content):
    folder = classifier.save_to_preset(tmp_path / "preset")
    (folder / "bert_tf2.json").write_text(content, encoding="latin-1")
    with pytest.raises(weights.CheckpointError, match=r"bert_tf2\.json"):
        Encoder.from_preset(folder)


OF_ANOTHER_KIND = [
    *({"task": task} for task in (5, [], {"settings": 5}, {"class": 3}, {"tokenizer": "x"})),
    *({"labels": labels} for labels in (5, "abc", ["a", 5])),
    *({"problem_type": kind} for kind in ("ranking", ["regression"], {})),
    *({"encoder": encoder} for encoder in (5, [], {"family": ["bert"]}, {"x" * 900: 1})),
    {"encoder": dict(oracle.TINY.to_dict(), hidden_size="24")},
    {"encoder": dict(oracle.TINY.to_dict(), layer_norm_eps=float("nan"))},
    {"encoder": dict(oracle.TINY.to_dict(), family=["bert"])},
    {"tokenizer": []},
    {"lowercase": "false"},
]


@pytest.mark.parametrize("change", OF_ANOTHER_KIND, ids=lambda change: str(change)[:40])
def test_settings_of_another_kind(classifier, tmp_path, change):
    folder = classifier.save_to_preset(tmp_path / "preset")
    file = folder / "bert_tf2.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(weights.CheckpointError, match=r"bert_tf2\.json") as caught:
        Encoder.from_preset(folder)
    assert len(str(caught.value)) < 600


# --- Every format. --------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["bert_tf2", "huggingface"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_the_size(classifier, tmp_path, format, dtype):
    folder = classifier.save_to_preset(tmp_path / "half", format, dtype)
    rounded = {n: a.astype(dtype).astype("float32") for n, a in arrays_of(classifier).items()}
    again = TextClassifier.from_preset(folder, pooling="mean")
    assert again.labels == LABELS
    bitwise(arrays_of(again), rounded)
    whole = classifier.save_to_preset(tmp_path / "whole", format)
    size, twice = ((f / "model.safetensors").stat().st_size for f in (folder, whole))
    assert size < 0.6 * twice


def test_what_cannot_be_asked_for(classifier, tmp_path):
    with pytest.raises(ValueError, match=r"`format` must be one of .*'onnx'"):
        classifier.save_to_preset(tmp_path / "a", "onnx")
    with pytest.raises(
        ValueError, match=r"`dtype` must be float32, or for .* 'float16' for google"
    ):
        classifier.save_to_preset(tmp_path / "a", "google", "float16")
    with pytest.raises(ValueError, match="Received: 'int8'"):
        classifier.save_to_preset(tmp_path / "a", "huggingface", "int8")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"layer_norm_eps": 1e-5, "family": "distilbert"}, "layer_norm_eps"),
        ({"sinusoidal_positions": True}, "sinusoidal_positions"),
    ],
)
def test_transformers_is_not_given_what_it_would_compute_otherwise(tmp_path, change, words):
    family = change.pop("family", "bert")
    config = bert_tf2.EncoderConfig(**oracle.TINIES[family].to_dict() | change)
    contents = weights.Contents(config, oracle.random_weights(weights.expected_shapes(config)))
    with pytest.raises(
        ValueError, match=f"(has no setting|has no word) for .*{words}|{words}.*has no word"
    ):
        weights.save(tmp_path / "a", contents, "huggingface")
    assert not any(tmp_path.iterdir())
    assert weights.open_checkpoint(weights.save(tmp_path / "b", contents, "bert_tf2"))


@pytest.mark.parametrize(
    ("family", "change", "refused"),  # what other code would find masked words with
    [
        ("roberta", {"hidden_act": "relu"}, ("huggingface", "keras_hub")),
        ("roberta", {"mlm_act": "relu"}, ("huggingface", "keras_hub")),
        ("electra_generator", {"hidden_act": "gelu_tanh"}, ("huggingface",)),
        ("electra_generator", {"hidden_act": "relu", "mlm_act": "gelu_erf"}, ("google",)),
        ("bert", {"mlm_act": "relu"}, ("google", "huggingface")),
        ("roberta", {"hidden_act": "relu", "mlm_act": "gelu_erf"}, ("keras_hub",)),
    ],
)
def test_no_format_is_given_a_masked_word_head_that_it_computes_otherwise(
    tmp_path, family, change, refused
):
    config = bert_tf2.EncoderConfig(**oracle.TINIES[family].to_dict() | change)
    arrays = oracle.random_weights(weights.expected_shapes(config, ("mlm",)))
    contents = weights.Contents(config, arrays)
    formats = {format for kind, format in names.NAMES if kind == family} & set(WRITERS)
    for format in formats - {"keras_hub"} | set(refused):
        if format in refused:
            with pytest.raises(ValueError, match="would compute something else"):
                weights.save(tmp_path / format, contents, format)
        else:
            weights.save(tmp_path / format, contents, format)
            assert weights.open_checkpoint(tmp_path / format).config == config


def places():
    """(config, formats that it can be written in) of random small models of every family."""

    def sized(name, layers, heads, vocabulary, seed):
        groups = oracle.TINIES[name].num_hidden_groups or 1
        values = {
            "num_hidden_layers": max(layers, groups),
            "num_attention_heads": heads,
            "hidden_size": 4 * heads,
            "vocab_size": vocabulary,
        }
        config = oracle.TINIES[name].to_dict() | values
        return bert_tf2.EncoderConfig(**config), seed

    return st.builds(
        sized,
        st.sampled_from(sorted(oracle.TINIES)),  # XLM-R has RoBERTa's tables
        st.integers(1, 4),
        st.sampled_from([1, 2, 3, 5]),
        st.integers(5, 40),
        st.integers(0, 9),
    )


@given(place=places())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_model_through_every_format_and_back(tmp_path_factory, place):
    """Ours -> each format -> ours: bit for bit, with all heads that the format has."""
    config, seed = place
    for format in WRITERS:
        if (config.family, format) not in names.NAMES:
            continue
        table = names.variables(config, format)
        shapes = {n: tuple(3 if x is None else x for x in row.shape) for n, row in table.items()}
        arrays = oracle.random_weights(shapes, seed)
        folder = tmp_path_factory.mktemp("formats")
        try:
            weights.save(folder / format, weights.Contents(config, arrays), format)
        except ValueError as error:
            assert "would" in str(error)  # compute something else: it says what and where to go
            continue
        bert_tf2.convert(folder / format, folder / "back", to="bert_tf2")
        checkpoint = weights.open_checkpoint(folder / "back")
        got = checkpoint.read(checkpoint.variables)
        assert set(got) >= set(arrays)  # Hugging Face's ALBERT brings a projection
        bitwise({name: got[name] for name in arrays}, arrays)


# --- Conversion. ----------------------------------------------------------------------------------


def test_convert_says_what_it_left_out(tmp_path, reference):
    source = reference / "transformers" / "albert"
    report = bert_tf2.convert(source, tmp_path / "out", to="bert_tf2")
    assert report.loaded and not report.unused
    a, b = Encoder.from_preset(source), Encoder.from_preset(tmp_path / "out")
    bitwise(arrays_of(a), arrays_of(b))
    with pytest.raises(FileExistsError, match="is not empty"):
        bert_tf2.convert(source, tmp_path / "out", to="bert_tf2")


def test_classes_without_names_are_counted_and_lost_names_are_said(classifier, tmp_path):
    google = classifier.save_to_preset(tmp_path / "google", "google")
    bert_tf2.convert(google, tmp_path / "numbered", to="huggingface")
    again = TextClassifier.from_preset(tmp_path / "numbered", pooling="mean")
    assert again.labels == ["LABEL_0", "LABEL_1", "LABEL_2"]
    ours = classifier.save_to_preset(tmp_path / "ours")
    report = bert_tf2.convert(ours, tmp_path / "lost", to="google")
    names, pooling = report.warnings
    assert names == "google has no place for class names: tea, stone, rain"
    assert pooling.startswith("google has no word for the head's pooling='mean'")


def test_case_is_written_as_the_vocabulary_shows_it(tmp_path):
    config = oracle.TINY
    arrays = oracle.random_weights(weights.expected_shapes(config))
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "tea"]
    for lines, lowercase in ((words, True), ([*words, "Tea"], False)):
        contents = weights.Contents(config, arrays, weights.of_vocabulary(lines))
        folder = weights.save(tmp_path / str(lowercase), contents, "huggingface")
        said = json.loads((folder / "tokenizer_config.json").read_text())
        assert said["do_lower_case"] is lowercase


@pytest.mark.parametrize("format", ["huggingface", "google"])
def test_a_row_may_name_a_slice_of_a_fused_product(tmp_path, monkeypatch, format):
    naming = names.NAMES["bert", format]
    fused = "bert.layer.{0}.Wqkv" if format == "huggingface" else "bert/layer_{0}/qkv"
    order = ("key", "query", "value")
    rows = {f"{{block}}/attention/{part}": f"{fused}[{i}/3]" for i, part in enumerate(order)}
    rows = naming._replace(names=naming.names | rows)
    monkeypatch.setitem(names.NAMES, ("bert", format), rows)
    arrays = oracle.random_weights(weights.expected_shapes(oracle.TINY, ("mlm",)))
    folder = weights.save(tmp_path / "a", weights.Contents(oracle.TINY, arrays), format)
    opened = weights.open_checkpoint(folder)
    got, report = weights.contents_of(opened)
    bitwise(got.arrays, arrays)
    assert not report.unused
    kernel = names.variables(oracle.TINY, format)["layer_0/attention/query/kernel"]
    stored = opened.read([kernel.theirs])[kernel.theirs]
    query = stored[24:48].T if format == "huggingface" else stored[:, 24:48]
    np.testing.assert_array_equal(query, arrays["layer_0/attention/query/kernel"])
    assert "key/kernel, layer_0/attention/" in weights.summary(opened)
    other = dataclasses.replace(opened, config=dataclasses.replace(oracle.TINY, hidden_size=27))
    with pytest.raises(weights.CheckpointError, match=r"layer_\{0\.\.1\}/attention/query/ker"):
        weights.load(other, weights.expected_shapes(other.config))


def test_a_head_whose_name_another_array_has_is_refused(tmp_path):
    config = bert_tf2.EncoderConfig(**oracle.TINY.to_dict() | {"classifier_act": "tanh"})
    shapes = weights.expected_shapes(config, ("pre_classifier", "classifier"), 2)
    contents = weights.Contents(config, oracle.random_weights(shapes))
    with pytest.raises(ValueError, match=r"Without a place: \['pre_classifier/kernel'"):
        weights.save(tmp_path / "a", contents, "google")


def test_an_infinite_weight_is_reported(tmp_path):
    config = oracle.TINY
    arrays = oracle.random_weights(weights.expected_shapes(config))
    arrays["layer_0/ffn/output/kernel"][1, 2] = np.inf
    arrays["pooler/bias"][0] = np.nan
    folder = weights.save(tmp_path / "a", weights.Contents(config, arrays), "huggingface")
    report = Encoder.from_preset(folder).load_report
    assert set(report.nonfinite) == {"layer_0/ffn/output/kernel", "pooler/bias"}


def test_a_weight_too_large_for_float16_is_refused(tmp_path):
    config = oracle.TINY
    arrays = oracle.random_weights(weights.expected_shapes(config))
    arrays["pooler/bias"][0] = 1e6
    contents = weights.Contents(config, arrays)
    with pytest.raises(ValueError, match=r"pooler/bias .* float16 .* bfloat16"):
        weights.save(tmp_path / "a", contents, "huggingface", "float16")
    weights.save(tmp_path / "b", contents, "huggingface", "bfloat16")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
