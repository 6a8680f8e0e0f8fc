"""The kinds of answers that are vectors; those of whole texts are scored by how alike those of
pairs are, or by what they find. See `kinds`.
"""

import numpy as np

from bert_tf2.cli.kinds import Kind
from bert_tf2.data.beir import Beir
from bert_tf2.scoring import pairs, regression, vectors

SHOWN = 4  # numbers of a vector, on the screen
AT_ONCE = 256  # rows whose similarities to all others are held at a time


class Vectors(Kind):
    """A vector a text; of a pair how alike its two are."""

    reported = False  # whether single answers are judged in a report

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
        first, *others = [
            np.stack([found["embedding"] for found in model.answers(side, batch_size)])
            for name in rows.columns
            if name not in model.beside
            for side in [rows.only(name, *model.beside)]
        ]
        if not others:
            raise ValueError("Single texts have no figures: give pairs, or triplets, to score")
        name = getattr(model.task or model.reader, "similarity_fn_name", model.similarity)
        alike = [vectors.similarity_pairwise(first, side, name) for side in others]
        if rows.labels is None and not others[1:]:  # the others' second texts are the wrong ones
            alike += [_nearest_other(first, others[0], rows.columns["text_pair"], name)]
        return [{"similarity": row[0], "wrong": row[1:]} for row in zip(*alike, strict=True)]

    def score(self, model, rows, answers):
        """Correlations with gold; where that is 0 and 1 alone, also what a threshold tells.

        Without gold, and of more than two texts, `accuracy`: how often the second text of a row is
        nearer to the first than all that follow are; of pairs, than the second texts of all others.
        Of pairs in classes the mean similarity of each class.
        """
        if isinstance(rows.source, Beir):
            return answers[0]
        if answers[0]["wrong"]:
            right = [found["similarity"] > max(found["wrong"]) for found in answers]
            return {"accuracy": float(np.mean(right))}
        alike = [self.given(model, found) for found in answers]
        if isinstance(rows.labels[0], str):
            chosen, alike = np.array(rows.labels), np.array(alike)
            means = {n: float(alike[chosen == n].mean()) for n in sorted({*rows.labels})}
            return {"by_class": {name: {"similarity": mean} for name, mean in means.items()}}
        kinds = {"pearson": regression.pearson, "spearman": regression.spearman}
        found = {name: kind(rows.labels, alike) for name, kind in kinds.items()}
        return found | (pairs.binary(rows.labels, alike) if {*rows.labels} == {0, 1} else {})


class _OfTask(Vectors):
    """Vectors of other kinds, which the task itself makes and compares."""

    def for_scores(self, model, rows, batch_size):
        if model.task is None:
            raise ValueError(
                f"{model.name} does not say how its vectors are compared: evaluate the checkpoint "
                "that it was exported from"
            )
        if isinstance(rows.source, Beir):
            return [_retrieved(model, rows.source, batch_size)]
        from bert_tf2.tasks import compared

        texts = {name: x for name, x in rows.columns.items() if name not in model.beside}
        if len(texts) == 1 or (len(texts) == 2 and rows.labels is None):
            raise ValueError("Such texts have no figures: give pairs with labels, or triplets")
        how = {"batch_size": batch_size}
        first, *others = compared.columns(model.task, texts, texts["text"], how)
        alike = [model.task.similarity_pairwise(first, side) for side in others]
        return [{"similarity": row[0], "wrong": row[1:]} for row in zip(*alike, strict=True)]


class Weights(_OfTask):
    """Numbers of pieces of the vocabulary, and what each weighs, the most first."""

    def cells(self, model, answers):
        active = answers["values"] > 0
        return {name: answers[name][active].tolist() for name in ("indices", "values")}

    def line(self, cells):
        pairs = zip(cells["indices"][:SHOWN], cells["values"], strict=False)
        first = " ".join(f"{index}:{value:.4f}" for index, value in pairs)
        return f"{first} … ({len(cells['values'])})"


class TokenVectors(_OfTask):
    """A vector for each token that counts."""

    def cells(self, model, answers):
        kept = answers["token_embeddings"][answers["mask"] != 0]
        return {"token_embeddings": kept.tolist()}

    def line(self, cells):
        found = cells["token_embeddings"]
        first = " ".join(f"{value:.4f}" for value in (found or [[]])[0][:SHOWN])
        return f"{first} … ({len(found)} × {len((found or [[]])[0])})"


def _nearest_other(first, second, texts, name):
    """Of each row how alike its first text is to the nearest second text of another row."""
    texts, nearest = np.array(texts), []
    if len({*texts.tolist()}) < 2:
        raise ValueError(
            "Pairs without labels are scored by how near the second texts of others are: give "
            "two or more that differ"
        )
    for start in range(0, len(first), AT_ONCE):
        rows = slice(start, start + AT_ONCE)
        alike = vectors.similarity(first[rows], second, name)
        alike[texts[rows, None] == texts] = -np.inf
        nearest.append(alike.max(1))
    return np.concatenate(nearest)


class _Elsewhere:
    """What `evaluators` want of a task, where something else computes from its ids.

    Args:
        model: an `Opened` with a `reader`.
    """

    def __init__(self, model):
        self.answer, self.task = model.answer, model.reader
        self.similarity_fn_name = self.task.similarity_fn_name

    def encode_query(self, texts, batch_size):
        return self._encode(texts, self.task.prompt_of_queries(), batch_size)

    def encode_document(self, texts, batch_size):
        return self._encode(texts, self.task.prompt_of_documents(), batch_size)

    def _encode(self, texts, prompt, batch_size):
        """Texts -> float32 (n, D), the longest first, as `SentenceEncoder.encode`."""
        order, found = sorted(range(len(texts)), key=lambda i: -len(texts[i])), []
        for start in range(0, len(order), batch_size):
            part = [texts[i] for i in order[start : start + batch_size]]
            ids = self.task.prepare({"text": part, "prompt": prompt})[0]
            ids = {name: ids[name].numpy() for name in self.task.input}
            found += [batch["embedding"] for batch in self.answer(ids, batch_size)]
        return np.concatenate(found)[np.argsort(order)]


def _retrieved(model, data, batch_size):
    if model.task is None and model.reader is None:
        raise ValueError(
            f"{model.name} is a SavedModel, which does not say what prompts queries have: evaluate "
            "the checkpoint that it was exported from"
        )
    from bert_tf2.tasks import evaluators

    encoder = model.task or _Elsewhere(model)
    found = evaluators.information_retrieval(
        encoder, data.queries, data.corpus, data.relevant, batch_size=batch_size
    )
    return {name.partition("_")[2]: value for name, value in found.items()}
