"""The routes of all protocols as one application: keys, errors, counts and the log, for each."""

import base64
import binascii
import contextlib
import hmac
import inspect
import logging
import time

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from bert_tf2.serving.server.asked import Asked, parse, read_body, reply
from bert_tf2.serving.server.errors import Refused
from bert_tf2.serving.server.protocols import health, huggingface, openai, tei, tf_serving, v2

LOGGER = logging.getLogger("bert_tf2.serving")
PROTOCOLS = (health, tf_serving, tei, openai, v2, huggingface)
GONE = 499  # nginx's status of a request whose client has gone; nobody reads it


def app(service, api_key=None, poll_seconds=1.0):
    """The application.

    Args:
        service: a `Service`; it begins and ends with the application.
        api_key: str that requests must bring, `Authorization: Bearer …`, or as the password that a
            browser asks for. Default: anyone may ask.
        poll_seconds: between looks for new versions.

    Returns:
        an ASGI application.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_):
        async with service.running(poll_seconds):
            yield

    routes = [
        Route(path, _endpoint(service, protocol, function, path), methods=methods, name=path)
        for protocol in PROTOCOLS
        for methods, path, function in protocol.ROUTES
    ]
    handlers = {HTTPException: _no_route, Exception: _failed}
    inner = Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)
    return Watched(inner, service, api_key)


def _endpoint(service, protocol, function, path):
    """An async function of Starlette's from one of a protocol's."""
    at_most = service.limits.max_body_mb << 20

    async def endpoint(request: Request):
        try:
            content = await read_body(request, at_most) if request.method == "POST" else b""
            parsed = getattr(function, "raw", False) or request.method != "POST"
            body = {} if parsed else parse(content)
            how = (request.path_params, request.is_disconnected, request.headers, content)
            found = function(Asked(service, body, *how))
            found = await found if inspect.isawaitable(found) else found
            return found if isinstance(found, Response) else reply(found)
        except Refused as error:
            return _refusal(protocol, error.status, str(error))
        except ClientDisconnect:
            return Response(status_code=GONE)
        except Exception as error:
            LOGGER.exception("failed", extra={"path": request.url.path})
            return _refusal(protocol, 500, f"{type(error).__name__}: see the server's log")

    endpoint.path = path  # for the counts
    return endpoint


def _refusal(protocol, status, message):
    headers = {"Retry-After": "1"} if status == 503 else None
    return reply(protocol.error(status, message), status, headers)


def _no_route(request, error):
    said = f"{request.method} {request.url.path}: {error.detail}. GET / shows what there is."
    return reply({"error": said}, error.status_code, error.headers)


def _failed(request, error):
    return reply({"error": f"{type(error).__name__}: see the server's log"}, 500)


class Watched:
    """An application, with what goes for every request: the key, the counts, a line in the log."""

    def __init__(self, inner, service, api_key):
        self.inner, self.service = inner, service
        self.key = api_key.encode("utf-8") if api_key else None

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        started, status = time.perf_counter(), [GONE]
        metrics = self.service.metrics
        metrics.add("in_flight_requests")

        async def noted(message):
            if message["type"] == "http.response.start":
                status[0] = message["status"]
            await send(message)

        try:
            allowed = self.key is None or hmac.compare_digest(_key_of(scope), self.key)
            await (self.inner if allowed else _without_key)(scope, receive, noted)
        finally:
            metrics.add("in_flight_requests", -1)
            seconds = time.perf_counter() - started
            route = getattr(scope.get("endpoint"), "path", "none")
            metrics.add("requests_total", route=route, status=status[0])
            metrics.observe("request_seconds", seconds, route=route)
            said = {"method": scope["method"], "path": scope["path"], "status": status[0]}
            LOGGER.info("request", extra=said | {"ms": round(seconds * 1000, 2)})


def _key_of(scope):
    """The key that a request brings, bytes: of Bearer, or the password of Basic."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            kind, _, given = value.partition(b" ")
            if kind.lower() == b"bearer":
                return given.strip()
            if kind.lower() == b"basic":
                with contextlib.suppress(binascii.Error):
                    return base64.b64decode(given, validate=True).partition(b":")[2]
    return b""


async def _without_key(scope, receive, send):
    said = "This server wants a key: Authorization: Bearer KEY"
    wanted = {"WWW-Authenticate": 'Basic realm="bert_tf2, the key as password"'}
    await reply({"error": said}, 401, wanted)(scope, receive, send)
