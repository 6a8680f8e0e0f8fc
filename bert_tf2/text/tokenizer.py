"""What all tokenizers share: the vocabulary, special ids, assets, and finding them beside weights.

A tokenizer of a new kind subclasses `Tokenizer` and says in `build` how its files become pieces, in
`clean` and `cut` how texts become ids, in `place` where their pieces stand, and in `join` how
pieces become text.
"""

from pathlib import Path
from typing import ClassVar

import tensorflow as tf

from bert_tf2.files import read_bytes
from bert_tf2.text.added_tokens import AddedToken, AddedTokens, extended
from bert_tf2.text.forms import to_strings
from bert_tf2.text.from_checkpoint import FromCheckpoint
from bert_tf2.text.offsets import Placing, seen
from bert_tf2.weights.tokenizer_source import TokenizerSource


def _id_of(role, what):
    about = f"int, the id of the piece that {what}; a ValueError if the vocabulary has none."
    return property(lambda self: self.token_to_id(self.special_pieces[role]), doc=about)


class Tokenizer(FromCheckpoint, Placing):
    """Strings to piece ids and back; no special pieces are added: see `packing.Preprocessor`.

    It works eagerly, in tf.function and tf.data, and in exported SavedModels.

    Class attributes, which subclasses replace:
        asset_names: for each file that it is made of, the names of `weights.Checkpoint` that it may
            have there; the first is the one it is saved under.
        special_pieces: dict of what a special piece is for to the piece.
        pair_separators: int, how many separators stand between the two texts of a pair.
        second_segment: int, the segment id of the second text.
        families: the families of encoders that usually have it.
        bad_bytes: what becomes of bytes that are no UTF-8, as `unicode_transcode` says.
        settings: the names of the constructor's arguments besides the files and those of all
            kinds, attributes as well; further_settings: those said only if they differ from this.

    Args of all kinds, by name:
        special_pieces: dict, as the attribute, of those that are not the class's.
        pair_separators, second_segment: int, as the attributes, where they are not the class's.
        added_tokens: list of str, dict or `added_tokens.AddedToken`: tokens found in text as a
            whole, before it is cut. The vocabulary has those without an `id`. Default: none.

    Raises:
        ValueError: special pieces for what there is none, or an id or a piece that the vocabulary
            has not; what it is asked before there is a vocabulary.

    Examples:
        >>> tokenizer = bert_tf2.Tokenizer.from_preset("all-MiniLM-L6-v2")  # of the class it needs
        >>> ids = tokenizer(["a b", "c"])  # RaggedTensor (2, pieces)
    """

    asset_names: tuple[tuple[str, ...], ...] = ()
    special_pieces: ClassVar[dict[str, str]] = {
        "pad": "[PAD]",
        "unknown": "[UNK]",
        "cls": "[CLS]",
        "sep": "[SEP]",
        "mask": "[MASK]",
    }
    pair_separators = 1
    second_segment = 1
    families: ClassVar[tuple[str, ...]] = ()
    bad_bytes = "replace"
    settings: ClassVar[tuple[str, ...]] = ()
    further_settings: ClassVar[dict] = {}
    common_settings: ClassVar[tuple[str, ...]] = (
        "special_pieces", "pair_separators", "second_segment", "added_tokens",
    )  # fmt: skip

    def __init__(
        self,
        assets=None,
        special_pieces=None,
        pair_separators=None,
        second_segment=None,
        added_tokens=(),
    ):
        """Args: assets: list of bytes, the files' content as in `asset_names`, or None."""
        self._assets = self._pieces = self._ids = None
        usual = self.special_pieces
        own = {role: p for role, p in (special_pieces or {}).items() if usual.get(role) != p}
        if unknown := set(own) - set(usual):
            raise ValueError(
                f"`special_pieces` must be of {sorted(usual)}. Received: {sorted(unknown)}"
            )
        self.own_special_pieces, self.special_pieces = own, {**usual, **own}
        packing = {"pair_separators": pair_separators, "second_segment": second_segment}
        self._packing = {n: int(v) for n, v in packing.items() if v not in (None, getattr(self, n))}
        for name, value in self._packing.items():
            setattr(self, name, value)
        self._own = 0  # how many pieces the files have
        self.added_tokens = AddedToken.read(added_tokens)
        if assets is not None:
            self._set_assets(assets)

    # ---- what a subclass says ------------------------------------------------------------------

    def build(self, assets):
        """Makes what `tokenize` needs of the files.

        It runs outside of any graph and on the host, so every graph may use the constants made.

        Args:
            assets: list of bytes, in the order of `asset_names`.

        Returns:
            list of str, the pieces by id.
        """
        raise NotImplementedError

    def clean(self, texts):
        """string (B,) -> string (B,): text as it is cut."""
        return texts

    def cut(self, texts):
        """string (B,), cleaned -> int32 RaggedTensor (B, pieces)."""
        raise NotImplementedError

    def join(self, ids):
        """int32 RaggedTensor or Tensor (..., pieces) -> string (...)."""
        raise NotImplementedError

    # ---- strings to ids and back ---------------------------------------------------------------

    @tf.autograph.experimental.do_not_convert  # AutoGraph takes a second, for nothing
    def __call__(self, texts):
        """Piece ids of a batch of texts.

        Args:
            texts: str, list of str, NumPy array of str or string tensor, of shape (B,) or ().

        Returns:
            int32 RaggedTensor (B, pieces), or int32 Tensor (pieces,) for a single string.
        """
        texts = to_strings(texts)
        ids = self.tokenize(tf.reshape(texts, [-1]))
        return ids.values if texts.shape.rank == 0 else ids

    def tokenize(self, texts, cut=None):
        """string (B,) -> int32 RaggedTensor (B, pieces), or what `cut` gives in place of `cut`."""
        self._need_vocabulary()
        raw, cleaned = self._added
        cut = cut or self.cut

        def clean_and_cut(between):
            between = self.clean(between)
            return cleaned.tokenize(between, cut) if cleaned else cut(between)

        if not raw:
            return clean_and_cut(texts)
        texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors=self.bad_bytes)
        return raw.tokenize(texts, clean_and_cut)

    def tokens(self, texts):
        """As `__call__`, with the pieces themselves (string) in place of their ids (int32)."""
        return self.pieces_of(self(texts))

    def detokenize(self, ids):
        """Text of piece ids. What tokenizing dropped, such as case or spaces, does not come back.

        Args:
            ids: int Tensor, RaggedTensor or nested list, of shape (B, pieces) or (pieces,).

        Returns:
            String tensor (B,) or ().
        """
        self._need_vocabulary()
        if not isinstance(ids, (tf.Tensor, tf.RaggedTensor)):
            ids = tf.ragged.constant(ids, dtype=tf.int32)
        return self.join(ids)

    def pieces_of(self, ids):
        """string RaggedTensor or Tensor of the pieces of ids, in the same shape."""
        self._need_vocabulary()
        return tf.gather(self._piece_table, ids)

    # ---- the vocabulary ------------------------------------------------------------------------

    @property
    def has_vocabulary(self):
        """bool, whether a vocabulary was given or loaded."""
        return self._pieces is not None

    @property
    def vocabulary(self):
        """List of str: the pieces by id."""
        return list(self._need_vocabulary())

    @property
    def vocabulary_size(self):
        """int, the number of ids."""
        return len(self._need_vocabulary())

    def token_to_id(self, token):
        """int id of a piece; a ValueError if it is not in the vocabulary."""
        self._need_vocabulary()
        if token not in self._ids:
            raise ValueError(
                f"`token` must be one of the {len(self._ids)} pieces. Received: {token!r}"
            )
        return self._ids[token]

    def id_to_token(self, index):
        """str piece of an id; a ValueError if there is no such id."""
        if not 0 <= index < self.vocabulary_size:
            raise ValueError(f"An id must be in [0, {self.vocabulary_size}). Received: {index}")
        return self._pieces[index]

    pad_token_id = _id_of("pad", "fills rows")
    unknown_token_id = _id_of("unknown", "stands for what has none")
    cls_token_id = _id_of("cls", "begins a row")
    sep_token_id = _id_of("sep", "ends a text")
    mask_token_id = _id_of("mask", "hides a word")

    def _need_vocabulary(self):
        if self._pieces is None:
            names = " and ".join(names[0] for names in self.asset_names)
            raise ValueError(
                f"This {type(self).__name__} has no vocabulary yet. Pass its file, or call "
                f"`load_assets(folder)` with the folder of its {names}."
            )
        return self._pieces

    def _set_assets(self, assets):
        with tf.init_scope(), tf.device("CPU:0"):
            pieces = self.build(assets)
            own = len(pieces)
            pieces, ids = extended(pieces, self.numbered(pieces), self.added_tokens)
            self._piece_table = tf.constant(pieces)
            self._added = [self._finder(ids, cleaned) for cleaned in (False, True)]
        self._assets, self._pieces, self._ids, self._own = assets, pieces, ids, own

    def numbered(self, pieces):
        """dict of piece to id; of equal pieces the last counts, as in Google's `load_vocab`."""
        return {piece: index for index, piece in enumerate(pieces)}

    def needed_pieces(self):
        """list of str, the special pieces that the files must have."""
        added = {token.content for token in self.added_tokens}
        return [p for p in dict.fromkeys(self.special_pieces.values()) if p not in added]

    def added_pieces(self):
        """list of bytes: the pieces that come after those of the files."""
        return [piece.encode() for piece in self._need_vocabulary()[self._own :]]

    def _finder(self, ids, cleaned):
        """The `AddedTokens` that are looked for in cleaned text, or in text as it came; or None."""
        tokens = [t for t in self.added_tokens if t.match and t.normalized == cleaned]
        if not tokens:
            return None
        contents = tf.constant([token.content for token in tokens])
        units = tf.reduce_sum(seen(self.clean(contents), self.shows)[0], 1).numpy()
        contents = (self.clean(contents) if cleaned else contents).numpy().tolist()
        return AddedTokens(tokens, contents, [ids[token.content] for token in tokens], units)

    # ---- saving --------------------------------------------------------------------------------

    def get_config(self):
        """The settings; the vocabulary is an asset, see `save_assets`."""
        values = {name: getattr(self, name) for name in (*self.settings, *self.further_settings)}
        further = self.further_settings
        values = {n: v for n, v in values.items() if n not in further or v != further[n]}
        # Of special pieces that the files have as well nothing need be said.
        added = [t.said() for t in self.added_tokens if t.match or (t.id or 0) >= self._own]
        common = {"special_pieces": self.own_special_pieces, "added_tokens": added}
        return values | self._packing | {name: value for name, value in common.items() if value}

    @classmethod
    def from_config(cls, config):
        """A tokenizer with these settings, waiting for `load_assets`."""
        return cls(**config)

    def files(self):
        """dict of file name to content: those that it was made of, byte for byte."""
        self._need_vocabulary()
        names = [names[0] for names in self.asset_names]
        return dict(zip(names, self._assets, strict=True))

    def source(self):
        """Files and settings as a `weights.TokenizerSource`, for a checkpoint to hold."""
        settings = self.get_config()
        for token in settings.get("added_tokens", ()):
            token["id"] = self._ids[token["content"]]
        return TokenizerSource(self.files(), settings)

    def save_assets(self, folder):
        """Writes the vocabulary's files into a folder."""
        for name, content in self.files().items():
            Path(folder, name).write_bytes(content)

    def load_assets(self, folder):
        """Reads the vocabulary's files from a folder."""
        self._set_assets([read_bytes(Path(folder, names[0])) for names in self.asset_names])
