"""From a checkpoint's variables to a model's arrays: by name, strictly, and with a report."""

import collections
import dataclasses
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from bert_tf2.weights import names
from bert_tf2.weights.checkpoint import Checkpoint, check_vocabulary
from bert_tf2.weights.report import CheckpointError, Report, fold

_FLOATS = ("float16", "bfloat16", "float32", "float64")


@dataclasses.dataclass(frozen=True)
class Match:
    """A file's names in their places.

    Attributes:
        found: our name -> the file's.
        skipped, unused: as in `Report`.
        tied: (the file's name, our name of the variable that holds the same numbers).
    """

    found: dict[str, str]
    skipped: list[tuple[str, str]]
    unused: list[str]
    tied: list[tuple[str, str]]


def match(checkpoint: Checkpoint) -> Match:
    """Gives every variable of the file its place in our tables.

    Raises:
        CheckpointError: two variables of the file are spellings of the same name.
    """
    tied_to = names.naming(checkpoint.config, checkpoint.format).tied
    table = checkpoint.table
    ours_of = {}  # several for one, where products are fused
    for ours, row in table.items():
        ours_of.setdefault(row.theirs, []).append(ours)
    found, unused, tied = {}, [], []
    skipped = [(name, "ignored, as asked for") for name in checkpoint.ignored]
    for name in checkpoint.variables:
        spelling = _spelling(checkpoint, name, ours_of)
        places, reason = ours_of.get(spelling, ()), _skip_reason(checkpoint, name)
        if twice := next((ours for ours in places if ours in found), None):
            raise CheckpointError(
                f"{checkpoint.path} has both {found[twice]} and {name}, and each would be {twice}. "
                "Leave one out with `ignore`, a list of patterns."
            )
        found |= dict.fromkeys(places, name)
        if places:
            continue
        if spelling in tied_to:
            tied.append((name, ours_of[tied_to[spelling]][0]))
            skipped.append((name, f"the same as {tied_to[spelling]}"))
        elif reason:
            skipped.append((name, reason))
        else:
            unused.append(name)
    return Match(found, skipped, unused, tied)


def _spelling(checkpoint: Checkpoint, name: str, known: Mapping[str, str]) -> str:
    """The table's spelling of a file's name: today's, and with the prefix that may be left out."""
    name = names.respelled(name.removeprefix(checkpoint.prefix), checkpoint.format)
    whole = names.naming(checkpoint.config, checkpoint.format).prefix + name
    return whole if whole in known else name


def _skip_reason(checkpoint: Checkpoint, name: str) -> str | None:
    patterns = dict(names.FORMATS[checkpoint.format].skipped)
    patterns |= names.naming(checkpoint.config, checkpoint.format).skipped
    return next((why for pattern, why in patterns.items() if re.search(pattern, name)), None)


def read_ahead(checkpoint: Checkpoint, only_encoder: bool = False) -> Checkpoint:
    """Starts to read the encoder's variables in a thread, while the model is still being built.

    -> a checkpoint whose first `load` takes them, and raises there what the thread met.

    Args:
        checkpoint, only_encoder: as of `load`.

    Raises:
        CheckpointError: as `load`, of the encoder's names and shapes.
    """
    # Before anything of the config's sizes is made, which may be anything.
    expected = names.expected_shapes(checkpoint.config)
    _, encoder = _check(checkpoint, match(checkpoint), expected, only_encoder=only_encoder)
    pool = ThreadPoolExecutor(1)
    reading = pool.submit(_read, checkpoint, encoder)
    pool.shutdown(wait=False)
    return dataclasses.replace(checkpoint, ahead=reading)


def load(
    checkpoint: Checkpoint,
    expected: Mapping[str, tuple[int, ...]],
    optional_heads: bool = True,
    only_encoder: bool = False,
) -> tuple[dict[str, np.ndarray], Report]:
    """Reads what a model needs. Nothing is guessed: the names and shapes fit, or it raises.

    Args:
        checkpoint: from `open_checkpoint`.
        expected: our name -> shape, for every variable of the model.
        optional_heads: whether a head may be absent from the file, or a classifier be one of other
            labels; it is then newly initialised, and the report says so.
        only_encoder: whether names that nothing here knows are left out where they are not below
            the encoder; the report says so.

    Returns:
        Our name -> float32 array (perhaps a read-only view, even of the file itself: copy what is
        to outlive it), and the report.

    Raises:
        CheckpointError: an encoder variable is missing, the file has a variable that nothing here
            knows, a shape differs, or the data cannot be read. It names the variables.
    """
    matched = match(checkpoint)
    report, taken = _check(checkpoint, matched, expected, optional_heads, only_encoder)
    report.warnings = [*checkpoint.notes, *check_vocabulary(checkpoint)]
    arrays = _take_ahead(checkpoint, taken)
    arrays |= _read(checkpoint, {o: t for o, t in taken.items() if o not in arrays})
    _check_tied(checkpoint, matched, arrays)
    report.loaded = list(arrays)
    report.nonfinite = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    return arrays, report


def _check(
    checkpoint: Checkpoint,
    matched: Match,
    expected: Mapping,
    optional_heads: bool = True,
    only_encoder: bool = False,
) -> tuple[Report, dict[str, str]]:
    """-> the report so far, and our name -> their name of what is to be read; or it raises."""
    report = Report(skipped=list(matched.skipped), unused=list(matched.unused))
    if only_encoder and names.FORMATS[checkpoint.format].scoped:
        inner = [name for name in report.unused if _is_inner(checkpoint, name)]
        report.skipped += [(n, "not the encoder's") for n in report.unused if n not in inner]
        report.unused = inner
    _sort_out_names(report, matched, expected)
    taken = _compare_shapes(report, checkpoint, matched, expected)
    _raise_unless_fit(report, checkpoint, taken, optional_heads)
    return report, taken


def _is_inner(checkpoint: Checkpoint, name: str) -> bool:
    """Whether a name of the file lies where those of the encoder do."""
    separator = names.FORMATS[checkpoint.format].separator
    prefix = names.naming(checkpoint.config, checkpoint.format).prefix

    def top(theirs: str) -> str:  # of layers, any number
        return re.sub(r"\d+", "", theirs.split(separator)[0])

    encoder = [row.theirs for ours, row in checkpoint.table.items() if names.head_of(ours) is None]
    tops = {top(theirs) for row in encoder for theirs in (row, row.removeprefix(prefix))}
    return top(names.respelled(name.removeprefix(checkpoint.prefix), checkpoint.format)) in tops


def _sort_out_names(report: Report, matched: Match, expected: Mapping) -> None:
    report.missing = [name for name in expected if name not in matched.found]
    for ours, theirs in matched.found.items():
        part = names.head_of(ours) or ours.split("/")[0]
        if ours in expected:
            continue
        if part == "pooler" or names.head_of(ours):
            report.skipped.append((theirs, f"{part} not used by this model"))
        else:
            report.unused.append(theirs)


def _compare_shapes(
    report: Report, checkpoint: Checkpoint, matched: Match, expected: Mapping
) -> dict[str, str]:
    """-> our name -> their name of what is to be read; a classifier of other labels is left out."""
    table = checkpoint.table
    taken = {ours: matched.found[ours] for ours in expected if ours in matched.found}
    other_labels = set()
    for ours, theirs in taken.items():
        row, (got, _) = table[ours], checkpoint.variables[theirs]
        if not row.fits(got, tuple(expected[ours])):
            got = got[::-1] if row.transposed else got
            report.shape_differences.append((ours, tuple(expected[ours]), theirs, got))
            if None in row.shape:
                other_labels.add(names.head_of(ours))
    report.missing += [ours for ours in taken if names.head_of(ours) in other_labels]
    return {o: t for o, t in taken.items() if names.head_of(o) not in other_labels}


def _raise_unless_fit(
    report: Report, checkpoint: Checkpoint, taken: Mapping, optional_heads: bool
) -> None:
    """A head may be absent as a whole, never in part; everything else must be there and fit."""
    partial = {None, *map(names.head_of, taken)}
    absent = [n for n in report.missing if names.head_of(n) in partial or not optional_heads]
    unfit = [d for d in report.shape_differences if d[0] in taken or not optional_heads]
    problems = fold(Report(shape_differences=unfit).difference_texts())
    if absent:
        table = checkpoint.table
        absent = [f"{n} ({table[n].theirs})" if n in table else n for n in absent]
        problems.append(f"missing in the file: {', '.join(fold(absent))}")
    if report.unused:
        problems.append(f"unknown in the file: {', '.join(fold(report.unused))}")
    if problems:
        sizes = checkpoint.config
        raise CheckpointError(
            f"{checkpoint.path} does not fit the model (config: {sizes.num_hidden_layers} layers, "
            f"width {sizes.hidden_size}, inner width {sizes.intermediate_size}, vocabulary "
            f"{sizes.vocab_size}):\n  " + "\n  ".join(problems)
        )


def _read(checkpoint: Checkpoint, taken: Mapping[str, str]) -> dict[str, np.ndarray]:
    for theirs in taken.values():
        dtype = checkpoint.variables[theirs][1]
        if dtype.name not in _FLOATS:
            raise CheckpointError(
                f"{checkpoint.path}: {theirs} must be one of {', '.join(_FLOATS)}. Received: "
                f"{dtype.name}. Quantised weights cannot be loaded; use the original ones."
            )
    table, uses = checkpoint.table, collections.Counter(taken.values())
    values, arrays = checkpoint.read(uses), {}
    for ours, theirs in taken.items():
        uses[theirs] -= 1
        stored = values[theirs] if uses[theirs] else values.pop(theirs)  # let go of one by one
        arrays[ours] = table[ours].ours_of(table[ours].cut(stored).astype(np.float32, copy=False))
    return arrays


def _take_ahead(checkpoint: Checkpoint, taken: Mapping[str, str]) -> dict[str, np.ndarray]:
    """What was read ahead, taken out of it, so that its memory is let go of with the arrays."""
    ahead = checkpoint.ahead.result() if checkpoint.ahead else {}
    return {ours: ahead.pop(ours) for ours in taken if ours in ahead}


def _check_tied(checkpoint: Checkpoint, matched: Match, arrays: Mapping[str, np.ndarray]) -> None:
    """A second copy of tied weights may be skipped only if it is one, where a head reads it."""
    if "mlm/bias" not in arrays:
        return
    for theirs, ours in matched.tied:
        copy = checkpoint.read([theirs])[theirs]
        if not np.array_equal(copy.astype(np.float32, copy=False), arrays[ours]):
            raise CheckpointError(
                f"{checkpoint.path}: {theirs} differs from {matched.found[ours]}. Only models that "
                "share the two can be loaded with their masked-LM head."
            )
