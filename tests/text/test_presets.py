"""Tokenizer.from_preset takes the class that a checkpoint's family and files ask for."""

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import save_file

from bert_tf2 import BytePairTokenizer, SentencePieceTokenizer, Tokenizer, WordPieceTokenizer
from bert_tf2.text.packing import Preprocessor

SIZES = {
    "vocab_size": 1110, "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1,
    "intermediate_size": 8, "max_position_embeddings": 16, "type_vocab_size": 1,
    "embedding_size": 4,
}  # fmt: skip
FAMILIES = {
    "bert": (["vocab.txt"], WordPieceTokenizer, {"lowercase": True, "max_word_chars": 200}),
    "albert": (["spiece.model"], SentencePieceTokenizer, {"family": "albert", "lowercase": True}),
    "roberta": (["vocab.json", "merges.txt"], BytePairTokenizer, {"add_prefix_space": False}),
    "xlm-roberta": (
        ["sentencepiece.bpe.model"],
        SentencePieceTokenizer,
        {"family": "xlm_roberta", "lowercase": False},
    ),
}


@pytest.fixture
def checkpoint(tmp_path, reference):
    """Function (model_type, files, folder in the checkpoint's) -> the checkpoint's folder."""

    def write(model_type, files, inside="", **settings):
        save_file({"pooler.dense.bias": np.zeros(4, "float32")}, tmp_path / "model.safetensors")
        config = SIZES | {"model_type": model_type}
        (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")
        (tmp_path / inside).mkdir(exist_ok=True)
        for source, *names in files:
            place = {"vocab.txt": reference / "own_fixture" / "vocab_uncased.txt"}.get(
                source, reference / "tokenizers" / source
            )
            shutil.copy(place, tmp_path / inside / (names or [source])[0])
        return tmp_path

    return write


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("inside", ["", "assets"])
def test_class_of_each_family(checkpoint, family, inside):
    files, kind, config = FAMILIES[family]
    folder = checkpoint(family, [[file] for file in files], inside)
    tokenizer = Tokenizer.from_preset(folder)
    assert type(tokenizer) is kind
    assert config.items() <= tokenizer.get_config().items()
    assert kind.from_preset(folder).vocabulary == tokenizer.vocabulary


def test_chinese_albert_has_word_pieces(checkpoint):
    assert type(Tokenizer.from_preset(checkpoint("albert", [["vocab.txt"]]))) is WordPieceTokenizer


def test_googles_name_of_the_model(checkpoint):
    tokenizer = Tokenizer.from_preset(checkpoint("albert", [["spiece.model", "30k-clean.model"]]))
    assert tokenizer.mask_token_id == 4


def test_settings_of_the_checkpoint_and_of_the_caller(checkpoint):
    folder = checkpoint("albert", [["spiece.model"]], do_lower_case=False)
    assert not Tokenizer.from_preset(folder).lowercase
    assert Tokenizer.from_preset(folder, lowercase=True, keep_accents=True).keep_accents
    folder = checkpoint("roberta", [["vocab.json"], ["merges.txt"]], add_prefix_space=True)
    assert Tokenizer.from_preset(folder).add_prefix_space
    with pytest.raises(ValueError, match="keeps case"):
        Tokenizer.from_preset(folder, lowercase=True)


def test_a_tokenizer_json_alone(checkpoint, reference):
    folder = checkpoint("roberta", [])
    own = reference / "tokenizers"
    saved = {
        "pre_tokenizer": {"type": "ByteLevel"},
        "model": {
            "type": "BPE",
            "vocab": json.loads((own / "vocab.json").read_text("utf-8")),
            "merges": (own / "merges.txt").read_text("utf-8").split("\n")[1:-1],
        },
    }
    (folder / "tokenizer.json").write_text(json.dumps(saved), "utf-8")
    assert Tokenizer.from_preset(folder).mask_token_id == 800


@pytest.mark.parametrize("family", FAMILIES)
def test_files_that_are_not_there(checkpoint, family):
    files, kind, _ = FAMILIES[family]
    folder = checkpoint(family, [[file] for file in files[1:]])
    with pytest.raises(ValueError, match=f"{kind.__name__} needs a checkpoint with .*{files[0]}"):
        Tokenizer.from_preset(folder)


def test_a_preprocessor_of_a_preset(checkpoint):
    folder = checkpoint("albert", [["spiece.model"]], model_max_length=20)
    assert Preprocessor.from_preset(folder).max_length <= 20
    assert Preprocessor.from_preset(folder, max_length=7)(["a"])["token_ids"].shape == (1, 3)
