"""What may be done to the file of a vocabulary, by its kind."""

import tensorflow as tf

from bert_tf2.messages import shorten
from bert_tf2.text.normalize import split_words
from bert_tf2.text.sentencepiece import SentencePieceTokenizer
from bert_tf2.text.wordpiece import WordPieceTokenizer
from bert_tf2.weights import sentencepiece_model

_NORMAL = 1  # type of a SentencePiece piece
_ABOVE = 1e-3  # by how much a new piece's score exceeds that of the pieces it stands for


class WordPiece:
    """A `vocab.txt`: its functions take a `WordPieceTokenizer`."""

    @staticmethod
    def bare(piece):
        """A piece without what says where in a word it stands."""
        return piece.removeprefix("##")

    @staticmethod
    def special(tokenizer):
        """The pieces without which the tokenizer is none."""
        return {p for p in tokenizer.special_pieces.values() if p in set(tokenizer.vocabulary)}

    @staticmethod
    def spelled(tokenizer, words):
        """Words as cleaning leaves them, one piece each."""
        bare = [WordPiece.bare(word) for word in words]
        found = split_words(tokenizer.clean(tf.constant(bare))).to_list()
        spelled = []
        for word, parts in zip(words, found, strict=True):
            parts = [part.decode() for part in parts if part]
            if len(parts) != 1 or len(parts[0]) > tokenizer.max_word_chars:
                raise ValueError(
                    f"A new word must be one word of at most {tokenizer.max_word_chars} "
                    f"characters to the tokenizer. Received: {shorten(word)}, which is "
                    f"{len(parts)}: {shorten(parts)}"
                )
            spelled.append("##" * word.startswith("##") + parts[0])
        return spelled

    @staticmethod
    def cuts(tokenizer, pieces):
        """lists of the ids that new pieces have been cut into."""
        found = tokenizer([WordPiece.bare(piece) for piece in pieces]).to_list()
        for piece, ids in zip(pieces, found, strict=True):
            inner = f"##{tokenizer.vocabulary[ids[0]]}" if piece.startswith("##") else None
            if inner in set(tokenizer.vocabulary):
                ids[0] = tokenizer.token_to_id(inner)
        return found

    @staticmethod
    def extended(tokenizer, new, cuts):
        """The file with new pieces, which have been cut into the pieces `cuts`."""
        (content,) = tokenizer.files().values()
        content += b"" if content.endswith(b"\n") else b"\n"
        return content + "".join(f"{piece}\n" for piece in new).encode()

    @staticmethod
    def pruned(tokenizer, keep):
        """The file without all other pieces."""
        kept = dict.fromkeys(piece for piece in tokenizer.vocabulary if piece in keep)
        return "".join(f"{piece}\n" for piece in kept).encode()


class SentencePiece:
    """A SentencePiece model: as `WordPiece`, of a `SentencePieceTokenizer`."""

    @staticmethod
    def bare(piece):
        return piece.removeprefix("▁")

    @staticmethod
    def special(tokenizer):
        (content,) = tokenizer.files().values()
        pieces, _ = sentencepiece_model.read(content)
        named = {piece for piece, _, kind in pieces if kind != _NORMAL}
        return named | set(tokenizer.special_pieces.values()) | {"▁"}

    @staticmethod
    def spelled(tokenizer, words):
        """Words as cleaning leaves them, with the mark of a word's beginning."""
        (content,) = tokenizer.files().values()
        if not sentencepiece_model.is_unigram(content):
            raise ValueError(
                "Expected a unigram SentencePiece model. Received: one of merged pairs"
            )
        found = tokenizer.clean(tf.constant(words)).numpy()
        spelled = [text.decode().strip() for text in found]
        for word, text in zip(words, spelled, strict=True):
            if not text or any(char.isspace() for char in text):
                raise ValueError(f"A new word must be one word. Received: {shorten(word)}")
        return [f"▁{text}" for text in spelled]

    @staticmethod
    def cuts(tokenizer, pieces):
        return tokenizer([piece.removeprefix("▁") for piece in pieces]).to_list()

    @staticmethod
    def extended(tokenizer, new, cuts):
        """Each new piece is a little likelier than the pieces that it was cut into."""
        (content,) = tokenizer.files().values()
        pieces, _ = sentencepiece_model.read(content)
        scores = {piece: score for piece, score, _ in pieces}
        least, names = min(scores.values()), tokenizer.vocabulary
        pieces += [
            (piece, sum(scores.get(names[i], least) for i in ids) + _ABOVE, _NORMAL)
            for piece, ids in zip(new, cuts, strict=True)
        ]
        return sentencepiece_model.replaced(content, pieces)

    @staticmethod
    def pruned(tokenizer, keep):
        (content,) = tokenizer.files().values()
        pieces, _ = sentencepiece_model.read(content)
        return sentencepiece_model.replaced(content, [row for row in pieces if row[0] in keep])


KINDS = ((WordPieceTokenizer, WordPiece), (SentencePieceTokenizer, SentencePiece))
