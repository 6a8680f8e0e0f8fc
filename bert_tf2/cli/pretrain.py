"""`bert_tf2 pretrain`: text or records in, a pretrained encoder out, in one or several lengths."""

from pathlib import Path

from bert_tf2.cli import console, pretrain_stages, run_flags, task_files, training_runs
from bert_tf2.cli.flags import UsageError, require
from bert_tf2.cli.showing import number
from bert_tf2.data.pretraining_files import is_records, read_texts
from bert_tf2.files import write_json

NOT_OF_A_RUN = training_runs.NOT_OF_A_RUN
OF_THE_RUN = (  # what a run that goes on must have as it was, besides what `fit` is given
    "objective",
    "dropout",
    "masked_lm_prob",
    "max_predictions_per_seq",
    "do_whole_word_mask",
)
OBJECTIVES = {  # -> module and class in tasks/, and its own arguments
    "mlm": ("masked_lm:MaskedLM", {}),
    "nsp": ("masked_lm:MaskedLM", {"second_task": "nsp"}),
    "sop": ("masked_lm:MaskedLM", {"second_task": "sop"}),
    "rtd": ("replaced_words:ReplacedWords", {}),
}
# What flags that are left out mean. Devlin et al. 2018, appendix A.2; Lan et al. 2019, section 4.1;
# Clark et al. 2020, table 6; Geiping & Goldstein 2022, "Cramming", sections 4.2 and 4.3.
RECIPES = {
    "bert": {"objective": "nsp", "learning_rate": ["1e-4"], "warmup_proportion": 0.01},
    "albert": {
        "objective": "sop",
        "optimizer": "lamb",
        "learning_rate": ["1.76e-3"],
        "warmup_proportion": 0.025,
        "dropout": 0.0,
    },
    "electra": {"objective": "rtd", "learning_rate": ["5e-4"], "warmup_proportion": 0.01},
    "cramming": {
        "objective": "mlm",
        "learning_rate": ["1e-3"],
        "warmup_proportion": 0.5,
        "schedule": "polynomial",
        "clip_norm": 0.5,
        "masked_lm_prob": 0.25,
        "dropout": 0.0,
    },
}


def pretrain(flags):
    """Trains stage after stage, each from what the one before has come to, and writes the end."""
    complete(flags)
    run_flags.make_absolute(flags)
    require(flags, "input_file")
    if not (flags.init_checkpoint or (flags.bert_config_file and flags.vocab_file)):
        raise UsageError(
            "give --init_checkpoint, or --bert_config_file and --vocab_file to begin anew",
            flags.command,
        )
    task_files.check_output(flags.output_dir, flags.overwrite or flags.resume)
    if flags.init_checkpoint:
        task_files.check_checkpoint(flags.init_checkpoint)
    place = Path(flags.output_dir)
    console.import_tensorflow()
    stages = pretrain_stages.stages(flags, place)
    strategy = training_runs.strategy(flags)
    try:
        with training_runs.held(place, strategy):
            return _run(flags, stages, strategy, place)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(training_runs.how_to_go_on(flags)) from error


def complete(flags):
    """Gives flags that are left out the values of the run that goes on, or else of the recipe."""
    run = {}
    if flags.resume:
        console.import_tensorflow()
        run = run_flags.recall(flags)
    for name, value in RECIPES.get(flags.recipe, {}).items():
        known = name in run and run.get("recipe") == flags.recipe
        if not (flags[name].present or known):
            flags[name].value = value


def _run(flags, stages, strategy, place):
    import keras

    from bert_tf2.training import strategies
    from bert_tf2.training.runlog import versions

    with strategy.scope():
        keras.utils.set_random_seed(flags.seed)
        model = _model(flags, stages[0].length)
        pretrain_stages.check_formats(flags, model)
    pretrain_stages.check_records(flags, stages, model.preprocessor.tokenizer)
    told = [_train(flags, model, stage, strategy, i) for i, stage in enumerate(stages)]
    finished = [stage.pop("was_finished") for stage in told]
    figures = _evaluated(flags, model)
    metrics = {"seed": flags.seed, "objective": flags.objective, "stages": told, "dev": figures}
    metrics |= {"parameters": model.encoder.count_params(), "versions": versions()}
    metrics["seconds"] = round(sum(stage["seconds"] for stage in told), 1)
    if strategies.is_chief(strategy):
        _write(flags, model, metrics, place, all(finished))
    return metrics


def _model(flags, length):
    """The task that the flags describe."""
    import importlib

    from bert_tf2.tasks import made_anew

    home, own = OBJECTIVES[flags.objective]
    module, _, name = home.partition(":")
    cls = getattr(importlib.import_module(f"bert_tf2.tasks.{module}"), name)
    own = own | {"rate": flags.masked_lm_prob, "whole_words": flags.do_whole_word_mask}
    own["max_predictions"] = flags.max_predictions_per_seq
    how = {"max_length": length, "lowercase": flags.do_lower_case, "recompute": flags.recompute}
    how["dtype"] = training_runs.precision(flags)
    if flags.init_checkpoint:
        files = {"vocab_file": flags.vocab_file, "config_file": flags.bert_config_file}
        model = cls.from_preset(flags.init_checkpoint, **how, **files, **own)
    else:
        model = made_anew.from_config(cls, flags.bert_config_file, flags.vocab_file, **how, **own)
    return model if flags.dropout is None else made_anew.with_dropout(model, flags.dropout)


# --- Training. ------------------------------------------------------------------------------------


def _train(flags, model, stage, strategy, index):
    """One stage. -> what `metrics.json` says of it."""
    from bert_tf2.text.packing import Preprocessor
    from bert_tf2.training.runlog import RunLog

    length = stage.length or model.preprocessor.max_length
    if length > model.encoder.config.max_length:
        raise ValueError(
            f"Rows can have at most {model.encoder.config.max_length} tokens, the encoder's "
            f"positions. Received: {length}"
        )
    tokenizer = model.preprocessor.tokenizer
    model.preprocessor = Preprocessor(tokenizer, length)
    settings = {flag: flags[flag].value for flag in flags if flag not in NOT_OF_A_RUN}
    log = RunLog(stage.folder, every=flags.save_summary_steps, settings=settings)
    own = {name: flags[name].value for name in OF_THE_RUN}
    own["sha256_of_data"] = training_runs.data_of(stage.files)
    saved = training_runs.checkpoints(flags, flags.seed + index, stage.folder, strategy, **own)
    epochs, steps = _epochs(flags, stage)
    with strategy.scope():
        how = {"learning_rate": stage.rate, "clip_norm": flags.clip_norm}
        model.compile(
            training_runs.recipe(flags) | how,
            micro_batches=flags.micro_batches,
            nonfinite=flags.nonfinite,
        )
    many = f"{steps * epochs} steps" if steps else f"{epochs} epoch{'s'[: epochs - 1]}"
    print(f"\n{many} of {flags.train_batch_size} rows of {length} tokens", flush=True)
    history = model.fit(
        _rows(stage.data, flags.train_batch_size, steps is not None, tokenizer),
        batch_size=flags.train_batch_size,
        epochs=epochs,
        steps_per_epoch=steps,
        validation_data=_dev(flags, tokenizer),
        validation_batch_size=flags.eval_batch_size,
        callbacks=[log, *([saved] if flags.save_checkpoints_steps or flags.resume else [])],
        verbose=console.keras_verbosity(),
    ).history
    found = [dict(zip(history, row, strict=True)) for row in zip(*history.values(), strict=True)]
    told = {"max_seq_length": length, "steps": (steps or 0) * epochs or None, "epochs": found}
    return told | {"seconds": round(log.seconds(), 1), "was_finished": saved.was_finished}


def _epochs(flags, stage):
    """(epochs, steps of each): up to ten equal parts of so many steps; or passes over the data."""
    if stage.steps is None:
        return run_flags.whole_epochs(flags), None
    parts = next(n for n in range(min(10, stage.steps), 0, -1) if stage.steps % n == 0)
    return parts, stage.steps // parts


def _rows(data, batch_size, endless, tokenizer, shuffle=True):
    """Texts as they are, or a dataset of records."""
    if not is_records(data[0]):
        return data
    from bert_tf2.data.records import read_records

    rows = read_records(data, batch_size, shuffle, tokenizer)
    return rows.repeat() if endless else rows


def _dev(flags, tokenizer):
    """What --dev_file holds, to evaluate on, or None."""
    if not flags.dev_file:
        return None
    if is_records(flags.dev_file):
        return _rows([flags.dev_file], flags.eval_batch_size, False, tokenizer, False)
    return read_texts([flags.dev_file], flags.text_column, flags.encoding)


def _evaluated(flags, model):
    """The figures on --dev_file at the end."""
    if (dev := _dev(flags, model.preprocessor.tokenizer)) is None:
        return {}
    size = flags.eval_batch_size
    found = model.evaluate(dev, batch_size=size, verbose=0, return_dict=True)
    figures = {name: float(value) for name, value in found.items()}
    shown = ", ".join(f"{name} {number(value)}" for name, value in figures.items())
    print(f"on {flags.dev_file}: {shown}")
    return figures


def _write(flags, model, metrics, place, finished):
    """The model, in each format that --to names, and the figures."""
    import shutil

    from bert_tf2.files import new_file

    with new_file(place / "model.keras") as draft:
        model.save(draft)
    for format in flags.to or []:
        if (place / format).exists():  # of an earlier run: --overwrite or --resume was given
            shutil.rmtree(place / format)
        slots = {"optimizer": True} if format == "google" and flags.save_optimizer else {}
        model.save_to_preset(place / format, format, **slots)
    write_json(place / "metrics.json", metrics)
    written = ["model.keras", *(f"{format}/" for format in flags.to or []), "metrics.json"]
    done = f"trained in {metrics['seconds']:.0f} s"
    if finished:
        done = "the run was finished already: nothing was trained"
    print(f"{done}; written to {place}: {', '.join(written)}")
