"""Exports in fewer bits: exactly what was asked for, and close to the float32 answer."""

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import oracle
import pytest
import tensorflow as tf
from by_default import by_default
from closeness import FORWARD, assert_near

from bert_tf2 import MaskedLM, export_saved_model
from bert_tf2.serving.int8 import LARGEST_CODE, _multiply, _Shared, quantize_kernel

TEXTS = ["The kettle hums.", "", "stone, rain & tea", "tea " * 30]


def served(folder, texts=TEXTS):
    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    return signature(text=tf.constant(texts))


def variables_size(folder):
    return sum(path.stat().st_size for path in (folder / "variables").iterdir())


def test_codes_are_the_nearest():
    kernel = np.random.default_rng(1).normal(size=(40, 6)).astype("float32")
    kernel[:, 2] = 0
    codes, columns = quantize_kernel(kernel)
    assert codes.dtype == "int8" and columns.dtype == "float32"
    assert np.abs(codes).max(axis=0).tolist() == [LARGEST_CODE, LARGEST_CODE, 0] + 3 * [
        LARGEST_CODE
    ]
    assert (np.abs(codes * columns - kernel) <= columns / 2 * (1 + 1e-5)).all()


@pytest.mark.parametrize("tokens", [1, 7, 300])
def test_the_product_is_the_one_of_integers(tokens):
    """Against int64; the extreme codes stand in pairs, where 16 bits could overflow."""
    random = np.random.default_rng(tokens)
    x = random.normal(size=(tokens, 32)).astype("float32")
    x[0] = np.tile([1, -1], 16)
    codes = random.integers(-LARGEST_CODE, LARGEST_CODE + 1, (32, 5)).astype("int8")
    codes[:, 0], codes[:, 1] = LARGEST_CODE, -LARGEST_CODE
    offset = -128 * codes.sum(axis=0, dtype="int64")
    variable = tf.Variable(tf.bitcast(codes, tf.qint8), trainable=False)

    @tf.function
    def product(x):
        shared = _Shared()
        rows, largest = shared.rows(x)
        y = _multiply(rows, variable, tf.constant(offset, tf.float32), shared.bounds)
        return tf.bitcast(rows, tf.uint8), largest, y

    rows, largest, y = (part.numpy() for part in product(x))
    np.testing.assert_array_equal(largest[:, 0], np.abs(x).max(axis=1))
    np.testing.assert_allclose((rows - 128.0) * largest / 127, x, atol=largest.max() / 254 * 1.001)
    want = rows.astype("int64") @ codes.astype("int64") + offset
    assert np.abs(want).max() < 2**24  # float32 holds these integers exactly
    np.testing.assert_array_equal(y, want)


def test_a_token_of_zeros_is_zero():
    rows, largest = _Shared().rows(tf.zeros((2, 8)))
    assert set(tf.bitcast(rows, tf.uint8).numpy().ravel()) == {128}
    np.testing.assert_array_equal(largest, np.zeros((2, 1)))


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_answers_stay_close(tmp_path, precision):
    """bfloat16 keeps 8 bits of every number, int8 keeps 7 or 8 of each row's and column's largest.

    Random weights this small add up 1 to 2 % of the spread of the logits; allowed are 5 %.
    """
    model = oracle.tiny_classifier()
    before = {name: v.numpy() for name, v in model.named_variables().items()}
    logits = model.predict(TEXTS, verbose=0)
    folder = export_saved_model(model, tmp_path / "clf", precision=precision)
    out = served(folder)
    assert out["logits"].dtype == tf.float32
    difference = np.abs(out["logits"] - logits).max()
    assert 0 < difference < 0.05 * np.ptp(logits)  # 0 would be float32 still
    # The task is left as it was.
    for name, variable in model.named_variables().items():
        np.testing.assert_array_equal(variable, before[name])
    np.testing.assert_array_equal(model.predict(TEXTS, verbose=0), logits)


def test_int8_answers_do_not_depend_on_neighbours(tmp_path):
    model = oracle.tiny_classifier()
    folder = export_saved_model(model, tmp_path / "clf", precision="int8")
    together = served(folder)["logits"].numpy()
    alone = np.concatenate([served(folder, [text])["logits"] for text in TEXTS])
    assert_near(together, alone, FORWARD)


FAMILIES = [(how, family) for how in ("bfloat16", "int8") for family in ("albert", "distilbert")]


@pytest.mark.parametrize(("precision", "family"), by_default(FAMILIES, [("int8", "albert")]))
def test_families(tmp_path, precision, family):
    model = oracle.tiny_classifier(config=oracle.TINIES[family])
    logits = model.predict(TEXTS, verbose=0)
    out = served(export_saved_model(model, tmp_path / "clf", precision=precision))
    difference = np.abs(out["logits"] - logits).max()
    assert 0 < difference < 0.05 * np.ptp(logits)


def test_sizes(tmp_path):
    """A kernel or a table is written once, in the bits asked for."""
    config = dataclasses.replace(oracle.SMALL, hidden_size=128, num_attention_heads=4)
    config = dataclasses.replace(config, intermediate_size=512)
    model = oracle.tiny_classifier(config=config)
    folders = {
        precision: export_saved_model(model, tmp_path / precision, precision=precision)
        for precision in ("float32", "bfloat16", "int8")
    }
    sizes = {precision: variables_size(folder) for precision, folder in folders.items()}
    dense = config.num_hidden_layers * (4 * 128**2 + 2 * 128 * 512)
    rows = config.vocab_size + config.max_position_embeddings + config.type_vocab_size
    assert sizes["int8"] < sizes["float32"] - 3 * dense - (3 * 128 - 4) * rows + 8_000
    assert sizes["bfloat16"] < 0.6 * sizes["float32"]


@pytest.mark.full
def test_a_table_that_a_head_multiplies_with_is_there_once(tmp_path):
    """In float32: words are looked up there, too, and not in codes beside it."""
    model = oracle.tiny_task(MaskedLM)
    folder = export_saved_model(model, tmp_path / "mlm", precision="int8")
    shapes = dict(tf.train.list_variables(str(folder / "variables" / "variables"))).values()
    table = [model.encoder.config.vocab_size, model.encoder.config.embedding_width]
    assert [*shapes].count(table) == 1


def test_int8_pairs_ids_and_the_mean(tmp_path):
    model = oracle.tiny_classifier(pooling="mean")
    pair = (TEXTS[:2], ["No, it is grey.", "rain"])
    logits = model.predict(pair, verbose=0)
    folder = export_saved_model(model, tmp_path / "clf", pairs=True, precision="int8")
    signatures = tf.saved_model.load(str(folder)).signatures
    by_text = signatures["serving_default"](
        text=tf.constant(pair[0]), text_pair=tf.constant(pair[1])
    )
    by_ids = signatures["token_ids"](**model.preprocessor(pair))
    assert_near(by_text["logits"], by_ids["logits"], FORWARD)
    assert 0 < np.abs(by_text["logits"] - logits).max() < 0.05 * np.ptp(logits)
    nothing = {name: tf.zeros((0, 4), tf.int32) for name in model.preprocessor(pair)}
    assert signatures["token_ids"](**nothing)["logits"].shape == (0, 3)


READER = """
import json, sys
import tensorflow as tf, tensorflow_text
answer = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
print(json.dumps(answer(text=tf.constant(json.loads(sys.argv[2])))["logits"].numpy().tolist()))
"""


@pytest.mark.full
@pytest.mark.parametrize("onednn", by_default(["0", "1"], ["0"]))
def test_int8_elsewhere_with_and_without_onednn(tmp_path, onednn):
    """The operation is there either way, and the integers are the same."""
    model = oracle.tiny_classifier()
    folder = export_saved_model(model, tmp_path / "clf", precision="int8")
    done = subprocess.run(
        [sys.executable, "-I", "-c", READER, str(folder), json.dumps(TEXTS)],
        env=os.environ | {"TF_ENABLE_ONEDNN_OPTS": onednn},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    got = json.loads(done.stdout.splitlines()[-1])
    assert_near(got, served(folder)["logits"], FORWARD)


@pytest.mark.full
def test_a_model_trained_in_bfloat16(tmp_path):
    """By default it serves as it computes; "float32" has its weights in float32."""
    base = oracle.tiny_classifier()
    config = base.get_config()
    config["encoder"]["config"]["dtype"] = "mixed_bfloat16"
    model = type(base).from_config(config)
    model.preprocessor = base.preprocessor
    for name, variable in model.named_variables().items():
        variable.assign(base.named_variables()[name].value)
    logits = base.predict(TEXTS, verbose=0)
    asked = export_saved_model(model, tmp_path / "float32", precision="float32")
    assert_near(served(asked)["logits"], logits, FORWARD)
    default = export_saved_model(model, tmp_path / "default")
    got = served(default)["logits"]
    np.testing.assert_allclose(got, model.predict(TEXTS, verbose=0), atol=1e-2)
    assert np.abs(got - logits).max() > 1e-4


def test_an_unknown_precision(tmp_path):
    with pytest.raises(ValueError, match=r"one of \['float32', 'bfloat16', 'int8'\].*'int4'"):
        export_saved_model(oracle.tiny_classifier(), tmp_path / "clf", precision="int4")
    assert not (tmp_path / "clf").exists()
