"""Asks a server with a client that nobody here wrote; prints the answers, as JSON.

Arguments, each as JSON: the client's name, the URL, texts, and what else it wants.
"""

import json
import sys


def openai(url, texts):
    """Vectors of a model called vec, in base64, unasked; and how an unknown one is refused."""
    import openai

    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none")
    found = client.embeddings.create(model="vec", input=texts)
    assert found.usage.prompt_tokens > 0
    try:
        client.embeddings.create(model="nix", input="tea")
    except openai.NotFoundError as error:
        refused = error.body["message"]
    return {
        "vectors": [x.embedding for x in found.data],
        "models": [x.id for x in client.models.list()],
        "refused": refused,
    }


def tritonclient(url, texts, binary):
    """Logits of a model called clf."""
    import numpy as np
    from tritonclient import http

    client = http.InferenceServerClient(url.removeprefix("http://"))
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("clf")
    described = client.get_model_metadata("clf")
    text = http.InferInput("text", [len(texts)], "BYTES")
    text.set_data_from_numpy(np.array(texts, object), binary_data=binary)
    outputs = [http.InferRequestedOutput(name, binary_data=binary) for name in ("logits", "label")]
    packed = "gzip" if binary else None
    found = client.infer(
        "clf", [text], outputs=outputs, request_id="7", request_compression_algorithm=packed
    )
    try:
        client.infer("nix", [text])
    except Exception as error:
        refused = str(error)
    return {
        "logits": found.as_numpy("logits").tolist(),
        "labels": [_text(x) for x in found.as_numpy("label").tolist()],
        "inputs": [x["name"] for x in described["inputs"]],
        "id": found.get_response()["id"],
        "refused": refused,
    }


def huggingface_hub(url, texts, method, *arguments):
    """One method of an `InferenceClient`."""
    from huggingface_hub import InferenceClient

    found = getattr(InferenceClient(model=url), method)(*arguments, **texts)
    return json.loads(json.dumps(found, default=lambda x: x.tolist()))


def tensorflow_serving(url, texts):
    """Logits of a model called clf, by the generated stub, over gRPC; and its signatures."""
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2
    from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

    with grpc.insecure_channel(url.removeprefix("grpc://")) as channel:
        stub, request = PredictionServiceStub(channel), predict_pb2.PredictRequest()
        request.model_spec.name = "clf"
        request.inputs["text"].CopyFrom(tf.make_tensor_proto(texts))
        found = stub.Predict(request, timeout=60).outputs
        asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        asked.model_spec.name, request.model_spec.name = "clf", "nix"
        known = get_model_metadata_pb2.SignatureDefMap()
        stub.GetModelMetadata(asked, timeout=60).metadata["signature_def"].Unpack(known)
        try:
            stub.Predict(request, timeout=60)
        except grpc.RpcError as error:
            refused = f"{error.code().name}: {error.details()}"
    return {
        "logits": tf.make_ndarray(found["logits"]).tolist(),
        "labels": [_text(x) for x in tf.make_ndarray(found["label"]).tolist()],
        "signatures": sorted(known.signature_def),
        "refused": refused,
    }


def _text(value):
    return value.decode() if isinstance(value, bytes) else value


if __name__ == "__main__":
    client, *given = map(json.loads, sys.argv[1:])
    answers = globals()[client](*given)
    assert "bert_tf2" not in sys.modules
    print(json.dumps(answers))
