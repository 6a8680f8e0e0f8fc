"""A task's answers where another runtime computes: texts are read and answers made by the task.

It is for comparing what a runtime answers with what the task does; a program without this library
does the same by hand, with the tokenizer's file.
"""

import numpy as np
import tensorflow as tf

from bert_tf2.data import columns, pipeline
from bert_tf2.serving.runtimes import asked
from bert_tf2.serving.runtimes.timed import Timed

AT_ONCE = 32  # rows of ids, of which a text may have any number


class Answers(Timed):
    """Called as `Task.answer`, with what a runtime computes in place of the model.

    Args:
        task: a task model.
        run: a function of {input: int array} that gives {output: array}, as `opened` of a
            runtime's module makes it.
    """

    def __init__(self, task, run):
        super().__init__()
        self.task, self.run = task, run

    def __call__(self, x, batch_size=32, verbose=0):
        """Yields for each batch a dict of NumPy arrays (B, …)."""
        found = self.task.read(x)
        for start in range(0, pipeline.count_rows(found), batch_size):
            batch = {
                name: tf.convert_to_tensor(v[start : start + batch_size])
                if not isinstance(v, tf.RaggedTensor)
                else v[start : start + batch_size]
                for name, v in found.items()
                if name not in columns.EXTRAS
            }
            inputs = self.task.prepare(batch)[0]
            answers = self.task.answers(inputs, self.outputs(inputs))
            yield {name: value.numpy() for name, value in answers.items()}

    def outputs(self, inputs):
        """The task's outputs to what `prepare` gave, some rows at a time."""
        task = self.task
        ids = task.rename_inputs({n: x for n, x in inputs.items() if n not in task.marks})
        named = {theirs: ids[ours].numpy() for ours, theirs in asked.input_names(task).items()}
        count, parts = len(named["input_ids"]), []
        for start in range(0, max(count, 1), AT_ONCE):
            part = {name: x[start : start + AT_ONCE] for name, x in named.items()}
            parts.append(self.timed(self.run, part))
        found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return asked.outputs_from(task, ids, found)
