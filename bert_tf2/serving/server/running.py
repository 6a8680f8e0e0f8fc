"""A server that listens: in this process until a signal, or in a thread for as long as wanted."""

import asyncio
import contextlib
import functools
import socket
import threading

import uvicorn

from bert_tf2.serving.server.app import app
from bert_tf2.serving.server.service import Service

GRACE = 30  # seconds that requests have to be answered after a signal


def serve(
    folder,
    host="127.0.0.1",
    port=8501,
    api_key=None,
    keep=1,
    limits=None,
    ready=None,
    grpc_port=None,
):
    """Serves the models of a folder until SIGTERM or SIGINT; what was taken is answered first.

    Args:
        folder: of exported SavedModels, see `repository.find`.
        host: "127.0.0.1" (default) for this machine alone, "0.0.0.0" for all that reach it.
        port: 8501 (default) is TF Serving's; 0 for any that is free.
        api_key: see `app`.
        keep: how many versions of each model answer, the newest.
        limits: `Limits`.
        ready: called with the `Url` and the `Service` when it listens.
        grpc_port: where TensorFlow Serving's gRPC is spoken, too; 8500 is its own, 0 any that is
            free, None (default) none. It needs the extra `grpc`.

    Raises:
        FileNotFoundError: there is no model in the folder.
        OSError: a port is taken.
        ImportError: there is no gRPC.
    """
    service = Service(folder, keep, limits)
    _check(service, folder)
    grpc = _grpc(service, host, grpc_port, api_key)
    server = _Server(_config(service, host, port, api_key), service, ready, grpc)
    with _listening(host, port) as listener:
        server.run(sockets=[listener])


@contextlib.contextmanager
def running(folder, api_key=None, keep=1, limits=None, poll_seconds=1.0, grpc_port=None):
    """Serves a folder from a thread, on a free port of this machine; yields its `Url`."""
    service = Service(folder, keep, limits)
    _check(service, folder)
    grpc = _grpc(service, "127.0.0.1", grpc_port, api_key)
    listens, url = threading.Event(), []

    def ready(address, _):
        url.append(address)
        listens.set()

    config = _config(service, "127.0.0.1", 0, api_key, poll_seconds)
    server = _Server(config, service, ready, grpc)
    with _listening("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=lambda: _run(server, listener, listens), daemon=True)
        thread.start()
        listens.wait()
        try:
            yield url[0]
        finally:
            server.should_exit = True
            thread.join()


def _run(server, listener, listens):
    try:
        asyncio.run(server.serve(sockets=[listener]))
    finally:
        listens.set()


def _check(service, folder):
    """Loads what there is; there must be something."""
    service.scan()
    if not service.repository.models:
        failed = service.repository.failed
        why = f" Not loaded: {failed}" if failed else ""
        raise FileNotFoundError(
            f"No exported model in {folder}: expected NAME/VERSION/saved_model.pb, VERSION/… or "
            f"saved_model.pb there, which bert_tf2 export writes.{why}"
        )


def _config(service, host, port, api_key, poll_seconds=1.0):
    return uvicorn.Config(
        app(service, api_key, poll_seconds),
        host=host,
        port=port,
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=GRACE,
    )


def _listening(host, port):
    """A socket that listens; OSError: it cannot, because the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns off Nagle's algorithm only where the protocol is named: without, each answer
    # waits 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise OSError(f"Cannot listen on {host}:{port}: {error.strerror}. See --port.") from error
    return listener


def _grpc(service, host, port, api_key):
    """What opens a gRPC server in the loop that runs it; None where none is wanted."""
    if port is None:
        return None
    from bert_tf2.serving.server.grpc_server import new_server

    return functools.partial(new_server, service, host, port, api_key)


class Url(str):
    """The URL of a server; `grpc` is that of its gRPC, or None."""

    grpc = None


class _Server(uvicorn.Server):
    """uvicorn's, which says when it listens, and a gRPC server beside it.

    Args:
        grpc: function that opens it and gives it and its port; None for none.
    """

    def __init__(self, config, service, ready, grpc=None):
        super().__init__(config)
        self.service, self.ready, self.open_grpc, self.grpc = service, ready, grpc, None

    async def startup(self, sockets=None):
        if self.open_grpc:
            self.grpc, grpc_port = self.open_grpc()  # raises where it cannot, before all else
        await super().startup(sockets)
        if self.should_exit:
            return
        if self.grpc:
            await self.grpc.start()
        if self.ready:
            host, port = sockets[0].getsockname()[:2]
            host = f"[{host}]" if ":" in host else host
            url = Url(f"http://{host}:{port}")
            url.grpc = f"grpc://{host}:{grpc_port}" if self.grpc else None
            self.ready(url, self.service)

    async def shutdown(self, sockets=None):
        """Takes nothing new, of either kind, and answers what was taken."""
        self.service.serving = False
        ends = [super().shutdown(sockets)]
        if self.grpc:
            ends.append(self.grpc.stop(GRACE))
        await asyncio.gather(*ends)
