"""What fewer bits cost: size, speed and the task's figure of each precision, on rows of a file."""

import tempfile
from pathlib import Path

from bert_tf2.cli import console, scores

EXACT = "float32"


def measured(flags, model, precisions, write):
    """Writes a model at each precision, asks it the rows of --calibrate, and prints a table.

    Args:
        flags: with `calibrate`, `format`, and how its file is read.
        model: an `Opened` with its task.
        precisions: those of the format, float32 among them.
        write: function of format, task, folder and precision, which gives the folder written.

    Returns:
        {precision: {"bytes", "milliseconds_a_row", and the task's figures}}.
    """
    examples, found = model.read(flags, flags.calibrate), {}
    with tempfile.TemporaryDirectory() as folder:
        for precision in precisions:
            place = write(flags.format, model.task, Path(folder) / precision, precision)
            asked = _asked(flags.format, model.task, place)
            other = model._replace(answer=asked, task=None, reader=model.task)
            answers = model.row.kind.for_scores(other, examples, flags.eval_batch_size)
            found[precision] = {
                "bytes": _size(place),
                "milliseconds_a_row": asked.seconds / asked.rows * 1000,
                **scores.score(flags, other, examples, answers),
            }
    name = _figure(flags, model, found)
    if undefined := [precision for precision, values in found.items() if values[name] is None]:
        raise ValueError(
            f"{flags.calibrate}: {name} is not defined on these rows, of {undefined[0]}: are all "
            "labels or answers the same?"
        )
    _show(name, found)
    return found


def check(flags, model, found):
    """Raises ValueError where the precision that is asked for costs more than it may."""
    most, precision = flags.max_accuracy_drop, flags.precision or _own(flags, model)
    if most is None:
        return
    if precision not in found:
        raise ValueError(
            f"The model computes in {precision}, which is not measured: give --precision, one of "
            f"{', '.join(found)}"
        )
    name = _figure(flags, model, found)
    exact, own = found[EXACT][name], found[precision][name]
    if not exact - own <= most:
        raise ValueError(
            f"{precision} has {name} {own:.4f} on {flags.calibrate}, {exact - own:.4f} less than "
            f"float32: more than --max_accuracy_drop={most:g}. Nothing is written."
        )


def _own(flags, model):
    """What is written where no --precision is given."""
    computes = model.task.encoder.policy.name.removeprefix("mixed_")
    return computes if flags.format == "saved_model" else EXACT


def _figure(flags, model, found):
    return scores.figure(flags, model.row, found[EXACT])


def _show(name, found):
    exact, rows = found[EXACT], [["precision", "MB", "", "ms a row", "", name, ""]]
    for precision, values in found.items():
        size, duration = values["bytes"], values["milliseconds_a_row"]
        rows.append(
            [
                *(precision, f"{size / 1e6:.2f}", f"x{size / exact['bytes']:.2f}"),
                *(f"{duration:.2f}", f"x{duration / exact['milliseconds_a_row']:.2f}"),
                *(f"{values[name]:.4f}", f"{values[name] - exact[name]:+.4f}"),
            ]
        )
    print(console.table(rows, right=range(1, 7)))


def _size(place):
    """The bytes of what a runtime reads: the model, and not what lies beside it for people."""
    from bert_tf2.serving.runtimes.export import RUNTIMES

    names = [f"{runtime.home.FILE}*" for runtime in RUNTIMES.values()]
    parts = [p for n in (*names, "saved_model.pb", "variables/*") for p in place.glob(n)]
    return sum(path.stat().st_size for path in parts)


def _asked(format, task, place):
    """What was written at a place, to be called as `Task.answer`."""
    from bert_tf2.serving.runtimes.answers import Answers
    from bert_tf2.serving.runtimes.export import RUNTIMES, need
    from bert_tf2.serving.runtimes.saved import Served

    if format not in RUNTIMES:
        return Served(task, place)
    runtime = RUNTIMES[format]
    need(runtime.runs, runtime.extra)
    return Answers(task, runtime.home.opened(place / runtime.home.FILE))
