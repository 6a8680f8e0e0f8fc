"""Verbs about checkpoints: convert, inspect, list, download."""

from pathlib import Path

from bert_tf2.cli import console
from bert_tf2.cli.flags import UsageError, one_of


def convert(flags):
    """Writes a checkpoint, heads included, in another format; says what was left out."""
    from bert_tf2 import weights
    from bert_tf2.cli.files import refuse_existing

    refuse_existing(flags.output_dir, overwrite=False)
    if one_of(flags, "init_checkpoint", "model") == "model":
        from bert_tf2.cli.models import load_classifier

        contents = load_classifier(flags.model).contents()
    else:
        contents, report = weights.contents_of(_open(flags), flags.to)
        print(report)
    weights.save(flags.output_dir, contents, flags.to, flags.dtype)
    about = weights.FORMATS[flags.to].about
    print(f"written: {len(contents.arrays)} variables, {flags.dtype}, as {about}:")
    for file in sorted(path for path in Path(flags.output_dir).rglob("*") if path.is_file()):
        print(f"  {file}  ({file.stat().st_size:,} bytes)")
    if not contents.tokenizer_files:
        print("warning: no vocabulary lies beside the weights, so none was written")
    if flags.to == "google" and contents.config.hidden_act == "gelu_erf":
        print("note: the activation is the exact GELU. bert_config.json calls it gelu_erf, a word")
        print("that bert_tf2 reads and Google's own code, which only has tanh GELU, refuses.")


def inspect(flags):
    """Prints what a checkpoint holds; its weights are not read."""
    checkpoint = _open(flags)
    from bert_tf2 import weights

    print(weights.summary(checkpoint))


def list_published(flags):
    """Prints the registry, and which of its checkpoints are on this machine."""
    from bert_tf2.weights import registry

    folder = registry.checkpoints_folder()
    rows = [["name", "family", "MB", "licence", "here", "about"]]
    for entry in registry.entries():
        place = folder / entry.name
        here = "yes" if place.is_dir() and any(place.iterdir()) else ""
        size = f"{entry.size / 1e6:.0f}" if entry.size else "?"
        rows.append([entry.name, entry.family, size, entry.license, here, entry.about])
    print(console.table(rows, right=(2,)))
    print(f"\nDownloads land in {folder}. To get one: bert_tf2 download NAME")


def download(flags):
    """Downloads one published checkpoint and prints its folder."""
    from bert_tf2.weights import registry

    if len(flags.arguments) != 1:
        raise UsageError(
            "give the name of one checkpoint, such as those of bert_tf2 list", flags.command
        )
    folder = registry.download(flags.arguments[0], force=flags.force)
    print(folder)


def _open(flags):
    console.import_tensorflow()
    from bert_tf2 import weights

    place = weights.resolve(flags.init_checkpoint)
    return weights.open_checkpoint(place, config_file=flags.bert_config_file)
