"""A client's answers are those of the task in this process; what fails is said, or tried again."""

import asyncio
import contextlib
import http.server
import json
import socket
import threading

import numpy as np
import pytest
import shell
from closeness import FORWARD, assert_near
from served import TEXTS, exported, running

from bert_tf2.serving import AsyncClient, Client, client_rest
from bert_tf2.serving.client_columns import columns_of
from bert_tf2.serving.client_tasks import TaskMethods
from bert_tf2.serving.server.batching import Limits


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("client") / "models"


@pytest.fixture(scope="module")
def tasks(folder):
    return exported(folder, "clf", "vec")


@pytest.fixture(scope="module")
def url(folder, tasks):
    with running(folder, limits=Limits(max_rows=8)) as url:
        yield url


def test_answers_are_the_tasks_own(url, tasks):
    texts = TEXTS * 5
    with Client(url, "clf", batch_size=3) as client:  # nine requests
        assert_near(client.predict(texts), tasks["clf"].predict(texts, verbose=0), FORWARD)
        (want,) = tasks["clf"].answer(texts)
        found = client.answer(np.array(texts))
        assert found.keys() == want.keys() and found["label"].tolist() == want["label"].tolist()
        assert {n: x.dtype for n, x in found.items()} == {n: x.dtype for n, x in want.items()}
        one, same = client.predict_labels(texts)[3], tasks["clf"].predict_labels(texts)[3]
        assert one.label == same.label and one.probabilities.keys() == same.probabilities.keys()
        assert_near([*one.probabilities.values()], [*same.probabilities.values()], FORWARD)
        bad = [b"\xff\xfe caf\xe9", b"tea"]
        assert_near(client.predict(bad), tasks["clf"].predict(bad, verbose=0), FORWARD)


def test_what_is_too_much_at_once_is_asked_in_halves(url, tasks):
    with Client(url, "vec", batch_size=30) as client:  # the server takes eight
        found = client.encode(TEXTS * 5, prompt_name="query", normalize_embeddings=True)
    want = tasks["vec"].encode(TEXTS * 5, prompt_name="query", normalize_embeddings=True)
    assert_near(found, want, FORWARD)


def test_many_at_once(url, tasks):
    async def ask():
        async with AsyncClient(url, "clf") as client:
            return await asyncio.gather(*(client.predict([text]) for text in TEXTS * 4))

    found = np.concatenate(asyncio.run(ask()))
    assert_near(found, tasks["clf"].predict(TEXTS * 4, verbose=0), FORWARD)


WRONG = {
    "no such model": (ValueError, "no model 'nix'", lambda c: c("nix").predict(["a"])),
    "several models": (ValueError, "one of clf, vec", lambda c: c(None).predict(["a"])),
    "one text": (ValueError, "list of str", lambda c: c("clf").predict("a")),
    "no text": (ValueError, "a row at least", lambda c: c("clf").predict([])),
    "pairs": (ValueError, "clf on http.*takes text", lambda c: c("clf").predict((["a"], ["b"]))),
    "numbers": (ValueError, "must be text", lambda c: c("clf").predict([1])),
    "signature": (ValueError, "must be one of", lambda c: c("clf").answer(["a"], "x")),
    "version": (ValueError, "no version 7", lambda c: c("clf", 7).predict(["a"])),
    "too long": (ValueError, "bytes", lambda c: c("clf").predict(["x" * 2_000_000])),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(url, name):
    kind, words, call = WRONG[name]
    with pytest.raises(kind, match=words):
        call(lambda model, version=None: Client(url, model, version))


def test_columns():
    assert columns_of([("a", "b"), ("c", "d")], {"text", "text_pair"}, "m") == {
        "text": ["a", "c"],
        "text_pair": ["b", "d"],
    }
    asked = columns_of((["q"], ["c"]), {"question", "context"}, "m")
    assert asked == {"question": ["q"], "context": ["c"]}
    with pytest.raises(ValueError, match="equally many"):
        columns_of((["q"], ["c", "d"]), {"question", "context"}, "m")


# === Servers that are not well ====================================================================


@pytest.mark.parametrize(
    ("tags", "none"), [("B-X", "O"), ("O X", "O"), ("NOUN _", "_"), ("NOUN", "_")]
)
def test_a_word_without_a_tag_where_the_server_tells_no_labels(tags, none):
    class Asked(TaskMethods):
        about: dict = {"task": None, "labels": None}  # noqa: RUF012

        def answer(self, x, signature):
            row = [tag.encode() for tag in tags.split()]
            words = [b"a"] * len(row)
            scores = np.ones((1, len(row)), np.float32)
            return {
                "tags": np.array([row], object),
                "words": np.array([words], object),
                "tag_scores": scores,
            }

    (found,) = Asked().predict_tags([["a"] * len(tags.split()) + [""]])
    assert found.tags == [*tags.split(), none] and found.scores[-1] == 0.0


class Handler(http.server.BaseHTTPRequestHandler):
    """Gives what `server.plan` says, a status and an answer each time, the last one for ever."""

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        plan = self.server.plan
        status, answer, *headers = plan.pop(0) if plan[1:] else plan[0]
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        if status is None:
            return self.connection.close()
        self.send_response(status)
        for name, value in [*headers, ("Content-Length", len(content))]:
            self.send_header(name, str(value))
        self.end_headers()
        return self.wfile.write(content)

    do_POST = do_GET

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def planned(*plan):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.plan = list(plan)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


SPECS = {"text": {"dtype": "DT_STRING"}}
METADATA = {
    "model_spec": {"version": "4"},
    "metadata": {
        "signature_def": {
            "signature_def": {
                "serving_default": {
                    "inputs": SPECS,
                    "outputs": {"logits": {"dtype": "DT_FLOAT"}, "word": SPECS["text"]},
                }
            }
        }
    },
}
BUSY = (503, {"error": "busy"})


def test_what_is_busy_is_asked_again():
    """A server without a list of models, as TensorFlow Serving is."""
    answer = {"outputs": {"logits": [[0.5, 1.0]], "word": [{"b64": "/w=="}]}}
    plan = [(404, b"Not Found"), BUSY, (200, METADATA), BUSY, (None, b""), (200, answer)]
    with planned(*plan) as url, Client(url, "m") as client:
        found = client.answer(["tea"])
        assert found["logits"].tolist() == [[0.5, 1.0]] and found["word"].tolist() == [b"\xff"]
        with pytest.raises(ValueError, match="a SavedModel, answers logits, word, and no prob"):
            client.predict_labels(["tea"])


def test_a_server_that_asks_for_an_hour(monkeypatch):
    monkeypatch.setattr(client_rest, "LONGEST", 0.1)
    answer = {"outputs": {"logits": [[0.5]], "word": ["a"]}}
    busy = (*BUSY, ("Retry-After", 3600))
    plan = [(404, b"Not Found"), (200, METADATA), busy, (200, answer)]
    with planned(*plan) as url, Client(url, "m") as client:
        assert client.answer(["tea"])["logits"].tolist() == [[0.5]]


def test_one_version_answers_all_rows():
    """What another one has answered in between is asked again."""

    def answered(version, value):
        outputs = {"logits": [[value]], "word": ["a"]}
        return 200, {"outputs": outputs}, ("Model-Version", version)

    about = [(404, b"Not Found"), (200, METADATA)]  # which says 4: another is asked for anew
    plan = [*about, answered(4, 0.0), answered(5, 1.0)]
    good = [*plan, *about, answered(5, 1.0), *about, answered(5, 2.0)]
    with planned(*good) as url, Client(url, "m", batch_size=1, concurrency=1) as client:
        assert client.answer(["tea", "rain"])["logits"].tolist() == [[1.0], [2.0]]
    for version in (5, 6):
        plan += [*about, answered(version, 0.0), *about, answered(version + 1, 0.0)]
    with (
        planned(*plan) as url,
        Client(url, "m", batch_size=1, concurrency=1) as client,
        pytest.raises(ConnectionError, match="another version of m"),
    ):
        client.answer(["tea", "rain"])


@pytest.mark.parametrize(
    ("plan", "kind", "words"),
    [
        ([BUSY], ConnectionError, "busy"),
        ([(500, {"error": "broken"})], ConnectionError, "broken"),
        ([(401, {"error": "a key"})], PermissionError, "a key"),
        ([(200, b"<html>")], ConnectionError, "html"),
        ([(400, {"error": "no"})], ValueError, "no"),
    ],
)
def test_what_fails_is_said(plan, kind, words):
    with planned(*plan) as url, pytest.raises(kind, match=words):
        Client(url, "m", retries=1).answer(["tea"])


def test_requests_without_rows():
    with pytest.raises(ValueError, match="`batch_size` must be"):
        Client("http://127.0.0.1:9", batch_size=0)


def test_a_server_without_models():
    """It is said that there is none, and no empty list of names."""
    with (
        planned((200, {"models": []})) as url,
        pytest.raises(ValueError, match="has no model that"),
    ):
        Client(url).answer(["tea"])


def test_nobody_there_and_nobody_in_time():
    with pytest.raises(ConnectionError, match="Is the server running"):
        Client("http://127.0.0.1:9", retries=0).answer(["tea"])
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = Client(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.1, retries=0)
        with pytest.raises(TimeoutError, match="does not answer"):
            client.answer(["tea"])


# === In a shell ===================================================================================


def test_request(url, tasks, tmp_path, capsys):
    shell.runs("request", url, "--model=clf", TEXTS[0], "tea")
    first, second = capsys.readouterr().out.splitlines()
    want = tasks["clf"].predict_labels([TEXTS[0], "tea"])
    assert first == f"{want[0].label}\t{want[0].probability:.4f}\t{TEXTS[0]}"
    assert second.endswith("\ttea")
    (tmp_path / "a.txt").write_text("\n".join(["tea", "rain"] * 9))
    out = tmp_path / "out.jsonl"
    how = [f"--input_file={tmp_path / 'a.txt'}", f"--output_file={out}"]
    shell.runs("request", url, "--model=clf", *how)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == 18 and rows[1]["text"] == "rain" and "p(stone)" in rows[0]
    shell.fails(capsys, 2, ["request", url, "--model=clf"], "one of them")
    shell.fails(capsys, 2, ["request"], "URL")
    shell.fails(capsys, 1, ["request", url, "tea"], "`model` must be one of clf, vec")
