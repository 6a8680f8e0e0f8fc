"""A client of a server of exported models: `bert_tf2 serve`, or TensorFlow Serving's REST API.

Letters: n rows in memory.
"""

import asyncio
import concurrent.futures
import json
import math

import numpy as np
import urllib3

from bert_tf2.messages import shorten
from bert_tf2.serving.client_columns import columns_of, of_json, to_json
from bert_tf2.serving.client_tasks import TaskMethods
from bert_tf2.serving.padded import joined

AGAIN = (429, 502, 503)  # of HTTP: busy, or not there at the moment
BYTES = 4 << 20  # of texts in a request, at most
RISES = 0.2  # seconds before the second try; twice as much before each further one


class NotThere(ValueError):
    """The server has no such model, version, signature or route."""


class TooMuch(ValueError):
    """The server does not take so much at once."""


class Client(TaskMethods):
    """Asks a model on a server as if it were a task in this process.

    It takes what `Task` takes: a list of str, pairs, a dict of columns. Requests are split, their
    parts sent side by side, and joined again; what is unavailable is asked again. It may be used
    from several threads at once.

    Args:
        url: of the server, such as "http://127.0.0.1:8501".
        model: its name there; None for the only one.
        version: int; None for the newest.
        api_key: str that the server wants.
        timeout: seconds for a request.
        retries: how often to ask again when the server is busy, starts again or is not there;
            after 0.2 s, then twice as long each time, or as the server says.
        batch_size: rows of a request.
        concurrency: requests at the same time.

    Raises:
        ConnectionError: nobody answers, or the server fails. TimeoutError: not in time.
        PermissionError: without the key. ValueError: no such model, or what the server refuses.

    Example:

    >>> client = bert_tf2.serving.Client("http://127.0.0.1:8501")
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
        self.url, self.version, self.batch_size = url.rstrip("/"), version, batch_size
        self.headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        retry = urllib3.Retry(
            total=retries,
            read=min(retries, 1),  # which may be a server that does not bear more
            status_forcelist=AGAIN,
            allowed_methods=None,  # to ask a model changes nothing: POST, too
            backoff_factor=RISES,
            backoff_jitter=RISES / 2,
            raise_on_status=False,
        )
        self.pool = urllib3.PoolManager(
            maxsize=concurrency, timeout=urllib3.Timeout(timeout), retries=retry
        )
        self.workers = concurrent.futures.ThreadPoolExecutor(concurrency, "client")
        self.model, self.known = model, None

    def close(self):
        """Lets go of connections and threads; so does a `with` block at its end."""
        self.workers.shutdown()
        self.pool.clear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # === What there is ============================================================================

    def models(self):
        """What the server says of its models: a list of dicts."""
        return self._ask("GET", "/models")[0]["models"]

    @property
    def about(self):
        """What is known of the model: `task`, `labels` and `signatures`, and the `version`."""
        if self.known is None:
            self.known = self._about()
        return self.known

    def _about(self):
        listed = {}
        try:
            listed = {x["name"]: x for x in self.models()}
        except NotThere:  # TensorFlow Serving has no such list
            if self.model is None:
                raise ValueError(f"{self.url} lists no models: give `model`, its name") from None
        if self.model is None:
            if len(listed) != 1:
                raise ValueError(f"`model` must be one of {', '.join(listed)}. Received: None")
            (self.model,) = listed
        found = self._ask("GET", f"{self._place()}/metadata")[0]
        definitions = found["metadata"]["signature_def"]["signature_def"]
        about = listed.get(self.model, {"task": None, "labels": None, "versions": []})
        version = found["model_spec"]["version"]
        return about | {"version": version, "signatures": definitions}

    def _place(self):
        version = "" if self.version is None else f"/versions/{self.version}"
        return f"/v1/models/{self.model}{version}"

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

        return joined([lot for lots in self.workers.map(ask, lots) for lot in lots])

    def _predict(self, columns, shared, rows, signature_name):
        """[(rows, outputs)]: the answer to some rows; of halves where they are too much at once."""
        inputs = {name: [side[i] for i in rows] for name, side in columns.items()} | shared
        body = {"inputs": {name: to_json(side) for name, side in inputs.items()}}
        body["signature_name"] = signature_name
        try:
            found, headers = self._ask("POST", f"{self._place()}:predict", body)
        except TooMuch:
            if len(rows) == 1:
                raise
            half = len(rows) // 2
            lots = (rows[:half], rows[half:])
            asked = (self._predict(columns, shared, lot, signature_name) for lot in lots)
            return [part for lot in asked for part in lot]
        if headers.get("Model-Version", self.about["version"]) != self.about["version"]:
            self.known = None  # a new one answers, whose labels may be others
        specs = self.about["signatures"][signature_name]["outputs"]
        return [(np.array(rows), of_json(found["outputs"], specs))]

    def _ask(self, method, path, body=None):
        """The JSON of an answer, and its headers."""
        content = None if body is None else json.dumps(body).encode("utf-8")
        headers = self.headers | ({"Content-Type": "application/json"} if content else {})
        try:
            answer = self.pool.request(method, self.url + path, body=content, headers=headers)
        except urllib3.exceptions.MaxRetryError as error:
            raise _unreachable(self.url, error.reason) from error
        except urllib3.exceptions.HTTPError as error:
            raise _unreachable(self.url, error) from error
        try:
            found = json.loads(answer.data)
        except ValueError:
            found = None
        if answer.status == 200 and isinstance(found, dict):
            return found, answer.headers
        said = found.get("error") if isinstance(found, dict) else None
        raise _error(answer.status, f"{self.url}{path}: {said or shorten(answer.data)}")


def _unreachable(url, reason):
    late = isinstance(reason, urllib3.exceptions.TimeoutError)
    refused = isinstance(reason, urllib3.exceptions.NewConnectionError)  # which is one, too
    kind = TimeoutError if late and not refused else ConnectionError
    return kind(f"{url} does not answer: {reason}. Is the server running there?")


ERRORS = {401: PermissionError, 403: PermissionError, 404: NotThere, 405: NotThere}
ERRORS |= {413: TooMuch, 504: TimeoutError}


def _error(status, message):
    if status in ERRORS:
        return ERRORS[status](message)
    return (ValueError if 400 <= status < 500 and status not in AGAIN else ConnectionError)(message)


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
