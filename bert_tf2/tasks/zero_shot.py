"""Labels never seen in training: does a text entail "This example is <label>."?

Yin, Hay & Roth 2019, "Benchmarking zero-shot text classification". Letters: B texts, K labels.
"""

import keras
import numpy as np
import tensorflow as tf

from bert_tf2.data import columns
from bert_tf2.messages import checked_bool, shorten
from bert_tf2.tasks.text_classifier import TextClassifier
from bert_tf2.text.forms import cells

PAIRS = 256  # of text and label, at a time
_NEEDED = (
    "`multi_label`, or a single label, needs one class of the head called contradiction, or "
    "not_entailment"
)


@keras.saving.register_keras_serializable("bert_tf2")
class ZeroShotClassifier(TextClassifier):
    """Sorts texts into classes that are named when it is asked, with a head trained on inference.

    The model is a `TextClassifier` of pairs, premise and hypothesis, of which one class is called
    "entailment" (any case, or its begin), and perhaps one "contradiction" or "not_entailment"; it
    is trained and evaluated as such. Asked about texts, each is paired with each label's
    hypothesis, and all pairs are computed in one batch without padding.

    Args:
        encoder, preprocessor, labels, dropout, pooling, drop_padding, name: as of a
            `TextClassifier`; `labels` are those of the head, e.g. as a checkpoint's `id2label`.
        candidate_labels: the labels that `classify` and an exported model sort into, a list of str
            or one str with commas; None: they are given with the texts, there as well.
        hypothesis_template: str with one "{}" for a label.
        multi_label: False: the scores of a text add up to 1, over labels; True: each label is
            answered by itself, entailment against contradiction, as a single label always is.

    Raises:
        ValueError: no class, or several, called entailment; `multi_label`, or a single label,
            without a contradiction; a template without "{}".

    Examples:
        >>> zero = bert_tf2.ZeroShotClassifier.from_preset("folder/of/nli")
        >>> answer, = zero.classify(["The match ended in a draw."], ["sports", "politics"])
        >>> answer["labels"]  # the likeliest first; `scores` beside them
        ['sports', 'politics']
    """

    problem_types = ("single_label_classification",)
    settings = (
        *("labels", "dropout", "pooling"),
        *("candidate_labels", "hypothesis_template", "multi_label"),
    )
    marks = ("candidate_labels",)

    def __init__(
        self,
        encoder,
        preprocessor,
        labels=None,
        dropout=None,
        pooling="first",
        candidate_labels=None,
        hypothesis_template="This example is {}.",
        multi_label=False,
        drop_padding=True,
        name=None,
    ):
        super().__init__(
            encoder, preprocessor, labels, dropout, pooling, drop_padding=drop_padding, name=name
        )
        self.entailment = _class_of(self.labels, "entail")
        self.contradiction = _class_of(self.labels, "contradict", "not_entail", "not entail")
        if self.entailment is None:
            raise ValueError(
                "One class of the head must be called entailment: give `labels` in the order of "
                f"its logits, or open it as a TextClassifier. Received: {self.labels}"
            )
        self.set_candidates(candidate_labels, hypothesis_template, multi_label)

    def set_candidates(self, candidate_labels=None, hypothesis_template=None, multi_label=None):
        """Sets what `classify` and an exported model sort into, and how; see the class.

        What is None stays as it is, at first without labels, "This example is {}." and False.

        Raises:
            ValueError: labels that are none, or equal; see the class.
        """
        given = {
            "candidate_labels": None if candidate_labels is None else _labels(candidate_labels),
            "hypothesis_template": hypothesis_template,
            "multi_label": multi_label,
        }
        asked = {n: getattr(self, n, None) if v is None else v for n, v in given.items()}
        _check(**asked, task=self)
        for name, value in asked.items():
            setattr(self, name, value)

    def classify(
        self,
        sequences,
        candidate_labels=None,
        hypothesis_template=None,
        multi_label=None,
        batch_size=PAIRS,
    ):
        """Sorts texts into labels.

        Args:
            sequences: a list of str, or one.
            candidate_labels, hypothesis_template, multi_label: see the class; default: its own.
            batch_size: pairs of text and label at a time.

        Returns:
            for each text a dict of `sequence`, and of `labels` (list of str) and `scores` (list of
            float) in falling order; for one str that dict.

        Raises:
            ValueError: no labels, or none to tell apart; see the class.
        """
        if isinstance(sequences, str):
            return self.classify([sequences], candidate_labels, hypothesis_template, multi_label)[0]
        template = self.hypothesis_template if hypothesis_template is None else hypothesis_template
        several = self.multi_label if multi_label is None else multi_label
        names = self.candidate_labels if candidate_labels is None else _labels(candidate_labels)
        _check(names, template, several, self)
        if not names:
            raise ValueError("`candidate_labels` must be a list of str. Received: None")
        texts = columns.text_columns(sequences, columns.TEXT_NAMES[:1])["text"]
        hypotheses = [template.replace("{}", name) for name in names]
        pairs = (tf.repeat(texts, len(names)), tf.tile(hypotheses, [len(texts)]))
        logits = np.concatenate([a["logits"] for a in self.answer(pairs, batch_size)])
        scores = self._scores(logits.reshape(len(texts), len(names), -1), several).numpy()
        order = np.argsort(-scores, axis=1, kind="stable")
        return [
            {
                "sequence": text.decode(errors="replace"),
                "labels": [names[i] for i in best],
                "scores": row[best].tolist(),
            }
            for text, row, best in zip(texts.numpy(), scores, order, strict=True)
        ]

    def _scores(self, logits, several):
        """logits of all pairs (B, K, C) -> the score of each label, (B, K).

        One label is scored as each of several is, as transformers' pipeline does it: a softmax over
        it alone would be 1 for any text.
        """
        entailed = logits[..., self.entailment]
        is_one = tf.equal(tf.shape(entailed)[1], 1)
        if self.contradiction is None:
            with tf.control_dependencies([tf.debugging.Assert(~is_one, [_NEEDED])]):
                return tf.nn.softmax(entailed)
        alone = tf.sigmoid(entailed - logits[..., self.contradiction])  # softmax over the two
        return alone if several else tf.where(is_one, alone, tf.nn.softmax(entailed))

    def prepare(self, columns):
        """Pairs as a `TextClassifier`; texts with each candidate label's hypothesis."""
        if "text" not in columns or "text_pair" in columns:
            return super().prepare(columns)
        names = columns.get("candidate_labels", self.candidate_labels)
        if names is None:
            raise ValueError(
                "`candidate_labels` must be set, or given with texts to `classify`; to tell if one "
                "text entails another, give pairs: a tuple of two lists of str."
            )
        names = tf.convert_to_tensor(names)  # (K,)
        before, after = self.hypothesis_template.split("{}")
        texts, count = columns["text"], tf.size(names)
        hypotheses = tf.tile(tf.strings.join([before, names, after]), [tf.size(texts)])
        inputs = self.preprocessor((tf.repeat(texts, count), hypotheses))  # (B K, L)
        return inputs | {"candidate_labels": names}, None, None

    def answers(self, inputs, outputs):
        """Of texts `labels` and `scores` (B, K) in falling order; of pairs a `TextClassifier`'s."""
        if "candidate_labels" not in inputs:
            return super().answers(inputs, outputs)
        names = inputs["candidate_labels"]
        logits = tf.reshape(outputs, tf.stack([-1, tf.size(names), len(self.labels)]))
        best = tf.math.top_k(self._scores(logits, self.multi_label), tf.size(names))
        return {"labels": tf.gather(names, best.indices), "scores": best.values}

    def string_inputs(self, pairs=False):
        """Texts, and the candidate labels (K,) where none are set."""
        found = super().string_inputs()
        if self.candidate_labels is None:
            found["candidate_labels"] = tf.TensorSpec([None], tf.string, name="candidate_labels")
        return found

    def extra_assets(self):
        lines = "".join(f"{name}\n" for name in self.candidate_labels or ())
        return super().extra_assets() | ({"candidate_labels.txt": lines} if lines else {})


def _class_of(labels, *begins):
    """The number of the one class whose name begins so, or None."""
    found = [i for i, name in enumerate(labels) if name.casefold().startswith(begins)]
    return found[0] if len(found) == 1 else None


def _labels(given):
    """Candidate labels as users give them -> a list of different str."""
    names = given.split(",") if isinstance(given, str) else cells(given, "candidate_labels")
    names = [name.decode() if isinstance(name, bytes) else name for name in names]
    names = [name.strip() if isinstance(name, str) else name for name in names]
    wrong = [name for name in names if not isinstance(name, str) or len(name.splitlines()) != 1]
    if not names or wrong or len(set(names)) != len(names):
        raise ValueError(
            "`candidate_labels` must be different str of one line, with something in it. Received: "
            f"{shorten(given, 200)}"
        )
    return names


def _check(candidate_labels, hypothesis_template, multi_label, task):
    checked_bool("multi_label", multi_label)
    if not isinstance(hypothesis_template, str) or hypothesis_template.count("{}") != 1:
        raise ValueError(
            '`hypothesis_template` must have one "{}" for the label. Received: '
            f"{hypothesis_template!r}"
        )
    if (multi_label or len(candidate_labels or ()) == 1) and task.contradiction is None:
        raise ValueError(f"{_NEEDED}. Received: {task.labels}")
