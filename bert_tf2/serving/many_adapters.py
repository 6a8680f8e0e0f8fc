"""Many adapters of a task in one SavedModel, of which each row of a request names its own.

Letters: A adapters, B rows.
"""

import numpy as np
import tensorflow as tf

from bert_tf2.modeling.adapter_rows import RowDense, RowLowRank, stacked
from bert_tf2.modeling.adapters import array_of
from bert_tf2.modeling.worn import Worn
from bert_tf2.serving.signatures import SENTENCE, tokenize

COLUMN = "adapter"  # its name; "" for none


class Many:
    """Several LoRAs of a task, with their heads, for the rows of a batch to choose from.

    Args:
        task: a task model. names: of its adapters; None for all.

    Raises:
        ValueError: no adapters or an unknown name, one that is no LoRA, or a task whose answers are
            not one a row, or whose head is no dense layer.
    """

    def __init__(self, task, names=None):
        names = [*task.adapters] if names is None else [*names]
        adapters = [task.known_adapter(name) for name in names]
        if not adapters:
            raise ValueError("There are no adapters to choose from: `add_adapter`, `load_adapter`.")
        if task.reads_windows or task.ids_rank != 2:
            raise ValueError(
                f"A {type(task).__name__} computes several rows for one that is asked, of which "
                "adapters cannot be chosen: export each alone."
            )
        self.task, self.names, parts = task, names, {}
        layers = adapters[0].layers
        for unit, arrays in stacked(adapters).items():
            kept = {name: tf.Variable(x, trainable=False) for name, x in arrays.items()}
            parts[id(layers[unit])] = RowLowRank(**kept)
        self.parts = parts | self._heads(adapters)

    def _heads(self, adapters):
        """{id of a dense layer: a `RowDense`} of all heads."""
        task, live = self.task, self.task.head_variables()
        own = [name for name in live if any(name in each.head for each in adapters)]
        base = task.base_arrays()
        found = {}
        for unit in dict.fromkeys(name.rpartition("/")[0] for name in own):
            names = (f"{unit}/kernel", f"{unit}/bias")
            if not {*names} <= {*own} or "/" in unit:
                raise ValueError(
                    f"The head of a {type(task).__name__} cannot be chosen by the row: {unit} is "
                    "no dense layer. Export each adapter alone."
                )
            stacks = [[base[name]] for name in names]
            for each in adapters:
                heads = live if each.name == task.active_adapter else each.head
                for stack, name in zip(stacks, names, strict=True):
                    stack.append(array_of(heads[name]) if name in each.head else base[name])
            kept = [tf.Variable(np.stack(stack), trainable=False) for stack in stacks]
            found[id(task.get_layer(unit))] = RowDense(*kept)
        return found

    def worn(self, chosen):
        """What rows wear that have chosen by name, (B,) string; an unknown name is an error."""
        names = tf.constant(["", *self.names])
        same = tf.equal(tf.reshape(chosen, [-1, 1]), names)  # (B, 1 + A)
        known = tf.reduce_all(tf.reduce_any(same, 1))
        said = [f"`{COLUMN}` must be one of {self.names}, or empty. Received:", chosen]
        with tf.control_dependencies([tf.debugging.Assert(known, said)]):
            return Worn(self.parts, rows=tf.argmax(same, 1, tf.int32))

    def signatures(self, pairs):
        """dict of names to concrete functions, of strings and of ids, each with `adapter`."""
        task = self.task
        chosen = {COLUMN: tf.TensorSpec([None], tf.string, name=COLUMN)}
        ids = {n: tf.TensorSpec(x.shape, x.dtype, name=n) for n, x in task.input.items()}

        def answers(**found):
            with task.rows_wearing(self.worn(found.pop(COLUMN))):
                inputs = task.prepare(found)[0]
                return task.answers(inputs, task(inputs))

        graph = tf.function(answers, autograph=False)
        return {
            "serving_default": graph.get_concrete_function(**task.string_inputs(pairs), **chosen),
            "token_ids": graph.get_concrete_function(**ids, **chosen),
            "tokenize": tokenize(task.preprocessor.tokenizer),
        }

    def samples(self, pairs):
        """{signature: {name: tensor}}: a row that each can be asked."""
        strings = {n: tf.constant([SENTENCE]) for n in self.task.string_inputs(pairs)}
        chosen = {COLUMN: tf.constant([self.names[0]])}
        inputs = self.task.prepare(strings)[0]
        return {
            "serving_default": strings | chosen,
            "token_ids": {n: x for n, x in inputs.items() if n not in self.task.marks} | chosen,
            "tokenize": {"text": tf.constant([SENTENCE])},
        }
