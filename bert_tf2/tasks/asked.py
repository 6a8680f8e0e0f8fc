"""How a `QuestionAnswerer` is asked, and when it had better be silent."""

import math

from bert_tf2.data.answer_spans import answer_spans, answer_texts
from bert_tf2.scoring import nbest, questions
from bert_tf2.tasks import answer_rows
from bert_tf2.tasks.answer_windows import Asking


class Asked:
    """What a `QuestionAnswerer` answers to questions, with its own settings or with others."""

    asked_settings = Asking._fields  # what `set_asking` sets

    def asking(self, **how):
        """The settings, or those given in their place, as an `Asking`."""
        own = {name: getattr(self, name) for name in Asking._fields if name in self.settings}
        given = {name: value for name, value in how.items() if value is not None}
        return Asking(**own | given).checked(self.preprocessor)

    def set_asking(self, **how):
        """Sets how questions are asked, of the class's arguments those that `answer_question` has.

        The model keeps it, in its files and exports as well.

        Args:
            **how: such as `doc_stride=64`; what is None, or left out, stays as it is.

        Raises:
            TypeError, ValueError: no such argument, or settings that do not fit: see the class.
        """
        asked = self.asking(**how)
        for name, value in how.items():
            if name not in self.settings:  # `max_seq_len`
                raise TypeError(f"`{name}` is no setting of the task, but of a call")
            if value is not None:
                setattr(self, name, getattr(asked, name))  # no NumPy, which no file keeps

    def answer_question(
        self,
        question,
        context,
        top_k=None,
        doc_stride=None,
        max_answer_len=None,
        max_seq_len=None,
        max_question_len=None,
        handle_impossible_answer=None,
        batch_size=32,
        null_score_diff_threshold=None,
    ):
        """The answers to questions.

        Args:
            question, context: str; or n str each, in lists. One context may be of all questions.
            top_k, doc_stride, max_answer_len, max_question_len, handle_impossible_answer,
                null_score_diff_threshold: see the class; default: its own.
            max_seq_len: int, the tokens of a window; default: the preprocessor's `max_length`.
            batch_size: questions at a time.

        Returns:
            for each question a dict: `score`, the softmax of an answer's logits, start plus end
            (of none less the threshold), over all that might be answers in all windows, so that
            they add up to 1; `start` and
            `end`, characters of the context; and `answer`, these characters, or "" for none. With
            `top_k` above 1 a list of so many, or of all there are, the best first. For one question
            not in a list that alone.

        Raises:
            TypeError, ValueError: no texts, or settings that do not fit: see the class.
        """
        one = isinstance(question, str)
        questions = [question] if one else question
        contexts = [context] * len(questions) if isinstance(context, str | bytes) else context
        how = {
            "top_k": top_k,
            "doc_stride": doc_stride,
            "max_answer_len": max_answer_len,
            "max_seq_len": max_seq_len,
            "max_question_len": max_question_len,
            "handle_impossible_answer": handle_impossible_answer,
            "null_score_diff_threshold": null_score_diff_threshold,
        }
        found = [
            row
            for batch in self.answer((questions, contexts), batch_size, **how)
            for row in answer_rows.rows_of(batch)
        ]
        if self.asking(**how).top_k == 1:
            found = [row[0] for row in found]
        return found[0] if one else found

    def predict_nbest(
        self, x, batch_size=32, verbose=0, n_best_size=20, null_score_diff_threshold=None, **how
    ):
        """The likeliest answers as run_squad.py tells them, for its files and for scores.

        Args:
            x: see the class.
            batch_size: questions at a time. verbose: whether to show how far it is.
            n_best_size: see `scoring.nbest.nbest`.
            null_score_diff_threshold: see the class; default: its own.
            **how: settings in place of the task's own, as in `answer_question`.

        Returns:
            `scoring.nbest.Answers`, whose texts are parts of the contexts; with
            `reproduce="google"` those of run_squad.py. `data.squad.write_answers` writes them.
        """
        threshold = null_score_diff_threshold
        asking, google = self.asking(**how), self.reproduce == "google"
        batches = self.answer(x, batch_size, verbose, windows=True, **how)
        logits, ids, contexts = answer_rows.windows_of(batches)
        text = answer_rows.slices(logits, contexts)
        if google:
            text = answer_rows.as_google(logits, contexts, ids, self.preprocessor.tokenizer)
        return nbest.nbest(
            logits,
            text,
            n_best_size,
            asking.max_answer_len,
            asking.handle_impossible_answer,
            asking.null_score_diff_threshold if threshold is None else threshold,
            nbest.NONE if google else "",
        )

    def tune_threshold(self, x, y, batch_size=32):
        """Sets the `null_score_diff_threshold` with the best F1 on data that were not learned from.

        The model keeps it, in its files and exports as well.

        Args:
            x, y: as for `evaluate`, without ids.
            batch_size: questions at a time.

        Returns:
            the threshold, a float.

        Raises:
            ValueError: answers to all questions, or to none.
        """
        x = self.read_texts(x)
        contexts = [text.decode("utf-8", "replace") for text in x["context"].numpy()]
        answer_spans(y, contexts, len(contexts))  # raises
        gold = dict(enumerate(answer_texts(y, contexts)))
        how = {"handle_impossible_answer": True, "null_score_diff_threshold": math.inf}
        found = self.predict_nbest(x, batch_size, **how)
        said, odds = (dict(enumerate(values)) for values in found[::2])
        self.set_asking(null_score_diff_threshold=questions.best_threshold(gold, said, odds))
        return self.null_score_diff_threshold
