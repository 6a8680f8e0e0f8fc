"""TensorFlow Serving's REST API (tensorflow/serving, g3doc/api_rest.md)."""

import re

from bert_tf2.messages import shorten
from bert_tf2.serving.server.asked import field, reply
from bert_tf2.serving.server.errors import Refused
from bert_tf2.serving.server.models import DEFAULT
from bert_tf2.serving.server.tensors import from_json, to_json

PATH = re.compile(
    r"(?P<model>[^/:]+)(/versions/(?P<version>\d{1,18}))?((?P<metadata>/metadata)|:(?P<verb>\w+))?"
)


def error(status, message):
    return {"error": message}


def get(asked):
    """The state of a model's versions, or its signatures."""
    found = _path(asked)
    if found["verb"]:
        raise Refused(405, f":{found['verb']} is for POST")
    version = _version(asked, found)
    return _metadata(version) if found["metadata"] else _status(asked, found)


async def post(asked):
    """`:predict`."""
    found = _path(asked)
    if found["verb"] != "predict":
        raise Refused(404, "Only :predict answers here: …/v1/models/MODEL:predict")
    version, body = _version(asked, found), asked.body
    name = field(body, "signature_name", str, "", 400) or DEFAULT
    signature = asked.service.signature(version, name)
    by_row = "instances" in body
    if by_row == ("inputs" in body):
        raise Refused(400, 'The body must have either "instances" (rows) or "inputs" (columns).')
    read = _of_rows if by_row else _of_columns
    outputs = await asked.answer(version, read(body, signature), name)
    columns = {name: to_json(name, array) for name, array in outputs.items()}
    single = len(columns) == 1
    if not by_row:
        found = {"outputs": next(iter(columns.values())) if single else columns}
        return reply(found, headers=_said_version(version))
    names, rows = [*columns], zip(*columns.values(), strict=True)
    rows = [row[0] if single else dict(zip(names, row, strict=True)) for row in rows]
    return reply({"predictions": rows}, headers=_said_version(version))


def _said_version(version):
    """For clients that keep what they know of a version, which may have been replaced since."""
    return {"Model-Version": str(version.number)}


def _path(asked):
    found = PATH.fullmatch(asked.path["rest"])
    if not found:
        raise Refused(404, "Expected /v1/models/MODEL[/versions/NUMBER][:predict or /metadata]")
    return found


def _version(asked, found):
    number = found["version"]
    return asked.service.repository.version(found["model"], number and int(number))


# === Inputs =======================================================================================


def _of_columns(body, signature):
    """{"inputs": {name: values of all rows}}, or the values alone of a single input."""
    given, specs = body["inputs"], signature.inputs
    if not isinstance(given, dict) or (len(specs) == 1 and given.keys() == {"b64"}):
        given = {_only(specs): given}
    return _arrays(given, specs)


def _of_rows(body, signature):
    """{"instances": [{name: value of a row}, …]}, or the values alone of a single input."""
    rows, specs = body["instances"], signature.inputs
    if not isinstance(rows, list) or not rows:
        raise Refused(400, f'"instances" must be a list of rows. Received: {shorten(rows)}')
    named = [isinstance(row, dict) and row.keys() != {"b64"} for row in rows]
    if not any(named):
        return _arrays({_only(specs): rows}, specs)
    if not all(named) or any(row.keys() != rows[0].keys() for row in rows):
        raise Refused(400, 'Each row of "instances" must have the same names.')
    return _arrays({name: [row[name] for row in rows] for name in rows[0]}, specs)


def _arrays(given, specs):
    unknown = given.keys() - specs.keys()
    if unknown:
        raise Refused(
            400, f"The inputs are {', '.join(sorted(specs))}. Received: {shorten(sorted(unknown))}"
        )
    return {name: from_json(name, value, specs[name]) for name, value in given.items()}


def _only(specs):
    if len(specs) != 1:
        raise Refused(400, f"Values must be named: there are the inputs {', '.join(sorted(specs))}")
    return next(iter(specs))


# === What there is ================================================================================


def _status(asked, found):
    number = found["version"] and int(found["version"])
    return {"model_version_status": states(asked.service.repository, found["model"], number)}


def states(repository, name, number=None):
    """What is known of each version of a model that answers: a list of dicts, the newest first.

    Args:
        number: of the only one to tell of; None for all.
    """
    states = dict.fromkeys(repository.models[name], ("AVAILABLE", "OK", ""))
    for failed, message in repository.failed.get(name, {}).items():
        states.setdefault(failed, ("END", "INTERNAL", message))
    return [
        {
            "version": str(x),
            "state": states[x][0],
            "status": {"error_code": states[x][1], "error_message": states[x][2]},
        }
        for x in sorted(states, reverse=True)
        if number in (None, x)
    ]


def _metadata(version):
    spec = {"name": version.name, "signature_name": "", "version": str(version.number)}
    definitions = {"signature_def": version.definitions}
    return {"model_spec": spec, "metadata": {"signature_def": definitions}}


ROUTES = [
    (("GET",), "/v1/models/{rest:path}", get),
    (("POST",), "/v1/models/{rest:path}", post),
]
