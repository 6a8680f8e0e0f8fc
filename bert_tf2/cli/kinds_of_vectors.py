"""The kind of answers that are vectors: scored by how alike those of pairs are, or by what they
find. See `kinds`.
"""

import numpy as np

from bert_tf2.cli.kinds import Kind
from bert_tf2.data.beir import Beir
from bert_tf2.scoring import pairs, regression, vectors

SHOWN = 4  # numbers of a vector, on the screen


class Vectors(Kind):
    """A vector a text; of a pair how alike its two are."""

    by = "error"

    def given(self, model, answers):
        return float(answers["similarity"])

    def cells(self, model, answers):
        return {"embedding": answers["embedding"].tolist()}

    def line(self, cells):
        first = " ".join(f"{value:.4f}" for value in cells["embedding"][:SHOWN])
        return f"{first} … ({len(cells['embedding'])})"

    def for_scores(self, model, rows, batch_size):
        """Of each pair its `similarity`; of BEIR's folder its figures."""
        if isinstance(rows.source, Beir):
            return [_retrieved(model, rows.source, batch_size)]
        sides = [
            np.stack([found["embedding"] for found in model.answers(rows.only(name), batch_size)])
            for name in ("text", "text_pair")
        ]
        # A SavedModel does not say its similarity.
        name = getattr(model.task, "similarity_fn_name", "cosine")
        return [{"similarity": alike} for alike in vectors.similarity_pairwise(*sides, name)]

    def score(self, model, rows, answers):
        """Correlations with gold; where that is 0 and 1 alone, also what a threshold tells."""
        if isinstance(rows.source, Beir):
            return answers[0]
        alike = [self.given(model, found) for found in answers]
        kinds = {"pearson": regression.pearson, "spearman": regression.spearman}
        found = {name: kind(rows.labels, alike) for name, kind in kinds.items()}
        return found | (pairs.binary(rows.labels, alike) if {*rows.labels} == {0, 1} else {})


def _retrieved(model, data, batch_size):
    if model.task is None:
        raise ValueError(
            f"{model.name} is a SavedModel, which does not say what prompts queries have: evaluate "
            "the checkpoint that it was exported from"
        )
    from bert_tf2.tasks import evaluators

    found = evaluators.information_retrieval(
        model.task, data.queries, data.corpus, data.relevant, batch_size=batch_size
    )
    return {name.partition("_")[2]: value for name, value in found.items()}
