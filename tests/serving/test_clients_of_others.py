"""Clients that nobody here wrote, in processes of their own, given a URL alone."""

from importlib.util import find_spec

import peers
import pytest
from closeness import FORWARD, assert_near
from served import exported, running

TEXTS = ["The kettle hums.", "", "stone, rain & tea", "ＦＵＬＬ ｗｉｄｔｈ 雨", "👍🏽 tea"]
pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("asked") / "models"
    tasks = exported(folder, "clf", "ner", "vec", "qa", "zero", "mlm")
    with running(folder, grpc_port=0) as url:
        yield url, tasks, folder


def asked(client, url, *arguments):
    run = peers.run_in_ours if find_spec(client) else peers.run
    return run("clients", "ask_as_others.py", client, str(url), *arguments)


def check_classes(found, task):
    assert_near(found["logits"], task.predict(TEXTS, verbose=0), FORWARD)
    assert found["labels"] == [x.label for x in task.predict_labels(TEXTS)]
    assert "There is no model" in found["refused"]


def test_openai(served):
    url, tasks, _ = served
    found = asked("openai", url, TEXTS)
    want = tasks["vec"].encode(TEXTS, normalize_embeddings=True)
    assert_near(found["vectors"], want, FORWARD)
    assert found["models"] == sorted(tasks) and "There is no model" in found["refused"]


@pytest.mark.parametrize("binary", [True, False])
def test_tritonclient(served, binary):
    url, tasks, _ = served
    found = asked("tritonclient", url, TEXTS, binary)
    check_classes(found, tasks["clf"])
    assert found["inputs"] == ["text"] and found["id"] == "7"


def test_the_stub_of_tensorflow_serving(served):
    url, tasks, _ = served
    found = asked("tensorflow_serving", url.grpc, TEXTS)
    check_classes(found, tasks["clf"])
    assert found["refused"].startswith("NOT_FOUND: ")
    assert found["signatures"] == ["examples", "serving_default", "token_ids", "tokenize"]


def test_an_inference_client(served):
    url, tasks, _ = served
    where = {"question": "tea?", "context": "stone and tea"}
    found = asked("huggingface_hub", url, where, "question_answering")
    want = tasks["qa"].answer_question(*where.values())[0]
    assert (found["answer"], found["start"]) == (want["answer"], want["start"])
    how = {"candidate_labels": ["tea", "stone"]}
    found = asked("huggingface_hub", url, how, "zero_shot_classification", "rain")
    tasks["zero"].set_candidates(how["candidate_labels"])
    want = tasks["zero"].classify("rain")
    assert [x["label"] for x in found] == want["labels"]
    assert [x["score"] for x in found] == pytest.approx(want["scores"], abs=FORWARD)
    alike = asked("huggingface_hub", url, {}, "sentence_similarity", "tea", ["rain", "tea"])
    assert alike[1] == pytest.approx(1.0, abs=FORWARD) and alike[0] < 1


def of_classes(found, task):
    (want,) = task.predict_labels(["tea"])
    assert found[0]["label"] == want.label
    assert found[0]["score"] == pytest.approx(want.probability, abs=FORWARD)


def of_entities(found, task):
    (want,) = task.predict_entities(["tea and rain"])
    names = ("entity_group", "word", "start", "end")
    assert [[x[n] for n in names] for x in found] == [[x[n] for n in names] for x in want]


def of_vectors(found, task):
    assert_near(found, task.encode(["tea"], normalize_embeddings=True), FORWARD)


def of_words(found, task):
    want = task.fill_masks(["stone and [MASK]"])[0][0]
    assert [x["token_str"] for x in found] == [x.word for x in want]
    assert [x["score"] for x in found] == pytest.approx([x.probability for x in want], abs=FORWARD)


@pytest.mark.parametrize(
    ("name", "method", "text", "compare"),
    [
        ("clf", "text_classification", "tea", of_classes),
        ("ner", "token_classification", "tea and rain", of_entities),
        ("vec", "feature_extraction", "tea", of_vectors),
        ("mlm", "fill_mask", "stone and [MASK]", of_words),
    ],
)
def test_an_inference_client_of_one_model(served, name, method, text, compare):
    _, tasks, folder = served
    with running(folder / name) as url:
        compare(asked("huggingface_hub", url, {}, method, text), tasks[name])
