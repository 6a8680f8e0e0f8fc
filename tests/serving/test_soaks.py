"""A server in rough hands for minutes: whatever comes, right requests get right answers."""

import concurrent.futures
import contextlib
import http.client
import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

import grpc
import load
import pytest
from closeness import FORWARD, assert_near
from served import TEXTS, ask, exported, running
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from bert_tf2.serving import Client
from bert_tf2.serving.grpc_messages import predict_request
from bert_tf2.serving.server.service import strings

pytestmark = pytest.mark.soak
MIXED = ("clf", "ner", "vec", "qa", "num", "multi")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("soak") / "models"
    tasks = exported(folder, *MIXED)
    with running(folder, grpc_port=0) as url:
        yield url, tasks


def metric(url, name):
    """The value of a metric without labels, or that of all routes together."""
    lines = ask(f"{url}/metrics")[1].decode().splitlines()
    return sum(float(x.rpartition(" ")[2]) for x in lines if x.startswith(f"bert_tf2_{name}"))


def test_thirty_two_clients_of_all_kinds_for_a_minute(served):
    url, tasks = served
    load.run([url, url.grpc], tasks, seconds=5)  # what a process takes once
    found = load.run([url, url.grpc], tasks, seconds=60)
    print(found)
    assert len(found.seconds) > 1000
    assert found.settled.max() - found.settled.min() < 50


@contextlib.contextmanager
def right_requests(url, task):
    """A client that asks on and on; yields the times that its answers took."""
    want, took, ends = task.predict(TEXTS, verbose=0), [], threading.Event()

    def ask_on():
        with Client(url, "clf", concurrency=1, retries=0) as client:
            while not ends.is_set():
                started = time.monotonic()
                assert_near(client.predict(TEXTS), want, FORWARD)
                took.append(time.monotonic() - started)
                time.sleep(0.01)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        going = pool.submit(ask_on)
        try:
            yield took
        finally:
            ends.set()
            going.result()


def test_bodies_of_a_hundred_megabytes(served):
    url, tasks = served
    place = urllib.parse.urlsplit(url)
    piece = b'"' + b"tea " * (1 << 18) + b'",'
    with right_requests(url, tasks["clf"]) as took:
        before = load.resident()
        for _ in range(5):
            connection = http.client.HTTPConnection(place.hostname, place.port, timeout=120)
            connection.putrequest("POST", "/v1/models/clf:predict")
            connection.putheader("Content-Length", str(100 * len(piece)))
            connection.endheaders()
            for _ in range(100):
                connection.send(piece)
            answer = connection.getresponse()
            assert answer.status == 413 and b"33,554,432 bytes" in answer.read()
            connection.close()
        with grpc.insecure_channel(url.grpc.removeprefix("grpc://")) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            request = predict_request("clf", None, "", {"text": strings(["tea " * (25 << 20)])})
            with pytest.raises(grpc.RpcError) as caught:
                stub.Predict(request, timeout=120)
            assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            del request
        grown = load.resident() - before
    print(
        f"{len(took)} right answers meanwhile, {max(took) * 1000:.0f} ms at most; {grown:.0f} MiB"
    )
    assert len(took) > 10


def connected(url):
    place = urllib.parse.urlsplit(url)
    return socket.create_connection((place.hostname, place.port), timeout=60)


def test_slow_clients_and_such_as_hang_up(served):
    """Hundreds that send half a head or half a body and then a byte a second, or go unanswered."""
    url, tasks = served
    body = json.dumps({"inputs": TEXTS * 20}).encode()
    head = b"POST /v1/models/clf:predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n" % len(body)
    with right_requests(url, tasks["clf"]) as took, contextlib.ExitStack() as open_ones:
        slow = [open_ones.enter_context(connected(url)) for _ in range(200)]
        for number, one in enumerate(slow):
            one.sendall(head[:40] if number % 2 else head + b"\r\n" + body[:30])
        for round_ in range(10):
            for one in slow:
                one.sendall(b"a")
            for _ in range(40):  # in the middle of being answered
                with connected(url) as gone:
                    gone.sendall(head + b"\r\n" + body)
                    if round_ % 2:  # a reset, not an end
                        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            time.sleep(1)
    time.sleep(3)
    found = sorted(took)
    print(f"{len(found)} right answers, p99 {found[int(len(found) * 0.99)] * 1000:.0f} ms")
    assert len(found) > 50
    assert metric(url, "in_flight_requests") == 1  # that which asks
    assert ask(f"{url}/health") == (200, {})


def test_fuzzed_messages(served):
    """Bytes of a request changed at random: an answer, or a reason; never silence or an end."""
    url, tasks = served
    generator, codes = random.Random(5), {}
    good = predict_request("clf", 1, "serving_default", {"text": strings(TEXTS)})
    good = good.SerializeToString()
    with grpc.insecure_channel(url.grpc.removeprefix("grpc://")) as channel:
        call = channel.unary_unary(
            "/tensorflow.serving.PredictionService/Predict",
            response_deserializer=predict_pb2.PredictResponse.FromString,
        )
        for _ in range(2000):
            content = bytearray(good)
            for _ in range(generator.randint(1, 4)):
                content[generator.randrange(len(content))] = generator.randrange(256)
            try:
                call(bytes(content[: generator.choice([len(content), 40, 9])]), timeout=60)
                code = "OK"
            except grpc.RpcError as error:
                code = error.code().name
                assert error.details()
            codes[code] = codes.get(code, 0) + 1
    print(codes)
    assert {*codes} <= {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED"}
    with Client(url.grpc, "clf") as client:
        assert_near(client.predict(TEXTS), tasks["clf"].predict(TEXTS, verbose=0), FORWARD)


def test_sigterm_finishes_what_it_has_taken(tmp_path):
    """Over both wires, while more is on its way than is computed."""
    task = exported(tmp_path / "models", "clf")["clf"]
    command = [sys.executable, "-m", "bert_tf2", "serve", tmp_path / "models", "--port=0"]
    command += ["--grpc_port=0", "--nolog_requests"]
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    for seed in range(5):
        generator = random.Random(seed)
        server = subprocess.Popen([*map(str, command)], **how)
        said = [server.stdout.readline() for _ in range(2)]
        url = next(word for word in said[0].split() if word.startswith("http")).rstrip(",")
        wires = [url, said[1].split()[-1]]
        texts = [f"{i} stone and tea" for i in range(400)]
        want = task.predict(texts, verbose=0)
        clients = [Client(wires[i % 2], "clf", batch_size=400, retries=0) for i in range(16)]
        assert all(client.about for client in clients)
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            going = [pool.submit(client.predict, texts) for client in clients]
            concurrent.futures.wait(going, return_when="FIRST_COMPLETED")
            time.sleep(generator.uniform(0, 0.1))
            server.send_signal(signal.SIGTERM)
            for one in going:
                assert_near(one.result(), want, FORWARD)
        assert server.wait(60) == 128 + signal.SIGTERM
        server.stdout.close()


EXPORT = """
import sys, keras, bert_tf2
from bert_tf2 import TextClassifier
task = keras.saving.load_model(sys.argv[1])
print("begins", flush=True)
bert_tf2.export_saved_model(task, sys.argv[2])
print("written", flush=True)
"""


def test_kill_9_during_exports(tmp_path):
    """The version that is there goes on answering, whatever a killed export has left."""
    folder, generator = tmp_path / "models" / "clf", random.Random(3)
    task = exported(tmp_path / "models", "clf")["clf"]
    task.save(tmp_path / "clf.keras")
    command = [sys.executable, "-c", EXPORT, str(tmp_path / "clf.keras"), str(folder)]
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    reached = []
    with (
        running(tmp_path / "models", poll_seconds=0.05) as url,
        right_requests(url, task) as took,
    ):
        for _ in range(10):
            before = {x.name for x in folder.iterdir() if x.name.isdecimal()}
            export = subprocess.Popen(command, **how)
            assert export.stdout.readline() == "begins\n"
            known = set(folder.iterdir())  # until something is written, and some moments more
            while export.poll() is None and known == set(folder.iterdir()):
                time.sleep(0.005)
            time.sleep(generator.uniform(0, 0.5))
            export.kill()
            export.communicate()
            there = {x.name for x in folder.iterdir() if x.name.isdecimal()}
            reached.append(len(there - before))
            assert all((folder / x / "saved_model.pb").is_file() for x in there)
        states = ask(f"{url}/v1/models/clf")[1]["model_version_status"]
    drafts = sum(x.name.startswith(".") for x in folder.iterdir())
    print(f"{len(took)} right answers; exports whole: {reached}, drafts left: {drafts}")
    assert [x["state"] for x in states] == ["AVAILABLE"] and drafts > 0
