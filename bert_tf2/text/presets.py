"""Which tokenizer a checkpoint needs. All are imported, so that Keras finds them in a file."""

from bert_tf2.text.bytepair import BytePairTokenizer
from bert_tf2.text.sentencepiece import SentencePieceTokenizer
from bert_tf2.text.wordpiece import WordPieceTokenizer

# Every other family, and Chinese ALBERT, which comes with a vocab.txt, has WordPiece.
_OWN = {
    "albert": SentencePieceTokenizer,
    "roberta": BytePairTokenizer,
    "xlm_roberta": SentencePieceTokenizer,
}


def tokenizer_class(checkpoint):
    """The class of a checkpoint's tokenizer, by its family and the files that are there.

    Args:
        checkpoint: as from `weights.open_checkpoint`.
    """
    own = _OWN.get(checkpoint.config.family, WordPieceTokenizer)
    for candidate in (own, WordPieceTokenizer):
        if candidate.find_assets(checkpoint) is not None:
            return candidate
    return own  # whose `from_checkpoint` says what is missing


def tokenizer_of(checkpoint, lowercase=None):
    """The tokenizer of a checkpoint; see `Tokenizer.from_checkpoint` for arguments and errors."""
    return tokenizer_class(checkpoint).from_checkpoint(checkpoint, lowercase=lowercase)
