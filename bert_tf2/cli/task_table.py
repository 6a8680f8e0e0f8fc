"""The tasks that the verbs know: a row each, and what a row needs.

What a verb wants to know of a task is in its row: the class, what is read from its files, how it is
scored, and what its predictions are as rows of a file and as lines on the screen.
"""

import importlib
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from bert_tf2.cli import console
from bert_tf2.cli.flags import UsageError
from bert_tf2.data.class_names import names_of

WIDE = 80  # characters of class names, above which columns are headed by their numbers


class TaskRow(NamedTuple):
    """What verbs know of a task.

    Attributes:
        about: a line for people.
        home: "module:class".
        labelled: whether rows of its files have a label.
        settings: flags, Examples to train on -> the task's own arguments.
        score: Opened, Examples, batch size -> dict of figures; prints them.
        cells: classes, answers to one row -> dict, the columns of a file.
        line: such a dict -> what is printed before the text.
        answers: a name among a SavedModel's answers that tells the task.
        figure: the metric that a table of several seeds shows.
        head: of a checkpoint's heads, the one that tells the task.
    """

    about: str
    home: str
    labelled: bool
    settings: Callable
    score: Callable
    cells: Callable
    line: Callable
    answers: str
    figure: str
    head: str

    def load(self):
        """The class; imports TensorFlow."""
        module, _, name = self.home.partition(":")
        return getattr(importlib.import_module(module), name)


# === Text classification ==========================================================================


def _classes(flags, train):
    names = flags.labels or names_of(train.labels)
    if len(names) < 2:
        raise ValueError(f"{flags.train_file}: expected two classes or more. Received: {names}")
    return {"labels": names, "pooling": flags.pooling}


def _class_cells(classes, answers):
    label, shares = answers["label"].decode(), answers["probabilities"].tolist()
    # A class may be called "label" or "text": its column must not replace ours.
    by_class = {f"p({name})": share for name, share in zip(classes, shares, strict=True)}
    return {"label": label, "probability": max(shares)} | by_class


def _class_line(cells):
    return f"{cells['label']}\t{cells['probability']:.4f}"


def _score_classes(model, examples, batch_size):
    """Accuracy; with scikit-learn also precision, recall, F1 by class, and the confusion matrix."""
    predicted = [answers["label"].decode() for answers in model.answers(examples, batch_size)]
    correct = sum(map(str.__eq__, examples.labels, predicted))
    scores = {"rows": len(examples), "accuracy": correct / len(examples)}
    print(f"accuracy: {scores['accuracy']:.4f} ({correct} of {len(examples)})")
    return scores | _class_scores(examples.labels, predicted, model.classes)


def _class_scores(labels, predicted, classes):
    try:
        from sklearn import metrics
    except ImportError:
        print("For precision, recall, F1 and the confusion matrix: pip install scikit-learn")
        return {}
    columns = metrics.precision_recall_fscore_support(
        labels, predicted, labels=classes, zero_division=0
    )
    matrix = metrics.confusion_matrix(labels, predicted, labels=classes).tolist()
    rows = [["class", "precision", "recall", "f1", "rows"]]
    scores = {}
    for name, *values, support in zip(classes, *(c.tolist() for c in columns), strict=True):
        rows.append([name, *(f"{value:.4f}" for value in values), str(support)])
        scores[name] = dict(zip(("precision", "recall", "f1"), values, strict=True))
        scores[name]["rows"] = support
    print("\n" + console.table(rows, right=(1, 2, 3, 4)))
    heads = classes
    if sum(len(name) + 2 for name in classes) > WIDE and not all(map(str.isdigit, classes)):
        heads = [f"({i})" for i in range(1, len(classes) + 1)]
    cells = [
        [name if head is name else f"{head} {name}", *map(str, row)]
        for head, name, row in zip(heads, classes, matrix, strict=True)
    ]
    header = ["true \\ predicted", *heads]
    print("\n" + console.table([header, *cells], right=range(1, len(header))))
    return {"classes": scores, "confusion_matrix": matrix}


# === Masked words =================================================================================


def _no_classes(flags, train):
    for name in ("labels", "pooling"):
        if flags[name].present:
            raise UsageError(f"--{name} is for classifiers, not for masked_lm", flags.command)
    return {}


def _word_cells(_, answers):
    """For each mask of a text its likeliest words, and their probabilities."""
    masks = int(answers["masks"])
    words = [[word.decode() for word in row] for row in answers["words"][:masks]]
    return {"words": words, "probabilities": answers["probabilities"][:masks].tolist()}


def _word_line(cells):
    words = " ".join(row[0] for row in cells["words"])
    return f"{words}\t{' '.join(f'{row[0]:.4f}' for row in cells['probabilities'])}"


def _score_words(model, examples, batch_size):
    """Loss, accuracy and perplexity of words that are hidden, the same each time."""
    if model.task is None:
        raise ValueError("A SavedModel of a MaskedLM only fills masks: evaluate its .keras file.")
    found = model.task.evaluate(examples.texts, batch_size=batch_size, verbose=0, return_dict=True)
    print("\n".join(f"{name}: {value:.4f}" for name, value in found.items()))
    return {"rows": len(examples)} | {name: float(value) for name, value in found.items()}


TASKS = {
    "text_classification": TaskRow(
        "texts, or pairs of texts, into classes",
        "bert_tf2.tasks.text_classifier:TextClassifier",
        True,
        _classes,
        _score_classes,
        _class_cells,
        _class_line,
        "label",
        "accuracy",
        "classifier",
    ),
    "masked_lm": TaskRow(
        "the words that are hidden in texts",
        "bert_tf2.tasks.masked_lm:MaskedLM",
        False,
        _no_classes,
        _score_words,
        _word_cells,
        _word_line,
        "words",
        "mlm_accuracy",
        "mlm",
    ),
}


def row_of(name):
    """The row of a task's class, by the class's name."""
    for row in TASKS.values():
        if row.home.endswith(f":{name}"):
            return row
    known = ", ".join(row.home.partition(":")[2] for row in TASKS.values())
    raise ValueError(f"The shell knows the tasks {known}. Received: a {name}")


def row_by_heads(heads):
    """The row of a checkpoint that says no task, told by its heads; a classifier without one."""
    known = [row for row in TASKS.values() if row.head in heads]
    return known[0] if known else TASKS["text_classification"]


def row_of_checkpoint(checkpoint, heads):
    """The row of the task that a checkpoint says, or that its heads tell."""
    said = (checkpoint.task or {}).get("class")
    return row_of(said) if said else row_by_heads(heads)


def row_by_answers(names):
    """The row of a SavedModel, told by what it answers; None for another's."""
    return next((row for row in TASKS.values() if row.answers in names), None)


def class_counts(labels):
    """How often each label is there, for people."""
    counts = Counter(labels or ())
    classes = ", ".join(f"{name} {count}" for name, count in sorted(counts.items())[:12])
    return f" ({classes}{', …' if len(counts) > 12 else ''})" if counts else ""
