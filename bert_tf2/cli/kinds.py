"""Kinds of answers: what each is against gold, in a row of a file, and on the screen.

A kind has
    names(model): the names that labels must be of, or None;
    given(model, answers): the answer to one row, in the form that its label has;
    sure(model, answers): how sure the model is of it, 0 … 1; None where that means nothing;
    right, badness, calibrated, shown: for reports;
    cells(model, answers): dict, what stands in a row of an output file;
    line(cells): what is printed before the text;
    score(model, rows, answers): dict of figures, of all rows.
`model` is an `Opened`; `answers` of one row are a dict of NumPy values.
"""

import numpy as np

from bert_tf2.data.label_cells import indicators
from bert_tf2.scoring import classification, regression


class Kind:
    """What a kind is unless it says otherwise."""

    def names(self, model):
        return None

    def sure(self, model, answers):
        return None

    by = "sure"  # what makes an answer bad
    files = ()  # the official ones that `write` writes
    of_task = False  # whether `write` asks the task itself again, and no SavedModel
    reported = True  # whether single answers are judged in a report

    def right(self, gold, given):
        return gold == given

    def badness(self, model, gold, answers):
        """How bad an answer is, 0 for a right one: as bad as the model was sure of it."""
        right = self.right(gold, self.given(model, answers))
        return 0.0 if right else self.sure(model, answers)

    def calibrated(self, model, gold, answers):
        """Probabilities that were given, and of each whether it was of what is right."""
        sure = self.sure(model, answers)
        return [] if sure is None else [(sure, self.right(gold, self.given(model, answers)))]

    def shown(self, value, row):
        """A label or an answer for people; `row` has the cells of its columns."""
        return str(value)

    def like(self, gold, model, answers):
        """The answer in the form of its label."""
        return self.given(model, answers)

    def for_scores(self, model, rows, batch_size):
        """The answers that `score` needs, a list."""
        return list(model.answers(rows, batch_size))

    def strictly(self, model):
        """The model, whose answers are scored as --strict has it; a ValueError if that means
        nothing."""
        raise ValueError("--strict is for token_classification, whose tags are of entities")

    def check(self, path, rows):
        """Raises a ValueError, before they are answered, for rows that `write` has no form for."""

    def finish(self, task, rows):
        """Sets what is chosen on rows that were not learned from; -> what to say of it, or None."""


class Classes(Kind):
    """One class a text."""

    def given(self, model, answers):
        return answers["label"].decode()

    def sure(self, model, answers):
        return float(answers["probabilities"].max())

    def cells(self, model, answers):
        # A class may be called "label" or "text": its column must not replace ours.
        by_class = _by_name(model, answers)
        return {"label": self.given(model, answers), "probability": max(by_class.values())} | {
            f"p({name})": share for name, share in by_class.items()
        }

    def line(self, cells):
        return f"{cells['label']}\t{cells['probability']:.4f}"

    def score(self, model, rows, answers):
        given = [self.given(model, found) for found in answers]
        names, matrix = classification.confusion(rows.labels, given, self.names(model))
        found = classification.scores(rows.labels, given, names)
        return found | {"confusion_matrix": matrix.tolist()}

    def names(self, model):
        return model.classes


class Candidates(Classes):
    """One of the labels that were named when it was asked."""

    def given(self, model, answers):
        return answers["labels"][0].decode()

    def sure(self, model, answers):
        return float(answers["scores"][0])

    def cells(self, model, answers):
        labels, scores = [x.decode() for x in answers["labels"]], answers["scores"].tolist()
        return {"label": labels[0], "score": scores[0], "labels": labels, "scores": scores}

    def line(self, cells):
        return "\t".join(
            f"{label} {score:.4f}"
            for label, score in zip(cells["labels"][:3], cells["scores"], strict=False)
        )

    def names(self, model):
        return model.candidates


class Labels(Kind):
    """Any number of labels a text."""

    def names(self, model):
        return model.classes

    def given(self, model, answers):
        return [name.decode() for name in answers["labels"] if name]

    def right(self, gold, given):
        return set(gold) == set(given)

    def badness(self, model, gold, answers):
        """That of the surest of its wrong decisions."""
        given, shares = self.given(model, answers), _by_name(model, answers)
        wrong = set(gold) ^ set(given)
        return max((shares[n] if n in given else 1 - shares[n] for n in wrong), default=0.0)

    def calibrated(self, model, gold, answers):
        return [(share, name in gold) for name, share in _by_name(model, answers).items()]

    def shown(self, value, row):
        return ", ".join(sorted(value)) or "none"

    def finish(self, task, rows):
        found = task.tune_thresholds(rows.x, rows.labels)
        named = [f"{name} {value:.3f}" for name, value in found.items()]
        named = ", ".join(named[:12] + ["…"] * (len(named) > 12))
        return (
            f"Thresholds have the best F1 on the dev file ({named}), whose scores of labels are "
            "somewhat too good for it: --test_file tells better."
        )

    def cells(self, model, answers):
        by_class = {f"p({name})": share for name, share in _by_name(model, answers).items()}
        return {"labels": self.given(model, answers)} | by_class

    def line(self, cells):
        return ", ".join(f"{name} {cells[f'p({name})']:.4f}" for name in cells["labels"]) or "-"

    def score(self, model, rows, answers):
        gold = indicators(rows.labels, model.classes)
        shares = np.stack([found["probabilities"] for found in answers])
        return classification.multi_label(gold, shares, model.thresholds, model.classes)


class Numbers(Kind):
    """One or several numbers a text."""

    def names(self, model):
        return model.classes

    def given(self, model, answers):
        found = answers["scores"].tolist()
        return found if found[1:] else found[0]

    by = "error"

    def badness(self, model, gold, answers):
        return float(np.abs(np.subtract(gold, self.given(model, answers))).max())

    def shown(self, value, row):
        return ", ".join(f"{number:.4g}" for number in np.reshape(value, -1))

    def cells(self, model, answers):
        return dict(zip(model.classes, answers["scores"].tolist(), strict=True))

    def line(self, cells):
        return "\t".join(f"{value:.4f}" for value in cells.values())

    def score(self, model, rows, answers):
        given = np.stack([found["scores"] for found in answers])
        return regression.scores(np.reshape(rows.labels, given.shape), given, model.classes)


class Choices(Kind):
    """One of several texts."""

    def given(self, model, answers):
        return int(answers["index"])

    def shown(self, value, row):
        return row["choices"][value]

    def sure(self, model, answers):
        return float(answers["probabilities"].max())

    def cells(self, model, answers):
        shares = answers["probabilities"].tolist()
        choice = answers["choice"].decode()
        return {"choice": choice, "index": int(answers["index"]), "probabilities": shares}

    def line(self, cells):
        return f"{cells['index']}\t{max(cells['probabilities']):.4f}\t{cells['choice']}"

    def score(self, model, rows, answers):
        given = [self.given(model, found) for found in answers]
        return {"accuracy": classification.scores(rows.labels, given)["accuracy"]}


class Words(Kind):
    """The words that masks of a text stand for."""

    def for_scores(self, model, rows, batch_size):
        """Whether each hidden word is found, where something else computes than the task."""
        if model.reader is None:
            return []
        tokenizer, found = model.reader.preprocessor.tokenizer, []
        pieces = np.array([piece.encode() for piece in tokenizer.vocabulary], object)
        for batch in model.reader.hidden(rows.x, batch_size):
            (answers,) = model.answer({n: batch[n] for n in model.reader.input}, batch_size)
            right = answers["words"][..., 0] == pieces[batch["masked_ids"]]  # (B, P)
            found += right[batch["masked_weights"] > 0].tolist()
        return found

    def cells(self, model, answers):
        """For each mask of a text its likeliest words, and their probabilities."""
        masks = int(answers["masks"])
        words = [[word.decode() for word in row] for row in answers["words"][:masks]]
        return {"words": words, "probabilities": answers["probabilities"][:masks].tolist()}

    def line(self, cells):
        words = " ".join(row[0] for row in cells["words"])
        return f"{words}\t{' '.join(f'{row[0]:.4f}' for row in cells['probabilities'])}"

    def score(self, model, rows, answers):
        """Loss, accuracy and perplexity of words that are hidden, the same each time."""
        if answers:
            return {"mlm_accuracy": float(np.mean(answers))}
        if model.task is None:
            raise ValueError(
                "A SavedModel of a MaskedLM only fills masks: evaluate its .keras file."
            )
        found = model.task.evaluate(rows.x, verbose=0, return_dict=True)
        return {name: float(value) for name, value in found.items()}


def _by_name(model, answers):
    return dict(zip(model.classes, answers["probabilities"].tolist(), strict=True))
