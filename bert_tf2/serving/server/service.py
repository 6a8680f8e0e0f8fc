"""What all protocols ask: the models, and answers to columns of rows."""

import asyncio
import contextlib
import logging

import numpy as np
import tensorflow as tf

from bert_tf2.messages import assertion, shorten
from bert_tf2.serving.many_adapters import COLUMN
from bert_tf2.serving.server.batching import Batcher, Job, Limits
from bert_tf2.serving.server.errors import Refused
from bert_tf2.serving.server.metrics import Metrics
from bert_tf2.serving.server.models import DEFAULT
from bert_tf2.serving.server.repository import Repository
from bert_tf2.serving.server.tensors import check_shape

LOGGER = logging.getLogger("bert_tf2.serving")
PATIENCE = 0.05  # seconds until it is asked whether the client is still there, and in between


class Service:
    """The models of a folder, and the thread that computes.

    Args:
        folder, keep: as of `Repository`. limits: `Limits`.
    """

    def __init__(self, folder, keep=1, limits=None):
        self.limits, self.metrics = limits or Limits(), Metrics()
        self.repository = Repository(folder, keep)
        self.batcher = Batcher(self.limits, self._observe)
        self.serving = False

    def _observe(self, version, requests, rows, seconds):
        model = {"model": version.name}
        self.metrics.observe("batch_requests", requests, **model)
        self.metrics.observe("batch_rows", rows, **model)
        self.metrics.observe("batch_seconds", seconds, **model)
        self.metrics.set("waiting_rows", self.batcher.rows)

    def scan(self):
        """See `Repository.scan`; counts what it finds."""
        changed = self.repository.scan()
        for name, versions in self.repository.models.items():
            self.metrics.set("model_version", max(versions), model=name)
        return changed

    async def answer(self, version, inputs, signature=DEFAULT, is_gone=None):
        """A signature's answers.

        Args:
            version: a `Version`. inputs: dict of arrays (B, …), as its `Spec`s say.
            signature: name.
            is_gone: an async function that says whether nobody waits any longer.

        Returns:
            dict of arrays (B, …).

        Raises:
            Refused: 400 inputs that do not fit, or that the graph refuses; 404 no such signature;
                413 too many rows or too long a text; 501 a graph that is not of rows; 503 and 504
                see `Limits`.
        """
        found = self.signature(version, signature)
        self._check_is_of_rows(found)
        self._check(found, inputs)
        shared = {name: inputs[name] for name in found.shared}
        job = Job(version, found, {n: x for n, x in inputs.items() if n not in shared}, shared)
        self.batcher.submit(job)
        try:
            return await self._wait(job, is_gone)
        except tf.errors.InvalidArgumentError as error:
            raise Refused(
                400, f"The graph refuses these inputs: {assertion(error.message)}"
            ) from error
        finally:
            job.future.cancel()

    def signature(self, version, name):
        """A `Signature` of a version; Refused: 404."""
        if name not in version.signatures:
            known = ", ".join(version.signatures)
            raise Refused(404, f"{version.name} has no signature {shorten(name)}. It has: {known}")
        return version.signatures[name]

    def check_names(self, signature, inputs):
        """Raises, 400, unless a mapping has just the inputs of a signature."""
        if {*inputs} != {*signature.inputs}:
            raise Refused(
                400,
                f"{signature.name} takes the inputs {', '.join(sorted(signature.inputs))}. "
                f"Received: {', '.join(sorted(inputs)) or 'none'}",
            )

    def _check_is_of_rows(self, signature):
        """Raises, 501, for a signature of others whose inputs are not of rows."""
        if not signature.inputs or any(not spec.shape for spec in signature.inputs.values()):
            raise Refused(
                501,
                f"{signature.name} must take rows, inputs of a size or more. It has: "
                f"{ {name: spec.shape for name, spec in signature.inputs.items()} }",
            )

    def _check(self, signature, inputs):
        self.check_names(signature, inputs)
        for name, array in inputs.items():
            check_shape(name, array.shape, signature.inputs[name])
            if array.dtype == object and array.size:
                most = max(map(len, array.reshape(-1).tolist()))
                if most > self.limits.max_text_bytes:
                    raise Refused(
                        413,
                        f"A text of {name!r} may have {self.limits.max_text_bytes:,} bytes. "
                        f"Received: {most:,}",
                    )
        counts = {n: len(x) for n, x in inputs.items() if n not in signature.shared}
        rows = next(iter(counts.values()))
        if len({*counts.values()}) > 1 or any(0 in x.shape for x in inputs.values()):
            counts |= {name: len(inputs[name]) for name in signature.shared}
            raise Refused(400, f"Inputs must have as many rows as each other, 1 or more: {counts}")
        if rows > self.limits.max_rows:
            raise Refused(
                413, f"A request may have {self.limits.max_rows} rows. Received: {rows}; split it"
            )

    async def _wait(self, job, is_gone):
        """The answer to a job; gives up when nobody waits for it, or when it is too late."""
        left = self.limits.timeout
        while left > 0:
            await asyncio.wait({job.future}, timeout=min(PATIENCE, left))
            if job.future.done():
                return job.future.result()
            left -= PATIENCE
            if is_gone and await is_gone():
                raise Refused(499, "The client has gone.")
        raise Refused(504, f"There was no answer in {self.limits.timeout:g} s: ask for less.")

    # === Life =====================================================================================

    @contextlib.asynccontextmanager
    async def running(self, poll_seconds=1.0):
        """Loads the models, looks for new versions from then on, and ends when all is answered."""
        await asyncio.to_thread(self.scan)
        self.batcher.start()
        self.serving = True
        watch = asyncio.create_task(self._watch(poll_seconds))
        try:
            yield self
        finally:
            self.serving = False
            watch.cancel()
            self.batcher.stop()
            await asyncio.to_thread(self.batcher.join)

    async def _watch(self, poll_seconds):
        while True:
            await asyncio.sleep(poll_seconds)
            try:
                await asyncio.to_thread(self.scan)
            except OSError as error:  # a folder that vanishes while it is read; others are there
                LOGGER.error("not looked for versions", extra={"reason": str(error)})


def with_adapter(version, columns, name):
    """Columns of rows as `serving_default` takes them: where a graph holds several adapters, with
    the one that a request names for all of its rows.

    Args:
        columns: dict of arrays (B, …). name: str; None or "" for no adapter.

    Raises:
        Refused: 422, a name for a model that has none to choose from.
    """
    if COLUMN in version.signatures[DEFAULT].inputs:
        rows = len(next(iter(columns.values())))
        return columns | {COLUMN: strings([name or ""] * rows)}
    if name:
        raise Refused(
            422,
            f"{version.name} was exported without a choice of adapters: leave {COLUMN!r} out, or "
            f"export it with several. Received: {shorten(name)}",
        )
    return columns


def strings(texts):
    """list of str, or of lists of as many str each -> an object array of their bytes."""
    array = np.array(texts, object)
    array[...] = np.vectorize(_encoded, otypes=[object])(array)
    return array


def _encoded(text):
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Refused(400, "A text has half of a surrogate pair, which is no text.") from error
