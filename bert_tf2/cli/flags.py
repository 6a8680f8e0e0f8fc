"""The flags of each verb, and reading them. Each verb has a `FlagValues` of its own."""

import textwrap

from absl import flags as absl_flags


class UsageError(Exception):
    """A mistake in the command line itself. `command` is what was typed, e.g. "bert_tf2 export"."""

    def __init__(self, message, command=None):
        super().__init__(message)
        self.command = command


def parse(command, define, argv, required=()):
    """Reads a verb's command line.

    Args:
        command: such as "bert_tf2 export", for messages.
        define: function that adds flags to a `FlagValues`.
        argv: the flags and arguments, in any order; after `--` come arguments alone.
        required: names of flags that must be given.

    Returns:
        the `FlagValues`, with `arguments`, the list of what is no flag, and `command`.

    Raises:
        UsageError: an unknown flag, a bad value, or a required flag left out.
    """
    values = _new(define)
    try:
        arguments = values([command, *argv])[1:]
    except absl_flags.Error as error:
        raise UsageError(str(error), command) from error
    # A FlagValues takes flags only as attributes, so the two strings travel as flags too.
    absl_flags.DEFINE_list("arguments", None, "", flag_values=values)
    absl_flags.DEFINE_string("command", None, "", flag_values=values)
    values.arguments, values.command = arguments, command
    require(values, *required)
    return values


def require(values, *names):
    """Raises a UsageError if flags have no value."""
    missing = [f"--{name}" for name in names if values[name].value is None]
    if missing:
        raise UsageError(f"{' and '.join(missing)} must be given", values.command)


def describe(define):
    """The flags as a text for people, one after another with default and meaning."""
    values = _new(define)
    lines = []
    for name in values:
        flag = values[name]
        head = f"--[no]{name}" if flag.boolean else f"--{name}"
        known = flag.default not in (None, False)
        default = f" (default: {flag.default_as_str.strip(chr(39))})" if known else ""
        lines += [f"  {head}", *_wrapped(flag.help + default)]
    return "\n".join(lines)


def one_of(values, *names):
    """The name of the one flag among `names` that is given; UsageError if none or several are."""
    given = [name for name in names if values[name].value is not None]
    if len(given) != 1:
        wanted = " or ".join(f"--{name}" for name in names)
        raise UsageError(f"give {wanted}, one of them", values.command)
    return given[0]


def _new(define):
    values = absl_flags.FlagValues()
    values.set_gnu_getopt(True)  # flags may follow arguments
    define(values)
    _boolean(values, "debug", False, "show the traceback of an error")
    return values


def _wrapped(text):
    return textwrap.wrap(text, 88, initial_indent=" " * 8, subsequent_indent=" " * 8)


# === Groups that several verbs share ==============================================================


def _string(values, name, default, about):
    absl_flags.DEFINE_string(name, default, about, flag_values=values)


def _boolean(values, name, default, about):
    absl_flags.DEFINE_boolean(name, default, about, flag_values=values)


def _count(values, name, default, about):
    absl_flags.DEFINE_integer(name, default, about, flag_values=values, lower_bound=1)


def _list(values, name, about):
    absl_flags.DEFINE_list(name, None, about, flag_values=values)


def _checkpoint(values, default=None):
    _string(
        values,
        "init_checkpoint",
        default,
        "a published name (see bert_tf2 list), a folder, a TensorFlow checkpoint prefix or a "
        "safetensors file",
    )
    _string(values, "bert_config_file", None, "the JSON config, if not the one beside the weights")


def _columns(values):
    _string(values, "text_column", "text", "column or JSON key of the text")
    _string(values, "text_pair_column", None, "column of the second text, for pairs")
    _string(values, "label_column", "label", "column of the label")
    _boolean(
        values,
        "header",
        True,
        "the first line of a CSV or TSV file names the columns; without, columns are given by "
        "number from 0",
    )


def _trained_model(values):
    _string(values, "model", None, "a model.keras that bert_tf2 finetune wrote")
    _string(values, "saved_model", None, "or the folder of an exported SavedModel")


def _overwrite(values):
    _boolean(values, "overwrite", False, "replace what an earlier run wrote there")


# === Verbs ========================================================================================


def finetune(values):
    _checkpoint(values)
    _string(values, "vocab_file", None, "the vocabulary, if not the one beside the weights")
    _boolean(values, "do_lower_case", None, "lower-case the text (default: as the checkpoint says)")
    _string(values, "train_file", None, "CSV, TSV or JSONL file to train on")
    _string(values, "dev_file", None, "file to evaluate on after each epoch")
    _string(values, "test_file", None, "file to evaluate on at the end")
    _columns(values)
    _list(values, "labels", "the classes in order, a,b,c (default: those of --train_file, sorted)")
    _string(values, "output_dir", None, "folder for model.keras and what is told of the run")
    _overwrite(values)
    absl_flags.DEFINE_enum(
        "pooling",
        "first",
        ["first", "mean"],
        "what stands for a text: BERT's pooled first token, or the mean of all tokens, for "
        "sentence encoders such as all-MiniLM-L6-v2",
        flag_values=values,
    )
    _count(
        values,
        "max_seq_length",
        None,
        "longer texts are cut to so many tokens (default: 128, or fewer if the encoder has fewer)",
    )
    absl_flags.DEFINE_enum(
        "precision",
        "float32",
        ["float32", "bfloat16"],
        "of the encoder's arithmetic; weights are float32 in any case",
        flag_values=values,
    )
    _boolean(values, "recompute", False, "train in less memory and a third more time")
    _count(values, "train_batch_size", 32, "texts in a training step")
    _count(values, "eval_batch_size", 32, "texts in an evaluation step")
    absl_flags.DEFINE_float(
        "learning_rate", 5e-5, "where the warm-up aims", lower_bound=0, flag_values=values
    )
    absl_flags.DEFINE_float(
        "num_train_epochs", 3.0, "passes over --train_file, a whole number", flag_values=values
    )
    absl_flags.DEFINE_float(
        "warmup_proportion", 0.1, "share of the steps that warm up", flag_values=values
    )
    absl_flags.DEFINE_enum(
        "schedule",
        "linear",
        ["linear", "polynomial", "cosine", "constant", "one_cycle"],
        "how the rate goes on after the warm-up: linear is Google's, polynomial a line from the "
        "warm-up's end to 0",
        flag_values=values,
    )
    absl_flags.DEFINE_enum(
        "optimizer",
        "adamw",
        ["adamw", "lamb"],
        "lamb takes higher rates: 3e-4 to 5e-4",
        flag_values=values,
    )
    absl_flags.DEFINE_float(
        "layer_decay",
        None,
        "each layer's rate is that of the next times this, 0.8 or 0.9 in ELECTRA; not for ALBERT",
        flag_values=values,
    )
    absl_flags.DEFINE_integer("seed", 1, "of the head, the order and dropout", flag_values=values)
    _list(values, "seeds", "several seeds, 1,2,3: train once with each, into OUTPUT_DIR/seed_N")
    absl_flags.DEFINE_enum(
        "strategy",
        None,
        ["auto", "cpu", "gpu", "mirrored", "multi_worker", "tpu"],
        "which devices train (default: one, or all workers of bert_tf2 launch)",
        flag_values=values,
    )
    _count(values, "micro_batches", 1, "compute each batch in so many parts, in less memory")
    _count(
        values,
        "save_checkpoints_steps",
        None,
        "save the run after so many steps, and after epochs, in OUTPUT_DIR/checkpoints",
    )
    _boolean(
        values,
        "resume",
        False,
        "go on with the run that was saved there; flags that are left out are as they were",
    )
    _count(
        values,
        "save_summary_steps",
        100,
        "write loss and learning rate after so many steps, and after epochs, to metrics.jsonl and "
        "tensorboard/ in OUTPUT_DIR",
    )
    absl_flags.DEFINE_enum(
        "nonfinite",
        None,
        ["skip", "stop"],
        "leave out a step with a gradient that is NaN or infinite, or stop there and save its "
        "batch (default: take it)",
        flag_values=values,
    )
    absl_flags.DEFINE_float(
        "fgm",
        0.0,
        "move the token table so far against the model and train on that, too; 1.0 is usual",
        lower_bound=0,
        flag_values=values,
    )
    absl_flags.DEFINE_float(
        "r_drop",
        0.0,
        "train two dropouts to agree, with this weight; 1 to 5",
        lower_bound=0,
        flag_values=values,
    )


def launch(values):
    _count(values, "workers", 2, "how many")


def evaluate(values):
    _trained_model(values)
    _string(values, "input_file", None, "CSV, TSV or JSONL file with labels")
    _columns(values)
    _count(values, "eval_batch_size", 32, "texts in a step")
    _string(values, "output_file", None, "write the numbers as JSON here too")
    _overwrite(values)


def predict(values):
    _trained_model(values)
    _string(values, "input_file", None, "CSV, TSV or JSONL file of texts")
    _columns(values)
    _count(values, "predict_batch_size", 32, "texts in a step")
    _string(
        values,
        "output_file",
        None,
        "CSV, TSV or JSONL file to write: text, label, probability, and one column for each class "
        "(default: print label and probability)",
    )
    _overwrite(values)


def export(values):
    _string(values, "model", None, "a model.keras that bert_tf2 finetune wrote")
    _string(
        values, "export_dir", None, "where to write; if not a number, the next free version below"
    )
    absl_flags.DEFINE_enum(
        "precision",
        None,
        ["float32", "bfloat16", "int8"],
        "default: as the model computes; bfloat16: half the size, quicker with AVX512-BF16 or AMX; "
        "int8: dense layers in a quarter of the size, for x86 alone, quicker with AVX512-VNNI, "
        "AVX-VNNI or AMX",
        flag_values=values,
    )


def convert(values):
    _checkpoint(values)
    _string(values, "model", None, "or a model.keras that bert_tf2 finetune wrote")
    absl_flags.DEFINE_enum("to", "google", ["google"], "the format to write", flag_values=values)
    _string(values, "output_dir", None, "a new folder")


def inspect(values):
    _checkpoint(values)


def download(values):
    _boolean(values, "force", False, "download again and replace what is there")


def quickstart(values):
    _checkpoint(values, "all-MiniLM-L6-v2")
    _string(
        values,
        "output_dir",
        "runs/quickstart",
        "folder of model.keras and serving/1; both are replaced",
    )


def nothing(values):
    """The verb takes no flags."""
