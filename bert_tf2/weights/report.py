"""What came of reading a checkpoint: a record to inspect, a text to print, an error to raise."""

import dataclasses
import re
from collections.abc import Iterable

_LAYER = re.compile(r"(?<=layer[_.])\d+")


class CheckpointError(ValueError):
    """A checkpoint that cannot be read, or does not fit the model. The message says what to do."""


@dataclasses.dataclass
class Report:
    """What happened to every variable of a checkpoint and of a model.

    Attributes:
        loaded: our names that got their values from the file.
        skipped: (their name, why) for what the file has and the model rightly does not take.
        missing: our names that the file does not give: newly initialised.
        begun_anew: our names that the file gives, newly initialised as it was asked for.
        unused: their names that nothing here knows.
        shape_differences: (our name, our shape, their name, their shape as ours would be).
        nonfinite: our names whose loaded values contain NaN or infinity.
        warnings: anything else worth a line.
    """

    loaded: list[str] = dataclasses.field(default_factory=list)
    skipped: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    missing: list[str] = dataclasses.field(default_factory=list)
    begun_anew: list[str] = dataclasses.field(default_factory=list)
    unused: list[str] = dataclasses.field(default_factory=list)
    shape_differences: list[tuple[str, tuple, str, tuple]] = dataclasses.field(default_factory=list)
    nonfinite: list[str] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)

    def __str__(self):
        lines = [f"loaded: {len(self.loaded)} variables"]
        lines += [f"skipped: {text}" for text in self.skipped_by_reason()]
        lines += _line("newly initialised", self.missing)
        lines += _line("begun anew, as asked for", self.begun_anew)
        lines += _line("unknown in the file", self.unused)
        lines += [f"different shape: {text}" for text in fold(self.difference_texts())]
        lines += _line("NaN or infinite", self.nonfinite)
        lines += [f"warning: {text}" for text in self.warnings]
        return "\n".join(lines)

    def begin_anew(self, names: Iterable[str]) -> None:
        """Takes note of loaded variables that do not keep what was loaded."""
        self.begun_anew = [name for name in self.loaded if name in {*names}]
        self.loaded = [name for name in self.loaded if name not in self.begun_anew]
        self.nonfinite = [name for name in self.nonfinite if name not in self.begun_anew]

    def skipped_by_reason(self) -> list[str]:
        """One text per reason, such as "step counter (global_step)"."""
        reasons: dict[str, list[str]] = {}
        for name, reason in self.skipped:
            reasons.setdefault(reason, []).append(name)
        return [
            f"{reason} ({names[0]}{f' and {len(names) - 1} more' if names[1:] else ''})"
            for reason, names in reasons.items()
        ]

    def difference_texts(self) -> list[str]:
        """One text per variable of another shape, with both names and both shapes."""
        return [
            f"{ours}: config says {expected}, file has {got} ({theirs})"
            for ours, expected, theirs, got in self.shape_differences
        ]


def fold(lines: Iterable[str], limit: int = 12) -> list[str]:
    """Shortens lists of names: lines that differ only in the layer become one, and few are kept.

    `fold(["layer_0/x", "layer_1/x", "y"]) == ["layer_{0..1}/x", "y"]`.
    """
    groups: dict[str, list[int]] = {}
    for line in lines:
        number = _LAYER.search(line)
        groups.setdefault(_LAYER.sub("\0", line), []).append(int(number[0]) if number else -1)
    folded = [key.replace("\0", _numbers(numbers)) for key, numbers in groups.items()]
    if len(folded) <= limit:
        return folded
    return [*folded[:limit], f"and {len(folded) - limit} more"]


def _numbers(numbers: list[int]) -> str:
    first, last = min(numbers), max(numbers)
    if first == last:
        return str(first)
    whole = len(numbers) == last - first + 1
    return f"{{{first}..{last}}}" if whole else "{" + ",".join(map(str, sorted(numbers))) + "}"


def _line(title: str, names: list[str]) -> list[str]:
    return [f"{title}: {', '.join(fold(names))}"] if names else []
