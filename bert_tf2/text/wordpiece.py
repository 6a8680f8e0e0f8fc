"""The WordPiece tokenizer of BERT, DistilBERT and ELECTRA, as graph operations."""

import keras
import tensorflow as tf

from bert_tf2.text.normalize import UNREACHABLE, normalize
from bert_tf2.text.tokenizer import Tokenizer
from bert_tf2.text.vocabulary import Vocabulary


@keras.saving.register_keras_serializable("bert_tf2")
class WordPieceTokenizer(Tokenizer):
    """Strings to piece ids, equal to `FullTokenizer` of google-research/bert, `tokenization.py`.

    Text is cleaned, split at white space, punctuation and Chinese characters, and each word is cut
    into the longest pieces found, left to right; a word that cannot be cut is "[UNK]". "[CLS]" and
    "[SEP]" are not added: see `packing.Preprocessor`. As in the reference, special pieces are never
    found in text: "[MASK]" is read as "[", "mask", "]".

    It works eagerly, in tf.function and tf.data, and in exported SavedModels, whose readers must
    import tensorflow_text (two of its operations are used).

        tokenizer = WordPieceTokenizer("vocab.txt")
        tokenizer(["unaffable", "a b"])  # <tf.RaggedTensor [[14477, 20961, 3468], [1037, 1038]]>

    Args:
        vocabulary: path of a `vocab.txt`, or list of str whose positions are the ids. `None`
            (default) waits for `load_assets`.
        lowercase: bool, lower-case and strip accents, for uncased models. Default `True`.
        max_word_chars: int in [1, 999]; longer words are "[UNK]". Default 200, as in the reference.

    Raises:
        ValueError: bad `max_word_chars`, or a vocabulary without [PAD], [UNK], [CLS] or [SEP].
    """

    asset_names = (("vocab.txt",),)
    settings = ("lowercase", "max_word_chars")

    def __init__(self, vocabulary=None, lowercase=True, max_word_chars=200):
        if not 1 <= max_word_chars <= 999:  # the repeat count of a regular expression ends at 1000
            raise ValueError(f"`max_word_chars` must be in [1, 999]. Received: {max_word_chars}")
        self.lowercase = bool(lowercase)
        self.max_word_chars = int(max_word_chars)
        super().__init__(None if vocabulary is None else [Vocabulary.read(vocabulary).content])

    @classmethod
    def settings_of(cls, checkpoint, source):
        """What was asked for, or else what the checkpoint says, or else its vocabulary."""
        return super().settings_of(checkpoint, source.with_case())

    def build(self, assets):
        """Makes the matcher of a `vocab.txt`."""
        import tensorflow_text

        vocabulary = Vocabulary(assets[0])
        self._matcher = tensorflow_text.FastWordpieceTokenizer(
            _matchable(vocabulary),
            token_out_type=tf.int32,
            max_bytes_per_word=4 * self.max_word_chars,  # `normalize` counts characters
        )
        return vocabulary.pieces

    def tokenize(self, texts):
        """string (B,) -> int32 RaggedTensor (B, pieces)."""
        return self._matcher.tokenize(normalize(texts, self.lowercase, self.max_word_chars))

    def join(self, ids):
        """Pieces joined by spaces, and "##" pieces to what stands before them."""
        text = tf.strings.reduce_join(self.pieces_of(ids), axis=-1, separator=" ")
        return tf.strings.regex_replace(text, " ##", "")


def _matchable(vocabulary):
    """The pieces, those that cannot occur replaced: the matcher takes no empty or repeated ones.

    Cleaned text holds no white space, no control character and no U+FFFD; of equal pieces the
    last counts.
    """
    return [
        piece if piece not in ("", "##") and vocabulary.ids[piece] == index and not _is_dirty(piece)
        else f"{UNREACHABLE}{index}"
        for index, piece in enumerate(vocabulary.pieces)
    ]  # fmt: skip


def _is_dirty(piece):
    return any(
        char < " " or "\x7f" <= char < "\xa0" or char.isspace() or char == UNREACHABLE
        for char in piece
    )
