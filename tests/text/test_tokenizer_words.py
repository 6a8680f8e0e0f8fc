"""Each word of Hugging Face's tokenizer files is followed, exactly, or refused by name."""

import json
import types
from pathlib import Path

import pytest
import tensorflow as tf

from bert_tf2 import Tokenizer
from bert_tf2.text.packing import Preprocessor
from bert_tf2.weights.tokenizer_words import config_of, find_tokenizer, unsaid

RECORDED = Path(__file__).parents[1] / "reference" / "tokenizer_words" / "cases.json"
ASKED, *CASES = json.loads(RECORDED.read_text("utf-8"))


def opened(folder, files, family="bert"):
    """The tokenizer of a checkpoint that has these files beside its weights."""
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name).write_text(text, "utf-8")
    config = types.SimpleNamespace(family=family)
    checkpoint = types.SimpleNamespace(config=config, tokenizer=find_tokenizer(folder), path=folder)
    return Tokenizer.from_checkpoint(checkpoint)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_followed(case, tmp_path):
    tokenizer = opened(tmp_path, case["files"])
    preprocess = Preprocessor(tokenizer, 200)
    ids = preprocess(ASKED["texts"])
    lengths = ids["padding_mask"].numpy().sum(1)
    received = [row[:n].tolist() for row, n in zip(ids["token_ids"].numpy(), lengths, strict=True)]
    for text, got, want in zip(ASKED["texts"], received, case["ids"], strict=True):
        assert got == want, repr(text)
    first, second = ASKED["pair"]
    assert preprocess(([first], [second]))["token_ids"].numpy()[0].tolist() == case["pair"]


@pytest.mark.full
def test_added_tokens_in_a_saved_model(tmp_path):
    """Another graph finds the same tokens, wherever they are said; the ids are transformers'."""
    names = ("added", "added, stripping", "whole pairs, added")
    cases = [case for case in CASES if case["name"] in names]
    (by_name,) = (case for case in CASES if case["name"] == "added, normalized")  # as in that file
    config = dict(by_name["files"]["tokenizer_config.json"])
    decoder = config.pop("added_tokens_decoder")
    files = {**by_name["files"], "tokenizer_config.json": config}
    files["added_tokens.json"] = {token["content"]: int(i) for i, token in decoder.items()}
    cases.append({"name": "added_tokens.json", "files": files, "ids": by_name["ids"]})
    module = tf.Module()
    for number, case in enumerate(cases):
        (tmp_path / str(number)).mkdir()
        preprocess = Preprocessor(opened(tmp_path / str(number), case["files"]), 200)
        signature = [tf.TensorSpec([None], tf.string)]
        setattr(module, f"ids_{number}", tf.function(preprocess, input_signature=signature))
    tf.saved_model.save(module, str(tmp_path / "saved"))
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    for number, case in enumerate(cases):
        ids = getattr(loaded, f"ids_{number}")(tf.constant(ASKED["texts"]))
        found = tf.ragged.boolean_mask(ids["token_ids"], ids["padding_mask"] == 1)
        assert found.to_list() == case["ids"], case["name"]


WORDS = (Path(RECORDED).parent / "words.txt").read_text("utf-8").split()
VOCABULARY = "".join(f"{word}\n" for word in WORDS)
WHOLE = {case["name"]: case["files"]["tokenizer.json"] for case in CASES if "whole" in case["name"]}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("tokenizer_class", "BertJapaneseTokenizer"),
        ("tokenizer_class", "BertweetTokenizer"),
        ("tokenizer_class", "PhobertTokenizer"),
        ("tokenizer_class", "HerbertTokenizer"),
        ("tokenizer_class", "GPT2Tokenizer"),
        ("tokenizer_class", "DebertaV2Tokenizer"),
        ("do_basic_tokenize", False),
        ("never_split", ["New York"]),
        ("wordpieces_prefix", "@@"),
        ("remove_space", False),
        ("sp_model_kwargs", {"enable_sampling": True}),
        ("split_special_tokens", True),
        ("padding_side", "left"),
        ("truncation_side", "left"),
        ("do_lower_case", "false"),
        ("do_lower_case", 1),
        ("strip_accents", "no"),
        ("auto_map", {"AutoTokenizer": ["x.T", None]}),
        ("added_tokens_decoder", {"80": {"content": "x", "single_word": True}}),
    ],
)  # fmt: skip
def test_refused(word, value, tmp_path):
    """Who needs no tokenizer can use the weights all the same."""
    files = {"vocab.txt": VOCABULARY, "tokenizer_config.json": {word: value}}
    name = "single_word" if word == "added_tokens_decoder" else word
    with pytest.raises(ValueError, match=name) as error:
        opened(tmp_path, files)
    assert len(str(error.value)) <= 600


@pytest.mark.parametrize(
    ("case", "part", "word", "value"),
    [
        ("whole, added", "normalizer", "clean_text", False),
        ("whole, added", "normalizer", "type", "NFKC"),
        ("whole, added", None, "normalizer", {"type": "Lowercase"}),
        ("whole, added", None, "normalizer", None),
        ("whole, added", None, "pre_tokenizer", {"type": "Whitespace"}),
        ("whole, added", None, "pre_tokenizer", None),
        ("whole, added", "model", "continuing_subword_prefix", "@@"),
        ("whole, added", "model", "type", "WordLevel"),
        ("whole, added", None, "post_processor", {"type": "ByteLevel"}),
        ("whole, added", "post_processor", "pair", [{"Sequence": {"id": "A", "type_id": 0}}] * 5),
        ("whole pairs", "model", "dropout", 0.1),
        ("whole pairs", "model", "continuing_subword_prefix", "##"),
        ("whole pairs", "model", "end_of_word_suffix", "</w>"),
        ("whole pairs", "pre_tokenizer", "use_regex", False),
        ("whole pairs", None, "normalizer", {"type": "NFC"}),
        ("whole XLM-R", "model", "byte_fallback", True),
        ("whole XLM-R", None, "normalizer", {"type": "Lowercase"}),
        ("whole XLM-R", None, "pre_tokenizer", {"type": "Metaspace", "replacement": "_"}),
        ("whole XLM-R", None, "pre_tokenizer", {"type": "Metaspace", "prepend_scheme": "never"}),
        ("whole ALBERT", None, "normalizer", {"type": "NFKD"}),
        ("whole ALBERT", None, "normalizer", {"type": "NFC"}),
    ],
)  # fmt: skip
def test_refused_in_a_whole_tokenizer(case, part, word, value, tmp_path):
    whole = json.loads(json.dumps(WHOLE[case]))
    (whole[part] if part else whole)[word] = value
    name = part if word == "type" or part == "post_processor" else word
    name = "Metaspace" if "Metaspace" in str(value) else name
    with pytest.raises(ValueError, match=name) as error:
        opened(tmp_path, {"tokenizer.json": whole})
    assert len(str(error.value)) <= 600


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("clean_up_tokenization_spaces", False), ("errors", "replace"), ("trim_offsets", True),
        ("model_input_names", ["input_ids"]), ("pad_token_type_id", 0), ("stride", 0),
        ("never_split", ["[UNK]"]), ("never_split", None), ("strip_accents", None),
        ("padding_side", "right"), ("name_or_path", "x"), ("model_max_length", 1e30),
    ],
)  # fmt: skip
def test_words_that_change_no_ids(word, value, tmp_path):
    files = {"vocab.txt": VOCABULARY, "tokenizer_config.json": {word: value}}
    assert opened(tmp_path, files)(["tea a"]).to_list() == [[WORDS.index("tea"), WORDS.index("a")]]


KANA = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "か", "が"]


def test_a_vocabulary_with_accents_keeps_them(tmp_path, caplog):
    """Where nothing says the case; where it is said, Google's rule holds, and the loss is said."""
    vocabulary = "".join(f"{word}\n" for word in KANA)
    quiet = opened(tmp_path, {"vocab.txt": vocabulary})
    assert quiet(["か が A"]).to_list() == [[5, 6, 4]]
    assert not caplog.records
    stripping = opened(
        tmp_path, {"vocab.txt": vocabulary, "tokenizer_config.json": {"do_lower_case": True}}
    )
    assert stripping(["か が"]).to_list() == [[5, 5]]
    assert "such as が" in caplog.text


@pytest.mark.parametrize(
    ("name", "lowercase"),
    [
        ("bert-lowercased", None), ("increased", None), ("uncased_L-2", True), ("my_cased", False),
        ("BERT-Base-Uncased", True), ("base-multilingual-cased", False), ("chinese_L-12", True),
    ],
)  # fmt: skip
def test_names_are_read_as_words_and_files_before_them(name, lowercase, tmp_path):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "vocab.txt").write_text(VOCABULARY, "utf-8")
    assert find_tokenizer(folder).lowercase is lowercase
    for said in (True, False):
        whole = json.loads(json.dumps(WHOLE["whole, added"]))
        whole["normalizer"]["lowercase"] = said
        (folder / "tokenizer.json").write_text(json.dumps(whole), "utf-8")
        assert find_tokenizer(folder).lowercase is said


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_written_as_read(case, tmp_path):
    """Hugging Face's words, written from what they were read as; what they lack is told."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first = opened(tmp_path / "a", case["files"])
    source = first.source()
    if unsaid(source, "huggingface") or "word of" in case["name"]:
        return
    written = {"tokenizer_config.json": config_of(source)}
    for name, content in source.files.items():
        (tmp_path / "b" / name).write_bytes(content)
    again = opened(tmp_path / "b", written)
    assert type(again) is type(first)
    assert again(ASKED["texts"]).to_list() == first(ASKED["texts"]).to_list()
