"""Entities of tags and their scores: conlleval's and seqeval's, recorded, and the schemes' own."""

import json
import re

import pytest

from bert_tf2.scoring import entities

TYPES = {"P": "PER", "L": "LOC"}
COLUMNS = {"BI": (None, "IOB1", "IOB2"), "BIES": (None, "BIOES")}


def tags_of(letters, spelt=str):
    """ "OBi" -> O, B-PER, I-LOC."""
    return [
        "O" if x in "Oo" else f"{spelt(x.upper())}-{'PER' if x.isupper() else 'LOC'}"
        for x in letters
    ]


def as_bilou(letter):
    return {"E": "L", "S": "U"}.get(letter, letter)


@pytest.fixture(scope="module")
def readings(reference):
    """(letters, {scheme: entities}) of every short sequence."""
    rows = []
    for line in (reference / "scores" / "readings.tsv").read_text().splitlines():
        letters, *cells = line.split("\t")
        schemes = COLUMNS["BI" if len(letters) == 4 else "BIES"]
        found = [[(TYPES[x[0]], int(x[1]), int(x[2])) for x in cell.split()] for cell in cells]
        rows.append((letters, dict(zip(schemes, found, strict=True))))
    assert len(rows) == 5**4 + 9**3
    return rows


def test_every_short_sequence_is_read_as_seqeval_does(readings):
    for letters, by_scheme in readings:
        for scheme, wanted in by_scheme.items():
            assert entities.entities(tags_of(letters), scheme) == wanted, (letters, scheme)
        if "BIOES" in by_scheme:
            tags = tags_of(letters, as_bilou)
            assert entities.entities(tags, "BILOU") == by_scheme["BIOES"], letters
            assert entities.entities(tags) == by_scheme[None], letters


def test_what_a_scheme_forbids_is_what_it_would_not_write(readings):
    for letters, by_scheme in readings:
        for scheme in filter(None, by_scheme):
            tags = tags_of(letters)
            written = entities.tags_of(entities.entities(tags, scheme), len(tags), scheme)
            assert (entities.check(tags, scheme) == []) == (written == tags), (letters, scheme)
            assert entities.check(written, scheme) == []


@pytest.mark.parametrize("to", entities.SCHEMES)
def test_schemes_say_the_same(readings, to):
    for letters, by_scheme in readings[::7]:
        tags = tags_of(letters)
        new = entities.convert(tags, None, to)
        assert entities.entities(new, to) == entities.entities(new) == by_scheme[None], letters


@pytest.mark.parametrize(
    ("tags", "scheme", "places"),
    [
        ("O I-A I-A", "IOB2", [1]),
        ("B-A I-B I-A", "IOB2", [1, 2]),
        ("I-A B-A", "IOB1", []),
        ("B-A I-A O B-A", "IOB1", [0, 3]),
        ("B-A", "BIOES", [0]),
        ("B-A I-B", "BIOES", [0, 1]),
        ("B-A I-A E-A S-A O E-B", "BIOES", [5]),
        ("B-A I-A L-A U-A O L-B", "BILOU", [5]),
        ("B I O I", "IOB2", [3]),
    ],
)
def test_forbidden_places(tags, scheme, places):
    assert entities.check(tags.split(), scheme) == places


def test_types_have_hyphens_or_none():
    assert entities.entities(["B-a-b", "I-a-b", "B", "I"]) == [("a-b", 0, 2), ("_", 2, 4)]
    assert entities.convert(["B-a-b", "I-a-b", "B", "I"], "IOB2", "BILOU") == [
        "B-a-b",
        "L-a-b",
        "B",
        "L",
    ]
    assert entities.entities([]) == []


# === Scores ===


@pytest.mark.parametrize("number", range(9))
def test_scores(reference, number):
    case = json.loads((reference / "scores" / "corpora.json").read_text())[number]
    gold, said = ([tags_of(row) for row in case[side]] for side in ("gold", "said"))
    for mode, name in ((None, "default"), ("strict", "strict")):
        found, wanted = entities.score(gold, said, mode, case["scheme"]), case[name]
        for kind, scores in ({"micro avg": found} | found["types"]).items():
            for word in ("precision", "recall", "support"):
                assert scores[word] == pytest.approx(wanted[kind][word], abs=1e-12)
            assert scores["f1"] == pytest.approx(wanted[kind]["f1-score"], abs=1e-12)
        assert found["macro_f1"] == pytest.approx(wanted["macro avg"]["f1-score"], abs=1e-12)
        assert set(found["types"]) == {kind for kind in wanted if " avg" not in kind}
    if case["conlleval"]:
        found = entities.score(gold, said)
        words = sum(map(len, gold))
        counts, shares, *_ = case["conlleval"]
        assert list(map(int, re.findall(r"\d+", counts))) == [
            words,
            *(found[kind] for kind in ("support", "predicted", "correct")),
        ]
        names = ("accuracy", "precision", "recall", "f1")
        assert re.findall(r"\d+\.\d+", shares) == [f"{100 * found[name]:.2f}" for name in names]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: entities.entities(["NN"]), "O, or B, .* Received: 'NN' at index 0"),
        (lambda: entities.entities(["O", "o"]), "'o' at index 1"),
        (lambda: entities.entities(["O", None]), "None at index 1"),
        (lambda: entities.entities(["O-A"]), "'O-A'"),
        (lambda: entities.entities(["S-A"], "IOB2"), "B, I and a type.*'S-A'"),
        (lambda: entities.check(["B-A"], "BIO"), "`scheme` must be one of .*'IOB1'.*'BIO'"),
        (lambda: entities.convert(["L-A"], "BIOES", "IOB2"), "'L-A'"),
        (lambda: entities.tags_of([("A", 0, 2), ("B", 1, 3)], 3), "apart from each other"),
        (lambda: entities.tags_of([("A", 2, 4)], 3), "of 3. Received: 'A' from 2 to 4"),
        (lambda: entities.tags_of([("A", 1, 1)], 3), "must have words"),
        (lambda: entities.score([["O"]], [["O", "O"]]), "sequence 0: 1 gold and 2"),
        (lambda: entities.score([["O"]], []), "as many answers as gold sequences"),
        (lambda: entities.score([["O"]], [["O"]], "loose"), "`mode` must be"),
    ],
)
def test_wrong_tags(call, message):
    with pytest.raises(ValueError, match=message):
        call()
