"""The tasks that the verbs know: a row each, in which is all that a verb wants to know of one."""

import importlib
from collections.abc import Callable
from typing import NamedTuple

from bert_tf2.cli import console, kinds, kinds_in_texts, kinds_of_vectors, row_streams, rows
from bert_tf2.cli.flags import UsageError
from bert_tf2.cli.tag_files import kind_of
from bert_tf2.data.class_names import names_of


class TaskRow(NamedTuple):
    """What verbs know of a task.

    Attributes:
        about: a line for people.
        home: "module:class" in `bert_tf2.tasks`.
        read: a reader of `rows.py`, of its files.
        kind: of its answers, of `kinds.py`.
        settings: flags, Rows to train on -> the task's own arguments.
        figure: the score that tables and early stopping know it by.
        labelled: whether rows of its files have a label.
        problem: the `problem_type`, where tasks of one class differ in it.
        answers: a name among its answers, where tasks of one class differ in them.
        stream: as `read`, of `row_streams.py`, for files of any size.
    """

    about: str
    home: str
    read: Callable
    kind: object
    settings: Callable
    figure: str
    labelled: bool = True
    problem: str | None = None
    answers: str | None = None
    stream: Callable = row_streams.texts

    @property
    def cls(self):
        """The class's name."""
        return self.home.partition(":")[2]

    @property
    def classes(self):
        """Whether it is made with the names of classes."""
        return self.settings in (_classes, _several, _tags)

    def load(self):
        """The class; imports TensorFlow."""
        module, _, name = self.home.partition(":")
        return getattr(importlib.import_module(f"bert_tf2.tasks.{module}"), name)


# === What a task is made with, to be trained ======================================================

SETTINGS = {  # flags, mostly of run_squad.py -> arguments of tasks that have them
    "doc_stride": "doc_stride",
    "max_query_length": "max_question_len",
    "max_answer_length": "max_answer_len",
    "version_2_with_negative": "handle_impossible_answer",
    "crf": "crf",
}


SOFTER = ("label_smoothing", "focal_gamma")  # flags of the losses that soften


def own_settings(flags, cls):
    """The arguments of a task's class that flags give; UsageError for one that it has not."""
    given = {f: s for f, s in SETTINGS.items() if f in flags and flags[f].value is not None}
    for flag, setting in given.items():
        if setting not in cls.settings:
            raise UsageError(f"--{flag} is not for a {cls.__name__}", flags.command)
    return {setting: flags[flag].value for flag, setting in given.items()}


def check_settings(flags):
    """Raises a UsageError for a flag of another task, before any file is read."""
    softer = [name for name in SOFTER if flags[name].value]
    if softer or any(name in flags and flags[name].value is not None for name in SETTINGS):
        console.import_tensorflow()
        cls = TASKS[flags.task].load()
        own_settings(flags, cls)
        if softer and (flags.crf or not cls.softens):
            what = f"a {cls.__name__}{' with --crf' if flags.crf else ''}"
            raise UsageError(f"--{softer[0]} is not for {what}", flags.command)


def _classes(flags, train):
    glue = glue_task(flags)
    names = list(glue.labels) if glue else flags.labels or names_of(train.labels)
    if len(names) < 2:
        raise ValueError(f"{flags.train_file}: expected two classes or more. Received: {names}")
    return {"labels": names, "pooling": flags.pooling}


def _several(flags, train):
    columns = flags.label_column.split(",")
    names = flags.labels or (columns if columns[1:] else None)
    names = names or names_of(name for row in train.labels for name in row)
    problem = {"problem_type": "multi_label_classification"}
    return {"labels": names, "pooling": flags.pooling} | problem


def _numbers(flags, train):
    _refuse(flags, "labels")
    columns = [] if flags.glue else flags.label_column.split(",")
    return {"pooling": flags.pooling} | ({"labels": columns} if columns[1:] else {})


def _tags(flags, train):
    """The tags of all kinds of entities in the file; or its tags, if they are no entities'."""
    from bert_tf2.data.tags import entity_tags

    _refuse(flags, "pooling")
    found = {tag for row in train.labels for tag in row}
    if flags.scheme == "none":
        return {"labels": flags.labels or sorted(found)}
    spans = "words" not in train.columns
    types = {tag[2] if spans else kind_of(tag) for tag in found} - {"O"}
    types = [name for name in flags.labels or () if name != "O"] or sorted(types)
    types = list(dict.fromkeys(map(kind_of, types)))
    if not types:
        raise ValueError(
            f"{flags.train_file}: expected entities, tags such as B-PER. Received: none; --labels "
            "names kinds that are to be learned all the same"
        )
    return {"labels": entity_tags(types, "IOB2"), "scheme": "IOB2"}


def _questions(flags, train):
    _refuse(flags, "labels", "pooling")
    return {"handle_impossible_answer": not all(label["text"] for label in train.labels)}


def _choices(flags, train):
    _refuse(flags, "labels")
    return {"pooling": flags.pooling}


def _none(flags, train):
    _refuse(flags, "labels", "pooling")
    return {}


def _not_trained(flags, train=None):
    raise UsageError(
        "--task=zero_shot is for predict, evaluate and export; train it as text_classification on "
        "pairs whose labels are entailment, neutral and contradiction",
        flags.command,
    )


def _vectors(flags, train):
    _refuse(flags, "labels", "pooling")
    return {}


def _refuse(flags, *names):
    for name in names:
        if flags[name].present:
            raise UsageError(f"--{name} is for classifiers, not for {flags.task}", flags.command)


TASKS = {
    "text_classification": TaskRow(
        "texts, or pairs of texts, into classes",
        "text_classifier:TextClassifier",
        rows.texts("class"),
        kinds.Classes(),
        _classes,
        "accuracy",
        problem="single_label_classification",
        answers="label",
    ),
    "multi_label_classification": TaskRow(
        "texts or pairs, any number of labels each",
        "text_classifier:TextClassifier",
        rows.texts("several"),
        kinds.Labels(),
        _several,
        "micro_f1",
        problem="multi_label_classification",
        answers="labels",
    ),
    "text_regression": TaskRow(
        "texts or pairs into numbers",
        "text_regressor:TextRegressor",
        rows.texts("number"),
        kinds.Numbers(),
        _numbers,
        "pearson",
        problem="regression",
    ),
    "token_classification": TaskRow(
        "a tag for each word, and the entities that tags make: names, parts of speech",
        "token_classifier:TokenClassifier",
        rows.tagged,
        kinds_in_texts.Tags(),
        _tags,
        "f1",
        stream=row_streams.tagged,
    ),
    "question_answering": TaskRow(
        "answers to questions, in a text",
        "question_answerer:QuestionAnswerer",
        rows.questions,
        kinds_in_texts.Answers(),
        _questions,
        "f1",
        stream=row_streams.questions,
    ),
    "multiple_choice": TaskRow(
        "one of several endings",
        "multiple_choice:MultipleChoice",
        rows.choices,
        kinds.Choices(),
        _choices,
        "accuracy",
        stream=row_streams.choices,
    ),
    "masked_lm": TaskRow(
        "the words that are hidden in texts",
        "masked_lm:MaskedLM",
        rows.texts(None),
        kinds.Words(),
        _none,
        "mlm_accuracy",
        labelled=False,
    ),
    "next_sentence": TaskRow(
        "whether the second text of a pair follows the first",
        "next_sentence:NextSentenceClassifier",
        rows.texts("class"),
        kinds.Classes(),
        _none,
        "accuracy",
    ),
    "sentence_similarity": TaskRow(
        "a vector a text, near those of texts that mean the like; or what they find",
        "sentence_encoder:SentenceEncoder",
        rows.alike,
        kinds_of_vectors.Vectors(),
        _vectors,
        "spearman",
    ),
    "zero_shot": TaskRow(
        "texts into --candidate_labels, by a head trained on inference",
        "zero_shot:ZeroShotClassifier",
        rows.texts("class"),
        kinds.Candidates(),
        _not_trained,
        "accuracy",
    ),
}


def glue_task(flags):
    """The `GlueTask` that --glue names, or None."""
    from bert_tf2.data import glue

    return glue.named(flags.glue)[1] if flags.glue else None


def row_of(name, problem=None, answers=()):
    """The row of a task, by its class's name and its problem type or answers, where known."""
    known = [row for row in TASKS.values() if row.cls == name]
    exact = [row for row in known if row.problem == problem or row.answers in answers]
    if not known:
        names = ", ".join(dict.fromkeys(row.cls for row in TASKS.values()))
        raise ValueError(f"The shell knows the tasks {names}. Received: a {name}")
    return (exact or known)[0]


def row_of_task(task):
    """The row of a task itself."""
    return row_of(type(task).__name__, getattr(task, "problem_type", None))


def row_of_checkpoint(checkpoint):
    """The row of the task that a checkpoint says, or that its heads tell; else a classifier's."""
    from bert_tf2 import weights
    from bert_tf2.tasks.trained_heads import kind_for

    said = (checkpoint.task or {}).get("class")
    if said and (checkpoint.format == "bert_tf2" or any(r.cls == said for r in TASKS.values())):
        return row_of(said)
    found, problem = weights.head_kinds(checkpoint), weights.problem_type_of(checkpoint)
    known = [row for row in TASKS.values() if kind_for(row.load(), checkpoint) in found]
    exact = [row for row in known if row.problem is not None and row.problem == problem]
    return (exact or known or [TASKS["text_classification"]])[0]
