"""Which of the candidates are an anchor's hard negatives: limits of their scores, and ranks.

Letters as in mining.py. Source: sentence-transformers 6, as there.
"""

from typing import NamedTuple

import numpy as np

from bert_tf2.messages import checked_int
from bert_tf2.scoring.arrays import checked_choice, checked_count

STRATEGIES = ("top", "random")


class Limits(NamedTuple):
    """What a negative's score must be, see `mine_hard_negatives`; None: anything."""

    max_score: float | None = None
    min_score: float | None = None
    absolute_margin: float | None = None
    relative_margin: float | None = None

    def any(self):
        """Whether there is a limit."""
        return any(value is not None for value in self)

    def __call__(self, scores, least):
        """float32 (n, k), and of each anchor's positives the least (n,) -> scores, or -inf."""
        least = least[:, None]
        if self.absolute_margin is not None:
            scores = np.where(scores + self.absolute_margin > least, -np.inf, scores)
        if self.relative_margin is not None:  # below it for scores of either sign
            bound = least - np.abs(least) * self.relative_margin
            scores = np.where(scores > bound, -np.inf, scores)
        if self.max_score is not None:
            scores = np.where(scores > self.max_score, -np.inf, scores)
        if self.min_score is not None:
            scores = np.where(scores < self.min_score, -np.inf, scores)
        return scores.astype("float32")


class Ranks(NamedTuple):
    """Which ranks negatives are of, and how many are taken, see `mine_hard_negatives`."""

    range_min: int = 0
    range_max: int = 13
    num_negatives: int = 3
    sampling_strategy: str = "top"

    @classmethod
    def of(
        cls,
        range_min,
        range_max,
        num_negatives,
        sampling_strategy,
        limits,
        positives,
        reranked=False,
    ):
        """Those of the arguments, with the usual `range_max` for None; ValueError for others."""
        checked_count(num_negatives, "num_negatives")
        checked_choice(sampling_strategy, STRATEGIES, "sampling_strategy")
        range_min = checked_int("range_min", range_min, 0)
        if range_max is None:
            wider = (limits if reranked else limits._replace(min_score=None)).any()
            range_max = range_min + num_negatives * (10 if wider else 1)
            range_max += max(map(len, positives))
        if checked_count(range_max, "range_max") - range_min < num_negatives:
            raise ValueError(
                f"`range_max` must be at least `range_min` and `num_negatives`, "
                f"{range_min + num_negatives}. Received: {range_max}"
            )
        return cls(range_min, range_max, num_negatives, sampling_strategy)

    def __call__(self, scores, ids, generator):
        """(n, k) -> (n, N): scores, in falling order, and their rows; -inf where there are none."""
        count = self.num_negatives
        order = np.argsort(-scores, axis=1, kind="stable")[:, self.range_min : self.range_max]
        if order.shape[1] < count:  # a corpus of few texts
            order = np.pad(order, [(0, 0), (0, count - order.shape[1])], constant_values=-1)
        padded = [np.pad(x, [(0, 0), (0, 1)], constant_values=c) for x, c in
                  ((scores, -np.inf), (ids, -1))]  # fmt: skip
        scores, ids = (np.take_along_axis(x, order, 1) for x in padded)
        if self.sampling_strategy == "top":
            return scores[:, :count], ids[:, :count]
        there = np.maximum((scores > -np.inf).sum(1), count)  # the rest only where these are few
        chosen = [np.sort(generator.choice(n, count, replace=False)) for n in there]
        return (np.take_along_axis(x, np.array(chosen), 1) for x in (scores, ids))
