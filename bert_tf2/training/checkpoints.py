"""Runs that go on where they stopped: all that a run is made of, saved at any step.

    clf.fit(texts, labels, epochs=3, callbacks=[bert_tf2.Checkpoints("runs/mine", every=500)])

Killed and started again with the same lines, the run ends with the weights of one left alone.
"""

import json
import logging
import math
import os
import re
import shutil
import signal
import threading
from pathlib import Path

import keras
import tensorflow as tf

from bert_tf2.training import strategies

LOGGER = logging.getLogger("bert_tf2")
VARIABLES, STATE = "variables", "state.json"
FORMAT = 1


class Checkpoints(keras.callbacks.Callback):
    """Saves a run as it goes, and goes on with one that is found in its folder.

    Saved are weights, the optimizer's slots and step (so the learning rate), the random state of
    every dropout, the order of the data and the place in it, the metrics of the epoch so far, and
    the history. For `Task.fit`, on texts in memory or on a dataset that gives the same batches each
    time. Of other callbacks, the variables are saved that a method `state_variables(model)` gives,
    as `AverageWeights` has one; for `EarlyStopping` the count starts anew, but a run that it has
    ended stays ended.

    Each checkpoint is a folder `epoch-<done>-step-<of the next>`, written under another name,
    flushed to the disk and then renamed: one that can be seen is whole. If saving fails (a full
    disk), that is logged, the older ones stay, and training goes on; if the last try fails, `fit`
    raises.
    On SIGTERM the step at hand is finished, saved, and the process ends with 143 (not with several
    workers, which would not stop at the same step). Of several workers the chief writes; all read
    the folder, so it must be one they share.

    Args:
        folder: where checkpoints are; created if it is not there.
        every: save after this many steps, beside after each epoch. Default: only after epochs.
        keep: how many of the newest checkpoints stay.
        monitor: a name in the logs, such as "val_accuracy"; the epoch where it was best stays too.
        mode: "max" or "min", which values of `monitor` are better; default "min" for a loss,
            else "max".

    Raises:
        ValueError: `every` or `keep` below 1, an unknown `mode`; or, in `fit`, a checkpoint of
            another run: of another model, recipe, batch size, or number of batches or epochs.
    """

    def __init__(self, folder, every=None, keep=2, monitor=None, mode=None):
        super().__init__()
        for name, value in {"every": every, "keep": keep}.items():
            if value is not None and value < 1:
                raise ValueError(f"`{name}` must be 1 or more. Received: {name}={value}")
        if mode not in (None, "min", "max"):
            raise ValueError(f'`mode` must be "min" or "max". Received: {mode!r}')
        self.folder, self.every, self.keep = Path(folder), every, keep
        self.monitor = monitor
        self.sign = -1 if (mode or ("min" if "loss" in (monitor or "") else "max")) == "min" else 1
        self.run, self.history, self.failure = {}, {}, None
        self.resumed = None  # (epoch, step) where this run took over
        self._terminated, self._handler = False, None

    # --- Going on. --------------------------------------------------------------------------------

    def restore(self, model, run, callbacks=()):
        """Fills the variables of a built and compiled model from the newest checkpoint.

        Args:
            model: a `Task` whose optimizer and metrics are built.
            run: dict that tells runs apart; its "shuffle_seed" may differ.
            callbacks: the others of the run.

        Returns:
            (epoch, step, shuffle seed) to go on from; None where there is no checkpoint.
        """
        self.run, self.history, self.failure, self.resumed = run, {}, None, None
        self._callbacks = [
            c.state_variables(model) for c in callbacks if hasattr(c, "state_variables")
        ]
        found = self.found()
        if not found:
            return None
        state = json.loads((found[-1] / STATE).read_text())
        self._check_same_run(found[-1], state)
        variables = _named_variables(model, self._callbacks)
        shapes = {name: list(variable.shape) for name, variable in variables.items()}
        if shapes != state["variables"]:
            differing = sorted(
                name
                for name in {**shapes, **state["variables"]}
                if shapes.get(name) != state["variables"].get(name)
            )
            raise ValueError(
                f"{found[-1]} is of another model or optimizer: {differing[:5]} are not in both, "
                "or of another shape. Give another folder, or remove this one to start anew."
            )
        _read(found[-1] / VARIABLES, variables)
        self.run, self.history = state["run"], state["history"]
        self.resumed = (state["epoch"], state["step"])
        self._metric_values = [
            tf.convert_to_tensor(v.value).numpy() for v in model.metrics_variables
        ]
        LOGGER.warning("going on from %s", found[-1])
        epoch = run["epochs"] if state["finished"] else state["epoch"]
        return epoch, state["step"], state["run"]["shuffle_seed"]

    def _check_same_run(self, place, state):
        told = {name: value for name, value in state["run"].items() if name != "shuffle_seed"}
        differing = {
            name: f"{value} there, {self.run.get(name)} here"
            for name, value in told.items()
            if value != self.run.get(name)
        }
        if state["format"] != FORMAT or differing:
            raise ValueError(
                f"{place} is of another run: {differing or state}. Give another folder, "
                "or remove this one to start anew."
            )

    def found(self):
        """The folders of whole checkpoints, the newest last."""
        return sorted(path.parent for path in self.folder.glob(f"epoch-*/{STATE}"))

    def clear(self):
        """Removes all checkpoints, for a run that is to start anew."""
        for path in self.found():
            _remove(path)

    # --- What Keras calls. ------------------------------------------------------------------------

    def on_train_begin(self, logs=None):
        self._terminated = False
        alone = not strategies.is_multi_worker(self.model.distribute_strategy)
        if alone and threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGTERM, self._terminate)

    def on_train_end(self, logs=None):
        if self.model.stop_training:  # perhaps with other weights than at the last save
            self.save(self.epoch + 1, 0, finished=True)
        if self.failure is not None:
            raise self.failure

    def release(self):
        """Gives SIGTERM back to whom it belonged; `fit` calls it however it ends."""
        if self._handler is not None:
            signal.signal(signal.SIGTERM, self._handler)
            self._handler = None

    def _terminate(self, *_):
        self._terminated = True

    def _end_if_terminated(self):
        if self._terminated:
            raise SystemExit(128 + signal.SIGTERM)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self.saved_at = epoch, 0
        if self.resumed and self.resumed[0] == epoch and self.resumed[1]:
            self.saved_at = self.resumed[1]
            for variable, value in zip(
                self.model.metrics_variables, self._metric_values, strict=True
            ):
                variable.assign(value)

    def on_train_batch_end(self, batch, logs=None):
        step = batch + 1
        if self.run.get("batches", 0) > 0:  # the last execution may have had fewer steps to run
            step = min(step, self.run["batches"])
        passed_over = self.resumed and self.resumed[0] == self.epoch and step <= self.resumed[1]
        due = self.every and step // self.every > self.saved_at // self.every
        if (due or self._terminated) and not passed_over:
            self.save(self.epoch, step)
            self.saved_at = step
        self._end_if_terminated()

    def on_epoch_end(self, epoch, logs=None):
        logs = {name: float(value) for name, value in (logs or {}).items()}
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)
        score = logs.get(self.monitor, math.nan)
        self.save(epoch + 1, 0, None if math.isnan(score) else score)
        due = not (self.monitor or "").startswith("val_") or any(n.startswith("val_") for n in logs)
        if self.monitor and self.monitor not in logs and due:
            raise ValueError(f"`monitor` must be one of {sorted(logs)}. Received: {self.monitor!r}")
        self._end_if_terminated()

    # --- Writing. ---------------------------------------------------------------------------------

    def save(self, epoch, step, score=None, finished=False):
        """Writes a checkpoint: `epoch` epochs and `step` steps of the next are done."""
        variables = _named_variables(self.model, self._callbacks)
        # All workers take part in reading what is summed over them.
        values = {name: tf.convert_to_tensor(v.value) for name, v in variables.items()}
        if not strategies.is_chief(self.model.distribute_strategy):
            return
        final = self.folder / f"epoch-{epoch:04d}-step-{step:09d}"
        while final.exists():  # the same place again, with what other callbacks changed since
            final = final.with_name(f"{final.name}b")
        state = {
            "format": FORMAT,
            "epoch": epoch,
            "step": step,
            "finished": finished,
            "score": score,
            "run": self.run,
            "history": self.history,
            "variables": {name: list(value.shape) for name, value in values.items()},
        }
        try:
            self._write(final, state, values)
            self._prune()
            self.failure = None
        except (OSError, tf.errors.OpError) as error:
            self.failure = OSError(f"saving {final} failed: {error}")
            LOGGER.warning("%s. Earlier checkpoints are whole; training goes on.", self.failure)

    def _write(self, final, state, values):
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = self.folder / f".{final.name}.{os.getpid()}"
        shutil.rmtree(draft, ignore_errors=True)
        try:
            draft.mkdir()
            tf.raw_ops.SaveV2(
                prefix=str(draft / VARIABLES),
                tensor_names=list(values),
                shape_and_slices=[""] * len(values),
                tensors=list(values.values()),
            )
            (draft / STATE).write_text(json.dumps(state, indent=1))
            for path in [*draft.iterdir(), draft]:
                _flush(path)
            os.replace(draft, final)
            _flush(self.folder)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise

    def _prune(self):
        found = self.found()
        scores = {p: json.loads((p / STATE).read_text())["score"] for p in found}
        scored = [path for path in found if scores[path] is not None]
        best = max(scored, key=lambda path: self.sign * scores[path], default=None)
        for path in found[: -self.keep]:
            if path != best:
                _remove(path)
        for draft in self.folder.glob(".epoch-*"):  # of a process that was killed, too
            shutil.rmtree(draft, ignore_errors=True)


def _remove(path):
    """Removes a checkpoint, so that none is ever seen in part."""
    aside = path.with_name(f".{path.name}.old")
    shutil.rmtree(
        aside, ignore_errors=True
    )  # of a process that was killed at the next line but one
    os.replace(path, aside)
    shutil.rmtree(aside, ignore_errors=True)


def _named_variables(model, callbacks):
    """Everything that changes in training, by name."""
    groups = {
        "model": model.variables,
        "optimizer": model.optimizer.variables,
        "metrics": model.metrics_variables,
    }
    groups |= {f"callback_{i}": variables for i, variables in enumerate(callbacks)}
    return {
        f"{group}/{i}/{_stable_name(variable)}": variable
        for group, variables in groups.items()
        for i, variable in enumerate(variables)
    }


def _stable_name(variable):
    """Its path, without the numbers that Keras gives to what has no name."""
    return re.sub(r"_\d+(?=/)", "", variable.path)


def _read(prefix, variables):
    """Fills variables from a file, one by one, so that memory holds no second copy of all."""
    for name, variable in variables.items():
        (value,) = tf.raw_ops.RestoreV2(
            prefix=str(prefix),
            tensor_names=[name],
            shape_and_slices=[""],
            dtypes=[variable.value.dtype],
        )
        variable.assign(value)


def _flush(path):
    """Waits until a file, or a folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
