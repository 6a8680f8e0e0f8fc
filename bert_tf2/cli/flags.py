"""Command lines: what kinds of flags there are, and reading them."""

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
    boolean(values, "debug", False, "show the traceback of an error")
    return values


def _wrapped(text):
    return textwrap.wrap(text, 88, initial_indent=" " * 8, subsequent_indent=" " * 8)


# === Kinds of flags ===============================================================================


def string(values, name, default, about):
    """Adds a flag for any text; None where there is no default."""
    absl_flags.DEFINE_string(name, default, about, flag_values=values)


def boolean(values, name, default, about):
    """Adds --NAME and --noNAME."""
    absl_flags.DEFINE_boolean(name, default, about, flag_values=values)


def count(values, name, default, about):
    """Adds a flag for a whole number from 1."""
    absl_flags.DEFINE_integer(name, default, about, flag_values=values, lower_bound=1)


def integer(values, name, default, about):
    """Adds a flag for a whole number."""
    absl_flags.DEFINE_integer(name, default, about, flag_values=values)


def listing(values, name, about):
    """Adds a flag for a list, a,b,c."""
    absl_flags.DEFINE_list(name, None, about, flag_values=values)


def number(values, name, default, about, lower_bound=None):
    """Adds a flag for a number."""
    absl_flags.DEFINE_float(name, default, about, lower_bound=lower_bound, flag_values=values)


def choice(values, name, options, about):
    """Adds a flag for one of some words, the first of which is the default."""
    known = [option for option in options if option is not None]
    absl_flags.DEFINE_enum(name, options[0], known, about, flag_values=values)


def alias(values, name, flag):
    """Adds another name for a flag."""
    absl_flags.DEFINE_alias(name, flag, flag_values=values)
