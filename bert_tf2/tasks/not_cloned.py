"""What `keras.models.clone_model` would make of a task, refused in words."""

import keras


class NotCloned:
    """A functional model that Keras cannot clone, as it has more than its graph."""

    def _run_through_graph(self, inputs, operation_fn=lambda op: op, **kwargs):
        """Keras's; `clone_model` comes here too, whose copy would be no task."""
        if operation_fn.__module__ == keras.models.clone_model.__module__:
            kind = type(self).__name__
            raise NotImplementedError(
                f"`clone_model` would make of a {kind} a model that takes no text and has none of "
                "its settings. Copy the task with `save` and `keras.saving.load_model`; or clone "
                "what computes: `clone_model(keras.Model(task.inputs, task.outputs))`, on ids."
            )
        return super()._run_through_graph(inputs, operation_fn=operation_fn, **kwargs)
