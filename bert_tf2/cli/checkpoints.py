"""Verbs about checkpoints: convert, inspect, list, download."""

import math
from pathlib import Path

from bert_tf2.cli import console
from bert_tf2.cli.flags import UsageError, one_of


def convert(flags):
    """Writes a checkpoint, heads included, as Google publishes them; says what was left out."""
    from bert_tf2 import weights
    from bert_tf2.cli.files import refuse_existing

    refuse_existing(flags.output_dir, overwrite=False)
    trained = one_of(flags, "init_checkpoint", "model") == "model"
    config, arrays, vocabulary = _read_trained(flags) if trained else _read_checkpoint(flags)
    weights.save_google(flags.output_dir, config, arrays, vocabulary)
    print(f"written: {len(arrays)} variables, in Google's format:")
    for file in sorted(Path(flags.output_dir).iterdir()):
        print(f"  {file}  ({file.stat().st_size:,} bytes)")
    if vocabulary is None:
        print("warning: no vocabulary lies beside the weights, so none was written")
    if config.hidden_act == "gelu_erf":
        print("note: the activation is the exact GELU. bert_config.json calls it gelu_erf, a word")
        print("that bert_tf2 reads and Google's own code, which only has tanh GELU, refuses.")


def _read_checkpoint(flags):
    """A checkpoint's config, arrays with its heads, and vocabulary; says what is left out."""
    from bert_tf2 import weights

    checkpoint = _open(flags)
    arrays, report = weights.load(checkpoint, _shapes_in(checkpoint), optional_heads=False)
    print(report)
    return checkpoint.config, arrays, _vocabulary_of(checkpoint)


def _read_trained(flags):
    """The same of a model that `bert_tf2 finetune` wrote."""
    from bert_tf2.cli.models import load_classifier

    model = load_classifier(flags.model)
    arrays = {name: variable.numpy() for name, variable in model.named_variables().items()}
    return model.encoder.config, arrays, model.preprocessor.tokenizer.vocabulary


def _shapes_in(checkpoint):
    """Our name -> shape of a whole encoder and of the pooler and heads that the file has."""
    from bert_tf2.weights import names
    from bert_tf2.weights.loading import match

    found = match(checkpoint).found
    heads = tuple({names.head_of(ours) for ours in found} - {None})
    labels = None
    if "classifier/bias" in found:
        ((labels,), _) = checkpoint.variables[found["classifier/bias"]]
    shapes = names.expected_shapes(checkpoint.config, heads, labels)
    has_pooler = any(ours.startswith("pooler/") for ours in found)
    return {n: s for n, s in shapes.items() if has_pooler or not n.startswith("pooler/")}


def _vocabulary_of(checkpoint):
    """The entries of the vocabulary file, or None."""
    if checkpoint.vocab_file is None:
        return None
    # Only "\n" ends an entry: Chinese vocabularies hold U+2028 inside one.
    lines = checkpoint.vocab_file.read_bytes().decode("utf-8").removesuffix("\n").split("\n")
    return [line.removesuffix("\r") for line in lines]


def inspect(flags):
    """Prints what a checkpoint holds; its weights are not read."""
    checkpoint = _open(flags)
    from bert_tf2 import weights

    print(weights.summary(checkpoint))


def list_published(flags):
    """Prints the registry, and which of its checkpoints are here; or all about those named."""
    from bert_tf2.weights import registry

    folder = registry.checkpoints_folder()
    if flags.arguments:
        chosen = [registry.find(name) for name in flags.arguments]
        print("\n\n".join(_described(entry, folder) for entry in chosen))
        return
    rows = [["name", "family", "parameters", "MB", "licence", "here", "about"]]
    for entry in registry.entries():
        size = f"{entry.size / 1e6:.0f}" if entry.size else "?"
        here = "yes" if registry.is_filled(folder / entry.name) else ""
        rows.append([entry.name, entry.family, _parameters(entry), size, entry.license])
        rows[-1] += [here, entry.about]
    print(console.table(rows, right=(2, 3)))
    print(f"\nDownloads land in {folder}. To get one: bert_tf2 download NAME")


def _described(entry, folder):
    """Every field of a registry entry that is known, a line each."""
    from bert_tf2.weights import registry

    place = folder / entry.name
    known = {name: value for name, value in vars(entry).items() if value}
    known |= {"files": ", ".join(entry.files) or "all of the archive"}
    known |= {"parameters": _parameters(entry), "sha256": ""}
    known |= {"place": f"{place}{'' if registry.is_filled(place) else ' (not there yet)'}"}
    rows = [(name, value) for name, value in known.items() if value]
    rows += [("sha256", f"{digest}  {file}") for file, digest in entry.sha256.items()]
    return "\n".join(f"{name:<12}{value}" for name, value in rows)


def _parameters(entry):
    """How many weights an encoder has, in millions, heads not counted."""
    from bert_tf2.variants import VARIANTS
    from bert_tf2.weights.names import expected_shapes

    shapes = expected_shapes(VARIANTS[entry.name]).values()
    return f"{sum(map(math.prod, shapes)) / 1e6:.0f} M"


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
