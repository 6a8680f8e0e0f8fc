"""Parts of a corpus, each made once, by one process or several."""

import json
import multiprocessing
from collections import Counter, deque
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import tensorflow as tf

from bert_tf2 import files

AHEAD = 2  # parts that wait for each process
_maker = None  # of a worker's process


def run(job, planned, work, processes):
    """Yields (part, its counts) in order, of parts that are made now or were made before.

    Args:
        job: `making.Job`.
        planned: iterable of `parts.Part`.
        work: the folder of finished parts: N.tfrecord, and N.json once that is whole.
        processes: int; 1 works here.

    Raises:
        OSError: a process was killed, such as by a machine without memory left.
        and what `Maker.make` raises.
    """
    if processes == 1:
        maker = None
        for part in planned:
            found = done(part, work)
            if found is None:
                maker = maker or job.maker()
                found = make(maker, part, work)
            yield part, found
        return
    context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    pool = ProcessPoolExecutor(processes, context, _begin, (job,))
    try:
        waiting = deque()
        for part in planned:
            found = done(part, work)
            waiting.append((part, found or pool.submit(_make, part, work)))
            while len(waiting) > AHEAD * processes:
                yield _result(*waiting.popleft())
        while waiting:
            yield _result(*waiting.popleft())
    except BrokenProcessPool as error:
        raise OSError(
            "A process was killed, perhaps for want of memory: ask for fewer, or for a smaller "
            "`part_bytes`. The same call goes on with the parts that are missing"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _result(part, found):
    return part, found if isinstance(found, Counter) else found.result()


def done(part, work):
    """The counts of a part that was made before, or None."""
    note = work / f"{part.number}.json"
    if not note.exists():
        return None
    said = json.loads(note.read_bytes())
    if said.pop("blocks") != json.loads(json.dumps(part.blocks)):  # never, as plans are equal
        return None
    return Counter(said)


def make(maker, part, work):
    """Makes a part, and notes that it is whole. -> its counts."""
    with files.new_file(work / f"{part.number}.tfrecord") as draft:
        write(maker, part, draft)
    files.write_json(work / f"{part.number}.json", dict(maker.counts) | {"blocks": part.blocks})
    return maker.counts


def write(maker, part, file):
    """Writes the records of a part."""
    with tf.io.TFRecordWriter(str(file)) as writer:
        for batch in maker.make(part):
            for example in batch:
                writer.write(example)


def _begin(job):
    """A process of its own computes with one thread: there are as many as there are processors."""
    global _maker
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    _maker = job.maker()


def _make(part, work):
    return make(_maker, part, work)
