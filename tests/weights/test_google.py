"""Google's format: written and read with TensorFlow's own tools, its names spelled out here."""

import json

import numpy as np
import pytest
import saved
import tensorflow as tf

from bert_tf2 import weights
from bert_tf2.config import EncoderConfig
from bert_tf2.weights import write_config

V, P, S, D, I, L = 11, 9, 2, 8, 12, 2  # noqa: E741
CONFIG = EncoderConfig(
    vocab_size=V,
    hidden_size=D,
    num_hidden_layers=L,
    num_attention_heads=2,
    intermediate_size=I,
    max_position_embeddings=P,
)
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c\u2028d", "##e", "f", "中"]


def google_shapes():
    """The variables of google-research/bert's run_pretraining.py, as its code makes them."""
    shapes = {
        "bert/embeddings/word_embeddings": (V, D),
        "bert/embeddings/position_embeddings": (P, D),
        "bert/embeddings/token_type_embeddings": (S, D),
        "bert/embeddings/LayerNorm/gamma": (D,),
        "bert/embeddings/LayerNorm/beta": (D,),
        "bert/pooler/dense/kernel": (D, D),
        "bert/pooler/dense/bias": (D,),
        "cls/predictions/transform/dense/kernel": (D, D),
        "cls/predictions/transform/dense/bias": (D,),
        "cls/predictions/transform/LayerNorm/gamma": (D,),
        "cls/predictions/transform/LayerNorm/beta": (D,),
        "cls/predictions/output_bias": (V,),
        "cls/seq_relationship/output_weights": (2, D),
        "cls/seq_relationship/output_bias": (2,),
    }
    for layer in range(L):
        at = f"bert/encoder/layer_{layer}"
        for name in ("query", "key", "value"):
            shapes[f"{at}/attention/self/{name}/kernel"] = (D, D)
            shapes[f"{at}/attention/self/{name}/bias"] = (D,)
        shapes[f"{at}/attention/output/dense/kernel"] = (D, D)
        shapes[f"{at}/attention/output/dense/bias"] = (D,)
        shapes[f"{at}/intermediate/dense/kernel"] = (D, I)
        shapes[f"{at}/intermediate/dense/bias"] = (I,)
        shapes[f"{at}/output/dense/kernel"] = (I, D)
        shapes[f"{at}/output/dense/bias"] = (D,)
        for norm in (f"{at}/attention/output/LayerNorm", f"{at}/output/LayerNorm"):
            shapes[f"{norm}/gamma"] = (D,)
            shapes[f"{norm}/beta"] = (D,)
    return shapes


def seeded(shapes):
    rng = np.random.default_rng(7)
    return {name: rng.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}


def write_with_tensorflow(folder, arrays, config=CONFIG, vocabulary=VOCABULARY):
    """A checkpoint as TensorFlow's Saver writes it, with config and vocabulary."""
    folder.mkdir(parents=True, exist_ok=True)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variables = [
            tf.compat.v1.Variable(array, name=name, use_resource=False)
            for name, array in arrays.items()
        ]
        session.run(tf.compat.v1.global_variables_initializer())
        saver = tf.compat.v1.train.Saver(variables)
        saver.save(
            session, str(folder / "bert_model.ckpt"), write_meta_graph=False, write_state=False
        )
    (folder / "bert_config.json").write_text(json.dumps(write_config(config, "google")))
    if vocabulary is not None:
        (folder / "vocab.txt").write_bytes("".join(f"{x}\n" for x in vocabulary).encode())
    return folder


@pytest.fixture
def arrays():
    return seeded(google_shapes())


@pytest.fixture
def folder(tmp_path, arrays):
    return write_with_tensorflow(tmp_path / "uncased_L-2", arrays)


def expected(*heads, labels=None):
    return weights.expected_shapes(CONFIG, heads, labels)


def test_open_finds_everything_beside_the_checkpoint(folder):
    for path in (folder, folder / "bert_model.ckpt", folder / "bert_model.ckpt.index"):
        checkpoint = weights.open_checkpoint(path)
        assert checkpoint.format == "google"
        assert checkpoint.path == folder / "bert_model.ckpt"
        assert checkpoint.config == CONFIG
        assert checkpoint.vocab_file == folder / "vocab.txt"
        assert checkpoint.tokenizer.lowercase is True
        assert checkpoint.variables["bert/encoder/layer_1/intermediate/dense/kernel"] == (
            (D, I),
            np.dtype("float32"),
        )
        assert {n: s for n, (s, _) in checkpoint.variables.items()} == google_shapes()


def test_every_variable_arrives_in_its_place(folder, arrays):
    got, report = weights.load(weights.open_checkpoint(folder), expected("mlm", "nsp"))
    assert len(got) == len(arrays) == len(report.loaded)
    assert (report.missing, report.unused, report.skipped, report.warnings) == ([], [], [], [])
    places = {
        "embeddings/token": "bert/embeddings/word_embeddings",
        "embeddings/segment": "bert/embeddings/token_type_embeddings",
        "layer_1/attention/key/kernel": "bert/encoder/layer_1/attention/self/key/kernel",
        "layer_0/attention/norm/beta": "bert/encoder/layer_0/attention/output/LayerNorm/beta",
        "layer_0/ffn/norm/gamma": "bert/encoder/layer_0/output/LayerNorm/gamma",
        "layer_1/ffn/output/kernel": "bert/encoder/layer_1/output/dense/kernel",
        "pooler/kernel": "bert/pooler/dense/kernel",
        "mlm/bias": "cls/predictions/output_bias",
        "mlm/norm/gamma": "cls/predictions/transform/LayerNorm/gamma",
    }
    for ours, theirs in places.items():
        np.testing.assert_array_equal(got[ours], arrays[theirs])
    # Google stores the kernels of its classifiers (classes, width); ours are (in, out).
    np.testing.assert_array_equal(
        got["nsp/kernel"], arrays["cls/seq_relationship/output_weights"].T
    )


def test_absent_heads_are_said_plainly(folder):
    got, report = weights.load(
        weights.open_checkpoint(folder), expected("classifier", "mlm", labels=3)
    )
    assert "newly initialised: classifier/kernel, classifier/bias" in str(report)
    assert ("cls/seq_relationship/output_bias", "nsp not used by this model") in report.skipped
    assert "classifier/kernel" not in got
    with pytest.raises(weights.CheckpointError, match="missing in the file: classifier/kernel"):
        weights.load(
            weights.open_checkpoint(folder), expected("classifier", labels=3), optional_heads=False
        )


def test_optimizer_slots_and_step_are_skipped_with_a_reason(tmp_path, arrays):
    slots = {f"{name}/{slot}": a for name, a in arrays.items() for slot in ("adam_m", "adam_v")}
    extra = slots | {"global_step": np.array(17, np.int64)}
    checkpoint = weights.open_checkpoint(write_with_tensorflow(tmp_path / "a", arrays | extra))
    _, report = weights.load(checkpoint, expected("mlm", "nsp"))
    assert {name for name, _ in report.skipped} == set(extra)
    assert ("global_step", "step counter") in report.skipped
    assert {why for name, why in report.skipped if name in slots} == {"optimizer slot"}
    assert f"optimizer slot (bert/embeddings/LayerNorm/beta/adam_m and {len(slots) - 1} more)" in (
        str(report)
    )


def test_a_fine_tuned_classifier_loads_if_the_labels_agree(tmp_path, arrays):
    head = seeded({"output_weights": (3, D), "output_bias": (3,)})
    checkpoint = weights.open_checkpoint(write_with_tensorflow(tmp_path / "a", arrays | head))
    got, report = weights.load(checkpoint, expected("classifier", labels=3))
    np.testing.assert_array_equal(got["classifier/kernel"], head["output_weights"].T)
    np.testing.assert_array_equal(got["classifier/bias"], head["output_bias"])
    assert report.missing == []

    got, report = weights.load(checkpoint, expected("classifier", labels=5))
    assert report.missing == ["classifier/kernel", "classifier/bias"]
    assert "classifier/bias" not in got
    assert "classifier/kernel: config says (8, 5), file has (8, 3) (output_weights)" in str(report)
    with pytest.raises(weights.CheckpointError, match="file has"):
        weights.load(checkpoint, expected("classifier", labels=5), optional_heads=False)


def test_a_head_in_part_is_an_error(tmp_path, arrays):
    del arrays["cls/predictions/output_bias"]
    checkpoint = weights.open_checkpoint(write_with_tensorflow(tmp_path / "a", arrays))
    with pytest.raises(weights.CheckpointError, match="missing in the file: mlm/bias"):
        weights.load(checkpoint, expected("mlm"))


def test_a_pooler_is_missed_only_where_it_is_wanted(tmp_path, arrays):
    headless = {name: a for name, a in arrays.items() if "pooler" not in name}
    checkpoint = weights.open_checkpoint(write_with_tensorflow(tmp_path / "a", headless))
    with pytest.raises(weights.CheckpointError, match="pooler/kernel"):
        weights.load(checkpoint, expected())
    without = {name: s for name, s in expected().items() if not name.startswith("pooler")}
    got, _ = weights.load(checkpoint, without)
    assert set(got) == set(without)


def test_a_pooler_nobody_wants_is_skipped(folder):
    without = {name: s for name, s in expected().items() if not name.startswith("pooler")}
    _, report = weights.load(weights.open_checkpoint(folder), without)
    assert ("bert/pooler/dense/bias", "pooler not used by this model") in report.skipped


def test_nan_and_infinity_are_reported(tmp_path, arrays):
    arrays["bert/pooler/dense/bias"][3] = np.nan
    arrays["bert/embeddings/word_embeddings"][0, 0] = np.inf
    checkpoint = weights.open_checkpoint(write_with_tensorflow(tmp_path / "a", arrays))
    _, report = weights.load(checkpoint, expected())
    assert set(report.nonfinite) == {"pooler/bias", "embeddings/token"}
    assert "NaN or infinite: " in str(report)


def test_save_and_load_are_bitwise_equal(tmp_path, folder):
    first = weights.open_checkpoint(folder)
    before, _ = weights.load(first, expected("mlm", "nsp"))
    prefix = saved.google(tmp_path / "deep" / "new", CONFIG, before, VOCABULARY)
    second = weights.open_checkpoint(tmp_path / "deep" / "new")
    assert second.path == prefix
    assert second.variables == first.variables
    assert second.config == CONFIG
    assert second.vocab_file.read_bytes() == first.vocab_file.read_bytes()
    after, _ = weights.load(second, expected("mlm", "nsp"))
    for name, array in before.items():
        assert array.tobytes() == after[name].tobytes(), name
    assert sorted(path.name for path in (tmp_path / "deep").rglob("*")) == [
        "bert_config.json",
        "bert_model.ckpt.data-00000-of-00001",
        "bert_model.ckpt.index",
        "new",
        "vocab.txt",
    ]


def test_tensorflow_reads_what_we_write(tmp_path, folder, arrays):
    got, _ = weights.load(weights.open_checkpoint(folder), expected("mlm", "nsp"))
    prefix = str(saved.google(tmp_path / "new", CONFIG, got))
    listed = {name: tuple(shape) for name, shape in tf.train.list_variables(prefix)}
    assert listed == google_shapes()
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variables = {
            name: tf.compat.v1.Variable(np.zeros_like(a), name=name) for name, a in arrays.items()
        }
        tf.compat.v1.train.Saver(variables).restore(session, prefix)
        for name, array in session.run(variables).items():
            np.testing.assert_array_equal(array, arrays[name])


def test_summary_describes_the_checkpoint(folder):
    text = weights.summary(weights.open_checkpoint(folder))
    encoder = sum(int(np.prod(s)) for n, s in google_shapes().items() if not n.startswith("cls/"))
    for part in (
        "2 layers, width 8, 2 heads, inner width 12, 9 positions, 2 segments",
        f"{encoder:,} in the encoder",
        "mlm, nsp",
        "lower-cased",
        "bert/encoder/layer_1/output/dense/bias",
        "layer_1/ffn/output/bias",
    ):
        assert part in text
