"""Whether the server is there, what it serves, what it has done, and the page to try it in."""

from starlette.responses import Response

import bert_tf2
from bert_tf2.serving.server.asked import reply
from bert_tf2.serving.server.errors import Refused
from bert_tf2.serving.server.metrics import TYPE
from bert_tf2.serving.server.page import page_response


def error(status, message):
    return {"error": message}


def health(asked):
    """An empty answer when models answer; 503 before, and while the server stops."""
    ready(asked.service)
    return reply({})


def ready(service):
    """Raises while there is nothing to ask."""
    if not service.serving or not service.repository.models:
        raise Refused(503, "No model answers yet.")


def models(asked):
    """All models, for people and the page: a list."""
    repository = asked.service.repository
    found = (repository.version(name) for name in sorted(repository.models))
    return {"bert_tf2": bert_tf2.__version__, "models": [_about(repository, x) for x in found]}


def _about(repository, version):
    card = version.card
    return {
        "name": version.name,
        "version": version.number,
        "versions": sorted(repository.models[version.name]),
        "task": version.task,
        "labels": version.labels,
        "precision": card.get("precision"),
        "max_length": card.get("max_length"),
        "signatures": {
            name: {
                side: {n: {"dtype": s.dtype, "shape": s.shape} for n, s in specs.items()}
                for side, specs in (("inputs", found.inputs), ("outputs", found.outputs))
            }
            for name, found in version.signatures.items()
        },
    }


def metrics(asked):
    """See `Metrics`."""
    return Response(asked.service.metrics.text(), media_type=TYPE)


def page(asked):
    """The page to try a model in."""
    return page_response()


ROUTES = [
    (("GET",), "/", page),
    (("GET",), "/health", health),
    (("GET",), "/metrics", metrics),
    (("GET",), "/models", models),
]
