"""A classifier on raw strings, with the tokenizer of each family: trained, saved, exported."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from by_default import by_default
from closeness import FORWARD, assert_near

from bert_tf2 import (
    BytePairTokenizer,
    Encoder,
    EncoderConfig,
    Preprocessor,
    SentencePieceTokenizer,
    TextClassifier,
    convert,
    export_saved_model,
)
from bert_tf2.config import FAMILIES

TEXTS = ["The line is dead again!", "In 2010, order 9, was sent.", "", "Zoë's İ café, 東京 ", "no"]
OTHERS = ["Is it?", "yes", "no", "", "never, as I said  "]
PIECES = ("SentencepieceTokenizeOp", "SentencepieceTokenizeWithOffsetsOp")
TEXT_OPS = {
    "albert": {"NormalizeUTF8", "SentencepieceOp", *PIECES},
    "xlm_roberta": {"SentencepieceOp", *PIECES},
    "roberta": set(),  # tensorflow alone runs it
}
READER = """
import json, sys
import tensorflow as tf
known = __import__("tensorflow.python.framework.op_def_registry", fromlist=["get"]).get
from tensorflow.core.protobuf import saved_model_pb2
with open(sys.argv[1] + "/saved_model.pb", "rb") as file:
    graph = saved_model_pb2.SavedModel.FromString(file.read()).meta_graphs[0].graph_def
nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
functions = {f.signature.name for f in graph.library.function}
foreign = sorted({node.op for node in nodes if known(node.op) is None} - functions)
if foreign:
    import tensorflow_text
model = tf.saved_model.load(sys.argv[1])
texts, others = json.load(sys.stdin)
out = model.signatures["serving_default"](text=tf.constant(texts), text_pair=tf.constant(others))
assert "bert_tf2" not in sys.modules
print(json.dumps([foreign, out["logits"].numpy().tolist()]))
"""


@pytest.fixture(params=["albert", "roberta", pytest.param("xlm_roberta", marks=pytest.mark.full)])
def family(request):
    return request.param


@pytest.fixture
def task(reference, family):
    folder = reference / "tokenizers"
    if family == "roberta":
        tokenizer = BytePairTokenizer(folder / "vocab.json", folder / "merges.txt")
    elif family == "albert":
        tokenizer = SentencePieceTokenizer(folder / "spiece.model")
    else:
        tokenizer = SentencePieceTokenizer(folder / "sentencepiece.bpe.model", family=family)
    sizes = FAMILIES[family] | {
        "vocab_size": tokenizer.vocabulary_size, "hidden_size": 12, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 40,
    }  # fmt: skip
    config = EncoderConfig(family=family, **sizes)
    keras.utils.set_random_seed(1)
    return TextClassifier(Encoder(config), Preprocessor(tokenizer, 24), labels=["a", "b"])


@pytest.mark.parametrize(
    "format", by_default(["bert_tf2", "huggingface", "tfhub"], ["huggingface"])
)
def test_every_format_keeps_the_tokenizer(task, format, tmp_path):
    """Ours by way of a preset, the others by way of `convert`: equal ids, and so equal answers."""
    task.preprocessor.tokenizer.add_prefix_space = True  # of byte pairs alone; others have none
    folder = task.save_to_preset(tmp_path / "preset")
    if format != "bert_tf2":
        convert(folder, tmp_path / "out", to=format)
        convert(tmp_path / "out", tmp_path / "back", to="bert_tf2")
        folder = tmp_path / "back"
    copy = TextClassifier.from_preset(folder, labels=["a", "b"], max_length=24)
    assert copy.preprocessor((TEXTS, OTHERS))["token_ids"].numpy().tolist() == (
        task.preprocessor((TEXTS, OTHERS))["token_ids"].numpy().tolist()
    )
    if format != "tfhub":  # which has no place for the classifier
        np.testing.assert_array_equal(copy.predict(TEXTS), task.predict(TEXTS))


@pytest.mark.full
@pytest.mark.parametrize(
    "family", by_default(["albert", "roberta", "xlm_roberta"], ["roberta"]), indirect=True
)
def test_trains_saves_and_serves(task, family, tmp_path):
    pairs, labels = (TEXTS, OTHERS), ["a", "b", "a", "b", "a"]
    task.fit(pairs, labels, epochs=1, verbose=0)
    expected = task.predict(pairs, verbose=0)
    assert np.isfinite(expected).all()
    assert len(np.unique(expected[:, 0])) == len(TEXTS)

    task.save(tmp_path / "task.keras")
    copy = keras.saving.load_model(tmp_path / "task.keras")
    assert_near(copy.predict(pairs, verbose=0), expected, FORWARD)
    tokenizer = copy.preprocessor.tokenizer
    assert type(tokenizer) is type(task.preprocessor.tokenizer)
    assert tokenizer.get_config() == task.preprocessor.tokenizer.get_config()

    folder = export_saved_model(copy, tmp_path / "served")
    done = subprocess.run(
        [sys.executable, "-I", "-c", READER, str(folder)],
        input=json.dumps(pairs), capture_output=True, text=True, cwd=folder, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    foreign, logits = json.loads(done.stdout.splitlines()[-1])
    assert set(foreign) == TEXT_OPS[family]
    assert_near(logits, expected, FORWARD)
