"""What flags say of the inputs of an exported model, here or on a server."""

from pathlib import Path

from bert_tf2.cli.flags import UsageError
from bert_tf2.files import read_json
from bert_tf2.messages import assertion

ADAPTER = "adapter"  # the input in which rows choose theirs
OF_ROWS = "adapter_name"  # the column of rows for it; and the flag that names one for all


def asked_of(flags, name, inputs):
    """What rows of an exported model have, and what flags say of them all.

    Args:
        name: what the model is called. inputs: the names of its signature's inputs.

    Returns:
        the columns that rows bring, a tuple in the task's order; {input: what all rows share}; and
        {input: what each row has besides}.

    Raises:
        UsageError: a flag that such a model needs is not given, or one that it has no use for.
    """
    from bert_tf2.serving.client_columns import in_order

    names, fixed = list(inputs), {}
    if "candidate_labels" in names:
        if not flags.candidate_labels:
            raise UsageError("--candidate_labels must be given", flags.command)
        if len({*flags.candidate_labels}) < len(flags.candidate_labels) or not all(
            flags.candidate_labels
        ):
            raise UsageError(
                "--candidate_labels must be different, with something in them. Received: "
                f"{','.join(flags.candidate_labels)}",
                flags.command,
            )
        names.remove("candidate_labels")
        fixed["candidate_labels"] = flags.candidate_labels
    chooses = ADAPTER in names
    each = _adapter(flags, name, names)
    return in_order(names) + (OF_ROWS,) * (chooses and not each), fixed, each


def _adapter(flags, name, columns):
    """{"adapter": its name} for each row of an exported model of which rows choose; else {}, also
    where their own column chooses.

    Args:
        name: what the model is called. columns: list of its inputs, from which that one is taken.

    Raises:
        UsageError: no choice where there is one to make, or one where there is none.
    """
    given = flags[OF_ROWS].value if OF_ROWS in flags else None
    if ADAPTER not in columns:
        if given is not None:
            raise UsageError(
                f"--adapter_name is for models with several adapters, which {name} is not. "
                f"Received: {given!r}",
                flags.command,
            )
        return {}
    columns.remove(ADAPTER)
    if given is None and not _has_columns(flags):
        raise UsageError(
            f"--adapter_name must be given: {name} has several adapters. --adapter_name= asks it "
            f"without any; a column {OF_ROWS} of --input_file names one for each row",
            flags.command,
        )
    return {} if given is None else {ADAPTER: given}


def _has_columns(flags):
    """Whether rows come from a file of columns, or from elsewhere, and not as arguments."""
    from bert_tf2.data.examples import SUFFIXES

    file = flags.input_file
    return not flags.arguments and (not file or Path(file).suffix.lower() in SUFFIXES)


def inputs_of(columns, each):
    """The inputs of a signature for some rows.

    Args:
        columns: dict of lists, that rows bring. each: {input: what each row has besides}.
    """
    from bert_tf2.serving.client_columns import filled_up

    rows = len(next(iter(columns.values())))
    found = {ADAPTER if n == OF_ROWS else n: side for n, side in columns.items()}
    if "words" in found:
        found["words"] = filled_up(found["words"])
    return found | {name: [value] * rows for name, value in each.items()}


def asking(loaded, column, fixed, each, tell):
    """A function of rows that asks a SavedModel, see `Opened.answer`.

    Args:
        column: the name of a lone one. fixed: what all rows share. each: what each row has besides.
        tell: a function of columns that says what is cut of them.
    """
    import tensorflow as tf

    from bert_tf2.tasks.answering import say_what_is_none

    said = False

    def answer(x, batch_size):
        nonlocal said
        sides = x if isinstance(x, dict) else {column: x}
        tell({n: side for n, side in sides.items() if n != OF_ROWS})
        ask = loaded.signatures["words" if "words" in sides else "serving_default"]
        for start in range(0, len(next(iter(sides.values()))), batch_size):
            part = {n: side[start : start + batch_size] for n, side in sides.items()}
            part = inputs_of(part, each)
            part = {n: tf.constant(side) for n, side in part.items()}
            try:
                found = ask(**part, **fixed)
            except tf.errors.InvalidArgumentError as error:  # which is of what rows hold
                raise ValueError(
                    f"the graph refuses these rows: {assertion(error.message)}"
                ) from error
            found = {name: value.numpy() for name, value in found.items()}
            said = say_what_is_none(found, said)
            yield found

    return answer


def card_of(folder):
    """What the card beside a SavedModel's graph says of it; {} without one."""
    from bert_tf2.serving.card import CARD

    return read_json(folder / CARD) if (folder / CARD).is_file() else {}


def lines_of(folder, name):
    """The lines of a file beside a SavedModel's graph."""
    if not (folder / name).is_file():
        raise FileNotFoundError(
            f"{folder.parent} must have {folder.name}/{name} beside its graph: export it again "
            "with bert_tf2 export"
        )
    return (folder / name).read_text(encoding="utf-8").splitlines()
