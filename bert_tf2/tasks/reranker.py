"""How well a text answers a query: cross-encoders (Nogueira & Cho 2019)."""

import keras
import numpy as np
import tensorflow as tf

from bert_tf2.data import columns
from bert_tf2.modeling.sentences import ACTIVATIONS
from bert_tf2.scoring.arrays import checked_choice, listed
from bert_tf2.scoring.ranked import checked_top, ranked
from bert_tf2.tasks import encoding, feeding, process, theirs
from bert_tf2.tasks.prompted import Prompted
from bert_tf2.tasks.text_regressor import TextRegressor


@keras.saving.register_keras_serializable("bert_tf2")
class Reranker(TextRegressor):
    """Scores pairs of texts, such as a query and what may answer it.

    The model is a `TextRegressor`'s or a `TextClassifier`'s, of one logit or several, whose scores
    are these after an activation. To train one, open the checkpoint as one of the two.

    Pairs are packed as Google's code has it, which differs from sentence-transformers in two cases:
    a second text of no tokens is none, without a "[SEP]" of its own; and where both texts are
    longer than half of the room, the first one may keep the odd token.

    Args:
        encoder, preprocessor, labels, dropout, pooling, drop_padding, name: as of a
            `TextRegressor`.
        activation: "linear", "sigmoid", "tanh", "relu", "gelu" or "silu"; default: as the
            checkpoint's config says, or else "sigmoid" of one logit and "linear" of several, as
            sentence-transformers has it.
        prompts, default_prompt_name: as of a `SentenceEncoder`; a prompt stands before the first
            text of each pair, the query.

    Raises:
        ValueError: another activation, a default prompt that is not there, a checkpoint without a
            head of scores (`from_preset`), or what a `TextRegressor` refuses.

    Examples:
        >>> reranker = bert_tf2.Reranker.from_preset("folder/of/a/cross-encoder")
        >>> best, = reranker.rank("who met Bo?", ["It rained.", "Ada met Bo."], top_k=1)
        >>> best["corpus_id"]  # and `score`
        1
    """

    problem_types = ()
    trained_as = "a TextRegressor of pairs"
    settings = (*TextRegressor.settings, "activation", *Prompted.settings)
    keep_prompts = Prompted.keep_prompts
    prompt_of = Prompted.prompt_of
    _prompt_in_graph = Prompted._prompt_in_graph

    def __init__(
        self,
        encoder,
        preprocessor,
        labels=("score",),
        dropout=None,
        pooling="first",
        activation=None,
        drop_padding=True,
        name=None,
        prompts=None,
        default_prompt_name=None,
    ):
        super().__init__(encoder, preprocessor, labels, dropout, pooling, drop_padding, name)
        if activation is None:
            activation = "sigmoid" if len(self.labels) == 1 else "linear"
        checked_choice(activation, ACTIVATIONS, "activation")
        self.activation, self.takes_pairs = activation, True
        self.keep_prompts(prompts, default_prompt_name)
        if len(self.labels) > 1:
            self.problem_type = "single_label_classification"

    def prepare(self, columns):
        if "text" in columns and "text_pair" not in columns:
            raise ValueError("A Reranker reads pairs: give a list of tuples of two str.")
        if "text" in columns:
            texts = tf.strings.join([self._prompt_in_graph(columns), columns["text"]])
            columns = {n: x for n, x in columns.items() if not n.startswith("prompt")}
            columns["text"] = texts
        return super().prepare(columns)

    def answers(self, inputs, outputs):
        """`scores` (B, K), float32; and of one logit `score` (B,)."""
        scores = ACTIVATIONS[self.activation](outputs)
        return {"scores": scores} | ({"score": scores[:, 0]} if len(self.labels) == 1 else {})

    def signatures(self):
        """`rerank`: `text` (B,), queries, and `text_pair` (B,); of a model with prompts also
        `prompt_name` (B,), of the prompt before each query, of which "" is the default."""
        named = Prompted.named_strings(self) if self.prompts else {}
        return {"rerank": self.string_inputs(pairs=True) | named}

    def fit(self, *args, **kwargs):
        """A `Reranker` is not trained: it raises TypeError."""
        raise TypeError(
            "A Reranker is not trained: open its checkpoint as a TextRegressor (one logit) or a "
            "TextClassifier, train that, and open what it was saved to."
        )

    def predict(self, pairs, batch_size=32, verbose=0, prompt_name=None, prompt=None, **others):
        """The scores of pairs; those of like length are computed together.

        Args:
            pairs: a list of tuples (query, text), a tuple of two lists, or one pair of str.
            batch_size: pairs at a time.
            verbose: whether to show how far it is.
            prompt_name: of the prompt before each query; default: `default_prompt_name`.
            prompt: the text itself to put there; "" for none.
            **others: of sentence-transformers' `predict`, where they change nothing.

        Returns:
            float32 (n,), or (n, K) of several logits; of one pair a number, or (K,).

        Raises:
            ValueError: texts that are no pairs, no such prompt, or scores that are no finite
                numbers.
        """
        theirs.check(others, ("batch_size", "verbose", "prompt_name", "prompt"))
        if isinstance(pairs, tuple | list) and len(pairs) == 2 and {*map(type, pairs)} == {str}:
            return self.predict([tuple(pairs)], batch_size, verbose, prompt_name, prompt)[0]
        process.check()
        self.prompt_of(prompt_name, prompt)  # there must be one of that name
        if isinstance(pairs, list) and not pairs:
            none = np.empty((0, len(self.labels)), "float32")
            return none[:, 0] if len(self.labels) == 1 else none
        texts = columns.text_columns(pairs)
        if len(texts) != 2:
            raise ValueError("A Reranker reads pairs: give a list of tuples of two str.")
        texts["text"] = tf.strings.join([self.prompt_of(prompt_name, prompt), texts["text"]])
        feeding.say_what_is_lost(self, texts)
        found = np.empty((int(texts["text"].shape[0]), len(self.labels)), "float32")
        there = {"prompt": tf.constant("")}  # already
        for rows, answers in encoding.longest_first(self, texts, batch_size, verbose, there):
            found[rows] = answers["scores"].numpy()
        if not np.isfinite(found).all():
            row = int(np.flatnonzero(~np.isfinite(found).all(1))[0])
            raise ValueError(f"Scores must be finite numbers. Received: {found[row]} in row {row}")
        return found[:, 0] if len(self.labels) == 1 else found

    def rank(
        self,
        query,
        documents,
        top_k=None,
        return_documents=False,
        batch_size=32,
        prompt_name=None,
        prompt=None,
        **others,
    ):
        """Texts in falling order of their scores to a query.

        Args:
            query: str. documents: a list of str.
            top_k: how many of the best to give; default all.
            return_documents: whether to give the texts, too.
            batch_size, prompt_name, prompt, **others: as of `predict`.

        Returns:
            list of dicts: `corpus_id`, the place in `documents`, `score`, a float, and `text`.

        Raises:
            ValueError: several logits, of which none is the score; or a `top_k` below 1.
            TypeError: documents that are one str.
        """
        checked_top(top_k)
        if len(self.labels) != 1:
            raise ValueError(
                f"Texts are ranked by one logit; of several, see `predict`. Received: {self.labels}"
            )
        documents = listed(documents, "documents")
        if not documents:
            return []
        pairs = [query] * len(documents), documents
        prompts = {"prompt_name": prompt_name, "prompt": prompt}
        scores = self.predict(pairs, batch_size, **prompts, **others)
        return ranked(scores, documents, top_k, return_documents)
