"""Classes from a handful of texts each: SetFit's way (Tunstall et al. 2022).

The encoder is first trained on pairs, so that texts of one class lie near each other, and then a
logistic regression on its vectors tells the classes.
"""

from pathlib import Path

import numpy as np

from bert_tf2.data import few_shot, labels
from bert_tf2.files import read_json, write_json
from bert_tf2.messages import shorten
from bert_tf2.scoring.arrays import listed
from bert_tf2.tasks.sentence_encoder import SentenceEncoder
from bert_tf2.training.logistic import fit_logistic

HEAD = "few_shot_head.json"  # beside the encoder's own files


class FewShotClassifier:
    """Sorts texts into classes, learnt from a few texts of each.

    Args:
        encoder: a `SentenceEncoder`, which `fit` trains further.
        labels: the classes in order; default: those that `fit` meets, sorted, each time anew.

    Raises:
        TypeError: another encoder. ValueError: labels that are no str or int, or one twice; in
            `predict` and `save_to_preset`, nothing learnt yet.

    Examples:
        >>> classifier = bert_tf2.FewShotClassifier.from_preset("all-MiniLM-L6-v2")
        >>> classifier.fit(["we won", "a draw", "shares fell", "a new bank"], ["a", "a", "b", "b"])
        >>> classifier.predict(["they lost"])
        ['a']
    """

    def __init__(self, encoder, labels=None):
        if not isinstance(encoder, SentenceEncoder):
            raise TypeError(f"`encoder` must be a SentenceEncoder. Received: {shorten(encoder)}")
        self.encoder, self.given = encoder, labels and checked_labels(labels)
        self.labels = self.given
        self.coef = self.intercept = None

    @classmethod
    def from_preset(cls, preset, labels=None, **kwargs):
        """Opens an encoder, and what `save_to_preset` wrote beside it.

        Args:
            preset, **kwargs: as of `SentenceEncoder.from_preset`.
            labels: see the class; default: those that were saved.
        """
        classifier = cls(SentenceEncoder.from_preset(preset, **kwargs), labels)
        head = Path(preset).expanduser() / HEAD
        if labels is None and head.is_file():
            classifier._read(head)
        return classifier

    def _read(self, file):
        values = read_json(file, {"labels": [str], "coef": [[float]], "intercept": [float]})
        names, coef = checked_labels(values["labels"]), np.array(values["coef"])
        width, count = self.encoder.width, len(names)
        if coef.shape != (width, count) or len(values["intercept"]) != count:
            raise ValueError(
                f"{file}: `coef` must be of shape {(width, count)} and `intercept` of {count} "
                f"numbers, for {count} labels. Received: {coef.shape} and "
                f"{len(values['intercept'])}"
            )
        self.labels, self.coef, self.intercept = names, coef, np.array(values["intercept"])

    def fit(
        self,
        texts,
        y,
        num_iterations=20,
        epochs=1,
        batch_size=16,
        learning_rate=2e-5,
        loss="cosine_similarity",
        C=1.0,
        template=None,
        sample_size=4,
        seed=1,
        verbose=0,
    ):
        """Trains the encoder on pairs, then the head on its vectors.

        Args:
            texts: list of n str. y: list of n labels, str or int, which are then names.
            num_iterations: pairs of one class, and of two, that each text begins; 0 leaves the
                encoder as it is: the plain logistic head.
            epochs, batch_size: of the pairs. learning_rate: of the encoder, SetFit's.
            loss: of the encoder, one that takes pairs with 1 and 0, see `SentenceEncoder.compile`.
            C: of the head, scikit-learn's: what the data count beside small weights.
            template: str with {}, where a class's name is put: such texts are learnt from as well,
                as SetFit's templated data sets are. They help where names say what classes are
                about: "This text is about {}."
            sample_size: how many of them there are of each class, alike.
            seed: of the pairs.
            verbose: of Keras's `fit`.

        Returns:
            itself.

        Raises:
            ValueError: other lengths, fewer than two classes, a label that is none of `labels` or
                neither str nor int, a `C` that is not above 0, or a template without {}.
            TypeError: texts that are one str.
        """
        texts, y = listed(texts, "texts"), _names(y)
        names = self.given or checked_labels(sorted({*y}))
        if len(texts) != len(y):
            raise ValueError(
                f"`texts` and `y` must be as many. Received: {len(texts)} and {len(y)}"
            )
        if strange := {*y} - {*names}:
            raise ValueError(f"`y` must be of {shorten(names)}. Received: {shorten(min(strange))}")
        if not isinstance(C, int | float | np.number) or not C > 0:
            raise ValueError(f"`C` must be a number above 0. Received: {shorten(C)}")
        if template is not None:
            told, classes = few_shot.templated(names, template, sample_size)
            texts, y = [*texts, *told], [*y, *classes]
        if num_iterations:
            *sides, alike = few_shot.contrastive_pairs(texts, y, num_iterations, seed)
            self.encoder.compile({"learning_rate": learning_rate}, loss=loss)
            how = {"batch_size": batch_size, "epochs": epochs, "verbose": verbose}
            self.encoder.fit(tuple(sides), alike, **how)
        self.coef, self.intercept = fit_logistic(
            self.encoder.encode(texts), [names.index(label) for label in y], len(names), C
        )
        self.labels = names
        return self

    def predict_proba(self, texts, batch_size=32):
        """The probability of each class: float64 (n, C), in the order of `labels`."""
        if self.coef is None:
            raise ValueError("The classifier must be trained first: call `fit`.")
        logits = self.encoder.encode(listed(texts, "texts"), batch_size=batch_size) @ self.coef
        logits += self.intercept
        shares = np.exp(logits - logits.max(1, keepdims=True))
        return shares / shares.sum(1, keepdims=True)

    def predict(self, texts, batch_size=32):
        """The likeliest class of each text: a list of n str."""
        return [self.labels[i] for i in self.predict_proba(texts, batch_size).argmax(1)]

    def save_to_preset(self, folder):
        """Writes encoder and head into a new or empty folder, for `from_preset`. -> the folder"""
        if self.coef is None:
            raise ValueError("The classifier must be trained first: call `fit`.")
        folder = self.encoder.save_to_preset(folder)
        head = {"coef": self.coef.tolist(), "intercept": self.intercept.tolist()}
        write_json(Path(folder) / HEAD, {"labels": self.labels} | head)
        return folder


def _names(y):
    """Labels as names, a list of str."""
    found = y.tolist() if isinstance(y, np.ndarray) else list(y)
    if strange := [label for label in found if not isinstance(label, str | int | np.integer)]:
        raise ValueError(f"Labels must be str or int. Received: {shorten(strange[0])}")
    return list(map(str, found))


def checked_labels(names):
    """Names of classes as a list; ValueError for fewer than two, or one that is there twice."""
    return labels.class_names(names, 2)
