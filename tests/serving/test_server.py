"""A server over HTTP: each protocol's answers are the task's own, and what is wrong is said."""

import base64
import gzip
import http.client
import json
import shutil
import socket
import struct
import time
import urllib.parse
import zlib

import numpy as np
import pytest
import tensorflow as tf
from closeness import FORWARD, assert_near
from served import TEXTS, ask, exported, running
from wrong_requests import PREDICT, WRONG

from bert_tf2.serving.server.app import PROTOCOLS
from bert_tf2.serving.server.batching import Limits
from bert_tf2.tasks.tagging import rows_of_entities


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("server") / "models"


@pytest.fixture(scope="module")
def tasks(folder):
    return exported(folder, "clf", "ner", "vec")


@pytest.fixture(scope="module")
def url(folder, tasks):
    with running(folder, limits=Limits(max_body_mb=1, max_text_bytes=200_000)) as url:
        yield url


def good(found):
    status, answer = found
    assert status == 200, answer
    return answer


# === Answers ======================================================================================


def test_rows_and_columns_of_tf_serving(url, tasks):
    place = f"{url}/v1/models/clf:predict"
    want = tasks["clf"].predict(TEXTS, verbose=0)
    rows = good(ask(place, {"instances": TEXTS}))["predictions"]
    assert_near([row["logits"] for row in rows], want, FORWARD)
    assert {row["label"] for row in rows} <= {*tasks["clf"].labels}
    named = good(ask(place, {"instances": [{"text": text} for text in TEXTS]}))
    assert named["predictions"] == rows
    columns = good(ask(place, {"inputs": {"text": TEXTS}}))["outputs"]
    assert columns["logits"] == [row["logits"] for row in rows]
    assert good(ask(place, {"inputs": TEXTS}))["outputs"] == columns
    long = good(ask(f"{url}/v1/models/clf/versions/1:predict", {"inputs": ["x" * 100_000]}))
    assert_near(long["outputs"]["logits"], tasks["clf"].predict(["x" * 100_000]), FORWARD)


def test_bytes_and_ids_of_tf_serving(url, tasks):
    bad = [b"\xff\xfe caf\xe9 tea", b"stone"]
    coded = [{"b64": base64.b64encode(x).decode()} for x in bad]
    place = f"{url}/v1/models/clf:predict"
    found = good(ask(place, {"instances": coded}))["predictions"]
    assert_near([x["logits"] for x in found], tasks["clf"].predict(bad, verbose=0), FORWARD)
    ids = tasks["clf"].preprocessor(TEXTS)
    ids = {name: x.numpy().tolist() for name, x in ids.items()}
    found = good(ask(place, {"signature_name": "token_ids", "inputs": ids}))["outputs"]
    assert_near(found["logits"], tasks["clf"].predict(TEXTS, verbose=0), FORWARD)
    assert good(ask(f"{url}/v1/models/ner:predict", {"instances": [coded[0]]}))["predictions"]


def test_entities_are_no_wider_alone_than_together(url, tasks):
    place = f"{url}/v1/models/ner:predict"
    together = good(ask(place, {"inputs": TEXTS}))["outputs"]
    (want,) = tasks["ner"].answer(TEXTS)
    assert {name: np.shape(x) for name, x in together.items()} == {
        name: x.shape for name, x in want.items()
    }
    found = good(ask(f"{url}/", {"inputs": TEXTS, "model": "ner"}))
    for row, entities in zip(found, rows_of_entities(want), strict=True):
        assert [x | {"score": 0} for x in row] == [x | {"score": 0} for x in entities]
        assert_near([x["score"] for x in row], [x["score"] for x in entities], FORWARD)


def test_state_and_metadata(url):
    (state,) = good(ask(f"{url}/v1/models/clf"))["model_version_status"]
    assert (state["version"], state["state"]) == ("1", "AVAILABLE")
    assert state["status"] == {"error_code": "OK", "error_message": ""}
    found = good(ask(f"{url}/v1/models/clf/metadata"))
    text = found["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]["text"]
    assert text["dtype"] == "DT_STRING"
    assert [dim["size"] for dim in text["tensor_shape"]["dim"]] == ["-1"]


def test_vectors_of_tei_and_openai(url, tasks):
    encoder = tasks["vec"]
    want = encoder.encode(TEXTS, normalize_embeddings=True)
    assert_near(good(ask(f"{url}/embed", {"inputs": TEXTS})), want, FORWARD)
    assert_near(good(ask(f"{url}/", {"inputs": TEXTS[0], "model": "vec"})), want[:1], FORWARD)
    whole = {"inputs": TEXTS[0], "truncate": False}
    assert_near(good(ask(f"{url}/embed", whole | {"model": "vec"})), want[:1], FORWARD)
    assert (
        ask(f"{url}/embed", {"inputs": "tea " * 200, "truncate": False, "model": "vec"})[0] == 413
    )
    alike = {"inputs": {"source_sentence": TEXTS[0], "sentences": TEXTS}}
    assert_near(good(ask(f"{url}/similarity", alike)), want @ want[0], FORWARD)
    plain = {"inputs": TEXTS, "normalize": False, "prompt_name": "query"}
    plain = good(ask(f"{url}/embed", plain))
    assert_near(plain, encoder.encode(TEXTS, prompt_name="query"), 10 * FORWARD)
    body = {"input": TEXTS, "model": "vec", "dimensions": 7}
    want = encoder.encode(TEXTS, normalize_embeddings=True, truncate_dim=7)
    found = good(ask(f"{url}/v1/embeddings", body))
    assert_near([x["embedding"] for x in found["data"]], want, FORWARD)
    found = good(ask(f"{url}/v1/embeddings", body | {"encoding_format": "base64"}))["data"]
    found = [np.frombuffer(base64.b64decode(x["embedding"]), "<f4") for x in found]
    assert_near(found, want, FORWARD)


def test_classes_of_tei(url, tasks):
    given = [[text] for text in TEXTS]
    found = good(ask(f"{url}/predict", {"inputs": given, "model": "clf"}))
    for row, want in zip(found, tasks["clf"].predict_labels(TEXTS), strict=True):
        assert row[0]["label"] == want.label
        assert_near({x["label"]: x["score"] for x in row}["tea"], want.probabilities["tea"], 1e-5)
    for ignored in ({"truncate": False}, {"truncation_direction": "Left"}):
        status, said = ask(f"{url}/predict", {"inputs": given, "model": "clf"} | ignored)
        assert status == 422 and "What is too long" in str(said)
    (one, several) = good(ask(f"{url}/predict", {"inputs": TEXTS[0]})), found[0]
    assert [x["label"] for x in one] == [x["label"] for x in several]
    raw = good(ask(f"{url}/predict", {"inputs": TEXTS[0], "raw_scores": True}))
    logits = np.sort(tasks["clf"].predict(TEXTS[:1], verbose=0)[0])[::-1]
    assert_near([x["score"] for x in raw], logits, FORWARD)


def test_v2_in_json_and_in_bytes(url, tasks):
    want = tasks["clf"].predict(TEXTS, verbose=0)
    place = f"{url}/v2/models/clf/versions/1/infer"
    tensor = {"name": "text", "shape": [len(TEXTS)], "datatype": "BYTES"}
    found = good(ask(place, {"id": "7", "inputs": [tensor | {"data": TEXTS}]}))
    outputs = {x["name"]: x for x in found["outputs"]}
    assert found["id"] == "7" and outputs["logits"]["shape"] == [*want.shape]
    assert_near(np.reshape(outputs["logits"]["data"], want.shape), want, FORWARD)
    assert outputs["label"]["datatype"] == "BYTES"
    assert {*outputs["label"]["data"]} <= {*tasks["clf"].labels}

    texts = b"".join(struct.pack("<I", len(x)) + x for x in map(str.encode, TEXTS))
    tensor["parameters"] = {"binary_data_size": len(texts)}
    wanted = {"name": "logits", "parameters": {"binary_data": True}}
    head = json.dumps({"inputs": [tensor], "outputs": [wanted]}).encode()
    length = {"Inference-Header-Content-Length": str(len(head))}
    found = good(ask(place, head + texts, **length))
    assert_near(np.frombuffer(found[-want.nbytes :], "<f4").reshape(want.shape), want, FORWARD)
    (output,) = json.loads(found[: -want.nbytes])["outputs"]
    assert output["parameters"] == {"binary_data_size": want.nbytes}


def test_what_there_is(url):
    assert good(ask(f"{url}/health")) == {}
    assert good(ask(f"{url}/v2/health/ready")) == {"ready": True}
    assert [x["id"] for x in good(ask(f"{url}/v1/models"))["data"]] == ["clf", "ner", "vec"]
    assert [x["datatype"] for x in good(ask(f"{url}/v2/models/clf"))["inputs"]] == ["BYTES"]
    assert good(ask(f"{url}/info"))["model_type"]["classifier"]["id2label"]["0"] == "tea"
    lines = good(ask(f"{url}/metrics")).decode().splitlines()
    samples = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    figures = {name: float(value) for name, _, value in samples}
    buckets = [x for name, x in figures.items() if 'batch_rows_bucket{model="clf"' in name]
    assert buckets == sorted(buckets) and buckets[-1] > 0
    assert figures['bert_tf2_model_version{model="clf"}'] == 1


# === What is wrong ================================================================================


@pytest.mark.parametrize(("path", "body", "status", "words"), WRONG)
def test_what_is_wrong_is_said(url, path, body, status, words):
    got, answer = ask(url + path, body)
    assert got in (status if isinstance(status, tuple) else (status,)), answer
    said = answer["error"]
    assert words in (said["message"] if isinstance(said, dict) else said)
    assert "Traceback" not in json.dumps(answer)


def test_bodies_that_are_packed(url):
    place, body = f"{url}/v1/models/clf:predict", b'{"instances": ["tea"]}'
    want, packed = ask(place, body), gzip.compress(body)
    for kind, content in (("gzip", packed), ("deflate", zlib.compress(body)), ("identity", body)):
        assert ask(place, content, **{"Content-Encoding": kind}) == want
    for kind, content, status, words in (
        ("br", body, 415, "gzip or deflate"),
        ("gzip", body, 400, "not packed by gzip"),
        ("gzip", packed[:-12], 400, "ends too early"),
        ("gzip", packed + gzip.compress(b"{}"), 400, "goes on behind its end"),
        ("gzip", gzip.compress(b" " * (1 << 24)), 413, "may have 1,048,576 bytes"),
    ):
        got, answer = ask(place, content, **{"Content-Encoding": kind})
        assert got == status and words in answer["error"], answer


def test_numbers_that_json_has_no_word_for(tmp_path):
    """Of a SavedModel of others: what does not fit, an answer that is not finite, and its task."""
    for name, dtype in (("twice", "float32"), ("double", "float64"), ("byte", "uint8")):
        module = tf.Module()
        module.of = tf.function(lambda x: {"y": 2 * x}, [tf.TensorSpec([None], dtype, "x")])
        tf.saved_model.save(module, tmp_path / name / "1", {"serving_default": module.of})
    tensor = {"name": "x", "shape": [1], "datatype": "FP32"}
    with running(tmp_path) as url:
        place, v2 = f"{url}/v1/models/twice:predict", f"{url}/v2/models/twice/infer"
        assert good(ask(place, {"instances": [1.5]})) == {"predictions": [3.0]}
        for name, kind, value in (("double", "FP64", 1e40), ("byte", "UINT8", 7)):
            there = f"{url}/v1/models/{name}:predict"
            assert good(ask(there, {"instances": [value]})) == {"predictions": [2 * value]}
            asked = {"inputs": [tensor | {"datatype": kind, "data": [value]}]}
            (found,) = good(ask(f"{url}/v2/models/{name}/infer", asked))["outputs"]
            assert (found["datatype"], found["data"]) == (kind, [2 * value])
        for at, status, words, body in (
            (place, 400, "does not fit into float32", b'{"instances": [1e40]}'),
            (place, 400, "Infinity is no number", b'{"instances": [Infinity]}'),
            (place, 422, "are not finite", {"instances": [3e38]}),
            (v2, 400, "no FP32", {"inputs": [tensor | {"data": [1e40]}]}),
            (v2, 422, "are not finite", {"inputs": [tensor | {"data": [3e38]}]}),
            (f"{url}/predict", 422, "a SavedModel whose task", {"inputs": "a", "model": "twice"}),
        ):
            got, answer = ask(at, body)
            assert got == status and words in answer["error"], answer


def test_clients_that_hang_up_or_say_nothing(url):
    """Half a body, no answer awaited, no request at all: the server lives on."""
    there = urllib.parse.urlsplit(url)
    body = json.dumps({"instances": TEXTS * 50}).encode()
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    silent = socket.create_connection((there.hostname, there.port))
    for sent in (head + body, head + body[:50], head[:30], b"\x16\x03\x01\x02\x00", b""):
        with socket.create_connection((there.hostname, there.port)) as client:
            client.sendall(sent)
    assert good(ask(url + PREDICT, {"instances": ["tea"]}))
    silent.close()


def test_an_answer_does_not_wait_for_an_acknowledgement(url):
    """A header and a body sent apart take 40 ms where Nagle's algorithm is on, once a connection
    is no longer new."""
    there, times = urllib.parse.urlsplit(url), []
    connection = http.client.HTTPConnection(there.hostname, there.port, timeout=60)
    for _ in range(100):
        started = time.perf_counter()
        connection.request("POST", "/v1/models/nix:predict", b'{"instances": ["tea"]}')
        assert b"no model" in connection.getresponse().read()
        times.append(time.perf_counter() - started)
    connection.close()
    assert min(times[50:]) < 0.03


def test_no_route_without_the_key(folder, tasks):
    with running(folder / "vec", api_key="geheim") as url:
        for protocol in PROTOCOLS:
            for methods, path, _ in protocol.ROUTES:
                body = {} if methods == ("POST",) else None
                assert ask(url + path.replace("{", "%7B"), body)[0] == 401, path
        assert ask(url + "/nix")[0] == 401
        wrong = ("Bearer gehein", "Bearer", "Basic geheim", "geheim", "Bearer ", "Basic ====")
        assert {ask(f"{url}/health", Authorization=x)[0] for x in wrong} == {401}
        basic = base64.b64encode(b"me:geheim").decode()
        for right in ("Bearer geheim", f"Basic {basic}"):
            assert ask(f"{url}/health", Authorization=right)[0] == 200
        assert ask(f"{url}/embed", {"inputs": "tea"}, Authorization="Bearer geheim")[0] == 200


# === Versions =====================================================================================


def test_new_versions_replace_old_ones(folder, tasks, tmp_path):
    def until(number):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            found = good(ask(f"{url}/v1/models/m"))["model_version_status"]
            states = {int(x["version"]): x["state"] for x in found}
            if number in states:
                return states
            time.sleep(0.05)
        raise AssertionError(found)

    place = tmp_path / "m"
    shutil.copytree(folder / "vec" / "1", place / "1")
    with running(place, poll_seconds=0.05) as url:
        want = good(ask(f"{url}/embed", {"inputs": "tea"}))
        shutil.copytree(folder / "vec" / "1", tmp_path / ".2")
        (tmp_path / ".2").rename(place / "2")
        assert until(2) == {2: "AVAILABLE"}
        assert good(ask(f"{url}/embed", {"inputs": "tea"})) == want
        assert ask(f"{url}/v1/models/m/versions/1:predict", {"instances": ["a"]})[0] == 404
        (place / "3").mkdir()
        (place / "3" / "saved_model.pb").write_bytes(b"half of it")  # as a copy that was cut off
        assert until(3) == {2: "AVAILABLE", 3: "END"}
        assert good(ask(f"{url}/embed", {"inputs": "tea"})) == want
        shutil.rmtree(place / "2")
        assert good(ask(f"{url}/embed", {"inputs": "tea"})) == want


def test_a_folder_without_models_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="bert_tf2 export"), running(tmp_path):
        pass
