"""Rows of many requests in few batches: each answer is its own, whatever it was computed with."""

import asyncio
import time
from types import SimpleNamespace

import numpy as np
import pytest

from bert_tf2.serving.padded import cut_padding, joined
from bert_tf2.serving.server.batching import WASTE, Batcher, Job, Limits, batches
from bert_tf2.serving.server.errors import Refused


@pytest.mark.parametrize("seed", range(8))
def test_every_row_is_in_one_batch_within_the_limits(seed):
    generator = np.random.default_rng(seed)
    limits = Limits(max_batch_rows=int(generator.integers(1, 40)), max_batch_tokens=2000)
    lengths = np.exp(generator.uniform(0, 9, generator.integers(1, 200))).astype(int) + 1
    found = batches(lengths, limits)
    assert sorted(np.concatenate(found).tolist()) == list(range(len(lengths)))
    for batch in found:
        padded, real = lengths[batch].max() * len(batch), lengths[batch].sum()
        assert len(batch) <= limits.max_batch_rows
        assert len(batch) == 1 or padded <= limits.max_batch_tokens
        assert padded - real <= max(WASTE, real // 2)
    assert batches(np.full(7, 10), Limits(max_batch_rows=7))[0].tolist() == [*range(7)]


def test_padding_of_others_is_cut():
    words = np.array([[b"a", b"", b""], [b"b", b"c", b""]], object)
    tags = {"words": words, "tags": words, "tag_scores": np.float32([[1, 0, 0], [1, 1, 0]])}
    found = cut_padding(tags | {"logits": np.zeros((2, 3))})
    assert found["tags"].shape == (2, 2) and found["logits"].shape == (2, 3)
    rows = {"values": np.float32([[2, 1, 0]]), "indices": np.int32([[5, 0, 0]])}
    assert cut_padding(rows)["indices"].tolist() == [[5, 0]]
    pieces = {name: np.ones((2, 9)) for name in ("ids", "pieces", "starts", "ends")}
    assert cut_padding(pieces | {"lengths": np.array([0, 4])})["ids"].shape == (2, 4)
    whole = joined([(np.array([2]), {"x": words[:1, :1]}), (np.array([0, 1]), {"x": words})])
    assert whole["x"].tolist() == [*words.tolist(), [b"a", b"", b""]]


class Graph:
    """A signature that gives each text in capitals, and refuses "bad"."""

    name = "serving_default"

    def __init__(self):
        self.asked = []

    def __call__(self, inputs):
        texts = inputs["text"].tolist()
        self.asked.append(texts)
        if b"bad" in texts:
            raise ValueError("bad is refused")
        return {"capitals": np.array([text.upper() for text in texts], object)}


ONE, OTHER = (
    SimpleNamespace(name="one", task=""),
    SimpleNamespace(name="one", task=""),
)  # two versions


def job(graph, texts, version=ONE, shared=()):
    inputs = {"text": np.array([text.encode() for text in texts], object)}
    return Job(version, graph, inputs, dict(shared))


def answered(make, limits=None):
    """Submits jobs before the thread begins; -> their answers or exceptions, in order."""

    async def ask():
        batcher = Batcher(limits or Limits())
        jobs = make()
        for one in jobs:
            batcher.submit(one)
        batcher.start()
        batcher.stop()  # which ends it only when all is answered
        found = await asyncio.gather(*(one.future for one in jobs), return_exceptions=True)
        await asyncio.to_thread(batcher.join)
        return found

    return asyncio.run(ask())


def test_rows_of_several_requests_come_back_to_each():
    graph = Graph()
    texts = [[f"{'x' * (7 * i % 50)}{i},{j}" for j in range(i + 1)] for i in range(20)]
    found = answered(lambda: [job(graph, rows) for rows in texts])
    for rows, one in zip(texts, found, strict=True):
        assert one["capitals"].tolist() == [text.upper().encode() for text in rows]
    assert len(graph.asked) < 20


def test_only_what_is_wrong_fails():
    graph = Graph()
    good, bad, fine = answered(lambda: [job(graph, [x]) for x in ("good", "bad", "fine")])
    assert good["capitals"].tolist() == [b"GOOD"] and fine["capitals"].tolist() == [b"FINE"]
    assert isinstance(bad, ValueError)


def test_versions_and_shared_inputs_are_kept_apart():
    graph = Graph()
    shared = [{"labels": np.array([name], object)} for name in ("x", "y", "x")]

    def make():
        labelled = [job(graph, [str(i)], shared=x) for i, x in enumerate(shared)]
        return [*labelled, job(graph, ["3"], shared=shared[0], version=OTHER)]

    answered(make)
    assert sorted(graph.asked) == [[b"0", b"2"], [b"1"], [b"3"]]


def test_a_long_request_does_not_hold_up_a_short_one():
    graph = Graph()
    limits = Limits(max_batch_rows=4)
    answered(lambda: [job(graph, ["long"] * 100), job(graph, ["short"])], limits)
    first = next(i for i, texts in enumerate(graph.asked) if b"short" in texts)
    assert first <= 1 and len(graph.asked) >= 25


def test_what_nobody_waits_for_is_not_computed():
    graph = Graph()

    def make():
        made = [job(graph, ["gone"]), job(graph, ["here"])]
        made[0].future.cancel()
        return made

    answered(make)
    assert graph.asked == [[b"here"]]


def test_a_full_queue_and_a_stopping_server_refuse():
    async def ask():
        batcher = Batcher(Limits(max_queue=3))
        batcher.submit(job(Graph(), ["a"] * 5))  # alone it may be longer
        with pytest.raises(Refused, match="5 rows are waiting"):
            batcher.submit(job(Graph(), ["b"]))
        batcher.stop()
        with pytest.raises(Refused, match="stopping") as refused:
            batcher.submit(job(Graph(), ["b"]))
        assert refused.value.status == 503

    asyncio.run(ask())


def test_one_client_waits_for_nobody():
    """The window is for those who come together: it is of a second here."""

    async def ask():
        batcher = Batcher(Limits(batch_window_ms=1000))
        batcher.start()
        started = time.monotonic()
        for _ in range(5):
            one = job(Graph(), ["a"])
            batcher.submit(one)
            await one.future
        batcher.stop()
        return time.monotonic() - started

    assert asyncio.run(ask()) < 1.0
