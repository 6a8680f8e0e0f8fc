"""The pretraining head, with a second task beside it, against NumPy and the originals."""

import json

import googles
import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf
from closeness import BACKWARD, CANCELLED, FORWARD

from bert_tf2 import Encoder, weights
from bert_tf2.modeling.encoder import input_tensors
from bert_tf2.modeling.heads import MASKED_WORDS_VARIABLES, POOLINGS, MaskedWords
from bert_tf2.modeling.layers import published_initializer
from bert_tf2.weights.filling import load_variables

POSITIONS = np.array([[1, 3, 7], [0, 2, 0], [5, 0, 0], [0, 0, 0], [4, 6, 7]], "int32")
TOLERANCE = FORWARD  # the references' own float32 noise is up to 3e-6


def pretraining_model(encoder, second=None):
    """-> a model of both heads' outputs, and its variables by name."""
    inputs = input_tensors()
    outputs = encoder.encode(inputs)
    inputs["masked_positions"] = keras.Input((None,), dtype="int32", name="masked_positions")
    initializer = published_initializer(encoder.config)
    embeddings = encoder.parts["embeddings"]
    head = MaskedWords(embeddings, encoder.config, initializer, name="mlm", dtype=encoder.policy)
    found = {"mlm": head(outputs["sequence_output"], inputs["masked_positions"])}
    layers = [head]
    if second:
        layers.append(
            keras.layers.Dense(2, kernel_initializer=initializer, name=second, dtype="float32")
        )
        found[second] = layers[1](outputs["pooled_output"])
    named = {v.path: v for layer in layers for v in layer.variables}
    return keras.Model(inputs, found), encoder.named_variables() | named


def fill(variables, seed=1):
    arrays = oracle.random_weights({name: v.shape for name, v in variables.items()}, seed)
    for name, variable in variables.items():
        variable.assign(arrays[name])
    return {name: array.astype("float64") for name, array in arrays.items()}


def masked_words_oracle(config, w, states, positions):
    """Logits (B, P, V), one vector at a time."""
    rows = []
    for row, places in zip(states, positions, strict=True):
        for place in places:
            x = row[place] @ w["mlm/transform/kernel"] + w["mlm/transform/bias"]
            x = oracle.ACTIVATIONS[config.hidden_act](x)
            x = (x - x.mean()) / np.sqrt(x.var() + config.layer_norm_eps)
            x = x * w["mlm/norm/gamma"] + w["mlm/norm/beta"]
            rows.append(w["embeddings/token"] @ x + w["mlm/bias"])
    return np.reshape(rows, (*positions.shape, -1))


@pytest.mark.parametrize("family", oracle.TINIES)
def test_both_heads_equal_the_oracle(family):
    config = oracle.TINIES[family]
    second = "nsp" if config.pooler else None
    model, variables = pretraining_model(Encoder(config), second)
    arrays, inputs = fill(variables), oracle.random_inputs(config)
    got = model(inputs | {"masked_positions": POSITIONS})
    states = oracle.forward(config, arrays, inputs)
    want = masked_words_oracle(config, arrays, states["layer_outputs"][-1], POSITIONS)
    np.testing.assert_allclose(got["mlm"], want, atol=2 * BACKWARD)  # logits of up to 20
    assert set(got) == ({"mlm", second} if second else {"mlm"})
    if second:
        want = states["pooled_output"] @ arrays["nsp/kernel"] + arrays["nsp/bias"]
        np.testing.assert_allclose(got["nsp"], want, atol=TOLERANCE)


@pytest.mark.parametrize("family", ["bert", "albert", "electra_generator"])
def test_variables_are_called_what_the_tables_call_them(family):
    config = oracle.TINIES[family]
    second = {"bert": "nsp", "albert": "sop"}.get(family)
    _, variables = pretraining_model(Encoder(config), second)
    heads = ("mlm", second) if second else ("mlm",)
    expected = weights.expected_shapes(config, heads)
    assert {name: tuple(v.shape) for name, v in variables.items()} == expected
    assert set(MASKED_WORDS_VARIABLES) <= set(variables)


def test_the_token_table_is_the_encoders_own_and_trained_from_both_ends():
    """Its gradient is the sum of what two tables of the same numbers would get."""
    encoder, _ = oracle.make_encoder()
    model, variables = pretraining_model(encoder)
    table = variables["embeddings/token"]
    head = model.get_layer("mlm")
    assert table is head.token_table()
    assert all(v is not table for v in head.variables)  # counted and saved once
    assert sum(v is table for v in model.variables) == 1
    inputs = {name: tf.constant(x) for name, x in oracle.random_inputs(encoder.config).items()}
    inputs["masked_positions"] = tf.constant(POSITIONS)

    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(inputs)["mlm"] ** 2)
    got = tf.convert_to_tensor(tape.gradient(loss, table.value))

    other = keras.Variable(table.numpy())
    head.token_table = lambda: other
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(inputs)["mlm"] ** 2)
    parts = [tf.convert_to_tensor(g) for g in tape.gradient(loss, [table.value, other.value])]
    assert all(np.abs(part).max() > 0 for part in parts)
    np.testing.assert_allclose(got, parts[0] + parts[1], rtol=CANCELLED, atol=1e-3)


@pytest.mark.parametrize("policy, tolerance", [("mixed_bfloat16", 0.3), ("bfloat16", 0.6)])
def test_logits_are_float32_in_every_policy(policy, tolerance):
    model, variables = pretraining_model(Encoder(oracle.TINY), "nsp")
    small = {name: 0.3 * array for name, array in fill(variables).items()}
    inputs = oracle.random_inputs(oracle.TINY) | {"masked_positions": POSITIONS}
    other, others = pretraining_model(Encoder(oracle.TINY, dtype=policy), "nsp")
    for name, array in small.items():
        variables[name].assign(array)
        others[name].assign(array)
    want, got = model(inputs), other(inputs)
    for name in want:
        assert got[name].dtype == "float32"
        error = np.abs(got[name] - want[name]).max()
        assert 0 < error < tolerance * np.abs(want[name]).max()


# --- The original implementations. ----------------------------------------------------------------


def loaded(folder, second=None, config_file=None):
    checkpoint = weights.open_checkpoint(folder, config_file=config_file)
    encoder = Encoder(checkpoint.config)
    model, variables = pretraining_model(encoder, second)
    report = load_variables(checkpoint, variables)
    assert report.missing == []
    return model, variables, np.load(folder / "golden.npz")


def inputs_of(golden, positions=None):
    inputs = googles.inputs_of(golden)
    inputs.setdefault("segment_ids", np.zeros_like(inputs["token_ids"]))
    positions = golden["masked_lm_positions"] if positions is None else positions
    return inputs | {"masked_positions": positions}


def log_probabilities(logits):
    return tf.nn.log_softmax(tf.reshape(logits, [-1, logits.shape[-1]])).numpy()


@pytest.mark.full
@pytest.mark.parametrize("name", googles.SECOND_TASKS)
def test_googles_outputs_and_gradients(assets, name):
    folder, second = assets / "reference" / name, googles.SECOND_TASKS[name]
    model, variables, golden = loaded(folder, second)
    with tf.GradientTape() as tape:
        outputs = model(inputs_of(golden))
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            golden["masked_lm_ids"], outputs["mlm"]
        )
        weight = golden["masked_lm_weights"]
        mlm = tf.reduce_sum(losses * weight) / (weight.sum() + 1e-5)
        labels = np.ravel(golden["next_sentence_labels"])
        loss = mlm + tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels, outputs[second])
        )
    found = tape.gradient(loss, [v.value for v in variables.values()])
    got = log_probabilities(outputs["mlm"])
    np.testing.assert_allclose(got, golden["mlm_log_probs"], atol=TOLERANCE)
    np.testing.assert_allclose(outputs[second], golden[f"{second}_logits"], atol=TOLERANCE)
    assert float(loss) == pytest.approx(float(golden["total_loss"]), abs=TOLERANCE)

    want = np.load(folder / "golden_grads.npz")
    config = weights.open_checkpoint(folder).config
    theirs = weights.to_format(
        {name: tf.convert_to_tensor(g).numpy() for name, g in zip(variables, found, strict=True)},
        config,
        "google",
    )
    assert any(name.startswith("cls/") for name in theirs)
    for name, gradient in theirs.items():
        np.testing.assert_allclose(gradient, want[name], atol=TOLERANCE, err_msg=name)


@pytest.mark.full
def test_distilberts_outputs(assets):
    model, _, golden = loaded(assets / "reference" / "distilbert_tiny")
    every = np.tile(np.arange(24, dtype="int32"), (4, 1))
    logits = model(inputs_of(golden, every))["mlm"]
    np.testing.assert_allclose(logits, golden["mlm_logits"], atol=TOLERANCE)


@pytest.mark.full
def test_electras_generator(assets, tmp_path):
    """Google's ELECTRA has no config file: the one here is written as ours are."""
    folder = assets / "reference" / "electra_tiny"
    sizes = json.loads((folder / "config.json").read_text())
    config = sizes["generator"] | {"embedding_size": sizes["embedding_size"]}
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config | {"family": "electra_generator"}))
    model, _, golden = loaded(folder, config_file=file)
    logits = model(inputs_of(golden))["mlm"]
    np.testing.assert_allclose(logits, golden["mlm_logits"], atol=TOLERANCE)


# --- What a head leaves unread. -------------------------------------------------------------------


@pytest.mark.parametrize(
    "family, pooling, unread",
    [
        ("bert", "first", set()),
        ("bert", "mean", {"pooler/kernel", "pooler/bias"}),
        ("roberta", "first", {"pooler/kernel", "pooler/bias"}),
        ("distilbert", "first", set()),
    ],
)
def test_what_a_pooling_does_not_read(family, pooling, unread):
    encoder, inputs = Encoder(oracle.TINIES[family]), input_tensors()
    model = keras.Model(inputs, POOLINGS[pooling](encoder, inputs))
    assert set(encoder.unread(model)) == unread
    assert all(v.trainable for v in encoder.named_variables().values())


def test_what_a_lower_layer_does_not_read():
    encoder, inputs = Encoder(oracle.TINY), input_tensors()
    model = keras.Model(inputs, encoder.encode(inputs)["layer_outputs"][0])
    assert {name.split("/")[0] for name in encoder.unread(model)} == {"layer_1", "pooler"}
