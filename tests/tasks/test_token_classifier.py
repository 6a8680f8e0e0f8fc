"""Tags of words and entities of texts, beside the same worked out in Python, word by word."""

import itertools
import logging

import numpy as np
import oracle
import pytest
import tensorflow as tf
from by_default import by_default
from closeness import BACKWARD

import bert_tf2
from bert_tf2.data import tag_schemes, tags
from bert_tf2.data.class_names import tag_parts
from bert_tf2.scoring import entities

LABELS = ["O", "B-X", "I-X", "B-Y", "I-Y"]
WORDS = [
    ["The", "kettle", "hums", "."],
    ["rain"],
    ["stone", ",", "Rain", "&", "tea-stones"],
    [],
    ["\u200b", "tea"],
    ["umbrella", "teakettles", "white"],
]
LONG = (
    "The kettle hums, rain & more rain; stone on stone! a white umbrella hums and tea-stones rain"
)


def tiny(length=12, **settings):
    task = oracle.tiny_task(bert_tf2.TokenClassifier, labels=LABELS, doc_stride=3, **settings)
    task.preprocessor.max_length = length
    return task


@pytest.fixture(scope="module")
def task():
    return tiny()


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def logits_by_hand(task, ids):
    """Logits (pieces, C) of one text's ids: each from Google's window of most context."""
    tokenizer, stride = task.preprocessor.tokenizer, task.doc_stride
    room = task.preprocessor.max_length - 2
    windows, start = [], 0
    while True:
        windows.append((start, ids[start : start + room]))
        if start + room >= len(ids):
            break
        start += min(room, stride)
    found = []
    for start, window in windows:
        row = np.array([[tokenizer.cls_token_id, *window, tokenizer.sep_token_id]], "int32")
        inputs = {"token_ids": row, "segment_ids": row * 0, "padding_mask": row * 0 + 1}
        arrays = {name: v.numpy() for name, v in task.named_variables().items()}
        states = oracle.forward(task.encoder.config, arrays, inputs)["layer_outputs"][-1]
        logits = states @ arrays["token_classifier/kernel"] + arrays["token_classifier/bias"]
        found.append((start, logits[0, 1:-1]))
    chosen = []
    for place in range(len(ids)):
        having = [(s, rows) for s, rows in found if s <= place < s + len(rows)]
        scores = [min(place - s, s + len(r) - 1 - place) + 0.01 * len(r) for s, r in having]
        start, rows = having[int(np.argmax(scores))]
        chosen.append(rows[place - start])
    return np.array(chosen).reshape(-1, len(task.labels))


def tags_by_hand(task, words):
    """(tags, scores) of one text's words, by their first pieces."""
    pieces = [task.preprocessor.tokenizer([word])[0].numpy().tolist() for word in words]
    shares = softmax(logits_by_hand(task, [i for word in pieces for i in word]))
    names, scores, place = [], [], 0
    for word in pieces:
        best = int(shares[place].argmax()) if word else 0
        names.append(task.labels[best])
        scores.append(shares[place, best] if word else 0.0)
        place += len(word)
    return names, scores


def test_tags_of_words(task):
    for words, found in zip(WORDS, task.predict_tags(WORDS), strict=True):
        want, scores = tags_by_hand(task, words)
        assert (found.words, found.tags) == (words, want)
        np.testing.assert_allclose(found.scores, scores, atol=1e-5)


@pytest.mark.parametrize("row", [["", "tea"], ["", "", "tea"], ["tea", "", ""], ["", ""], []])
def test_empty_words(task, row):
    """Wherever they stand they are "O", and the others are tagged as without their spaces."""
    rows = [["stone"], row, ["rain", "tea"]]
    found = task.predict_tags(rows)
    assert [len(one.tags) for one in found] == [1, len(row), 2]
    assert all(tag == "O" for tag, word in zip(found[1].tags, row, strict=True) if not word)
    alone = task.predict_tags([[word for word in row if word] or ["x"]])[0].tags
    if any(row):
        assert [tag for tag, word in zip(found[1].tags, row, strict=True) if word] == alone


@pytest.mark.parametrize("labels", [["N", "V"], ["O", "V"]])
def test_every_word_has_a_tag_whatever_the_labels(labels):
    """Those without a piece or cut off, too: "O", or "_" where the model has no such tag."""
    task = oracle.tiny_task(bert_tf2.TokenClassifier, labels=labels, doc_stride=None)
    task.preprocessor.max_length = 5
    none = "O" if "O" in labels else "_"
    rows = [["tea", "\u200b", "rain"], ["rain", "\u200b"], ["\u200b", "", "tea"], ["tea"] * 6, [""]]
    for words, found in zip(rows, task.predict_tags(rows), strict=True):
        assert found.words == words
        there = [bool(word.strip("\u200b")) and i < 3 for i, word in enumerate(words)]
        pairs = zip(found.tags, there, strict=True)
        assert all(tag in labels if have else tag == none for tag, have in pairs)
        assert [share > 0 for share in found.scores] == there


def test_entities_of_words_are_those_that_conlleval_reads(task):
    for words, found in zip(WORDS, task.predict_entities(WORDS), strict=True):
        have = [bool(task.preprocessor.tokenizer([w])[0].shape[0]) for w in words]
        names, scores = tags_by_hand(task, words)
        # What has no piece is not there: an entity goes on over it.
        kept = [i for i, there in enumerate(have) if there]
        text = " ".join(words)
        starts = list(itertools.accumulate([0, *(len(word) + 1 for word in words)]))
        want = [
            {
                "entity_group": kind,
                "start": starts[kept[first]],
                "end": starts[kept[end - 1]] + len(words[kept[end - 1]]),
                "score": pytest.approx(np.mean([scores[kept[i]] for i in range(first, end)]), 1e-4),
            }
            for kind, first, end in entities.entities([names[i] for i in kept])
        ]
        assert [{k: e[k] for k in want[0]} for e in found] == want if want else found == []
        assert all(e["word"] == text[e["start"] : e["end"]] for e in found)


def units_by_hand(task, text, strategy):
    """[(start, end, tag, score)] of a text, by a strategy."""
    pieces = task.preprocessor.tokenizer.pieces(tf.constant([text]))
    ids, starts, ends, words = (column[0].numpy().tolist() for column in pieces)
    shares = softmax(logits_by_hand(task, ids))
    keys = range(len(ids)) if strategy in ("none", "simple") else words
    found = []
    for _, group in itertools.groupby(range(len(ids)), lambda i: keys[i]):
        group = list(group)
        rows = shares[group]
        row = {
            "average": rows.mean(0),
            "max": rows[rows.max(1).argmax()],
        }.get(strategy, rows[0])
        tag = task.labels[row.argmax()]
        found.append((starts[group[0]], ends[group[-1]], tag, row.max()))
    return found


@pytest.mark.parametrize(
    "strategy", by_default(["none", "simple", "first", "average", "max"], ["simple", "max"])
)
def test_strategies_on_a_text_of_several_windows(task, strategy):
    (found,) = task.predict_entities([LONG], strategy)
    units = units_by_hand(task, LONG, strategy)
    assert len(units) > 12
    if strategy == "none":
        want = [(tag, start, end, score) for start, end, tag, score in units if tag != "O"]
    else:
        want = [
            (kind, units[a][0], units[b - 1][1], np.mean([u[3] for u in units[a:b]]))
            for kind, a, b in entities.entities([unit[2] for unit in units])
        ]
    assert [(e["entity_group"], e["start"], e["end"]) for e in found] == [w[:3] for w in want]
    np.testing.assert_allclose([e["score"] for e in found], [w[3] for w in want], atol=1e-5)
    assert [e["word"] for e in found] == [LONG[e["start"] : e["end"]] for e in found]


@pytest.mark.full
def test_hard_texts(task):
    texts = ["", " ", "\u200b", "é" * 300, b"\xff tea \xc3", "tea " * 25_000, "雨 und Tee"]
    assert len(task.predict_entities(texts)) == len(texts)
    assert [len(found.words) for found in task.predict_tags(texts[:3])] == [0, 0, 0]


def test_one_window_where_texts_are_cut(caplog):
    task = oracle.tiny_task(bert_tf2.TokenClassifier, labels=LABELS, doc_stride=None)
    task.preprocessor.max_length = 12
    with caplog.at_level(logging.WARNING):
        (found,) = task.predict_tags([LONG.split()])
    assert "are cut" in caplog.text
    assert found.tags[-1] == "O" and len(found.tags) == len(LONG.split())


# === Learning =====================================================================================

WORD_TAGS = [
    ["O", "B-X", "I-X", "O"],
    ["B-Y"],
    ["B-X", "O", -100, "O", "I-Y"],
    [],
    ["O", "B-Y"],
    ["O", "B-X", "B-X"],
]


def loss_by_hand(task, weights=None):
    total, count = 0.0, 0.0
    for i, (words, names) in enumerate(zip(WORDS, WORD_TAGS, strict=True)):
        pieces = [task.preprocessor.tokenizer([word])[0].numpy().tolist() for word in words]
        logs = np.log(softmax(logits_by_hand(task, [i for word in pieces for i in word])))
        place = 0
        for word, name in zip(pieces, names, strict=True):
            if word and name != -100:
                weight = 1.0 if weights is None else weights[i]
                total -= weight * logs[place, task.labels.index(name)]
                count += weight
            place += len(word)
    return total / count


def test_the_loss_is_the_mean_over_first_pieces(task):
    got = task.evaluate(WORDS, WORD_TAGS, verbose=0)[0]
    assert got == pytest.approx(loss_by_hand(task), rel=BACKWARD * 10)
    weights = [1.0, 0.5, 2.0, 1.0, 0.0, 1.0]
    got = task.evaluate(WORDS, WORD_TAGS, sample_weight=weights, verbose=0)[0]
    assert got == pytest.approx(loss_by_hand(task, weights), rel=BACKWARD * 10)


def test_forms_of_words_and_tags(task):
    want = task.evaluate(WORDS, WORD_TAGS, verbose=0)
    numbers = [[t if t == -100 else LABELS.index(t) for t in row] for row in WORD_TAGS]
    ragged = tf.ragged.constant(WORDS, tf.string)
    arrays = [np.array(row, object) for row in WORDS]
    for x, y in (
        (WORDS, numbers),
        (ragged, numbers),
        ({"words": WORDS}, WORD_TAGS),
        ({"tokens": WORDS}, numbers),
        (arrays, numbers),
    ):
        assert task.evaluate(x, y, verbose=0) == pytest.approx(want, rel=BACKWARD)
    y = tf.ragged.constant(numbers, tf.int64)
    data = tf.data.Dataset.from_tensor_slices((ragged, y)).batch(6)
    assert task.evaluate(data, verbose=0) == pytest.approx(want, rel=BACKWARD)


def test_entities_by_characters_become_tags(caplog):
    task = tiny()
    text = "Ada met Bo-Li in New York."
    spans = [[(0, 3, "X"), {"start": 8, "end": 13, "label": "X"}, (17, 25, "Y")]]
    with caplog.at_level(logging.WARNING):
        found = task.read([text], spans)
    assert "within a word" not in caplog.text
    names = [LABELS[i] for i in found["labels"][0].numpy()]
    assert names == ["B-X", "O", "B-X", "I-X", "I-X", "O", "B-Y", "I-Y", "O"]
    with caplog.at_level(logging.WARNING):
        task.read([text], [[(0, 2, "X")]])
    assert "1 entities begin or end within a word" in caplog.text


@pytest.mark.parametrize(
    ("scheme", "want"),
    [
        ("IOB2", ["B-X", "I-X", "I-X", "O", "B-X"]),
        ("BIOES", ["B-X", "I-X", "E-X", "O", "S-X"]),
        ("BILOU", ["B-X", "I-X", "L-X", "O", "U-X"]),
    ],
)
def test_schemes(scheme, want):
    names = tag_schemes.entity_tags(["X"], scheme)
    assert tag_schemes.scheme_of(names) == scheme
    starts = [[0, 4, 5, 7, 9]]
    ends = [[3, 5, 6, 8, 10]]
    got, _ = tags.tags_of_spans([[(9, 10, "X"), (0, 6, "X")]], ["abc de f g"], starts, ends, scheme)
    assert got == [want]
    assert tags.tags_of_spans([[(9, 10, "X")]], ["abc de f g"], starts, ends, "IO")[0][0][-1] == "X"


@pytest.mark.parametrize(
    ("names", "rows", "want"),
    [
        ("O B-X I-X E-X S-X", "B-X I-X O B-X", "B-X E-X O S-X"),
        ("O B-X I-X L-X U-X", "S-X O B-X E-X", "U-X O B-X L-X"),
        ("O B-X I-X E-X S-X", "B-X E-X O S-X", None),
        ("O X Y", "B-X I-X O B-Y", "X X O Y"),
        ("O X Y", "X X O Y", None),
        ("O I-X I-Y", "B-X I-X O B-Y", "I-X I-X O I-Y"),
        ("O B-X I-X", "I-X I-X O B-X", None),  # perhaps of IOB1
        ("O B-X I-X", "B-X E-X O S-X", "B-X I-X O B-X"),
        ("O B-X I-X", "B-X L-X O U-X", "B-X I-X O B-X"),
        ("O B-X I-X", "B-X E-X O S-Y", None),  # of a kind that is none
        ("N V", "N V", None),
    ],
)
def test_tags_of_another_scheme_are_spelled_as_the_labels(names, rows, want, caplog):
    rows = [rows.split(), [0, 1], []]
    found = tag_schemes.in_scheme(rows, names.split())
    assert found == [rows[0] if want is None else want.split(), [0, 1], []]
    assert ("of 1 texts" in caplog.text) == (want is not None)
    if want is not None:
        iob2 = entities.convert(rows[0], None, "IOB2")
        assert tag_schemes.as_iob2(found[0], names.split()) == iob2


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        ("O B-E-mail I-E-mail", [("", "O"), ("B", "E-mail"), ("I", "E-mail")]),
        ("O E-mail S-Bahn", [("", "O"), ("", "E-mail"), ("", "S-Bahn")]),
        ("O B I", [("", "O"), ("B", "_"), ("I", "_")]),
        ("B M E S", [("", "B"), ("", "M"), ("", "E"), ("", "S")]),
        ("N V B", [("", "N"), ("", "V"), ("", "B")]),
    ],
)
def test_what_tags_mean_the_others_tell(names, parts):
    assert tag_parts(names.split()) == parts


def test_tags_without_a_kind_make_entities_of_one():
    """The group is "_", as seqeval has it."""
    assert tag_schemes.entity_tags(["_"], "IOB2") == ["O", "B", "I"]
    task = oracle.tiny_task(bert_tf2.TokenClassifier, labels=["B", "I", "O"])
    found = task.predict_entities(WORDS)
    groups = {e["entity_group"] for row in found for e in row}
    assert groups == {"_"}
    said = [entities.entities(row.tags) for row in task.predict_tags(WORDS)]
    assert [len(row) for row in found] == [len(row) for row in said]


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (["a b"], [[(0, 9, "X")]], "lie in its text, of 3 characters. Received at index 0"),
        (["a b"], [[(0, 1, "X"), (0, 3, "Y")]], "must not share a word"),
        (["a b"], [["O", "O"]], "An entity must be .start, end, label."),
        (["a b"], [[(0, 1, "Z")]], "'B-Z'"),
        (["a b"], [[(1, 2, "X")]], "a word with pieces of its own"),
        ([["a", "b"]], [["O"]], "one number. Received at index 0: 2 words and 1 tags"),
        ([["a", "b"]], [["O", "B-Z"]], "'B-Z', a tag of the text at index 0"),
        ([["a", "b"]], ["O"], "lists of tags"),
        ([["a", "b"]], [["O", "O"]] * 2, "a list of tags a text: 1. Received: 2"),
        ([["a", 3]], [["O", "O"]], "lists of str"),
        ([["a"], "b"], [["O"], ["O"]], "index 1"),
    ],
)
def test_refused(task, x, y, message):
    with pytest.raises((TypeError, ValueError), match=message):
        task.fit(x, y, verbose=0)


def test_settings_refused():
    with pytest.raises(
        ValueError, match=r"`doc_stride` must be an int from 1, or None. Received: '8'"
    ):
        oracle.tiny_task(bert_tf2.TokenClassifier, labels=LABELS, doc_stride="8")
    with pytest.raises(ValueError, match="`scheme` must be one of"):
        oracle.tiny_task(bert_tf2.TokenClassifier, labels=["X"], scheme="IOB3")
    with pytest.raises(ValueError, match="`aggregation_strategy` must be one of"):
        tiny(aggregation_strategy="last")
    with pytest.raises(ValueError, match="`aggregation_strategy` must be one of"):
        tiny(crf=True, aggregation_strategy="max")
    crf = tiny(crf=True)
    with pytest.raises(ValueError, match="must be left out with a CRF"):
        crf.fit(WORDS, WORD_TAGS, class_weight={"O": 0.5}, verbose=0)
    with pytest.raises(ValueError, match="must be left out for a TokenClassifier"):
        crf.compile("sgd", label_smoothing=0.1)
    nouns = oracle.tiny_task(bert_tf2.TokenClassifier, labels=["NOUN", "VERB"])
    with pytest.raises(ValueError, match='a tag "O"'):
        nouns.fit(["a b"], [[(0, 1, "NOUN")]])


def test_a_crf_chooses_and_learns_tags_together():
    task = tiny(20, crf=True)  # one window a text, each of which is learnt by itself
    arrays = {name: v.numpy() for name, v in task.named_variables().items()}
    starts, ends, follows = (arrays[f"crf/{n}"] for n in ("starts", "ends", "transitions"))
    total, count = 0.0, 0
    for words, names, found in zip(WORDS, WORD_TAGS, task.predict_tags(WORDS), strict=True):
        pieces = [task.preprocessor.tokenizer([word])[0].numpy().tolist() for word in words]
        logits = logits_by_hand(task, [i for word in pieces for i in word])
        places = list(itertools.accumulate([0, *map(len, pieces)]))
        first = [place for place, word in zip(places, pieces, strict=False) if word]

        def score(rows, path):
            if not path:
                return 0.0
            pairs = sum(follows[a, b] for a, b in itertools.pairwise(path))
            return (
                sum(row[c] for row, c in zip(rows, path, strict=True))
                + pairs
                + (starts[path[0]] + ends[path[-1]])
            )

        def best_and_total(rows):
            paths = list(itertools.product(range(5), repeat=len(rows)))
            scores = np.array([score(rows, path) for path in paths])
            return paths[int(scores.argmax())], np.log(
                np.exp(scores - scores.max()).sum()
            ) + scores.max()

        best, _ = best_and_total(logits[first])
        have = [name for name, word in zip(found.tags, pieces, strict=True) if word]
        assert have == [LABELS[c] for c in best]
        kept = [(p, n) for p, n, w in zip(places, names, pieces, strict=False) if w and n != -100]
        rows, path = logits[[p for p, _ in kept]], [LABELS.index(n) for _, n in kept]
        if kept:
            total += best_and_total(rows)[1] - score(rows, path)
            count += len(kept)
    got = task.evaluate(WORDS, WORD_TAGS, verbose=0)[0]
    assert got == pytest.approx(total / count, rel=1e-4)


@pytest.mark.full
def test_huggingface_keeps_tags_and_head(task, tmp_path):
    task.save_to_preset(tmp_path / "hf", "huggingface")
    again = bert_tf2.TokenClassifier.from_preset(tmp_path / "hf", doc_stride=3, max_length=12)
    assert again.labels == LABELS
    assert again.predict_entities([LONG]) == task.predict_entities([LONG])
    with pytest.raises(ValueError, match="crf"):
        tiny(crf=True).save_to_preset(tmp_path / "crf", "huggingface")


@pytest.mark.full
def test_a_hyphen_makes_no_scheme():
    assert tag_schemes.scheme_of(["O", "T-shirt", "X-ray"]) == "IO"
    task = oracle.tiny_task(bert_tf2.TokenClassifier, labels=["T-shirt", "X-ray"])
    found = [e["entity_group"] for row in task.predict_entities(WORDS) for e in row]
    assert found and set(found) <= {"T-shirt", "X-ray"}


def test_half_a_character_is_one_character(task):
    """Of a str that no file can hold, places are still those of the str."""
    text = "tea \ud83d kettle hums"
    (found,) = task.predict_tags([text])
    pieces = task.preprocessor.tokenizer.pieces([text])
    starts, ends = pieces.starts[0].numpy(), pieces.ends[0].numpy()
    assert "".join(text[a:b] for a, b in zip(starts, ends, strict=True)).startswith("tea")
    assert text[starts[-1] : ends[-1]] in text[-4:] and found.words[0] == "tea"
