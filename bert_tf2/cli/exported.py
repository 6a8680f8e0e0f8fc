"""What flags say of the inputs of an exported model, here or on a server."""

from bert_tf2.cli.flags import UsageError

ADAPTER = "adapter"  # in which rows choose theirs


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
        names.remove("candidate_labels")
        fixed["candidate_labels"] = flags.candidate_labels
    each = _adapter(flags, name, names)
    return in_order(names), fixed, each


def _adapter(flags, name, columns):
    """{"adapter": its name} for each row of an exported model of which rows choose; else {}.

    Args:
        name: what the model is called. columns: list of its inputs, from which that one is taken.

    Raises:
        UsageError: no choice where there is one to make, or one where there is none.
    """
    given = flags.adapter_name if "adapter_name" in flags else None
    if ADAPTER not in columns:
        if given is not None:
            raise UsageError(
                f"--adapter_name is for models with several adapters, which {name} is not. "
                f"Received: {given!r}",
                flags.command,
            )
        return {}
    if given is None:
        raise UsageError(
            f"--adapter_name must be given: {name} has several adapters. --adapter_name= asks it "
            "without any",
            flags.command,
        )
    columns.remove(ADAPTER)
    return {ADAPTER: given}
