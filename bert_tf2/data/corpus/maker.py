"""A part of a corpus -> serialized examples. All that is random comes from its number.

Letters: B rows, L length, P predictions a row.
"""

import random
from collections import Counter

import numpy as np

from bert_tf2.data.corpus import hiding, parts, plans
from bert_tf2.data.corpus.checks import check_unknown
from bert_tf2.data.corpus.example_bytes import examples

SENTENCES_AT_ONCE = 4096
ROWS_AT_ONCE = 1024
LENGTH_BINS = 8  # of the histogram of lengths in the data card
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz!\"#$%&()*+,-./:;?@[\\]^_`{|}~'")


class Maker:
    """Makes records of parts.

    Args:
        tokenizer: a tokenizer of this package, with a mask token.
        settings: `recipes.Settings`.
        corpus: `parts.Corpus`, what the parts are of.
        max_unknown: float, the greatest share of unknown pieces that a part may have.
    """

    def __init__(self, tokenizer, settings, corpus, max_unknown=1.0):
        self.tokenizer, self.settings, self.corpus = tokenizer, settings, corpus
        self.max_unknown = max_unknown
        self.special = (tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id)
        self.begins = begins_of(tokenizer)  # bool (V,)

    def make(self, part):
        """Yields lists of serialized examples of a `parts.Part`; then `counts` tells of it.

        Raises:
            ValueError: no text, or one that the vocabulary does not know; see `parts.read`.
        """
        documents, blank = parts.read(part, self.corpus)
        begun = len(documents) - bool(documents and part.blocks[0].continues)
        self.counts = Counter(documents=begun, empty_documents=blank)
        if not documents:
            return
        pieces = self.cut(documents, part)
        for rows in self.batches(pieces, part.number):
            yield examples(rows)

    def cut(self, documents, part):
        """lists of sentences -> `plans.Pieces`."""
        sentences = [sentence for document in documents for sentence in document]
        ids, sizes = [], []
        for at in range(0, len(sentences), SENTENCES_AT_ONCE):
            found = self.tokenizer(sentences[at : at + SENTENCES_AT_ONCE])
            ids.append(found.values.numpy())
            sizes.append(found.row_lengths().numpy())
        ids, sizes = np.concatenate(ids), np.concatenate(sizes)
        owner = np.repeat(np.arange(len(documents)), [len(document) for document in documents])
        kept = sizes > 0  # control characters alone have no piece
        per_document = np.bincount(owner[kept], minlength=len(documents))
        unknown = self.tokenizer.unknown_token_id
        share = float((ids == unknown).mean()) if len(ids) else 1.0
        self.counts.update(sentences=int(kept.sum()), tokens=len(ids))
        self.counts.update(unknown_tokens=int((ids == unknown).sum()))
        first = part.blocks[0]
        check_unknown(f"{first.path}, from line {first.line}", share, self.max_unknown)
        starts = np.concatenate([[0], np.cumsum(sizes[kept])]).tolist()
        ends = np.concatenate([[0], np.cumsum(per_document[per_document > 0])]).tolist()
        return plans.Pieces(ids, starts, ends, unknown, self.tokenizer.sep_token_id)

    def batches(self, pieces, number):
        """Yields dicts of arrays of up to `ROWS_AT_ONCE` rows, in random order."""
        settings, row = self.settings, self.settings.row
        if len(pieces.documents) == 1:  # no piece at all
            return
        if row.order and len(pieces.documents) == 2:  # its own text stands for a random one
            self.counts["parts_of_one_document"] += 1
        rng = random.Random(f"{settings.random_seed} {number}")
        arrays = np.random.default_rng([settings.random_seed, number])
        room = settings.max_seq_length - 2 - self.tokenizer.pair_separators
        whole = plans.closed(pieces) if row.plan == "full_sentences" else pieces
        rows = []
        for _ in range(settings.dupe_factor):
            rows += plans.PLANS[row.plan](whole, settings, room, rng)
        rows = np.array(rows, np.int64).reshape(-1, 5)
        rows = rows[arrays.permutation(len(rows))]
        weights = self._weights(whole.ids)
        begins = self.begins[whole.ids]
        begins[whole.starts[:-1]] = True  # a sentence begins with a word
        for at in range(0, len(rows), ROWS_AT_ONCE):
            yield self._batch(rows[at : at + ROWS_AT_ONCE], whole, weights, begins, arrays)

    def _weights(self, ids):
        """float32 (T,): how much more often a rare piece is chosen; None for all alike."""
        smoothing = self.settings.row.smoothing
        if not smoothing:
            return None
        counts = np.bincount(ids)
        return (np.maximum(counts, 1) ** -smoothing).astype(np.float32)[ids]

    def _batch(self, rows, pieces, weights, begins, rng):
        settings = self.settings
        packed, source, text = self.packed(rows, pieces)
        choose = hiding.pieces
        if weights is not None:
            choose = hiding.rare_pieces(lambda: weights[source])
        elif settings.do_whole_word_mask:
            choose = hiding.words(lambda: begins[source], settings.row.ngram)
        lengths = packed["padding_mask"].sum(1)
        hidden = hiding.hide(
            packed["token_ids"],
            text & (packed["token_ids"] != self.special[1]),
            lengths,
            settings.max_predictions_per_seq,
            settings.masked_lm_prob,
            self.tokenizer.mask_token_id,
            self.tokenizer.vocabulary_size,
            rng,
            choose,
        )
        self._count(lengths, hidden, rows[:, 4])
        return packed | {
            "token_ids": hidden.shown,
            "masked_positions": hidden.positions,
            "masked_ids": hidden.ids,
            "masked_weights": hidden.weights,
            "next_sentence_labels": rows[:, 4].astype(np.int32),
        }

    def packed(self, rows, pieces):
        """Rows as places -> rows as ids.

        Args:
            rows: int64 (B, 5), see `plans`.
            pieces: `plans.Pieces`.

        Returns:
            dict of int32 (B, L) `token_ids`, `padding_mask`, `segment_ids`; int64 (B, L), where in
            `pieces.ids` each piece is from; and bool (B, L), which ones are from there.
        """
        cls, sep, pad = self.special
        column = np.arange(self.settings.max_seq_length)
        a0, a1, b0, b1, _ = (rows[:, i : i + 1] for i in range(5))
        between = self.tokenizer.pair_separators
        second = 1 + (a1 - a0) + between  # the column where it begins
        end = np.where(b1 > b0, second + (b1 - b0), 1 + (a1 - a0))  # that of the last "[SEP]"
        behind = (column >= second) & (b1 > b0)
        source = np.where(behind, b0 - second, a0 - 1) + column
        text = (column < end) & (behind | (column < second - between)) & (column > 0)
        source = np.where(text, source, 0)
        ids = np.where(text, pieces.ids[source], np.where(column <= end, sep, pad))
        ids[:, 0] = cls
        inside = behind & (column <= end)
        packed = {
            "token_ids": ids.astype(np.int32),
            "padding_mask": (column <= end).astype(np.int32),
            "segment_ids": inside.astype(np.int32) * self.tokenizer.second_segment,
        }
        return packed, source, text

    def _count(self, lengths, hidden, labels):
        most = self.settings.max_seq_length
        bins = np.bincount((lengths * LENGTH_BINS - 1) // most, minlength=LENGTH_BINS)
        self.counts.update(
            {f"rows_to_{(i + 1) * most // LENGTH_BINS}": int(n) for i, n in enumerate(bins)},
            records=len(lengths),
            record_tokens=int(lengths.sum()),
            predictions=int(hidden.kinds.sum()),
            labelled_1=int(labels.sum()),
            **{f"shown_{kind}": int(n) for kind, n in zip(hiding.SHOWN, hidden.kinds, strict=True)},
        )


def begins_of(tokenizer):
    """bool (V,): the pieces that begin a word, and are not inside one.

    In WordPiece those without "##"; in byte pairs those with a space; in SentencePiece those
    with "▁" and those that are no English letters (google-research/albert,
    `create_pretraining_data.py`, `_is_start_piece_sp`).
    """
    kind = tokenizer.asset_names[0][0]
    if kind == "vocab.txt":
        found = [not piece.startswith("##") for piece in tokenizer.vocabulary]
    elif kind == "vocab.json":
        found = [piece.startswith("Ġ") for piece in tokenizer.vocabulary]
    else:
        found = [_begins_word(piece) for piece in tokenizer.vocabulary]
    return np.array(found)


def _begins_word(piece):
    alone = len(piece) == 1 and not piece.isalpha()
    return piece.startswith(("▁", "<")) or alone or not _LETTERS.issuperset(piece.lower())
