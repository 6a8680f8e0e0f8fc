"""What a checkpoint of a task holds."""

import dataclasses

from bert_tf2.modeling.frozen import frozen
from bert_tf2.tasks import adapter_folders
from bert_tf2.weights.units import is_state

LENGTHS = ("max_length", "pad_to_max_length", "length_buckets")


def head_variables(task):
    """dict of our names to the variables of a task that are not its encoder's, or an adapter's."""
    inside = [task.encoder, *task.adapters.values()]
    inner = {id(v) for model in inside for v in model.variables}
    found = [v for v in task.variables if id(v) not in inner]
    return {v.path: v for v in found if not is_state(v.path)}


def contents_of(task):
    """All that a checkpoint of a task holds: a `weights.Contents`."""
    preprocessor = task.preprocessor.get_config()
    found, config = task.encoder.contents(), task.encoder.config
    dropout = getattr(task, "dropout", config.classifier_dropout)
    if dropout != config.classifier_dropout:  # a word that other formats have, too
        config = dataclasses.replace(config, classifier_dropout_prob=dropout)
    return dataclasses.replace(
        found,
        config=config,
        arrays=task.base_arrays(),
        adapters=adapter_folders.stored_adapters(task),
        tokenizer=task.preprocessor.tokenizer.source(),
        labels=getattr(task, "labels", None) if "labels" in task.settings else None,
        problem_type=_problem_of(task),
        task={
            "class": type(task).__name__,
            "settings": {name: getattr(task, name) for name in task.settings},
            "preprocessor": {name: preprocessor[name] for name in LENGTHS},
            "takes_pairs": task.takes_pairs,
            "frozen": frozen(task),
            "adapters": task.spoken_adapters(),
        },
    )


def _problem_of(task):
    """What a task's head answers, in Hugging Face's word; None for what its config implies."""
    said = getattr(task, "problem_type", None)
    return None if said == "single_label_classification" else said
