"""Bad checkpoints: each is refused with a message that names what is wrong, and nothing is lost."""

import dataclasses
import json

import numpy as np
import pytest
import saved

from bert_tf2 import weights
from bert_tf2.config import EncoderConfig
from bert_tf2.weights import write_config
from bert_tf2.weights.containers import bundle

CONFIG = EncoderConfig(
    vocab_size=7,
    hidden_size=4,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=6,
    max_position_embeddings=5,
)
SHAPES = weights.expected_shapes(CONFIG)
DATA, INDEX = "bert_model.ckpt.data-00000-of-00001", "bert_model.ckpt.index"


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(shape, dtype=np.float32) for name, shape in SHAPES.items()}


@pytest.fixture
def folder(tmp_path, arrays):
    saved.google(tmp_path / "ckpt", CONFIG, arrays, [f"w{i}" for i in range(7)])
    return tmp_path / "ckpt"


def refuses(match, error=weights.CheckpointError):
    return pytest.raises(error, match=match)


def load(folder, expected=SHAPES):
    return weights.load(weights.open_checkpoint(folder), expected)


def configure(folder, **changes):
    """Rewrites the folder's config. -> the shapes of the model it then describes."""
    config = dataclasses.replace(CONFIG, **changes)
    (folder / "bert_config.json").write_text(json.dumps(write_config(config, "google")))
    return weights.expected_shapes(config)


# --- Nothing, or too much, at a path. -------------------------------------------------------------


def test_missing_path(tmp_path):
    with refuses(r"nowhere.*Looked for.*nowhere/bert_model.ckpt.index", FileNotFoundError):
        weights.open_checkpoint(tmp_path / "nowhere" / "bert_model.ckpt")


def test_folder_without_a_checkpoint(tmp_path):
    (tmp_path / "notes.md").write_text("hello")
    with refuses(r"Known are .*\*.index\. Found notes.md"):
        weights.open_checkpoint(tmp_path)


def test_two_checkpoints_in_a_folder_are_ambiguous(folder, arrays):
    bundle.write(folder / "model.ckpt-100", arrays)
    with refuses("holds 2 checkpoints: bert_model.ckpt, model.ckpt-100. Name the one"):
        weights.open_checkpoint(folder)
    assert weights.open_checkpoint(folder / "model.ckpt-100").path.name == "model.ckpt-100"
    for name in ("model.ckpt-100.index", "model.ckpt-100.data-00000-of-00001"):
        (folder / name).unlink()
    (folder / "model.safetensors").write_bytes(b"")
    with refuses("holds 2 checkpoints: model.safetensors, bert_model.ckpt"):
        weights.open_checkpoint(folder)


def test_a_file_that_is_no_checkpoint(folder):
    with refuses(r"vocab.txt holds no weights that can be read. Known are \*"):
        weights.open_checkpoint(folder / "vocab.txt")


# --- Damaged files. -------------------------------------------------------------------------------


def test_truncated_data(folder):
    data = (folder / DATA).read_bytes()
    (folder / DATA).write_bytes(data[:-10])
    with refuses(rf"{DATA} is truncated: the index lists {len(data)} bytes .* {len(data) - 10}"):
        load(folder)


def test_changed_data(folder):
    data = bytearray((folder / DATA).read_bytes())
    data[50] ^= 255
    (folder / DATA).write_bytes(data)
    with refuses("is damaged; get it again.*[Cc]hecksum"):
        load(folder)


def test_index_without_data_is_listed_but_not_read(folder):
    (folder / DATA).unlink()
    checkpoint = weights.open_checkpoint(folder)
    assert len(checkpoint.variables) == len(SHAPES)
    assert "bert/embeddings/word_embeddings" in weights.summary(checkpoint)
    with refuses(rf"missing .*{DATA}"):
        weights.load(checkpoint, SHAPES)


@pytest.mark.parametrize("damage", ["short", "changed", "empty", "pointer"])
def test_damaged_index(folder, damage):
    index = (folder / INDEX).read_bytes()
    changed = index[:20] + bytes(30) + index[50:]
    pointer = b"version https://git-lfs.github.com/spec/v1\n" * 3
    content = {"short": index[:50], "changed": changed, "empty": b"", "pointer": pointer}
    (folder / INDEX).write_bytes(content[damage])
    with refuses(r"bert_model.ckpt.index cannot be read .*get it again"):
        weights.open_checkpoint(folder)


# --- Files that disagree. -------------------------------------------------------------------------


def test_config_missing_and_named_by_hand(folder, tmp_path):
    (folder / "bert_config.json").rename(tmp_path / "elsewhere.json")
    with refuses("no config. Expected bert_config.json or config.json.*config_file"):
        weights.open_checkpoint(folder)
    checkpoint = weights.open_checkpoint(folder, config_file=tmp_path / "elsewhere.json")
    assert checkpoint.config == CONFIG


def test_config_of_another_width(folder):
    with refuses(
        r"(?s)width 8.*embeddings/token: config says \(7, 8\), file has \(7, 4\) "
        r"\(bert/embeddings/word_embeddings\).*layer_\{0..1\}/attention/query/kernel: config says"
    ):
        load(folder, configure(folder, hidden_size=8))


def test_config_of_more_and_of_fewer_layers(folder):
    with refuses(r"missing in the file: layer_2/attention/query/kernel \(bert/encoder/layer_2/"):
        load(folder, configure(folder, num_hidden_layers=3))
    with refuses("unknown in the file: bert/encoder/layer_1/attention/output/LayerNorm/beta"):
        load(folder, configure(folder, num_hidden_layers=1))


def test_vocabulary_longer_than_the_table(folder):
    vocabulary = folder / "vocab.txt"
    vocabulary.write_bytes(vocabulary.read_bytes() + b"one more\n")
    with refuses(r"vocab.txt has 8 entries, and the config's vocab_size is 7"):
        load(folder)


@pytest.mark.parametrize("ending", [b"", b"\n"])
def test_vocabulary_shorter_than_the_table_is_a_warning(folder, ending):
    (folder / "vocab.txt").write_bytes(b"a\nb\xe2\x80\xa8b\n\nd" + ending)
    _, report = load(folder)
    assert report.warnings[0].endswith(
        "vocab.txt has 4 entries, and the config's vocab_size is 7: the last 3 rows are unused"
    )
    found = weights.open_checkpoint(folder)
    found = dataclasses.replace(found, tokenizer=found.tokenizer.in_memory())
    (said,) = weights.check_vocabulary(found)
    assert said.startswith("The vocabulary in tokenizer.json has 4 entries")


def test_unknown_and_missing_variables_are_named(folder, arrays):
    theirs = weights.to_format(arrays, CONFIG, "google")
    del theirs["bert/encoder/layer_1/output/dense/bias"]
    theirs["bert/encoder/layer_1/adapter/kernel"] = np.ones((4, 4), np.float32)
    bundle.write(folder / "bert_model.ckpt", theirs)
    with refuses(
        r"(?s)missing in the file: layer_1/ffn/output/bias \(bert/encoder/layer_1/output/dense/bias"
        r"\).*unknown in the file: bert/encoder/layer_1/adapter/kernel"
    ):
        load(folder)


def test_reading_a_name_that_is_not_there(folder):
    with refuses("has no variables bert/nothing"):
        weights.open_checkpoint(folder).read(["bert/nothing"])


# --- Writing. -------------------------------------------------------------------------------------


def test_a_full_folder_is_never_written_to(folder, arrays):
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with refuses("exists and is not empty. Name a new folder", FileExistsError):
        saved.google(folder, CONFIG, arrays)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_a_failed_save_leaves_nothing_behind(tmp_path, arrays):
    (tmp_path / "empty").mkdir()
    nowhere = weights.Contents(CONFIG, arrays, weights.TokenizerSource({"v" * 300: b"x"}))
    with refuses("name too long", OSError):
        weights.save(tmp_path / "empty", nowhere, "google")
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]
    saved.google(tmp_path / "empty", CONFIG, arrays)
    assert (tmp_path / "empty" / DATA).is_file()


def test_arrays_that_are_no_bert_are_refused(tmp_path, arrays):
    target = tmp_path / "new"
    wrong = arrays | {"embeddings/token": np.ones((6, 4), np.float32)}
    with refuses(r"embeddings/token: the config says \(7, 4\) .* Received: \(6, 4\)", ValueError):
        saved.google(target, CONFIG, wrong)
    with refuses("Without a place: .'adapter/kernel'", ValueError):
        saved.google(target, CONFIG, arrays | {"adapter/kernel": np.ones(2)})
    del arrays["layer_0/ffn/norm/beta"]
    with refuses("Missing: .'layer_0/ffn/norm/beta'", ValueError):
        saved.google(target, CONFIG, arrays)
    assert not target.exists()


def test_a_config_google_has_no_word_for_comes_back(tmp_path, arrays):
    other = dataclasses.replace(CONFIG, layer_norm_eps=1e-5, hidden_act="gelu_erf")
    saved.google(tmp_path / "new", other, arrays)
    assert weights.open_checkpoint(tmp_path / "new").config == other


def test_a_vocabulary_longer_than_the_table_is_not_written(tmp_path, arrays):
    with refuses("at most 7 entries.*Received: 8", ValueError):
        saved.google(tmp_path / "new", CONFIG, arrays, ["x"] * 8)
    assert list(tmp_path.iterdir()) == []
