"""Adapters on a task: added, trained, switched, merged, and kept as small files.

The words are those of peft's models. A task with an adapter trains it and its head in place of the
encoder, which stays as it is, for others that share it, too.
"""

import contextlib
import json
import re

import numpy as np

from bert_tf2.messages import switched
from bert_tf2.modeling.adapter_kinds import SWITCHES
from bert_tf2.modeling.adapters import Adapter, array_of
from bert_tf2.modeling.worn import wearing
from bert_tf2.tasks import adapter_folders

NAME = re.compile(r"[\w.-]+")


class Adapted:
    """What a `Task` does with adapters.

    Attributes:
        active_adapter: the name of the one that the task computes with and trains, or None.
        adapters: dict of names to `modeling.adapters.Adapter`.
    """

    active_adapter: str | None = None
    adapters: dict[str, Adapter] = {}  # noqa: RUF012  its own, once there is one
    takes_adapters = True
    top_layers: dict[str, int | None] = {}  # noqa: RUF012  what it was opened with, see `from_preset`
    rows_wear = None  # what the rows of a batch wear, each its own, while many are exported

    def add_adapter(self, kind="lora", name="default", **settings):
        """Gives the task a new adapter and makes it the active one.

        From then on `fit` trains it, and a head of its own that begins as the task's, and nothing
        else. A new LoRA computes nothing yet; a new bottleneck nearly so.

        Args:
            kind: "lora", "houlsby", "pfeiffer", or "bias".
            name: letters, digits, "_", "-" and ".".
            **settings: see `modeling.adapter_kinds`: of "lora" `rank`, `alpha`, `dropout`,
                `targets`, `bias`, `use_rslora`; of bottlenecks `size`, `activation`; of "bias"
                `targets`; of all `train_head`.

        Returns:
            the task.

        Raises:
            ValueError: a name that is taken or no name, an unknown kind or target, a setting out of
                range; a task that was opened with `trainable_layers` or `reinit_layers`.
            TypeError: a setting that the kind has not, or a task that takes none.
        """
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise ValueError(
                f'`name` must be of letters, digits, "_", "-" and ".". Received: {name!r}'
            )
        if not self.takes_adapters:
            raise TypeError(
                f"A {type(self).__name__} takes no adapters: it trains all of its parts."
            )
        if name in self.adapters:
            raise ValueError(
                f"There is an adapter {name!r} already: `delete_adapter({name!r})`, or give "
                f"another name. Received: name={name!r}"
            )
        for argument, layers in self.top_layers.items():
            if layers is not None:
                raise ValueError(
                    f"`{argument}` is for an encoder that trains, in whose place an adapter does: "
                    f"open the task without. Received: {argument}={layers}"
                )
        before, head = self.active_adapter, self.head_variables()
        self._activate(None)
        try:
            with self.distribute_strategy.scope():
                unread = {n.rpartition("/")[0] for n in self.encoder.unread(self)}
                made = Adapter(kind, self.encoder, head, unread, name, **settings)
        except BaseException:
            self._activate(before)
            raise
        if not self.adapters:
            self.adapters = {}
        self.adapters[name] = made
        self._activate(name)
        return self

    def set_adapter(self, name):
        """Makes another adapter the active one; None: the task computes and trains without any.

        Raises:
            ValueError: there is no such adapter.
        """
        self._activate(None if name is None else self.known_adapter(name).name)

    @contextlib.contextmanager
    def disable_adapter(self):
        """Within it, the task is as it was without adapters: its own encoder, its own head."""
        before = self.active_adapter
        self._activate(None)
        try:
            yield self
        finally:
            self._activate(before)

    def delete_adapter(self, name):
        """Removes an adapter; the task is then without, if it was the active one."""
        self.known_adapter(name)
        if name == self.active_adapter:
            self._activate(None)
        self.adapters.pop(name)
        self._forget()

    def merge_adapter(self):
        """Computes with whole kernels that have the active LoRA in them: at no cost, and no copy of
        the encoder's own is touched. Nothing is trained meanwhile.

        Raises:
            ValueError: no adapter is active, or it is a bottleneck.
        """
        with self.distribute_strategy.scope():
            self._active("merge_adapter").merge()
        self._forget()

    def unmerge_adapter(self):
        """Computes with the encoder's own kernels, bit for bit, and the adapter beside them."""
        self._active("unmerge_adapter").unmerge()
        self._forget()

    def merge_and_unload(self):
        """A task without adapters that computes as this one: a copy with the active one merged.

        Raises:
            ValueError: as `merge_adapter`.
        """
        arrays = self.merged_arrays()
        config = self.get_config() | {"adapters": None}
        config["encoder"]["config"] |= {"initializer": "zeros"}  # their numbers come next
        copy = type(self).from_config(config)
        copy.preprocessor, copy.load_report = self.preprocessor, self.load_report
        for name, variable in copy.named_variables().items():
            variable.assign(arrays[name])
        return copy

    def merged_arrays(self):
        """dict of our names to the task's arrays, with the active adapter merged into them."""
        arrays = {n: array_of(v) for n, v in self.named_variables().items()}
        if self.active_adapter is not None:
            adapter = self.adapters[self.active_adapter]
            arrays |= {f"{unit}/kernel": x for unit, x in adapter.merged_kernels().items()}
            arrays |= {name: array_of(v) for name, v in adapter.own_biases().items()}
        return arrays

    def trained_share(self):
        """(numbers that `fit` trains, all numbers of the task with what is active)."""
        everything = [*self.named_variables().values(), *self.adapter_variables().values()]
        return tuple(
            sum(int(np.prod(v.shape)) for v in some)
            for some in (self.trainable_variables, everything)
        )

    # --- Files. -----------------------------------------------------------------------------------

    save_adapter = adapter_folders.save_adapter
    load_adapter = adapter_folders.load_adapter

    def spoken_adapters(self):
        """dict, of what JSON can say, that makes the same adapters again; None without any."""
        if not self.adapters:
            return None
        made = {n: a.spoken() | {"merged": bool(a.merged)} for n, a in self.adapters.items()}
        return json.loads(json.dumps({"active": self.active_adapter, "made": made}))

    def make_adapters(self, spoken):
        """Adds what `spoken_adapters` has said of an equal task, without its numbers."""
        for name, said in (spoken or {"made": {}})["made"].items():
            settings = {key: value for key, value in said.items() if key not in ("kind", "merged")}
            self.add_adapter(said["kind"], name, **switched(settings, *SWITCHES))
            if said["merged"]:
                self.merge_adapter()
        if spoken:
            self.set_adapter(spoken["active"])

    def base_arrays(self):
        """dict of our names to the arrays that the task has without adapters."""
        arrays = {n: array_of(v) for n, v in self.named_variables().items()}
        kept = self.adapters[self.active_adapter].head if self.active_adapter else {}
        return arrays | {n: array_of(v) for n, v in kept.items()}

    def adapter_variables(self):
        """dict of names, "adapters/" before them, to the variables of the active adapter."""
        if self.active_adapter is None:
            return {}
        adapter = self.adapters[self.active_adapter]
        return {f"adapters/{adapter.name}/{name}": v for name, v in adapter.named.items()}

    # --- What Keras asks. -------------------------------------------------------------------------

    def __call__(self, *args, **kwargs):
        with self.wearing():
            return super().__call__(*args, **kwargs)

    def wearing(self):
        """Within it, the encoder's layers wear the active adapter, whoever calls them."""
        if self.rows_wear is not None:
            return wearing(self.rows_wear)
        return wearing(self.adapters[self.active_adapter].worn() if self.active_adapter else None)

    @contextlib.contextmanager
    def rows_wearing(self, what):
        """Within it, each row of a batch wears its own: a `Worn` that has `rows`."""
        self.rows_wear = what
        try:
            yield
        finally:
            self.rows_wear = None

    def dressed(self, model):
        """A function that calls a model on this task's encoder as the task would."""

        def call(*args, **kwargs):
            with self.wearing():
                return model(*args, **kwargs)

        return call

    @property
    def trainable_variables(self):
        """Those of the active adapter and of its head; without one, the task's own."""
        adapter = self.adapters.get(self.active_adapter)
        others = (a for a in self.adapters.values() if a is not adapter)
        still = {id(v) for other in others for v in other.variables}
        if adapter is not None:
            still |= {id(v) for v in self.encoder.variables}
            if not adapter.settings.train_head:
                still |= {id(v) for v in self.head_variables().values()}
        return [v for v in super().trainable_variables if id(v) not in still]

    def ready_to_train(self):
        """As `StepModel.ready_to_train`; raises while an adapter is merged."""
        if self.active_adapter and self.adapters[self.active_adapter].merged:
            raise ValueError(
                f"Adapter {self.active_adapter!r} is merged, and a merged one is not trained: call "
                "`unmerge_adapter()` before `fit`."
            )
        super().ready_to_train()

    # --- What is active. --------------------------------------------------------------------------

    def _activate(self, name):
        before = self.active_adapter
        if name == before:
            return
        for each in (before, name):  # the task's own head comes back in between
            if each is not None:
                self.adapters[each].exchange_heads(self.head_variables())
        self.active_adapter = name
        self._forget()

    def _forget(self):
        """Lets go of what was traced with another adapter."""
        self.graphs.clear()
        self.train_function = self.test_function = self.predict_function = None

    def known_adapter(self, name=None):
        """The adapter of that name, or the active one; ValueError where there is none."""
        if name is None:
            return self._active("this")
        if name not in self.adapters:
            raise ValueError(f"There is no adapter {name!r}; there are {[*self.adapters]}.")
        return self.adapters[name]

    def _active(self, what):
        if self.active_adapter is None:
            raise ValueError(
                f"`{what}` needs an active adapter: call `set_adapter`. There are "
                f"{[*self.adapters]}."
            )
        return self.adapters[self.active_adapter]

    def head_variables(self):
        """dict of our names to the variables of the task's head."""
        inner = {id(v) for v in self.encoder.variables}
        return {n: v for n, v in self.named_variables().items() if id(v) not in inner}
