"""What WordPieceTokenizer takes, refuses, knows, saves and loads."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import save_file

from bert_tf2.text.wordpiece import WordPieceTokenizer

TEXTS = ["The kettle hums.", "", "Zoë's İ café, 東京!"]
CONFIG = {
    "vocab_size": 1110, "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1,
    "intermediate_size": 8, "max_position_embeddings": 16, "type_vocab_size": 2,
}  # fmt: skip


def test_kinds_of_text(cased):
    expected = cased(["ab", "c"]).to_list()
    for texts in (
        np.array(["ab", "c"]), np.array(["ab", "c"], object), tf.constant(["ab", "c"]),
        [b"ab", b"c"], ("ab", "c"),
    ):  # fmt: skip
        ids = cased(texts)
        assert isinstance(ids, tf.RaggedTensor)
        assert ids.dtype == tf.int32
        assert ids.to_list() == expected
    assert cased("ab").numpy().tolist() == expected[0]
    assert cased([]).shape == (0, None)


@pytest.mark.parametrize(
    "texts", [1, [1, 2], ["a", None], np.array([1.5]), tf.constant([1]), None, {}]
)
def test_not_text(cased, texts):
    with pytest.raises(TypeError, match="Received"):
        cased(texts)


def test_too_many_dimensions(cased):
    with pytest.raises(ValueError, match="a list of 1 lists"):
        cased([["a", "b"]])


def test_special_ids(cased):
    assert cased.id_to_token(cased.cls_token_id) == "[CLS]"
    assert cased.id_to_token(cased.sep_token_id) == "[SEP]"
    assert cased.id_to_token(cased.mask_token_id) == "[MASK]"
    assert cased.unknown_token_id == cased.token_to_id("[UNK]")
    assert cased.pad_token_id == 0
    assert cased.vocabulary_size == len(cased.vocabulary) == 1110
    with pytest.raises(ValueError, match="'no such piece'"):
        cased.token_to_id("no such piece")
    with pytest.raises(ValueError, match="-1"):
        cased.id_to_token(-1)


def test_detokenize(uncased):
    texts = ["unaffable , running", "", "the kettle"]
    assert [t.decode() for t in uncased.detokenize(uncased(texts)).numpy()] == texts
    assert uncased.detokenize(uncased("unaffable")).numpy() == b"unaffable"
    assert uncased.detokenize(uncased(texts).to_list()).numpy().tolist() == [
        text.encode() for text in texts
    ]


def test_serialization(cased, tmp_path):
    text = keras.saving.serialize_keras_object(cased)
    assert "kettle" not in json.dumps(text)
    copy = keras.saving.deserialize_keras_object(json.loads(json.dumps(text)))
    with pytest.raises(ValueError, match="load_assets"):
        copy(["a"])
    cased.save_assets(tmp_path)
    copy.load_assets(tmp_path)
    assert copy(TEXTS).to_list() == cased(TEXTS).to_list()
    assert copy.get_config() == cased.get_config() == {"lowercase": False, "max_word_chars": 200}


@pytest.mark.parametrize(
    ("name", "settings", "lowercase"),
    [("cased", {"do_lower_case": True}, True), ("uncased", {"do_lower_case": False}, False),
     ("cased", {}, False), ("uncased", {}, True)],
)  # fmt: skip
def test_from_preset(reference, tmp_path, name, settings, lowercase):
    """The checkpoint says whether to lower-case; where nothing does, its vocabulary shows it."""
    save_file({"bert.pooler.dense.bias": np.zeros(4, "float32")}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({**CONFIG, "model_type": "bert"}), "utf-8")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")
    with pytest.raises(ValueError, match=r"needs a checkpoint with a vocab\.txt"):
        WordPieceTokenizer.from_preset(tmp_path)
    own = reference / "own_fixture" / f"vocab_{name}.txt"
    (tmp_path / "vocab.txt").write_bytes(own.read_bytes())
    tokenizer = WordPieceTokenizer.from_preset(tmp_path, max_word_chars=50)
    assert tokenizer.get_config() == {"lowercase": lowercase, "max_word_chars": 50}
    assert tokenizer.vocabulary == WordPieceTokenizer(own).vocabulary
    assert not WordPieceTokenizer.from_preset(tmp_path, lowercase=False).lowercase
