"""Scores of pairs, and texts in their order."""

import dataclasses
import json

import keras
import numpy as np
import oracle
import peers
import pytest
import tensorflow as tf
from by_default import by_default
from closeness import FORWARD

import bert_tf2
from bert_tf2 import weights

QUERY = "the kettle?"
TEXTS = ["rain", "The kettle hums.", "", "stone & tea", "tea " * 9]
PAIRS = [(QUERY, text) for text in TEXTS]
ACTS = {"linear": lambda x: x, "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "tanh": np.tanh}


def made(**settings):
    config = oracle.with_dropout(oracle.TINY, 0.0)
    return oracle.tiny_task(bert_tf2.Reranker, config, **settings)


@pytest.fixture(scope="module")
def task():
    return made()


@pytest.fixture(scope="module")
def logits(task):
    """Of each pair alone."""
    return np.array([task(task.preprocessor([pair]))[0, 0] for pair in PAIRS])


def test_scores_are_those_of_each_pair_alone(task, logits):
    got = task.predict(PAIRS, batch_size=2)
    assert (task.activation, got.dtype, got.shape) == ("sigmoid", np.float32, (5,))
    np.testing.assert_allclose(got, ACTS["sigmoid"](logits), atol=FORWARD)
    one = task.predict(PAIRS[1], show_progress_bar=False, num_workers=0)
    np.testing.assert_allclose(one, got[1], atol=FORWARD)
    np.testing.assert_array_equal(task.predict(([QUERY] * 5, TEXTS), batch_size=2), got)
    assert task.predict([]).shape == (0,)


def test_what_is_cut_is_said_once(task, caplog):
    task.said_what_is_cut = False
    for _ in range(2):
        task.rank(QUERY, ["tea " * 40, "tea"])
    assert caplog.text.count("1 of 2 texts are longer than `max_length`, 20 tokens") == 1


def test_ranks(task, logits):
    order = np.argsort(-logits)
    found = task.rank(QUERY, TEXTS, return_documents=True)
    assert [row["corpus_id"] for row in found] == order.tolist()
    assert [row["text"] for row in found] == [TEXTS[i] for i in order]
    assert task.rank(QUERY, TEXTS, top_k=2)[1].keys() == {"corpus_id", "score"}
    assert task.rank(QUERY, []) == []


@pytest.mark.parametrize("way", by_default(["keras", "bert_tf2", "huggingface"], ["huggingface"]))
def test_copies_are_equal(task, tmp_path, way):
    task.activation = "tanh"
    place = tmp_path / "a.keras"
    if way == "keras":
        task.save(place)
        again = keras.saving.load_model(place)
    else:
        task.save_to_preset(place, format=way)
        again = bert_tf2.Reranker.from_preset(place)
    want = task.predict(PAIRS)
    task.activation = "sigmoid"
    assert again.activation == "tanh"
    np.testing.assert_array_equal(again.predict(PAIRS), want)


@pytest.mark.full
def test_saved_model(task, tmp_path):
    served = tf.saved_model.load(task.export(tmp_path / "served")).signatures["serving_default"]
    got = served(text=tf.constant([QUERY] * 5), text_pair=tf.constant(TEXTS))["scores"]
    np.testing.assert_allclose(got[:, 0], task.predict(PAIRS), atol=FORWARD)


PROMPTS = {"prompts": {"web": "stone & ", "none": ""}, "default_prompt_name": "web"}


@pytest.mark.parametrize("way", by_default(["bert_tf2", "huggingface", "keras"], ["huggingface"]))
def test_prompts_stand_before_queries(task, tmp_path, caplog, way):
    """Where they are kept, as in words that are written there."""
    place = tmp_path / "a.keras"
    asked = bert_tf2.Reranker(task.encoder, task.preprocessor, **PROMPTS)
    asked.layers[-1].set_weights(task.layers[-1].get_weights())
    if way == "keras":
        asked.save(place)
        asked = keras.saving.load_model(place)
    else:
        asked.save_to_preset(place, format=way)
        asked = bert_tf2.Reranker.from_preset(place)
        bert_tf2.TextRegressor.from_preset(place)
        assert "a TextRegressor does not: put it there yourself, 'stone & '" in caplog.text
    want = task.predict([("stone & " + QUERY, text) for text in TEXTS])
    plain = task.predict(PAIRS)
    np.testing.assert_allclose(asked.predict(PAIRS), want, atol=FORWARD)
    np.testing.assert_allclose(next(iter(asked.answer(PAIRS, 5)))["score"][0], want[0], atol=1e-6)
    for none in ({"prompt": ""}, {"prompt_name": "none"}):
        np.testing.assert_allclose(asked.predict(PAIRS, **none), plain, atol=FORWARD)
    found = asked.rank(QUERY, TEXTS, prompt="stone & ")
    assert found[0]["score"] == pytest.approx(want.max(), abs=FORWARD)
    assert np.abs(want - plain).max() > 1e-3


WORDS = {
    "new": {"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}},
    "old": {"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"},
    "none": {},
}


@pytest.mark.parametrize("name", by_default(WORDS, ["old"]))
def test_the_activation_that_a_config_says(tmp_path, name):
    base = made()
    folder = base.save_to_preset(tmp_path / "a", format="huggingface")
    values = json.loads((folder / "config.json").read_text())
    del values["sentence_transformers"]
    (folder / "config.json").write_text(json.dumps(values | WORDS[name]))
    again = bert_tf2.Reranker.from_preset(folder)
    assert again.activation == ("linear" if WORDS[name] else "sigmoid")
    assert bert_tf2.TextRegressor.from_preset(folder).load_report.missing == []
    strange = {"sentence_transformers": {"activation_fn": "mine.Snake"}}
    (folder / "config.json").write_text(json.dumps(values | strange))
    with pytest.raises(ValueError, match=r"`activation_fn` must be one of .*mine\.Snake"):
        bert_tf2.Reranker.from_preset(folder)


TOLD = {"model_type": "CrossEncoder", "prompts": {"a": "tea "}, "default_prompt_name": "a"}
SAID = {"activation": "sigmoid"}
# The format of a folder, and what it does not say or says alone -> settings when it is converted.
UNSAID = {
    "a folder without prompts": ("huggingface", None, SAID),
    "a preset without prompts": ("bert_tf2", ["prompts", "default_prompt_name"], SAID),
    "a preset with nothing": ("bert_tf2", ["prompts", "default_prompt_name", "activation"], None),
    "prompts alone": (
        "huggingface",
        TOLD,
        {n: TOLD[n] for n in ("prompts", "default_prompt_name")},
    ),
    "a default of none": ("huggingface", TOLD | {"prompts": {}}, None),
}


@pytest.mark.parametrize("name", UNSAID)
def test_what_a_folder_does_not_say_is_not_needed(task, tmp_path, name):
    """Cross-encoders of others, and older presets, convert; an activation is said where it was."""
    form, words, wanted = UNSAID[name]
    folder = task.save_to_preset(tmp_path / "a", format=form)
    if form == "bert_tf2":
        said = json.loads((folder / "bert_tf2.json").read_text())
        for word in words:
            del said["task"]["settings"][word]
        (folder / "bert_tf2.json").write_text(json.dumps(said))
    elif words:
        config = json.loads((folder / "config.json").read_text())
        del config["sentence_transformers"]
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "config_sentence_transformers.json").write_text(json.dumps(words))
    report = bert_tf2.convert(folder, tmp_path / "b", to="huggingface")
    found = weights.open_checkpoint(tmp_path / "b").task
    assert (found and found["settings"]) == wanted
    if name == "a default of none":
        assert bert_tf2.TextRegressor.from_preset(folder).labels == ["score"]
    else:
        assert report.warnings == []
    if name == "prompts alone":
        again = bert_tf2.Reranker.from_preset(tmp_path / "b")
        np.testing.assert_array_equal(again.predict(PAIRS, prompt=""), task.predict(PAIRS))


def test_an_activation_that_nothing_computes_is_left_out_and_said(task, tmp_path):
    folder = task.save_to_preset(tmp_path / "a", format="huggingface")
    config = json.loads((folder / "config.json").read_text())
    config["sentence_transformers"]["activation_fn"] = "mine.Snake"
    (folder / "config.json").write_text(json.dumps(config))
    (said,) = bert_tf2.convert(folder, tmp_path / "b", to="huggingface").warnings
    assert "its task was left out. config.json: `activation_fn` must be" in said


BAD = {
    "activation": (lambda t: made(activation="softmax"), "`activation` must be one of linear"),
    "single texts": (lambda t: t.predict(TEXTS), "reads pairs"),
    "several": (lambda t: made(labels=["a", "b"]).rank(QUERY, TEXTS), "ranked by one logit"),
    "top": (lambda t: t.rank(QUERY, TEXTS, top_k=-1), "`top_k` must be an int from 1.*: -1"),
    "a prompt": (lambda t: t.predict(PAIRS, prompt_name="x"), "`prompt_name` must be one of"),
    "of one pair": (lambda t: t.predict(PAIRS[1], apply_softmax=True, x=1), "must be False here"),
    "unknown, of one pair": (lambda t: t.predict(PAIRS[1], colour=1), "`colour` is no argument"),
    "a bar": (
        lambda t: t.predict(PAIRS, show_progress_bar=True),
        "must be False here: `verbose=1`",
    ),
    "workers": (lambda t: t.predict(PAIRS, num_workers=2), "must be 0 here: no worker"),
    "softmax": (lambda t: t.rank(QUERY, TEXTS, apply_softmax=True), "must be False here: `scipy"),
    "one text": (lambda t: t.rank(QUERY, "tea"), "`documents` must be a list of str"),
    "training": (lambda t: t.fit(PAIRS, [1, 2, 3, 4, 5]), "not trained"),
}


def test_a_checkpoint_without_a_head_is_refused(task, tmp_path):
    folder = bert_tf2.SentenceEncoder(task.encoder, task.preprocessor).save_to_preset(
        tmp_path / "a"
    )
    with pytest.raises(ValueError, match="has no head of classes"):
        bert_tf2.Reranker.from_preset(folder)
    bert_tf2.Reranker.from_preset(folder, load_weights=False)


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named(task, name):
    call, words = BAD[name]
    with pytest.raises((TypeError, ValueError), match=words):
        call(task)


@pytest.mark.full
@pytest.mark.parametrize(("labels", "more"), [(1, {}), (3, {}), (1, PROMPTS)])
def test_beside_sentence_transformers(tmp_path, labels, more):
    """On what we write, and on what they write of it again."""
    peers.needs("transformers", "sentence_transformers")
    config = dataclasses.replace(oracle.TINY, hidden_act="gelu_erf")
    task = oracle.tiny_task(bert_tf2.Reranker, config, labels=labels, **more)
    folder = task.save_to_preset(tmp_path / "a", format="huggingface")
    texts = list(filter(None, TEXTS))  # an empty one is no second text: see the class
    pairs = [(QUERY, text) for text in texts]
    job = {"folder": str(folder), "pairs": pairs, "made": str(tmp_path / "theirs")}
    scores, ranks = peers.run("transformers", "cross_encoder.py", job)
    for place in (folder, tmp_path / "theirs"):
        again = bert_tf2.Reranker.from_preset(place)
        np.testing.assert_allclose(again.predict(pairs), scores, atol=1e-5)
        if labels == 1:
            found = again.rank(QUERY, texts, top_k=3)
            assert [row["corpus_id"] for row in found] == ranks
