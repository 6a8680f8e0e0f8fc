"""`bert_tf2 finetune`: a checkpoint and a labelled file in, a trained classifier out."""

import contextlib
import os
import re
from pathlib import Path

from bert_tf2.cli import console, task_files
from bert_tf2.cli.flags import ALIASES, UsageError, require
from bert_tf2.cli.task_table import TASKS
from bert_tf2.files import new_file, write_json
from bert_tf2.locks import locked

NOT_OF_A_RUN = ("help", "resume", "overwrite", "output_dir", "arguments", "command", *ALIASES)
PATHS = ("init_checkpoint", "bert_config_file", "vocab_file", "train_file", "dev_file", "test_file")


def finetune(flags):
    """Trains once for each seed: `model.keras`, `metrics.json`, and a table of several seeds."""
    if flags.resume:
        console.import_tensorflow()
        _recall(flags)
    flags.task = flags.task or "text_classification"
    _make_absolute(flags)
    require(flags, "init_checkpoint", "train_file")
    seeds, epochs = _seeds(flags), _whole_epochs(flags)
    task_files.check_output(flags.output_dir, flags.overwrite or flags.resume)
    paths = {"train": flags.train_file, "dev": flags.dev_file, "test": flags.test_file}
    row = TASKS[flags.task]
    data = {
        split: task_files.read(flags, path, row.labelled) for split, path in paths.items() if path
    }
    settings = row.settings(flags, data["train"])
    for split, examples in data.items() if row.labelled else ():
        task_files.check_labels(paths[split], examples, settings["labels"])
    results, place = [], Path(flags.output_dir)
    for seed in seeds:
        folder = place / (f"seed_{seed}" if flags.seeds else "")
        try:
            results.append(_train(flags, seed, epochs, data, settings, folder))
        except KeyboardInterrupt as error:
            raise KeyboardInterrupt(_how_to_go_on(flags)) from error
    if flags.seeds:
        print(_seed_table(results, row.figure))
    return results


@contextlib.contextmanager
def _held(folder, strategy):
    """The folder is this run's alone until it ends; the chief of several workers sees to that."""
    from bert_tf2.training import strategies

    try:
        with locked(folder) if strategies.is_chief(strategy) else contextlib.nullcontext():
            yield
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()  # where nothing was written


def _train(flags, seed, epochs, data, own, folder):
    """One training run into one folder, locked meanwhile. -> what `metrics.json` says."""
    console.import_tensorflow()
    import keras

    keras.utils.clear_session()
    classes = f"{len(own['labels'])} classes, " if "labels" in own else ""
    print(f"\nseed {seed}, {classes}{epochs} epoch{'s'[: epochs - 1]}", flush=True)
    strategy = _strategy(flags)
    with _held(folder, strategy):
        return _train_under(strategy, flags, seed, epochs, data, own, folder)


def _train_under(strategy, flags, seed, epochs, data, own, folder):
    import keras

    from bert_tf2.training.runlog import RunLog, versions

    settings = {flag: flags[flag].value for flag in flags if flag not in NOT_OF_A_RUN}
    log = RunLog(folder, every=flags.save_summary_steps, settings=settings)
    saved = _checkpoints(flags, seed, folder, strategy)
    with strategy.scope():
        keras.utils.set_random_seed(seed)
        model = _model(flags, own)
    history = model.fit(
        task_files.inputs(data["train"]),
        data["train"].labels,
        batch_size=flags.train_batch_size,
        epochs=epochs,
        validation_data=_batches(data.get("dev"), flags.eval_batch_size),
        callbacks=[log, *([saved] if flags.save_checkpoints_steps or flags.resume else [])],
        verbose=console.keras_verbosity(),
    ).history
    metrics = _metrics(flags, seed, data, model, history) | {"versions": versions()}
    metrics["seconds"] = round(log.seconds(), 1)
    if "test" in data:
        metrics["test"] = _evaluate(model, data["test"], flags.eval_batch_size)
        figure = TASKS[flags.task].figure
        print(f"{figure} on {flags.test_file}: {metrics['test'][figure]:.4f}")
    _write(strategy, folder, model, metrics, saved.was_finished)
    return metrics


def _checkpoints(flags, seed, folder, strategy):
    """The callback that saves the run and goes on with it; without --resume none are left."""
    from bert_tf2.training import strategies
    from bert_tf2.training.checkpoints import Checkpoints

    saved = Checkpoints(
        folder / "checkpoints",
        every=flags.save_checkpoints_steps,
        keep=flags.keep_checkpoint_max,
        monitor=flags.monitor,
        settings={"seed": seed},
    )
    if flags.resume and not saved.found():
        print(f"no checkpoint in {saved.folder}: the run starts anew", flush=True)
    if not flags.resume and strategies.is_chief(strategy):
        saved.clear()  # before the variables, at which workers wait for each other
    return saved


def _write(strategy, folder, model, metrics, was_finished):
    """The model and its numbers, by the chief of several workers; says where."""
    from bert_tf2.training import strategies

    if not strategies.is_chief(strategy):
        return
    with new_file(folder / "model.keras") as draft:
        model.save(draft)
    write_json(folder / "metrics.json", metrics)
    done = f"trained in {metrics['seconds']:.0f} s"
    if was_finished:
        done = "the run was finished already: nothing was trained"
    print(
        f"{done}; written to {folder}: model.keras, metrics.json, run.json, metrics.jsonl, "
        "tensorboard/"
    )


def _recall(flags):
    """Gives flags that are not on the command line the values of the run that goes on."""
    from bert_tf2.training.runlog import read_run

    place = Path(flags.output_dir)
    runs = [run for run in map(read_run, [place, *place.glob("seed_*")]) if run]
    if not runs and not flags.train_file:
        raise FileNotFoundError(
            f"{place} must hold a run to go on with: there is no run.json in it"
        )
    newest = max(runs, key=lambda run: run["started"][-1], default={"settings": {}})
    for name, value in newest["settings"].items():
        if name in flags and not flags[name].present:
            flags[name].value = value


def _make_absolute(flags):
    """Paths as they are from any folder, so that a run can be gone on with from another one."""
    for name in PATHS:
        given = flags[name].value
        path = Path(given or "").expanduser()
        if given and (path.exists() or path.with_name(path.name + ".index").is_file()):
            flags[name].value = os.path.abspath(path)


def _how_to_go_on(flags):
    """What to say to somebody who has interrupted a run."""
    command = f"bert_tf2 finetune --output_dir={flags.output_dir} --resume"
    if any(Path(flags.output_dir).glob("**/checkpoints/epoch-*")):
        return f". To go on with the run: {command}"
    if flags.save_checkpoints_steps:
        return ", before a checkpoint was saved"
    return f". Nothing was saved; with --save_checkpoints_steps=500, {command} goes on"


def _strategy(flags):
    """Where the model is trained; TensorFlow's default where nothing is asked for."""
    import tensorflow as tf

    from bert_tf2.training import strategies

    if flags.strategy is None and strategies.workers() == 1:
        return tf.distribute.get_strategy()
    return strategies.strategy(flags.strategy or "multi_worker")


def _model(flags, own):
    """The task that the flags describe, with its own arguments, compiled."""
    model = (
        TASKS[flags.task]
        .load()
        .from_preset(
            flags.init_checkpoint,
            max_length=flags.max_seq_length,
            lowercase=flags.do_lower_case,
            vocab_file=flags.vocab_file,
            config_file=flags.bert_config_file,
            dtype={"bfloat16": "mixed_bfloat16"}.get(flags.precision, flags.precision),
            recompute=flags.recompute,
            **own,
        )
    )
    model.compile(
        {
            "learning_rate": flags.learning_rate,
            "warmup_proportion": flags.warmup_proportion,
            "schedule": flags.schedule,
            "optimizer": flags.optimizer,
            "layer_decay": flags.layer_decay,
        },
        micro_batches=flags.micro_batches,
        nonfinite=flags.nonfinite,
        fgm=flags.fgm,
        r_drop=flags.r_drop,
    )
    return model


def _evaluate(model, examples, batch_size):
    """Loss and metrics on examples."""
    return model.evaluate(
        task_files.inputs(examples), examples.labels, batch_size, verbose=0, return_dict=True
    )


def _batches(examples, batch_size):
    """Labelled examples as a dataset with its own batch size; texts alone as they are; or None."""
    if examples is None or examples.labels is None:
        return examples and examples.texts
    import tensorflow as tf

    columns = (task_files.inputs(examples), examples.labels)
    return tf.data.Dataset.from_tensor_slices(columns).batch(batch_size)


def _metrics(flags, seed, data, model, history):
    """What a run was, and its loss and accuracy after each epoch."""
    epochs = [
        {"epoch": i + 1}
        | {re.sub("^val_", "dev_", name): values[i] for name, values in history.items()}
        for i in range(len(history["loss"]))
    ]
    settings = ("task", "init_checkpoint", "max_seq_length", "train_batch_size", "learning_rate")
    settings += ("num_train_epochs", "warmup_proportion", "pooling", "precision", "recompute")
    return {
        "seed": seed,
        "settings": {name: flags[name].value for name in settings}
        | {"max_seq_length": model.preprocessor.max_length},
        "classes": getattr(model, "labels", None),
        "rows": {split: len(examples) for split, examples in data.items()},
        "epochs": epochs,
    }


def _seed_table(results, figure):
    """Seed, accuracy on the dev file after the last epoch, seconds; and the means."""
    accuracies = [result["epochs"][-1].get(f"dev_{figure}") for result in results]
    seconds = [result["seconds"] for result in results]
    rows = [["seed", f"dev {figure}", "seconds"]]
    for result, accuracy in zip(results, accuracies, strict=True):
        rows.append([str(result["seed"]), _shown(accuracy), f"{result['seconds']:.0f}"])
    mean = None if None in accuracies else sum(accuracies) / len(accuracies)
    rows.append(["mean", _shown(mean), f"{sum(seconds) / len(seconds):.0f}"])
    return "\n" + console.table(rows, right=(1, 2))


def _shown(accuracy):
    return "-" if accuracy is None else f"{accuracy:.4f}"


def _seeds(flags):
    """The seeds to train with: those of --seeds, or the one of --seed."""
    try:
        seeds = [int(seed) for seed in flags.seeds or [flags.seed]]
    except ValueError as error:
        raise UsageError(f"--seeds takes integers, 1,2,3. {error}", flags.command) from error
    if len(set(seeds)) != len(seeds):
        raise UsageError(f"--seeds must differ from each other. Received: {seeds}", flags.command)
    return seeds


def _whole_epochs(flags):
    epochs = flags.num_train_epochs
    if epochs < 1 or epochs != int(epochs):
        raise UsageError(
            f"--num_train_epochs must be a whole number from 1. Received: {epochs}", flags.command
        )
    return int(epochs)
