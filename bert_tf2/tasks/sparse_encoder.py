"""A weight for each piece of the vocabulary: what SPLADE's models are (Formal et al. 2021)."""

import keras
import tensorflow as tf

from bert_tf2.modeling.inputs import input_tensors
from bert_tf2.modeling.splade import SparseWords
from bert_tf2.scoring import sparse
from bert_tf2.scoring.arrays import checked_count
from bert_tf2.scoring.ranked import checked_top
from bert_tf2.tasks import encoding, theirs
from bert_tf2.tasks.prompted import Prompted


@keras.saving.register_keras_serializable("bert_tf2")
class SparseEncoder(Prompted):
    """Gives a text a weight for each piece of the vocabulary, most of them 0.

    `from_preset` opens folders of sentence-transformers with a `SpladePooling`, and any checkpoint
    with a masked-word head. `save_to_preset` writes a folder that sentence-transformers opens, with
    `format="sentence_transformers"`. The model maps int32 ids to float32 (B, V).

    Args:
        encoder, preprocessor: an `Encoder` and a `Preprocessor`.
        pooling_strategy: "max" (default), the largest of a text's tokens, or "sum".
        activation_function: "relu" (default), log(1 + max(logit, 0)), or "log1p_relu", the
            logarithm taken twice.
        max_active_dims: int; keep that many numbers of each vector, the largest. Default: all.
        prompts, default_prompt_name: as of a `SentenceEncoder`.
        similarity_fn_name: "dot" (default), "cosine", "euclidean" or "manhattan".
        drop_padding: compute no padding: same answers, less work. False for XLA and TPUs.
        name: of the model; by default Keras numbers them.

    Raises:
        ValueError: an unknown pooling, activation or similarity, no number to keep, a default
            prompt that is not there, or an encoder that no words are told from (`from_preset`).

    Examples:
        >>> encoder = bert_tf2.SparseEncoder.from_preset("folder/of/a/splade")
        >>> found = encoder.encode(["a plane takes off"], max_active_dims=8)  # SparseVectors
        >>> encoder.decode(found, top_k=3)  # [[("plane", …), …]]
    """

    head_kind = "masked_lm"
    trained_as = "a MaskedLM"
    measures = sparse
    settings = (
        *("pooling_strategy", "activation_function", "max_active_dims"),
        *(*Prompted.settings, "similarity_fn_name"),
    )

    def __init__(
        self,
        encoder,
        preprocessor,
        pooling_strategy="max",
        activation_function="relu",
        max_active_dims=None,
        prompts=None,
        default_prompt_name=None,
        similarity_fn_name="dot",
        drop_padding=True,
        name=None,
    ):
        inputs = input_tensors()
        states = encoder.encode(inputs, drop_padding)["sequence_output"]
        head = SparseWords(
            encoder.parts["embeddings"],
            encoder.config,
            *(pooling_strategy, activation_function),
            name="mlm",
            dtype=encoder.policy,
        )
        outputs = head(states, inputs["padding_mask"])  # (B, V)
        super().__init__(encoder, preprocessor, inputs, outputs, drop_padding, name)
        self.pooling_strategy, self.activation_function = pooling_strategy, activation_function
        self.max_active_dims = _checked_limit(max_active_dims)
        self.similarity_fn_name = sparse.checked_similarity(similarity_fn_name)
        self.keep_prompts(prompts, default_prompt_name)

    # === The protocol =============================================================================

    def prepare(self, found, **how):
        """Texts, perhaps with `prompt` (the text of it) or `prompt_name`, of all or one each."""
        if "text" not in found:
            return self.encoded(found), None, None
        _, ids = self.tokenized(found)
        cut = ids.row_lengths() + 2 > self.preprocessor.max_length
        return self.preprocessor.packed(ids) | {"cut": cut}, None, None

    def answers(self, inputs, outputs, counted=False, max_active_dims=None):
        """`indices` int32 and `values` float32 (B, A), in falling order, then zeros; and `cut`
        (B,), whether a text was too long, if that is `counted`."""
        active = tf.reduce_sum(tf.cast(outputs != 0, tf.int32), 1)
        most = tf.reduce_max(tf.concat([active, [0]], 0))  # A
        if limit := max_active_dims or self.max_active_dims:
            most = tf.minimum(most, limit)
        values, indices = tf.math.top_k(outputs, most)
        sound = tf.math.is_finite(tf.reduce_sum(outputs, 1, keepdims=True))
        values = tf.where(sound, values, float("nan"))  # an order of others means nothing
        found = {"indices": tf.where(values > 0, indices, 0), "values": values}
        return found | ({"cut": inputs["cut"]} if counted else {})

    def signatures(self):
        """`embed_sparse`: `text` (B,) and `prompt_name` (B,), of which "" is the default."""
        return {"embed_sparse": self.named_strings()}

    # === Vectors ==================================================================================

    def encode(
        self,
        sentences,
        prompt_name=None,
        prompt=None,
        batch_size=32,
        show_progress_bar=False,
        max_active_dims=None,
        **others,
    ):
        """The vectors of texts.

        Args:
            sentences, prompt_name, prompt, batch_size, show_progress_bar: as of `encoding.encode`.
            max_active_dims: int; keep that many numbers of each vector, the largest. Default: the
                task's own.
            **others: of sentence-transformers' `encode`, where they change nothing.

        Returns:
            `scoring.sparse.SparseVectors` of n rows; of one str, of one row.

        Raises:
            ValueError: no such prompt, no number to keep, or weights that are not finite.
        """
        theirs.check(others, ("prompt_name", "prompt", "batch_size", "max_active_dims"))
        sentences = [sentences] if encoding.is_single(sentences) else sentences
        prompt, limit = self.prompt_of(prompt_name, prompt), _checked_limit(max_active_dims)
        texts = encoding.texts_of(sentences)
        rows = [None] * int(texts.shape[0])
        how = {"max_active_dims": limit} if limit else {}
        for places, answers in encoding.each_batch(
            self, texts, prompt, batch_size, show_progress_bar, **how
        ):
            for place, indices, values in zip(
                places, answers["indices"].numpy(), answers["values"].numpy(), strict=True
            ):
                active = values != 0
                rows[place] = indices[active], values[active]
        return sparse.SparseVectors.of_rows(rows, self.output.shape[-1])

    def decode(self, vectors, top_k=None):
        """The pieces of the vocabulary that vectors stand for.

        Args:
            vectors: `SparseVectors` (n, V).
            top_k: how many of each, those that weigh most; default all that are not 0.

        Returns:
            for each row a list of tuples, str and float, in falling order of weight.
        """
        found, top_k = [], checked_top(top_k)
        for row in range(vectors.shape[0]):
            indices, values = vectors.row(row)
            order = (-values).argsort(kind="stable")[:top_k]
            found.append([(self._piece(indices[i]), float(values[i])) for i in order])
        return found

    def _piece(self, index):
        """Of a row of the table that no piece has, its number in brackets."""
        tokenizer = self.preprocessor.tokenizer
        known = index < tokenizer.vocabulary_size
        return tokenizer.id_to_token(int(index)) if known else f"[{index}]"

    def similarity(self, a, b):
        """How alike vectors are: (n, V), (m, V) -> float32 (n, m). See `scoring.sparse`."""
        return sparse.similarity(a, b, self.similarity_fn_name)

    def similarity_pairwise(self, a, b):
        """How alike vectors of the same row are: (n, V) twice -> float32 (n,)."""
        return sparse.similarity_pairwise(a, b, self.similarity_fn_name)

    def fit(self, *args, **kwargs):
        """A `SparseEncoder` is not trained: it raises TypeError."""
        raise TypeError(
            "A SparseEncoder is not trained: train its words as a MaskedLM, and open what that was "
            "saved to."
        )


def _checked_limit(count):
    return None if count is None else checked_count(count, "max_active_dims")
