"""Verbs about trained models: evaluate, predict, export."""

from bert_tf2.cli import task_files
from bert_tf2.cli.flags import UsageError
from bert_tf2.cli.opened import open_model, which
from bert_tf2.files import write_json


def evaluate(flags):
    """Prints a model's figures on a file, and writes them as JSON where that is asked for."""
    which(flags)
    if flags.output_file:
        task_files.check_output(flags.output_file, flags.overwrite)
    task_files.check_input(flags.input_file)
    model = open_model(flags)
    examples = task_files.read(flags, flags.input_file, model.row.labelled)
    if model.row.labelled:
        task_files.check_labels(flags.input_file, examples, model.classes)
    scores = model.row.score(model, examples, flags.eval_batch_size)
    if flags.output_file:
        write_json(flags.output_file, scores)


def predict(flags):
    """Answers a file's rows or the texts given as arguments; writes a file or prints."""
    from bert_tf2.data.examples import SUFFIXES, Examples, write_predictions

    which(flags)
    if bool(flags.arguments) == bool(flags.input_file):
        raise UsageError("give --input_file or texts as arguments, one of them", flags.command)
    if flags.output_file:
        task_files.check_output(flags.output_file, flags.overwrite, SUFFIXES)
    if flags.input_file:
        examples = task_files.read(flags, flags.input_file, labelled=False)
    else:
        examples = Examples(flags.arguments)
    model = open_model(flags)
    answers = model.answers(examples, flags.predict_batch_size)
    cells = [model.row.cells(model.classes, found) for found in answers]
    if flags.output_file:
        pairs = [{"text_pair": pair} for pair in examples.pairs or ()] or [{}] * len(examples)
        rows = [
            {"text": text} | pair | found
            for text, pair, found in zip(examples.texts, pairs, cells, strict=True)
        ]
        write_predictions(flags.output_file, rows, overwrite=flags.overwrite)
        print(f"written: {len(rows)} rows to {flags.output_file}")
        return
    for text, found in zip(examples.texts, cells, strict=True):
        print(f"{model.row.line(found)}\t{text}")


def export(flags):
    """Writes a SavedModel of a trained model and says how it is served."""
    model = open_model(flags, servable=False)
    from bert_tf2.serving.export import export_saved_model

    folder = export_saved_model(model.task, flags.export_dir, precision=flags.precision)
    place = folder.parent.absolute()
    print(f"written: {folder}")
    x86 = " on an x86 processor" if flags.precision == "int8" else ""
    print(f"serve it, with TensorFlow Serving{x86}:")
    print(f"  docker run -p 8501:8501 -v '{place}:/models/{place.name}' \\")
    print(f"    -e MODEL_NAME={place.name} tensorflow/serving")
