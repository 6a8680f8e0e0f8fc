"""Verbs about checkpoints: convert, inspect, list, download."""

import math
import sys
from pathlib import Path

from bert_tf2.cli import console
from bert_tf2.cli.flags import UsageError, one_of


def convert(flags):
    """Writes a checkpoint, heads included, in another format; says what was left out."""
    from bert_tf2 import weights
    from bert_tf2.cli.task_files import check_output
    from bert_tf2.conversion import contents_of, lost, write

    check_output(flags.output_dir)
    flag = one_of(flags, "init_checkpoint", "model")
    if flag == "model" and _is_keras(flags.model):
        if flags.ignore:
            raise UsageError("--ignore is for checkpoints, not for a .keras file", flags.command)
        from bert_tf2.cli.opened import load_task

        contents = load_task(flags.model).contents_for(flags.to)
    else:
        contents, report = contents_of(_open(flags, flags[flag].value), flags.to)
        print(report)
    left_out = write(contents, flags.output_dir, flags.to, flags.dtype)
    about = weights.FORMATS[flags.to].about
    count = len(contents.arrays.keys() - {*left_out})
    print(f"written: {count} variables, {flags.dtype}, as {about}:")
    for file in sorted(path for path in Path(flags.output_dir).rglob("*") if path.is_file()):
        print(f"  {file}  ({file.stat().st_size:,} bytes)")
    if left_out:
        print(f"warning: left out, as that format has no place for them: {', '.join(left_out)}")
    if contents.task:
        console.import_tensorflow()
    for sentence in lost(contents, flags.output_dir, flags.to):
        print(f"warning: {sentence}")
    if flags.to == "google" and contents.config.hidden_act == "gelu_erf":
        print("note: the activation is the exact GELU. bert_config.json calls it gelu_erf, a word")
        print("that bert_tf2 reads and Google's own code, which only has tanh GELU, refuses.")


def average(flags):
    """Writes the mean of the weights of several checkpoints."""
    from bert_tf2 import weights
    from bert_tf2.cli.task_files import check_output
    from bert_tf2.conversion import average as mean_of

    check_output(flags.output_dir)
    console.import_tensorflow()
    left_out = mean_of(flags.arguments, flags.output_dir, flags.to, flags.dtype)
    about = weights.FORMATS[flags.to].about
    print(
        f"written: the mean of {len(flags.arguments)} checkpoints, as {about}: {flags.output_dir}"
    )
    if left_out:
        print(f"warning: left out, as that format has no place for them: {', '.join(left_out)}")


def inspect(flags):
    """Prints what a checkpoint, or a .keras file, holds."""
    given = flags[one_of(flags, "init_checkpoint", "model")].value
    if _is_keras(given):
        from bert_tf2.cli.opened import load_task

        print(_described_model(given, load_task(given)))
        return
    checkpoint = _open(flags, given)
    from bert_tf2 import weights

    print(weights.summary(checkpoint))


def _described_model(file, model):
    """What a task in a .keras file is: its settings, lengths, sizes, and variables."""
    from bert_tf2.weights.summary import about

    config, preprocessor = model.encoder.config, model.preprocessor
    variables = model.named_variables()
    settings = [f"{name} {getattr(model, name)}" for name in model.settings]
    rows = [
        ("file", file),
        ("task", f"{type(model).__name__} of {'pairs' if model.takes_pairs else 'single texts'}"),
        ("settings", ", ".join(settings)),
        *about(config),
        ("vocabulary", f"{preprocessor.tokenizer.vocabulary_size} pieces"),
        ("lengths", f"at most {preprocessor.max_length} tokens"),
        ("optimizer", _optimizer(model.optimizer)),
        ("parameters", f"{sum(math.prod(v.shape) for v in variables.values()):,}"),
    ]
    if model.adapters:
        kinds = [f"{name} ({each.kind})" for name, each in model.adapters.items()]
        active = f"{model.active_adapter or 'none of them'} is active"
        rows.append(("adapters", f"{', '.join(kinds)}; {active}; the variables below are without"))
    lines = [f"{title:<12}{text}" for title, text in rows]
    table = [[name, str(list(v.shape)), v.dtype] for name, v in variables.items()]
    return "\n".join([*lines, "", console.table([["variable", "shape", "dtype"], *table])])


def _optimizer(optimizer):
    if optimizer is None:
        return "none: the task was not compiled"
    steps = f"{int(optimizer.iterations)} steps done" if optimizer.built else "not yet used"
    return f"{type(optimizer).__name__}, {steps}"


def list_published(flags):
    """Prints the registry, and which of its checkpoints are here; or all about those named."""
    from bert_tf2.weights import registry

    folder = registry.checkpoints_folder()
    if flags.arguments:
        chosen = [registry.find(name) for name in flags.arguments]
        print("\n\n".join(map(_described, chosen)))
        return
    rows = [["name", "family", "parameters", "MB", "licence", "here", "about"]]
    for entry in registry.entries():
        count = _parameters(entry)
        size = f"{entry.size / 1e6:.0f}" if entry.size else f"~{4 * count / 1e6:.0f}"
        here = "yes" if registry.place_of(entry) else ""
        rows.append([entry.name, entry.family, f"{count / 1e6:.0f} M", size, entry.license])
        rows[-1] += [here, entry.about]
    print(console.table(rows, right=(2, 3)))
    print("\nMB to download; ~ where nobody says: the encoder's weights in float32.")
    print(f"Downloads land in {folder}. To get one: bert_tf2 download NAME")


def _described(entry):
    """Every field of a registry entry that is known, a line each."""
    from bert_tf2.weights import registry

    place = registry.place_of(entry)
    known = {name: value for name, value in vars(entry).items() if value}
    known |= {"files": ", ".join(entry.files) or "all of the archive"}
    known |= {"parameters": f"{_parameters(entry) / 1e6:.0f} M", "sha256": ""}
    known |= {"place": place or f"{registry.checkpoints_folder() / entry.name} (not there yet)"}
    rows = [(name, value) for name, value in known.items() if value]
    rows += [("sha256", f"{digest}  {file}") for file, digest in entry.sha256.items()]
    return "\n".join(f"{name:<12}{value}" for name, value in rows)


def _parameters(entry):
    """How many weights an encoder has, heads not counted."""
    from bert_tf2.variants import VARIANTS
    from bert_tf2.weights.names import expected_shapes

    return sum(map(math.prod, expected_shapes(VARIANTS[entry.name]).values()))


def download(flags):
    """Downloads one published checkpoint and prints its folder."""
    from bert_tf2.weights import registry

    folder = registry.download(flags.init_checkpoint, force=flags.force)
    print(registry.verification(folder), file=sys.stderr)
    print(folder)


def _is_keras(given):
    """Whether a file of Keras is meant; --model may name a checkpoint, too."""
    return Path(given).suffix == ".keras"


def _open(flags, given):
    from bert_tf2 import weights

    place = weights.resolve(given)  # an unknown name is said at once
    console.import_tensorflow()
    ignore = (flags.ignore if "ignore" in flags else None) or ()
    return weights.open_checkpoint(place, flags.bert_config_file, ignore)
