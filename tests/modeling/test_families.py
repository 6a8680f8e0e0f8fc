"""Every family against the NumPy oracle: layers, masks, layouts, gradients, heads and files."""

import functools

import keras
import numpy as np
import oracle
import pytest

from bert_tf2 import Encoder, Preprocessor, TextClassifier, WordPieceTokenizer, weights
from bert_tf2.config import EncoderConfig
from bert_tf2.modeling.encoder import input_tensors
from bert_tf2.weights import names, parse_config, write_config
from bert_tf2.weights.filling import load_variables

FAMILIES = {name: config for name, config in oracle.TINIES.items() if name != "bert"}


@pytest.fixture(scope="module", params=FAMILIES)
def model(request):
    return oracle.make_encoder(FAMILIES[request.param])


@pytest.mark.parametrize("make_inputs", [oracle.random_inputs, oracle.odd_masks])
def test_both_layouts_and_the_first_token_equal_the_oracle(model, make_inputs):
    encoder, arrays = model
    inputs = make_inputs(encoder.config)
    want = oracle.forward(encoder.config, arrays, inputs)
    outputs, symbolic = encoder(inputs), input_tensors()
    assert ("pooled_output" in outputs) == encoder.config.pooler
    for got, layer in zip(outputs["layer_outputs"], want["layer_outputs"], strict=True):
        oracle.assert_close(got, layer, inputs)
    for got, scores in zip(encoder.attention_scores(inputs), want["attention_scores"], strict=True):
        oracle.assert_close(got, scores, inputs)

    dropped = {
        "all": encoder.encode(symbolic, drop_padding=True),
        "first": encoder.encode(symbolic, drop_padding=True, first_only=True),
    }
    dropped = keras.Model(symbolic, dropped)(inputs)
    mask = inputs["padding_mask"]
    kept = np.where(mask[:, :1] == 0, 1, mask)[..., None]  # rows that start masked are kept whole
    for got, layer in zip(dropped["all"]["layer_outputs"], want["layer_outputs"], strict=True):
        oracle.assert_close(got, layer * kept, inputs)
    oracle.assert_close(dropped["first"]["first_output"], want["first_output"], inputs)
    for found in (outputs, dropped["all"], dropped["first"]):
        if encoder.config.pooler:
            oracle.assert_close(found["pooled_output"], want["pooled_output"], inputs)


def test_gradients_do_not_depend_on_the_layout(model):
    encoder, _ = model
    inputs = oracle.random_inputs(encoder.config)
    want = oracle.gradients(encoder, inputs)
    for name, got in oracle.gradients(encoder, inputs, drop_padding=True, first_only=True).items():
        atol = 2e-5 * max(1.0, np.abs(want[name]).max())
        np.testing.assert_allclose(got, want[name], atol=atol, err_msg=name)


def test_shared_weights_add_up_their_gradients():
    encoder, arrays = oracle.make_encoder(oracle.TINIES["albert, inner groups"])
    inputs = oracle.random_inputs(encoder.config, batch=3, length=6)
    found = oracle.gradients(encoder, inputs, drop_padding=True)

    def loss(name, array):
        outputs = oracle.forward(encoder.config, arrays | {name: array}, inputs)
        return np.sum((outputs["pooled_output"] - 0.3) ** 2)

    generator = np.random.default_rng(1)
    for name in ("group_0_inner_1/ffn/output/kernel", "embeddings/projection/kernel"):
        step = generator.standard_normal(arrays[name].shape)
        step *= 1e-5 / np.linalg.norm(step)
        numeric = loss(name, arrays[name] + step) - loss(name, arrays[name] - step)
        assert 2 * np.sum(found[name] * step) == pytest.approx(numeric, abs=1e-9, rel=1e-3)


def test_variables_are_those_of_the_table(model):
    encoder, _ = model
    shapes = {name: tuple(v.shape) for name, v in encoder.named_variables().items()}
    assert shapes == weights.expected_shapes(encoder.config)


def test_keras_file_round_trip_is_bitwise(model, tmp_path):
    encoder, _ = model
    encoder.save(tmp_path / "encoder.keras")
    again = keras.saving.load_model(tmp_path / "encoder.keras")
    assert again.config == encoder.config
    inputs = oracle.random_inputs(encoder.config)
    np.testing.assert_array_equal(
        again(inputs)["sequence_output"], encoder(inputs)["sequence_output"]
    )


def test_the_config_comes_back_from_every_dialect(model):
    config = model[0].config
    assert EncoderConfig(**config.to_dict()) == config
    formats = [format for family, format in names.NAMES if family == config.family]
    written = {
        "google": functools.partial(write_config, config, "google"),
        "huggingface": functools.partial(write_config, config, "huggingface"),
        "keras_hub": functools.partial(write_config, config, "keras_hub"),
    }
    for format in written.keys() & formats:
        assert parse_config(written[format]()) == config, format
    if "google" not in formats:
        with pytest.raises(ValueError, match=f"no {config.family} in the google dialect"):
            write_config(config, "google")


@pytest.mark.parametrize(
    "name", ["albert", "distilbert", "electra", "roberta", "mpnet", "bert without pooler"]
)
def test_classifier_equals_the_oracle(name, tmp_path):
    classifier = oracle.tiny_classifier(config=FAMILIES[name])
    inputs = oracle.random_inputs(classifier.encoder.config)
    arrays = {name: v.numpy() for name, v in classifier.named_variables().items()}
    heads = ("pre_classifier", "classifier")
    shapes = weights.expected_shapes(classifier.encoder.config, heads, 3)
    assert {name: array.shape for name, array in arrays.items()} == shapes
    want = oracle.classifier_logits(classifier.encoder.config, arrays, inputs)
    np.testing.assert_allclose(classifier(inputs), want, atol=oracle.TOLERANCE)

    classifier.save(tmp_path / "classifier.keras")
    again = keras.saving.load_model(tmp_path / "classifier.keras")
    np.testing.assert_array_equal(again(inputs), classifier(inputs))


@pytest.mark.parametrize("name", ["roberta", "electra", "albert", "distilbert_sinusoidal", "mpnet"])
def test_classifiers_equal_those_of_transformers(reference, tmp_path, name):
    """By reference/transformers/record_transformers.py: every layer, and the logits."""
    folder = reference / "transformers" / name
    golden, checkpoint = np.load(folder / "golden.npz"), weights.open_checkpoint(folder)
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n")
    preprocessor = Preprocessor(WordPieceTokenizer(tmp_path / "vocab.txt"), 12)
    classifier = TextClassifier(Encoder(checkpoint.config), preprocessor, labels=3)
    report = load_variables(checkpoint, classifier.named_variables())
    assert (report.missing, report.skipped, report.warnings) == ([], [], [])

    inputs = {name: golden[name] for name in ("input_ids", "attention_mask")}
    layers = classifier.encoder(inputs)["layer_outputs"]
    assert f"hidden_state_{len(layers) + 1}" not in golden
    for i, got in enumerate(layers, start=1):
        np.testing.assert_allclose(got, golden[f"hidden_state_{i}"], atol=oracle.TOLERANCE)
    np.testing.assert_allclose(classifier(inputs), golden["logits"], atol=oracle.TOLERANCE)


def test_fixed_positions_are_those_of_transformers(reference):
    """A fresh encoder has them too, and training leaves them alone."""
    checkpoint = weights.open_checkpoint(reference / "transformers" / "distilbert_sinusoidal")
    table = Encoder(checkpoint.config).named_variables()["embeddings/position"]
    (want,) = checkpoint.read(["distilbert.embeddings.position_embeddings.weight"]).values()
    np.testing.assert_allclose(table, want, atol=1e-7)
    assert not table.trainable


def test_segment_ids_do_not_matter_where_there_is_one_segment():
    encoder, _ = oracle.make_encoder(oracle.TINIES["roberta"])
    inputs = oracle.random_inputs(encoder.config)
    got = encoder(inputs)["sequence_output"]
    del inputs["segment_ids"]
    np.testing.assert_array_equal(got, encoder(inputs)["sequence_output"])


def test_a_sequence_longer_than_robertas_positions_is_refused():
    encoder, _ = oracle.make_encoder(oracle.TINIES["roberta"])
    encoder({"token_ids": np.full((1, 18), 5, "int32")})
    with pytest.raises(ValueError, match=r"at most 18 tokens. Received: 19"):
        encoder({"token_ids": np.full((1, 19), 5, "int32")})
