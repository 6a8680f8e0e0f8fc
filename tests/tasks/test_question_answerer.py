"""Answers in texts: windows and targets as Google's, answers as a plain search finds them."""

import dataclasses
import itertools
import json
import math

import numpy as np
import oracle
import peers
import pytest
import tensorflow as tf
import tokenizer_rules
from closeness import BACKWARD, FORWARD, assert_near
from windows_of_questions import CONTEXTS, QUESTIONS, windows_of

import bert_tf2
from bert_tf2.data.answer_spans import answer_spans
from bert_tf2.data.squad import read_squad, write_answers
from bert_tf2.scoring import nbest
from bert_tf2.tasks import answer_rows


@pytest.fixture(scope="module")
def qa():
    return oracle.tiny_task(bert_tf2.QuestionAnswerer, doc_stride=3, max_question_len=5, top_k=4)


# === Answers ======================================================================================


def plain_search(task, question, context, longest=20, stride=3, asked=5, most=30, null=False):
    """All answers by falling score: (score, start, end)."""
    found, nulls = [], []
    for row, segments, places in windows_of(task, question, context, longest, stride, asked):
        ids = {"token_ids": [row], "segment_ids": [segments], "padding_mask": [[1] * len(row)]}
        ids = {name: np.array(x, "int32") for name, x in ids.items()}
        start, end = task.predict(ids, verbose=0)[0].astype("float64")
        nulls.append(start[0] + end[0])
        for one, other in itertools.combinations_with_replacement(places, 2):
            if one[3] and other[0] - one[0] < most and one[1] < other[2]:
                found.append((start[one[0]] + end[other[0]], one[1], other[2]))
    if null:
        found.append((min(nulls), 0, 0))
    total = sum(math.exp(logit) for logit, *_ in found)
    return [(math.exp(x) / total, *span) for x, *span in sorted(found, reverse=True)]


@pytest.mark.parametrize(
    ("how", "plain"),
    [
        ({}, {}),
        ({"handle_impossible_answer": True, "max_answer_len": 2}, {"null": True, "most": 2}),
        pytest.param(
            {"max_seq_len": 14, "doc_stride": 100, "max_question_len": 1, "top_k": 2},
            {"longest": 14, "stride": 100, "asked": 1},
            marks=pytest.mark.full,
        ),
    ],
)
def test_answers_equal_a_plain_search(qa, how, plain):
    check_search(qa, how, plain)


def check_search(qa, how, plain):
    for question, context, answers in zip(
        QUESTIONS, CONTEXTS, qa.answer_question(QUESTIONS, CONTEXTS, **how), strict=True
    ):
        want = plain_search(qa, question, context, **plain)[: how.get("top_k", 4)]
        want = want or [(0.0, 0, 0)]  # nothing to choose from
        assert [(x["start"], x["end"]) for x in answers] == [x[1:] for x in want]
        np.testing.assert_allclose([x["score"] for x in answers], [x[0] for x in want], rtol=1e-4)
        assert all(x["answer"] == context[x["start"] : x["end"]] for x in answers)


@pytest.mark.full
@pytest.mark.parametrize("family", ["albert", "roberta"])
def test_answers_with_every_tokenizer(reference, family):
    folder = reference / "tokenizers"
    if family == "albert":
        tokenizer = bert_tf2.SentencePieceTokenizer(folder / "spiece.model")
    else:
        tokenizer = bert_tf2.BytePairTokenizer(folder / "vocab.json", folder / "merges.txt")
    config = dataclasses.replace(oracle.TINIES[family], vocab_size=tokenizer.vocabulary_size)
    preprocessor = bert_tf2.Preprocessor(tokenizer, 18)
    settings = {"doc_stride": 3, "max_question_len": 5, "top_k": 4}
    task = bert_tf2.QuestionAnswerer(bert_tf2.Encoder(config), preprocessor, **settings)
    arrays = oracle.random_weights({n: v.shape for n, v in task.named_variables().items()})
    for name, variable in task.named_variables().items():
        variable.assign(arrays[name])
    check_search(task, {}, {"longest": 18})


def test_forms_of_questions(qa):
    best = qa.answer_question(QUESTIONS[:2], CONTEXTS[:2])[0][0]
    (one,) = qa.answer_question([QUESTIONS[0]], CONTEXTS[0], top_k=1)
    for found in (one, qa.answer_question(QUESTIONS[0], CONTEXTS[0])[0]):
        assert found.pop("score") == pytest.approx(best["score"], rel=1e-4)
        assert found.items() < best.items()
    forms = [
        {"question": QUESTIONS, "context": CONTEXTS},
        list(zip(QUESTIONS, CONTEXTS, strict=True)),
        tf.data.Dataset.from_tensor_slices({"question": QUESTIONS, "context": CONTEXTS}).batch(4),
    ]
    (want,) = qa.answer((QUESTIONS, CONTEXTS))
    for form in forms:
        (got,) = qa.answer(form)
        np.testing.assert_array_equal(got["answers"], want["answers"])


def test_any_text_is_answered(qa):
    contexts = ["tea " * 25_000, b"\xff\xfe stone \xe2\x82 tea", "\0\u200b", "", "\ud800 tea"]
    answers = [found[0] for found in qa.answer_question(["what"] * 5, contexts)]
    for text, found in zip(contexts, answers, strict=True):
        text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        text = text.replace("\ud800", "\ufffd")  # half a character is one
        assert found["answer"] == text[found["start"] : found["end"]]
        assert 0 <= found["score"] <= 1 + FORWARD
    assert [x["score"] for x in answers[2:4]] == [0, 0]


def test_ids_may_be_padded_on_either_side(qa):
    """Windows of like lengths are computed together, up to the last token of any."""
    real = np.tri(12, 12, dtype="int32")[::-1]  # 12 to 1 tokens
    real[::2] = real[::2, ::-1]
    ids = {"token_ids": np.arange(144).reshape(12, 12) % 15 * real, "padding_mask": real}
    (got,) = qa.answer(ids)
    want = qa(ids).numpy()
    for name, logits in zip(("start_logits", "end_logits"), np.moveaxis(want, 1, 0), strict=True):
        assert_near(got[name][real == 1], logits[real == 1], FORWARD)


def test_from_where_on_no_answer_is_given(qa, tmp_path):
    """As run_squad.py's threshold; a model keeps it, and its SavedModel answers by it."""
    x, how = (QUESTIONS[:4], CONTEXTS[:4]), {"handle_impossible_answer": True}
    odds = qa.predict_nbest(x, **how).null_odds
    for i, own in enumerate(odds[:2]):
        for more, silent in ((1e-3, False), (-1e-3, True)):
            asked = how | {"null_score_diff_threshold": own + more}
            nbest = qa.predict_nbest(x, **asked).predictions
            rows = qa.answer_question(*x, **asked)
            assert [row[0]["answer"] for row in rows] == nbest
            assert (nbest[i] == "") == silent
            shares = [answer["score"] for answer in rows[i]]
            assert shares == sorted(shares, reverse=True)
    task = oracle.tiny_task(bert_tf2.QuestionAnswerer, doc_stride=3, max_question_len=5, **how)
    best = sorted(range(4), key=odds.__getitem__)[0]
    y = [None] * 4
    y[best] = {"text": task.predict_nbest(x, null_score_diff_threshold=99.0).predictions[best]}
    y[best]["answer_start"] = x[1][best].index(y[best]["text"])
    threshold = task.tune_threshold(x, y)
    assert odds[best] < threshold < sorted(odds)[1]
    said = [row["answer"] for row in task.answer_question(*x)]
    assert [bool(text) for text in said] == [i == best for i in range(4)]
    config = task.get_config()
    assert config["null_score_diff_threshold"] == threshold
    task.export(tmp_path / "served")
    served = tf.saved_model.load(tmp_path / "served" / "1").signatures["serving_default"]
    given = served(question=tf.constant(x[0]), context=tf.constant(x[1]))["answers"].numpy()
    assert [row[0].decode() for row in given] == said
    with pytest.raises(TypeError, match="`max_seq_len` is no setting"):
        task.set_asking(max_seq_len=9)
    with pytest.raises(ValueError, match="`doc_stride` must be an int from 1"):
        task.set_asking(doc_stride=0)
    task.set_asking(doc_stride=2, top_k=None, null_score_diff_threshold=np.float32(1.5))
    assert (task.doc_stride, task.top_k) == (2, 1)
    how = {"null_score_diff_threshold": np.float32(1.5), "handle_impossible_answer": np.True_}
    other = bert_tf2.QuestionAnswerer(task.encoder, task.preprocessor, **how)
    for kept in (task, other):  # as files keep them
        threshold, impossible = kept.null_score_diff_threshold, kept.handle_impossible_answer
        assert (type(threshold), threshold, impossible) == (float, 1.5, True)
        assert type(impossible) is bool


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"top_k": 0}, "`top_k` must be an int from 1. Received: 0"),
        ({"handle_impossible_answer": "no"}, "must be True or False. Received: .no."),
        ({"null_score_diff_threshold": math.nan}, "must be a finite number. Received: nan"),
        ({"doc_stride": 2.5}, "`doc_stride` must be an int from 1"),
        ({"max_seq_len": 21}, "at most 20, the preprocessor's"),
        ({"max_seq_len": 4}, "`max_seq_len` must be at least 5, for a token of a question"),
        ({"max_question_len": 17}, "below 17, so that its context has room in rows of 20"),
    ],
)
def test_settings_refused(qa, how, message):
    with pytest.raises(ValueError, match=message):
        qa.answer_question("a", "b", **how)
    how.pop("max_seq_len", None)
    if how:
        with pytest.raises(ValueError, match=message):
            oracle.tiny_task(bert_tf2.QuestionAnswerer, **how)


def test_what_is_no_question(qa, caplog):
    with pytest.raises(TypeError, match="a tuple of two lists of str, or a mapping of `question`"):
        qa.predict(QUESTIONS)
    with pytest.raises(ValueError, match='"google" with `drop_padding=False`'):
        oracle.tiny_task(bert_tf2.QuestionAnswerer, reproduce="google")
    qa.said_what_is_cut = False
    qa.answer_question(["tea " * 9, "tea"], ["stone"] * 2)
    assert "1 of 2 questions are longer than `max_question_len`, 5 tokens" in caplog.text
    assert "`max_length`" not in caplog.text


@pytest.mark.full
def test_heads_of_transformers(tmp_path):
    """A folder that it has written opens with its head, and takes strings."""
    letters = [
        *["<s>", "<pad>", "</s>", "<unk>"],
        *tokenizer_rules.byte_letters().values(),
        "<mask>",
    ]
    letters = json.dumps({letter: i for i, letter in enumerate(letters)})
    wordpiece = {"vocab.txt": "[PAD] [UNK] [CLS] [SEP] [MASK] a b ab ##b".replace(" ", "\n")}
    pairs = {"vocab.json": letters, "merges.txt": "#version: 0.2\n"}
    families = {"Bert": wordpiece, "DistilBert": wordpiece, "Roberta": pairs}
    sizes = {"Roberta": {"vocab_size": 300}}
    jobs = [
        [f"{family}ForQuestionAnswering", sizes.get(family, {}), str(tmp_path / family)]
        for family in families
    ]
    peers.run("transformers", "write_heads.py", jobs)
    for family, files in families.items():
        for name, text in files.items():
            (tmp_path / family / name).write_text(text)
        task = bert_tf2.QuestionAnswerer.from_preset(tmp_path / family)
        assert task.load_report.missing == []
        golden = np.load(tmp_path / family / "golden.npz")
        inputs = {"token_ids": golden["input_ids"], "padding_mask": golden["attention_mask"]}
        inputs["segment_ids"] = np.zeros_like(inputs["token_ids"])
        got, mask = task.predict(inputs, verbose=0), inputs["padding_mask"] == 1
        got = got.transpose(0, 2, 1)
        np.testing.assert_allclose(got[mask], golden["logits"][mask], atol=BACKWARD)
        assert (got[~mask] == -1e4).all()
        found = task.answer_question("ab", "a b ab")
        assert found["answer"] == "a b ab"[found["start"] : found["end"]] != ""


# === The n best answers ===========================================================================


@pytest.mark.full
def test_the_n_best_answers_are_the_likeliest(qa):
    """Of 20 tokens all may begin and end one, so that no better ones are left out."""
    how = {"handle_impossible_answer": True, "max_answer_len": 2}
    found = qa.predict_nbest((QUESTIONS, CONTEXTS), **how)
    want = qa.answer_question(QUESTIONS, CONTEXTS, top_k=80, **how)
    for best, answers, odds in zip(found.nbest, want, found.null_odds, strict=True):
        score = {x["answer"]: x["score"] for x in reversed(answers)}
        texts = sorted(score, key=lambda text: -score[text])
        assert [x["text"] for x in best if x["text"]] == [x for x in texts[:20] if x]
        others = [score[x] for x in texts if x]
        if others:
            assert odds == pytest.approx(np.log(score[""] / others[0]), abs=1e-3)
    assert found.predictions[2] == "" and found.null_odds[2] > 0  # an empty text


def with_vocabulary_of(assets, name, **settings):
    """A task whose ids are those of a folder of references."""
    vocab = assets / "reference" / name / "vocab_uncased.txt"
    if not vocab.is_file():
        vocab = assets / "vocab" / "bert-base-uncased" / "vocab.txt"
    config = dataclasses.replace(oracle.SMALL, vocab_size=30522, max_position_embeddings=384)
    preprocessor = bert_tf2.Preprocessor(bert_tf2.WordPieceTokenizer(vocab), 384, True)
    return bert_tf2.QuestionAnswerer(bert_tf2.Encoder(config), preprocessor, **settings)


def recorded_batches(task, folder, case, name):
    """What `answer(…, windows=True)` gives, with Google's recorded logits in place of ours."""
    found = read_squad(folder / "squad_sample.json")
    how = {"doc_stride": case["doc_stride"], "max_question_len": case["max_query_length"]}
    longest = task.preprocessor.max_length = case["max_seq_length"]
    columns = task.read((found.questions, found.contexts))
    inputs, _, _ = task.prepare(columns, **how)
    raw = json.loads((folder / f"squad_rawresults_{name}.json").read_text("utf-8"))
    start, end = ([row[f"{part}_logits"] for row in raw] for part in ("start", "end"))
    batch = {n: inputs[n].numpy() for n in task.marks} | {"ids": inputs["token_ids"].numpy()}
    assert batch["ids"].shape == (len(raw), longest)
    return found.ids, [batch | {"start": np.array(start), "end": np.array(end)}]


@pytest.mark.full
@pytest.mark.parametrize("name", ["own_fixture", "data"])
def test_files_of_run_squad(assets, name, tmp_path):
    """Equal logits give equal files; by default a text is cut where Google's gives whole words."""
    folder = assets / "reference" / name
    task = with_vocabulary_of(assets, name, reproduce="google", drop_padding=False)
    cases = json.loads((folder / "squad_features.json").read_text("utf-8"))
    compared, size = 0, 20 if name == "own_fixture" else 5
    for key, case in cases.items():
        if case["is_training"]:
            continue
        name = key.removesuffix("_eval")
        ids, batches = recorded_batches(task, folder, case, name)
        logits, tokens, contexts = answer_rows.windows_of(batches)
        texts = answer_rows.as_google(logits, contexts, tokens, task.preprocessor.tokenizer)
        for version in (1, 2):
            found = nbest.nbest(logits, texts, size, 30, version == 2, 0.0, nbest.NONE)
            write_answers(tmp_path, ids, found, overwrite=True)
            begin = f"squad_pred_{name}_v{version}"
            for ours, theirs in (
                ("predictions", "predictions"),
                ("nbest_predictions", "nbest"),
                ("null_odds", "null_odds"),
            ):
                path = folder / f"{begin}_{theirs}.json"
                if path.exists():
                    got = json.loads((tmp_path / f"{ours}.json").read_text())
                    assert_same_json(got, json.loads(path.read_text("utf-8")))
                    compared += 1
            slices = answer_rows.slices(logits, contexts)
            ours = nbest.nbest(logits, slices, size, 30, version == 2)
            for one, other in zip(ours.predictions, found.predictions, strict=True):
                assert one in other or other == nbest.NONE
    assert compared == (15 if "own" in str(folder) else 12)


def assert_same_json(got, want):
    if isinstance(want, dict):
        assert list(got) == list(want)
        for name, value in want.items():
            assert_same_json(got[name], value)
    elif isinstance(want, list):
        assert len(got) == len(want)
        for one, other in zip(got, want, strict=True):
            assert_same_json(one, other)
    else:
        assert got == (pytest.approx(want, rel=1e-12) if isinstance(want, float) else want)


# === Training =====================================================================================


def check_features(task, path, folder, google=False):
    """Ids and targets of each window, of raw text, equal Google's features."""
    found = read_squad(folder / "squad_sample.json")
    for case in json.loads((folder / path).read_text("utf-8")).values():
        if not case["is_training"]:
            continue
        task.preprocessor.max_length = case["max_seq_length"]
        task.preprocessor.pad_to_max_length = True
        task.doc_stride, task.max_question_len = case["doc_stride"], case["max_query_length"]
        columns = task.read((found.questions, found.contexts), found.targets())
        inputs, targets, weights = task.prepare(columns)
        whole = {name: x for name, x in columns.items() if name != "window"}
        for name in whole.keys() - {"window"}:  # a dataset brings questions, not windows
            rows = np.flatnonzero(columns["window"] == 0)
            whole[name] = tf.gather(columns[name], rows)
        for one, other in zip(
            tf.nest.flatten(task.prepare(whole)),
            tf.nest.flatten((inputs, targets, weights)),
            strict=True,
        ):
            np.testing.assert_array_equal(one, other)
        for theirs, ours in (
            ("input_ids", inputs["token_ids"]),
            ("input_mask", inputs["padding_mask"]),
            ("segment_ids", inputs["segment_ids"]),
            ("start_position", targets[:, 0]),
            ("end_position", targets[:, 1]),
        ):
            np.testing.assert_array_equal(ours, [f[theirs] for f in case["features"]], theirs)


@pytest.mark.full
@pytest.mark.parametrize("name", ["own_fixture", "data"])
def test_features_equal_googles(assets, name):
    task, folder = with_vocabulary_of(assets, name), assets / "reference" / name
    check_features(task, "squad_features.json", folder)


ANSWERS = [
    {"text": "kettle", "answer_start": 30},
    (0, 9),
    None,
    {"text": [";"], "answer_start": [9]},
]


def test_targets_and_loss(qa):
    """Each window that holds the answer is taught its tokens, the others [CLS]."""
    columns = qa.read((QUESTIONS, CONTEXTS), ANSWERS, [1, 2, 3, 4])
    inputs, targets, weights = qa.prepare(columns)
    spans = answer_spans(ANSWERS, CONTEXTS, 4)
    assert spans.tolist() == [[30, 36], [0, 9], [-1, -1], [9, 10]]
    row, losses = 0, []
    for index, (question, context) in enumerate(zip(QUESTIONS, CONTEXTS, strict=True)):
        start, end = spans[index]
        found = qa.preprocessor.tokenizer.pieces(context)
        mine = np.sum((found.ends > start) & (found.starts < end))
        for ids, _, places in windows_of(qa, question, context, 20, 3, 5):
            held = [p for p, s, e, _ in places if e > start and s < end]
            want = [held[0], held[-1]] if held and len(held) == mine else [0, 0]
            assert targets[row].numpy().tolist() == want
            assert inputs["token_ids"][row].numpy().tolist()[: len(ids)] == ids
            assert weights[row].numpy().tolist() == [index + 1] * 2
            logits = qa({n: x[row : row + 1, : len(ids)] for n, x in inputs.items()})[0].numpy()
            logits = logits.astype("float64")
            for part, place in zip(logits, want, strict=True):
                losses.append((index + 1) * (np.log(np.exp(part).sum()) - part[place]))
            row += 1
    assert row == len(targets)
    got = qa.evaluate((QUESTIONS, CONTEXTS), ANSWERS, sample_weight=[1, 2, 3, 4], verbose=0)[0]
    assert got == pytest.approx(np.mean(losses), rel=BACKWARD)


def test_a_dataset_and_ids_train_alike(qa):
    (want,) = qa.dataset((QUESTIONS, CONTEXTS), ANSWERS)
    spans = answer_spans(ANSWERS, CONTEXTS, 4)
    ids = {name: x.numpy() for name, x in want.inputs.items()}
    for form in (
        (tf.data.Dataset.from_tensors(((QUESTIONS, CONTEXTS), spans)),),
        (ids, want.targets.numpy()),
    ):
        (got,) = qa.dataset(*form)
        tf.nest.map_structure(np.testing.assert_array_equal, got, want)


@pytest.mark.full
def test_padding_is_left_out_of_the_loss_unless_google_counts_it():
    ids = {"token_ids": [[8, 40, 9, 41, 9, 0, 0]], "padding_mask": [[1] * 5 + [0] * 2]}
    ids = {name: np.array(x, "int32") for name, x in ids.items()}
    ids["segment_ids"] = np.zeros_like(ids["token_ids"])
    short = {name: x[:, :5] for name, x in ids.items()}
    ours = oracle.tiny_task(bert_tf2.QuestionAnswerer)
    theirs = oracle.tiny_task(bert_tf2.QuestionAnswerer, reproduce="google", drop_padding=False)
    losses = [t.evaluate(x, [(3, 3)], verbose=0)[0] for t in (ours, theirs) for x in (ids, short)]
    assert losses[0] == pytest.approx(losses[1], rel=BACKWARD) == losses[3]
    logits = theirs.predict(ids, verbose=0)[0].astype("float64")
    want = np.mean(np.log(np.exp(logits).sum(1)) - logits[:, 3])
    assert losses[2] == pytest.approx(want, rel=BACKWARD) != losses[0]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            {"text": "stone", "answer_start": 0},
            "index 1: the answer 'stone' must stand.*it is at 6",
        ),
        ({"text": "x", "answer_start": 3}, "it is nowhere in it"),
        ({"text": ["a", "b"], "answer_start": [1]}, "index 1: expected equally many"),
        ({"text": "stone"}, "its start, an integer"),
        ((8, 99), "within the context's 12 characters"),
        ((5, 6), "an answer with words"),
        ("stone", "index 1: expected an answer as"),
        ((0.0, 3.0), "expected an answer as"),
        ((0, 1, 2), "expected an answer as"),
    ],
)
def test_answers_refused(qa, answer, message):
    x = (["what", "what"], ["a tea", "a tea stones"])
    with pytest.raises((TypeError, ValueError), match=message):
        qa.read(x, [None, answer])


def test_more_answers_refused(qa):
    with pytest.raises(ValueError, match=r"an answer a question: 2\. Received: 1"):
        qa.read((["a", "b"], ["c", "d"]), [None])
    with pytest.raises(
        ValueError, match=r"index 0: the characters 4 to 5 .* are no answer: no token"
    ):
        qa.evaluate((["a"], ["tea \u200b"]), [(4, 5)], verbose=0)
    with pytest.raises(ValueError, match="first and last token"):
        qa.read({"token_ids": np.ones((1, 4), "int32")}, [(3, 2)])
    with pytest.raises(ValueError, match="4 is no token: rows have 4 of them"):
        qa.evaluate({"token_ids": np.ones((1, 4), "int32")}, [(3, 4)], verbose=0)
