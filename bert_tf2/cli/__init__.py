"""`bert_tf2 VERB --flags`: fine-tune, evaluate, predict, export and convert from a shell.

Each verb has its own flags (`bert_tf2 VERB --help`). Where Google's BERT scripts have a flag of
the same meaning, ours has its name. Exit status: 0 done, 1 an error in the data or files, 2 a
mistake in the command line, 130 interrupted.
"""

import importlib
import os
import sys
from collections.abc import Callable
from typing import NamedTuple

from bert_tf2.cli import flags, verb_flags


class Verb(NamedTuple):
    """One verb: what it says of itself, where its function is, and the flags it takes."""

    about: str
    function: str  # "module:function", imported when the verb runs
    define: Callable  # adds the verb's flags to a FlagValues
    required: tuple[str, ...] = ()
    arguments: str = ""  # what may follow the flags


VERBS = {
    "quickstart": Verb(
        "train, test, export and serve a small classifier in a few minutes",
        "bert_tf2.cli.quickstart:quickstart",
        verb_flags.quickstart,
    ),
    "finetune": Verb(
        "train a text classifier on a CSV, TSV or JSONL file",
        "bert_tf2.cli.finetune:finetune",
        verb_flags.finetune,
        ("output_dir",),
        "--init_checkpoint=… --train_file=… | --resume",
    ),
    "plan": Verb(
        "predict a training step's memory, and what makes it fit",
        "bert_tf2.cli.plan:plan",
        verb_flags.plan,
    ),
    "launch": Verb(
        "run a command as several workers on this machine",
        "bert_tf2.cli.launch:launch",
        verb_flags.launch,
        arguments="-- VERB [flags]",
    ),
    "evaluate": Verb(
        "accuracy and a score for each class on a labelled file",
        "bert_tf2.cli.answer_verbs:evaluate",
        verb_flags.evaluate,
        ("input_file",),
    ),
    "predict": Verb(
        "classify the rows of a file, or texts given as arguments",
        "bert_tf2.cli.answer_verbs:predict",
        verb_flags.predict,
        arguments="[TEXT …]",
    ),
    "export": Verb(
        "write a SavedModel that takes raw strings, for TF Serving",
        "bert_tf2.cli.answer_verbs:export",
        verb_flags.export,
        ("model", "export_dir"),
    ),
    "convert": Verb(
        "write a checkpoint in another format",
        "bert_tf2.cli.checkpoint_verbs:convert",
        verb_flags.convert,
        ("to", "output_dir"),
    ),
    "inspect": Verb(
        "show a checkpoint's family, sizes and variables",
        "bert_tf2.cli.checkpoint_verbs:inspect",
        verb_flags.inspect,
        ("init_checkpoint",),
    ),
    "verify": Verb(
        "compare a checkpoint with the numbers that are published for it",
        "bert_tf2.cli.verify:verify",
        verb_flags.verify,
        arguments="NAME_OR_FOLDER",
    ),
    "list": Verb(
        "list the published checkpoints that can be named, or all about some",
        "bert_tf2.cli.checkpoint_verbs:list_published",
        verb_flags.nothing,
        arguments="[NAME …]",
    ),
    "download": Verb(
        "bring a published checkpoint onto this machine",
        "bert_tf2.cli.checkpoint_verbs:download",
        verb_flags.download,
        arguments="NAME",
    ),
}


def main(argv):
    """Runs one command.

    Args:
        argv: list of str, without the program's name: the verb, its flags, its arguments.

    Returns:
        int, the exit status.
    """
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0
    try:
        if argv[0] not in VERBS:
            raise flags.UsageError(
                f"expected a verb: {', '.join(VERBS)}. Received: {argv[0]!r}", "bert_tf2"
            )
        if {"-h", "--help"} & set(_before_dashes(argv)):
            print(_verb_help(argv[0]))
            return 0
        return _run_verb(argv[0], argv[1:])
    except flags.UsageError as error:
        print(f"{error.command}: {error} (see {error.command} --help)", file=sys.stderr)
        return 2


def run():
    """The console script `bert_tf2`: quiet TensorFlow, then `main`."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main(sys.argv[1:]))


def _run_verb(name, argv):
    verb = VERBS[name]
    values = flags.parse(f"bert_tf2 {name}", verb.define, argv, verb.required)
    if values.arguments and not verb.arguments:
        raise flags.UsageError(f"unexpected {values.arguments[0]!r}", f"bert_tf2 {name}")
    module, _, function = verb.function.partition(":")
    try:
        getattr(importlib.import_module(module), function)(values)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output has gone: `bert_tf2 inspect … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, TypeError, OSError, FloatingPointError, ImportError) as error:
        if values.debug:
            raise
        print(f"bert_tf2: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nbert_tf2: interrupted", file=sys.stderr)
        return 130
    return 0


def _before_dashes(argv):
    """The arguments that may be flags: those before a lone `--`."""
    return argv[: argv.index("--")] if "--" in argv else argv


def _overview():
    rows = "\n".join(f"  {name:<12}{verb.about}" for name, verb in VERBS.items())
    return (
        "BERT for Keras 3 on TensorFlow: text in, answers out.\n\n"
        f"usage: bert_tf2 VERB [flags]\n\n{rows}\n\n"
        "bert_tf2 VERB --help lists the verb's flags. Begin with: bert_tf2 quickstart"
    )


def _verb_help(name):
    verb = VERBS[name]
    needed = "".join(f" --{flag}=…" for flag in verb.required)
    arguments = f" {verb.arguments}" if verb.arguments else ""
    return (
        f"{verb.about}\n\nusage: bert_tf2 {name}{needed} [flags]{arguments}\n\n"
        f"{flags.describe(verb.define)}"
    )
