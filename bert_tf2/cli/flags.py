"""Command lines: what kinds of flags there are, and reading them."""

import textwrap
from collections.abc import Callable
from typing import NamedTuple

from absl import flags as absl_flags


class UsageError(Exception):
    """A mistake in the command line itself. `command` is what was typed, e.g. "bert_tf2 export"."""

    def __init__(self, message, command=None):
        super().__init__(message)
        self.command = command


# === Kinds of flags ===============================================================================


class Flag(NamedTuple):
    """What a flag takes, what it says of itself, and its value where it is left out."""

    define: Callable  # of absl
    about: str
    default: object = None
    settings: dict = {}  # noqa: RUF012  further arguments of `define`


def text(about, default=None):
    """Any text."""
    return Flag(absl_flags.DEFINE_string, about, default)


def switch(about, default=False):
    """--NAME and --noNAME."""
    return Flag(absl_flags.DEFINE_boolean, about, default)


def count(about, default=None):
    """A whole number from 1."""
    return Flag(absl_flags.DEFINE_integer, about, default, {"lower_bound": 1})


def whole(about, default=None):
    """A whole number."""
    return Flag(absl_flags.DEFINE_integer, about, default)


def whole_or(word, about):
    """A whole number, or a word."""
    return Flag(_define_whole_or, about, None, {"word": word})


def number(about, default=None, **bounds):
    """A number."""
    return Flag(absl_flags.DEFINE_float, about, default, bounds)


def words(about):
    """A list, a,b,c."""
    return Flag(absl_flags.DEFINE_list, about)


def choice(options, about):
    """One of some words, the first of which is the default."""
    known = [option for option in options if option is not None]
    return Flag(absl_flags.DEFINE_enum, about, options[0], {"enum_values": known})


class _WholeOr(absl_flags.IntegerParser):
    """As of `whole_or`."""

    def __init__(self, word):
        super().__init__()
        self.word, self.syntactic_help = word, f'an integer, or "{word}"'

    def parse(self, argument):
        try:
            return argument if argument == self.word else super().parse(argument)
        except ValueError as error:
            raise ValueError(f"expected {self.syntactic_help}") from error


def _define_whole_or(word, **said):
    absl_flags.DEFINE(_WholeOr(word), **said)


# Short names, which mean the first of these flags that a verb has.
ALIASES = {
    "preset": ("init_checkpoint",),
    "batch": ("train_batch_size", "eval_batch_size", "predict_batch_size"),
    "seq": ("max_seq_length",),
}

# === Reading a command line =======================================================================


def parse(command, flags, argv, required=(), place=None):
    """Reads a verb's command line.

    Args:
        command: such as "bert_tf2 export", for messages.
        flags: dict of names to `Flag`.
        argv: the flags and arguments, in any order; after `--` come arguments alone.
        required: names of flags that must be given.
        place: the flag that one argument may stand for.

    Returns:
        the `FlagValues`, with `arguments`, the list of what is no flag, and `command`.

    Raises:
        UsageError: an unknown flag, a bad value, or a required flag left out.
    """
    values = _new(flags)
    try:
        arguments = values([command, *argv])[1:]
    except absl_flags.Error as error:
        raise UsageError(str(error), command) from error
    if (
        place
        and len(arguments) + bool(values[place].present) != 1
        and (arguments or place in required)
    ):
        raise UsageError(f"give one checkpoint: NAME_OR_FOLDER or --{place}", command)
    if place and arguments:
        values[place].value = arguments.pop()
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


def describe(flags):
    """The flags as a text for people, one after another with default and meaning."""
    values, lines = _new(flags), []
    for name in values:
        flag = values[name]
        head = f"--[no]{name}" if flag.boolean else f"--{name}"
        known = flag.default not in (None, False) and name not in ALIASES
        default = f" (default: {flag.default_as_str.strip(chr(39))})" if known else ""
        about = textwrap.wrap(
            flag.help + default, 88, initial_indent=" " * 8, subsequent_indent=" " * 8
        )
        lines += [f"  {head}", *about]
    return "\n".join(lines)


def one_of(values, *names):
    """The name of the one flag among `names` that is given; UsageError if none or several are."""
    given = [name for name in names if values[name].value is not None]
    if len(given) != 1:
        wanted = " or ".join(f"--{name}" for name in names)
        raise UsageError(f"give {wanted}, one of them", values.command)
    return given[0]


def _new(flags):
    values = absl_flags.FlagValues()
    values.set_gnu_getopt(True)  # flags may follow arguments
    every = flags | {"debug": switch("show the traceback of an error")}
    for name, flag in every.items():
        flag.define(
            name=name, default=flag.default, help=flag.about, flag_values=values, **flag.settings
        )
    for alias, names in ALIASES.items():
        if found := next((name for name in names if name in flags), None):
            absl_flags.DEFINE_alias(alias, found, flag_values=values)
    return values
