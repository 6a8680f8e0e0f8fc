"""A client of a server of exported models: `bert_tf2 serve`, or TensorFlow Serving's APIs.

Letters: n rows in memory.
"""

import asyncio
import concurrent.futures
import importlib
import math

import numpy as np

from bert_tf2.messages import shorten
from bert_tf2.scoring.arrays import checked_count
from bert_tf2.serving.client_columns import columns_of
from bert_tf2.serving.client_errors import TooMuch
from bert_tf2.serving.client_tasks import TaskMethods
from bert_tf2.serving.padded import joined

BYTES = 4 << 20  # of texts in a request, at most
ANEW = 3  # times that all rows are asked at most, so that one version answers them
WIRES = {  # how a URL begins -> its module, and the class there
    "http": ("client_rest", "Rest"),
    "https": ("client_rest", "Rest"),
    "grpc": ("client_grpc", "Grpc"),
}


class Client(TaskMethods):
    """Asks a model on a server as if it were a task in this process.

    It takes what `Task` takes: a list of str, pairs, a dict of columns. Requests are split, their
    parts sent side by side, and joined again; what is unavailable is asked again. It may be used
    from several threads at once.

    Args:
        url: of the server, such as "http://127.0.0.1:8501"; or "grpc://127.0.0.1:8500", which needs
            the extra `grpc`.
        model: its name there; None for the only one, which TensorFlow Serving does not tell.
        version: int; None for the newest.
        api_key: str that the server wants.
        timeout: seconds for a request.
        retries: how often to ask again when the server is busy, starts again or is not there;
            after 0.2 s, then twice as long each time, or as the server says, 10 s at most. gRPC: 4
            times at most.
        batch_size: rows of a request.
        concurrency: requests at the same time.

    Raises:
        ConnectionError: nobody answers, or the server fails. TimeoutError: not in time.
        PermissionError: without the key. ValueError: no such model, or what the server refuses.

    Example:

    >>> from bert_tf2.serving import Client
    >>> client = Client("http://127.0.0.1:8501")
    >>> client.predict_labels(["what a film"])[0].label
    'positive'
    """

    def __init__(
        self,
        url,
        model=None,
        version=None,
        api_key=None,
        timeout=60.0,
        retries=4,
        batch_size=128,
        concurrency=4,
    ):
        kind = url.partition("://")[0]
        if kind not in WIRES:
            raise ValueError(f"`url` must begin with http:// or grpc://. Received: {shorten(url)}")
        home, name = WIRES[kind]
        wire = getattr(importlib.import_module(f"bert_tf2.serving.{home}"), name)
        self.url, self.version = url.rstrip("/"), version
        self.batch_size = checked_count(batch_size, "batch_size")
        self.wire = wire(self.url, api_key, timeout, retries, concurrency)
        self.workers = concurrent.futures.ThreadPoolExecutor(concurrency, "client")
        self.model, self.known = model, None

    def close(self):
        """Lets go of connections and threads; so does a `with` block at its end."""
        self.workers.shutdown()
        self.wire.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # === What there is ============================================================================

    def models(self):
        """What the server says of its models: a list of dicts. NotThere: it has no such list."""
        return self.wire.models()

    @property
    def about(self):
        """What is known of the model: `task`, `labels` and `signatures`, and the `version`."""
        if self.known is None:
            self.known = self.wire.about(self.model, self.version)
            self.model = self.known["name"]
        return self.known

    # === Answers ==================================================================================

    def answer(self, x, signature_name="serving_default", **shared):
        """What the task's `answers` names, of all rows.

        Args:
            x: see the class; or a dict of the signature's inputs.
            signature_name: of the graph's signatures.
            **shared: inputs that all rows share, such as `candidate_labels`.

        Returns:
            dict of NumPy arrays (n, …); strings are bytes, as a graph has them.
        """
        signatures = self.about["signatures"]
        if signature_name not in signatures:
            known = ", ".join(signatures)
            raise ValueError(f"`signature_name` must be one of {known}: {signature_name!r}")
        names = signatures[signature_name]["inputs"].keys() - shared.keys()
        found = columns_of(x, names, f"{self.model} on {self.url}")
        lots = list(_lots(found, self.batch_size))
        if not lots:
            raise ValueError("There must be a row at least.")

        def ask(rows):
            return self._predict(found, shared, rows, signature_name)

        for _ in range(ANEW):
            parts = [part for parts in self.workers.map(ask, lots) for part in parts]
            if len({version for *_, version in parts}) == 1:  # else a new one came in between
                return joined([(rows, outputs) for rows, outputs, _ in parts])
        raise ConnectionError(
            f"{self.url} had another version of {self.model} answer in the middle of {ANEW} "
            "requests: give `version`"
        )

    def _predict(self, columns, shared, rows, signature_name):
        """[(rows, outputs, version)]: the answer to some rows; of halves where they are too much at
        once."""
        inputs = {name: [side[i] for i in rows] for name, side in columns.items()} | shared
        about = self.about
        try:
            found, version = self.wire.predict(
                self.model, self.version, signature_name, inputs, about
            )
        except TooMuch:
            if len(rows) == 1:
                raise
            half = len(rows) // 2
            lots = (rows[:half], rows[half:])
            asked = (self._predict(columns, shared, lot, signature_name) for lot in lots)
            return [part for lot in asked for part in lot]
        if version != about["version"]:
            self.known = None  # a new one answers, whose labels may be others
        return [(np.array(rows), found, version)]


def _lots(columns, batch_size):
    """Ranges of rows, of so many and of so many bytes at most, in their order."""
    sizes = [sum(map(_size, row)) for row in zip(*columns.values(), strict=True)]
    start, room = 0, BYTES
    for i, size in enumerate(sizes):
        if i > start and (i - start == batch_size or size > room):
            yield range(start, i)
            start, room = i, BYTES
        room -= size
    if sizes:
        yield range(start, len(sizes))


def _size(value):
    if isinstance(value, str | bytes):
        return len(value)
    return sum(map(_size, value)) if isinstance(value, list) else math.ceil(np.size(value) * 8)


class AsyncClient:
    """A `Client` whose methods are awaited: `await client.answer(texts)`.

    Each call runs in a thread of its own pool, of which there are `concurrency`. Arguments,
    methods and errors are those of `Client`.
    """

    def __init__(self, *args, concurrency=32, **kwargs):
        self.client = Client(*args, concurrency=concurrency, **kwargs)
        self.threads = concurrent.futures.ThreadPoolExecutor(concurrency, "async client")

    def __getattr__(self, name):
        method = getattr(type(self.client), name, None)
        if name.startswith("_") or not callable(method):
            raise AttributeError(f"an AsyncClient has no method {name!r}")

        async def call(*args, **kwargs):
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(
                self.threads, lambda: method(self.client, *args, **kwargs)
            )

        return call

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.close()
        self.threads.shutdown(wait=False)
