"""What tests of corpora share."""

import corpora
import pytest

from bert_tf2 import WordPieceTokenizer


@pytest.fixture(scope="session")
def tokenizer():
    return WordPieceTokenizer(corpora.PIECES)
