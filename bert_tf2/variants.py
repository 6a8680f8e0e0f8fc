"""The published models' sizes: name -> `EncoderConfig`."""

from bert_tf2.config import EncoderConfig
from bert_tf2.dialects import FAMILIES

# --- BERT: layers, width, heads, vocabulary; the inner width is always 4 D. -----------------------
# https://github.com/google-research/bert, "Pre-trained models".

_UNCASED, _CASED, _MULTI_CASED, _MULTI_UNCASED, _CHINESE = 30522, 28996, 119547, 105879, 21128
_BERT = {
    "uncased_L-12_H-768_A-12": (12, 768, 12, _UNCASED),
    "uncased_L-24_H-1024_A-16": (24, 1024, 16, _UNCASED),
    "cased_L-12_H-768_A-12": (12, 768, 12, _CASED),
    "cased_L-24_H-1024_A-16": (24, 1024, 16, _CASED),
    "wwm_uncased_L-24_H-1024_A-16": (24, 1024, 16, _UNCASED),
    "wwm_cased_L-24_H-1024_A-16": (24, 1024, 16, _CASED),
    "multi_cased_L-12_H-768_A-12": (12, 768, 12, _MULTI_CASED),
    "multilingual_L-12_H-768_A-12": (12, 768, 12, _MULTI_UNCASED),
    "chinese_L-12_H-768_A-12": (12, 768, 12, _CHINESE),
    **{
        f"uncased_L-{layers}_H-{width}_A-{width // 64}": (layers, width, width // 64, _UNCASED)
        for layers in (2, 4, 6, 8, 10, 12)
        for width in (128, 256, 512, 768)
    },
}


def _config(family, layers, width, heads, vocabulary, **values):
    sizes = {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": 4 * width,
    }
    return EncoderConfig(family=family, **FAMILIES[family] | sizes | values)


VARIANTS = {name: _config("bert", *sizes) for name, sizes in _BERT.items()}

# --- ALBERT: layers, width, heads; E is 128. https://github.com/google-research/albert ------------
# Version 1 was trained with dropout, but for xxlarge; version 2 without.

_ALBERT = {
    "base": (12, 768, 12, 30000),
    "large": (24, 1024, 16, 30000),
    "xlarge": (24, 2048, 16, 30000),
    "xxlarge": (12, 4096, 64, 30000),
}
_DROPOUT = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
for _size, _sizes in _ALBERT.items():
    _first = {} if _size == "xxlarge" else _DROPOUT
    VARIANTS[f"albert_{_size}_v1"] = _config("albert", *_sizes, **_first)
    VARIANTS[f"albert_{_size}_v2"] = _config("albert", *_sizes)

# --- DistilBERT, ELECTRA's discriminators, RoBERTa. -----------------------------------------------
# https://huggingface.co/distilbert, https://github.com/google-research/electra, fairseq's roberta

VARIANTS |= {
    "distilbert_base_uncased": _config("distilbert", 6, 768, 12, _UNCASED),
    "distilbert_base_cased": _config("distilbert", 6, 768, 12, _CASED),
    "distilbert_base_multilingual_cased": _config("distilbert", 6, 768, 12, _MULTI_CASED),
    "electra_small": _config("electra", 12, 256, 4, _UNCASED, embedding_size=128),
    "electra_base": _config("electra", 12, 768, 12, _UNCASED),
    "electra_large": _config("electra", 24, 1024, 16, _UNCASED),
    "roberta_base": _config("roberta", 12, 768, 12, 50265),
    "roberta_large": _config("roberta", 24, 1024, 16, 50265),
}
