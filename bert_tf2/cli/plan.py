"""`bert_tf2 plan`: whether a fine-tuning step fits into memory, and what makes it fit."""

from pathlib import Path

from bert_tf2.cli import console
from bert_tf2.cli.flags import UsageError
from bert_tf2.cli.task_table import TASKS, row_of_checkpoint
from bert_tf2.planning import machine, memory
from bert_tf2.planning.memory import GIB

# What a prediction may be off by: tests/planning/test_memory.py holds it to that.
TOLERANCE = 0.2
USUAL = "text_classification"
STAND_INS = {  # a task that is not trained itself -> the one that its checkpoint is trained as
    "text_ranking": "text_regression",
    "sparse_embedding": "masked_lm",
    "zero_shot": USUAL,
}
MOMENTS = {
    "turn": "as the backward pass begins",
    "bottom": "as the backward pass reaches the first block",
    "update": "as the optimizer updates the weights",
}


def plan(flags):
    """Prints where a step's memory goes, whether it fits, and the cheapest settings that do."""
    config, task = _config(flags)
    device = flags.device or ("gpu" if machine.gpu_bytes() else "cpu")
    given = flags.memory_gb
    available = machine.available(device) if given is None else given * GIB
    asked = memory.Step(
        batch_size=flags.train_batch_size,
        length=flags.max_seq_length or config.max_length,
        recompute=flags.recompute,
        micro_batches=flags.micro_batches,
        dtype={"bfloat16": "mixed_bfloat16"}.get(flags.precision, flags.precision),
        pooling=flags.pooling,
    )
    prediction = memory.predict(config, asked, device)
    print(f"A training step of {asked.batch_size} texts, {asked.length} tokens each:\n")
    print(_terms(prediction))
    print(f"\nThe peak comes {MOMENTS[prediction.moment]}. Texts with padding take less.")
    print(f"Memory: {available / GIB:.1f} GiB ({_origin(flags, device)}).", end=" ")
    fits = prediction.peak <= available
    print("It fits." if fits else "It does not fit.")
    if device == "gpu":
        print("Predictions for GPUs were not measured.")
    if not fits:
        print(f"\nFrom the cheapest change on:\n\n{_tried(config, asked, available, device)}")
    chosen, prediction = memory.suggest(config, asked, available, device)
    if prediction.peak > available:
        print(
            f"\nNothing fits. The least is {prediction.peak / GIB:.2f} GiB, with {_named(chosen)}: "
            "take shorter texts or a smaller model."
        )
        return
    if prediction.peak * (1 + TOLERANCE) > available:
        print(f"\nIt is tight: predictions may be off by {TOLERANCE:.0%}.")
    print(f"\n{_how(flags, chosen, task)}")


def _terms(prediction):
    """Where memory goes, a line each."""
    rows = [["what", "GiB", ""]]
    rows += [[term.name, f"{term.size / GIB:.2f}", term.why] for term in prediction.terms]
    rows.append(["peak", f"{prediction.peak / GIB:.2f}", ""])
    return console.table(rows, right=(1,))


def _tried(config, asked, available, device):
    """The settings in order of cost up to the first that fits, with their peaks."""
    rows = [["settings", "GiB", ""]]
    for step in memory.in_order_of_cost(asked):
        peak = memory.predict(config, step, device).peak
        rows.append([_named(step), f"{peak / GIB:.2f}", "fits" if peak <= available else ""])
        if peak <= available:
            break
    return console.table(rows, right=(1,))


def _settings(step):
    """The settings that save memory, as flags."""
    named = {
        "--precision=bfloat16": step.dtype == "mixed_bfloat16",
        "--recompute": step.recompute,
        f"--micro_batches={step.micro_batches}": step.micro_batches > 1,
    }
    return [flag for flag, used in named.items() if used]


def _named(step):
    return " ".join(_settings(step)) or "as it is"


def _how(flags, step, task):
    """The flags and the Python lines of a step, for a task by its name in the table."""
    row = TASKS[task]
    if row.trained:
        said = f"A {row.cls} is not trained itself: {row.trained}."
        other = STAND_INS.get(task)
        return f"{said}\n\n{_how(flags, step, other)}" if other else said
    preset = flags.init_checkpoint or "CHECKPOINT"
    words = [f"--train_batch_size={step.batch_size}", f"--max_seq_length={step.length}"]
    words += [f"--pooling={step.pooling}"] * (step.pooling != "first") + _settings(step)
    words += [f"--task={task}"] * (task != USUAL)
    made = [f'"{preset}"', *["labels=labels"] * row.classes, f"max_length={step.length}"]
    made += [f'pooling="{step.pooling}"'] * (step.pooling != "first")
    made += [f'dtype="{step.dtype}"'] * (step.dtype != "float32")
    made += ["recompute=True"] * step.recompute
    lines = [
        f"bert_tf2 finetune --init_checkpoint={preset} {' '.join(words)} …",
        "",
        f"model = bert_tf2.{row.cls}.from_preset({', '.join(made)})",
    ]
    if step.micro_batches > 1:
        lines.append(f"model.compile(micro_batches={step.micro_batches})")
    data = "texts, y" if row.labelled else "texts"
    return "\n".join([*lines, f"model.fit({data}, batch_size={step.batch_size})"])


# === What is planned for, and on what =============================================================


def _config(flags):
    """The encoder's sizes, from a config, a checkpoint on disk, or the published table; and the
    name of the task, which only a checkpoint says."""
    from bert_tf2.variants import VARIANTS
    from bert_tf2.weights import read_config, registry

    if flags.bert_config_file:
        return read_config(flags.bert_config_file), USUAL
    given = flags.init_checkpoint
    if not given:
        raise UsageError("give --init_checkpoint or --bert_config_file", flags.command)
    path = Path(given).expanduser()
    if path.exists() or path.with_name(path.name + ".index").is_file():
        return _opened(path)
    if given in VARIANTS:
        return VARIANTS[given], USUAL
    return VARIANTS[registry.find(given).name], USUAL  # by its alias


def _opened(path):
    """The config and the task of a checkpoint on this machine."""
    console.import_tensorflow()
    from bert_tf2 import weights

    checkpoint = weights.open_checkpoint(path)
    row = row_of_checkpoint(checkpoint)
    return checkpoint.config, next(name for name, known in TASKS.items() if known is row)


def _origin(flags, device):
    if flags.memory_gb is not None:
        return f"as given, on a {device.upper()}"
    return "of the first GPU" if device == "gpu" else "available on this machine"
