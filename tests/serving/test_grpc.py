"""TensorFlow Serving's gRPC: its own client's stub, and ours, get what the task answers."""

import asyncio
import concurrent.futures

import grpc
import numpy as np
import pytest
import shell
import tensorflow as tf
from closeness import FORWARD, assert_near
from google.protobuf import wrappers_pb2
from served import TEXTS, exported, running
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

import bert_tf2
from bert_tf2.serving import AsyncClient, Client
from bert_tf2.serving.server.batching import Limits

CODE = grpc.StatusCode


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("grpc") / "models"


@pytest.fixture(scope="module")
def tasks(folder):
    return exported(folder, "clf")


@pytest.fixture(scope="module")
def url(folder, tasks):
    limits = Limits(max_rows=16, max_body_mb=1, max_text_bytes=200_000)
    with running(folder, limits=limits, grpc_port=0, poll_seconds=0.1) as url:
        yield url.grpc


@pytest.fixture(scope="module")
def channel(url):
    with grpc.insecure_channel(url.removeprefix("grpc://")) as channel:
        yield channel


@pytest.fixture
def stub(channel):
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


def asked(model="clf", **inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    for name, value in (inputs or {"text": TEXTS}).items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def test_the_stub_of_tensorflow_serving_itself(stub, channel, tasks):
    found = stub.Predict(asked(), timeout=60)
    want = tasks["clf"].predict(TEXTS, verbose=0)
    assert_near(tf.make_ndarray(found.outputs["logits"]), want, FORWARD)
    labels = [x.decode() for x in tf.make_ndarray(found.outputs["label"]).tolist()]
    assert labels == [x.label for x in tasks["clf"].predict_labels(TEXTS)]
    spec = found.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("clf", 1, "serving_default")

    ids = {name: x.numpy() for name, x in tasks["clf"].preprocessor(TEXTS).items()}
    request = asked(**ids)
    request.model_spec.signature_name = "token_ids"
    request.model_spec.version.CopyFrom(wrappers_pb2.Int64Value(value=1))
    request.output_filter.append("logits")
    found = stub.Predict(request, timeout=60)
    assert [*found.outputs] == ["logits"]
    assert_near(tf.make_ndarray(found.outputs["logits"]), want, FORWARD)

    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "clf"
    found = get_model_metadata_pb2.SignatureDefMap()
    stub.GetModelMetadata(request, timeout=60).metadata["signature_def"].Unpack(found)
    assert found.signature_def["serving_default"].inputs["text"].dtype == tf.string.as_datatype_enum

    states = model_service_pb2_grpc.ModelServiceStub(channel)
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "clf"
    (state,) = states.GetModelStatus(request, timeout=60).model_version_status
    assert (state.version, state.state, state.status.error_code) == (1, state.AVAILABLE, 0)


def test_our_client_by_its_url_alone(url, tasks):
    with Client(url, "clf", batch_size=3) as client:
        assert_near(client.predict(TEXTS), tasks["clf"].predict(TEXTS, verbose=0), FORWARD)
        assert client.predict_labels(TEXTS)[2].label == tasks["clf"].predict_labels(TEXTS)[2].label
    with Client(url, "clf", batch_size=100) as client:  # halves, as the server takes 16
        want = tasks["clf"].predict(TEXTS * 5, verbose=0)
        assert_near(client.predict(TEXTS * 5), want, FORWARD)
        bad = [b"\xff\xfe caf\xe9", b"tea"]
        assert_near(client.predict(bad), tasks["clf"].predict(bad, verbose=0), FORWARD)

    async def ask():
        async with AsyncClient(url, "clf") as client:
            return await asyncio.gather(*(client.predict([text]) for text in TEXTS * 4))

    want = tasks["clf"].predict(TEXTS * 4, verbose=0)
    assert_near(np.concatenate(asyncio.run(ask())), want, FORWARD)


@pytest.mark.full
def test_entities_and_choices(tmp_path):
    """What has inputs or outputs of another shape; and several models, of which one is named."""
    tasks = exported(tmp_path / "models", "ner", "choice")
    rows = {"text": ["tea", "rain"], "choices": [["a", "b"], ["c", "d"]]}
    with running(tmp_path / "models", grpc_port=0) as url:
        with Client(url.grpc, "ner", batch_size=2) as client:
            found, want = client.predict_entities(TEXTS), tasks["ner"].predict_entities(TEXTS)
            words = [[[x["word"] for x in row] for row in rows] for rows in (found, want)]
            assert words[0] == words[1]
        with Client(url.grpc, "choice") as client:
            want = tasks["choice"].predict_choices(rows)
            assert [x.choice for x in client.predict_choices(rows)] == [x.choice for x in want]
        with pytest.raises(ValueError, match="one of choice, ner"):
            Client(url.grpc).predict(["a"])


def changed(request, **fields):
    for name, value in fields.items():
        setattr(request.model_spec, name, value)
    return request


def tensor(**fields):
    """A request whose tensor of texts is odd."""
    request = asked()
    proto = request.inputs["text"]
    proto.ClearField("string_val")
    sizes = fields.pop("sizes", [])
    proto.tensor_shape.CopyFrom(tf.TensorShape([]).as_proto())
    for size in sizes:
        proto.tensor_shape.dim.add(size=size)
    for name, value in fields.items():
        kept = getattr(proto, name)
        kept.extend(value) if isinstance(value, list) else setattr(proto, name, value)
    return request


def filtered(name):
    request = asked()
    request.output_filter.append(name)
    return request


WRONG = {
    "model": (lambda: asked("nix"), CODE.NOT_FOUND, "no model 'nix'"),
    "signature": (lambda: changed(asked(), signature_name="x"), CODE.NOT_FOUND, "signature 'x'"),
    "label": (lambda: changed(asked(), version_label="x"), CODE.INVALID_ARGUMENT, "numbers"),
    "names": (lambda: asked(txt=["a"]), CODE.INVALID_ARGUMENT, "takes the inputs text"),
    "one too many": (
        lambda: asked(text=["a"], more=["b"]),
        CODE.INVALID_ARGUMENT,
        "takes the inputs text. Received: more, text",
    ),
    "kind": (lambda: asked(text=[1, 2]), CODE.INVALID_ARGUMENT, "must be of string"),
    "rank": (lambda: asked(text=[["a"]]), CODE.INVALID_ARGUMENT, "must have the shape"),
    "rows": (lambda: asked(text=["a"] * 17), CODE.RESOURCE_EXHAUSTED, "16 rows"),
    "long": (lambda: asked(text=["x" * 200_001]), CODE.RESOURCE_EXHAUSTED, "200,000 bytes"),
    "body": (lambda: asked(text=["x" * 1_100_000]), CODE.RESOURCE_EXHAUSTED, "larger than max"),
    "bomb": (
        lambda: tensor(sizes=[1 << 40], string_val=[b"a"]),
        CODE.RESOURCE_EXHAUSTED,
        "may have 131,072 values",
    ),
    "one for all": (
        lambda: tensor(sizes=[9], string_val=[b"a"]),
        CODE.INVALID_ARGUMENT,
        "a string_val for each",
    ),
    "content": (
        lambda: tensor(sizes=[1], tensor_content=b"a" * 8),
        CODE.INVALID_ARGUMENT,
        "a string_val for each",
    ),
    "more values": (
        lambda: tensor(sizes=[1], string_val=[b"a", b"b"]),
        CODE.INVALID_ARGUMENT,
        "a string_val for each",
    ),
    "size": (lambda: tensor(sizes=[-1]), CODE.INVALID_ARGUMENT, "must have a shape"),
    "dtype": (lambda: tensor(sizes=[1], dtype=9999), CODE.INVALID_ARGUMENT, "kind 9999"),
    "output": (lambda: filtered("x"), CODE.INVALID_ARGUMENT, "output_filter must be of label"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(stub, name):
    make, code, words = WRONG[name]
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(make(), timeout=60)
    assert caught.value.code() == code and words in caught.value.details()


def test_what_is_not_spoken_here(stub, url):
    with pytest.raises(grpc.RpcError) as caught:
        stub.Classify(classification_pb2.ClassificationRequest(), timeout=60)
    assert caught.value.code() == CODE.UNIMPLEMENTED
    with pytest.raises(ValueError, match="no model 'nix'"):
        Client(url, "nix").predict(["a"])
    with pytest.raises(ValueError, match="begin with http:// or grpc://"):
        Client("localhost:8500")
    with pytest.raises(ConnectionError, match="Is the server running"):
        Client("grpc://127.0.0.1:9", "m", retries=0).predict(["a"])


@pytest.mark.full
def test_a_key_a_new_version_and_what_is_taken_before_the_end(tmp_path):
    task = exported(tmp_path / "models", "clf")["clf"]
    with (
        concurrent.futures.ThreadPoolExecutor(8) as pool,
        running(tmp_path / "models", "geheim", poll_seconds=0.05, grpc_port=0) as url,
        Client(url.grpc, api_key="geheim", concurrency=8) as client,
    ):
        for wrong in (None, "other"):
            with pytest.raises(PermissionError, match="wants a key"):
                Client(url.grpc, api_key=wrong).predict(["a"])
        assert client.about["version"] == "1" and client.about["labels"] == task.labels
        bert_tf2.export_saved_model(task, tmp_path / "models" / "clf")
        while client.about["version"] == "1":
            client.predict(["a"])
        client.batch_size = 40
        going = [pool.submit(client.predict, [f"{i} tea"] * 40) for i in range(8)]
        concurrent.futures.wait(going, return_when="FIRST_COMPLETED")
    done = [one.result().shape for one in going if not one.exception()]
    failed = [one.exception() for one in going if one.exception()]
    assert done == [(40, 3)] * len(done) and all(isinstance(x, ConnectionError) for x in failed)


def test_requests_from_a_shell(url, capsys, monkeypatch):
    """Of one version, whatever is loaded meanwhile."""
    asked = []
    real = Client.answer
    monkeypatch.setattr(
        Client, "answer", lambda c, *x, **y: (asked.append(c.version), real(c, *x, **y))[1]
    )
    shell.runs("request", url, "--model=clf", "tea")
    assert capsys.readouterr().out.endswith("\ttea\n") and asked == [1]
