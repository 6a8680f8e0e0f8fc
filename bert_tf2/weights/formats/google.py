"""Google's names, in TensorFlow checkpoints: BERT, ALBERT, ELECTRA; and brightmart's ALBERT.

`{block}` stands for a name of `EncoderConfig.block_names`, `{0}` and `{1}` for the numbers in it,
capitals for what a family puts there.
"""

from bert_tf2.weights.formats.format import Format, Naming, rows

_ONE = "bert/encoder/transformer/group_0/inner_group_0"  # ALBERT's block where there is but one
FORMAT = Format(
    about="Google (TensorFlow checkpoint)",
    separator="/",
    parts={
        "table": {"": ""},
        "vector": {"": ""},
        "norm": {"gamma": "gamma", "beta": "beta"},
        "dense": {"kernel": "kernel", "bias": "bias"},
        "logits": {"kernel": "output_weights", "bias": "output_bias"},
    },
    transposed=frozenset({"logits"}),
    skipped={
        r"/(adam|lamb)_[mv]$": "optimizer slot",  # Google's AdamWeightDecay and LAMB
        r"/(Adam|Adam_1|Momentum)$": "optimizer slot",  # TensorFlow's own
        r"(^|/)beta[12]_power$": "optimizer slot",
        r"/ExponentialMovingAverage$": "moving average of a weight",
        r"^global_step$": "step counter",
    },
    aliases=(
        (r"^module/", ""),  # a TF-Hub module of TensorFlow 1 inside another graph
        # brightmart's ALBERT (containers/factorized.py) calls its one block as BERT does.
        (r"^bert/encoder/layer_shared/attention/self/", f"{_ONE}/attention_1/self/"),
        (
            r"^bert/encoder/layer_shared/attention/output/dense/",
            f"{_ONE}/attention_1/output/dense/",
        ),
        (r"^bert/encoder/layer_shared/attention/output/LayerNorm/", f"{_ONE}/LayerNorm/"),
        (r"^bert/encoder/layer_shared/intermediate/", f"{_ONE}/ffn_1/intermediate/"),
        (r"^bert/encoder/layer_shared/output/dense/", f"{_ONE}/ffn_1/intermediate/output/dense/"),
        (r"^bert/encoder/layer_shared/output/LayerNorm/", f"{_ONE}/LayerNorm_1/"),
    ),
)

_EMBEDDINGS = """
embeddings/token             ROOT/embeddings/word_embeddings
embeddings/position          ROOT/embeddings/position_embeddings
embeddings/segment           ROOT/embeddings/token_type_embeddings
embeddings/norm              ROOT/embeddings/LayerNorm
"""
_BLOCKS = """
{block}/attention/query      ROOT/encoder/layer_{0}/attention/self/query
{block}/attention/key        ROOT/encoder/layer_{0}/attention/self/key
{block}/attention/value      ROOT/encoder/layer_{0}/attention/self/value
{block}/attention/output     ROOT/encoder/layer_{0}/attention/output/dense
{block}/attention/norm       ROOT/encoder/layer_{0}/attention/output/LayerNorm
{block}/ffn/intermediate     ROOT/encoder/layer_{0}/intermediate/dense
{block}/ffn/output           ROOT/encoder/layer_{0}/output/dense
{block}/ffn/norm             ROOT/encoder/layer_{0}/output/LayerNorm
"""
# A BERT without a pooler puts its classifier on a dense layer that does what the pooler would.
_HEADS = """
pooler                       bert/pooler/dense
mlm/transform                cls/predictions/transform/dense
mlm/norm                     cls/predictions/transform/LayerNorm
mlm/bias                     cls/predictions/output_bias
pre_classifier               bert/pooler/dense
classifier                   .
span                         cls/squad
"""

# google-research/bert: modeling.py, run_pretraining.py, run_classifier.py, run_squad.py
_BERT = (_EMBEDDINGS + _BLOCKS + _HEADS).replace("ROOT", "bert")
_BERT += """
nsp                          cls/seq_relationship
"""

# google-research/albert: the same files there
_ALBERT_BLOCKS = """
embeddings/projection        bert/encoder/embedding_hidden_mapping_in
{block}/attention/query      GROUP/attention_1/self/query
{block}/attention/key        GROUP/attention_1/self/key
{block}/attention/value      GROUP/attention_1/self/value
{block}/attention/output     GROUP/attention_1/output/dense
{block}/attention/norm       GROUP/LayerNorm
{block}/ffn/intermediate     GROUP/ffn_1/intermediate/dense
{block}/ffn/output           GROUP/ffn_1/intermediate/output/dense
{block}/ffn/norm             GROUP/LayerNorm_1
sop                          cls/seq_relationship
"""
_ALBERT = (
    _EMBEDDINGS.replace("ROOT", "bert")
    + _ALBERT_BLOCKS.replace("GROUP", "bert/encoder/transformer/group_{0}/inner_group_{1}")
    + _HEADS
)

# google-research/electra: model/modeling.py, pretrain/pretrain_helpers.py, run_pretraining.py
_ELECTRA = (_EMBEDDINGS + _BLOCKS).replace("ROOT", "electra")
_ELECTRA += """
embeddings/projection        electra/embeddings_project
rtd/dense                    discriminator_predictions/dense
rtd/logits                   discriminator_predictions/dense_1
"""
# The generator lies in the same file, and shares the discriminator's embeddings.
_ELECTRA_GENERATOR = _EMBEDDINGS.replace("ROOT", "electra")
_ELECTRA_GENERATOR += _BLOCKS.replace("ROOT", "generator")
_ELECTRA_GENERATOR += """
embeddings/projection        generator/embeddings_project
mlm/transform                generator_predictions/dense
mlm/norm                     generator_predictions/LayerNorm
mlm/bias                     generator_predictions/output_bias
"""

NAMES = {
    "bert": Naming(rows(_BERT)),
    # run_squad_v2.py: a span head with a layer of its own.
    "albert": Naming(
        rows(_ALBERT), skipped={r"^(start_logits|end_logits|answer_class)/": "SQuAD 2 head"}
    ),
    "electra": Naming(
        rows(_ELECTRA),
        skipped={
            r"^generator(_predictions)?/": "the generator's",
            r"^task_specific/": "fine-tuned head of another make",
        },
    ),
    "electra_generator": Naming(
        rows(_ELECTRA_GENERATOR),
        skipped={r"^(electra|discriminator_predictions)/": "the discriminator's"},
    ),
}
