"""Runs that go on where they stopped: all that a run is made of, saved at any step.

    clf.fit(texts, labels, epochs=3, callbacks=[bert_tf2.Checkpoints("runs/mine", every=500)])

Killed and started again with the same lines, the run ends with the weights of one left alone.
"""

import contextlib
import logging
import math
import re
import signal
import threading
from pathlib import Path

import keras
import tensorflow as tf

from bert_tf2 import files
from bert_tf2.locks import locked
from bert_tf2.messages import FileError, shorten
from bert_tf2.training import checkpoint_store as store
from bert_tf2.training import strategies

LOGGER = logging.getLogger("bert_tf2")


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
        settings: dict, of what JSON can say, that tells this run from others besides what `fit` is
            given, such as `{"seed": 1}`: a run with other settings does not go on with it.

    Raises:
        InUse: in `fit`: another process trains into this folder.
        ValueError: `every` or `keep` below 1, an unknown `mode`; or, in `fit`, a checkpoint of
            another run: of another model, recipe, batch size, or number of batches or epochs.

    Examples:
        >>> clf = bert_tf2.TextClassifier.from_preset("all-MiniLM-L6-v2", labels=["bad", "good"])
        >>> saved = bert_tf2.Checkpoints("runs/saved", every=500)
        >>> clf.fit(texts, labels, callbacks=[saved])  # called again after a kill, it goes on
    """

    def __init__(self, folder, every=None, keep=2, monitor=None, mode=None, settings=None):
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
        self.was_finished = False  # whether the run that was found had nothing left to do
        self.settings = dict(settings or {})
        self._terminated, self._handler = False, None
        self._held, self._scores = contextlib.ExitStack(), {}

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
        self.release()
        self.run, self.history, self.failure, self.resumed = run, {}, None, None
        self.was_finished = False
        if self.settings:
            run["settings"] = self.settings
        self._callbacks = [
            c.state_variables(model) for c in callbacks if hasattr(c, "state_variables")
        ]
        self._chief = strategies.is_chief(model.distribute_strategy)
        try:
            if self._chief:
                self._held.enter_context(locked(self.folder))
                files.remove_drafts(self.folder, "epoch-")
            return self._go_on(model)
        except BaseException:
            self.release()
            raise

    def _go_on(self, model):
        variables = _named_variables(model, self._callbacks)
        path, state = self._newest_whole(variables)
        if path is None:
            return None
        store.fill(path, variables)
        epochs, self.run, self.history = self.run["epochs"], state["run"], state["history"]
        self.resumed = (state["epoch"], state["step"])
        self._metric_values = [
            tf.convert_to_tensor(v.value).numpy() for v in model.metrics_variables
        ]
        LOGGER.warning("going on from %s", path)
        epoch = epochs if state["finished"] else state["epoch"]
        self.was_finished = epoch >= epochs
        return epoch, state["step"], state["run"]["shuffle_seed"]

    def _newest_whole(self, variables):
        """-> (folder, its state) of the newest checkpoint that is whole; (None, None)."""
        self._scores = {}
        chosen = None, None
        for path in reversed(self.found()):
            try:
                state = store.read_state(path)
                if chosen[0] is None:
                    self._check_same_run(path, state)
                    store.check_variables(path, state, variables)
                    chosen = path, state
                self._scores[path] = state["score"]
            except FileError as error:
                if self._chief:
                    store.set_aside(path, error)
        return chosen

    def _check_same_run(self, place, state):
        there, here = _flat(state["run"]), _flat(self.run)
        differing = {
            name: f"{shorten(value)} there, {shorten(here.get(name))} here"
            for name, value in there.items()
            if value != here.get(name)
        }
        if state["format"] != store.FORMAT:
            differing = {"format": f"{state['format']} there, {store.FORMAT} here"}
        if differing:
            raise ValueError(
                f"{place} is of another run: {shorten(differing, 350)}. Give another folder, "
                "or remove this one to start anew."
            )

    def found(self):
        """The folders of checkpoints, in the order of the run, the newest last."""
        return store.found(self.folder)

    def clear(self):
        """Removes all checkpoints, for a run that is to start anew."""
        for path in self.found():
            store.remove(path)

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
        """Gives SIGTERM back to whom it belonged, and the folder free, however `fit` ends."""
        self._held.close()
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
        final = store.place(self.folder, epoch, step)
        state = {
            "epoch": epoch,
            "step": step,
            "finished": finished,
            "score": score,
            "run": self.run,
            "history": self.history,
        }
        try:
            store.write(final, state, values)
            self.failure = None
        except (OSError, tf.errors.OpError) as error:
            self.failure = OSError(f"saving {final} failed: {shorten(str(error), 300)}")
            LOGGER.warning("%s. Earlier checkpoints are whole; training goes on.", self.failure)
            return
        self._scores[final] = score
        self._prune()

    def _prune(self):
        """Removes what is neither new nor best; never stops a run."""
        found = self.found()
        scored = [path for path in found if self._scores.get(path) is not None]
        best = max(scored, key=lambda path: self.sign * self._scores[path], default=None)
        for path in found[: -self.keep]:
            if path != best:
                try:
                    store.remove(path)
                except OSError as error:
                    LOGGER.warning("%s cannot be removed: %s. Training goes on.", path, error)


def _flat(run):
    """What tells a run from others, each of its settings by itself."""
    told = {name: value for name, value in run.items() if name not in ("shuffle_seed", "settings")}
    return told | run.get("settings", {})


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
