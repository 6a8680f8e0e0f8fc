"""`--adapter` and its settings: what is trained in the encoder's place, and its own folder."""

import shutil

from bert_tf2.cli.flags import UsageError

# Settings of `modeling.adapter_kinds` by the ends of their flags, and the kinds that have them.
SETTINGS = {
    "rank": ("lora",),
    "alpha": ("lora",),
    "dropout": ("lora",),
    "targets": ("lora", "bias"),
    "size": ("houlsby", "pfeiffer"),
}


def check(flags):
    """Raises UsageError for a setting that the chosen kind has not, before anything is read."""
    for name in ("trainable_layers", "reinit_layers") if flags.adapter else ():
        if flags[name].value != flags[name].default:
            raise UsageError(
                f"--{name} is for the encoder's own layers, in whose place --adapter trains: leave "
                f"one of them out. Received: --{name}={flags[name].value}",
                flags.command,
            )
    for name, kinds in SETTINGS.items():
        if flags[f"adapter_{name}"].value is not None and flags.adapter not in kinds:
            raise UsageError(
                f"--adapter_{name} is for --adapter={' or '.join(kinds)}. Received: "
                f"--adapter={flags.adapter}",
                flags.command,
            )


def add(flags, model):
    """Gives a model the adapter that flags describe, if any, and says what is then trained."""
    if flags.adapter is None:
        return
    given = {name: flags[f"adapter_{name}"].value for name in SETTINGS}
    given = {name: value for name, value in given.items() if value is not None}
    model.add_adapter(flags.adapter, **given)
    trained, everything = model.trained_share()
    share = f"{trained / everything:.2%}"
    print(f"adapter {flags.adapter}: trains {trained:,} of {everything:,} numbers, {share}")


def save(flags, model, folder):
    """Writes the adapter alone into the folder of a run; what an earlier run left is replaced."""
    if flags.adapter is not None:
        place = folder / "adapter"
        shutil.rmtree(place, ignore_errors=True)
        model.save_adapter(place, base_name=flags.init_checkpoint)


def opened(flags, task):
    """Opens the adapters that --adapters names, NAME=FOLDER each, for rows to choose from.

    -> their names; None where none are named.
    """
    if not flags.adapters:
        return None
    pairs = [each.partition("=") for each in flags.adapters]
    if wrong := [each for each in flags.adapters if not each.partition("=")[2]]:
        raise UsageError(
            f"--adapters must be NAME=FOLDER, separated by commas. Received: {wrong[0]}",
            flags.command,
        )
    for name, _, folder in pairs:
        if name in task.adapters:  # the one that it was trained with
            task.delete_adapter(name)
        task.load_adapter(folder, name)
    return [name for name, _, _ in pairs]
