"""The SentencePiece tokenizers of ALBERT and XLM-R, as graph operations.

ALBERT's text is cleaned before, and some of its pieces are cut again after: google-research/albert
`tokenization.py`, `preprocess_text` and `encode_pieces`. XLM-R's text goes in as it is, and its ids
are fairseq's, which number the special pieces otherwise than the model file.
"""

import functools
from pathlib import Path
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from bert_tf2.files import read_bytes
from bert_tf2.text.normalize import WHITE, update_rows
from bert_tf2.text.pieces_text import clean, edges_of, shorten_runs, strangers
from bert_tf2.text.tokenizer import Tokenizer
from bert_tf2.weights.sentencepiece_model import FAIRSEQ

_UNDERLINE = "▁"  # stands for a space, and begins a word
_FAMILIES = ("albert", *FAIRSEQ)
LONG = 4096  # bytes of a text that is looked through for long runs of unknown characters


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
        if family != "albert" and (lowercase or keep_accents or straighten_quotes):
            raise ValueError(
                "`lowercase`, `keep_accents` and `straighten_quotes` are ALBERT's; "
                f"leave them out for family={family!r}."
            )
        self.family = family
        self.lowercase = family == "albert" if lowercase is None else bool(lowercase)
        self.keep_accents = bool(keep_accents)
        self.split_white_space = bool(split_white_space)
        self.straighten_quotes = bool(straighten_quotes)
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
        model = _Model(assets[0])
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

    def join(self, ids):
        """Pieces joined, where each "▁" is a space."""
        text = tf.strings.reduce_join(self.pieces_of(ids), axis=-1)
        text = tf.strings.regex_replace(text, _UNDERLINE, " ")
        return tf.strings.regex_replace(text, "^ ", "")


class _Model:
    """A SentencePiece model as tensorflow_text runs it.

    Its operation makes a resource, and a function that is exported may hold none that nobody
    tracks. So each graph makes its own, from the model's bytes in the graph.
    """

    def __init__(self, content):
        self._content = content
        try:
            self._eager = self._open(tf.int32)
            size = int(self._eager.vocab_size())
        except tf.errors.OpError as error:
            raise ValueError(
                f"The file must be a SentencePiece model. Received: {len(content)} bytes that "
                "SentencePiece cannot read. Is the file complete?"
            ) from error
        self.pieces = [p.decode("utf-8") for p in self._eager.id_to_string(np.arange(size)).numpy()]

    def _open(self, out_type):
        import tensorflow_text

        return tensorflow_text.SentencepieceTokenizer(self._content, out_type=out_type)

    def ids(self, texts):
        """string (B,) -> int32 RaggedTensor (B, pieces)."""
        # A run of characters that are in no piece is one unknown piece, however long it is, and
        # SentencePiece takes a time that grows with its square: the middle of long ones may go.
        is_long = tf.strings.length(texts) > LONG
        texts = update_rows(texts, is_long, lambda rows: shorten_runs(rows, self._strangers))
        if not tf.executing_eagerly():
            return self._open(tf.int32).tokenize(texts)
        return self._eagerly(lambda opened: opened.tokenize(texts))

    @functools.cached_property
    def _strangers(self):
        """The edges of the ranges of characters that are in no piece; none if it spells bytes."""
        spells_bytes = "<0x00>" in self.pieces
        return edges_of(()) if spells_bytes else strangers(set("".join(self.pieces)))

    def _eagerly(self, call):
        """Calls a function with the opened model; anew where TensorFlow has let go of it.

        It does when a seed is set (`keras.utils.set_random_seed`), with its cache of kernels.
        """
        try:
            return call(self._eager)
        except tf.errors.NotFoundError:
            self._eager = self._open(tf.int32)
            return call(self._eager)

    @functools.cached_property
    def unknown(self):
        """int: the id of whatever is no piece."""
        return self.id_of("")

    def id_of(self, piece):
        """int: the id of a piece, or the unknown one's."""
        return int(self._eagerly(lambda opened: opened.string_to_id(tf.constant(piece))))

    def cut(self, text):
        """list of str: the pieces of a text, unknown characters as they are."""
        return [piece.decode("utf-8") for piece in self._open(tf.string).tokenize(text).numpy()]


def _albert_ids(model):
    """-> pieces by id, and for each id of the model the ids that it becomes."""
    rows = [[index] for index in range(len(model.pieces))]
    for index, piece in enumerate(model.pieces):
        if len(piece) > 1 and piece[-1] == "," and piece[-2].isdigit():
            rows[index] = [model.id_of(part) for part in _without_comma(model, piece)]
    return model.pieces, rows


def _without_comma(model, piece):
    """`encode_pieces`: a piece such as "▁2010," is cut again without its comma, which follows."""
    parts = model.cut(piece[:-1].replace(_UNDERLINE, ""))
    if not piece.startswith(_UNDERLINE) and parts:
        parts[0] = parts[0].removeprefix(_UNDERLINE)
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
