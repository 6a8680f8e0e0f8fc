"""`bert_tf2 distill`: a trained model in, a smaller one out, and both side by side."""

import functools
import shutil
import tempfile
import time
from pathlib import Path

from bert_tf2.cli import console, row_set, run_flags, scores, task_files, training_runs
from bert_tf2.cli.flags import UsageError, require
from bert_tf2.cli.showing import number
from bert_tf2.files import new_file, write_json

WEIGHTS = ("soft", "hard", "cosine", "hidden", "attention", "relations")
NOT_OF_A_BILSTM = ("layers", "bare", "int8")  # of a student with an encoder
SERVED = "serving"  # where a student without an encoder lies that reads texts
NOT_OF_A_RUN = training_runs.NOT_OF_A_RUN


def distill(flags):
    """Trains a student on --input_file's texts, then on --train_file's rows; prints the table."""
    if flags.resume:
        console.import_tensorflow()
        run_flags.recall(flags)
    run_flags.make_absolute(flags)
    if not (flags.train_file or flags.input_file):
        raise UsageError("give --train_file, --input_file, or both", flags.command)
    require(flags, "init_checkpoint")
    _check_used(flags)
    task_files.check_output(flags.output_dir, flags.overwrite or flags.resume)
    console.import_tensorflow()
    strategy, place = training_runs.strategy(flags), Path(flags.output_dir)
    try:
        with training_runs.held(place, strategy):
            return _run(flags, strategy, place)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(training_runs.how_to_go_on(flags)) from error


def _check_used(flags):
    """Raises a UsageError for a flag that nothing would come of."""
    from bert_tf2.cli.opened import check_says_all

    if Path(flags.init_checkpoint).suffix == ".keras":
        check_says_all(flags, flags.init_checkpoint)
    for name in NOT_OF_A_BILSTM if flags.student == "bilstm" else ():
        if flags[name].present:
            raise UsageError(
                f"--{name} is for a student of the teacher's layers, not for --student=bilstm",
                flags.command,
            )


def _run(flags, strategy, place):
    import keras

    from bert_tf2.training import strategies

    with strategy.scope():
        keras.utils.set_random_seed(flags.seed)
        teacher = _opened(flags)
        student = _student(flags, teacher.task)
    given = {name: flags[f"{name}_weight"].value for name in WEIGHTS}
    parts, told = _parts(flags, teacher), []
    for name, rows in parts.items():
        more = {"hard": 0.0} if name == "texts" and teacher.row.labelled else {}
        folder = place / name if len(parts) > 1 else place
        told.append(_train(flags, teacher, student, rows, given | more, folder, strategy))
    if strategies.is_chief(strategy):
        _finish(flags, teacher, student, told, place)
    return told


def _opened(flags):
    """The teacher, an `Opened`, of a .keras file or a checkpoint with a trained head."""
    from bert_tf2.cli.opened import load_task, of_checkpoint, opened

    given = flags.init_checkpoint
    if Path(given).suffix == ".keras":
        return opened(given, load_task(given))
    return opened(given, of_checkpoint(flags, given))


def _student(flags, teacher):
    from bert_tf2.tasks.students import bilstm_of, student_of

    if flags.student == "bilstm":
        return bilstm_of(teacher)
    return student_of(teacher, flags.layers, flags.bare)


def _parts(flags, teacher):
    """{name: Rows}, in the order in which they are learnt from."""
    found = {}
    if flags.input_file:
        found["texts"] = teacher.read(flags, flags.input_file, labelled=False)
    if flags.train_file:
        found["rows"] = teacher.read(flags, flags.train_file)
    return found


def _train(flags, teacher, student, rows, weights, folder, strategy):
    """One pass of the recipe. -> what `metrics.json` says of it."""
    from bert_tf2 import Distiller
    from bert_tf2.training.runlog import RunLog

    settings = {flag: flags[flag].value for flag in flags if flag not in NOT_OF_A_RUN}
    log = RunLog(folder, every=flags.save_summary_steps, settings=settings)
    data = training_runs.data_of([path for path in (flags.input_file, flags.train_file) if path])
    saved = training_runs.checkpoints(flags, flags.seed, folder, strategy, sha256_of_data=data)
    with strategy.scope():
        distiller = Distiller(student, teacher.task, temperature=flags.temperature, **weights)
        distiller.compile(
            training_runs.recipe(flags),
            micro_batches=flags.micro_batches,
            nonfinite=flags.nonfinite,
        )
    shares = ", ".join(f"{n} {w:g}" for n, w in distiller.shares.items() if w)
    print(f"\n{rows.about}: {shares}", flush=True)
    history = row_set.placed(distiller.fit, teacher.task, [rows])(
        rows.x,
        rows.labels,
        batch_size=flags.train_batch_size,
        epochs=run_flags.whole_epochs(flags),
        callbacks=[log, *([saved] if flags.save_checkpoints_steps or flags.resume else [])],
        verbose=console.keras_verbosity(),
    ).history
    epochs = [dict(zip(history, row, strict=True)) for row in zip(*history.values(), strict=True)]
    return {"rows": len(rows), "weights": distiller.shares, "epochs": epochs}


# --- Side by side. --------------------------------------------------------------------------------


def _finish(flags, teacher, student, told, place):
    """Saves the student, and says what both models are worth."""
    from bert_tf2.cli.opened import opened
    from bert_tf2.tasks.task import Task
    from bert_tf2.training.runlog import versions

    with new_file(place / "model.keras") as draft:
        student.save(draft)
    metrics = {"stages": told, "versions": versions()}
    is_task = isinstance(student, Task)
    made = opened(flags.output_dir, student) if is_task else _plain(teacher, student, place)
    served = None if is_task else _served(made, place / SERVED / "1")
    metrics["side_by_side"] = _side_by_side(flags, {"teacher": teacher, "student": made})
    print("\n" + _table(metrics["side_by_side"]))
    write_json(place / "metrics.json", scores.plain(metrics))
    print(f"\nwritten to {place}: model.keras, metrics.json")
    if served:
        print(f"with its teacher's tokenizer: bert_tf2 predict --saved_model={served}")


def _plain(teacher, student, place):
    """A `keras.Model` of the teacher's ids as an `Opened`: the teacher reads texts and answers."""
    answer = functools.partial(teacher.task.answer, model=student)
    return teacher._replace(name=str(place), answer=answer, task=student, reader=teacher.task)


def _side_by_side(flags, pair):
    """{name: figures} of both models, and of both in 8-bit integers."""
    both = (None, "int8") if flags.int8 and flags.student != "bilstm" else (None,)
    rows = pair["teacher"].read(flags, flags.dev_file) if flags.dev_file else None
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, model in pair.items():
            for precision in both:
                made = Path(folder, f"{name}_{precision}")
                served, place, size = _exported(flags, model, made, precision)
                judged = model if precision is None else _read_by(model, served, place)
                title = name if precision is None else f"{name}, {precision}"
                found[title] = {
                    "layers": _layers(model.task),
                    "parameters": model.task.count_params(),
                    "megabytes": round(size / 1e6, 1),
                } | (_worth(flags, judged, served, rows) if rows else {})
    return found


def _layers(model):
    encoder = getattr(model, "encoder", None)
    return 1 if encoder is None else encoder.config.num_hidden_layers  # of LSTM


def _exported(flags, model, folder, precision):
    """A model as a SavedModel, an `Opened`, its folder and its bytes."""
    from bert_tf2.cli.opened import saved_model

    place, size = _written(model, folder, precision)
    return saved_model(place, flags), place, size


def _served(model, folder):
    """A student without an encoder as a SavedModel, in place of an earlier run's. -> where"""
    if (folder / "saved_model.pb").is_file():
        shutil.rmtree(folder)
    return _written(model, folder)[0]


def _written(model, folder, precision=None):
    """Writes it as a SavedModel. -> where, and its bytes."""
    from bert_tf2.serving.export import export_saved_model

    reader, computes = model.reader or model.task, model.task if model.reader else None
    place = export_saved_model(reader, folder, None, precision, model=computes)
    return place, sum(path.stat().st_size for path in place.rglob("*") if path.is_file())


def _read_by(model, served, place):
    """A SavedModel as an `Opened` that is scored: the task reads, and hides words."""
    from bert_tf2.cli.kinds import Words
    from bert_tf2.serving.runtimes.saved import Served

    hides = isinstance(model.row.kind, Words)
    how = {"answer": Served(model.task, place)} if hides else {}
    return served._replace(reader=model.task, **how)


def _worth(flags, model, served, rows):
    """The figure of a model on rows, and how many of them it answers in a second, exported."""
    row, size = model.row, flags.eval_batch_size
    answers = row.kind.for_scores(model, rows, size)
    figures = scores.score(flags, model, rows, answers)
    name = scores.figure(flags, row, figures)
    asked = rows.take(range(min(len(rows), 64 * size)))
    if {*asked.columns} != {*served.columns}:  # of vectors: texts alone
        asked = asked.only("text")
    list(served.answers(asked.take(range(min(len(asked), size))), size))  # traces the graph
    start = time.perf_counter()
    list(served.answers(asked, size))
    return {name: figures.get(name), "rows_a_second": len(asked) / (time.perf_counter() - start)}


def _table(found):
    """For people."""
    figures = list(next(iter(found.values())))
    lines = [["", *figures]]
    for name, row in found.items():
        cells = [f"{x:,}" if isinstance(x, int) else number(x) for x in row.values()]
        lines.append([name, *cells])
    return console.table(lines, right=range(1, len(figures) + 1))
