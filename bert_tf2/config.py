"""What an encoder is made of: one frozen record of values, and where the families differ."""

import dataclasses
import numbers

from bert_tf2.messages import shorten

ACTIVATIONS = ("gelu_tanh", "gelu_erf", "relu", "tanh", "linear")

# A family is a row of values: where it differs from BERT, whose values are the defaults below.
_ELECTRA = {
    "hidden_act": "gelu_erf",
    "pooler": False,
    "classifier_act": "gelu_erf",
    "classifier_drops_first": True,
}
_ROBERTA = {
    "hidden_act": "gelu_erf",
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
    "position_padding_id": 1,
    "classifier_act": "tanh",
    "classifier_drops_first": True,
}
FAMILIES = {
    "bert": {},
    "albert": {
        "embedding_size": 128,
        "num_hidden_groups": 1,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "classifier_dropout_prob": 0.1,
    },
    "distilbert": {
        "hidden_act": "gelu_erf",
        "type_vocab_size": 0,
        "pooler": False,
        "attention_output_dropout_prob": 0.0,
        "classifier_act": "relu",
        "classifier_dropout_prob": 0.2,
    },
    "electra": _ELECTRA,
    "electra_generator": _ELECTRA,
    "roberta": _ROBERTA,
    "xlm_roberta": _ROBERTA,
    "mpnet": _ROBERTA | {"type_vocab_size": 0, "layer_norm_eps": 1e-12, "relative_buckets": 32},
}

MOST_BLOCKS = 1000  # a damaged config must not keep a machine busy for hours
_LARGEST = 2**31 - 1  # of any size: TensorFlow counts rows of tables in int32
_HUGE = 1e38  # float32 ends there


@dataclasses.dataclass(frozen=True)
class EncoderConfig:
    """The sizes and choices of one encoder. The defaults are BERT's.

    For another family start from its row: `EncoderConfig(family="distilbert",
    **FAMILIES["distilbert"], vocab_size=…, …)`.

    Args:
        vocab_size: number of rows V of the token table.
        hidden_size: width D of every token vector.
        num_hidden_layers: number of transformer blocks.
        num_attention_heads: heads N; `hidden_size` is a multiple of it.
        intermediate_size: width of the feed-forward layer.
        family: a key of `FAMILIES`; decides what the variables are called in files.
        hidden_act: one of "gelu_tanh", "gelu_erf", "relu", "tanh", "linear".
        mlm_act: activation of the masked-word head; None is `hidden_act`.
        hidden_dropout_prob: dropout after each dense layer and the embeddings, in training only.
        attention_probs_dropout_prob: dropout on the attention weights, in training only.
        max_position_embeddings: rows of the position table.
        type_vocab_size: number of segments; 1 ignores segment ids, 0 is no segment table.
        initializer_range: standard deviation of the truncated normal initialiser.
        layer_norm_eps: epsilon inside LayerNorm's square root.
        embedding_size: width E of the embedding tables; None is `hidden_size`.
        project_embeddings: whether a dense layer leads from E to D; None: where they differ.
        num_hidden_groups: groups of layers that share their weights (ALBERT); None: no sharing.
        inner_group_num: blocks in a group, each applied once a layer.
        sinusoidal_positions: fixed sines and cosines in place of a learned position table.
        position_padding_id: counts positions as RoBERTa does: the n-th token (n from 1) that is
            not this id takes row `id + n`, and this id row `id`. None: by column, from row 0.
        relative_buckets: rows of a table, shared by all blocks, of what is added to attention by
            how far apart two tokens stand; a multiple of 4. None: there is none.
        attention_output_dropout_prob: after attention's last dense layer; None is
            `hidden_dropout_prob`.
        pooler: whether the first token's vector also goes through a dense layer with tanh.
        classifier_act: activation of the dense layer that a classifier puts between the first
            token and its logits; None: it reads the pooler, or where there is none that token.
        classifier_drops_first: whether there is dropout before that dense layer, too.
        classifier_dropout_prob: before a classifier's logits; None is `hidden_dropout_prob`.

    Raises:
        ValueError: a size is not a positive whole number, a probability is outside [0, 1), the
            heads do not divide the width, the activation or family is unknown, a number is not
            finite, or values exclude each other.

    Examples:
        >>> config = bert_tf2.EncoderConfig(30522, 256, 4, 4, 1024)
        >>> bert_tf2.Encoder(config)({"token_ids": [[101, 200, 102]]})["sequence_output"].shape
        TensorShape([1, 3, 256])
    """

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    family: str = "bert"
    hidden_act: str = "gelu_tanh"
    mlm_act: str | None = None
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    embedding_size: int | None = None
    project_embeddings: bool | None = None
    num_hidden_groups: int | None = None
    inner_group_num: int = 1
    sinusoidal_positions: bool = False
    position_padding_id: int | None = None
    relative_buckets: int | None = None
    attention_output_dropout_prob: float | None = None
    pooler: bool = True
    classifier_act: str | None = None
    classifier_drops_first: bool = False
    classifier_dropout_prob: float | None = None

    def __post_init__(self):
        for field in dataclasses.fields(self):
            checked = check_field(field, getattr(self, field.name), field.name)
            object.__setattr__(self, field.name, checked)
        # One spelling for one thing: what follows from the sizes is None.
        if self.embedding_size == self.hidden_size:
            object.__setattr__(self, "embedding_size", None)
        if self.mlm_act == self.hidden_act:
            object.__setattr__(self, "mlm_act", None)
        if self.project_embeddings is (self.embedding_size is not None):
            object.__setattr__(self, "project_embeddings", None)
        self._check_values_together()

    def _check_values_together(self):
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                "`hidden_size` must be a multiple of `num_attention_heads`. "
                f"Received: {self.hidden_size} and {self.num_attention_heads}"
            )
        if self.num_hidden_layers * self.inner_group_num > MOST_BLOCKS:
            raise ValueError(
                f"There can be at most {MOST_BLOCKS} blocks. Received: {self.num_hidden_layers} "
                f"layers of {self.inner_group_num}"
            )
        groups = self.num_hidden_groups
        if groups is None and (self.inner_group_num > 1 or self.family == "albert"):
            raise ValueError("`num_hidden_groups` must be given where layers share weights.")
        if groups is not None and groups > self.num_hidden_layers:
            raise ValueError(
                f"`num_hidden_groups` must be at most the {self.num_hidden_layers} layers. "
                f"Received: {groups}"
            )
        if (self.relative_buckets or 0) % 4:
            raise ValueError(
                f"`relative_buckets` must be a multiple of 4. Received: {self.relative_buckets}"
            )
        if self.max_length < 1:
            raise ValueError(
                "`max_position_embeddings` must be above `position_padding_id` + 1. Received: "
                f"{self.max_position_embeddings} and {self.position_padding_id}"
            )
        if self.project_embeddings is False:
            raise ValueError(
                "`project_embeddings` must not be False where `embedding_size` and `hidden_size` "
                f"differ. Received: {self.embedding_size} and {self.hidden_size}"
            )

    @property
    def embedding_width(self) -> int:
        """Width E of the embedding tables."""
        return self.embedding_size or self.hidden_size

    @property
    def has_projection(self) -> bool:
        """Whether a dense layer leads from the embeddings to the first block."""
        return self.embedding_size is not None or bool(self.project_embeddings)

    @property
    def max_length(self) -> int:
        """The longest sequence, in tokens."""
        skipped = 0 if self.position_padding_id is None else self.position_padding_id + 1
        return self.max_position_embeddings - skipped

    @property
    def output_dropouts(self) -> tuple[float, float]:
        """The rates of dropout after a block's attention and after its feed-forward layer."""
        own, rate = self.attention_output_dropout_prob, self.hidden_dropout_prob
        return rate if own is None else own, rate

    @property
    def classifier_dropout(self) -> float:
        """The rate of dropout before a classifier's logits."""
        own = self.classifier_dropout_prob
        return self.hidden_dropout_prob if own is None else own

    def block_names(self) -> list[str]:
        """The block that each step of the encoder applies; with sharing, a name comes again.

        The group of layer i is `int(i / L * G)`, in floating point, as in google-research/albert
        `modeling.py`, transformer_model.
        """
        layers, groups = self.num_hidden_layers, self.num_hidden_groups
        if groups is None:
            return [f"layer_{i}" for i in range(layers)]
        return [
            f"group_{int(i / layers * groups)}_inner_{k}"
            for i in range(layers)
            for k in range(self.inner_group_num)
        ]

    def to_dict(self) -> dict:
        """Every field by name; `EncoderConfig(**cfg.to_dict()) == cfg`."""
        return dataclasses.asdict(self)


def check_field(field: dataclasses.Field, value, name: str):
    """A value of a field, as its type: whole floats become integers.

    Args:
        field: one of EncoderConfig's.
        value: of it, as a JSON has it.
        name: what the field is called there, for messages.

    Raises:
        ValueError: the value is not one of the field's type and range.
    """
    received = f"Received: {shorten(value)}"
    if value is None and field.default is None:
        return None
    if field.type in (int, int | None):
        least = 0 if field.name in ("type_vocab_size", "position_padding_id") else 1
        whole = isinstance(value, float) and value.is_integer()
        if isinstance(value, bool) or not (whole or isinstance(value, numbers.Integral)):
            raise ValueError(f"`{name}` must be an integer. {received}")
        if value < least:
            raise ValueError(f"`{name}` must be at least {least}. {received}")
        if value > _LARGEST:
            raise ValueError(f"`{name}` must be below 2**31. {received}")
        return int(value)
    if field.type in (float, float | None):
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise ValueError(f"`{name}` must be a number. {received}")
        if field.name.endswith("_prob"):
            fits, wanted = 0 <= value < 1, "in [0, 1)"
        elif field.name == "layer_norm_eps":
            fits, wanted = 0 < value < _HUGE, "above 0 and finite"
        else:
            fits, wanted = 0 <= value < _HUGE, "0 or above, and finite"
        if not fits:
            raise ValueError(f"`{name}` must be {wanted}. {received}")
    if field.type in (bool, bool | None) and not isinstance(value, bool):
        raise ValueError(f"`{name}` must be True or False. {received}")
    if field.name == "family" and not (isinstance(value, str) and value in FAMILIES):
        raise ValueError(f"`family` must be one of {list(FAMILIES)}. {received}")
    if field.name.endswith("_act") and not (isinstance(value, str) and value in ACTIVATIONS):
        raise ValueError(f"`{name}` must be one of {list(ACTIVATIONS)}. {received}")
    return value
