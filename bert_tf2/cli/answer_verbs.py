"""Verbs about trained models: evaluate, predict."""

from bert_tf2.cli import rows, scores, showing, task_files
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
    model = model.row.kind.strictly(model) if flags.strict else model
    if flags.output_dir:
        task_files.check_official(flags, model)
    examples = model.read(flags, flags.input_file)
    if flags.output_dir:
        model.row.kind.check(flags.input_file, examples)
    answers = model.row.kind.for_scores(model, examples, flags.eval_batch_size)
    figures = scores.score(flags, model, examples, answers)
    showing.show(figures)
    if flags.output_file:
        write_json(flags.output_file, figures)
    if flags.output_dir:
        task_files.write_official(flags, model, examples, answers)


def predict(flags):
    """Answers a file's rows or the texts given as arguments; writes files or prints."""
    from bert_tf2.data.examples import SUFFIXES

    which(flags)
    if bool(flags.arguments) == bool(flags.input_file):
        raise UsageError("give --input_file or texts as arguments, one of them", flags.command)
    if flags.output_file:
        task_files.check_output(flags.output_file, flags.overwrite, SUFFIXES)
    if flags.input_file:
        task_files.check_input(flags.input_file)
    model = open_model(flags)
    if flags.output_dir:
        task_files.check_official(flags, model)
    answer_rows(flags, model)


def answer_rows(flags, model):
    """Answers a file's rows or the texts given as arguments, with a model that is open."""
    from bert_tf2.cli.answered import Job, answered
    from bert_tf2.data.examples import write_predictions

    official = "output_dir" in flags and flags.output_dir
    if official:
        tables = [_official(flags, model)]
    elif flags.input_file:
        job = Job(flags, model)
        if flags.output_file:
            job.to_file()
            return
        tables = job.windows()
    else:
        given = rows.of_arguments(model, flags.arguments)
        tables = [answered(model, given, flags.predict_batch_size)]
    if flags.output_file:
        table = [row | cells for row, cells in tables[0]]
        write_predictions(flags.output_file, table, overwrite=flags.overwrite)
        print(f"written: {len(table)} rows to {flags.output_file}")
    elif not official:
        for row, cells in (pair for table in tables for pair in table):
            print(f"{model.row.kind.line(cells)}\t{next(iter(row.values()))}")


def _official(flags, model):
    """Writes official files, which are of all rows at once. -> as `answered`, if that is wanted."""
    examples = model.read(flags, flags.input_file, labelled=False)
    model.row.kind.check(flags.input_file, examples)
    print(f"--output_dir={flags.output_dir}: written at the end; interrupted, this begins anew")
    answers = []
    if flags.output_file or not model.row.kind.of_task:
        answers = list(model.answers(examples, flags.predict_batch_size))
    task_files.write_official(flags, model, examples, answers)
    if not flags.output_file:
        return []
    columns = (dict(zip(examples.columns, row, strict=True)) for row in examples)
    cells = (model.row.kind.cells(model, found) for found in answers)
    return list(zip(columns, cells, strict=True))
