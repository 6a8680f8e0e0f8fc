"""A client's wire over gRPC: TensorFlow Serving's PredictionService. It needs the extra `grpc`."""

import json

import grpc
import numpy as np

from bert_tf2.messages import cut
from bert_tf2.serving import grpc_messages
from bert_tf2.serving.client_errors import NotThere, TooMuch, unreachable

RISES = 0.2  # seconds before the second try; twice as much before each further one
MOST_TRIES = 5  # that gRPC makes at most
ANY_SIZE = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
CODE = grpc.StatusCode
ERRORS = {
    CODE.NOT_FOUND: NotThere,
    CODE.UNIMPLEMENTED: NotThere,
    CODE.RESOURCE_EXHAUSTED: TooMuch,
    CODE.UNAUTHENTICATED: PermissionError,
    CODE.PERMISSION_DENIED: PermissionError,
    CODE.INTERNAL: ConnectionError,
    CODE.UNKNOWN: ConnectionError,
}


class Grpc:
    """See `Client` for what is given and raised."""

    def __init__(self, url, api_key, timeout, retries, concurrency):
        self.url, self.timeout = url, timeout
        self.metadata = [("authorization", f"Bearer {api_key}")] if api_key else []
        options = [*ANY_SIZE, ("grpc.service_config", _retried(retries))]
        options += [("grpc.enable_retries", int(retries > 0))]
        self.channel = grpc.insecure_channel(url.removeprefix("grpc://"), options)
        self.stub = grpc_messages.prediction_stub(self.channel)

    def close(self):
        self.channel.close()

    def models(self):
        raise NotThere(f"{self.url}: gRPC has no list of models; a server's page has: http://…")

    def about(self, model, version):
        """What is known of a model: a dict. `model` may be None, of a server of ours with but one.

        TensorFlow Serving tells neither task nor labels, which are None then.
        """
        request = grpc_messages.metadata_request(model or "", version)
        found = self._ask(self.stub.GetModelMetadata, request)
        known = {"name": found.model_spec.name or model, "task": None, "labels": None}
        known |= grpc_messages.about(found)
        version = str(found.model_spec.version.value)
        return known | {"version": version, "signatures": grpc_messages.definitions(found)}

    def predict(self, model, version, name, columns, about):
        """One request.

        Args:
            name: of the signature. columns: dict of lists. about: see above.

        Returns:
            dict of arrays (n, …), and the version that answered, a str.
        """
        specs = about["signatures"][name]["inputs"]
        arrays = {n: _array(n, side, specs[n]["dtype"]) for n, side in columns.items()}
        request = grpc_messages.predict_request(model, version, name, arrays)
        found = self._ask(self.stub.Predict, request)
        return grpc_messages.arrays(found.outputs), str(found.model_spec.version.value)

    def _ask(self, method, request):
        try:
            return method(request, timeout=self.timeout, metadata=self.metadata)
        except grpc.RpcError as error:
            code, said = error.code(), cut(error.details() or "", 600)
            if code in (CODE.UNAVAILABLE, CODE.DEADLINE_EXCEEDED, CODE.CANCELLED):
                raise unreachable(self.url, said, code == CODE.DEADLINE_EXCEEDED) from error
            raise ERRORS.get(code, ValueError)(f"{self.url}: {said}") from error


def _retried(retries):
    """gRPC's own words for: ask again what is unavailable."""
    again = {
        "maxAttempts": min(retries + 1, MOST_TRIES),
        "initialBackoff": f"{RISES}s",
        "maxBackoff": f"{RISES * 2**MOST_TRIES}s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    method = {"name": [{}]} | ({"retryPolicy": again} if retries else {})
    return json.dumps({"methodConfig": [method]})


def _array(name, values, dtype):
    """A column as an array of a signature's kind; strings as an object array of bytes."""
    if dtype != "DT_STRING":
        return np.array(values, grpc_messages.kind_of(dtype))
    array = np.array(values, object)
    flat = array.reshape(-1)
    if not all(isinstance(x, str | bytes) for x in flat):
        raise ValueError(f"Each value of {name!r} must be text, and rows must be equally long.")
    flat[:] = [x.encode("utf-8") if isinstance(x, str) else x for x in flat]
    return array
