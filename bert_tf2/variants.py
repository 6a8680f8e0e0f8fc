"""The published models' sizes: name -> `EncoderConfig`."""

from bert_tf2.config import FAMILIES, EncoderConfig


def _config(family, layers, width, heads, vocabulary, **values):
    sizes = {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": 4 * width,
    }
    return EncoderConfig(family=family, **FAMILIES[family] | sizes | values)


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
    "uncased_L-12_H-768_A-12_2020": (12, 768, 12, _UNCASED),
}
VARIANTS = {name: _config("bert", *sizes) for name, sizes in _BERT.items()}

# https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2, config.json
VARIANTS["all-MiniLM-L6-v2"] = _config("bert", 6, 384, 12, _UNCASED, hidden_act="gelu_erf")

# --- ALBERT: layers, width, heads; E is 128. https://github.com/google-research/albert ------------
# Version 1 was trained with dropout, but for xxlarge; version 2 and the Chinese models without.
# The Chinese ones have another activation: albert_config.json of base, and of the others as
# converted in https://huggingface.co/voidful (albert_chinese_large, _xlarge) and
# https://huggingface.co/Tongjilibo/bert4torch_config (albert_chinese_xxlarge).

_ALBERT = {
    "base": (12, 768, 12),
    "large": (24, 1024, 16),
    "xlarge": (24, 2048, 16),
    "xxlarge": (12, 4096, 64),
}
_ALBERT_ZH = {
    "base": (12, 768, 12, 0.02),
    "large": (24, 1024, 16, 0.02),
    "xlarge": (24, 2048, 16, 0.014),
    "xxlarge": (12, 4096, 16, 0.01),
}
_DROPOUT = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
for _size, _sizes in _ALBERT.items():
    _first = {} if _size == "xxlarge" else _DROPOUT
    VARIANTS[f"albert_{_size}_v1"] = _config("albert", *_sizes, 30000, **_first)
    VARIANTS[f"albert_{_size}_v2"] = _config("albert", *_sizes, 30000)
for _size, (*_sizes, _range) in _ALBERT_ZH.items():
    VARIANTS[f"albert_{_size}_zh"] = _config(
        "albert", *_sizes, _CHINESE, hidden_act="relu", initializer_range=_range
    )

# --- DistilBERT: Sanh et al. 2019, section 3; https://huggingface.co/distilbert -------------------

VARIANTS |= {
    "distilbert_base_uncased": _config("distilbert", 6, 768, 12, _UNCASED),
    "distilbert_base_cased": _config("distilbert", 6, 768, 12, _CASED),
    "distilbert_base_multilingual_cased": _config("distilbert", 6, 768, 12, _MULTI_CASED),
}

# --- ELECTRA: https://github.com/google-research/electra ------------------------------------------
# The generators lie in the files of their discriminators. Their widths are the shares of the
# discriminator's in configure_pretraining.py (a quarter; base a third) and, for small, which has
# none, README.md; heads are 64 wide (run_pretraining.py, get_generator_config).

VARIANTS |= {
    "electra_small": _config("electra", 12, 256, 4, _UNCASED, embedding_size=128),
    "electra_base": _config("electra", 12, 768, 12, _UNCASED),
    "electra_large": _config("electra", 24, 1024, 16, _UNCASED),
}
for _size, _layers, _width in (("small", 12, 128), ("base", 12, 768), ("large", 24, 1024)):
    VARIANTS[f"electra_{_size}_generator"] = _config(
        "electra_generator", _layers, 256, 4, _UNCASED, embedding_size=_width
    )

# --- RoBERTa and XLM-R: Liu et al. 2019, section 3; Conneau et al. 2020, section 4 ----------------
# https://huggingface.co/FacebookAI and https://huggingface.co/distilbert/distilroberta-base

_ROBERTA = {
    "roberta_base": ("roberta", 12, 768, 12, 50265),
    "roberta_large": ("roberta", 24, 1024, 16, 50265),
    "roberta_large_mnli": ("roberta", 24, 1024, 16, 50265),
    "distilroberta_base": ("roberta", 6, 768, 12, 50265),
    "xlm_roberta_base": ("xlm_roberta", 12, 768, 12, 250002),
    "xlm_roberta_large": ("xlm_roberta", 24, 1024, 16, 250002),
}
VARIANTS |= {name: _config(*sizes) for name, sizes in _ROBERTA.items()}
