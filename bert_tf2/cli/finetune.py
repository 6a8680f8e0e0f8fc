"""`bert_tf2 finetune`: a checkpoint and files of a task in, a trained model out."""

import re
from pathlib import Path

from bert_tf2.cli import (
    adapters,
    console,
    row_set,
    run_flags,
    run_report,
    scores,
    task_files,
    training_runs,
)
from bert_tf2.cli.flags import require
from bert_tf2.cli.label_columns import check_separator
from bert_tf2.cli.rows import label_names
from bert_tf2.cli.showing import number
from bert_tf2.cli.task_settings import check_settings, own_settings
from bert_tf2.cli.task_table import TASKS
from bert_tf2.cli.vector_losses import loss_of
from bert_tf2.files import new_file, write_json
from bert_tf2.scoring.spread import spread


def finetune(flags):
    """Trains once, or for each seed or fold: a model and its report; and a table of several."""
    if flags.resume:
        console.import_tensorflow()
        run_flags.recall(flags)
    flags.task = run_flags.task(flags)
    run_flags.files_of_glue(flags)
    run_flags.make_absolute(flags)
    require(flags, "init_checkpoint", "train_file")
    adapters.check(flags)
    run_flags.check_class_weight(flags)
    check_settings(flags)
    seeds, epochs = run_flags.seeds(flags), run_flags.whole_epochs(flags)
    task_files.check_output(flags.output_dir, flags.overwrite or flags.resume)
    task_files.check_checkpoint(flags.init_checkpoint)
    data, settings = _read(flags)
    results, place = [], Path(flags.output_dir)
    for name, seed, part in run_flags.runs(flags, seeds, data):
        try:
            results.append(_train(flags, seed, epochs, part, settings, place / name))
        except KeyboardInterrupt as error:
            raise KeyboardInterrupt(training_runs.how_to_go_on(flags)) from error
        results[-1]["name"] = name
    if flags.seeds or flags.folds:
        figures = results[0].get("dev")
        print(_table(results, scores.figure(flags, TASKS[flags.task], figures)))
    return results


def _read(flags):
    """({split: Rows}, the task's own arguments) of all files that are given."""
    row, flags.labels = TASKS[flags.task], label_names(flags.labels)
    paths = {"train": flags.train_file, "dev": flags.dev_file, "test": flags.test_file}
    data, settings = {}, {"labels": flags.labels} if row.classes else {}
    check_separator(flags, row)
    for split, path in paths.items():
        if path:
            data[split] = row.read(flags, path, row.labelled, settings.get("labels"))
            print(f"{path}: {data[split].about}")
        if split == "train":
            settings = row.settings(flags, data[split])
    return data, settings


def _train(flags, seed, epochs, data, own, folder):
    """One training run into one folder, locked meanwhile. -> what `metrics.json` says."""
    console.import_tensorflow()
    import keras

    keras.utils.clear_session()
    what = "numbers" if TASKS[flags.task].problem == "regression" else "classes"
    classes = f"{len(own['labels'])} {what}, " if "labels" in own else ""
    print(f"\nseed {seed}, {classes}{epochs} epoch{'s'[: epochs - 1]}", flush=True)
    strategy = training_runs.strategy(flags)
    with training_runs.held(folder, strategy):
        return _train_under(strategy, flags, seed, epochs, data, own, folder)


def _train_under(strategy, flags, seed, epochs, data, own, folder):
    import keras

    from bert_tf2.training import strategies
    from bert_tf2.training.runlog import RunLog, versions

    settings = {flag: flags[flag].value for flag in flags if flag not in training_runs.NOT_OF_A_RUN}
    log = RunLog(folder, every=flags.save_summary_steps, settings=settings)
    saved = training_runs.checkpoints(
        flags, seed, folder, strategy, sha256_of_data=training_runs.data_of(flags.train_file)
    )
    with strategy.scope():
        keras.utils.set_random_seed(seed)
        loss, sampler = loss_of(flags, data["train"])
        model = _model(flags, own, loss)
    dev = data.get("dev")
    fit = row_set.placed(model.fit, model, data.values())
    history = fit(
        data["train"].x,
        data["train"].labels,
        batch_size=flags.train_batch_size,
        epochs=epochs,
        validation_data=(dev.x, dev.labels) if _is_like(dev, data["train"]) else None,
        validation_batch_size=flags.eval_batch_size,
        class_weight=run_flags.class_weight(flags, model, data["train"]),
        callbacks=[
            log,
            *([saved] if flags.save_checkpoints_steps or flags.resume else []),
            *run_flags.stopping(flags, model, dev),
        ],
        verbose=console.keras_verbosity(),
        **sampler,
    ).history
    metrics = _metrics(flags, seed, data, model, history) | {"versions": versions()}
    metrics["seconds"] = round(log.seconds(), 1)
    if strategies.is_chief(strategy):
        _finish(flags, model, data, metrics, folder)
        print(_done(saved, metrics, folder))
    return metrics


def _done(saved, metrics, folder):
    """What a run came to, for people."""
    done = f"trained in {metrics['seconds']:.0f} s"
    if saved.was_finished:
        done = "the run was finished already: nothing was trained"
    return (
        f"{done}; written to {folder}: model.keras, metrics.json, report.html, report.json, "
        "run.json, metrics.jsonl, tensorboard/"
    )


def _finish(flags, model, data, metrics, folder):
    """Saves the model, and adds to metrics its figures on the dev and the test file; the report."""
    from bert_tf2.cli.opened import opened

    row, judged = TASKS[flags.task], {}
    chooses = "dev" in data and flags.tune_thresholds and not flags.folds
    chooses = chooses and flags.null_score_diff_threshold is None
    if said := chooses and row.kind.finish(model, data["dev"]):
        print(said)
        metrics["remark"] = said
    with new_file(folder / "model.keras") as draft:
        model.save(draft)
    adapters.save(flags, model, folder)
    known = opened(flags.output_dir, model)
    for split in [split for split in ("dev", "test") if split in data]:
        answers = row.kind.for_scores(known, data[split], flags.eval_batch_size)
        metrics[split] = scores.score(flags, known, data[split], answers)
        place = flags[f"{split}_file"].value or "the rows of the fold"
        figure = scores.figure(flags, row, metrics[split])
        if figure in metrics[split]:  # pairs in classes have no one figure
            print(f"{figure} on {place}: {number(metrics[split][figure])}")
        if row.labelled and row.kind.reported and not judged:
            answers = answers or list(known.answers(data[split], flags.eval_batch_size))
            judged = {"split": split} | run_report.judge(known, data[split], answers)
    write_json(folder / "metrics.json", scores.plain(metrics))
    run_report.write(folder, flags, metrics, judged)


def _is_like(dev, train):
    """Whether the loss of the rows to train on is one of these, too: vectors have other figures."""
    return dev is not None and (
        dev.columns.keys() == train.columns.keys()
        and (dev.labels is None) == (train.labels is None)
    )


def _model(flags, own, loss):
    """The task that the flags describe, with its own arguments, compiled."""
    cls = TASKS[flags.task].load()
    model = cls.from_preset(
        flags.init_checkpoint,
        max_length=flags.max_seq_length,
        lowercase=flags.do_lower_case,
        vocab_file=flags.vocab_file,
        config_file=flags.bert_config_file,
        dtype=training_runs.precision(flags),
        recompute=flags.recompute,
        ignore=flags.ignore or (),
        trainable_layers=flags.trainable_layers,
        reinit_layers=flags.reinit_layers,
        **own | own_settings(flags, cls),
    )
    adapters.add(flags, model)
    model.compile(
        training_runs.recipe(flags),
        micro_batches=flags.micro_batches,
        nonfinite=flags.nonfinite,
        fgm=flags.fgm,
        r_drop=flags.r_drop,
        label_smoothing=flags.label_smoothing,
        focal_gamma=flags.focal_gamma,
        **loss,
    )
    return model


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


def _table(results, figure):
    """Each run's figure on its dev rows and its seconds; their means, and the figure's spread."""
    runs = [
        {figure: result.get("dev", {}).get(figure), "seconds": result["seconds"]}
        for result in results
    ]
    mean, std = spread(runs)
    rows = [["run", f"dev {figure}", "seconds"]]
    for result, run in zip(results, runs, strict=True):
        rows.append([result["name"], number(run[figure]), f"{run['seconds']:.0f}"])
    rows.append(["mean", number(mean.get(figure)), f"{mean['seconds']:.0f}"])
    rows.append(["spread", number(std.get(figure)), ""])
    return "\n" + console.table(rows, right=(1, 2))
