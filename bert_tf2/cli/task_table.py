"""The tasks that the verbs know: a row each, in which is all that a verb wants to know of one."""

import importlib
from collections.abc import Callable
from typing import NamedTuple

from bert_tf2.cli import (
    kinds,
    kinds_in_texts,
    kinds_of_vectors,
    row_streams,
    rows,
    tag_rows,
    task_arguments,
)


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
        trained: how that which it needs is trained, where it is not trained itself.
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
    trained: str | None = None

    @property
    def cls(self):
        """The class's name."""
        return self.home.partition(":")[2]

    @property
    def classes(self):
        """Whether it is made with the names of classes."""
        with_names = (task_arguments.classes, task_arguments.several, task_arguments.tags)
        return self.settings in with_names

    def load(self):
        """The class; imports TensorFlow."""
        module, _, name = self.home.partition(":")
        return getattr(importlib.import_module(f"bert_tf2.tasks.{module}"), name)


TASKS = {
    "text_classification": TaskRow(
        "texts, or pairs of texts, into classes",
        "text_classifier:TextClassifier",
        rows.texts("class"),
        kinds.Classes(),
        task_arguments.classes,
        "accuracy",
        problem="single_label_classification",
        answers="label",
    ),
    "multi_label_classification": TaskRow(
        "texts or pairs, any number of labels each",
        "text_classifier:TextClassifier",
        rows.texts("several"),
        kinds.Labels(),
        task_arguments.several,
        "micro_f1",
        problem="multi_label_classification",
        answers="labels",
    ),
    "text_regression": TaskRow(
        "texts or pairs into numbers",
        "text_regressor:TextRegressor",
        rows.texts("number"),
        kinds.Numbers(),
        task_arguments.numbers,
        "pearson",
        problem="regression",
    ),
    "token_classification": TaskRow(
        "a tag for each word, and the entities that tags make: names, parts of speech",
        "token_classifier:TokenClassifier",
        tag_rows.tagged,
        kinds_in_texts.Tags(),
        task_arguments.tags,
        "f1",
        stream=tag_rows.stream,
    ),
    "question_answering": TaskRow(
        "answers to questions, in a text",
        "question_answerer:QuestionAnswerer",
        rows.questions,
        kinds_in_texts.Answers(),
        task_arguments.questions,
        "f1",
        stream=row_streams.questions,
    ),
    "multiple_choice": TaskRow(
        "one of several endings",
        "multiple_choice:MultipleChoice",
        rows.choices,
        kinds.Choices(),
        task_arguments.choices,
        "accuracy",
        stream=row_streams.choices,
    ),
    "masked_lm": TaskRow(
        "the words that are hidden in texts",
        "masked_lm:MaskedLM",
        rows.texts(None),
        kinds.Words(),
        task_arguments.none,
        "mlm_accuracy",
        labelled=False,
    ),
    "next_sentence": TaskRow(
        "whether the second text of a pair follows the first",
        "next_sentence:NextSentenceClassifier",
        rows.texts("class", follows=True),
        kinds.Classes(),
        task_arguments.none,
        "accuracy",
    ),
    "sentence_similarity": TaskRow(
        "a vector a text, near those of texts that mean the like; or what they find",
        "sentence_encoder:SentenceEncoder",
        rows.alike,
        kinds_of_vectors.Vectors(),
        task_arguments.none,
        "spearman",
    ),
    "zero_shot": TaskRow(
        "texts into --candidate_labels, by a head trained on inference",
        "zero_shot:ZeroShotClassifier",
        rows.texts("class"),
        kinds.Candidates(),
        task_arguments.none,
        "accuracy",
        trained="train it as text_classification on pairs whose labels are entailment, neutral and "
        "contradiction",
    ),
    "text_ranking": TaskRow(
        "how well the second text of a pair answers the first: a score",
        "reranker:Reranker",
        rows.texts("number"),
        kinds.Numbers(),
        task_arguments.none,
        "spearman",
        problem="regression",
        trained="train it as text_regression on pairs",
    ),
    "sparse_embedding": TaskRow(
        "a weight for each piece of the vocabulary, most of them 0",
        "sparse_encoder:SparseEncoder",
        rows.alike,
        kinds_of_vectors.Weights(),
        task_arguments.none,
        "spearman",
        trained="train its words as masked_lm",
    ),
    "multi_vector_embedding": TaskRow(
        "a vector a token",
        "multi_vector_encoder:MultiVectorEncoder",
        rows.alike,
        kinds_of_vectors.TokenVectors(),
        task_arguments.none,
        "spearman",
        trained="open one that is trained",
    ),
}


def row_of(name, problem=None, answers=()):
    """The row of a task, by its class's name and its problem type or answers, where known."""
    known = [row for row in TASKS.values() if row.cls == name]
    exact = [row for row in known if row.problem == problem or row.answers in answers]
    if not known:
        names = ", ".join(dict.fromkeys(row.cls for row in TASKS.values()))
        raise ValueError(
            f"The shell knows the tasks {names}. Received: a {name}, which is asked in Python: see "
            "its `answer`, or `bert_tf2.serving.Client(url).answer`"
        )
    return (exact or known)[0]


def row_of_task(task):
    """The row of a task itself."""
    return row_of(type(task).__name__, getattr(task, "problem_type", None))


def row_of_checkpoint(checkpoint):
    """The row of the task that a checkpoint says, or that its heads tell; else a classifier's."""
    from bert_tf2 import weights
    from bert_tf2.tasks.trained_heads import kind_for

    said = (checkpoint.task or {}).get("class")
    found, problem = weights.head_kinds(checkpoint), weights.problem_type_of(checkpoint)
    rows = [row for row in TASKS.values() if row.cls == said]
    # A cross-encoder of several logits answers classes, whatever its publisher calls it.
    fits = any(None in (problem, row.problem) or row.problem == problem for row in rows)
    if said and (checkpoint.format == "bert_tf2" or fits):
        return row_of(said, problem)
    known = [row for row in TASKS.values() if kind_for(row.load(), checkpoint) in found]
    exact = [row for row in known if row.problem is not None and row.problem == problem]
    return (exact or known or [TASKS["text_classification"]])[0]
