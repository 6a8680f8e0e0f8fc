"""Small encoders of each family on committed vocabularies, and texts that are hard to cut."""

import dataclasses

import oracle

import bert_tf2
from bert_tf2.config import FAMILIES
from bert_tf2.weights.tokenizer_words import MPNET

# Vectors of length 1, or of a sum of some ten such.
NEAR = 1e-5
HARD = [
    *("", " ", "rain", "The kettle hums, rain & more rain; stone on stone! " * 4, "Zoë's İ café"),
    *("東京 ﬁne", "tea\u200b\n\ttea", "stone, stone", "a" * 250, "query: tea", "🙂 umbrella"),
]
PROMPTS = {"prompts": {"query": "query: ", "rain": "Rain or "}, "default_prompt_name": "rain"}
SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 34,
    "hidden_act": "gelu_erf",
}


def preprocessor(family, reference):
    own, cut = reference / "own_fixture" / "vocab_uncased.txt", reference / "tokenizers"
    if family == "roberta":
        tokenizer = bert_tf2.BytePairTokenizer(cut / "vocab.json", cut / "merges.txt")
    elif family == "albert":
        tokenizer = bert_tf2.SentencePieceTokenizer(cut / "spiece.model")
    elif family in ("xlm_roberta", "bert of pieces"):
        model = cut / "sentencepiece.bpe.model"
        tokenizer = bert_tf2.SentencePieceTokenizer(model, family="xlm_roberta")
    else:
        pieces = own.read_text("utf-8")
        more = MPNET if family == "mpnet" else {}
        for role, piece in more.get("special_pieces", {}).items():
            pieces = pieces.replace(f"[{role.upper()}]\n", f"{piece}\n")
        vocabulary = pieces.removesuffix("\n").split("\n")
        tokenizer = bert_tf2.WordPieceTokenizer(vocabulary, lowercase=True, **more)
    return bert_tf2.Preprocessor(tokenizer, 32)


def encoder(family, reference):
    """A plain `SentenceEncoder` of a family, with random weights."""
    texts = preprocessor(family, reference)
    family = family.split(" ")[0]
    # Rows for special pieces that the vocabulary lacks, which transformers adds to it.
    sizes = SIZES | {"vocab_size": texts.tokenizer.vocabulary_size + 8}
    config = bert_tf2.EncoderConfig(family=family, **FAMILIES[family] | sizes)
    config = dataclasses.replace(config, max_position_embeddings=34)
    made, _ = oracle.make_encoder(config)
    return bert_tf2.SentenceEncoder(made, texts)


def save_plain(task, folder):
    """Hugging Face's folder of an encoder and its tokenizer alone."""
    task.save_to_preset(folder, "huggingface")
    for name in ("modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"):
        (folder / name).unlink()
