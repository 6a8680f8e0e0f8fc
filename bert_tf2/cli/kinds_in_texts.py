"""Kinds of answers that stand somewhere in a text: to questions, and tags with their entities."""

import logging
import math

from bert_tf2.cli.kinds import Kind
from bert_tf2.data.class_names import is_scheme, part, tags_of, untagged
from bert_tf2.data.conll import check_cells, write_conll
from bert_tf2.scoring import classification, entities, questions

LOGGER = logging.getLogger("bert_tf2")


class Answers(Kind):
    """A piece of a context, the likeliest first, or "" for none."""

    files = ("predictions.json", "nbest_predictions.json", "null_odds.json")
    of_task = True

    def given(self, model, answers):
        return answers["answers"][0].decode("utf-8", "replace")

    def sure(self, model, answers):
        return float(answers["scores"][0])

    def cells(self, model, answers):
        names = ("score", "start", "end")
        columns = [answers[f"{name}s"].tolist() for name in names]
        columns.append([text.decode("utf-8", "replace") for text in answers["answers"]])
        rows = zip(*columns, strict=True)
        found = [dict(zip((*names, "answer"), row, strict=True)) for row in rows]
        if len(found) == 1:
            return found[0]
        return found[0] | {"answers": found[:1] + [x for x in found[1:] if x["score"]]}

    def line(self, cells):
        more = [f"\t{x['answer']} {x['score']:.4f}" for x in cells.get("answers", ())[1:]]
        best = f"{cells['answer']}\t{cells['score']:.4f}\t{cells['start']}\t{cells['end']}"
        return best + "".join(more)

    def right(self, gold, given):
        return any(questions.exact_match(text, given) for text in gold["text"] or [""])

    def shown(self, value, row):
        texts = [value] if isinstance(value, str) else list(dict.fromkeys(value["text"]))
        return " | ".join(filter(None, texts)) or "no answer"

    def for_scores(self, model, rows, batch_size):
        """None of a task in memory, whose n best answers are scored."""
        return super().for_scores(model, rows, batch_size) if model.task is None else []

    def score(self, model, rows, answers):
        """Of the answers that `write` writes: as evaluate-v2.0.py, with the best threshold, where
        a question has no answer; else as evaluate-v1.1.py."""
        gold = {i: label["text"] for i, label in enumerate(rows.labels)}
        several, task = all(gold.values()), model.task
        if task is None:
            given = dict(enumerate(self.given(model, found) for found in answers))
            return (questions.score_v1 if several else questions.score_v2)(gold, given)
        silent = {} if several else {"handle_impossible_answer": True}
        silent |= {} if several else {"null_score_diff_threshold": math.inf}
        found = task.predict_nbest(rows.x, n_best_size=model.n_best_size, **silent)
        given = dict(enumerate(found.predictions))
        if several:
            return questions.score_v1(gold, given)
        threshold = task.null_score_diff_threshold
        if not task.handle_impossible_answer:
            LOGGER.warning(
                "Some questions have no answer, and %s gives one to each: with "
                "--version_2_with_negative it gives none where that is likelier",
                model.name,
            )
            threshold = math.inf
        return questions.score_v2(gold, given, dict(enumerate(found.null_odds)), threshold)

    def finish(self, task, rows):
        if not task.handle_impossible_answer or len({bool(x["text"]) for x in rows.labels}) < 2:
            return None
        found = task.tune_threshold(rows.x, rows.labels)
        return (
            f"No answer is given where it is {found:.3f} above the best one, in logits "
            "(null_score_diff_threshold), which has the best F1 on the dev file, whose scores are "
            "somewhat too good for it: --test_file tells better."
        )

    def write(self, folder, model, rows, answers, overwrite):
        """predictions.json, nbest_predictions.json and, of SQuAD 2.0, null_odds.json."""
        from bert_tf2.data.squad import write_answers

        found = model.task.predict_nbest(rows.x, n_best_size=model.n_best_size)
        return write_answers(folder, rows.source.ids, found, overwrite)


class Tags(Kind):
    """A tag for each word; of texts with entities by characters, these."""

    files = ("predictions.txt",)

    def names(self, model):
        return model.classes

    def given(self, model, answers):
        return tags_of(answers["words"], answers["tags"], model.classes or ())

    def like(self, gold, model, answers):
        if _is_tags(gold):
            given = of_length(self.given(model, answers), len(gold), model)
            return given if _are_own([gold], model) else _as_iob2(given, model)
        return [(e["start"], e["end"], e["entity_group"]) for e in _entities(answers)]

    def badness(self, model, gold, answers):
        """As sure as it was of the surest wrong tag; of entities, the share that is wrong."""
        given = self.like(gold, model, answers)
        if not _is_tags(gold):
            wrong = {*gold} ^ {*given}
            return len(wrong) / max(len({*gold} | {*given}), 1)
        triples = zip(gold, given, answers["tag_scores"], strict=False)
        return max((float(share) for a, b, share in triples if a != b), default=0.0)

    def calibrated(self, model, gold, answers):
        if not _is_tags(gold):
            return [
                (e["score"], (e["start"], e["end"], e["entity_group"]) in gold)
                for e in _entities(answers)
            ]
        given, shares = self.like(gold, model, answers), answers["tag_scores"].tolist()
        return [(share, a == b) for a, b, share in zip(gold, given, shares, strict=False)]

    def shown(self, value, row):
        if _is_tags(value):
            found = _places(value)
            named = [(" ".join(row["words"][start:end]), kind) for kind, start, end in found]
        else:
            named = [(row["text"][start:end], kind) for start, end, kind in value]
        return "; ".join(f"{text}: {kind}" for text, kind in named) or "none"

    def cells(self, model, answers):
        return {"tags": self.given(model, answers), "entities": _entities(answers)}

    def line(self, cells):
        found = (f"{e['word']}: {e['entity_group']} {e['score']:.4f}" for e in cells["entities"])
        return "; ".join(found) or "-"

    def strictly(self, model):
        from bert_tf2.data.tag_schemes import strict_scheme

        return model._replace(strict=strict_scheme(model.classes))

    def score(self, model, rows, answers):
        """Of entities as conlleval, or as seqeval's strict mode; of other tags, such as parts of
        speech, as of classes.

        A file's tags are IOB2, whatever they were, and the model's are read as IOB2, whatever they
        are: as conlleval reads both.
        """
        pairs = list(zip(rows.labels, answers, strict=True))
        if "words" not in rows.columns:
            given = [self.like(gold, model, found) for gold, found in pairs]
            texts = zip(rows.columns["text"], rows.labels, given, strict=True)
            gold, given = zip(*(_of_characters(*row) for row in texts), strict=True)
            found = entities.score(list(gold), list(given))
            return {name: value for name, value in found.items() if name != "accuracy"}
        given = [of_length(self.given(model, found), len(gold), model) for gold, found in pairs]
        if not _are_own(rows.labels, model):
            found = entities.score(rows.labels, [_as_iob2(row, model) for row in given])
            return found | self._of_tags(model, rows, given) if model.strict else found
        flat = ([tag for row in side for tag in row] for side in (rows.labels, given))
        return classification.scores(*flat)

    def _of_tags(self, model, rows, given):
        """What a strict reading of entities does not change, and the scheme that it is by."""
        lenient = model._replace(strict=None)
        found = entities.score(rows.labels, [_as_iob2(row, lenient) for row in given])
        return {"accuracy": found["accuracy"], "scheme": model.strict}

    def check(self, path, rows):
        for line, words in zip(rows.source.lines, rows.columns.get("words", ()), strict=False):
            check_cells(f"{path}, line {line}, for --output_dir", words)

    def write(self, folder, model, rows, answers, overwrite):
        """predictions.txt: columns of words, the gold tags if there are some, and those given; of
        entities beside gold tags both as IOB2."""
        given = [self.given(model, found) for found in answers]
        words = rows.columns.get("words") or [
            [word.decode("utf-8", "replace") for word in found["words"][: len(tags)]]
            for found, tags in zip(answers, given, strict=True)
        ]
        pairs = zip(given, map(len, words), strict=True)
        given = [of_length(*pair, model) for pair in pairs]
        gold = [rows.labels] if rows.labels and "words" in rows.columns else []
        if gold and not _are_own(rows.labels, model):
            given = [_as_iob2(row, model) for row in given]
        path = folder / self.files[0]
        write_conll(path, words, *gold, given, overwrite=overwrite)
        return [path]


def _is_tags(gold):
    """Whether a label is tags of words, and not entities of a text."""
    return bool(gold) and isinstance(gold[0], str)


def _are_own(gold, model):
    """Whether gold tags are a model's own names, and no entities as IOB2."""
    return not is_scheme(model.classes) and {*model.classes}.issuperset(
        tag for row in gold for tag in row
    )


def _as_iob2(tags, model):
    from bert_tf2.data.tag_schemes import as_iob2

    return as_iob2(tags, model.classes, model.strict)


def _places(tags):
    """(type, start, end) of each entity; of tags that are none, each word that is not "O"."""
    if all(tag == "O" or part(tag)[0] in ("B", "I") for tag in tags):
        return entities.entities(tags)
    return [(tag, i, i + 1) for i, tag in enumerate(tags) if tag != "O"]


def of_length(tags, length, model):
    """Empty words at the end of a text are not told from what fills it up, and have no tag."""
    return (tags + [untagged(model.classes or ())] * length)[:length]


def _of_characters(text, *sides):
    """Entities of a text -> tags of its characters, which are equal where the entities are."""
    return tuple(
        entities.tags_of([(kind, start, end) for start, end, kind in side], len(text))
        for side in sides
    )


def _entities(answers):
    """The entities of one text, a list of dicts."""
    names = ("entity_group", "score", "word", "start", "end")
    columns = [answers[name].tolist() for name in names]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    return [
        {n: v.decode("utf-8", "replace") if isinstance(v, bytes) else v for n, v in row.items()}
        for row in rows
        if row["end"]
    ]
