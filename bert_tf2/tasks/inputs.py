"""Whatever a user may pass as data -> batches that a model takes."""

import tensorflow as tf

from bert_tf2.data import pipeline
from bert_tf2.modeling.encoder import rename_inputs
from bert_tf2.training.keras_hooks import DistributedModel


class TextInputs(DistributedModel):
    """The part of a `Task` that reads what it is given; see there for what `x` may be.

    A subclass has a `preprocessor`, and says in `targets(y, count)` and `targets_in_graph(y)` what
    labels become.
    """

    rename_inputs = staticmethod(rename_inputs)  # for a task with further inputs to replace

    def _dataset(self, x, y=None, weight=None, batch_size=32, labelled=True, passing=pipeline.ONCE):
        """Whatever the user gave -> a dataset of (ids, targets, weights) in batches."""
        if isinstance(x, tf.data.Dataset):
            if y is not None or weight is not None:
                raise ValueError("A dataset brings its labels along: leave out `y`.")
            return self._from_dataset(x)
        if not pipeline.is_sized(x):
            raise TypeError(
                "Texts must be a list, an array, a tensor, a dict or a tf.data.Dataset; wrap a "
                f"generator with tf.data.Dataset.from_generator. Received: {type(x).__name__}"
            )
        if labelled and y is None:
            raise ValueError("`y`, the labels, must be given with texts. Received: None")
        if isinstance(x, dict) and not set(x) & set(pipeline.TEXT_KEYS):
            inputs, preprocess = self.rename_inputs(x), dict
            count, groups = len(inputs["token_ids"]), None
        else:
            sides, preprocess = pipeline.as_texts(x), self.preprocessor
            inputs, count = sides if len(sides) == 2 else sides[0], int(sides[0].shape[0])
            grouped = passing.shuffle and self.preprocessor.length_buckets
            groups = self.preprocessor.buckets(inputs) if grouped else None
        columns = (inputs,)
        if labelled:
            columns += (self.targets(y, count),)
        if weight is not None:
            columns += (pipeline.as_weights(weight, count),)
        return pipeline.batches(columns, preprocess, batch_size or 32, passing, groups)

    def _from_dataset(self, dataset):
        spec = dataset.element_spec
        x = spec[0] if isinstance(spec, tuple) else spec
        first = tf.nest.flatten(x)[0]
        if first.dtype != tf.string:
            preprocess = self.rename_inputs
        elif first.shape.rank == 0:
            raise ValueError("The dataset must be batched: call `.batch(32)` on it.")
        else:
            preprocess = self.preprocessor
        if not isinstance(spec, tuple):
            dataset = dataset.map(lambda x: (x,))
        elif len(spec) > 1:
            dataset = dataset.map(lambda x, y, *rest: (x, self.targets_in_graph(y), *rest))
        return pipeline.tokenized(dataset, preprocess)
