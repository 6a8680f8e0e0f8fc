"""The second tasks of pretraining, from raw documents: they are learnt, and every label counts."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_masked_lm
from by_default import by_default

from bert_tf2 import Encoder, EncoderConfig, MaskedLM, Preprocessor, WordPieceTokenizer
from bert_tf2.config import FAMILIES

WORDS = [f"w{i}" for i in range(40)]
TOKENIZER = WordPieceTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])
SIZES = {
    "vocab_size": TOKENIZER.vocabulary_size,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 16,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}


def documents(objective, count=200):
    """Texts whose order can be told: each has its own words for "nsp", each sentence for "sop"."""
    generator, found = np.random.default_rng(0), []
    for _ in range(count):
        topic = 2 * generator.integers(20)
        sentences = []
        for sentence in range(4):
            begin, kinds = (topic, 2) if objective == "nsp" else (10 * sentence, 10)
            chosen = generator.integers(begin, begin + kinds, 3)
            sentences.append(" ".join(WORDS[i] for i in chosen))
        found.append("\n".join(sentences))
    return found


def learnt(family, objective):
    keras.utils.set_random_seed(2)
    more = {"embedding_size": None} if family == "albert" else {}
    config = EncoderConfig(family=family, **FAMILIES[family] | SIZES | more)
    task = MaskedLM(Encoder(config), Preprocessor(TOKENIZER, 16), second_task=objective)
    task.compile({"learning_rate": 3e-3})
    texts = documents(objective)
    task.fit(texts, batch_size=32, epochs=40 if objective == "nsp" else 15, verbose=0)
    return task.evaluate(texts, verbose=0, return_dict=True)


@pytest.mark.full
@pytest.mark.parametrize(("family", "objective"), [("bert", "nsp"), ("albert", "sop")])
def test_order_is_learnt_where_it_can_be_told(family, objective):
    """A second half from another document of the same topic cannot be told: one in forty."""
    assert learnt(family, objective)[f"{objective}_accuracy"] > 0.9


@pytest.mark.parametrize("label", by_default([0, 1], [0]))
def test_no_label_of_the_second_task_is_passed_over(label):
    """A loss of both tasks that ignores the padding's 0 would ignore every "yes" as well."""
    inputs, targets = tiny_masked_lm.records()
    task = tiny_masked_lm.make(second_task="nsp")
    labels = np.full(6, label, "int32")
    got = task.evaluate(
        inputs, targets | {"next_sentence_labels": labels}, verbose=0, return_dict=True
    )
    logits = np.asarray(task(inputs)["nsp"], "float64")
    want = np.log(np.exp(logits).sum(1)) - logits[:, label]
    assert got["nsp_loss"] == pytest.approx(want.mean(), rel=1e-5)
    task.compile(keras.optimizers.SGD(1.0))
    before = task.get_layer("nsp").bias.numpy()
    one = tf.data.Dataset.from_tensors((inputs, targets | {"next_sentence_labels": labels}))
    task.fit(one, epochs=1, verbose=0)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    slope = (shares - np.eye(2)[labels]).mean(0)
    np.testing.assert_allclose(before - task.get_layer("nsp").bias, slope, atol=1e-5)
