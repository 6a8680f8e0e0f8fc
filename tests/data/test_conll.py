"""CoNLL columns and JSON Lines of words: what is read, repaired, refused and written."""

import json
import logging

import pytest

from bert_tf2.data.conll import TaggedWords, read_conll, write_conll
from bert_tf2.scoring import entities

WORDS = [["Ada", "Lovelace", "met", "Bo"], ["Rome"]]
TAGS = [["B-PER", "I-PER", "O", "B-PER"], ["B-LOC"]]
FILES = {
    "iob1.conll": (
        "-DOCSTART- -X- O\n\nAda NNP I-PER\nLovelace NNP I-PER\nmet VBD O\nBo NNP I-PER\n\n\n"
        "Rome NNP I-LOC\n",
        "IOB1",
    ),
    "iob2.txt": ("Ada B-PER\r\nLovelace I-PER\r\nmet O\r\nBo B-PER\r\n \r\nRome B-LOC", "IOB2"),
    "bioes.tsv": ("Ada\tB-PER\nLovelace\tE-PER\nmet\tO\nBo\tS-PER\n\nRome\tS-LOC\n", "BIOES"),
    "bilou.tsv": ("Ada\tB-PER\nLovelace\tL-PER\nmet\tO\nBo\tU-PER\n\t\nRome\tU-LOC\n", "BILOU"),
    "words.jsonl": (
        "".join(
            json.dumps({"words": w, "tags": t}) + "\n" for w, t in zip(WORDS, TAGS, strict=True)
        ),
        "IOB2",
    ),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("given", [True, False])
def test_every_scheme_is_read_as_iob2(put, name, given, caplog):
    content, scheme = FILES[name]
    options = {"scheme": scheme} if given else {}
    found = read_conll(put(name, content), strict=True, **options)
    assert found == TaggedWords(WORDS, TAGS, None, scheme, 0)
    assert len(found) == 2
    assert not caplog.text


def test_lines_and_columns(put):
    path = put("a.conll", "# about\nx\tNew York\ty\tB-LOC\n\n# b\nx\tSão\u00a0Paulo\ty\tI-LOC\n")
    found = read_conll(path, word=1, tag=3, comment="#", to="BILOU", scheme="IOB1")
    assert (found.words, found.tags) == ([["New York"], ["São\u00a0Paulo"]], [["U-LOC"], ["U-LOC"]])
    assert found.lines == [2, 5]
    assert read_conll(path, word=1, tag=None, comment="#") == TaggedWords(found.words)


CONLL_U = (
    "# text = vámonos al mar\n1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_\n"
    "1\tvamos\tir\tVERB\t_\t_\t0\troot\t_\t_\n2\tnos\tnos\tPRON\t_\t_\t1\tobj\t_\t_\n"
    "2.1\tya\tya\tADV\t_\t_\t_\t_\t_\t_\n\n# b\n1\tmar\tmar\tNOUN\t_\t_\t0\troot\t_\t_\n"
)


@pytest.mark.parametrize(
    ("name", "options"), [("a.conllu", {}), ("a.txt", {"word": 1, "tag": 3, "comment": "#"})]
)
def test_words_of_conll_u(put, name, options, caplog):
    """Without comments, and without lines of several words or of none."""
    found = read_conll(put(name, CONLL_U), scheme=None, **options)
    assert (found.words, found.lines) == ([["vamos", "nos"], ["mar"]], [3, 8])
    assert found.tags == [["VERB", "PRON"], ["NOUN"]] and not caplog.text


def test_keys_and_names_of_json_lines(put):
    row = {"tokens": ["Bo", "is"], "pos": ["N", "V"], "ner_tags": ["B-PER", "O"]}
    path = put("a.jsonl", json.dumps(row) + "\n" + json.dumps(row | {"ner_tags": [1, 0]}))
    found = read_conll(path, names=["O", "B-PER"])
    assert found == TaggedWords([["Bo", "is"]] * 2, [["B-PER", "O"]] * 2, None, "IOB2", 0)
    assert read_conll(path, tag="pos", scheme=None).tags[0] == ["N", "V"]


def test_a_word_that_is_left_out_as_a_comment_is_said(put, caplog):
    path = put("a.txt", "# about this file\n#happy O\nBo B-PER\n")
    assert read_conll(path, comment="#").words == [["Bo"]]
    assert "a.txt, line 2: begins with '#' and is left out" in caplog.text


def test_tags_that_are_no_entities(put):
    path = put("a.conll", "Time NN\nflies VBZ\n")
    assert read_conll(path, scheme=None).tags == [["NN", "VBZ"]]
    fails(path, r"sequence at line 1: Tags must be O, or B.*'NN' at index 0")


def test_what_a_scheme_forbids_is_read_as_conlleval_reads_it(put, caplog):
    path = put("a.conll", "a O\nb I-PER\nc I-PER\nd I-LOC\n\ne B-LOC\nf I-PER\n")
    found = read_conll(path, scheme="IOB2")
    assert found.tags == [["O", "B-PER", "I-PER", "B-LOC"], ["B-LOC", "B-PER"]]
    assert (found.scheme, found.repaired) == ("IOB2", 3)
    said = "line 2: IOB2 does not allow 'I-PER' in 'O I-PER I-PER'; 3 such tags in 2 sequences"
    assert said in caplog.text
    caplog.clear()
    assert read_conll(path).scheme == "IOB1"  # which forbids one of them
    assert "line 6: IOB1 does not allow 'B-LOC' in 'B-LOC I-PER'; 1 such" in caplog.text
    fails(path, r"line 2: IOB2 does not allow 'I-PER'.*`strict=False`", scheme="IOB2", strict=True)


def fails(path, match, **options):
    with pytest.raises(ValueError, match=match) as caught:
        read_conll(path, **options)
    said = str(caught.value)
    assert str(path) in said
    assert len(said) < 600
    assert "\n" not in said


@pytest.mark.parametrize(
    ("name", "content", "options", "match"),
    [
        ("a.conll", "a b O\nc O\n", {}, "line 2: expected 3 columns, as in line 1.*Received: 2"),
        ("a.conll", "a O\n", {"tag": 2}, "line 1: expected a column 2,.*Received: 2 columns"),
        ("a.conll", "a O\n", {"word": -3}, "expected a column -3"),
        ("a.conll", "-DOCSTART- O\n\n", {}, "expected words. Received: none"),
        ("a.conll", "a S-PER\nb L-PER\n", {}, "sequence at line 1: Tags must be"),
        ("a.conll", "a O\n\nb L-PER\n", {"scheme": "IOB2"}, "sequence at line 3: Tags.*'L-PER'"),
        ("a.conll", "\n", {}, "the file is empty"),
        ("a.jsonl", '{"words": ["a", "b"], "tags": ["O"]}', {}, "line 1: .*2 words and 1 tags"),
        ("a.jsonl", '{"words": "a b", "tags": ["O"]}', {}, "line 1: expected a list of words"),
        ("a.jsonl", '{"words": [], "tags": []}', {}, "line 1: expected a list of words"),
        ("a.jsonl", '{"words": ["a"], "tags": [3]}', {}, "line 1: expected a string in 'tags'"),
        ("a.jsonl", '{"tokens": ["a"]}', {}, "line 1: expected a key 'tags' or 'ner_tags'"),
        ("a.jsonl", '{"tokens": ["a"], "ner_tags": [1]}', {}, "'ner_tags'.*number 1.*`names`"),
        ("a.jsonl", '{"tokens": ["a"], "ner_tags": [1]}', {"names": ["O"]}, "number of 1 names"),
        ("a.csv", "word,tag\nParis,B-LOC\n", {"scheme": None}, "Received: a .csv file"),
        ("a.json", '[{"tokens": ["a"]}]', {"scheme": None}, "is called .jsonl"),
        ("a.txt", "Paris,B-LOC\n", {"scheme": None}, "line 1: .* two columns.*'Paris,B-LOC'"),
        ("a.txt", "Bo NN O\n", {"word": 2}, "line 1: .* one column for both, 'O'"),
        ("a.txt", "Bo O\n", {"tag": "pos"}, "line 1: columns are named by their numbers"),
    ],
)
def test_bad_files(put, name, content, options, match):
    fails(put(name, content), match, **options)


def test_unknown_schemes(put):
    path = put("a.conll", "a O\n")
    with pytest.raises(ValueError, match="`scheme` must be one of"):
        read_conll(path, scheme="BIO")
    with pytest.raises(ValueError, match="`scheme` must be one of"):
        read_conll(path, to="BIO")


# === Writing ===


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "new" / "a.conll"
    write_conll(path, WORDS, TAGS, TAGS)
    assert path.read_text().startswith("Ada B-PER B-PER\nLovelace I-PER I-PER\n")
    assert read_conll(path).tags == read_conll(path, tag=1).tags == TAGS
    with pytest.raises(FileExistsError):
        write_conll(path, WORDS, TAGS)
    write_conll(path, [["New York"]], [["S-LOC"]], overwrite=True)
    assert path.read_text() == "New York\tS-LOC\n"
    assert read_conll(path).words == [["New York"]]


@pytest.mark.parametrize(
    ("words", "tags", "match"),
    [
        ([["a", "b"]], [["O"]], "each word of sequence 0. Received: 2, 1"),
        ([["a\tb"]], [["O"]], "without tabs"),
        ([[""]], [["O"]], "not empty"),
    ],
)
def test_what_cannot_be_written(tmp_path, words, tags, match):
    with pytest.raises(ValueError, match=match):
        write_conll(tmp_path / "a.conll", words, tags)
    assert not list(tmp_path.iterdir())


@pytest.mark.full
def test_conll_2003(assets, caplog):
    caplog.set_level(logging.WARNING)
    found = read_conll(assets / "datasets" / "conll2003" / "eng.testa")
    assert (found.scheme, found.repaired, len(found)) == ("IOB1", 0, 3250)
    assert sum(map(len, found.words)) == 51362
    # The counts that Tjong Kim Sang & De Meulder 2003 print for the development set.
    scores = entities.score(found.tags, found.tags)["types"]
    counts = {name: score["support"] for name, score in scores.items()}
    assert counts == {"LOC": 1837, "MISC": 922, "ORG": 1341, "PER": 1842}
    assert not caplog.text


@pytest.mark.full
def test_scores_of_conlleval_on_conll_2003(assets):
    """Its lines for the development set with each fifth tag that of the word before."""
    gold = read_conll(assets / "datasets" / "conll2003" / "eng.testa").tags
    said = [
        [tags[i - 1] if i and (row + i) % 5 == 0 else tag for i, tag in enumerate(tags)]
        for row, tags in enumerate(gold)
    ]
    found = entities.score(gold, said)
    of_types = {"LOC": (73.64, 79.10, 76.27, 1973), "MISC": (66.53, 72.23, 69.27, 1001)}
    of_types |= {"ORG": (67.02, 74.72, 70.66, 1495), "PER": (50.26, 57.65, 53.70, 2113)}
    assert (found["support"], found["predicted"], found["correct"]) == (5942, 6582, 4183)
    for scores, wanted in (
        (found, (63.55, 70.40, 66.80, 6582)),
        *((found["types"][name], wanted) for name, wanted in of_types.items()),
    ):
        shares = [round(100 * scores[name], 2) for name in ("precision", "recall", "f1")]
        assert (*shares, scores["predicted"]) == wanted
    assert round(100 * found["accuracy"], 2) == 95.06
