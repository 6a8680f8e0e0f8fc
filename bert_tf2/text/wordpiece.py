"""The WordPiece tokenizer of BERT, DistilBERT and ELECTRA, as graph operations."""

import logging
import re
from typing import ClassVar

import keras
import tensorflow as tf

from bert_tf2.messages import checked_bool, checked_int
from bert_tf2.text import offsets
from bert_tf2.text.normalize import (
    NEW_PUNCTUATION,
    SPACES,
    UNREACHABLE,
    clean,
    limit_words,
    sorted_marks,
    split_words,
)
from bert_tf2.text.tokenizer import Tokenizer
from bert_tf2.text.vocabulary import Vocabulary
from bert_tf2.weights.tokenizer_source import accented
from bert_tf2.weights.tokenizer_words import MPNET

LOGGER = logging.getLogger("bert_tf2")
_NOTES = r"\x{1d15e}-\x{1d164}\x{1d1bb}-\x{1d1c0}"  # they decompose to marks that NFD sorts
_DIRTY = re.compile(rf"[\x00-\x1f\x7f-\x9f\s{UNREACHABLE}]")  # what cleaned text never holds


@keras.saving.register_keras_serializable("bert_tf2")
class WordPieceTokenizer(Tokenizer):
    """Strings to piece ids, equal to `FullTokenizer` of google-research/bert, `tokenization.py`.

    Text is cleaned, split at white space, punctuation and Chinese characters, and each word is cut
    into the longest pieces found, left to right; a word that cannot be cut is "[UNK]". "[CLS]" and
    "[SEP]" are not added: see `packing.Preprocessor`. As in the reference, special pieces are never
    found in text: "[MASK]" is read as "[", "mask", "]".

    It works eagerly, in tf.function and tf.data, and in exported SavedModels, whose readers must
    import tensorflow_text (two of its operations are used).

    Args:
        vocabulary: path of a `vocab.txt`, or list of str whose positions are the ids. `None`
            (default) waits for `load_assets`.
        lowercase: bool, lower-case and strip accents, for uncased models. Default `True`.
        max_word_chars: int in [1, 999]; longer words are "[UNK]". Default 200, as in the reference.
        strip_accents: bool, strip accents, whatever the case. Default: as `lowercase`.
        tokenize_chinese_chars: bool, make a word of each Chinese character. Default `True`.
        **common: of every tokenizer, see `Tokenizer`.

    Raises:
        ValueError: bad `max_word_chars`, or a vocabulary without [PAD], [UNK], [CLS] or [SEP].

    Examples:
        >>> tokenizer = bert_tf2.WordPieceTokenizer("vocab.txt")
        >>> tokenizer(["unaffable", "a b"])  # of BERT's uncased vocabulary
        <tf.RaggedTensor [[14477, 20961, 3468], [1037, 1038]]>
    """

    asset_names = (("vocab.txt",),)
    families = ("bert", "distilbert", "electra", "electra_generator", "mpnet")
    settings = ("lowercase", "max_word_chars")
    further_settings: ClassVar[dict] = {"strip_accents": None, "tokenize_chinese_chars": True}

    def __init__(
        self,
        vocabulary=None,
        lowercase=True,
        max_word_chars=200,
        strip_accents=None,
        tokenize_chinese_chars=True,
        **common,
    ):
        self.max_word_chars = checked_int("max_word_chars", max_word_chars)
        if max_word_chars > 999:  # the repeat count of a regular expression ends at 1000
            raise ValueError(f"`max_word_chars` must be in [1, 999]. Received: {max_word_chars}")
        self.lowercase = checked_bool("lowercase", lowercase)
        if strip_accents is not None:
            strip_accents = checked_bool("strip_accents", strip_accents)
        self.strip_accents = strip_accents
        self.tokenize_chinese_chars = checked_bool("tokenize_chinese_chars", tokenize_chinese_chars)
        # Any special pieces may be missing here: `build` says which are needed.
        assets = None if vocabulary is None else [Vocabulary.read(vocabulary, ()).content]
        super().__init__(assets, **common)

    @classmethod
    def settings_of(cls, checkpoint, source):
        """What was asked for, or else what the checkpoint says, or else its vocabulary."""
        usual = MPNET if checkpoint.config.family == "mpnet" else {}
        source = source.with_case()
        lost = accented(Vocabulary.read(source.files["vocab.txt"], ()).pieces)
        if lost and source.lowercase and source.settings.get("strip_accents") is None:
            LOGGER.warning(
                "Lower-casing strips accents, so that %d pieces of the vocabulary, such as %s, are "
                "never found in text. If the model was trained with them, give "
                "`strip_accents=False`.",
                len(lost),
                ", ".join(lost[:4]),
            )
        return usual | super().settings_of(checkpoint, source)

    def build(self, assets):
        """Makes the matcher of a `vocab.txt`."""
        import tensorflow_text

        vocabulary = Vocabulary(assets[0], self.needed_pieces())
        self._matcher = tensorflow_text.FastWordpieceTokenizer(
            _matchable(vocabulary),
            token_out_type=tf.int32,
            max_bytes_per_word=4 * self.max_word_chars,  # `limit_words` counts characters
            no_pretokenization=not self.tokenize_chinese_chars,  # it would take them apart
            unknown_token=self.special_pieces["unknown"],
        )
        inner = [piece.startswith("##") for piece in vocabulary.pieces]
        sizes = [len(p) - 2 * i for p, i in zip(vocabulary.pieces, inner, strict=True)]
        self._begins_word, self._sizes = ~tf.constant(inner), tf.constant(sizes)  # by id
        return vocabulary.pieces

    def needed_pieces(self):
        """All special pieces but the one that masks: many models never do."""
        return [p for p in super().needed_pieces() if p != self.special_pieces["mask"]]

    def clean(self, texts):
        """string (B,) -> string (B,): `normalize.clean`."""
        chinese, most = self.tokenize_chinese_chars, self.max_word_chars
        return clean(texts, self.lowercase, self._strips, chinese, most)

    def cut(self, texts):
        """string (B,), cleaned -> int32 RaggedTensor (B, pieces)."""
        texts = limit_words(texts, self.max_word_chars)
        if self.tokenize_chinese_chars:
            return self._matcher.tokenize(texts)
        return self._matcher.tokenize(split_words(texts)).merge_dims(1, 2)

    def place(self, texts):
        """string (B,), cleaned -> int32 RaggedTensor (B, pieces, 3), as `offsets.placed`."""
        ids = self.cut(texts)
        known = tf.gather(self._sizes, ids.values)  # (P,)
        is_unknown = ids.values == self.unknown_token_id
        sizes = tf.cond(
            tf.reduce_any(is_unknown),
            lambda: tf.where(is_unknown, self._sizes_of_words(texts, ids), known),
            lambda: known,
        )
        return ids.with_values(tf.stack([ids.values, sizes, sizes], 1))

    def _sizes_of_words(self, texts, ids):
        """int32 (P,): the characters of the word of each piece, where its text has unknown ones."""
        texts = tf.where(tf.reduce_any(ids == self.unknown_token_id, 1), texts, "")
        words = split_words(texts, NEW_PUNCTUATION)
        words = tf.ragged.boolean_mask(words, words != "")
        begins = tf.cast(tf.gather(self._begins_word, ids.values), tf.int32)
        nth = tf.cast(offsets.row_cumsum(ids.with_values(begins)) + begins - 1, tf.int64)
        row = offsets.owners(ids.row_splits)
        first, limit = (tf.gather(at, row) for at in (words.row_starts(), words.row_limits()))
        place = tf.maximum(tf.minimum(first + nth, limit - 1), 0)
        return tf.gather(tf.strings.length(words.values, "UTF8_CHAR"), place)

    def settle(self, texts, chars, units, clings):
        """Marks that NFD may have sorted are as one character, the first of them."""
        if not self._strips:
            return units, clings
        marks = [ord(char) for char in sorted_marks()[1]]
        different, _ = tf.unique(chars.values)
        sorts = tf.reduce_any(different[:, tf.newaxis] == marks)
        return tf.cond(sorts, lambda: _merge_sorted(chars, units, clings), lambda: (units, clings))

    @property
    def _strips(self):
        return self.lowercase if self.strip_accents is None else self.strip_accents

    def join(self, ids):
        """Pieces joined by spaces, and "##" pieces to what stands before them."""
        text = tf.strings.reduce_join(self.pieces_of(ids), axis=-1, separator=" ")
        return tf.strings.regex_replace(text, " ##", "")


def _merge_sorted(chars, units, clings):
    """`settle` where some characters may be such marks."""
    dropped, kept = sorted_marks()
    patterns = SPACES, f"[{dropped}]", f"[{kept}]", f"[{kept}{_NOTES}]"
    white, dropped, sorts, ends = offsets.each(
        chars.values,
        lambda letters: [tf.strings.regex_full_match(letters, p) for p in patterns],
    )
    # Controls are dropped before, and do not keep them apart; nor do other marks of this kind.
    place = tf.where((units > 0) | white | (clings & ~dropped))[:, 0]
    row = tf.gather(offsets.owners(chars.row_splits), place)
    joins = tf.gather(sorts, place) & offsets.before(tf.gather(ends, place), False)
    joins &= row == offsets.before(row, -1)
    group = tf.cumsum(tf.cast(~joins, tf.int32)) - 1
    total = tf.gather(tf.math.segment_sum(tf.gather(units, place), group), group)
    units = tf.tensor_scatter_nd_update(units, place[:, None], tf.where(joins, 0, total))
    return units, clings | offsets.up_to(place, joins, units)


def _matchable(vocabulary):
    """The pieces, those that cannot occur replaced: the matcher takes no empty or repeated ones.

    Cleaned text holds no white space, no control character and no U+FFFD; of equal pieces the
    last counts.
    """
    ids = vocabulary.ids
    return [
        piece if piece not in ("", "##") and ids[piece] == index and not _DIRTY.search(piece)
        else f"{UNREACHABLE}{index}"
        for index, piece in enumerate(vocabulary.pieces)
    ]  # fmt: skip
