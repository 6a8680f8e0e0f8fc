"""Verbs about trained models: evaluate, predict, export."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from bert_tf2.cli import console, task_files
from bert_tf2.cli.flags import UsageError, one_of
from bert_tf2.files import check_tree, write_json

WIDE = 80  # characters of class names, above which columns are headed by their numbers
LABELS_FILE = "assets.extra/labels.txt"  # beside a SavedModel's graph: one class a line, in order


class Opened(NamedTuple):
    """A trained model, whatever it was saved as.

    Attributes:
        answer: x, as `task_files.inputs` gives it -> list of (label, list of C probabilities).
        classes: names of the C probabilities.
        step: how many texts to give to `answer` at a time.
    """

    answer: Callable
    classes: list[str]
    step: int


# === Verbs ========================================================================================


def evaluate(flags):
    """Prints accuracy, and with scikit-learn each class's scores and the confusion matrix."""
    one_of(flags, "model", "saved_model")
    if flags.output_file:
        task_files.check_output(flags.output_file, flags.overwrite)
    examples = task_files.read(flags, flags.input_file)
    model = _open(flags, flags.eval_batch_size)
    task_files.check_labels(flags.input_file, examples, model.classes)
    predicted = [label for label, _ in _answers(model, examples)]
    correct = sum(map(str.__eq__, examples.labels, predicted))
    scores = {"rows": len(examples), "accuracy": correct / len(examples)}
    print(f"accuracy: {scores['accuracy']:.4f} ({correct} of {len(examples)})")
    scores |= _class_scores(examples.labels, predicted, model.classes)
    if flags.output_file:
        write_json(flags.output_file, scores)


def predict(flags):
    """Classifies a file's rows or the texts given as arguments; writes a file or prints."""
    from bert_tf2.data.files import SUFFIXES, Examples, write_predictions

    one_of(flags, "model", "saved_model")
    if bool(flags.arguments) == bool(flags.input_file):
        raise UsageError("give --input_file or texts as arguments, one of them", flags.command)
    if flags.output_file:
        task_files.check_output(flags.output_file, flags.overwrite, SUFFIXES)
    if flags.input_file:
        examples = task_files.read(flags, flags.input_file, labelled=False)
    else:
        examples = Examples(flags.arguments)
    model = _open(flags, flags.predict_batch_size)
    answers = _answers(model, examples)
    if flags.output_file:
        rows = _prediction_rows(examples, answers, model.classes)
        write_predictions(flags.output_file, rows, overwrite=flags.overwrite)
        print(f"written: {len(rows)} rows to {flags.output_file}")
        return
    for text, (label, probabilities) in zip(examples.texts, answers, strict=True):
        print(f"{label}\t{max(probabilities):.4f}\t{text}")


def export(flags):
    """Writes a SavedModel of a trained model and says how it is served."""
    model = load_classifier(flags.model)
    from bert_tf2.serving.export import export_saved_model

    folder = export_saved_model(model, flags.export_dir, precision=flags.precision)
    place = folder.parent.absolute()
    print(f"written: {folder}")
    x86 = " on an x86 processor" if flags.precision == "int8" else ""
    print(f"serve it, with TensorFlow Serving{x86}:")
    print(f"  docker run -p 8501:8501 -v '{place}:/models/{place.name}' \\")
    print(f"    -e MODEL_NAME={place.name} tensorflow/serving")


# === Opening what was trained =====================================================================


def _open(flags, batch_size):
    if flags.model:
        model = load_classifier(flags.model)

        def answer(x):
            _check_sides(flags.model, x, 1 + model.takes_pairs)
            found = model.predict_labels(x, batch_size, verbose=0)
            return [(one.label, list(one.probabilities.values())) for one in found]

        # Many batches at a time: each call of a Keras model has a cost of its own.
        return Opened(answer, model.labels, 16 * batch_size)
    return _open_saved_model(Path(flags.saved_model), batch_size)


def load_classifier(path):
    """The TextClassifier in a .keras file."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"No model at {path}: expected a .keras file")
    console.import_tensorflow()
    import keras

    from bert_tf2.tasks.text_classifier import TextClassifier  # registers the class, too

    model = keras.saving.load_model(path)
    if not isinstance(model, TextClassifier):
        raise ValueError(f"{path} must hold a TextClassifier. Received: a {type(model).__name__}")
    return model


def _open_saved_model(folder, batch_size):
    """The `serving_default` signature of a SavedModel, or of the newest version below a folder."""
    versions = sorted((p for p in folder.glob("*") if p.name.isdigit()), key=lambda p: int(p.name))
    folder = folder if (folder / "saved_model.pb").is_file() or not versions else versions[-1]
    if not (folder / "saved_model.pb").is_file():
        raise FileNotFoundError(f"No SavedModel in {folder}: expected a saved_model.pb there")
    if not (folder / LABELS_FILE).is_file():
        raise FileNotFoundError(f"{folder} lacks {LABELS_FILE}: export it with bert_tf2 export")
    console.import_tensorflow()
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  its operations are in the graph

    check_tree(folder)
    note = "runs its own graph, which may read and write files: open none that you do not trust."
    print(f"{folder} {note}", file=sys.stderr)
    try:
        loaded = tf.saved_model.load(folder)
    except (tf.errors.OpError, IndexError) as error:
        raise ValueError(f"{folder} is damaged: its variables cannot be read. {error}") from error
    serve = loaded.signatures["serving_default"]
    names = sorted(serve.structured_input_signature[1])  # text, text_pair

    def answer(x, keep_alive=loaded):  # a signature alone does not hold its model's variables
        sides = x if isinstance(x, tuple) else (x,)
        _check_sides(folder, x, len(names))
        out = serve(**{name: tf.constant(side) for name, side in zip(names, sides, strict=True)})
        labels = [label.decode() for label in out["label"].numpy()]
        return list(zip(labels, out["probabilities"].numpy().tolist(), strict=True))

    names_of_classes = (folder / LABELS_FILE).read_text(encoding="utf-8").splitlines()
    return Opened(answer, names_of_classes, batch_size)


def _check_sides(model, x, expected):
    """Raises if a model of pairs gets single texts, or the other way round."""
    given = len(x) if isinstance(x, tuple) else 1
    if given != expected:
        kind = "pairs of texts" if expected == 2 else "single texts"
        raise ValueError(
            f"{model} was trained on {kind}. Received: {given} column(s) of text; see "
            "--text_pair_column"
        )


# === Answers and scores ===========================================================================


def _answers(model, examples):
    """(label, probabilities) of every row, with a progress bar."""
    answers = []
    with tqdm(total=len(examples), unit="text", disable=None, mininterval=0.5) as bar:
        for start in range(0, len(examples), model.step):
            x, stop = task_files.inputs(examples), start + model.step
            part = tuple(s[start:stop] for s in x) if isinstance(x, tuple) else x[start:stop]
            answers += model.answer(part)
            bar.update(len(answers) - start)
    return answers


def _class_scores(labels, predicted, classes):
    """Precision, recall and F1 by class, and the confusion matrix; printed and returned."""
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


def _prediction_rows(examples, answers, classes):
    """One dict a row: the texts, the label, its probability, and each class's probability."""
    rows = []
    for i, (label, probabilities) in enumerate(answers):
        row = {"text": examples.texts[i]} | (
            {"text_pair": examples.pairs[i]} if examples.pairs else {}
        )
        row |= {"label": label, "probability": max(probabilities)}
        # A class may be called "label" or "text": its column must not replace ours.
        row |= {f"p({name})": p for name, p in zip(classes, probabilities, strict=True)}
        rows.append(row)
    return rows
