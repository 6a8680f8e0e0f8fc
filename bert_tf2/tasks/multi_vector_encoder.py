"""A vector for each token of a text: what ColBERT's models are (Khattab & Zaharia 2020)."""

import keras
import tensorflow as tf

from bert_tf2.messages import shorten
from bert_tf2.modeling.inputs import check_ids, input_tensors
from bert_tf2.modeling.sentences import TokenVectors
from bert_tf2.scoring import late, vectors
from bert_tf2.scoring.arrays import listed
from bert_tf2.scoring.ranked import checked_top, ranked
from bert_tf2.tasks import encoding, theirs
from bert_tf2.tasks.prompted import DOCUMENTS, Prompted
from bert_tf2.text import expansion

MODULES = ({"kind": "dense", "width": 128, "activation": "linear", "bias": False}, "normalize")
TASKS = ("", "query", "document")  # what texts may be: of each, its number in a graph


@keras.saving.register_keras_serializable("bert_tf2")
class MultiVectorEncoder(Prompted):
    """Gives a text a vector for each of its tokens, and texts scores by these: late interaction.

    `from_preset` opens ColBERT's folders, Stanford's and PyLate's, and sentence-transformers'.
    `save_to_preset` writes a folder that sentence-transformers opens, with
    `format="sentence_transformers"`. The model maps int32 ids and `scoring_mask` (B, L), the tokens
    that count, to float32 (B, L, W), zeros for the others.

    Args:
        encoder, preprocessor: an `Encoder` and a `Preprocessor`.
        modules: what makes the vectors, as of a `SentenceEncoder`; default: a dense layer of 128
            without bias and activation, and length 1.
        prompts, default_prompt_name: as of a `SentenceEncoder`: "query" and "document" are what
            mark the two, such as "[unused0] ".
        query_length, document_length: int, the longest of each, in tokens. Default: `max_length`.
        query_expansion: None (default), or a dict that fills queries up: `length`, tokens; `token`,
            with which, default the mask; `attend`, whether the others attend to these (False);
            `strategy`: "fixed", which cuts longer queries, or "min", which does not.
        skiplist_words: pieces that count nothing, such as punctuation; what is none is left out.
        skiplist_tasks: where they do not: "document" (default), "query".
        similarity_fn_name: "maxsim" (default) or "meanmaxsim": see `scoring.late`.
        drop_padding: compute no padding: same answers, less work. False for XLA and TPUs.
        name: of the model; by default Keras numbers them.

    Raises:
        ValueError: an unknown module, similarity, task or way to fill up, a default prompt or piece
            that is not there, or a length above `max_length`.

    Examples:
        >>> encoder = bert_tf2.MultiVectorEncoder.from_preset("folder/of/a/colbert")
        >>> best, = encoder.rank("who met Bo?", ["It rained.", "Ada met Bo."], top_k=1)
        >>> best["corpus_id"]  # and `score`
        1
    """

    head_kind = "sentence"
    measures = late
    settings = (
        *("modules", *Prompted.settings, "query_length", "document_length", "query_expansion"),
        *("skiplist_words", "skiplist_tasks", "similarity_fn_name"),
    )

    def __init__(
        self,
        encoder,
        preprocessor,
        modules=MODULES,
        prompts=None,
        default_prompt_name=None,
        query_length=None,
        document_length=None,
        query_expansion=None,
        skiplist_words=(),
        skiplist_tasks=("document",),
        similarity_fn_name="maxsim",
        drop_padding=True,
        name=None,
    ):
        inputs = input_tensors()
        counted = inputs["scoring_mask"] = keras.Input((None,), dtype="int32", name="scoring_mask")
        head = TokenVectors(modules, name="vector")
        states = encoder.encode(inputs, drop_padding, also=counted)["sequence_output"]
        outputs = head(states, counted)  # (B, L, W)
        super().__init__(encoder, preprocessor, inputs, outputs, drop_padding, name)
        self.modules = head.modules
        self.keep_prompts(prompts, default_prompt_name)
        self.similarity_fn_name = late.checked_similarity(similarity_fn_name)
        self.query_length, self.document_length = query_length, document_length
        self.query_expansion = expansion.checked(query_expansion)
        self.skiplist_words = listed(skiplist_words, "skiplist_words")
        self.skiplist_tasks = listed(skiplist_tasks, "skiplist_tasks")
        if unknown := {*self.skiplist_tasks} - {*TASKS[1:]}:
            raise ValueError(
                f"`skiplist_tasks` must be of {TASKS[1:]}. Received: {shorten(sorted(unknown))}"
            )
        self._check_lengths()

    def _check_lengths(self):
        most, fill = self.preprocessor.max_length, (self.query_expansion or {}).get("length")
        lengths = {"query_length": self.query_length, "document_length": self.document_length}
        for name, length in (lengths | {"length": fill}).items():
            if length is not None and not (isinstance(length, int) and 3 <= length <= most):
                raise ValueError(
                    f"`{name}` must be an int from 3 to {most}, `max_length`. Received: "
                    f"{shorten(length)}"
                )

    # === The protocol =============================================================================

    def prepare(self, found, counted=False):
        """Texts, perhaps with `prompt` and `task`, a number of `TASKS`; or with `prompt_name` of
        each, which tells both."""
        if "text" not in found:
            return self.encoded(found), None, None
        _, ids = self.tokenized(found)
        rows = ids.nrows(tf.int32)
        task = tf.broadcast_to(self._task_in_graph(found), [rows])
        limits = tf.gather(self._limits(), task)
        kept, cut = expansion.shortened(ids, limits)
        inputs = self.preprocessor.packed(kept)
        inputs["scoring_mask"] = inputs["padding_mask"]
        if self.query_expansion:
            tokenizer = self.preprocessor.tokenizer
            inputs = expansion.expanded(inputs, task == 1, tokenizer, self.query_expansion)
        inputs["scoring_mask"] *= 1 - self._skipped(inputs["token_ids"], task)
        return inputs | {"cut": cut}, None, None

    def _task_in_graph(self, found):
        """int32 (), or (B,)."""
        if "prompt_name" not in found:
            return found.get("task", tf.constant(0))
        names = found["prompt_name"]
        is_document = tf.reduce_any(names[:, tf.newaxis] == [*DOCUMENTS], 1)
        return tf.where(names == "query", 1, tf.where(is_document, 2, 0))

    def _limits(self):
        """The longest texts of each of `TASKS`, special tokens included: a list of int."""
        most, fill = self.preprocessor.max_length, self.query_expansion or {}
        query = self.query_length or most
        if fill:  # "min" gives room for what is filled up
            query = fill["length"] if fill["strategy"] == "fixed" else max(query, fill["length"])
        return [most, query, self.document_length or most]

    def _skipped(self, ids, task):
        """int32 (B, L): 1 where a token counts nothing."""
        tokenizer = self.preprocessor.tokenizer
        known = set(tokenizer.vocabulary) if self.skiplist_words else ()
        skipped = [tokenizer.token_to_id(word) for word in self.skiplist_words if word in known]
        tasks = ["query" in self.skiplist_tasks, "document" in self.skiplist_tasks]
        applies = tf.gather(tf.constant([tasks[1], *tasks]), task)  # what is neither is a document
        is_skipped = tf.reduce_any(ids[..., tf.newaxis] == tf.constant(skipped, tf.int32), -1)
        return tf.cast(is_skipped & applies[:, tf.newaxis], tf.int32)

    def rename_inputs(self, inputs):
        """As `Task.rename_inputs`, with `scoring_mask`, by default the `padding_mask`."""
        inputs = dict(inputs)
        mask = inputs.pop("scoring_mask", None)
        renamed = super().rename_inputs(inputs)
        if mask is None:
            mask = renamed["padding_mask"]
        else:
            check_ids("scoring_mask", mask, 2)
            if not isinstance(mask, keras.KerasTensor):
                mask = keras.ops.convert_to_tensor(mask, "int32")
        return renamed | {"scoring_mask": mask}

    def answers(self, inputs, outputs, counted=False):
        """`token_embeddings` (B, L, W) and `mask` (B, L), 1 for the tokens that count; and `cut`
        (B,), whether a text was too long, if that is `counted`."""
        found = {"token_embeddings": outputs, "mask": inputs["scoring_mask"]}
        return found | ({"cut": inputs["cut"]} if counted else {})

    def signatures(self):
        """`embed_tokens`: `text` (B,) and `prompt_name` (B,): what is "query" is one."""
        return {"embed_tokens": self.named_strings()}

    # === Vectors ==================================================================================

    def encode(
        self,
        sentences,
        prompt_name=None,
        prompt=None,
        batch_size=32,
        show_progress_bar=False,
        normalize_embeddings=False,
        task=None,
        **others,
    ):
        """The vectors of texts: see `encode_query` and `encode_document` for what is searched.

        Args:
            sentences, prompt_name, prompt, batch_size, show_progress_bar: as of `encoding.encode`.
            normalize_embeddings: make each vector of length 1.
            task: "query", "document", or None (default): as long as `max_length`, not filled up.
            **others: of sentence-transformers' `encode`, where they change nothing.

        Returns:
            list of n float32 (T, W), T the tokens of a text that count; of one str (T, W).

        Raises:
            ValueError: no such prompt or task, or vectors that are not finite numbers.
        """
        theirs.check(
            others, ("prompt_name", "prompt", "batch_size", "normalize_embeddings", "task")
        )
        if encoding.is_single(sentences):
            more = {"normalize_embeddings": normalize_embeddings, "task": task}
            return self.encode([sentences], prompt_name, prompt, batch_size, **more)[0]
        if (task or "") not in TASKS:
            raise ValueError(f"`task` must be one of {TASKS[1:]}, or None. Received: {task!r}")
        texts, number = encoding.texts_of(sentences), TASKS.index(task or "")
        found = [None] * int(texts.shape[0])
        for rows, answers in encoding.each_batch(
            *(self, texts, self.prompt_of(prompt_name, prompt), batch_size, show_progress_bar),
            more={"task": tf.constant(number)},
            longest=self._limits()[number],
        ):
            parts = answers["token_embeddings"].numpy(), answers["mask"].numpy()
            for row, tokens, mask in zip(rows, *parts, strict=True):
                kept = vectors.checked(tokens[mask != 0], f"text {row}")
                found[row] = vectors.unit_length(kept) if normalize_embeddings else kept
        return found

    def encode_query(self, sentences, prompt_name=None, prompt=None, **kwargs):
        """As `encode`, of what is searched for: as queries are marked, cut and filled up."""
        return super().encode_query(sentences, prompt_name, prompt, **{"task": "query"} | kwargs)

    def encode_document(self, sentences, prompt_name=None, prompt=None, **kwargs):
        """As `encode`, of what is searched in: as documents are marked and cut."""
        kwargs = {"task": "document"} | kwargs
        return super().encode_document(sentences, prompt_name, prompt, **kwargs)

    def similarity(self, a, b):
        """How well texts answer: lists of n and m (T, W) -> float32 (n, m). See `scoring.late`."""
        return late.similarity(a, b, self.similarity_fn_name)

    def similarity_pairwise(self, a, b):
        """How well texts of the same row answer: n (T, W) twice -> float32 (n,)."""
        return late.similarity_pairwise(a, b, self.similarity_fn_name)

    def rank(self, query, documents, top_k=None, return_documents=False, batch_size=32):
        """Texts in falling order of how well they answer a query.

        Args:
            query: str. documents: a list of str.
            top_k, return_documents: as of `Reranker.rank`.
            batch_size: texts at a time.

        Returns:
            list of dicts: `corpus_id`, the place in `documents`, `score`, a float, and `text`.

        Raises:
            ValueError: a `top_k` below 1. TypeError: documents that are one str.
        """
        documents, top_k = listed(documents, "documents"), checked_top(top_k)
        if not documents:
            return []
        asked = self.encode_query([query])
        found = self.encode_document(documents, batch_size=batch_size)
        return ranked(self.similarity(asked, found)[0], documents, top_k, return_documents)

    def fit(self, *args, **kwargs):
        """A `MultiVectorEncoder` is not trained: it raises TypeError."""
        raise TypeError("A MultiVectorEncoder is not trained here: open one that is.")
