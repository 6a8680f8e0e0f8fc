"""The records of google-research/bert's `create_pretraining_data.py`, bit for bit.

Python's `random.Random` is asked for the same numbers in the same order as there, so all documents
are in memory, one process does it all, and a token costs as much as it does there. `maker.py` has
the same distributions at ten times the speed.

Source: google-research/bert, `create_pretraining_data.py` (the three functions named below).
"""

import itertools
import random

from bert_tf2.data.corpus.parts import decoded, plan

SENTENCES_AT_ONCE = 4096


def documents_of(corpus, tokenizer, seen=None):
    """All documents: lists of sentences, lists of ids. A blank line ends one, a file does not."""
    documents = [[]]
    for part in plan(corpus, seen):
        for block in part.blocks:
            lines = [line.strip() for line in decoded(block, corpus).split("\n")]
            if not lines[-1]:
                lines.pop()  # the end of the last line, no line
            for at in range(0, len(lines), SENTENCES_AT_ONCE):
                some = lines[at : at + SENTENCES_AT_ONCE]
                for line, ids in zip(some, tokenizer(some).to_list(), strict=True):
                    if not line:
                        documents.append([])
                    if ids:
                        documents[-1].append(ids)
    return [document for document in documents if document]


class Reference:
    """Makes rows as the reference does.

    Args:
        tokenizer: a `WordPieceTokenizer`.
        settings: `recipes.Settings` of the recipe "bert".
    """

    def __init__(self, tokenizer, settings):
        self.settings, self.rng = settings, random.Random(settings.random_seed)
        pieces = tokenizer.vocabulary
        self.words = list({piece: index for index, piece in enumerate(pieces)}.values())
        self.inner = {index for index, piece in enumerate(pieces) if piece.startswith("##")}
        self.cls, self.sep = tokenizer.cls_token_id, tokenizer.sep_token_id
        self.mask = tokenizer.mask_token_id

    def rows(self, documents):
        """`create_training_instances`: documents, which are shuffled -> list of dicts of lists."""
        self.rng.shuffle(documents)
        found = []
        for _ in range(self.settings.dupe_factor):
            for number in range(len(documents)):
                found += self._of_document(documents, number)
        self.rng.shuffle(found)
        return found

    def _of_document(self, documents, number):
        """`create_instances_from_document`."""
        document, rng = documents[number], self.rng
        room = self.settings.max_seq_length - 3
        target, found, chunk, i = room, [], [], 0
        if rng.random() < self.settings.short_seq_prob:
            target = rng.randint(2, room)
        while i < len(document):
            chunk.append(document[i])
            if i == len(document) - 1 or sum(map(len, chunk)) >= target:
                middle = rng.randint(1, len(chunk) - 1) if len(chunk) >= 2 else 1
                a = [*itertools.chain(*chunk[:middle])]
                is_random = len(chunk) == 1 or rng.random() < 0.5
                if is_random:
                    b = self._elsewhere(documents, number, target - len(a))
                    i -= len(chunk) - middle  # what b took the place of comes again
                else:
                    b = [*itertools.chain(*chunk[middle:])]
                self._truncate(a, b, room)
                found.append(self._row(a, b, is_random))
                chunk = []
            i += 1
        return found

    def _elsewhere(self, documents, number, wanted):
        for _ in range(10):
            other = self.rng.randint(0, len(documents) - 1)
            if other != number:
                break
        document = documents[other]
        b = []
        for sentence in document[self.rng.randint(0, len(document) - 1) :]:
            b += sentence
            if len(b) >= wanted:
                break
        return b

    def _truncate(self, a, b, room):
        """`truncate_seq_pair`."""
        while len(a) + len(b) > room:
            longer = a if len(a) > len(b) else b
            del longer[0 if self.rng.random() < 0.5 else -1]

    def _row(self, a, b, is_random):
        ids = [self.cls, *a, self.sep, *b, self.sep]
        segments = [0] * (len(a) + 2) + [1] * (len(b) + 1)
        hidden = self._hide(ids)
        length, most = self.settings.max_seq_length, self.settings.max_predictions_per_seq

        def padded(values, size):
            return [*values, *[0] * (size - len(values))]

        return {
            "token_ids": padded(ids, length),
            "padding_mask": padded([1] * len(ids), length),
            "segment_ids": padded(segments, length),
            "masked_positions": padded([at for at, _ in hidden], most),
            "masked_ids": padded([was for _, was in hidden], most),
            "masked_weights": padded([1.0] * len(hidden), most),
            "next_sentence_labels": int(is_random),
        }

    def _hide(self, ids):
        """`create_masked_lm_predictions`, which changes `ids`. -> sorted (position, id before)."""
        units, rng = [], self.rng
        for at, piece in enumerate(ids):
            if piece in (self.cls, self.sep):
                continue
            if self.settings.do_whole_word_mask and units and piece in self.inner:
                units[-1].append(at)
            else:
                units.append([at])
        rng.shuffle(units)
        count = max(1, round(len(ids) * self.settings.masked_lm_prob))
        count = min(self.settings.max_predictions_per_seq, count)
        hidden, before = [], list(ids)
        for unit in units:
            if len(hidden) >= count:
                break
            if len(hidden) + len(unit) > count:
                continue
            for at in unit:
                if rng.random() < 0.8:
                    ids[at] = self.mask
                elif rng.random() >= 0.5:
                    ids[at] = self.words[rng.randint(0, len(self.words) - 1)]
                hidden.append((at, before[at]))
        return sorted(hidden)
