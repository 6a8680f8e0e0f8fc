"""What all tokenizers share: the vocabulary, special ids, assets, and finding them beside weights.

A tokenizer of a new kind subclasses `Tokenizer` and says in `build` how its files become pieces, in
`tokenize` how texts become ids, and in `join` how pieces become text.
"""

from pathlib import Path
from typing import ClassVar

import tensorflow as tf

from bert_tf2.files import read_bytes
from bert_tf2.text.inputs import to_strings
from bert_tf2.weights.tokenizer_source import TokenizerSource


class Tokenizer:
    """Strings to piece ids and back; no special pieces are added: see `packing.Preprocessor`.

    It works eagerly, in tf.function and tf.data, and in exported SavedModels.

        tokenizer = Tokenizer.from_preset("albert_base_v2")  # of the class that this model needs
        tokenizer(["a b", "c"])                              # <tf.RaggedTensor [[...], [...]]>

    Class attributes, which subclasses replace:
        asset_names: for each file that it is made of, the names of `weights.Checkpoint` that it may
            have there; the first is the one it is saved under.
        special_pieces: dict of what a special piece is for to the piece.
        pair_separators: int, how many separators stand between the two texts of a pair.
        second_segment: int, the segment id of the second text.
        settings: the names of the constructor's arguments besides the files, attributes as well.
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
    settings: ClassVar[tuple[str, ...]] = ()

    def __init__(self, assets=None):
        """Args: assets: list of bytes, the files' content as in `asset_names`, or None."""
        self._assets = self._pieces = self._ids = None
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

    def tokenize(self, texts):
        """string (B,) -> int32 RaggedTensor (B, pieces)."""
        raise NotImplementedError

    def join(self, ids):
        """int32 RaggedTensor or Tensor (..., pieces) -> string (...)."""
        raise NotImplementedError

    # ---- from a checkpoint ---------------------------------------------------------------------

    @classmethod
    def from_preset(cls, preset, **kwargs):
        """The tokenizer of a published checkpoint (registry name) or of a folder.

        Args:
            preset: str or Path.
            **kwargs: settings that replace the checkpoint's, such as `lowercase`.

        Raises:
            ValueError: the checkpoint lacks the tokenizer's files.
        """
        from bert_tf2 import weights

        return cls.from_checkpoint(weights.open_checkpoint(weights.resolve(preset)), **kwargs)

    @classmethod
    def from_checkpoint(cls, checkpoint, lowercase=None, **kwargs):
        """The tokenizer of an opened `weights.Checkpoint`; of `Tokenizer`, the class that fits it.

        Args:
            checkpoint: as from `weights.open_checkpoint`.
            lowercase: bool; None (default) takes the checkpoint's word, or else what the tokenizer
                or its vocabulary says.
            **kwargs: further settings.

        Raises:
            ValueError: the checkpoint lacks the tokenizer's files.
        """
        if cls is Tokenizer:
            from bert_tf2.text.presets import tokenizer_class

            cls = tokenizer_class(checkpoint)
        files = cls.find_assets(checkpoint)
        if files is None:
            raise ValueError(
                f"{cls.__name__} needs a checkpoint with a "
                f"{' and a '.join(' or '.join(names) for names in cls.asset_names)}. "
                f"Received: {checkpoint.path}, without one. Put the file beside the weights, "
                "or build the tokenizer from its path."
            )
        source = checkpoint.tokenizer.with_settings(lowercase=lowercase)
        return cls(*files, **cls.settings_of(checkpoint, source) | kwargs)

    @classmethod
    def find_assets(cls, checkpoint):
        """list of Path to the files of a checkpoint's tokenizer, or None if one is missing."""
        there = checkpoint.tokenizer.files
        found = [next((there[n] for n in names if n in there), None) for names in cls.asset_names]
        return None if None in found else found

    @classmethod
    def settings_of(cls, checkpoint, source):
        """dict of the arguments that a checkpoint decides, with what the caller asked for.

        Args:
            checkpoint: the `weights.Checkpoint`.
            source: its `weights.TokenizerSource`, with the caller's settings.
        """
        return {name: source.settings[name] for name in cls.settings if name in source.settings}

    # ---- strings to ids and back ---------------------------------------------------------------

    @tf.autograph.experimental.do_not_convert  # AutoGraph takes a second, for nothing
    def __call__(self, texts):
        """Piece ids of a batch of texts.

        Args:
            texts: str, list of str, NumPy array of str or string tensor, of shape (B,) or ().

        Returns:
            int32 RaggedTensor (B, pieces), or int32 Tensor (pieces,) for a single string.
        """
        self._need_vocabulary()
        texts = to_strings(texts)
        ids = self.tokenize(tf.reshape(texts, [-1]))
        return ids.values if texts.shape.rank == 0 else ids

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

    @property
    def pad_token_id(self):
        """int, the id of the piece that fills rows."""
        return self.token_to_id(self.special_pieces["pad"])

    @property
    def unknown_token_id(self):
        """int, the id of what has no piece."""
        return self.token_to_id(self.special_pieces["unknown"])

    @property
    def cls_token_id(self):
        """int, the id of the piece that begins a row."""
        return self.token_to_id(self.special_pieces["cls"])

    @property
    def sep_token_id(self):
        """int, the id of the piece that ends a text."""
        return self.token_to_id(self.special_pieces["sep"])

    @property
    def mask_token_id(self):
        """int, the id of the piece that hides a word; a ValueError if the vocabulary has none."""
        return self.token_to_id(self.special_pieces["mask"])

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
            self._piece_table = tf.constant(pieces)
        self._assets, self._pieces = assets, pieces
        # Of equal pieces the last counts, as in the dict of the reference's `load_vocab`.
        self._ids = {piece: index for index, piece in enumerate(pieces)}

    # ---- saving --------------------------------------------------------------------------------

    def get_config(self):
        """The settings; the vocabulary is an asset, see `save_assets`."""
        return {name: getattr(self, name) for name in self.settings}

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
        return TokenizerSource(self.files(), self.get_config())

    def save_assets(self, folder):
        """Writes the vocabulary's files into a folder."""
        for name, content in self.files().items():
            Path(folder, name).write_bytes(content)

    def load_assets(self, folder):
        """Reads the vocabulary's files from a folder."""
        self._set_assets([read_bytes(Path(folder, names[0])) for names in self.asset_names])
