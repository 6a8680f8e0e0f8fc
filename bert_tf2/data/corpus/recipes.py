"""What each family is pretrained on, as a table, and the settings of one run."""

import dataclasses
from typing import NamedTuple


class Recipe(NamedTuple):
    """How a family's records are made of documents.

    Attributes:
        about: one line for people.
        plan: how rows are laid out, a key of `plans.PLANS`.
        order: what `next_sentence_labels` says: "next", 1 where the second text is a random one;
            "swapped", 1 where the two stand in the wrong order; "" for nothing, always 0.
        whole_words: choose words to hide, not pieces.
        ngram: hide up to so many neighbours at once, n of them with probability ~ 1 / n.
        smoothing: choose pieces by count ** -smoothing; 0 for all alike.
        short_seq_prob: share of short rows, by default.
    """

    about: str
    plan: str = "pairs"
    order: str = ""
    whole_words: bool = False
    ngram: int = 1
    smoothing: float = 0.0
    short_seq_prob: float = 0.0


# Sources, in this order: Devlin et al. 2018 and google-research/bert; Lan et al. 2019 and
# google-research/albert; Liu et al. 2019, section 4.2; Clark et al. 2020 and
# google-research/electra; Sanh et al. 2019 and its distillation scripts in transformers.
RECIPES = {
    "bert": Recipe("pairs of texts, next or random", order="next", short_seq_prob=0.1),
    "albert": Recipe(
        "pairs of texts, in order or swapped; up to three words hidden at once",
        order="swapped",
        whole_words=True,
        ngram=3,
        short_seq_prob=0.1,
    ),
    "roberta": Recipe("rows full of sentences, across documents", plan="full_sentences"),
    "electra": Recipe("one text or two that follow", plan="halves", short_seq_prob=0.05),
    "distilbert": Recipe(
        "rows cut from documents; rare pieces hidden more", "chunks", smoothing=0.7
    ),
}
SMALL = 8  # tokens: shorter rows hold no pair


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of a run; names and defaults are those of google-research/bert's script.

    Args:
        recipe: a key of `RECIPES`.
        max_seq_length: int >= 8, the length L of every row.
        max_predictions_per_seq: int, the most hidden pieces of a row, P.
        masked_lm_prob: float in (0, 1), share of a row's tokens that are hidden.
        dupe_factor: int, how often the corpus is gone through, hidden otherwise each time.
        short_seq_prob: float, share of rows made for a shorter length; None: the recipe's.
        do_whole_word_mask: bool, hide whole words; None: as the recipe has it.
        random_seed: int, where all randomness comes from.

    Raises:
        ValueError: a value outside its range.
    """

    recipe: str = "bert"
    max_seq_length: int = 128
    max_predictions_per_seq: int = 20
    masked_lm_prob: float = 0.15
    dupe_factor: int = 10
    short_seq_prob: float | None = None
    do_whole_word_mask: bool | None = None
    random_seed: int = 12345

    def __post_init__(self):
        if self.recipe not in RECIPES:
            raise ValueError(f"`recipe` must be one of {list(RECIPES)}. Received: {self.recipe!r}")
        row = RECIPES[self.recipe]
        if self.short_seq_prob and not row.short_seq_prob:
            raise ValueError(
                f"`short_seq_prob` must be left out, as the rows of {self.recipe!r} are as full as "
                f"may be. Received: {self.short_seq_prob}"
            )
        if self.do_whole_word_mask and row.smoothing:
            raise ValueError(
                f"`do_whole_word_mask` must be left out, as {self.recipe!r} hides pieces by how "
                "rare they are. Received: True"
            )
        for name, value in (
            ("short_seq_prob", row.short_seq_prob),
            ("do_whole_word_mask", row.whole_words),
        ):
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        for name, fits, wanted in (
            ("max_seq_length", self.max_seq_length >= SMALL, f"at least {SMALL}"),
            (
                "max_predictions_per_seq",
                1 <= self.max_predictions_per_seq <= self.max_seq_length,
                "from 1 to `max_seq_length`",
            ),
            ("masked_lm_prob", 0 < self.masked_lm_prob < 1, "between 0 and 1"),
            ("dupe_factor", self.dupe_factor >= 1, "at least 1"),
            ("short_seq_prob", 0 <= self.short_seq_prob <= 1, "in [0, 1]"),
            ("random_seed", self.random_seed >= 0, "0 or above"),
        ):
            if not fits:
                raise ValueError(f"`{name}` must be {wanted}. Received: {getattr(self, name)}")

    @property
    def row(self):
        """The `Recipe`."""
        return RECIPES[self.recipe]

    def to_dict(self):
        return dataclasses.asdict(self)
