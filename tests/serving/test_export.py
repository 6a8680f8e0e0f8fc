"""The SavedModel against the task it came from, in a process that knows only TensorFlow."""

import json
import subprocess
import sys
from pathlib import Path

import oracle
import pytest
import tensorflow as tf
from closeness import FORWARD, assert_near

from bert_tf2 import QuestionAnswerer, export_saved_model
from bert_tf2.serving import signatures

TEXTS = ["The kettle hums.", "", "stone, rain & tea", "ＦＵＬＬ ｗｉｄｔｈ 雨", "x" * 100_000]

# Everything else an export may use is in TensorFlow itself, so that TF Serving has it.
TEXT_OPS = {"NormalizeUTF8", "FastWordpieceTokenizeWithOffsets"}
READER = """
import json, sys
import tensorflow as tf, tensorflow_text
model = tf.saved_model.load(sys.argv[1])
inputs = {k: tf.constant(v) for k, v in json.loads(sys.stdin.read()).items()}
out = model.signatures["serving_default"](**inputs)
assert "bert_tf2" not in sys.modules
kind = {k: str if v.dtype == tf.string else float for k, v in out.items()}
print(json.dumps({k: v.numpy().astype(kind[k]).tolist() for k, v in out.items()}))
"""


def read_elsewhere(folder, **inputs):
    done = subprocess.run(
        [sys.executable, "-I", "-c", READER, str(folder)],
        input=json.dumps(inputs),
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    model = oracle.tiny_classifier()
    folder = export_saved_model(model, tmp_path_factory.mktemp("serving") / "clf")
    moved = folder.parent.with_name("moved")
    folder.parent.rename(moved)
    return model, moved / folder.name


@pytest.mark.full
def test_answers_to_questions_in_a_fresh_process(tmp_path):
    model = oracle.tiny_task(QuestionAnswerer, doc_stride=4, max_question_len=6, top_k=2)
    folder = export_saved_model(model, tmp_path / "qa")
    asked = ["what hums?", "", "tea"], ["The kettle hums. " * 9, "", "stone tea " * 5_000]
    got = read_elsewhere(folder, question=asked[0], context=asked[1])
    for i, want in enumerate(model.answer_question(*asked)):
        assert got["answers"][i][: len(want)] == [x["answer"] for x in want]
        assert got["starts"][i][: len(want)] == [x["start"] for x in want]
        assert_near(got["scores"][i][: len(want)], [x["score"] for x in want], FORWARD)


def test_a_fresh_process_gives_the_same_answers_on_raw_strings(exported):
    model, folder = exported
    assert folder.name == "1"
    got = read_elsewhere(folder, text=TEXTS)
    logits = model.predict(TEXTS, verbose=0)
    assert_near(got["logits"], logits, FORWARD)
    answers = model.predict_labels(TEXTS, verbose=0)
    assert got["label"] == [answer.label for answer in answers]
    want = [list(answer.probabilities.values()) for answer in answers]
    assert_near(got["probabilities"], want, FORWARD)


def test_pairs_and_ids(tmp_path):
    model = oracle.tiny_classifier()
    pair = (TEXTS[:2], ["No, it is grey.", "rain"])
    folder = export_saved_model(model, tmp_path / "7", pairs=True)
    assert folder == tmp_path / "7"
    got = read_elsewhere(folder, text=pair[0], text_pair=pair[1])
    want = model.predict(pair, verbose=0)
    assert_near(got["logits"], want, FORWARD)
    signature = tf.saved_model.load(str(folder)).signatures["token_ids"]
    ids = signature(**model.preprocessor(pair))
    assert_near(ids["logits"], want, FORWARD)


def test_invalid_utf8_is_answered(exported):
    model, folder = exported
    bad = [b"\xff\xfe caf\xe9", b"tea"]
    got = tf.saved_model.load(str(folder)).signatures["serving_default"](text=tf.constant(bad))
    assert_near(got["logits"], model.predict(bad, verbose=0), FORWARD)


def test_only_operations_that_tf_serving_has(exported):
    _, folder = exported
    graph = _graph(folder)
    used = {node.op for f in graph.library.function for node in f.node_def}
    used |= {node.op for node in graph.node}
    assert _unknown_without_text(used) == TEXT_OPS


def _graph(folder):
    from tensorflow.core.protobuf import saved_model_pb2

    content = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    (meta,) = content.meta_graphs
    return meta.graph_def


def _unknown_without_text(operations):
    """Which of them a process that imports only tensorflow does not know."""
    code = (
        "import sys; from tensorflow.python.framework import op_def_registry as known\n"
        "print(*(name for name in sys.stdin.read().split() if known.get(name) is None))"
    )
    command = [sys.executable, "-I", "-c", code]
    text = " ".join(operations)
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_weights_are_written_once(exported):
    model, folder = exported
    data = sum(path.stat().st_size for path in (folder / "variables").iterdir())
    assert data < 1.2 * 4 * model.count_params() + 20_000  # float32, and the index


def test_what_lies_beside_it_for_servers(exported):
    """TensorFlow Serving's own message takes the settings; the model has the folder's name."""
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    _, folder = exported
    text = (folder / "assets.extra" / "models.config").read_text("utf-8")
    (model,) = text_format.Parse(
        text, model_server_config_pb2.ModelServerConfig()
    ).model_config_list.config
    assert (model.name, model.base_path) == ("clf", "/models/clf")
    assert model.model_version_policy.latest.num_versions == 1


def test_examples_have_as_many_choices_each():
    even = tf.ragged.constant([["a", "b"], ["c", "d"]])
    assert signatures.even("choices", even).shape == (2, 2)
    with pytest.raises(tf.errors.InvalidArgumentError, match="`choices` must have the same number"):
        signatures.even("choices", tf.ragged.constant([["a", "b"], ["c"]]))


def test_class_names_lie_beside_the_graph(exported):
    model, folder = exported
    names = (folder / "assets.extra" / "labels.txt").read_text("utf-8").split()
    assert names == model.labels


def test_versions_and_an_existing_folder(exported, tmp_path):
    model, _ = exported
    first = export_saved_model(model, tmp_path / "clf")
    before = sorted(p.name for p in first.iterdir())
    with pytest.raises(FileExistsError, match="next version"):
        export_saved_model(model, first)
    assert sorted(p.name for p in first.iterdir()) == before
    assert export_saved_model(model, tmp_path / "clf").name == "2"


def test_a_failed_export_leaves_nothing(exported, tmp_path, monkeypatch):
    model, _ = exported

    def save(module, folder, **kwargs):
        Path(folder, "saved_model.pb").write_bytes(b"half of it")
        raise OSError("No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", save)
    with pytest.raises(OSError, match="No space left"):
        export_saved_model(model, tmp_path / "clf" / "1")
    assert list((tmp_path / "clf").iterdir()) == []
