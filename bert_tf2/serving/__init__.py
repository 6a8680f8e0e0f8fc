"""tasks -> SavedModels that answer raw strings; a server of these, and a client of servers."""

import importlib

_HOMES = {
    "Client": "bert_tf2.serving.client",
    "AsyncClient": "bert_tf2.serving.client",
    "running": "bert_tf2.serving.server.running",
    "serve": "bert_tf2.serving.server.running",
}


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module 'bert_tf2.serving' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
