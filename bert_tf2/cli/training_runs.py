"""What verbs that train share: their folder, their devices, their checkpoints, their recipe."""

import contextlib
import glob
from pathlib import Path

from bert_tf2.cli.flags import ALIASES
from bert_tf2.files import LARGE, digest
from bert_tf2.locks import locked

NOT_OF_A_RUN = ("help", "resume", "overwrite", "output_dir", "arguments", "command", *ALIASES)


def given(flags, besides=()):
    """{name: value} of all that a run was told, and is no default; without those of `besides`."""
    names = [name for name in flags if name not in (*NOT_OF_A_RUN, "debug", *besides)]
    return {n: flags[n].value for n in names if flags[n].value != flags[n].default}


@contextlib.contextmanager
def held(folder, strategy):
    """The folder is this run's alone until it ends; the chief of several workers sees to that."""
    from bert_tf2.training import strategies

    try:
        with locked(folder) if strategies.is_chief(strategy) else contextlib.nullcontext():
            yield
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()  # where nothing was written


def checkpoints(flags, seed, folder, strategy, **settings):
    """The callback that saves the run and goes on with it; without --resume none are left.

    `settings` tell the run from others, besides the seed and what `fit` is given.
    """
    from bert_tf2.training import strategies
    from bert_tf2.training.checkpoints import Checkpoints

    saved = Checkpoints(
        folder / "checkpoints",
        every=flags.save_checkpoints_steps,
        keep=flags.keep_checkpoint_max,
        monitor=flags.monitor,
        settings={"seed": seed} | settings,
    )
    if flags.resume and not saved.found():
        print(f"no checkpoint in {saved.folder}: the run starts anew", flush=True)
    if not flags.resume and strategies.is_chief(strategy):
        saved.clear()  # before the variables, at which workers wait for each other
    return saved


def data_of(paths):
    """What tells data from others, wherever it lies: of each file its bytes' digest, of a large one
    their number.

    Args:
        paths: files or patterns, or None; folders are not looked into.
    """
    several = [paths] if isinstance(paths, str) else paths or []
    found = [file for path in several for file in (glob.glob(path) or [path])]
    sized = [(file, Path(file).stat().st_size) for file in sorted(found) if Path(file).is_file()]
    return [size if size > LARGE else digest([file]) for file, size in sized]


def how_to_go_on(flags):
    """What to say to somebody who has interrupted a run."""
    command = f"{flags.command} --output_dir={flags.output_dir} --resume"
    if any(Path(flags.output_dir).glob("**/checkpoints/epoch-*")):
        return f". To go on with the run: {command}"
    if flags.save_checkpoints_steps:
        return ", before a checkpoint was saved"
    return f". Nothing was saved; with --save_checkpoints_steps=500, {command} goes on"


def strategy(flags):
    """Where the model is trained; TensorFlow's default where nothing is asked for."""
    import tensorflow as tf

    from bert_tf2.training import strategies

    if flags.strategy is None and strategies.workers() == 1:
        return tf.distribute.get_strategy()
    return strategies.strategy(flags.strategy or "multi_worker")


def recipe(flags):
    """The settings of `finetuning_optimizer` that flags say."""
    names = ("learning_rate", "warmup_proportion", "schedule", "optimizer", "layer_decay")
    return {name: flags[name].value for name in (*names, "bias_correction") if name in flags}


def precision(flags):
    """The Keras policy that --precision names."""
    return {"bfloat16": "mixed_bfloat16"}.get(flags.precision, flags.precision)
