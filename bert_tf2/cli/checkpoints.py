"""Verbs about checkpoints: convert, inspect, list, download."""

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
