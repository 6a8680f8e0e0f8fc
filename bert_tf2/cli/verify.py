"""`bert_tf2 verify`: does a checkpoint compute here what others have printed for it?"""

from pathlib import Path

from bert_tf2.cli import console

# What tells one published model from another; heads and vocabularies differ more finely.
SIZES = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")


def verify(flags):
    """Prints a checkpoint's differences from what is published; ValueError if one is too large."""
    from bert_tf2.published.comparison import compare, published
    from bert_tf2.weights import registry

    given = flags.init_checkpoint
    entry = registry.find(flags["as"].value or _name_of(given))
    rows, left_out = published(entry.name)
    if not rows and not entry.sha256:
        raise ValueError(
            f"No numbers are published for {entry.name}, and no sha256 of its files is known. "
            f"bert_tf2 list {entry.name} shows what is."
        )
    console.import_tensorflow()
    from bert_tf2 import weights

    checkpoint = weights.open_checkpoint(weights.resolve(given))
    _check_sizes(entry.name, checkpoint)
    digests = _digests(entry, checkpoint.path.parent)
    results = compare(checkpoint, [*rows, *digests], flags.data_dir)
    print(_report(results))
    for what in left_out:
        print(f"left out: {what['of']}: {what['why']}")
    differing = sum(result.word == "DIFFERS" for result in results)
    if differing:
        raise ValueError(
            f"{differing} of {len(results)} rows differ: {checkpoint.path} is not the published "
            f"{entry.name}, or it is computed otherwise here"
        )
    if all(result.not_run for result in results):
        raise ValueError(f"Nothing could be compared for {entry.name}")


def _name_of(given):
    """The registry's name of what was given: itself, or the name that its folder has."""
    from bert_tf2.weights import registry

    names = {name for entry in registry.entries() for name in entry.names}
    path = Path(given).expanduser().absolute()
    folder = path if path.is_dir() else path.parent
    on_disk = path.exists() or path.with_name(path.name + ".index").is_file()
    if given in names or not on_disk:
        return given
    if folder.name not in names:
        raise ValueError(
            f"{given} is not called by a published name: say which checkpoint it is, --as=NAME "
            "(see bert_tf2 list)"
        )
    return folder.name


def _check_sizes(name, checkpoint):
    """Raises unless the config has the sizes of the published model."""
    from bert_tf2.variants import VARIANTS

    for size in SIZES:
        got, want = getattr(checkpoint.config, size), getattr(VARIANTS[name], size)
        if got != want:
            raise ValueError(f"{checkpoint.path} is no {name}: `{size}` must be {want}, not {got}.")


def _report(results):
    """The results as a table, and their sources."""
    sources = list(dict.fromkeys(result.row.source for result in results))
    rows = [["output", "of", "difference", "allowed", "", "source"]]
    for result in results:
        row, numbers = result.row, ["", ""]
        if not result.not_run:
            numbers = [f"{number:.2g}" for number in (result.difference, result.allowed)]
        rows.append(
            [row.output, row.of, *numbers, result.word, f"[{sources.index(row.source) + 1}]"]
        )
    lines = [console.table(rows, right=(2, 3)), ""]
    lines += [f"[{number}] {source}" for number, source in enumerate(sources, start=1)]
    reasons = dict.fromkeys(result.not_run for result in results if result.not_run)
    return "\n".join([*lines, *(f"not run: {reason}" for reason in reasons)])


def _digests(entry, folder):
    """The known sha256 of those of the registry's files that are there, as rows."""
    from bert_tf2.published.comparison import Row

    known = {name: digest for name, digest in entry.sha256.items() if (folder / name).is_file()}
    return [
        Row([entry.name], name, "sha256", [digest], "bert_tf2/weights/registry.json", file=name)
        for name, digest in known.items()
    ]
