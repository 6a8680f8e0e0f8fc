"""Tags -> entities, and their scores: conlleval's reading, and that of strict schemes.

A tag is "O" or a letter and a type, as in "B-PER"; a letter alone has the type "_". Two words for
one scheme are one: BILOU's L is BIOES's E, its U is S (Ratinov & Roth 2009; Tjong Kim Sang 2000).
"""

from collections import Counter
from typing import NamedTuple

import numpy as np

from bert_tf2.messages import shorten
from bert_tf2.scoring.arrays import precision_recall_f1, same_length

OUTSIDE = ("O", "")
UNTYPED = "_"  # the type of a letter alone, as seqeval calls it
LETTERS = {letter: letter for letter in "OBIES"} | {"L": "E", "U": "S"}


class Scheme(NamedTuple):
    """What a scheme means: pairs of letters, "=" of one type and "!" of two.

    Attributes:
        letters: beside O, as a file spells begin, inside, end and single.
        starts, joins, ends: pairs at which an entity starts, goes on, and has ended well.
        led: letters that stand only after another of their entity; such pairs are in `follows`.
        open: letters that stand only before another of their entity.
    """

    letters: str
    starts: frozenset
    joins: frozenset
    ends: frozenset
    led: str
    follows: frozenset
    open: str


def _pairs(words):
    """ "OI .B II!" -> a set of pairs; "." is any letter, and of one type or two if not said."""
    found = set()
    for word in words.split():
        for before in "OBIES" if word[0] == "." else word[0]:
            for letter in "OBIES" if word[1] == "." else word[1]:
                found |= {f"{before}{letter}{sign}" for sign in word[2:] or "=!"}
    return frozenset(found)


def _iob(starts, ends, led, follows):
    return Scheme("BI", _pairs(starts), _pairs("BI= II="), _pairs(ends), led, _pairs(follows), "")


def _with_ends(letters):
    joins = _pairs("BI= BE= II= IE=")
    return Scheme(letters, _pairs(".B .S"), joins, _pairs("S. E."), "IE", joins, "BI")


SCHEMES = {
    # B only where an entity touches another of its type; a B out of place starts nothing.
    "IOB1": _iob("OI BI II! IB= BB=", "IO IB II! BO BI! BB=", "B", "IB= BB="),
    "IOB2": _iob(".B", "B. I.", "I", "BI= II="),
    "BIOES": _with_ends("BIES"),
    "BILOU": _with_ends("BILU"),
}


def entities(tags, scheme=None):
    """The entities that tags say.

    Args:
        tags: list of str.
        scheme: None reads any, and repairs, as conlleval does: what begins out of place begins
            all the same. "IOB1", "IOB2", "BIOES" or "BILOU": only what the scheme allows is an
            entity, as in seqeval's strict mode.

    Returns:
        list of (type, start, end): words from `start` up to `end`, without it.

    Raises:
        ValueError: no such scheme, or a tag that is none, or none of the scheme.
    """
    parts = _parts(tags, scheme)
    if scheme is not None:
        return _strict(parts, SCHEMES[scheme])
    found, before = [], OUTSIDE
    for place, tag in enumerate(parts):
        apart = tag[0] in "BS" or before[0] in "OES" or before[1] != tag[1]
        if tag[0] != "O" and apart:
            found.append((tag[1], place, place + 1))
        elif tag[0] != "O":
            found[-1] = (tag[1], found[-1][1], place + 1)
        before = tag
    return found


def _strict(parts, rules):
    found, place = [], 0
    while place < len(parts):
        start = place
        place += 1
        if _pair(parts, start) not in rules.starts:
            continue
        while place < len(parts) and _pair(parts, place) in rules.joins:
            place += 1
        if _pair(parts, place) in rules.ends:
            found.append((parts[start][1], start, place))
    return found


def _pair(parts, place):
    """The pair of letters before and at a place, O beyond both ends."""
    before = parts[place - 1] if place else OUTSIDE
    tag = parts[place] if place < len(parts) else OUTSIDE
    return f"{before[0]}{tag[0]}{'=' if before[1] == tag[1] else '!'}"


def _parts(tags, scheme):
    """Tags -> list of (letter, type)."""
    letters = "BIESLU" if scheme is None else _scheme(scheme).letters
    parts = []
    for place, tag in enumerate(tags):
        letter, _, kind = tag.partition("-") if isinstance(tag, str) else ("", "", "")
        if tag != "O" and (len(letter) != 1 or letter not in letters):
            raise ValueError(
                f"Tags must be O, or {', '.join(letters)} and a type, as in B-PER. Received: "
                f"{shorten(tag)} at index {place}"
            )
        parts.append((LETTERS[letter], kind or UNTYPED) if tag != "O" else OUTSIDE)
    return parts


def _scheme(name):
    if name not in SCHEMES:
        raise ValueError(f"`scheme` must be one of {list(SCHEMES)}. Received: {name!r}")
    return SCHEMES[name]


def check(tags, scheme):
    """The places that a scheme forbids. -> list of int, sorted; empty for a good sequence.

    A tag that must stand after, or before, another of its entity and does not is such a place.

    Raises:
        ValueError: no such scheme, or a tag with none of its letters.
    """
    parts, rules = _parts(tags, scheme), _scheme(scheme)
    wrong = set()
    for place in range(len(parts) + 1):
        pair = _pair(parts, place)
        if pair[1] in rules.led and pair not in rules.follows:
            wrong.add(place)
        if pair[0] in rules.open and pair not in rules.joins:
            wrong.add(place - 1)
    return sorted(wrong)


def tags_of(found, length, scheme="IOB2"):
    """Entities -> the tags of a scheme: the inverse of `entities`.

    Args:
        found: (type, start, end) each, without overlap.
        length: words that there are.
        scheme: "IOB1", "IOB2", "BIOES" or "BILOU".

    Raises:
        ValueError: no such scheme, an empty entity, two that overlap, or one beyond the end.
    """
    letters = _scheme(scheme).letters
    tags, last = ["O"] * length, ("", 0)
    for kind, start, end in sorted(found, key=lambda entity: entity[1]):
        if not last[1] <= start < end <= length:
            raise ValueError(
                f"Entities must have words, apart from each other, of {length}. Received: "
                f"{kind!r} from {start} to {end}, after one that ends at {last[1]}"
            )
        touches = last == (kind, start)
        spelt = ["I"] * (end - start)
        if scheme != "IOB1" or touches:
            spelt[0] = "B"
        if len(letters) == 4:
            spelt[-1] = letters[2] if end - start > 1 else letters[3]
        tags[start:end] = [x if kind == UNTYPED else f"{x}-{kind}" for x in spelt]
        last = (kind, end)
    return tags


def convert(tags, scheme, to):
    """Tags of one scheme -> those of another; a flaw is repaired as conlleval reads it.

    Args:
        tags: list of str.
        scheme: what they are; None for any.
        to: "IOB1", "IOB2", "BIOES" or "BILOU".

    Raises:
        ValueError: no such scheme, or a tag with none of its letters.
    """
    _parts(tags, scheme)
    return tags_of(entities(tags), len(tags), to)


def score(gold, predicted, mode=None, scheme="IOB2"):
    """Precision, recall and F1 of whole entities.

    Args:
        gold, predicted: lists of sequences, each a list of tags.
        mode: None reads tags as conlleval; "strict" takes only what `scheme` allows.
        scheme: see `entities`; for the strict mode alone.

    Returns:
        dict: "precision", "recall" and "f1" of all, floats in 0 … 1, and "macro_f1", the mean over
        types; "support" (gold entities), "predicted" and "correct", ints; "accuracy" of the tags;
        and "types", by type, sorted, a dict of the first three and the three counts.

    Raises:
        ValueError: another mode or scheme, no sequences, counts that differ, or no tag.
    """
    if mode not in (None, "strict"):
        raise ValueError(f'`mode` must be None or "strict". Received: {mode!r}')
    same_length(gold, predicted, "sequences")
    counts = {kind: Counter() for kind in ("correct", "predicted", "support")}
    right = words = 0
    for row, (true, said) in enumerate(zip(gold, predicted, strict=True)):
        if len(true) != len(said):
            raise ValueError(
                f"Expected a tag for each word. Received for sequence {row}: {len(true)} gold and "
                f"{len(said)} predicted"
            )
        found = [set(entities(x, scheme if mode else None)) for x in (true, said)]
        for kind, some in zip(counts, (found[0] & found[1], found[1], found[0]), strict=True):
            counts[kind].update(entity[0] for entity in some)
        right += sum(a == b for a, b in zip(true, said, strict=True))
        words += len(true)
    types = sorted(counts["predicted"] | counts["support"])
    by_type = {name: _scored(*(count[name] for count in counts.values())) for name in types}
    return _scored(*(count.total() for count in counts.values())) | {
        "macro_f1": float(np.mean([x["f1"] for x in by_type.values()])) if types else 0.0,
        "accuracy": right / words if words else 0.0,
        "types": by_type,
    }


def _scored(correct, predicted, support):
    shares = precision_recall_f1(correct, predicted, support)
    counts = {"support": support, "predicted": predicted, "correct": correct}
    return {kind: float(value) for kind, value in shares.items()} | counts
