"""The SentencePiece tokenizers of ALBERT and XLM-R, as graph operations.

ALBERT's text is cleaned before, and some of its pieces are cut again after: google-research/albert
`tokenization.py`, `preprocess_text` and `encode_pieces`. XLM-R's text goes in as it is, and its ids
are fairseq's, which number the special pieces otherwise than the model file.
"""

from pathlib import Path
from typing import ClassVar

import keras
import tensorflow as tf

from bert_tf2.files import read_bytes
from bert_tf2.messages import checked_bool
from bert_tf2.text import offsets
from bert_tf2.text.normalize import WHITE
from bert_tf2.text.piece_model import UNDERLINE, PieceModel
from bert_tf2.text.pieces_text import clean
from bert_tf2.text.tokenizer import Tokenizer
from bert_tf2.weights.sentencepiece_model import FAIRSEQ

_FAMILIES = ("albert", *FAIRSEQ)

_SPECIAL = {
    "albert": {**Tokenizer.special_pieces, "pad": "<pad>", "unknown": "<unk>"},
    "fairseq": {"pad": "<pad>", "unknown": "<unk>", "cls": "<s>", "sep": "</s>", "mask": "<mask>"},
}


@keras.saving.register_keras_serializable("bert_tf2")
class SentencePieceTokenizer(Tokenizer):
    """Strings to the piece ids of ALBERT or XLM-R.

    Equal to google-research/albert `tokenization.py` (`preprocess_text`, then `encode_ids`), and to
    SentencePiece with fairseq's ids. Where two cuts of a word have the same score, as in "!!!!!!!",
    releases of SentencePiece differ in which they take, and tensorflow_text's is one more.

    Special pieces are added by `packing.Preprocessor`; those that the model file calls control
    symbols, such as "[MASK]", are never found in text. Bytes that are not UTF-8 are dropped.

    Readers of an exported SavedModel must import tensorflow_text, whose operation runs the model;
    the model is in the graph.

        tokenizer = SentencePieceTokenizer("spiece.model")
        tokenizer(["This is a test"])  # <tf.RaggedTensor [[48, 25, 21, 1289]]>

    Args:
        model: path of a SentencePiece model, or its bytes. `None` (default) waits for
            `load_assets`.
        lowercase: bool, ALBERT's lower-casing. Default `True`, as all published ones are trained.
        keep_accents: bool, leave out ALBERT's NFKD and removal of combining marks. Default `False`.
        straighten_quotes: bool, read `` and '' as ", as Hugging Face's ALBERT does and Google's
            does not. Default `False`.
        family: "albert" (default), or "xlm_roberta" or "camembert": fairseq's ids, and text goes to
            SentencePiece as it is, so that the settings before must be left alone.
        split_white_space: bool, take all white space for spaces even where the model does not.
            Default `False`; ALBERT's cleaning does so anyway.
        **common: of every tokenizer, see `Tokenizer`.

    Raises:
        ValueError: no SentencePiece model, one without the family's special pieces, an unknown
            family, or settings that it does not have.

    Examples:
        >>> tokenizer = bert_tf2.SentencePieceTokenizer("spiece.model")
        >>> ids = tokenizer(["tea and rain"])  # RaggedTensor (1, pieces)
        >>> tokenizer.detokenize(ids).numpy()
        array([b'tea and rain'], dtype=object)
    """

    asset_names = (("spiece.model", "sentencepiece.bpe.model"),)
    families = ("albert", *FAIRSEQ)
    bad_bytes = "ignore"
    settings = ("lowercase", "keep_accents", "straighten_quotes", "family")
    further_settings: ClassVar[dict] = {"split_white_space": False}

    def __init__(
        self,
        model=None,
        lowercase=None,
        keep_accents=False,
        straighten_quotes=False,
        family="albert",
        split_white_space=False,
        **common,
    ):
        if family not in _FAMILIES:
            raise ValueError(f"`family` must be one of {_FAMILIES}. Received: {family!r}")
        self.keep_accents = checked_bool("keep_accents", keep_accents)
        self.split_white_space = checked_bool("split_white_space", split_white_space)
        self.straighten_quotes = checked_bool("straighten_quotes", straighten_quotes)
        lowercase = (
            family == "albert" if lowercase is None else checked_bool("lowercase", lowercase)
        )
        if family != "albert" and (lowercase or keep_accents or straighten_quotes):
            raise ValueError(
                "`lowercase`, `keep_accents` and `straighten_quotes` are ALBERT's; "
                f"leave them out for family={family!r}."
            )
        self.family, self.lowercase = family, lowercase
        self.special_pieces = _SPECIAL["albert" if family == "albert" else "fairseq"]
        if family in FAIRSEQ:
            self.asset_names = (("sentencepiece.bpe.model",),)
            self.pair_separators, self.second_segment = 2, 0
        if isinstance(model, (str, Path)):
            model = read_bytes(model)
        super().__init__(None if model is None else [model], **common)

    @classmethod
    def settings_of(cls, checkpoint, source):
        """The family's, and what anyone says of the rest."""
        settings = super().settings_of(checkpoint, source)
        if checkpoint.config.family != "albert" and "sentencepiece.bpe.model" in source.files:
            settings.setdefault("family", "xlm_roberta")
        asked = source.lowercase != checkpoint.tokenizer.lowercase  # and not a folder's name
        if settings.get("family", "albert") != "albert" and not asked:
            settings.pop("lowercase", None)
        return settings

    def build(self, assets):
        """Reads a model file, and numbers its pieces as the family does."""
        model = PieceModel(assets[0])
        self._model = model
        fairseq = FAIRSEQ.get(self.family)
        pieces, rows = _fairseq_ids(model, fairseq) if fairseq else _albert_ids(model)
        if not fairseq:
            self.special_pieces = self.special_pieces | {"unknown": pieces[model.unknown]}
        wanted = self.needed_pieces()
        missing = [piece for piece in wanted if piece not in pieces]
        if missing:
            raise ValueError(
                f"The SentencePiece model must contain {', '.join(wanted)}. Received: "
                f"{len(pieces)} pieces without {', '.join(missing)}. Is it that of an "
                f"{self.family} model?"
            )
        self._ids_of_piece = tf.ragged.constant(rows, tf.int32, ragged_rank=1)
        self._visible = tf.constant([len(piece.replace(UNDERLINE, "")) for piece in pieces])
        return pieces

    def numbered(self, pieces):
        """dict of piece to id: of equal pieces the first counts, but fairseq's mask, the last."""
        ids = {piece: index for index, piece in reversed([*enumerate(pieces)])}
        return ids | ({"<mask>": len(pieces) - 1} if self.family in FAIRSEQ else {})

    def clean(self, texts):
        """string (B,) -> string (B,): ALBERT's cleaning."""
        texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="ignore")
        if self.family != "albert":
            spaced = self.split_white_space
            return tf.strings.regex_replace(texts, WHITE, " ") if spaced else texts
        return clean(texts, self.lowercase, self.keep_accents, self.straighten_quotes)

    def cut(self, texts):
        """string (B,), cleaned -> int32 RaggedTensor (B, pieces)."""
        found = self._model.ids(texts)
        return found.with_values(tf.gather(self._ids_of_piece, found.values)).merge_dims(1, 2)

    def place(self, texts):
        """string (B,), cleaned -> int32 RaggedTensor (B, pieces, 3), as `offsets.placed`."""
        found, begins, ends, total = self._model.located(texts, self._sizes)
        rows = tf.gather(self._ids_of_piece, found.values)  # (P, ids)
        piece = offsets.owners(rows.row_splits)
        begin, size = tf.gather(begins, piece), tf.gather(ends - begins, piece)
        # Each of several ids ends as far from the piece's end as those behind it are long.
        made = offsets.sums(tf.gather(self._visible, rows.values))
        back = tf.gather(tf.gather(made, rows.row_limits()), piece) - made[1:]
        until = tf.maximum(size - back, tf.minimum(size, 1))
        is_first = piece != offsets.before(piece, -1)
        since = tf.where(is_first, 0, tf.maximum(size - back - (made[1:] - made[:-1]), 0))
        ids = found.with_values(rows).merge_dims(1, 2)
        return offsets.placed(ids, begin + since, begin + until, total)

    def shows(self, letters):
        """string (n,), characters -> bool (n,): the model may take more than white for a space."""
        return self._sizes(letters) > 0

    def _sizes(self, letters):
        return tf.where(super().shows(letters), self._model.sizes(letters), 0)

    def settle(self, texts, chars, units, clings):
        """Bytes that are no UTF-8 are dropped; of two quotes that are one, so is the second."""
        is_bad = tf.cond(
            tf.reduce_any(chars.values == 0xFFFD),
            lambda: (
                chars.values
                != tf.strings.unicode_decode(texts, "UTF-8", replacement_char=0xFFFC).values
            ),
            lambda: tf.zeros_like(clings),
        )
        dropped = is_bad
        if self.straighten_quotes:
            place, second = _second_quotes(chars, is_bad)
            quotes = tf.scatter_nd(place[:, tf.newaxis], second, tf.shape(clings, tf.int64))
            dropped, clings = is_bad | quotes, clings | offsets.up_to(place, second, units)
        return tf.where(dropped, 0, units), clings

    def join(self, ids):
        """Pieces joined, where each "▁" is a space."""
        text = tf.strings.reduce_join(self.pieces_of(ids), axis=-1)
        text = tf.strings.regex_replace(text, UNDERLINE, " ")
        return tf.strings.regex_replace(text, "^ ", "")


def _second_quotes(chars, is_bad):
    """int64 and bool (n,): places of characters; the second, fourth, … of some ` or ' in a row."""
    place = tf.where(~is_bad)[:, 0]
    row, char = (tf.gather(v, place) for v in (offsets.owners(chars.row_splits), chars.values))
    begins = (row != offsets.before(row, -1)) | (char != offsets.before(char, -1))
    nth = tf.range(tf.size(place, tf.int64)) - tf.gather(
        tf.where(begins)[:, 0], tf.cumsum(tf.cast(begins, tf.int64)) - 1
    )
    return place, ((char == ord("`")) | (char == ord("'"))) & (nth % 2 == 1)


def _albert_ids(model):
    """-> pieces by id, and for each id of the model the ids that it becomes."""
    rows = [[index] for index in range(len(model.pieces))]
    for index, piece in enumerate(model.pieces):
        if len(piece) > 1 and piece[-1] == "," and piece[-2].isdigit():
            rows[index] = [model.id_of(part) for part in _without_comma(model, piece)]
    return model.pieces, rows


def _without_comma(model, piece):
    """`encode_pieces`: a piece such as "▁2010," is cut again without its comma, which follows."""
    parts = model.cut(piece[:-1].replace(UNDERLINE, ""))
    if not piece.startswith(UNDERLINE) and parts:
        parts[0] = parts[0].removeprefix(UNDERLINE)
    return [part for part in parts if part] + [","]


def _fairseq_ids(model, first):
    """The same with fairseq's numbers: its own pieces, the model's others, "<mask>"."""
    unknown = model.pieces[model.unknown]
    # A "<pad>" of the model's own keeps its number, but is never used.
    others = [p for p in model.pieces if p != unknown and (p == "<pad>" or p not in first)]
    pieces = [*first, *others, "<mask>"]
    ids = {piece: index for index, piece in reversed([*enumerate(pieces)])}
    ids[unknown] = ids["<unk>"]
    return pieces, [[ids[piece]] for piece in model.pieces]
