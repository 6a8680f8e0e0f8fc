"""Parts of a corpus, each worked on once, by one process or several."""

import json
import multiprocessing
from collections import Counter, deque
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import tensorflow as tf

from bert_tf2 import files

AHEAD = 2  # parts that wait for each process
_work = None  # of a process: what it does with a part


def ordered(begin, given, planned, processes):
    """Yields (part, what is made of it) in order.

    Args:
        begin: function of `given`, to be called once in each process, that gives a function of a
            part; both can be sent to a process, and so can what it gives.
        given: tuple.
        planned: iterable of `parts.Part`.
        processes: int; 1 works here.

    Raises:
        OSError: a process was killed, such as by a machine without memory left.
        and what that function raises.
    """
    if processes == 1:
        work = begin(*given)
        for part in planned:
            yield part, work(part)
        return
    context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    pool = ProcessPoolExecutor(processes, context, _begin, (begin, given))
    try:
        waiting = deque()
        for part in planned:
            waiting.append((part, pool.submit(_do, part)))
            while len(waiting) > AHEAD * processes:
                part, made = waiting.popleft()
                yield part, made.result()
        for part, made in waiting:
            yield part, made.result()
    except BrokenProcessPool as error:
        raise OSError(
            "A process was killed, perhaps for want of memory: ask for fewer, or for a smaller "
            "`part_bytes`"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(begin, given):
    """A process of its own computes with one thread: there are as many as there are processors."""
    global _work
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    _work = begin(*given)


def _do(part):
    return _work(part)


# === Records ======================================================================================


class Recording:
    """Makes the records of parts, but for those that were made before.

    Args:
        job: `making.Job`.
        work: the folder of finished parts: N.tfrecord, and N.json once that is whole.
        tokenizer: the job's, where it is at hand.
    """

    def __init__(self, job, work, tokenizer=None):
        self.maker, self.work = job.maker(tokenizer), work

    def __call__(self, part):
        """-> Counter of a part."""
        found = self.done(part)
        return self.make(part) if found is None else found

    def done(self, part):
        """The counts of a part that is there, or None."""
        return noted(part, self.work)

    def make(self, part):
        """Makes a part, and notes that it is whole. -> its counts."""
        with files.new_file(self.work / f"{part.number}.tfrecord") as draft:
            write(self.maker, part, draft)
        files.write_json(self.work / f"{part.number}.json", dict(self.maker.counts))
        return self.maker.counts


def noted(part, work):
    """The counts of a part that was made, or None."""
    note = work / f"{part.number}.json"
    return Counter(json.loads(note.read_bytes())) if note.exists() else None


def write(maker, part, file):
    """Writes the records of a part."""
    with tf.io.TFRecordWriter(str(file)) as writer:
        for batch in maker.make(part):
            for example in batch:
                writer.write(example)
