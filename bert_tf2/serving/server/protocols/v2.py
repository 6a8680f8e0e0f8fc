"""The Open Inference Protocol, version 2 (kserve/open-inference-protocol), and its extension for
binary tensors, in which Triton's own client speaks."""

from starlette.responses import Response

import bert_tf2
from bert_tf2.messages import shorten
from bert_tf2.serving.server import v2_tensors
from bert_tf2.serving.server.asked import field, parse, written
from bert_tf2.serving.server.errors import Refused
from bert_tf2.serving.server.models import DEFAULT
from bert_tf2.serving.server.protocols.health import ready

LENGTH = "Inference-Header-Content-Length"


def error(status, message):
    return {"error": message}


def live(asked):
    """The server is there."""
    return {"live": True}


def server_ready(asked):
    """Models answer; or 503."""
    ready(asked.service)
    return {"ready": True}


def model_ready(asked):
    """This model answers; or 404."""
    version = _version(asked)
    return {"name": version.name, "ready": True}


def server(asked):
    """What the server is."""
    extensions = ["binary_tensor_data"]
    return {"name": "bert_tf2", "version": bert_tf2.__version__, "extensions": extensions}


def model(asked):
    """The inputs and outputs of a model's `serving_default`."""
    version = _version(asked)
    signature = asked.service.signature(version, DEFAULT)
    versions = sorted(asked.service.repository.models[version.name])
    return {
        "name": version.name,
        "versions": [str(number) for number in versions],
        "platform": "tensorflow_savedmodel",
        "inputs": v2_tensors.described(signature.inputs),
        "outputs": v2_tensors.described(signature.outputs),
    }


async def infer(asked):
    """{"inputs": [{"name", "shape", "datatype", "data"}], "outputs"} -> the same of the outputs.

    `parameters` may name another `signature_name`.
    """
    version = _version(asked)
    body, rest = _parts(asked)
    parameters = field(body, "parameters", dict, {}, 400)
    name = field(parameters, "signature_name", str, DEFAULT, 400)
    signature = asked.service.signature(version, name)
    inputs = v2_tensors.read(field(body, "inputs", list, [], 400), signature.inputs, rest)
    wanted = _wanted(body, parameters, signature)
    found = await asked.answer(version, inputs, name)
    head = {"model_name": version.name, "model_version": str(version.number)}
    if (said := field(body, "id", str, None, 400)) is not None:
        head["id"] = said
    outputs, binary = v2_tensors.written(found, wanted)
    head["outputs"] = outputs
    if not binary:
        return head
    text = written(head)
    headers = {LENGTH: str(len(text))}
    return Response(b"".join([text, *binary]), 200, headers, "application/octet-stream")


infer.raw = True  # its body may be more than JSON


def _parts(asked):
    """A body as its JSON and the binary tensors behind it."""
    length = asked.headers.get(LENGTH)
    if length is None:
        return parse(asked.content), b""
    if not length.isdecimal() or not 0 < int(length) <= len(asked.content):
        raise Refused(
            400, f"{LENGTH} must be a length within the body. Received: {shorten(length)}"
        )
    return parse(asked.content[: int(length)]), asked.content[int(length) :]


def _wanted(body, parameters, signature):
    """{output: whether in binary}, those that are asked for."""
    all_binary = field(parameters, "binary_data_output", bool, False, 400)
    given = field(body, "outputs", list, None, 400)
    if not given:
        return dict.fromkeys(signature.outputs, all_binary)
    wanted = {}
    for output in given:
        name = output.get("name") if isinstance(output, dict) else None
        if not isinstance(name, str) or name not in signature.outputs:
            known = ", ".join(signature.outputs)
            raise Refused(400, f"Each output must be one of {known}. Received: {shorten(output)}")
        how = field(output, "parameters", dict, {}, 400)
        wanted[name] = field(how, "binary_data", bool, all_binary, 400)
    return wanted


def _version(asked):
    number = asked.path.get("version")
    if number is not None and not (number.isascii() and number.isdecimal() and len(number) < 19):
        raise Refused(404, f"A version is a number. Received: {shorten(number)}")
    return asked.service.repository.version(asked.path["model"], number and int(number))


ROUTES = [
    (("GET",), "/v2", server),
    (("GET",), "/v2/health/live", live),
    (("GET",), "/v2/health/ready", server_ready),
]
for _place in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
    ROUTES += [
        (("GET",), _place, model),
        (("GET",), f"{_place}/ready", model_ready),
        (("POST",), f"{_place}/infer", infer),
    ]
