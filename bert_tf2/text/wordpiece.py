"""The WordPiece tokenizer of BERT, DistilBERT and ELECTRA, as graph operations."""

from pathlib import Path

import keras
import tensorflow as tf

from bert_tf2.text.inputs import to_strings
from bert_tf2.text.normalize import UNREACHABLE, normalize
from bert_tf2.text.vocabulary import Vocabulary

_VOCABULARY_FILE = "vocab.txt"


@keras.saving.register_keras_serializable("bert_tf2")
class WordPieceTokenizer:
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

    def __init__(self, vocabulary=None, lowercase=True, max_word_chars=200):
        if not 1 <= max_word_chars <= 999:  # the repeat count of a regular expression ends at 1000
            raise ValueError(f"`max_word_chars` must be in [1, 999]. Received: {max_word_chars}")
        self.lowercase = bool(lowercase)
        self.max_word_chars = int(max_word_chars)
        self._vocabulary = None
        if vocabulary is not None:
            self._set_vocabulary(Vocabulary.read(vocabulary))

    @classmethod
    def from_preset(cls, preset, **kwargs):
        """The tokenizer of a published checkpoint (registry name) or of a folder.

        Args:
            preset: str or Path.
            **kwargs: settings that replace the checkpoint's, such as `lowercase`.

        Raises:
            ValueError: the checkpoint has no `vocab.txt`.
        """
        from bert_tf2 import weights

        return cls.from_checkpoint(weights.open_checkpoint(weights.resolve(preset)), **kwargs)

    @classmethod
    def from_checkpoint(cls, checkpoint, lowercase=None, **kwargs):
        """The tokenizer of an opened `weights.Checkpoint`.

        Args:
            checkpoint: as from `weights.open_checkpoint`.
            lowercase: bool; None (default) takes the checkpoint's word, or else the vocabulary's.
            **kwargs: further settings.

        Raises:
            ValueError: the checkpoint has no `vocab.txt`.
        """
        if checkpoint.vocab_file is None:
            raise ValueError(
                f"{cls.__name__} needs a checkpoint with a {_VOCABULARY_FILE}. "
                f"Received: {checkpoint.path}, without one. Put the file beside the weights, "
                "or build the tokenizer from its path."
            )
        if lowercase is None:
            lowercase = checkpoint.lowercase
        if lowercase is None:
            lowercase = Vocabulary.read(checkpoint.vocab_file).is_lowercase()
        return cls(checkpoint.vocab_file, lowercase=lowercase, **kwargs)

    # ---- strings to ids and back ---------------------------------------------------------------

    def __call__(self, texts):
        """Piece ids of a batch of texts.

        Args:
            texts: str, list of str, NumPy array of str or string tensor, of shape (B,) or ().

        Returns:
            int32 RaggedTensor (B, pieces), or int32 Tensor (pieces,) for a single string.
        """
        self._need_vocabulary()
        texts = to_strings(texts)
        batch = normalize(tf.reshape(texts, [-1]), self.lowercase, self.max_word_chars)
        ids = self._matcher.tokenize(batch)
        return ids.values if texts.shape.rank == 0 else ids

    def tokens(self, texts):
        """As `__call__`, with the pieces themselves (string) in place of their ids (int32)."""
        return tf.gather(self._pieces_of_known(), self(texts))

    def detokenize(self, ids):
        """Text of piece ids: pieces joined by spaces, and "##" pieces to what stands before them.

        Case, accents and white space that tokenizing dropped do not come back.

        Args:
            ids: int Tensor, RaggedTensor or nested list, of shape (B, pieces) or (pieces,).

        Returns:
            String tensor (B,) or ().
        """
        if not isinstance(ids, (tf.Tensor, tf.RaggedTensor)):
            ids = tf.ragged.constant(ids, dtype=tf.int32)
        pieces = tf.gather(self._pieces_of_known(), ids)
        text = tf.strings.reduce_join(pieces, axis=-1, separator=" ")
        return tf.strings.regex_replace(text, " ##", "")

    # ---- the vocabulary ------------------------------------------------------------------------

    @property
    def has_vocabulary(self):
        """bool, whether a vocabulary was given or loaded."""
        return self._vocabulary is not None

    @property
    def vocabulary(self):
        """List of str: the pieces by id."""
        return list(self._need_vocabulary().pieces)

    @property
    def vocabulary_size(self):
        """int, the number of ids."""
        return len(self._need_vocabulary().pieces)

    def token_to_id(self, token):
        """int id of a piece; a ValueError if it is not in the vocabulary."""
        ids = self._need_vocabulary().ids
        if token not in ids:
            raise ValueError(f"`token` must be one of the {len(ids)} pieces. Received: {token!r}")
        return ids[token]

    def id_to_token(self, index):
        """str piece of an id; a ValueError if there is no such id."""
        if not 0 <= index < self.vocabulary_size:
            raise ValueError(f"An id must be in [0, {self.vocabulary_size}). Received: {index}")
        return self._need_vocabulary().pieces[index]

    @property
    def pad_token_id(self):
        """int, the id of "[PAD]"."""
        return self.token_to_id("[PAD]")

    @property
    def unknown_token_id(self):
        """int, the id of "[UNK]"."""
        return self.token_to_id("[UNK]")

    @property
    def cls_token_id(self):
        """int, the id of "[CLS]"."""
        return self.token_to_id("[CLS]")

    @property
    def sep_token_id(self):
        """int, the id of "[SEP]"."""
        return self.token_to_id("[SEP]")

    @property
    def mask_token_id(self):
        """int, the id of "[MASK]"; a ValueError if the vocabulary has none."""
        return self.token_to_id("[MASK]")

    def _need_vocabulary(self):
        if self._vocabulary is None:
            raise ValueError(
                f"This {type(self).__name__} has no vocabulary yet. Pass `vocabulary=`, or call "
                f"`load_assets(folder)` with the folder of its {_VOCABULARY_FILE}."
            )
        return self._vocabulary

    def _pieces_of_known(self):
        self._need_vocabulary()
        return self._piece_table

    def _set_vocabulary(self, vocabulary):
        import tensorflow_text

        # Constants are made outside of any graph, so that every graph may use them, and on the
        # host, where string operations run.
        with tf.init_scope(), tf.device("CPU:0"):
            self._piece_table = tf.constant(vocabulary.pieces)
            self._matcher = tensorflow_text.FastWordpieceTokenizer(
                _matchable(vocabulary),
                token_out_type=tf.int32,
                max_bytes_per_word=4 * self.max_word_chars,  # `normalize` counts characters
            )
        self._vocabulary = vocabulary

    # ---- saving --------------------------------------------------------------------------------

    def get_config(self):
        """The settings; the vocabulary is an asset, see `save_assets`."""
        return {"lowercase": self.lowercase, "max_word_chars": self.max_word_chars}

    @classmethod
    def from_config(cls, config):
        """A tokenizer with these settings, waiting for `load_assets`."""
        return cls(**config)

    def save_assets(self, folder):
        """Writes `vocab.txt` into a folder, byte for byte the file that was read."""
        Path(folder, _VOCABULARY_FILE).write_bytes(self._need_vocabulary().content)

    def files(self):
        """dict of file name to content, as `save_assets` writes them."""
        return {_VOCABULARY_FILE: self._need_vocabulary().content}

    def load_assets(self, folder):
        """Reads `vocab.txt` from a folder."""
        self._set_vocabulary(Vocabulary.read(Path(folder, _VOCABULARY_FILE)))


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
