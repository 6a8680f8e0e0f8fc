"""SavedModels that are no task of ours: each kind of number, and what is no row."""

import numpy as np
import pytest
import tensorflow as tf
from served import ask, running

from bert_tf2.serving import Client

KINDS = {  # dtype -> Open Inference's name of it, a number
    "bfloat16": ("BF16", 1.5),
    "float16": ("FP16", 1.5),
    "float64": ("FP64", 1e40),
    "uint8": ("UINT8", 7),
    "int16": ("INT16", -300),
}


def saved(folder, function, dtype="float32", shape=(None,)):
    module = tf.Module()
    module.of = tf.function(function, [tf.TensorSpec(shape, dtype, "x")])
    tf.saved_model.save(module, folder / "1", {"serving_default": module.of})


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("others")
    for dtype in (*KINDS, "complex64"):
        saved(folder / dtype, lambda x: {"y": x + x}, dtype)
    # Names that have a meaning among our own outputs, and none here.
    saved(folder / "named", lambda x: {"labels": x, "values": 0 * x, "mask": x, "indices": x})
    saved(folder / "partly", lambda x: {"real": x, "other": tf.complex(x, x)})
    saved(folder / "total", lambda x: {"sum": tf.reduce_sum(x)})
    saved(folder / "scalar", lambda x: {"y": x}, shape=())
    with running(folder, grpc_port=0) as url:
        yield url


def infer(url, name, kind, data, **more):
    tensor = {"name": "x", "shape": [len(data)], "datatype": kind, "data": data}
    return ask(f"{url}/v2/models/{name}/infer", {"inputs": [tensor]} | more)


@pytest.mark.parametrize("dtype", KINDS)
def test_kinds_of_numbers(url, dtype):
    kind, value = KINDS[dtype]
    assert ask(f"{url}/v1/models/{dtype}:predict", {"instances": [value]}) == (
        200,
        {"predictions": [2 * value]},
    )
    status, found = infer(url, dtype, kind, [value])
    assert status == 200
    assert found["outputs"] == [{"name": "y", "datatype": kind, "shape": [1], "data": [2 * value]}]
    assert ask(f"{url}/v2/models/{dtype}")[1]["inputs"][0]["datatype"] == kind
    for wire in (url, url.grpc):
        with Client(wire, dtype) as client:
            found = client.answer({"x": [value, 0]})["y"]
            assert found.dtype.name == dtype and found.tolist() == [2 * value, 0]


def test_what_json_has_no_word_for(url):
    said = "'x' is of complex64"
    for status, answer in (
        ask(f"{url}/v1/models/complex64:predict", {"instances": [1]}),
        infer(url, "complex64", "FP32", [1.0]),
        ask(f"{url}/v2/models/complex64"),
    ):
        assert status == 501 and said in answer["error"]
    status, answer = ask(f"{url}/v1/models/partly:predict", {"instances": [1]})
    assert status == 501 and "'other' is of complex64" in answer["error"]
    status, answer = infer(url, "partly", "FP32", [1.0], outputs=[{"name": "real"}])
    assert status == 200 and answer["outputs"][0]["data"] == [1.0]
    with Client(url.grpc, "complex64") as client:
        assert client.answer({"x": [1 + 2j]})["y"].tolist() == [2 + 4j]
    with Client(url, "partly") as client, pytest.raises(ValueError, match="'other' is of complex"):
        client.answer({"x": [1.0]})


def test_names_of_others_mean_nothing_here(url):
    status, found = ask(f"{url}/v1/models/named:predict", {"inputs": {"x": [1.0, 0.0]}})
    assert status == 200
    assert found["outputs"] == {
        **{name: [1.0, 0.0] for name in ("labels", "mask", "indices")},
        "values": [0.0, 0.0],
    }


def test_what_is_not_of_rows(url):
    status, answer = ask(f"{url}/v1/models/total:predict", {"instances": [1.0, 2.0]})
    assert status == 501 and "'sum' is not of rows: 2 were asked" in answer["error"]
    with Client(url.grpc, "total") as client, pytest.raises(ValueError, match="is not of rows"):
        client.answer({"x": np.ones(3)})
    status, answer = ask(f"{url}/v1/models/scalar:predict", {"inputs": 1.0})
    assert status == 501 and "must take rows" in answer["error"]
