"""Checkpoints with other words: old text is computed as before, new words begin as their pieces."""

import shutil

import numpy as np
import oracle
import pytest
import small_encoders
import tiny_masked_lm

import bert_tf2
from bert_tf2 import weights
from bert_tf2.vocabularies import resizing
from bert_tf2.weights import sentencepiece_model

TEXTS = ["The kettle hums, rain on stone!", "a letter was late", "Zoë's café"]
WORDS = {  # per family: new words, and one that is a piece already
    "bert": ["Kettlestone", "latesteam", "##stone", "letters"],
    "albert": ["Kettlestone", "latesteam"],
    "xlm_roberta": ["Kettlestone", "latesteam"],
}
TOLERANCE = 2e-6


@pytest.fixture(
    scope="module",
    params=["bert", "albert", pytest.param("xlm_roberta", marks=pytest.mark.full)],
)
def saved(request, tmp_path_factory, reference):
    """family, and a folder of a masked language model of it."""
    plain = small_encoders.encoder(request.param, reference)
    mlm = bert_tf2.MaskedLM(plain.encoder, plain.preprocessor)
    mlm.get_layer("mlm").bias.assign(np.random.default_rng(0).normal(size=len(mlm_bias(mlm))))
    folder = tmp_path_factory.mktemp(request.param) / "saved"
    mlm.save_to_preset(folder, "huggingface")
    return request.param, folder


def mlm_bias(mlm):
    return np.array(mlm.get_layer("mlm").bias)


def logits(mlm, texts):
    inputs = mlm.preprocessor(texts)
    positions = np.ones((len(texts), 2), np.int32)
    return inputs, np.array(mlm({**inputs, "masked_positions": positions}))


def opened(folder):
    return bert_tf2.MaskedLM.from_preset(folder)


def test_new_words_begin_as_the_mean_of_their_pieces(saved, tmp_path):
    """And text without them is computed as before."""
    family, folder = saved
    words = WORDS[family]
    result = bert_tf2.extend_vocabulary(folder, tmp_path / "new", words)
    old, new = opened(folder), opened(tmp_path / "new")
    before, after = old.preprocessor.tokenizer, new.preprocessor.tokenizer
    assert (result.before, result.after) == (before.vocabulary_size, after.vocabulary_size)
    assert result.after == result.before + len(result.new)
    assert len(result.new) + len(result.present) == len(words)
    table, bias = (
        [np.array(m.encoder.parts["embeddings"].tables["token"]) for m in (old, new)],
        [mlm_bias(m) for m in (old, new)],
    )
    for piece, parts in result.new.items():
        assert len(parts) > 1 or piece.startswith("##")
        ids = [before.token_to_id(part) for part in parts]
        at = after.token_to_id(piece)
        for x, y in (table, bias):
            np.testing.assert_allclose(y[at], x[ids].mean(0), atol=1e-6)
    for word, piece in zip(words[:2], result.new, strict=False):
        assert after([word]).to_list() == [[after.token_to_id(piece)]]
        assert len(before([word]).to_list()[0]) > 1
    for piece in before.vocabulary:
        x, y = before.token_to_id(piece), after.token_to_id(piece)
        assert x == y or piece == "<mask>"
        np.testing.assert_array_equal(table[0][x], table[1][y])
    (inputs, x), (again, y) = logits(old, TEXTS), logits(new, TEXTS)
    np.testing.assert_array_equal(inputs["token_ids"], again["token_ids"])
    shared = result.before - 1
    np.testing.assert_allclose(x[..., :shared], y[..., :shared], atol=TOLERANCE)


def test_a_pruned_model_computes_the_same(saved, tmp_path):
    """The logits of the pieces that are left."""
    family, folder = saved
    letters = family == "bert"
    old = opened(folder)
    tokenizer = old.preprocessor.tokenizer
    counts = resizing.count_pieces(TEXTS, tokenizer)
    assert sum(counts.values()) == len(tokenizer(TEXTS).values)
    result = bert_tf2.prune_vocabulary(folder, tmp_path / "new", counts, letters)
    assert result.after < result.before
    new = opened(tmp_path / "new")
    after = new.preprocessor.tokenizer
    (inputs, x), (again, y) = logits(old, TEXTS), logits(new, TEXTS)
    assert tokenizer.tokens(TEXTS).to_list() == after.tokens(TEXTS).to_list()
    np.testing.assert_array_equal(inputs["padding_mask"], again["padding_mask"])
    assert ("q" in after.vocabulary) == letters
    kept = [tokenizer.token_to_id(piece) for piece in after.vocabulary]
    assert len(kept) == result.after == y.shape[-1]
    np.testing.assert_allclose(x[..., kept], y, atol=TOLERANCE)


def test_another_format(saved, tmp_path):
    family, folder = saved
    to = "bert_tf2" if family == "xlm_roberta" else "google"
    bert_tf2.extend_vocabulary(folder, tmp_path / "new", WORDS[family][:1], to=to)
    checkpoint = weights.open_checkpoint(tmp_path / "new")
    assert checkpoint.format == to
    tokenizer = bert_tf2.Tokenizer.from_checkpoint(checkpoint)
    assert len(tokenizer(WORDS[family][:1]).values) == 1
    assert checkpoint.config.vocab_size == tokenizer.vocabulary_size


def test_words_that_can_be_no_piece(saved, tmp_path):
    family, folder = saved
    wrong = [["two words"], [" "], *([["half-way"], ["##"]] if family == "bert" else [])]
    for words, said in [([], "must have one at least"), *((w, "must be one word") for w in wrong)]:
        with pytest.raises(ValueError, match=said):
            bert_tf2.extend_vocabulary(folder, tmp_path / "new", words)
    with pytest.raises(ValueError, match="1 others, such as 'no such piece'"):
        bert_tf2.prune_vocabulary(folder, tmp_path / "new", ["no such piece"])
    assert not (tmp_path / "new").exists()


def test_a_generator_has_the_same_words(tmp_path):
    """Its table and the bias of its words have a row for each new one, and lack those pruned."""
    words = tiny_masked_lm.make(oracle.TINIES["electra"])
    task = bert_tf2.ReplacedWords(words.encoder, words.preprocessor)
    task.save_to_preset(tmp_path / "old")
    result = bert_tf2.extend_vocabulary(tmp_path / "old", tmp_path / "new", ["Kettlestone"])
    assert result.warnings == [] and len(result.new) == 1
    kept = bert_tf2.prune_vocabulary(tmp_path / "new", tmp_path / "few", result.new)
    for folder, size in (("new", result.after), ("few", kept.after)):
        again = bert_tf2.ReplacedWords.from_preset(tmp_path / folder)
        variables = again.generator_variables()
        assert {variables[n].shape[0] for n in ("embeddings/token", "mlm/bias")} == {size}
        for name, variable in task.generating.named_variables().items():
            np.testing.assert_array_equal(variables[name], variable)
    weights_of = tmp_path / "few" / "generator"
    shutil.rmtree(weights_of)
    shutil.copytree(tmp_path / "old" / "generator", weights_of)
    with pytest.raises(ValueError, match="generator must have the vocabulary of"):
        bert_tf2.extend_vocabulary(tmp_path / "few", tmp_path / "no", ["teatea"])


def test_byte_pairs_are_refused(tmp_path, reference):
    small_encoders.save_plain(small_encoders.encoder("roberta", reference), tmp_path / "a")
    with pytest.raises(ValueError, match="merged in an order of their own"):
        bert_tf2.extend_vocabulary(tmp_path / "a", tmp_path / "b", ["word"])


def test_unknown_letters_are_told(tmp_path, reference):
    small_encoders.save_plain(small_encoders.encoder("bert", reference), tmp_path / "a")
    result = bert_tf2.extend_vocabulary(tmp_path / "a", tmp_path / "b", ["ꙮꙮ", "teatea"])
    assert result.unknown == ["ꙮꙮ"]
    assert any("8 rows of the token table" in sentence for sentence in result.warnings)


def test_a_model_file_comes_back_as_it_was(reference):
    """Pieces read and written give the bytes of the file that the library wrote."""
    for name in ("spiece.model", "sentencepiece.bpe.model"):
        content = (reference / "tokenizers" / name).read_bytes()
        pieces, rest = sentencepiece_model.read(content)
        assert rest in content
        again = sentencepiece_model.replaced(content, pieces)
        assert sentencepiece_model.read(again) == (pieces, rest)
        assert sentencepiece_model.is_unigram(content)
