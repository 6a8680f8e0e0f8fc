"""`bert_tf2 export`: a trained model for servers and other runtimes, measured before if asked."""

from pathlib import Path

from bert_tf2.cli import adapters, calibration, console
from bert_tf2.cli.flags import UsageError
from bert_tf2.cli.opened import open_model
from bert_tf2.files import read_json

SAVED_MODEL = "saved_model"
PRECISIONS = {  # that each format has, the first that others are measured by
    SAVED_MODEL: ("float32", "bfloat16", "int8"),
    "onnx": ("float32", "float16", "int8"),
    "litert": ("float32", "float16", "int8"),
}


def export(flags):
    """Writes a trained model as a format has it, and says how it is used."""
    if flags.precision not in (None, *PRECISIONS[flags.format]):
        raise UsageError(
            f"--precision of --format={flags.format} must be one of "
            f"{', '.join(PRECISIONS[flags.format])}. Received: {flags.precision}",
            flags.command,
        )
    if flags.max_accuracy_drop is not None and not flags.calibrate:
        raise UsageError("--max_accuracy_drop needs --calibrate, a file to score", flags.command)
    if flags.adapters and (flags.format != SAVED_MODEL or flags.calibrate):
        raise UsageError(
            "--adapters, of which each row names its own, are for a SavedModel without --calibrate",
            flags.command,
        )
    if flags.format != SAVED_MODEL:
        from bert_tf2.files import check_is_new

        check_is_new(flags.export_dir)
    model = open_model(flags, servable=False)
    about = _about(flags.model)
    if flags.calibrate:
        found = calibration.measured(flags, model, PRECISIONS[flags.format], write)
        calibration.check(flags, model, found)
        about["calibration"] = found
    chosen = adapters.opened(flags, model.task)
    folder = write(flags.format, model.task, flags.export_dir, flags.precision, about, chosen)
    print(f"written: {folder}")
    (_say_served if flags.format == SAVED_MODEL else _say_files)(folder, flags)


def write(format, task, folder, precision, about=None, adapters=None):
    """Writes a task as a format has it, a SavedModel with adapters if any. -> the folder."""
    if format == SAVED_MODEL:
        from bert_tf2.serving.export import export_saved_model

        return export_saved_model(task, folder, None, precision, about, adapters)
    from bert_tf2.serving.runtimes.export import export

    return export(task, folder, format, precision, about)


def _say_served(folder, flags):
    place = folder.parent.absolute()
    x86 = " on an x86 processor" if flags.precision == "int8" else ""
    print(f"try it in a browser: bert_tf2 serve '{place}'")
    print(f"serve it, with TensorFlow Serving{x86}:")
    print(console.tf_serving(place))


def _say_files(folder, flags):
    for file in sorted(folder.iterdir()):
        print(f"  {file}  ({file.stat().st_size:,} bytes)")
    print("its README.md has a program of ten lines that asks it")


def _about(model):
    """What the card of a model that `finetune` trained is to say of that; else an empty dict."""
    path = Path(model or "").parent / "metrics.json"
    if not model or Path(model).suffix != ".keras" or not path.is_file():
        return {}
    found = read_json(path)
    names = {"settings": "trained", "rows": "data", "dev": "scores"}
    return {ours: found[theirs] for theirs, ours in names.items() if theirs in found}
