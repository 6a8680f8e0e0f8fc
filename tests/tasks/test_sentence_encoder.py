"""Vectors of texts: prompts, precisions, files, copies, and what is refused."""

import json
import logging
import types

import keras
import numpy as np
import oracle
import peers
import pytest
import tensorflow as tf
from by_default import by_default
from closeness import FORWARD
from shell import tiny_checkpoint
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import bert_tf2
from bert_tf2 import locks
from bert_tf2.tasks import to_file

TEXTS = ["The kettle hums.", "rain", "", "stone, rain & tea", "tea"]
MODULES = [{"kind": "dense", "width": 9}, "normalize"]
WAYS = ["keras", "bert_tf2", "sentence_transformers"]
PROMPTS = {"query": "tea: ", "passage": "the stone "}


def made(**settings):
    return oracle.tiny_task(
        bert_tf2.SentenceEncoder,
        **{"modules": MODULES, "prompts": PROMPTS, "pooling": "mean"} | settings,
    )


@pytest.fixture(scope="module")
def task():
    return made()


@pytest.fixture(scope="module")
def without_prompt():
    """Prompts are read, but their tokens do not count in the pooling."""
    return made(include_prompt=False, modules=(), pooling=["mean", "weightedmean"])


def wanted(task, texts, prompt=""):
    """The vectors by way of the encoder alone, one text at a time, in float64."""
    w = {n: np.asarray(v, "float64") for n, v in task.named_variables().items()}
    skipped = prompt and 1 + len(task.preprocessor.tokenizer([prompt])[0])
    rows = []
    for text in texts:
        ids = task.preprocessor([prompt + text])
        x = np.asarray(task.encoder(ids)["sequence_output"], "float64")[0]
        places = np.arange(1, len(x) + 1)[:, None]
        if not task.include_prompt and prompt:
            x, places = x[skipped:], places[skipped:]
        y = {"mean": x.mean(0), "weightedmean": (x * places).sum(0) / places.sum()}
        y = np.concatenate([y[name] for name in task.pooling])
        if task.modules:
            y = np.tanh(y @ w["vector/dense_0/kernel"] + w["vector/dense_0/bias"])
            y /= np.linalg.norm(y)
        rows.append(y)
    return np.array(rows)


@pytest.mark.parametrize("prompt", by_default(["", "tea: ", "the stone "], ["", "tea: "]))
def test_vectors_are_those_of_each_text_alone(task, without_prompt, prompt):
    for encoder in (task, without_prompt):
        got = encoder.encode(TEXTS, prompt=prompt, batch_size=2)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, wanted(encoder, TEXTS, prompt), atol=2 * FORWARD)


def test_forms_of_texts(task):
    want = task.encode(TEXTS)
    np.testing.assert_array_equal(task.encode(np.array(TEXTS), convert_to_numpy=True), want)
    np.testing.assert_allclose(task.encode(TEXTS[0]), want[0], atol=FORWARD)
    np.testing.assert_array_equal(task.encode(tuple(TEXTS)), want)
    assert task.encode([]).shape == task.encode(()).shape == (0, 9)
    with pytest.raises(TypeError, match="one bare string"):
        task.encode(np.array(TEXTS[0]))
    np.testing.assert_allclose(task.predict(TEXTS, verbose=0), want, atol=FORWARD)
    with pytest.raises(TypeError, match="one text a row, and no pairs"):
        task.encode((TEXTS, TEXTS))


def test_prompts_by_name(task):
    named = task.encode(TEXTS, prompt_name="query")
    np.testing.assert_array_equal(task.encode(TEXTS, prompt="tea: "), named)
    np.testing.assert_array_equal(task.encode_query(TEXTS), named)
    np.testing.assert_array_equal(task.encode_document(TEXTS), task.encode(TEXTS, "passage"))
    assert np.abs(named - task.encode(TEXTS)).max() > 0.01


def test_fewer_numbers(task):
    whole = task.encode(TEXTS)
    cut = task.encode(TEXTS, truncate_dim=np.int64(4))
    np.testing.assert_array_equal(cut, whole[:, :4])
    norm = np.linalg.norm(task.encode(TEXTS, truncate_dim=4, normalize_embeddings=True), axis=1)
    np.testing.assert_allclose(norm, 1, atol=1e-6)
    task.truncate_dim = 3  # by itself; more may be asked for
    np.testing.assert_allclose(task.encode(TEXTS, truncate_dim=5), whole[:, :5], atol=1e-6)
    assert task.encode(TEXTS).shape == task.predict(TEXTS, verbose=0)[:, :3].shape == (5, 3)
    (served,) = task.answer(TEXTS)
    np.testing.assert_allclose(served["embedding"], whole[:, :3], atol=1e-6)
    task.truncate_dim = None
    bits = task.encode(TEXTS, precision="ubinary")
    np.testing.assert_array_equal(bits, np.packbits(whole > 0, axis=1))
    assert task.encode(TEXTS, precision="int8").dtype == np.int8
    assert task.similarity(whole, whole[:2]).shape == (5, 2)
    np.testing.assert_allclose(task.similarity_pairwise(whole, whole), 1, atol=1e-6)


BAD = {
    "prompt": (lambda t: t.encode(TEXTS, "answer"), "`prompt_name` must be one of .*query"),
    "no prompt": (lambda t: t.encode(TEXTS, prompt=3), "`prompt` must be a str. Received: 3"),
    "one str": (
        lambda t: t.encode_to_file("tea", "a.npy"),
        "`sentences` must be a list of str, or",
    ),
    "a generator": (
        lambda t: t.encode_to_file((text for text in TEXTS), "a.npy"),
        "a length and slices.*Received: a generator",
    ),
    "a dict": (lambda t: t.encode_to_file({"a": "tea"}, "a.npy"), "Received: a dict"),
    "a set": (lambda t: t.encode_to_file({"tea"}, "a.npy"), "Received: a set"),
    "a tensor": (lambda t: t.encode(TEXTS, convert_to_tensor=True), "must be False here: NumPy is"),
    "tokens": (
        lambda t: t.encode(TEXTS, output_value="token_embeddings"),
        "must be 'sentence_embedding' here: `features` gives",
    ),
    "an argument": (lambda t: t.encode(TEXTS, colour=1), "`colour` is no argument here. There are"),
    "no pairs": (lambda t: t.predict_similarity([]), "of one text or more. Received: {}"),
    "a truth": (lambda t: t.encode(TEXTS, truncate_dim=True), "from 1 to 9.*Received: True"),
    "width": (lambda t: t.encode(TEXTS, truncate_dim=10), "from 1 to 9.*Received: 10"),
    "precision": (lambda t: t.encode(TEXTS, precision="int4"), "one of float32, int8"),
    "one of 8 bits": (lambda t: t.encode("tea", precision="int8"), "`ranges` must be given"),
    "pairs": (lambda t: t.predict((TEXTS, TEXTS), verbose=0), "takes single texts"),
    "default": (lambda t: made(default_prompt_name="x"), "`default_prompt_name` must be one of"),
    "prompts": (lambda t: made(prompts={"a": 1}), "`prompts` must be a dict of names to texts"),
    "similarity": (lambda t: made(similarity_fn_name="maxsim"), "one of cosine, dot"),
    "layers": (lambda t: t.features(TEXTS, [0, 1]), "from -1 to 0, of 1 layers"),
    "pooling": (lambda t: t.features(TEXTS, pooling="first"), "one or more of cls"),
    "a width of its own": (lambda t: made(truncate_dim=0), "`truncate_dim` must be an int"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named(task, name):
    call, words = BAD[name]
    with pytest.raises((ValueError, TypeError), match=words):
        call(task)


def test_what_is_cut_is_said_once(task, caplog):
    task.said_what_is_cut = False
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            task.encode([*TEXTS, "tea " * 40])
    assert [record.getMessage() for record in caplog.records] == [
        "1 of 6 texts are longer than 20 tokens, and are cut."
    ]


def test_what_features_cut_is_said(task, caplog):
    task.said_what_is_cut = False
    task.features(["tea", "tea " * 40])
    assert "1 of 2 texts are longer than `max_length`, 20 tokens" in caplog.text
    assert len(task.features([])) == 0


def test_vectors_that_are_no_numbers_are_named():
    broken = made()
    broken.named_variables()["vector/dense_0/bias"].assign(np.full(9, np.nan))
    with pytest.raises(ValueError, match="`embeddings` must be finite"):
        broken.encode(TEXTS)


def test_a_plain_encoder_is_said_to_be_one(task, tmp_path, caplog):
    task.encoder.save_to_preset(tmp_path / "a")
    task.preprocessor.save_assets(tmp_path / "a")
    with caplog.at_level(logging.WARNING):
        plain = bert_tf2.SentenceEncoder.from_preset(tmp_path / "a")
    assert plain.pooling == ("mean",)
    assert "says nothing of a pooling" in caplog.text


@pytest.mark.parametrize("way", ["record", "name"])
def test_a_published_one_is_what_the_registry_says(tmp_path, reference, caplog, way):
    name = "all-MiniLM-L6-v2"
    folder = tiny_checkpoint(tmp_path / (name if way == "name" else "a"), reference)
    if way == "record":
        record = {"name": name, "address": "x", "sha256": {}}
        (folder / ".download.json").write_text(json.dumps(record))
    with caplog.at_level(logging.WARNING):
        task = bert_tf2.SentenceEncoder.from_preset(folder)
    assert not caplog.text
    assert (task.pooling, task.modules) == (("mean",), [{"kind": "normalize"}])
    assert task.preprocessor.max_length == 40  # the registry says 256, and it has 40 positions
    assert bert_tf2.SentenceEncoder.from_preset(folder, modules=(), max_length=9).modules == []


@pytest.mark.parametrize("way", by_default(WAYS, ["keras", "sentence_transformers"]))
def test_copies_are_equal(task, without_prompt, tmp_path, way):
    for number, encoder in enumerate((task, without_prompt)):
        place = tmp_path / f"{number}.keras"
        if way == "keras":
            encoder.save(place)
            again = keras.saving.load_model(place)
        else:
            encoder.save_to_preset(place, format=way)
            again = bert_tf2.SentenceEncoder.from_preset(place)
        for name in ("query", None):
            want = encoder.encode(TEXTS, prompt_name=name)
            np.testing.assert_array_equal(again.encode(TEXTS, prompt_name=name), want)
        assert {n: getattr(again, n) for n in again.settings} == {
            n: getattr(encoder, n) for n in encoder.settings
        }


def test_saved_model(without_prompt, tmp_path):
    """Prompts by name are inside, and their tokens left out; so is an unknown one refused."""
    folder = without_prompt.export(tmp_path / "served")
    signatures = tf.saved_model.load(folder).signatures
    got = signatures["serving_default"](text=tf.constant(TEXTS))["embedding"]
    assert (got.dtype, got.shape) == (tf.float32, (5, 48))
    np.testing.assert_allclose(got, without_prompt.encode(TEXTS), atol=FORWARD)
    names = ["query", "", "passage", "query", "query"]
    got = signatures["embed"](text=tf.constant(TEXTS), prompt_name=tf.constant(names))["embedding"]
    for row, text, name in zip(got, TEXTS, names, strict=True):
        want = without_prompt.encode(text, prompt_name=name or None)
        np.testing.assert_allclose(row, want, atol=FORWARD)
    with pytest.raises(tf.errors.InvalidArgumentError, match="`prompt_name` must be one of"):
        signatures["embed"](text=tf.constant(["a"]), prompt_name=tf.constant(["answer"]))


# === Features of any layer ===


def test_features_of_layers(without_prompt):
    """By way of the encoder alone, one text at a time, in float64."""
    layers, poolings = [-1, 0], ["cls", "mean"]
    deep = oracle.tiny_task(bert_tf2.SentenceEncoder, config=oracle.TINY, modules=MODULES)
    got = deep.features(TEXTS, layers, poolings, batch_size=2)
    want = []
    for text in TEXTS:
        states = deep.encoder(deep.preprocessor([text]))["layer_outputs"]
        rows = [np.asarray(states[i], "float64")[0] for i in layers]
        want.append(np.concatenate([part for x in rows for part in (x[0], x.mean(0))]))
    assert (got.dtype, got.shape) == (np.float32, (5, 96))
    np.testing.assert_allclose(got, want, atol=FORWARD)
    np.testing.assert_allclose(deep.features("rain", 0), want[1][72:], atol=FORWARD)
    assert deep.features([], 0).shape == (0, 24)
    np.testing.assert_allclose(
        without_prompt.features(TEXTS), without_prompt.encode(TEXTS)[:, :24], atol=FORWARD
    )


# === Into files ===


class Stopped(Exception):
    """In place of an interruption, which would stop the tests."""


def test_to_a_file(task, tmp_path, monkeypatch):
    """Interrupted, it goes on from the last texts that were noted, and computes none again."""
    monkeypatch.setattr(to_file, "AT_ONCE", 2)
    seen, computed = [], to_file.encoding.computed

    def interrupted(task, texts, *how):
        seen.extend(texts)
        if len(seen) > 4:
            raise Stopped
        return computed(task, texts, *how)

    parts = {"How": to_file.encoding.How, "computed": interrupted}
    monkeypatch.setattr(to_file, "encoding", types.SimpleNamespace(**parts))
    how = {"prompt_name": "query", "show_progress_bar": False}
    with pytest.raises(Stopped):
        task.encode_to_file(TEXTS, tmp_path / "a.npy", **how)
    assert not (tmp_path / "a.npy").exists()
    for other in ({"texts": ["x", *TEXTS[1:]]}, {"prompt_name": "passage"}):
        with pytest.raises(ValueError, match="was begun by another model"):
            task.encode_to_file(other.pop("texts", TEXTS), tmp_path / "a.npy", **how | other)
    seen.clear()
    file = task.encode_to_file(TEXTS, tmp_path / "a.npy", **how)
    assert seen == TEXTS[4:]
    found = np.load(file, mmap_mode="r")
    np.testing.assert_allclose(found, task.encode(TEXTS, "query"), atol=FORWARD)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]
    with pytest.raises(FileExistsError):
        task.encode_to_file(TEXTS, file)
    with pytest.raises(Stopped):  # what is there stays until there is another
        task.encode_to_file([*TEXTS, *TEXTS], file, overwrite=True, **how)
    assert len(np.load(file)) == len(TEXTS)


def test_a_file_that_is_being_written(task, tmp_path):
    """By another process: a lock of ours stands for its."""
    with (
        locks.locked(tmp_path, ".a.npy.lock"),
        pytest.raises(locks.InUse, match="in use by another run"),
    ):
        task.encode_to_file(TEXTS, tmp_path / "a.npy", show_progress_bar=False)
    assert list(tmp_path.iterdir()) == []
    task.encode_to_file(TEXTS, tmp_path / "a.npy", show_progress_bar=False)


def test_lines_of_a_file(task, tmp_path, monkeypatch):
    monkeypatch.setattr(to_file, "AT_ONCE", 2)
    lines = tmp_path / "texts.txt"
    lines.write_bytes("\ufeffrain\r\nstone é\n\ntea".encode())
    how = {"show_progress_bar": False, "precision": "binary"}
    file = task.encode_to_file(lines, tmp_path / "sub" / "a.npy", **how)
    want = task.encode(["rain", "stone é", "", "tea"], precision="binary")
    np.testing.assert_array_equal(np.load(file), want)


@pytest.mark.parametrize(
    ("file", "how", "words"),
    [("a.bin", {}, "named .npy"), ("a.npy", {"precision": "int8"}, "`ranges` must be given")],
)
def test_files_that_are_refused(task, tmp_path, file, how, words):
    with pytest.raises(ValueError, match=words):
        task.encode_to_file(TEXTS, tmp_path / file, **how)


# === With others ===


def test_a_transformer_of_scikit_learn(task):
    pipeline = make_pipeline(task, LogisticRegression())
    pipeline.fit(TEXTS, [0, 1, 0, 1, 1])
    want = pipeline[-1].predict(task.encode(TEXTS))
    np.testing.assert_array_equal(pipeline.predict(TEXTS), want)
    np.testing.assert_array_equal(task.fit(TEXTS).transform(TEXTS), task.encode(TEXTS))


BOUNDED = """
import json, tempfile
import oracle, bert_tf2

class Texts:
    "Made when they are asked for: 300 MB, if they were held."
    held = []
    def __len__(self):
        return 300_000
    def __getitem__(self, rows):
        pages = int(open("/proc/self/statm").read().split()[1])
        self.held.append(pages * 4096 / 2**20)
        return [f"tea {i} " + "stone " * 170 for i in range(len(self))[rows]]

with tempfile.TemporaryDirectory() as folder:
    task = oracle.tiny_task(bert_tf2.SentenceEncoder, oracle.SMALL)
    file = task.encode_to_file(Texts(), f"{folder}/a.npy", 256, None, precision="binary")
print(json.dumps(Texts.held))
"""


@pytest.mark.soak
def test_many_texts_take_no_more_memory():
    """MiB of the process, as each part of the texts is asked for."""
    held = peers.here(BOUNDED)
    assert len(held) == -(-300_000 // 8192)
    assert max(held[10:]) - held[10] < 100, held
