"""JSON Lines of texts with entities by their characters, as annotation tools write them.

A line: {"text": …, "entities": [{"start": 0, "end": 3, "label": "PER"}]}; the list may be called
"spans" or "label" too, and a span may be a list, [0, 3, "PER"].
"""

import dataclasses
import itertools
import logging
from pathlib import Path

from bert_tf2.data import json_lines, tables
from bert_tf2.data.text_files import TextFile
from bert_tf2.messages import shorten

LOGGER = logging.getLogger("bert_tf2")
LISTS = ("entities", "spans", "label", "labels")
KINDS = ("label", "type", "entity_group")


@dataclasses.dataclass(frozen=True)
class Spans:
    """Texts and the entities in them.

    Attributes:
        texts: list of str.
        spans: list of lists of (start, end, label), sorted: characters from `start`, from 0, up to
            `end`, without it.
        lines: list of int, where in the file each text stands, from 1.
    """

    texts: list[str]
    spans: list[list[tuple[int, int, str]]]
    lines: list[int] | None = dataclasses.field(default=None, compare=False)

    def __len__(self):
        return len(self.texts)


def read_spans(path, text="text", spans=None, encoding=None):
    """Reads texts with entities. White space at their ends is none of theirs, which is said once.

    Args:
        path: a .jsonl file.
        text: the key of the text.
        spans: that of the list of entities; None for whichever of `LISTS` is there.
        encoding: see `read_examples`.

    Returns:
        `Spans`, with one row at least.

    Raises:
        ValueError: with file and line: no such key, an entity without start, end and label, beyond
            the text, of white space, or one that overlaps another; or whose own text is another.
        OSError: the file cannot be read.
    """
    path = Path(path)
    found, blank = Spans([], [], []), []
    for number, row in json_lines.rows(path, TextFile(path, encoding), (text,)):
        where = f"{path}, line {number}"
        known = [key for key in (LISTS if spans is None else (spans,)) if key in row]
        if len(known) != 1 or not isinstance(row[known[0]], list):
            raise ValueError(
                f"{where}: expected one list of entities, called {', '.join(LISTS)} or by `spans`. "
                f"Received the keys {tables.shown(row)}"
            )
        whole = json_lines.text(where, text, row[text])
        given = [_span(where, whole, item) for item in row[known[0]]]
        read = sorted(_trimmed(whole, *span) for span in given)
        blank += [(number, whole[span[0] : span[1]]) for span in {*given} - {*read}]
        for before, after in itertools.pairwise(read):
            if after[0] < before[1]:
                raise ValueError(
                    f"{where}: entities must not overlap. Received: {shorten(before)} and "
                    f"{shorten(after)}"
                )
        found.texts.append(whole)
        found.spans.append(read)
        found.lines.append(number)
    if not found.texts:
        raise ValueError(f"{path}: expected texts. Received: none")
    if blank:
        said = (
            "%s, line %d: the entity %r begins or ends with white space, which is left out; %d such"
        )
        LOGGER.warning(said, path, *blank[0], len(blank))
    return found


def _trimmed(whole, start, end, label):
    """A span without white space at its ends, as no word has some."""
    text = whole[start:end]
    return start + len(text) - len(text.lstrip()), end - len(text) + len(text.rstrip()), label


def _span(where, whole, item):
    """(start, end, label) of an entity, checked."""
    if isinstance(item, dict):
        label = next((item[key] for key in KINDS if key in item), None)
        parts = (item.get("start"), item.get("end"), label)
    else:
        parts = tuple(item) if isinstance(item, list) else ()
    if [type(part) for part in parts] != [int, int, str] or not parts[2].strip():
        raise ValueError(
            f"{where}: expected an entity as start, end and label, two integers and a name. "
            f"Received: {shorten(item)}"
        )
    start, end, _ = parts
    if not 0 <= start < end <= len(whole) or not whole[start:end].strip():
        raise ValueError(
            f"{where}: expected an entity with words, within the text's {len(whole)} characters. "
            f"Received: {shorten(item)}"
        )
    if isinstance(item, dict) and item.get("text", whole[start:end]) != whole[start:end]:
        raise ValueError(
            f"{where}: expected the entity {shorten(item['text'])} at {start} to {end}. Received "
            f"there: {shorten(whole[start:end])}"
        )
    return parts
