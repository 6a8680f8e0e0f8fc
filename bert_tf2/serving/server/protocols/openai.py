"""OpenAI's API, as far as it is of vectors (platform.openai.com/docs/api-reference/embeddings)."""

import base64

from bert_tf2.messages import shorten
from bert_tf2.serving.server.asked import field, texts
from bert_tf2.serving.server.embeddings import count_tokens, embed
from bert_tf2.serving.server.errors import Refused


def error(status, message):
    kind = "server_error" if status >= 500 else "invalid_request_error"
    code = "model_not_found" if status == 404 else None
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


async def embeddings(asked):
    """{"input", "model", "encoding_format", "dimensions", "adapter"} -> vectors of length 1.

    `usage` counts tokens where the model has a signature `tokenize`, and is 0 elsewhere.
    """
    body = asked.body
    given, _ = texts(body, "input", 400)
    form = field(body, "encoding_format", str, "float", 400)
    if form not in ("float", "base64"):
        raise Refused(400, f"'encoding_format' must be float or base64. Received: {shorten(form)}")
    name = field(body, "model", str, None, 400)
    dimensions = field(body, "dimensions", int, None, 400)
    adapter = field(body, "adapter", str, None, 400)
    found, version = await embed(asked, given, name, dimensions=dimensions, adapter=adapter)
    tokens = int((await count_tokens(asked, version, given)).sum())
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": i, "embedding": _encoded(vector, form)}
            for i, vector in enumerate(found)
        ],
        "model": version.name,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _encoded(vector, form):
    if form == "float":
        return vector.tolist()
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")


def models(asked):
    """The names of all models."""
    names = sorted(asked.service.repository.models)
    about = {"object": "model", "created": 0, "owned_by": "bert_tf2"}
    return {"object": "list", "data": [{"id": name} | about for name in names]}


ROUTES = [
    (("POST",), "/v1/embeddings", embeddings),
    (("GET",), "/v1/models", models),
]
