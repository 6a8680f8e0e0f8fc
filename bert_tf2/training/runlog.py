"""What a run was, and how it went: files that people, programs and TensorBoard read."""

import contextlib
import json
import logging
import os
import platform
import time
from pathlib import Path

import keras
import tensorflow as tf

from bert_tf2 import files
from bert_tf2.messages import FileError
from bert_tf2.schema import parse_json
from bert_tf2.training import strategies

LOGGER = logging.getLogger("bert_tf2")
RUN, METRICS, EVENTS = "run.json", "metrics.jsonl", "tensorboard"


class RunLog(keras.callbacks.Callback):
    """Writes a run down as it goes.

        clf.fit(texts, labels, callbacks=[bert_tf2.RunLog("runs/mine")])

    In the folder there are then
        run.json: the task, its encoder's config, what `fit` was given, the optimizer, the compiled
            step, versions, the strategy, when it was started (again), and the settings given here;
        metrics.jsonl: a line for each epoch, and each `every` steps: `step`, `epoch` (from 1),
            `seconds` that the run has taken, all its starts together, `learning_rate`, and the
            metrics, of the epoch so far;
        tensorboard/: the same numbers by step, for `tensorboard --logdir`; steps that a run took
            once more after a kill are in it twice.

    With `Checkpoints`, a run that goes on where it stopped goes on in the same folder; lines of
    metrics.jsonl beyond that step are dropped. Of several workers the chief writes.

    Args:
        folder: where; created if it is not there.
        every: also write after this many steps. Default: only after epochs.
        settings: dict to be kept in run.json, whatever JSON can say.

    Raises:
        ValueError: `every` below 1.

    Examples:
        >>> clf = bert_tf2.TextClassifier.from_preset("all-MiniLM-L6-v2", labels=["bad", "good"])
        >>> clf.fit(texts, labels, callbacks=[bert_tf2.RunLog("runs/log", every=100)])
    """

    def __init__(self, folder, every=None, settings=None):
        super().__init__()
        if every is not None and every < 1:
            raise ValueError(f"`every` must be 1 or more. Received: {every}")
        self.folder, self.every, self.settings = Path(folder), every, settings or {}
        self.writer, self.torn = None, False  # whether the last line may be cut off

    # --- What Keras calls. ------------------------------------------------------------------------

    def on_train_begin(self, logs=None):
        self.writes = strategies.is_chief(self.model.distribute_strategy)
        self.epoch, self.started = 0, time.perf_counter()
        self.last = self._step()
        lines = read_metrics(self.folder) if self.last else []
        # A run that goes on goes on with its clock, with the time of steps that were lost, too.
        self.started -= max((line["seconds"] for line in lines), default=0)
        if not self.writes:
            return
        starts = self._earlier_starts() if self.last else []
        now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        files.write_json(self.folder / RUN, self._run([*starts, now]))
        kept = [line for line in lines if line["step"] <= self.last]
        files.write_file(self.folder / METRICS, "".join(json.dumps(line) + "\n" for line in kept))
        for file in () if self.last else (self.folder / EVENTS).glob("events.out.*"):
            file.unlink()
        self.writer = tf.summary.create_file_writer(str(self.folder / EVENTS))

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.every:
            step = self._step()
            if step // self.every > self.last // self.every:
                self._write(step, logs)
            self.last = step

    def on_epoch_end(self, epoch, logs=None):
        self._write(self._step(), logs, whole_epoch=True)

    def on_train_end(self, logs=None):
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    def seconds(self):
        """What the run has taken so far, all of its parts together."""
        return round(time.perf_counter() - self.started, 3)

    # --- Writing. ---------------------------------------------------------------------------------

    def _earlier_starts(self):
        try:
            return read_run(self.folder).get("started", [])
        except FileError as error:  # what it said is lost; the run is worth more
            LOGGER.warning("%s. It is written anew.", error)
            return []

    def _step(self):
        return int(self.model.optimizer.iterations.numpy())

    def _run(self, started):
        strategy = self.model.distribute_strategy
        return {
            "task": type(self.model).__name__,
            "encoder": self.model.encoder.config.to_dict(),
            "dtype": self.model.encoder.policy.name,
            "parameters": self.model.count_params(),
            "run": self.model.run,
            "optimizer": keras.saving.serialize_keras_object(self.model.optimizer),
            "step": self.model.step_settings,
            "strategy": type(strategy).__name__,
            "replicas": strategy.num_replicas_in_sync,
            "versions": versions(),
            "started": started,
            "settings": self.settings,
        }

    def _write(self, step, logs, whole_epoch=False):
        if not self.writes:
            return
        numbers = {name: float(value) for name, value in (logs or {}).items()}
        numbers["learning_rate"] = float(self.model.optimizer.learning_rate)
        line = {"step": step, "epoch": self.epoch + 1, "whole_epoch": whole_epoch}
        try:
            with open(self.folder / METRICS, "a", encoding="utf-8") as file:
                file.write(
                    "\n" * self.torn
                    + json.dumps(line | {"seconds": self.seconds()} | numbers)
                    + "\n"
                )
            self.torn = False
            with self.writer.as_default(step):
                for name, value in numbers.items():
                    _write_scalar(f"epoch_{name}" if whole_epoch else f"batch_{name}", value)
            self.writer.flush()
        except (OSError, tf.errors.OpError) as error:  # a full disk; the run is worth more
            self.torn = True
            LOGGER.warning("writing to %s failed: %s. Training goes on.", self.folder, error)


def read_run(folder):
    """What run.json in a folder says; empty where there is none.

    Raises:
        FileError: it is empty or damaged.
    """
    file = Path(folder) / RUN
    schema = {"started": [str], "settings?": dict}
    return files.read_json(file, schema) if os.path.lexists(file) else {}


def read_metrics(folder):
    """The lines of metrics.jsonl in a folder, as dicts, without what was cut off or damaged."""
    file = Path(folder) / METRICS
    content = files.read_bytes(file, at_most=None) if os.path.lexists(file) else b""
    lines = []
    for line in content.decode("utf-8", "replace").split("\n"):
        # The process was killed, or the disk full, while it wrote.
        with contextlib.suppress(FileError):
            lines.append(parse_json(line.encode(), METRICS, {"step": int, "seconds?": float}))
    return lines


def versions():
    """dict: of this package, Keras, TensorFlow and Python."""
    import bert_tf2

    modules = {"bert_tf2": bert_tf2, "keras": keras, "tensorflow": tf}
    found = {name: module.__version__ for name, module in modules.items()}
    return found | {"python": platform.python_version()}


def _write_scalar(name, value):
    """As `tf.summary.scalar`, which needs the package tensorboard only to say what follows."""
    metadata = tf.compat.v1.SummaryMetadata()
    metadata.plugin_data.plugin_name = "scalars"
    tf.summary.write(name, tf.constant(value, tf.float32), metadata=metadata)
