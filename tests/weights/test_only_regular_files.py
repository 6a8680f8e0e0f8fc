"""Files of a checkpoint: a FIFO, a device or a folder is said at once; modes are the umask's."""

import contextlib
import os
import shutil
import signal

import numpy as np
import pytest

from bert_tf2 import TextClassifier, Tokenizer, weights
from bert_tf2.config import EncoderConfig
from bert_tf2.text.bytepair import BytePairTokenizer
from bert_tf2.text.sentencepiece import SentencePieceTokenizer
from bert_tf2.text.wordpiece import WordPieceTokenizer

CONFIG = EncoderConfig(
    vocab_size=7,
    hidden_size=4,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=6,
    max_position_embeddings=5,
)
PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b")
FORMATS = ("google", "huggingface", "keras_hub", "bert_tf2")
ODD = {
    "fifo": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": lambda path: path.mkdir(),
}


@contextlib.contextmanager
def at_once(seconds=30):
    def late(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    rng, place = np.random.default_rng(0), tmp_path_factory.mktemp("formats")
    arrays = {
        name: rng.standard_normal(shape, dtype=np.float32)
        for name, shape in weights.expected_shapes(CONFIG).items()
    }
    for format in FORMATS:
        contents = weights.Contents(CONFIG, arrays, weights.of_vocabulary(PIECES))
        weights.save(place / format, contents, format)
    return place


@pytest.mark.parametrize("format", FORMATS)
def test_modes_are_the_umasks(folders, tmp_path, format):
    contents, _ = weights.contents_of(weights.open_checkpoint(folders / "bert_tf2"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    before = os.umask(0o027)
    try:
        weights.save(tmp_path / "link", contents, format)
    finally:
        os.umask(before)
    written = [tmp_path / "empty", *(tmp_path / "empty").rglob("*")]
    assert {oct(p.stat().st_mode & 0o777) for p in written if p.is_dir()} == {"0o750"}
    assert {oct(p.stat().st_mode & 0o777) for p in written if p.is_file()} == {"0o640"}
    with pytest.raises(FileExistsError, match="link exists and is not empty"):
        weights.save(tmp_path / "link", contents, format)


def open_all(folder):
    weights.contents_of(weights.open_checkpoint(folder))


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("format", FORMATS)
def test_every_file_of_a_checkpoint(folders, tmp_path, format, odd):
    files = [p.relative_to(folders / format) for p in (folders / format).rglob("*") if p.is_file()]
    assert len(files) >= 3
    for file in files:
        folder = tmp_path / file.name / format
        shutil.copytree(folders / format, folder)
        (folder / file).unlink()
        ODD[odd](folder / file)
        if file.name in ("metadata.json", "preprocessor.json", "task.json"):
            continue  # keras-hub's, which are not read
        with at_once(), pytest.raises((ValueError, OSError)) as caught:
            open_all(folder)
        assert file.name in str(caught.value) and len(str(caught.value)) <= 600, file


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    "name",
    ["tf_model.h5", "pytorch_model.bin", "model.safetensors.index.json", "saved_model.pb"],
)
def test_every_kind_of_weights(folders, tmp_path, name, odd):
    shutil.copytree(folders / "huggingface", tmp_path / "a")
    (tmp_path / "a" / "model.safetensors").unlink()
    ODD[odd](tmp_path / "a" / name)
    with (
        at_once(),
        pytest.raises((ValueError, OSError), match=r"tf_model|pytorch|safetensors|saved"),
    ):
        open_all(tmp_path / "a")


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    "tokenizer",
    [
        WordPieceTokenizer,
        SentencePieceTokenizer,
        lambda file: BytePairTokenizer(file, []),
        lambda file: BytePairTokenizer({}, file),
        BytePairTokenizer,
    ],
)
def test_every_file_of_a_tokenizer(tmp_path, tokenizer, odd):
    ODD[odd](tmp_path / "a.txt")
    with at_once(), pytest.raises(ValueError, match=r"a\.txt must be a regular file"):
        tokenizer(tmp_path / "a.txt")


@pytest.mark.parametrize("odd", ["fifo", "device"])
@pytest.mark.parametrize("opens", [Tokenizer.from_preset, TextClassifier.from_preset])
def test_a_preset_that_is_no_folder(tmp_path, opens, odd):
    ODD[odd](tmp_path / "a")
    with at_once(), pytest.raises((ValueError, OSError), match=r"a holds no weights|regular file"):
        opens(tmp_path / "a")
