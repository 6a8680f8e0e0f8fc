"""ELECTRA's pretraining: what is drawn, both losses, gradients of a step, and files."""

import dataclasses
import json

import googles
import keras
import numpy as np
import oracle
import peers
import pytest
import tensorflow as tf
import tiny_masked_lm
from by_default import by_default
from closeness import BACKWARD, FORWARD, assert_near
from tiny_masked_lm import TEXTS, TOKENIZER

from bert_tf2 import Encoder, MaskedLM, Preprocessor, ReplacedWords, WordPieceTokenizer, weights
from bert_tf2.modeling.replacing import Replace
from bert_tf2.weights.filling import load_variables

GENERATOR = {"hidden_size": 12, "num_attention_heads": 2, "intermediate_size": 20}


def make(family="electra", **settings):
    """A tiny one on the committed vocabulary, with seeded random weights."""
    config = oracle.with_dropout(oracle.TINIES[family], 0.0)
    config = dataclasses.replace(config, vocab_size=TOKENIZER.vocabulary_size)
    preprocessor = Preprocessor(TOKENIZER, config.max_length)
    task = ReplacedWords(Encoder(config), preprocessor, **{"generator": GENERATOR} | settings)
    every = task.generator_variables() | task.named_variables()
    for part in (task.generator_variables(), every):
        arrays = oracle.random_weights({n: v.shape for n, v in part.items()})
        for name, variable in part.items():
            variable.assign(arrays[name] * (0.1 if name == "embeddings/token" else 1.0))
    return task


def a_batch():
    """Inputs of one batch: rows of different length, some words hidden."""
    inputs, targets = tiny_masked_lm.records()
    inputs["masked_positions"] = np.sort(inputs["masked_positions"], 1)
    return inputs | {name: targets[name] for name in ("masked_ids", "masked_weights")}


# --- What is drawn. -------------------------------------------------------------------------------


def test_hidden_words_are_drawn_by_their_probability():
    """And stand where they were hidden; a word that is drawn rightly is not replaced."""
    rows, words = 2000, 4
    shares = np.array([0.5, 0.3, 0.15, 0.05], "float32")
    inputs = {
        "token_ids": tf.fill([rows, 3], 3),
        "masked_positions": tf.tile([[1, 0]], [rows, 1]),
        "masked_ids": tf.zeros([rows, 2], tf.int32),
        "masked_weights": tf.tile([[1.0, 0.0]], [rows, 1]),
    }
    logits = tf.tile(tf.math.log(shares)[None, None], [rows, 2, 1])
    layer = Replace()
    shown, replaced = layer(logits, inputs, training=True)
    np.testing.assert_array_equal(shown.numpy()[:, [0, 2]], 3)  # no word is hidden there
    drawn = shown.numpy()[:, 1]
    np.testing.assert_allclose(np.bincount(drawn, minlength=words) / rows, shares, atol=0.04)
    np.testing.assert_array_equal(replaced[:, 1], drawn != 0)
    assert not replaced.numpy()[:, [0, 2]].any()
    again = layer(logits, inputs, training=True)[0]
    assert (again.numpy() != shown.numpy()).any()
    fixed = [layer(logits, inputs)[0].numpy() for _ in range(2)]
    np.testing.assert_array_equal(*fixed)
    np.testing.assert_array_equal(Replace(0)(logits, inputs, training=True)[0][:, 1], 0)


@pytest.mark.full
def test_no_gradient_flows_through_the_draw():
    """The generator's own blocks learn from its own loss alone."""
    task, inputs = make(temperature=0), a_batch()
    found = {}
    for name in ("mlm", "rtd"):
        with tf.GradientTape() as tape:
            outputs = task(inputs, training=True)
            _, targets, weight = task.prepare({n: tf.constant(x) for n, x in inputs.items()})
            loss = task.losses(targets, outputs, weight)[name][0]
        own = task.generating.trainable_variables
        found[name] = tape.gradient(loss, [v.value for v in own])
    assert all(g is None for g in found["rtd"])
    assert all(g is not None for g in found["mlm"])


# --- Both losses. ---------------------------------------------------------------------------------


def test_losses_are_the_published_ones():
    task, inputs = make(), a_batch()
    outputs = {name: np.asarray(x, "float64") for name, x in task(inputs).items()}
    mlm, accuracy = tiny_masked_lm.mean_loss(
        outputs["mlm"], inputs["masked_ids"], inputs["masked_weights"]
    )
    logits, replaced = np.moveaxis(outputs["rtd"], -1, 0)
    mask = inputs["padding_mask"].astype(bool)
    costs = np.logaddexp(0, logits) - logits * replaced
    got = task.evaluate(
        {n: x for n, x in inputs.items() if n not in ("masked_ids", "masked_weights")},
        {n: inputs[n] for n in ("masked_ids", "masked_weights")},
        verbose=0,
        return_dict=True,
    )
    assert replaced[mask].sum() > 3
    assert got["loss"] == pytest.approx(mlm + 50 * costs[mask].mean(), rel=BACKWARD)
    assert got["mlm_accuracy"] == pytest.approx(accuracy, abs=1e-6)
    right = (logits > 0) == replaced.astype(bool)
    assert got["rtd_accuracy"] == pytest.approx(right[mask].mean(), abs=1e-6)
    found = (logits > 0) & mask & (replaced == 1)
    assert got["rtd_recall"] == pytest.approx(found.sum() / replaced[mask].sum(), abs=1e-6)


@pytest.mark.full
def test_googles_losses(assets, tmp_path):
    """There both towers read the same ids, and which are replaced is given."""
    folder = assets / "reference" / "electra_tiny"
    golden, sizes = np.load(folder / "golden.npz"), json.loads((folder / "config.json").read_text())
    config = sizes["discriminator"] | {"embedding_size": sizes["embedding_size"]}
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config | {"family": "electra"}))
    encoder = Encoder.from_preset(folder, config_file=file)
    tokenizer = WordPieceTokenizer(TOKENIZER.vocabulary[: encoder.config.vocab_size])
    narrow = {name: sizes["generator"][name] for name in GENERATOR}
    task = ReplacedWords(encoder, Preprocessor(tokenizer, 32), generator=narrow)
    load_variables(weights.open_checkpoint(folder, file), task.named_variables())
    assert not task.fill_generator(folder, file).missing
    inputs = googles.inputs_of(golden) | {
        "masked_positions": golden["masked_lm_positions"],
        "masked_ids": golden["masked_lm_ids"],
        "masked_weights": np.zeros_like(golden["masked_lm_weights"]),
    }
    outputs = task(inputs)
    mask = golden["input_mask"][..., None]
    assert_near(outputs["mlm"], golden["mlm_logits"], FORWARD)
    assert_near(outputs["rtd"][..., :1] * mask, golden["disc_logits"][..., None] * mask, FORWARD)
    labels = golden["disc_labels"].astype("float32")
    outputs["rtd"] = tf.stack([outputs["rtd"][..., 0], labels], -1)
    weight = {"mlm": golden["masked_lm_weights"], "rtd": golden["input_mask"].astype("float32")}
    found = task.losses({"mlm": golden["masked_lm_ids"]}, outputs, weight)
    means = {name: float(total / size) for name, (total, size) in found.items()}
    assert means["mlm"] == pytest.approx(float(golden["mlm_loss"]), abs=FORWARD)
    assert means["rtd"] / 50 == pytest.approx(float(golden["disc_loss"]), abs=FORWARD)
    assert sum(means.values()) == pytest.approx(float(golden["total_loss"]), rel=FORWARD)


@pytest.mark.full
def test_gradients_are_transformers(tmp_path):
    """Of a step with words that the generator has put there; embeddings get those of both."""
    task, inputs = make(temperature=0), a_batch()
    task.save_to_preset(tmp_path / "there", "huggingface")
    columns = {n: tf.constant(x) for n, x in inputs.items()}
    _, targets, weight = task.prepare(columns)
    every = {"": task.named_variables(), "generator/": task.generator_variables()}
    with tf.GradientTape() as tape:
        outputs = task(inputs, training=True)
        losses = {n: x / size for n, (x, size) in task.losses(targets, outputs, weight).items()}
        loss = tf.add_n([*losses.values()])
    layer = task.get_layer("replace")
    shown, replaced = layer(outputs["mlm"], columns)
    given = {n: inputs[n] for n in inputs} | {"shown": shown, "replaced": replaced}
    np.savez(tmp_path / "in.npz", **given)
    peers.run(
        "transformers",
        "electra_there.py",
        *(str(tmp_path / n) for n in ("there", "in.npz", "out.npz")),
    )
    want = dict(np.load(tmp_path / "out.npz"))
    assert float(losses["mlm"]) == pytest.approx(float(want.pop("mlm")), abs=FORWARD)
    assert float(losses["rtd"]) / 50 == pytest.approx(float(want.pop("rtd")), abs=FORWARD)
    named = {f"{part}{n}": v.value for part, found in every.items() for n, v in found.items()}
    got = dict(zip(named, tape.gradient(loss, [*named.values()]), strict=True))
    for part, config in (("", task.encoder.config), ("generator/", task.generating.config)):
        own = {
            n.removeprefix(part): tf.convert_to_tensor(g).numpy()
            for n, g in got.items()
            if n.startswith(part) and (part or not n.startswith("generator/"))
        }
        theirs = weights.to_format(own, config, "huggingface")
        for name in theirs:  # fifty times the loss of the encoder: so are its roundings
            assert_near(theirs[name], want[part + name], FORWARD, 1.0, name)


# --- Training and files. --------------------------------------------------------------------------


@pytest.mark.full
def test_it_learns():
    keras.utils.set_random_seed(3)
    config = dataclasses.replace(
        oracle.with_dropout(oracle.TINIES["electra"], 0.0), vocab_size=TOKENIZER.vocabulary_size
    )
    task = ReplacedWords(Encoder(config), Preprocessor(TOKENIZER, 12), generator=GENERATOR)
    task.compile({"learning_rate": 3e-3})
    texts = ["the stone on warm and unremarkable on the stone"] * 200
    history = task.fit(texts, batch_size=16, epochs=12, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] / 2
    assert task.evaluate(texts, verbose=0, return_dict=True)["rtd_accuracy"] > 0.95


@pytest.mark.parametrize("format", by_default(["bert_tf2", "google", "huggingface"], ["google"]))
def test_files_hold_the_generator_too(tmp_path, format):
    task = make()
    task.save_to_preset(tmp_path / "there", format)
    again = ReplacedWords.from_preset(tmp_path / "there", generator=GENERATOR)
    for found, want in (
        (again.named_variables(), task.named_variables()),
        (again.generator_variables(), task.generator_variables()),
    ):
        assert found.keys() == want.keys()
        for name, variable in want.items():
            np.testing.assert_array_equal(found[name], variable, err_msg=name)
    if format != "google":
        filler = MaskedLM.from_preset(tmp_path / "there" / "generator")
        inputs = a_batch()
        logits = task(inputs)["mlm"]
        ids = {n: x for n, x in inputs.items() if n not in ("masked_ids", "masked_weights")}
        assert_near(filler(ids), logits, FORWARD)


def test_an_encoder_without_a_generator(tmp_path, caplog):
    task = make()
    encoder = dataclasses.replace(task.contents(), generator=None)
    weights.save(tmp_path / "alone", encoder, "huggingface")
    again = ReplacedWords.from_preset(tmp_path / "alone")
    assert "has no generator, which begins anew" in caplog.text
    assert again.generating.config.hidden_size == 6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"generator": {"vocab_size": 5}}, "must be of their sizes. Received: vocab_size 5 for"),
        ({"discriminator_weight": 0}, "`discriminator_weight` must be above 0"),
        ({"temperature": -1}, "`temperature` 0 or more"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ValueError, match=message):
        make(**settings)


def test_what_it_answers():
    task = make()
    (found,) = task.answer(TEXTS[:2])
    assert found["probabilities"].shape == found["token_ids"].shape
    with pytest.raises(TypeError, match="generator does, opened as a MaskedLM"):
        task.fill_masks(["[MASK]"])
    with pytest.raises(ValueError, match=r"or none\. Received"):
        task({"token_ids": [[1]], "masked_ids": [[1]]})
