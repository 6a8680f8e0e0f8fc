"""Presets and `.keras` files that release 0.1.0 wrote open, and answer as they did there."""

import json

import keras
import numpy as np
import pytest
from closeness import FORWARD

from bert_tf2 import Encoder, MaskedLM, TextClassifier, Tokenizer


@pytest.fixture(scope="module")
def release(reference):
    folder = reference / "release_0.1.0"
    return folder, json.loads((folder / "answers.json").read_text("utf-8"))


def states(encoder):
    return encoder({"token_ids": [[0, 5, 6, 2, 1]]})["sequence_output"]


def test_presets(release):
    folder, answers = release
    classifier = TextClassifier.from_preset(folder / "classifier")
    assert (classifier.labels, classifier.preprocessor.max_length) == (["tea", "stone", "rain"], 12)
    got = classifier.predict(answers["texts"], verbose=0)
    np.testing.assert_allclose(got, answers["classifier"], atol=FORWARD)
    masked = MaskedLM.from_preset(folder / "masked_lm")
    np.testing.assert_allclose(states(masked.encoder), answers["masked_lm"], atol=FORWARD)
    np.testing.assert_allclose(
        states(Encoder.from_preset(folder / "masked_lm")), answers["masked_lm"], atol=FORWARD
    )
    tokenizer = Tokenizer.from_preset(folder / "masked_lm")
    assert tokenizer(answers["texts"]).to_list() == answers["ids"]
    assert tokenizer.add_prefix_space


def test_keras_files(release):
    folder, answers = release
    classifier = keras.saving.load_model(folder / "classifier.keras")
    got = classifier.predict(answers["texts"], verbose=0)
    np.testing.assert_allclose(got, answers["classifier"], atol=FORWARD)
    assert int(classifier.optimizer.iterations.numpy()) == 2
    masked = keras.saving.load_model(folder / "masked_lm.keras")
    np.testing.assert_allclose(states(masked.encoder), answers["masked_lm"], atol=FORWARD)
    assert masked.preprocessor.tokenizer(answers["texts"]).to_list() == answers["ids"]
