"""Strings to ids: tokenizers, and the packing of their ids into model inputs.

All kinds of tokenizers are imported, so that `Tokenizer` and Keras find them.
"""

from bert_tf2.text import bytepair, sentencepiece, wordpiece  # noqa: F401
