"""What a client's answers are to people: the methods that tasks have for it, under their names."""

import numpy as np

from bert_tf2.scoring.arrays import listed
from bert_tf2.scoring.ranked import ranked
from bert_tf2.serving.client_columns import filled_up

LOGITS = ("logits", "scores", "embedding")  # what `predict` gives of a task that has it


class TaskMethods:
    """The methods of tasks, on `answer`."""

    def predict(self, x):
        """As the task's `predict`: logits float32 (n, C) of a classifier, (n, N) of choices; the
        numbers of a regressor (n, K), of a Reranker's one logit (n,); vectors (n, D).

        Raises:
            ValueError: a task whose logits are not of rows; its own method is named.
        """
        found = self.answer(x)
        for name in LOGITS:
            if name in found and found[name].ndim == 2 and "starts" not in found:
                one = self.about["task"] == "Reranker" and found[name].shape[1] == 1
                return found[name][:, 0] if one else found[name]
        raise ValueError(
            f"{self.model} gives no logits of rows: see `answer`, `predict_entities`, "
            "`predict_tags`, `answer_question`, `fill_masks`"
        )

    def _asked(self, names, *args, **kwargs):
        """`answer`; ValueError where there are no outputs of these names."""
        found = self.answer(*args, **kwargs)
        missing = [name for name in names.split() if name not in found]
        if missing:
            task = self.about["task"] or "SavedModel"
            raise ValueError(
                f"{self.model}, a {task}, answers {', '.join(found)}, and no {missing[0]}: see "
                "`answer`, or the method that the task has"
            )
        return found

    def predict_labels(self, x):
        """As a `TextClassifier`'s: a list of `Prediction`, or of `Labels` where one text may have
        several."""
        from bert_tf2.tasks.problems import Labels, Prediction

        found = self._asked("probabilities", x)
        shares = self._by_name(found["probabilities"])
        if "labels" in found:
            names = [[x for x in map(_text, row) if x] for row in found["labels"].tolist()]
            return [Labels(*row) for row in zip(names, shares, strict=True)]
        names = map(_text, found["label"].tolist())
        return [
            Prediction(name, max(row.values()), row)
            for name, row in zip(names, shares, strict=True)
        ]

    def _by_name(self, shares):
        labels = self.about["labels"]
        if labels is None:
            raise ValueError(f"{self.url} does not tell the names of its classes: see `answer`")
        return [dict(zip(labels, row, strict=True)) for row in shares.tolist()]

    def predict_scores(self, x):
        """As a `TextRegressor`'s: float32 (n, K), or (n,) where there is one number a text."""
        found = self._asked("scores", x)["scores"]
        return found[:, 0] if found.shape[1] == 1 else found

    def predict_entities(self, x):
        """As a `TokenClassifier`'s: for each text a list of dicts."""
        from bert_tf2.tasks.tagging import rows_of_entities

        return list(rows_of_entities(self._asked("entity_group", *_of_words(x))))

    def predict_tags(self, x):
        """As a `TokenClassifier`'s: a list of `TaggedWords`, with the model's own strategy."""
        from bert_tf2.data.class_names import untagged
        from bert_tf2.tasks.tagging import rows_of_words

        answers = self._asked("tag_scores", *_of_words(x))
        labels = self.about["labels"] or _tags_seen(answers["tags"])
        found = list(rows_of_words(answers, labels))
        if _is_words(x):  # empty words at the end of a row are not told from what fills it up
            none = untagged(labels)
            for row, words in zip(found, x, strict=True):
                more = len(words) - len(row.words)
                row.words.extend(words[len(row.words) :])
                row.tags.extend([none] * more)
                row.scores.extend([0.0] * more)
        return found

    def answer_question(self, question, context):
        """As a `QuestionAnswerer`'s: a dict for each question, or a list of the best ones."""
        from bert_tf2.tasks.answer_rows import rows_of

        one = isinstance(question, str)
        questions = [question] if one else question
        contexts = [context] * len(questions) if isinstance(context, str | bytes) else context
        answers = self._asked("answers", (questions, contexts))
        found = rows_of(answers)
        if answers["scores"].shape[1] == 1:
            found = [row[0] for row in found]
        return found[0] if one else found

    def fill_masks(self, texts):
        """As a `MaskedLM`'s: for each text a list with, for each of its masks, five `Filling`s."""
        from bert_tf2.tasks.masked_lm import Filling

        found = self._asked("masks words", texts)
        columns = (found[name].tolist() for name in ("masks", "words", "probabilities"))
        return [
            [
                [Filling(_text(word), share) for word, share in zip(*best, strict=True)]
                for best in zip(words[:masks], shares[:masks], strict=True)
            ]
            for masks, words, shares in zip(*columns, strict=True)
        ]

    def predict_choices(self, x):
        """As a `MultipleChoice`'s: a list of `Choice`."""
        from bert_tf2.tasks.multiple_choice import Choice

        found = self._asked("index choice", x)
        columns = (found[name].tolist() for name in ("index", "choice", "probabilities"))
        return [Choice(i, _text(choice), row) for i, choice, row in zip(*columns, strict=True)]

    def classify(self, sequences, candidate_labels=None):
        """As a `ZeroShotClassifier`'s: for each text `sequence`, `labels` and `scores`."""
        one = isinstance(sequences, str)
        sequences = [sequences] if one else sequences
        shared = {} if candidate_labels is None else {"candidate_labels": list(candidate_labels)}
        found = self._asked("labels scores", sequences, **shared)
        rows = zip(sequences, found["labels"].tolist(), found["scores"].tolist(), strict=True)
        found = [
            {"sequence": text, "labels": [*map(_text, names)], "scores": scores}
            for text, names, scores in rows
        ]
        return found[0] if one else found

    def encode(self, sentences, prompt_name=None, normalize_embeddings=False, truncate_dim=None):
        """As a `SentenceEncoder`'s: float32 (n, D); of one str (D,)."""
        one = isinstance(sentences, str)
        x, signature = [sentences] if one else sentences, "serving_default"
        if prompt_name is not None:
            signature, x = "embed", {"text": x, "prompt_name": [prompt_name] * len(x)}
        found = self._asked("embedding", x, signature)["embedding"]
        if truncate_dim is not None and not 1 <= truncate_dim <= found.shape[1]:
            raise ValueError(
                f"`truncate_dim` must be an int from 1 to {found.shape[1]}, the numbers of a "
                f"vector there. Received: {truncate_dim!r}"
            )
        found = found[:, :truncate_dim]
        if normalize_embeddings:
            found = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
        return found[0] if one else found

    def rank(self, query, documents, top_k=None, return_documents=False, prompt_name=None):
        """As a `Reranker`'s: dicts of `corpus_id`, `score` and perhaps `text`, the best first."""
        documents = listed(documents, "documents")
        if not documents:
            return []
        x, signature = ([query] * len(documents), documents), "serving_default"
        if prompt_name is not None:
            names, signature = ("text", "text_pair", "prompt_name"), "rerank"
            x = dict(zip(names, (*x, [prompt_name] * len(documents)), strict=True))
        scores = self._asked("scores", x, signature)["scores"]
        if scores.shape[1] != 1:
            raise ValueError(f"Texts are ranked by one logit. {self.model} has {scores.shape[1]}")
        return ranked(scores[:, 0], documents, top_k, return_documents)


def _of_words(x):
    """Texts as they are; rows of words filled up, with the signature that takes them."""
    return ({"words": filled_up(x)}, "words") if _is_words(x) else (x, "serving_default")


def _is_words(x):
    return isinstance(x, list | tuple) and len(x) > 0 and isinstance(x[0], list)


def _tags_seen(tags):
    """The labels of a model whose server tells none, as far as its answers do: "O" also where they
    are letters and kinds alone."""
    from bert_tf2.data.class_names import is_scheme

    seen = sorted({_text(tag) for row in tags.tolist() for tag in row if tag})
    return ["O", *seen] if is_scheme(seen) else seen


def _text(value):
    return value.decode("utf-8", "replace")
