"""One vector for a text: what sentence-transformers' models are (Reimers & Gurevych 2019)."""

import logging

import keras
import numpy as np
import tensorflow as tf

from bert_tf2.data.sentence_rows import TEXTS, text_rows
from bert_tf2.messages import checked_bool, shorten
from bert_tf2.modeling import sentences
from bert_tf2.modeling.inputs import check_ids, input_tensors
from bert_tf2.scoring import vectors
from bert_tf2.tasks import encoding, features, to_file
from bert_tf2.tasks.prompted import Prompted
from bert_tf2.tasks.task import Task
from bert_tf2.tasks.trained_vectors import TrainedVectors

LOGGER = logging.getLogger("bert_tf2")


@keras.saving.register_keras_serializable("bert_tf2")
class SentenceEncoder(TrainedVectors, Prompted):
    """Gives a text a vector, near those of texts that mean the like.

    `from_preset` opens folders of sentence-transformers as they say: pooling, the modules that
    follow, prompts, similarity and longest text. Of any other encoder it takes the mean of all
    tokens, and says so. `save_to_preset` writes a folder that sentence-transformers opens, with
    `format="sentence_transformers"`. The model maps int32 ids to float32 (B, D).

    Args:
        encoder, preprocessor: an `Encoder` and a `Preprocessor`.
        pooling: "cls", "max", "mean" (default), "mean_sqrt_len_tokens", "weightedmean" or
            "lasttoken"; or several, whose vectors are joined.
        modules: what follows, in this order, each a dict of its `kind` and settings:
            "dense": `width`, `activation` ("tanh"), `bias` (True), `residual` (False);
            "norm", layer normalisation; "dropout": `rate` (0.2); "normalize", to length 1.
            A kind alone stands for a dict of it.
        include_prompt: whether the tokens of a prompt count in the pooling.
        prompts: dict of names to texts, each to be put before a text.
        default_prompt_name: of the prompt that `encode` takes where none is named.
        similarity_fn_name: "cosine" (default), "dot", "euclidean" or "manhattan".
        truncate_dim: int; keep that many numbers of each vector, the first. Default: all.
        drop_padding: compute no padding: same answers, less work. False for XLA and TPUs.
        name: of the model; by default Keras numbers them.

    Raises:
        ValueError: an unknown pooling, module or similarity, a default prompt that is not there, or
            more numbers than a vector has.

    Examples:
        >>> encoder = bert_tf2.SentenceEncoder.from_preset("all-MiniLM-L6-v2")
        >>> a = encoder.encode(["a plane takes off", "a cat sleeps"])  # float32 (2, 384)
        >>> encoder.similarity(a, encoder.encode("an aircraft departs"))  # float32 (2, 1)
    """

    head_kind = "sentence"
    plain_answer = "embedding"
    settings = (
        *("pooling", "modules", "include_prompt", "prompts"),
        *("default_prompt_name", "similarity_fn_name", "truncate_dim"),
    )

    def __init__(
        self,
        encoder,
        preprocessor,
        pooling=None,
        modules=(),
        include_prompt=True,
        prompts=None,
        default_prompt_name=None,
        similarity_fn_name="cosine",
        truncate_dim=None,
        drop_padding=True,
        name=None,
    ):
        inputs, is_said = input_tensors(), pooling is not None
        include_prompt = checked_bool("include_prompt", include_prompt)
        head = sentences.SentenceVector(pooling or "mean", modules, name="vector")
        if head.pooling == ("cls",) and include_prompt:
            states = encoder.encode(inputs, drop_padding, first_only=True)["first_output"]
        else:
            states = encoder.encode(inputs, drop_padding)["sequence_output"]
        counted = inputs["padding_mask"]
        if not include_prompt:
            counted = keras.Input((None,), dtype="int32", name="pooling_mask")
            inputs["pooling_mask"] = counted
        outputs = head(states, counted)  # (B, D)
        super().__init__(encoder, preprocessor, inputs, outputs, drop_padding, name)
        self.pooling, self.modules = head.pooling, head.modules
        self.pooling_is_said, self.include_prompt = is_said, include_prompt
        self.keep_prompts(prompts, default_prompt_name)
        self.similarity_fn_name = vectors.checked_similarity(similarity_fn_name)
        self.truncate_dim = self.checked_width(truncate_dim)

    @classmethod
    def from_preset(cls, preset, *args, **kwargs):
        task = super().from_preset(preset, *args, **kwargs)
        if not task.pooling_is_said:
            LOGGER.warning(
                "%s says nothing of a pooling: its vectors are the mean of all tokens. Give "
                "`pooling` and `modules` if they are others.",
                preset,
            )
        return task

    from_preset.__func__.__doc__ = Task.from_preset.__doc__

    @property
    def width(self):
        """How many numbers a vector has."""
        return self.truncate_dim or self.output.shape[-1]

    def checked_width(self, width):
        """`truncate_dim` itself; ValueError for one that the vectors have not."""
        most = self.output.shape[-1]
        is_int = isinstance(width, int | np.integer) and not isinstance(width, bool)
        if width is not None and not (is_int and 1 <= width <= most):
            raise ValueError(
                f"`truncate_dim` must be an int from 1 to {most}, the numbers of a vector. "
                f"Received: {shorten(width)}"
            )
        return None if width is None else int(width)

    # === The protocol =============================================================================

    def prepare(self, found, counted=False):
        """Texts, perhaps with `prompt` (the text of it) or `prompt_name`, of all or one each."""
        if "labels" in found:
            return self.prepared_rows(found)
        if TEXTS in found:
            raise ValueError(
                f"A {type(self).__name__} takes single texts, a list of str. Received: pairs"
            )
        if "text" not in found:
            return self.encoded(found), None, None
        inputs, cut = self.packed_ids(*self.tokenized(found))
        return inputs | {"cut": cut}, None, None

    def packed_ids(self, prompt, ids):
        """A prompt () or (B,), and ids of it and the text -> inputs, and whether each was cut."""
        inputs, longest = self.preprocessor.packed(ids), self.preprocessor.max_length
        if not self.include_prompt:
            tokens = self.preprocessor.tokenizer(tf.reshape(prompt, [-1])).row_lengths(axis=1)
            tokens = tf.minimum(tf.cast(tokens, tf.int32) + 1, longest - 1)  # with "[CLS]"
            empty = tf.reshape(tf.strings.length(prompt), [-1]) == 0
            skipped = tf.where(empty, 0, tokens)[:, tf.newaxis]  # (1, 1) or (B, 1)
            mask = inputs["padding_mask"]
            later = tf.range(tf.shape(mask)[1])[tf.newaxis] >= skipped
            inputs["pooling_mask"] = mask * tf.cast(later, tf.int32)
        return inputs, ids.row_lengths() + 2 > longest

    def rename_inputs(self, inputs):
        """As `Task.rename_inputs`; where prompts do not count, `pooling_mask` says what does."""
        if self.include_prompt or "pooling_mask" not in inputs:
            renamed = super().rename_inputs(inputs)
            counted = {} if self.include_prompt else {"pooling_mask": renamed["padding_mask"]}
            return renamed | counted
        inputs = dict(inputs)
        mask = inputs.pop("pooling_mask")
        check_ids("pooling_mask", mask, 2)
        return super().rename_inputs(inputs) | {"pooling_mask": mask}

    def answers(self, inputs, outputs, counted=False):
        """`embedding` (B, D).

        Where it is `counted`, for `encode`, all numbers of it, of which any may be asked for, and
        `cut` (B,), whether a text was too long.
        """
        if counted:
            return {"embedding": outputs, "cut": inputs["cut"]}
        return {"embedding": outputs[:, : self.width]}

    def signatures(self):
        """`embed`: `text` (B,) and `prompt_name` (B,), of which "" is the default."""
        return {"embed": self.named_strings()}

    # === Vectors ==================================================================================

    encode = encoding.encode
    encode_to_file = to_file.encode_to_file
    fingerprint, glance = to_file.fingerprint, to_file.glance
    features = features.features

    def similarity(self, a, b):
        """How alike vectors are: (n, D), (m, D) -> float32 (n, m). See `scoring.vectors`."""
        return vectors.similarity(a, b, self.similarity_fn_name)

    def predict_similarity(self, x, batch_size=32, verbose=0):
        """How alike the texts of pairs are.

        Args:
            x: pairs: a tuple of two lists of n str, a list of tuples, or a table of two columns.
            batch_size: texts at a time. verbose: whether to show how far it is.

        Returns:
            float32 (n,); equal texts are computed once.
        """
        pairs = text_rows(x)
        if pairs.shape[1] != 2:
            raise ValueError(f"Expected pairs, two texts a row. Received: {pairs.shape[1]}")
        texts, places = np.unique(pairs.numpy(), return_inverse=True)
        found = self.encode(texts.tolist(), batch_size=batch_size, show_progress_bar=bool(verbose))
        a, b = found[places.reshape(-1, 2)].swapaxes(0, 1)
        return self.similarity_pairwise(a, b)

    def similarity_pairwise(self, a, b):
        """How alike vectors of the same row are: (n, D) twice -> float32 (n,)."""
        return vectors.similarity_pairwise(a, b, self.similarity_fn_name)

    # === A transformer of scikit-learn, which `fit` of texts alone leaves as it is ================

    def transform(self, X):
        """Texts -> float32 (n, D), as `encode`."""
        return self.encode(X)

    def fit_transform(self, X, y=None, **kwargs):
        """As `transform`: within a `Pipeline` nothing is learnt here."""
        return self.encode(X)

    def __sklearn_clone__(self):
        return self
