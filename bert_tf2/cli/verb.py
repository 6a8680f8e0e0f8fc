"""What a verb of the shell is."""

from typing import NamedTuple

from bert_tf2.cli.flag_table import FLAGS
from bert_tf2.cli.flags import Flag


def flags_of(names, **own):
    """Flags of the table by name, in order; `own`: what else a verb has, or says otherwise."""
    table = {name: own.pop(name, None) or FLAGS[name] for name in names.split()}
    return table | own


class Verb(NamedTuple):
    """One verb: what it says of itself, where its function is, and the flags it takes."""

    about: str
    function: str  # "module:function" in cli/, imported when the verb runs
    flags: dict[str, Flag]
    required: tuple[str, ...] = ()
    arguments: str = ""  # what may follow the flags
    place: str | None = None  # the flag that one argument may stand for
