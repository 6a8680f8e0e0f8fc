"""`bert_tf2 VERB --flags`: fine-tune, evaluate, predict, export and convert from a shell.

Each verb has its own flags (`bert_tf2 VERB --help`). Exit status: 0 done, 1 an error in the data or
files, 2 a mistake in the command line, 130 interrupted, 143 ended by SIGTERM.
"""

import difflib
import importlib
import os
import signal
import sys

from bert_tf2.cli import flags, task_files
from bert_tf2.cli.verbs import VERBS


def main(argv):
    """Runs one command.

    Args:
        argv: list of str, without the program's name: the verb, its flags, its arguments.

    Returns:
        int, the exit status.
    """
    if hasattr(sys.stdout, "reconfigure"):  # what its encoding has not is shown as an escape
        sys.stdout.reconfigure(errors="backslashreplace")
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0
    if argv[0] in ("--version", "version"):
        print(_versions())
        return 0
    try:
        argv = [argv[0].replace("_", "-"), *argv[1:]]
        if argv[0] not in VERBS:
            near = difflib.get_close_matches(argv[0], VERBS, n=1)
            raise flags.UsageError(
                f"expected a verb: {', '.join(VERBS)}. Received: {argv[0]!r}"
                + (f". Did you mean {near[0]}?" if near else ""),
                "bert_tf2",
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
    if "TF_CONFIG" not in os.environ:  # a worker that waits for others would never come to it
        signal.signal(signal.SIGTERM, _terminated)
    sys.exit(main(sys.argv[1:]))


def _terminated(*_):
    """SIGTERM ends the process as an error would: drafts of files are removed, workers stopped."""
    raise SystemExit(128 + signal.SIGTERM)


def _run_verb(name, argv):
    verb = VERBS[name]
    values = flags.parse(f"bert_tf2 {name}", verb.flags, argv, verb.required, verb.place)
    if values.arguments and not verb.arguments:
        raise flags.UsageError(f"unexpected {values.arguments[0]!r}", f"bert_tf2 {name}")
    module, _, function = verb.function.partition(":")
    try:
        task_files.check_not_read(values)
        getattr(importlib.import_module(f"bert_tf2.cli.{module}"), function)(values)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output has gone: `bert_tf2 inspect … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except flags.UsageError:
        raise
    except KeyboardInterrupt as error:
        print(f"\nbert_tf2: interrupted{error}", file=sys.stderr)
        return 130
    except Exception as error:
        if values.debug:
            raise
        expected = isinstance(error, (ValueError, TypeError, OSError, ArithmeticError, ImportError))
        kind = "" if expected else f"{type(error).__name__} (--debug shows where): "
        print(f"bert_tf2: error: {kind}{error}", file=sys.stderr)
        return 1
    return 0


def _versions():
    """Of this package and what it stands on, without importing TensorFlow."""
    from importlib.metadata import version

    import bert_tf2

    others = ", ".join(f"{name} {version(name)}" for name in ("keras", "tensorflow"))
    return f"bert_tf2 {bert_tf2.__version__} ({others}, python {sys.version.split()[0]})"


def _before_dashes(argv):
    """The arguments that may be flags: those before a lone `--`."""
    return argv[: argv.index("--")] if "--" in argv else argv


def _overview():
    width = max(map(len, VERBS)) + 2
    rows = "\n".join(f"  {name:<{width}}{verb.about}" for name, verb in VERBS.items())
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
        f"{flags.describe(verb.flags)}"
    )
