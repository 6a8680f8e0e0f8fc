"""Windows of long texts are those of Google's run_squad.py, and each token is told once."""

import json

import numpy as np
import pytest
import tensorflow as tf

from bert_tf2.text.packing import pack
from bert_tf2.text.windows import cut, most_context, windows


def google_windows(length, room, stride):
    """The loop of `convert_examples_to_features`; an empty text has a window here."""
    spans, start = [], 0
    while start < length:
        size = min(length - start, room)
        spans.append((start, size))
        if start + size == length:
            break
        start += min(size, stride)
    return spans or [(0, 0)]


def google_most(spans, number, place):
    """`_check_is_max_context`."""
    best, best_number = None, None
    for other, (start, size) in enumerate(spans):
        end = start + size - 1
        if start <= place <= end:
            score = min(place - start, end - place) + 0.01 * size
            if best is None or score > best:
                best, best_number = score, other
    return number == best_number


def test_every_length_room_and_stride():
    lengths = [*range(40), 0, 395]
    for room in (1, 2, 7, 16, 100, 384):
        for stride in (1, 3, 7, 128):
            found = windows(tf.constant(lengths), room, stride)
            expected = [google_windows(length, room, stride) for length in lengths]
            rows = [row for row, spans in enumerate(expected) for _ in spans]
            assert found.rows.numpy().tolist() == rows
            received = np.stack([found.starts, found.sizes], 1).tolist()
            assert received == [list(span) for spans in expected for span in spans]
            most = most_context(found).to_list()
            assert most == [
                [google_most(spans, number, start + k) for k in range(size)]
                for spans in expected
                for number, (start, size) in enumerate(spans)
            ]
            assert sum(map(sum, most)) == sum(lengths)


def test_a_room_for_each_text_in_a_graph():
    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64), tf.TensorSpec([None], tf.int32)])
    def run(lengths, room):
        found = windows(lengths, room, 3)
        values = tf.RaggedTensor.from_row_lengths(tf.range(tf.reduce_sum(lengths)), lengths)
        return found, cut(values, found), most_context(found)

    found, tokens, most = run([5, 0, 7], [4, 1, 3])
    assert [column.dtype for column in found] == [tf.int32] * 3
    assert found.rows.numpy().tolist() == [0, 0, 1, 2, 2, 2]
    assert tokens.to_list() == [[0, 1, 2, 3], [3, 4], [], [5, 6, 7], [8, 9, 10], [11]]
    assert sorted(tf.ragged.boolean_mask(tokens, most).values.numpy()) == list(range(12))
    found, tokens, most = run(tf.zeros([0], tf.int64), tf.zeros([0], tf.int32))
    assert tokens.to_list() == most.to_list() == []
    with pytest.raises(tf.errors.InvalidArgumentError, match="at least 1 token"):
        run([5], [0])


@pytest.mark.parametrize(("room", "stride"), [(0, 3), (3, 0)])
def test_no_room(room, stride):
    with pytest.raises(ValueError, match=r"at least 1 token\. Received: 0"):
        windows(tf.constant([3]), room, stride)


def check_recorded(tokenizer, recorded):
    """Strings -> Google's features: ids, the most context, and the word of each token."""
    first, second = zip(*recorded.pop("texts"), strict=True)
    for case in recorded.values():
        longest, most = case["max_seq_length"], case["max_query_length"]
        asked, found = tokenizer(list(first))[:, :most], tokenizer.pieces(list(second))
        room = longest - 3 - tf.cast(asked.row_lengths(), tf.int32)
        cuts = windows(found.ids.row_lengths(), room, case["doc_stride"])
        packed = pack(
            tf.gather(asked, cuts.rows),
            cut(found.ids, cuts),
            special_ids=[
                tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id
            ],
            max_length=longest,
        )  # fmt: skip
        ids = tf.ragged.boolean_mask(packed["token_ids"], packed["padding_mask"] > 0).to_list()
        received = zip(
            cuts.rows.numpy(),
            ids,
            cut(found.starts, cuts).to_list(),
            most_context(cuts).to_list(),
            strict=True,
        )
        assert len(ids) == len(case["features"])
        for (row, ids_, starts, is_most), want in zip(received, case["features"], strict=True):
            assert (row, ids_) == (want["row"], want["ids"])
            assert "".join("01"[flag] for flag in is_most) == want["most"]
            assert [second[row][:start].count(" ") for start in starts] == want["word_of"]


def test_windows_of_questions(uncased, reference):
    path = reference / "own_fixture" / "squad_windows.json"
    check_recorded(uncased, json.loads(path.read_text("utf-8")))


@pytest.mark.full
def test_windows_of_published_vocabulary(assets):
    from bert_tf2 import WordPieceTokenizer

    folder = assets / "reference" / "data"
    recorded = json.loads((folder / "squad_features.json").read_text("utf-8"))
    sample = json.loads((folder / "squad_sample.json").read_text("utf-8"))
    paragraphs = [p for article in sample["data"] for p in article["paragraphs"]]
    asked = {q["id"]: q["question"] for p in paragraphs for q in p["qas"]}
    tokenizer = WordPieceTokenizer(assets / "vocab" / "bert-base-uncased" / "vocab.txt")
    for case in recorded.values():
        examples = [[asked[e["qas_id"]], " ".join(e["doc_tokens"])] for e in case["examples"]]
        features = [
            {
                "row": feature["example_index"],
                "ids": feature["input_ids"][: sum(feature["input_mask"])],
                "most": "".join("01"[flag] for flag in feature["token_is_max_context"].values()),
                "word_of": list(feature["token_to_orig_map"].values()),
            }
            for feature in case["features"]
        ]
        check_recorded(tokenizer, {"texts": examples, "case": {**case, "features": features}})
