"""Classes from a few texts each: the head, the pairs before it, copies, and what is refused."""

import json

import numpy as np
import oracle
import pytest
from sklearn.linear_model import LogisticRegression

import bert_tf2

TEXTS = ["rain", "rain and rain", "stone", "stone and stone", "tea", "tea and tea"]
LABELS = ["wet", "wet", "hard", "hard", "hot", "hot"]


def made(labels=None):
    encoder = oracle.tiny_task(bert_tf2.SentenceEncoder, pooling="mean", modules=["normalize"])
    return bert_tf2.FewShotClassifier(encoder, labels)


@pytest.fixture(scope="module")
def plain():
    return made().fit(TEXTS, LABELS, num_iterations=0)


def test_the_plain_head(plain):
    assert plain.labels == ["hard", "hot", "wet"]
    vectors = plain.encoder.encode(TEXTS)
    want = LogisticRegression(tol=1e-9, max_iter=5000).fit(vectors, LABELS).predict_proba(vectors)
    np.testing.assert_allclose(plain.predict_proba(TEXTS), want, atol=1e-4)
    assert plain.predict(TEXTS) == LABELS


def test_other_classes_are_learnt_anew(tmp_path):
    classifier = made().fit(TEXTS, LABELS, num_iterations=0)
    again = bert_tf2.FewShotClassifier.from_preset(classifier.save_to_preset(tmp_path / "a"))
    for one in (classifier, again):
        one.fit(["a", "b"], ["x", "y"], num_iterations=0)
        assert one.labels == ["x", "y"] and one.predict_proba(["a"]).shape == (1, 2)


def test_copies_are_equal(plain, tmp_path):
    folder = plain.save_to_preset(tmp_path / "a")
    again = bert_tf2.FewShotClassifier.from_preset(folder)
    assert again.labels == plain.labels
    np.testing.assert_array_equal(again.predict_proba(TEXTS), plain.predict_proba(TEXTS))
    assert bert_tf2.FewShotClassifier.from_preset(folder, labels=["a", "b"]).coef is None
    head = folder / "few_shot_head.json"
    head.write_text(json.dumps(json.loads(head.read_text()) | {"intercept": [0.0]}))
    with pytest.raises(ValueError, match="`intercept` of 3 numbers"):
        bert_tf2.FewShotClassifier.from_preset(folder)


def test_pairs_bring_classes_together():
    """Before the head: texts of one class are then more alike than others."""
    classifier = made()

    def gap():
        alike = classifier.encoder.similarity(*[classifier.encoder.encode(TEXTS)] * 2)
        same = np.equal.outer(LABELS, LABELS)
        return alike[same].mean() - alike[~same].mean()

    before = gap()
    classifier.fit(TEXTS, LABELS, num_iterations=4, learning_rate=1e-2, epochs=2)
    assert gap() > before + 0.2
    assert classifier.predict(TEXTS) == LABELS


def test_a_template_is_texts_like_others():
    """Names of classes in a sentence are learnt from, as if they had been given."""
    told = [f"about {name}" for name in ("hard", "hot", "wet") for _ in range(2)]
    names = ["hard", "hard", "hot", "hot", "wet", "wet"]
    want = made().fit([*TEXTS, *told], [*LABELS, *names], num_iterations=0)
    got = made().fit(TEXTS, LABELS, num_iterations=0, template="about {}", sample_size=2)
    np.testing.assert_array_equal(got.predict_proba(TEXTS), want.predict_proba(TEXTS))


BAD = {
    "template": (lambda: made().fit(TEXTS, LABELS, template="about"), "one {}.*'about'"),
    "sample_size": (lambda: made().fit(TEXTS, LABELS, template="{}", sample_size=0), "from 1"),
    "label": (lambda: made(["wet", "hot"]).fit(TEXTS, LABELS), "must be of.*Received: 'hard'"),
    "one class": (lambda: made().fit(TEXTS[:2], LABELS[:2]), "labels"),
    "lengths": (lambda: made().fit(TEXTS, LABELS[:4]), "6 and 4"),
    "no label": (lambda: made().fit(["a", "b", "c"], ["x", "y", None]), "must be str or int.*None"),
    "one text": (lambda: made().fit("tea", [*"abc"]), "`texts` must be a list of str"),
    "C": (lambda: made().fit(TEXTS, LABELS, num_iterations=0, C=0), "`C` must be a number above 0"),
    "C as a text": (lambda: made().fit(TEXTS, LABELS, C="1"), "`C` must be a number above 0"),
    "untrained": (lambda: made().predict(TEXTS), "call `fit`"),
    "an encoder": (lambda: bert_tf2.FewShotClassifier("all-MiniLM-L6-v2"), "a SentenceEncoder"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named(name):
    call, words = BAD[name]
    with pytest.raises((ValueError, TypeError), match=words):
        call()
