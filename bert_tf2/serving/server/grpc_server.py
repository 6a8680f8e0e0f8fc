"""TensorFlow Serving's PredictionService and ModelService over gRPC, beside the routes of HTTP.

The same models, batches, limits and key. It needs the extra `grpc`.
"""

import asyncio
import functools
import hmac
import logging
import math
import time

import grpc
from google.protobuf.message import DecodeError

from bert_tf2.messages import cut, shorten
from bert_tf2.serving import grpc_messages
from bert_tf2.serving.server.errors import Refused
from bert_tf2.serving.server.models import DEFAULT
from bert_tf2.serving.server.protocols.tf_serving import states

LOGGER = logging.getLogger("bert_tf2.serving")
CODE = grpc.StatusCode
CODES = {  # of HTTP -> of gRPC
    401: CODE.UNAUTHENTICATED,
    404: CODE.NOT_FOUND,
    413: CODE.RESOURCE_EXHAUSTED,
    500: CODE.INTERNAL,
    501: CODE.UNIMPLEMENTED,
    503: CODE.UNAVAILABLE,
    504: CODE.DEADLINE_EXCEEDED,
}
LARGEST = 8  # bytes of a value
MESSAGE = 2000  # characters of a reason, which travels among the headers


def new_server(service, host, port, api_key=None):
    """A server that does not listen yet.

    Args:
        service: a `Service`. host, port, api_key: see `running.serve`.

    Returns:
        a `grpc.aio.Server`, and its port.

    Raises:
        OSError: the port is taken.
    """
    most = service.limits.max_body_mb << 20
    options = [("grpc.max_receive_message_length", most), ("grpc.max_send_message_length", -1)]
    server = grpc.aio.server(options=[*options, ("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers(_handlers(service, api_key))
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        return server, server.add_insecure_port(place)
    except RuntimeError as error:
        raise OSError(f"Cannot listen on {place} for gRPC. See --grpc_port.") from error


def _handlers(service, api_key):
    """What gRPC is to call for each method of each service.

    Messages come as bytes and are read here: gRPC itself would answer INTERNAL to what is none.
    """
    watched, found = Watched(service, api_key), []
    for name, methods in SERVICES.items():
        handlers = {
            method: grpc.unary_unary_rpc_method_handler(
                functools.partial(watched.answer, method, kind, function)
            )
            for method, (kind, function) in methods.items()
        }
        found.append(grpc.method_handlers_generic_handler(name, handlers))
    return found


class Watched:
    """What goes for every request: the key, the counts, a line in the log, refusals."""

    def __init__(self, service, api_key):
        self.service, self.key = service, api_key.encode("utf-8") if api_key else None

    async def answer(self, name, kind, function, content, context):
        """The bytes that answer a request.

        Args:
            name: of the method. kind: the class of its requests.
            function: async, of the service and a request -> a message.
            content: bytes of the request. context: gRPC's.
        """
        started, metrics, code = time.perf_counter(), self.service.metrics, CODE.CANCELLED
        metrics.add("in_flight_requests")
        try:
            self._check_key(context)
            answer = await function(self.service, _read(kind, content))
            found, code = answer.SerializeToString(), CODE.OK
            return found
        except Refused as error:
            code = CODES.get(error.status, CODE.INVALID_ARGUMENT)
            await context.abort(code, cut(str(error), MESSAGE))
        except asyncio.CancelledError:  # the client has gone
            raise
        except Exception as error:
            LOGGER.exception("failed", extra={"path": name})
            code = CODE.INTERNAL
            await context.abort(code, f"{type(error).__name__}: see the server's log")
        finally:
            metrics.add("in_flight_requests", -1)
            seconds = time.perf_counter() - started
            metrics.add("requests_total", route=name, status=code.name)
            metrics.observe("request_seconds", seconds, route=name)
            said = {"method": "gRPC", "path": name, "status": code.name}
            LOGGER.info("request", extra=said | {"ms": round(seconds * 1000, 2)})

    def _check_key(self, context):
        given = dict(context.invocation_metadata()).get("authorization", "")
        kind, _, key = given.partition(" ")
        same = self.key is None or hmac.compare_digest(key.strip().encode("utf-8"), self.key)
        if not same or (self.key and kind.lower() != "bearer"):
            raise Refused(401, "This server wants a key: the metadata authorization: Bearer KEY")


def _read(kind, content):
    try:
        return kind.FromString(content)
    except DecodeError as error:
        raise Refused(400, f"The bytes are no {kind.__name__}: {error}") from error


async def predict(service, request):
    """A signature's answers to a `PredictRequest`."""
    version = _version(service, request.model_spec)
    name = request.model_spec.signature_name or DEFAULT
    signature = service.signature(version, name)
    inputs = _inputs(service, request.inputs, signature)
    wanted = [*request.output_filter] or [*signature.outputs]
    if unknown := {*wanted} - {*signature.outputs}:
        known = ", ".join(signature.outputs)
        raise Refused(400, f"output_filter must be of {known}. Received: {sorted(unknown)}")
    found = await service.answer(version, inputs, name)
    found = {output: found[output] for output in wanted}
    return grpc_messages.predict_response(version.name, version.number, name, found)


def _inputs(service, tensors, signature):
    """Arrays of the kinds that a signature takes, which are no larger than a request may be."""
    most = service.limits.max_body_mb << 20
    service.check_names(signature, tensors)
    for name, tensor in tensors.items():
        spec = signature.inputs[name]
        given = grpc_messages.name_of(tensor.dtype)
        if given != spec.dtype:
            raise Refused(400, f"{name!r} must be of {spec.dtype}. Received: {given}")
        sizes = [size.size for size in tensor.tensor_shape.dim]
        if tensor.tensor_shape.unknown_rank or min(sizes, default=0) < 0:
            raise Refused(400, f"{name!r} must have a shape.")
        # One value may stand for all of a tensor, however large.
        if math.prod(sizes) * LARGEST > most:
            raise Refused(413, f"{name!r} may have {most // LARGEST:,} values: {sizes}")
        if spec.dtype == "string" and len(tensor.string_val) != math.prod(sizes):
            raise Refused(400, f"{name!r} must have a string_val for each value: {sizes}")
    try:
        return grpc_messages.arrays(tensors)
    except (ValueError, TypeError) as error:
        raise Refused(400, f"A tensor's values do not fit: {shorten(str(error))}") from error


async def metadata(service, request):
    """A model's signatures, in answer to a `GetModelMetadataRequest`."""
    if [*request.metadata_field] != [grpc_messages.SIGNATURES]:
        raise Refused(400, f"metadata_field must be {grpc_messages.SIGNATURES!r} alone.")
    version = _version(service, request.model_spec)
    about = {"task": version.task, "labels": version.labels}
    names = (version.name, version.number)
    return grpc_messages.metadata_response(*names, version.definitions, about)


async def status(service, request):
    """The state of a model's versions, in answer to a `GetModelStatusRequest`."""
    version = _version(service, request.model_spec)
    number = version.number if request.model_spec.HasField("version") else None
    return grpc_messages.status_response(states(service.repository, version.name, number))


def _version(service, spec):
    """The `Version` that a request names; without a name the only model. Refused: 400, 404."""
    if spec.version_label:
        raise Refused(400, f"Versions are numbers here. Received: {shorten(spec.version_label)}")
    known = sorted(service.repository.models)
    if not spec.name and len(known) != 1:
        there = ", ".join(known) or "those that answer, of which there is none yet"
        raise Refused(400, f"model_spec.name must be one of {there}. Received: none")
    number = spec.version.value if spec.HasField("version") else None
    return service.repository.version(spec.name or known[0], number)


SERVICES = {  # of TensorFlow Serving -> method -> what it is asked with, and what answers
    "tensorflow.serving.PredictionService": {
        "Predict": (grpc_messages.PredictRequest, predict),
        "GetModelMetadata": (grpc_messages.MetadataRequest, metadata),
    },
    "tensorflow.serving.ModelService": {
        "GetModelStatus": (grpc_messages.StatusRequest, status),
    },
}
