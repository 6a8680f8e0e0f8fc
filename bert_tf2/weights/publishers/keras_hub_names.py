"""keras-hub's names, in the `.weights.h5` files of Keras 3.

Keras names a layer by its class and counts the classes, in the order of the model's layers: the
second Dense is `dense_1`, whatever it is called. Inside a layer it takes the attribute's name, and
of a layer's own variables the number. The names are the same from Keras 3.0 with keras-nlp 0.8 to
Keras 3.15 with keras-hub 0.32. Keras 2 wrote `_query_dense` for `query_dense`, and 2.13
`_layer_checkpoint_dependencies` for `layers`.

`{0}` stands for the number in a block's name, `{count}` for how many blocks come before it,
`{projections}` for 1 where a dense layer follows the embeddings, else 0. What lies below `task` is
of the file with the head (containers/keras_weights.py).
"""

from bert_tf2.weights.name_tables import Format, Naming, rows

_KERNEL_AND_BIAS = {"kernel": "vars/0", "bias": "vars/1"}
FORMAT = Format(
    about="keras-hub preset (Keras weights)",
    separator="/",
    parts={
        "table": {"": "vars/0"},
        "vector": {"": "vars/0"},
        "norm": {"gamma": "vars/0", "beta": "vars/1"},
        "dense": _KERNEL_AND_BIAS,
        "logits": _KERNEL_AND_BIAS,
    },
    splits_heads=True,
    skipped={
        r"^task/optimizer/": "optimizer slot",
        r"(^|/)seed_generator/vars/": "state of a random generator",
    },
    aliases=(
        (r"(^|/)_layer_checkpoint_dependencies/", r"\1layers/"),
        (r"/_(query|key|value|output)_dense/", r"/\1_dense/"),
    ),
    drops_zero=True,
)

_EMBEDDINGS = """
embeddings/token             layers/reversible_embedding
embeddings/position          layers/position_embedding
embeddings/segment           layers/embedding
embeddings/norm              layers/layer_normalization
"""
_EMBEDDINGS_IN_ONE = """
embeddings/token             layers/token_and_position_embedding/token_embedding
embeddings/position          layers/token_and_position_embedding/position_embedding
embeddings/norm              layers/layer_normalization
"""
_BLOCKS = """
{block}/attention/query      BLOCK/_self_attention_layer/query_dense
{block}/attention/key        BLOCK/_self_attention_layer/key_dense
{block}/attention/value      BLOCK/_self_attention_layer/value_dense
{block}/attention/output     BLOCK/_self_attention_layer/output_dense
{block}/attention/norm       BLOCK/_self_attention_layer_norm
{block}/ffn/intermediate     BLOCK/_feedforward_intermediate_dense
{block}/ffn/output           BLOCK/_feedforward_output_dense
{block}/ffn/norm             BLOCK/_feedforward_layer_norm
""".replace("BLOCK", "layers/transformer_encoder_{count}")
_CLASSIFIER = """
classifier                   task/layers/dense
"""
_TWO_LAYERS = """
pre_classifier               task/layers/dense_0
classifier                   task/layers/dense_1
"""
_MLM = """
mlm/transform                task/layers/masked_lm_head/_intermediate_dense
mlm/norm                     task/layers/masked_lm_head/_intermediate_layer_norm
mlm/bias                     task/layers/masked_lm_head
"""

_BERT = _EMBEDDINGS + _BLOCKS + _CLASSIFIER
_BERT += """
pooler                       layers/dense
"""
_ALBERT = _EMBEDDINGS + _BLOCKS + _CLASSIFIER
_ALBERT += """
embeddings/projection        layers/dense_0
pooler                       layers/dense_1
"""
_ELECTRA = _EMBEDDINGS + _BLOCKS
_ELECTRA += """
embeddings/projection        layers/dense_0
pooler                       layers/dense_{projections}
"""
_DISTILBERT = _EMBEDDINGS_IN_ONE + _BLOCKS + _TWO_LAYERS
_ROBERTA = _EMBEDDINGS_IN_ONE + _BLOCKS + _TWO_LAYERS + _MLM

# keras-hub's MaskedLMHead always has epsilon 1e-5, and in BertMaskedLM the erf GELU: only RoBERTa's
# agrees with its encoder. Another one would give other probabilities in our head.
_OTHER_MLM = {r"^task/layers/masked_lm_head/": "a masked-LM head of another epsilon"}

NAMES = {
    "bert": Naming(rows(_BERT), skipped=_OTHER_MLM),
    "albert": Naming(rows(_ALBERT), skipped=_OTHER_MLM),
    "distilbert": Naming(rows(_DISTILBERT), skipped=_OTHER_MLM),
    "electra": Naming(rows(_ELECTRA)),
    "roberta": Naming(rows(_ROBERTA)),
    "xlm_roberta": Naming(rows(_ROBERTA)),
}
