"""RoBERTa's tokenizer, GPT-2's byte-level byte-pair encoding, as graph operations.

Sources: Sennrich et al. 2016, https://arxiv.org/abs/1508.07909 (merging pairs by rank); Radford et
al. 2019 and openai/gpt-2 `encoder.py` (bytes, and the pattern that cuts words).
"""

from typing import ClassVar

import keras
import tensorflow as tf

from bert_tf2.messages import checked_bool
from bert_tf2.text import offsets
from bert_tf2.text.merging import Merges
from bert_tf2.text.pair_files import PairFiles, read_whole
from bert_tf2.text.tokenizer import Tokenizer

_SPACE = r"\t-\r \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
# GPT-2's pattern less `\s+(?!\S)|`, which `split_words` replaces: RE2 cannot look ahead.
_WORD = rf"'s|'t|'re|'ve|'m|'ll|'d| ?\p{{L}}+| ?\p{{N}}+| ?[^{_SPACE}\p{{L}}\p{{N}}]+|[{_SPACE}]+"
_CUT = b"\xff"  # a byte that no UTF-8 text has, and no pattern matches or crosses


@keras.saving.register_keras_serializable("bert_tf2")
class BytePairTokenizer(Tokenizer):
    """Strings to the piece ids of RoBERTa, equal to GPT-2's `encoder.py`.

    Text is cut into words, each with the space before it, and the bytes of a word are merged in
    pairs, the pair of lowest rank first. Case and white space are kept, and every text has pieces.
    Special pieces are added by `packing.Preprocessor` and never found in text: "<s>" is read as
    "<", "s", ">". Bytes that are not UTF-8 are read as U+FFFD.

        tokenizer = BytePairTokenizer("vocab.json", "merges.txt")
        tokenizer(["The quick brown fox."])  # <tf.RaggedTensor [[133, 2119, 6219, 23602, 4]]>

    Args:
        vocabulary: path of a `vocab.json`, or dict of piece to id; or path of a Hugging Face
            `tokenizer.json`, which holds the merges too. `None` (default) waits for `load_assets`.
        merges: path of a `merges.txt`, or list of "left right" in the order of their rank.
        add_prefix_space: bool, read a text as if a space came before it, so that its first word is
            cut as any other. Default `False`, as in RoBERTa.
        ignore_merges: bool, take a word that is a piece as it is, whatever merging would make of
            it. Default `False`.
        **common: of every tokenizer, see `Tokenizer`.

    Raises:
        ValueError: files of other content, or a vocabulary without a byte, a merge's piece or a
            special piece.

    Examples:
        >>> tokenizer = bert_tf2.BytePairTokenizer("vocab.json", "merges.txt")
        >>> ids = tokenizer(["tea and rain"])  # RaggedTensor (1, pieces)
        >>> tokenizer.detokenize(ids).numpy()
        array([b'tea and rain'], dtype=object)
    """

    asset_names = (("vocab.json",), ("merges.txt",))
    special_pieces: ClassVar[dict[str, str]] = {
        "pad": "<pad>",
        "unknown": "<unk>",
        "cls": "<s>",
        "sep": "</s>",
        "mask": "<mask>",
    }
    families = ("roberta",)
    settings = ("add_prefix_space",)
    further_settings: ClassVar[dict] = {"ignore_merges": False}
    pair_separators = 2
    second_segment = 0

    def __init__(
        self, vocabulary=None, merges=None, add_prefix_space=False, ignore_merges=False, **common
    ):
        assets, said = None, {}
        if vocabulary is not None and merges is None:
            assets, said = read_whole(vocabulary)
        elif vocabulary is not None:
            assets = PairFiles.contents(vocabulary, merges)
        self.add_prefix_space = checked_bool("add_prefix_space", add_prefix_space)
        ignore_merges = checked_bool("ignore_merges", ignore_merges)
        self.ignore_merges = ignore_merges or said.get("ignore_merges", False)
        super().__init__(assets, **common)

    @classmethod
    def settings_of(cls, checkpoint, source):
        """`add_prefix_space`, as the checkpoint says."""
        if source.lowercase and not checkpoint.tokenizer.lowercase:
            raise ValueError(f"{cls.__name__} keeps case: leave out `lowercase`.")
        return super().settings_of(checkpoint, source)

    def build(self, assets):
        """Makes the tables of both files."""
        files = PairFiles(*assets, self.needed_pieces())
        self._spellings = tf.constant(files.spellings)  # bytes by id
        self._merges = Merges(files.byte_ids, files.merges, files.spellings, self.ignore_merges)
        return files.pieces

    def cut(self, texts):
        """string (B,) -> int32 RaggedTensor (B, pieces)."""
        with tf.device("CPU:0"):  # with its strings
            return self._merge(split_words(texts, self.add_prefix_space))

    def place(self, texts):
        """string (B,) -> int32 RaggedTensor (B, pieces, 3), as `offsets.placed`."""
        words = split_words(texts, self.add_prefix_space)
        texts, ids = tf.strings.reduce_join(words, axis=-1), self._merge(words)
        sizes = tf.strings.length(tf.gather(self._spellings, ids.values))
        begins = offsets.row_cumsum(ids.with_values(sizes))
        begins, ends = ids.with_values(begins), ids.with_values(begins + sizes)
        weights = offsets.seen(texts, self.shows)
        return offsets.placed(ids, *offsets.units_of(texts, *weights, begins, ends))

    def _merge(self, words):
        """string RaggedTensor (B, words) -> int32 RaggedTensor (B, pieces)."""
        different, place = tf.unique(words.values, out_idx=tf.int64)
        pieces = tf.gather(self._merges.ids(different), place)  # (all words, pieces)
        return words.with_values(pieces).merge_dims(1, 2)

    def join(self, ids):
        """The bytes of all pieces as text."""
        spellings = tf.concat([self._spellings, self.added_pieces()], 0)
        text = tf.strings.reduce_join(tf.gather(spellings, ids), axis=-1)
        return tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")


def split_words(texts, add_prefix_space=False):
    r"""Cuts texts as GPT-2's pattern does. The words of a text together are the text.

    The last of several white-space characters belongs to the word after them: that is what
    `\s+(?!\S)` does. Where a text ends in white space, all of it is one word.

    Args:
        texts: string tensor (B,).
        add_prefix_space: as for `BytePairTokenizer`.

    Returns:
        string RaggedTensor (B, words), empty words among them.
    """
    texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
    if add_prefix_space:
        texts = tf.strings.regex_replace(texts, r"^([^ ])", r" \1", replace_global=False)
    texts = tf.strings.regex_replace(
        texts, f"([{_SPACE}])([{_SPACE}][^{_SPACE}])", rb"\1" + _CUT + rb"\2"
    )
    texts = tf.strings.regex_replace(texts, _WORD, rb"\0" + _CUT)
    return tf.strings.split(texts, _CUT)
