"""Batches in which no text comes twice, for losses that take the rows of others for wrong."""

import logging

import numpy as np

LOGGER = logging.getLogger("bert_tf2")


class Apart:
    """Rows dealt into batches so that no two of a batch share a number.

    Each epoch has as many batches, of nearly equal size, so that its steps are known: as many as
    rows of the given size ask for, or more where one number is in more rows.

    Args:
        numbers: int (n, K), what each row has, such as the numbers of its texts.
        batch_size: the most rows of a batch.

    Attributes:
        batches: how many there are.
    """

    def __init__(self, numbers, batch_size):
        self.numbers = [sorted({*row}) for row in np.asarray(numbers).tolist()]
        self.batch_size = batch_size
        counts = np.bincount([number for row in self.numbers for number in row])
        self.batches = max(-(-len(self.numbers) // batch_size), int(counts.max()))
        order = np.random.default_rng(0).permutation(len(self.numbers))
        while self._left_out(order)[1]:
            self.batches += 1 + self.batches // 50

    def __call__(self, order):
        """Row numbers in some order (n,) -> the same in batches: int64 (n,), sizes int64 (N,).

        A row for which no batch has a place is left out of this epoch, and that is said.
        """
        batches, left = self._left_out(order)
        if left:
            LOGGER.warning("%d rows share texts with all batches: left out for an epoch", len(left))
        rows = np.array([row for batch in batches for row in batch], "int64")
        return rows, np.array([len(batch) for batch in batches], "int64")

    def _left_out(self, order):
        """(batches, lists of row numbers; those without a place)."""
        batches = [[] for _ in range(self.batches)]
        held, left, first = [set() for _ in batches], [], 0
        for row in np.asarray(order).tolist():
            mine = self.numbers[row]
            for step in range(self.batches):
                place = (first + step) % self.batches
                if len(batches[place]) < self.batch_size and held[place].isdisjoint(mine):
                    batches[place].append(row)
                    held[place].update(mine)
                    break
            else:
                left.append(row)
            first = (first + 1) % self.batches
        return batches, left
