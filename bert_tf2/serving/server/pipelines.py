"""Answers as transformers' pipelines shape them, which text-embeddings-inference takes over.

A row each, of the outputs of `serving_default`: lists of dicts, of JSON's types.
"""

CLASSIFIERS = (
    *("TextClassifier", "NextSentenceClassifier"),
    *("TextRegressor", "Reranker"),
)
ENCODERS = ("SentenceEncoder",)
RERANKERS = ("Reranker",)


def text(value):
    """Bytes of a graph as str; what is no UTF-8 as U+FFFD."""
    return value.decode("utf-8", "replace")


def classes(version, outputs, raw_scores=False):
    """`label` and `score` of each class, the likeliest first; of a regressor of each number.

    Args:
        raw_scores: logits, and not probabilities.
    """
    name = "logits" if raw_scores else "probabilities"
    scores = outputs.get(name, outputs.get("scores"))
    names = version.labels or [f"LABEL_{i}" for i in range(scores.shape[1])]
    rows = ([*zip(names, row, strict=True)] for row in scores.tolist())
    return [_named(("label", "score"), sorted(row, key=lambda x: -x[1])) for row in rows]


def candidates(version, outputs):
    """`label` and `score` of each candidate label, the likeliest first."""
    pairs = zip(outputs["labels"].tolist(), outputs["scores"].tolist(), strict=True)
    return [
        _named(("label", "score"), zip(map(text, labels), scores, strict=True))
        for labels, scores in pairs
    ]


def entities(version, outputs):
    """`entity_group`, `score`, `word`, `start` and `end` of each entity."""
    names = ("entity_group", "score", "word", "start", "end")
    found = []
    for cells in zip(*(outputs[name].tolist() for name in names), strict=True):
        groups, scores, words, starts, ends = cells
        row = zip(map(text, groups), scores, map(text, words), starts, ends, strict=True)
        found.append([x for x in _named(names, row) if x["end"]])
    return found


def spans(version, outputs):
    """`answer`, `score`, `start` and `end` of each answer to a question, the likeliest first."""
    names = ("answer", "score", "start", "end")
    columns = (outputs[name].tolist() for name in ("answers", "scores", "starts", "ends"))
    found = []
    for answers, *rest in zip(*columns, strict=True):
        row = _named(names, zip(map(text, answers), *rest, strict=True))
        found.append(row[:1] + [x for x in row[1:] if x["score"]])
    return found


def fillings(version, outputs):
    """For each mask of a text a list of `token_str` and `score`, the likeliest first."""
    rows = zip(
        outputs["masks"].tolist(),
        outputs["words"].tolist(),
        outputs["probabilities"].tolist(),
        strict=True,
    )
    return [
        [
            _named(("token_str", "score"), zip(map(text, best), scores, strict=True))
            for best, scores in zip(words[:masks], shares[:masks], strict=True)
        ]
        for masks, words, shares in rows
    ]


def choices(version, outputs):
    """`label`, the number of a choice, and `score`, the likeliest first."""
    rows = outputs["probabilities"].tolist()
    return [_named(("label", "score"), sorted(enumerate(row), key=lambda x: -x[1])) for row in rows]


SHAPES = {  # task -> the shape of its answers
    **dict.fromkeys(CLASSIFIERS, classes),
    "ZeroShotClassifier": candidates,
    "TokenClassifier": entities,
    "QuestionAnswerer": spans,
    "MaskedLM": fillings,
    "MultipleChoice": choices,
}


def _named(names, rows):
    return [dict(zip(names, row, strict=True)) for row in rows]
