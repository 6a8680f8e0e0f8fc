"""Rows of many requests, computed together: one thread that runs the graphs, and its queue.

While a batch is computed the next ones gather, so that a lone client waits for nobody. Where
several clients take turns, the thread waits up to a window for as many as came the last time.
"""

import asyncio
import collections
import dataclasses
import logging
import threading
import time

import numpy as np

from bert_tf2.serving.padded import cut_padding, joined
from bert_tf2.serving.server.errors import Refused

LOGGER = logging.getLogger("bert_tf2.serving")
BYTES_A_TOKEN = 4  # of English text; lengths are only compared
WASTE = 1024  # tokens of padding that a batch may have whatever its size


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a server takes, and how it batches.

    Attributes:
        max_body_mb: MiB of a request.
        max_rows: rows of a request.
        max_text_bytes: bytes of one text.
        max_queue: rows that may wait; beyond these requests are refused with 503.
        timeout: seconds from a request to its answer, beyond which it is refused with 504.
        max_batch_rows, max_batch_tokens: of what is computed at once; tokens are estimated from
            bytes, and counted with padding. A row alone may have more.
        batch_window_ms: how long rows wait for others at most.
    """

    max_body_mb: int = 32
    max_rows: int = 1000
    max_text_bytes: int = 1_000_000
    max_queue: int = 10_000
    timeout: float = 60.0
    max_batch_rows: int = 32
    max_batch_tokens: int = 16_384
    batch_window_ms: float = 2.0


class Job:
    """A request on its way through the queue.

    Args:
        version, signature: what is asked. inputs: dict of arrays (B, …), shared ones aside.
        shared: dict of the inputs that rows share.
    """

    def __init__(self, version, signature, inputs, shared):
        self.version, self.signature, self.inputs, self.shared = version, signature, inputs, shared
        self.rows = len(next(iter(inputs.values())))
        self.lengths = _lengths(inputs, self.rows)  # (B,), tokens or so
        self.loop = asyncio.get_running_loop()
        self.future = self.loop.create_future()
        self.parts, self.taken, self.done = [], 0, 0
        self.since = time.monotonic()

    @property
    def key(self):
        """What the rows of one batch have in common."""
        shapes = ((n, x.shape[1:]) for n, x in sorted(self.inputs.items()))
        shared = ((n, tuple(x.tolist())) for n, x in sorted(self.shared.items()))
        return (id(self.version), self.signature.name, *shapes, *shared)

    def finish(self, value):
        """Hands over the outputs, or an exception; called in the event loop."""
        if not self.future.done():
            is_error = isinstance(value, Exception)
            (self.future.set_exception if is_error else self.future.set_result)(value)


def _lengths(inputs, rows):
    """About how many tokens each row has."""
    found = np.zeros(rows, "int64")
    for x in inputs.values():
        if x.dtype == object:
            flat = x.reshape(rows, -1)
            found += [sum(map(len, row)) // BYTES_A_TOKEN + 2 for row in flat.tolist()]
        else:
            found = np.maximum(found, x.shape[1] if x.ndim > 1 else 1)
    return found


def batches(lengths, limits):
    """Cuts rows into batches of like length.

    Args:
        lengths: int (n,), tokens of each row.

    Returns:
        list of int arrays, numbers of rows; each row once, the longest first. A batch keeps to
        `limits`, and has at most as much padding as half of its tokens, or as `WASTE`.
    """
    order, found = np.argsort(-lengths, kind="stable"), []
    batch, longest, real = [], 0, 0
    for row in order.tolist():
        length = int(lengths[row])
        padded = max(longest, length) * (len(batch) + 1)
        full = len(batch) == limits.max_batch_rows or padded > limits.max_batch_tokens
        if batch and (full or padded - real - length > max(WASTE, (real + length) // 2)):
            found.append(np.array(batch))
            batch, longest, real = [], 0, 0
        batch.append(row)
        longest, real = max(longest, length), real + length
    return [*found, np.array(batch)]


class Batcher(threading.Thread):
    """Runs the graphs, a batch after the other, until it is stopped.

    Args:
        limits: `Limits`.
        observe: called with the version, the requests, the rows and the seconds of each batch.
    """

    def __init__(self, limits, observe=lambda *_: None):
        super().__init__(name="model", daemon=True)
        self.limits, self.observe = limits, observe
        self.waiting = collections.deque()
        self.rows = 0  # that wait
        self.usual = 1  # requests that came together the last time
        self.stopped = False
        self.changed = threading.Condition()

    def submit(self, job):
        """Queues a `Job`. Refused: 503, the queue is full or the server is stopping."""
        with self.changed:
            if self.stopped:
                raise Refused(503, "The server is stopping: ask again, another one if there is.")
            if self.rows + job.rows > max(self.limits.max_queue, job.rows):
                raise Refused(503, f"{self.rows} rows are waiting already: ask again a bit later.")
            self.waiting.append(job)
            self.rows += job.rows
            self.changed.notify()

    def stop(self):
        """Ends the thread when all that it has taken is answered."""
        with self.changed:
            self.stopped = True
            self.changed.notify()

    def run(self):
        while taken := self._take():
            try:
                self._compute(taken)
            except Exception as error:  # this thread is the only one: it must not end
                LOGGER.exception("failed")
                for job, _ in taken:
                    _hand_over(job.loop, [(job, error)])

    def _compute(self, taken):
        """Answers [(job, rows)], batch by batch."""
        jobs, rows = [job for job, _ in taken], [rows for _, rows in taken]
        lengths = np.concatenate([job.lengths[part] for job, part in taken])
        owners = np.repeat(np.arange(len(jobs)), [len(part) for part in rows])
        numbers = np.concatenate(rows)
        for batch in batches(lengths, self.limits):
            owner, number = owners[batch], numbers[batch]
            self._answer([(jobs[i], number[owner == i]) for i in np.unique(owner)])

    # === The queue ================================================================================

    def _take(self):
        """Some rows of requests that can be computed together: [(job, rows)]; [] at the end."""
        with self.changed:
            while True:
                while not self.waiting and not self.stopped:
                    self.changed.wait()
                self._wait_for_others()
                self._drop_abandoned()
                if self.waiting:
                    taken = self._take_alike(self.waiting[0].key)
                    self.usual = len(taken)
                    return taken
                if self.stopped:
                    return []

    def _wait_for_others(self):
        until = time.monotonic() + self.limits.batch_window_ms / 1000
        while len(self.waiting) < self.usual and not self.stopped:
            left = until - time.monotonic()
            if left <= 0 or not self.changed.wait(left):
                return

    def _drop_abandoned(self):
        """Forgets requests whose client has gone, or has waited too long."""
        gone = [job for job in self.waiting if job.future.done()]
        for job in gone:
            self.waiting.remove(job)
            self.rows -= job.rows - job.taken

    def _take_alike(self, key):
        """Up to four batches of rows, from each request as much as fills one; the rest goes to the
        end, so that a request of a thousand rows does not hold up a short one."""
        room, taken, rest = 4 * self.limits.max_batch_rows, [], []
        for job in [job for job in self.waiting if job.key == key]:
            if room <= 0:
                break
            count = min(job.rows - job.taken, self.limits.max_batch_rows, room)
            taken.append((job, np.arange(job.taken, job.taken + count)))
            job.taken += count
            self.waiting.remove(job)
            rest += [job] * (job.taken < job.rows)
            room -= count
            self.rows -= count
        self.waiting.extend(rest)
        return taken

    # === Answers ==================================================================================

    def _answer(self, parts):
        """Computes one batch, [(job, rows)], and hands on what it completes."""
        started = time.monotonic()
        finished = []
        for job, rows, outputs in self._computed(parts):
            if isinstance(outputs, Exception):
                finished.append((job, outputs))
                continue
            job.parts.append((rows, outputs))
            job.done += len(rows)
            if job.done == job.rows:
                finished.append((job, _whole(job)))
        first = parts[0][0]
        rows = sum(len(rows) for _, rows in parts)
        self.observe(first.version, len(parts), rows, time.monotonic() - started)
        for loop in {job.loop for job, _ in finished}:
            _hand_over(loop, [(job, value) for job, value in finished if job.loop is loop])

    def _computed(self, parts):
        """[(job, rows, outputs or exception)]. What fails together is tried one by one: only what
        is wrong itself is to fail."""
        try:
            outputs = _run(parts)
        except Exception as error:
            if len(parts) == 1:
                return [(*parts[0], error)]
            return [found for part in parts for found in self._computed([part])]
        ends = np.cumsum([len(rows) for _, rows in parts])
        return [
            (job, rows, {name: x[end - len(rows) : end] for name, x in outputs.items()})
            for (job, rows), end in zip(parts, ends, strict=True)
        ]


def _run(parts):
    """The graph's outputs to the rows of some jobs, one after another."""
    first = parts[0][0]
    inputs = {
        name: np.concatenate([job.inputs[name][rows] for job, rows in parts])
        for name in first.inputs
    }
    outputs, count = first.signature(inputs | first.shared), sum(len(rows) for _, rows in parts)
    for name, x in outputs.items():
        if not x.ndim or len(x) != count:
            raise Refused(
                501,
                f"{name!r} is not of rows: {count} were asked, and it has the shape {[*x.shape]}. "
                "This server computes rows of several requests together: use TensorFlow Serving",
            )
    return outputs


def _whole(job):
    """The outputs to all rows of a job; or what went wrong."""
    try:
        found = joined(job.parts)
        return cut_padding(found) if job.version.task else found  # others' names mean other things
    except Exception as error:
        return error


def _hand_over(loop, finished):
    def hand_over():
        for job, value in finished:
            job.finish(value)

    try:
        loop.call_soon_threadsafe(hand_over)
    except RuntimeError:  # the loop has ended: nobody waits
        return
