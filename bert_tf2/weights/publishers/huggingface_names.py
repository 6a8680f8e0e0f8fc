"""Hugging Face's names, from the modeling_*.py of transformers, and its TensorFlow classes' names.

`{block}` stands for a name of `EncoderConfig.block_names`, `{0}` and `{1}` for the numbers in it,
capitals for what a family puts there.
"""

import re

from bert_tf2.weights.name_tables import Format, Naming, rows
from bert_tf2.weights.units import MODULES

FORMAT = Format(
    about="Hugging Face",
    separator=".",
    parts={
        "table": {"": "weight"},
        "vector": {"": ""},
        "norm": {"gamma": "weight", "beta": "bias"},
        "dense": {"kernel": "weight", "bias": "bias"},
        "logits": {"kernel": "weight", "bias": "bias"},
    },
    transposed=frozenset({"dense", "heads_in", "heads_out", "logits", "product"}),
    skipped={r"(^|\.)position_ids$": "constant 0, 1, 2, …"},
    aliases=(
        (r"LayerNorm\.gamma$", "LayerNorm.weight"),  # files converted before 2020
        (r"LayerNorm\.beta$", "LayerNorm.bias"),
    ),
)

_EMBEDDINGS = """
embeddings/token             ROOT.embeddings.word_embeddings
embeddings/position          ROOT.embeddings.position_embeddings
embeddings/segment           ROOT.embeddings.token_type_embeddings
embeddings/norm              ROOT.embeddings.LayerNorm
"""
_BLOCKS = """
{block}/attention/query      ROOT.encoder.layer.{0}.attention.self.query
{block}/attention/key        ROOT.encoder.layer.{0}.attention.self.key
{block}/attention/value      ROOT.encoder.layer.{0}.attention.self.value
{block}/attention/output     ROOT.encoder.layer.{0}.attention.output.dense
{block}/attention/norm       ROOT.encoder.layer.{0}.attention.output.LayerNorm
{block}/ffn/intermediate     ROOT.encoder.layer.{0}.intermediate.dense
{block}/ffn/output           ROOT.encoder.layer.{0}.output.dense
{block}/ffn/norm             ROOT.encoder.layer.{0}.output.LayerNorm
"""
_BERT = (_EMBEDDINGS + _BLOCKS).replace("ROOT", "bert")
_BERT += """
pooler                       bert.pooler.dense
mlm/transform                cls.predictions.transform.dense
mlm/norm                     cls.predictions.transform.LayerNorm
mlm/bias                     cls.predictions.bias
nsp                          cls.seq_relationship
pre_classifier               bert.pooler.dense
classifier                   classifier
pre_choice                   bert.pooler.dense
"""

_ALBERT_BLOCKS = """
{block}/attention/query      GROUP.attention.query
{block}/attention/key        GROUP.attention.key
{block}/attention/value      GROUP.attention.value
{block}/attention/output     GROUP.attention.dense
{block}/attention/norm       GROUP.attention.LayerNorm
{block}/ffn/intermediate     GROUP.ffn
{block}/ffn/output           GROUP.ffn_output
{block}/ffn/norm             GROUP.full_layer_layer_norm
"""
_ALBERT = _EMBEDDINGS.replace("ROOT", "albert")
_ALBERT += _ALBERT_BLOCKS.replace(
    "GROUP", "albert.encoder.albert_layer_groups.{0}.albert_layers.{1}"
)
_ALBERT += """
embeddings/projection        albert.encoder.embedding_hidden_mapping_in
pooler                       albert.pooler
mlm/transform                predictions.dense
mlm/norm                     predictions.LayerNorm
mlm/bias                     predictions.bias
sop                          sop_classifier.classifier
pre_classifier               albert.pooler
classifier                   classifier
pre_choice                   albert.pooler
"""

_DISTILBERT = """
embeddings/token             distilbert.embeddings.word_embeddings
embeddings/position          distilbert.embeddings.position_embeddings
embeddings/norm              distilbert.embeddings.LayerNorm
{block}/attention/query      distilbert.transformer.layer.{0}.attention.q_lin
{block}/attention/key        distilbert.transformer.layer.{0}.attention.k_lin
{block}/attention/value      distilbert.transformer.layer.{0}.attention.v_lin
{block}/attention/output     distilbert.transformer.layer.{0}.attention.out_lin
{block}/attention/norm       distilbert.transformer.layer.{0}.sa_layer_norm
{block}/ffn/intermediate     distilbert.transformer.layer.{0}.ffn.lin1
{block}/ffn/output           distilbert.transformer.layer.{0}.ffn.lin2
{block}/ffn/norm             distilbert.transformer.layer.{0}.output_layer_norm
mlm/transform                vocab_transform
mlm/norm                     vocab_layer_norm
mlm/bias                     vocab_projector.bias
pre_classifier               pre_classifier
classifier                   classifier
pre_choice                   pre_classifier
"""

_ELECTRA = (_EMBEDDINGS + _BLOCKS).replace("ROOT", "electra")
_ELECTRA += """
embeddings/projection        electra.embeddings_project
mlm/transform                generator_predictions.dense
mlm/norm                     generator_predictions.LayerNorm
mlm/bias                     generator_lm_head.bias
rtd/dense                    discriminator_predictions.dense
rtd/logits                   discriminator_predictions.dense_prediction
pre_classifier               classifier.dense
classifier                   classifier.out_proj
pre_choice                   sequence_summary.summary
"""

_ROBERTA = (_EMBEDDINGS + _BLOCKS).replace("ROOT", "roberta")
_ROBERTA += """
pooler                       roberta.pooler.dense
mlm/transform                lm_head.dense
mlm/norm                     lm_head.layer_norm
mlm/bias                     lm_head.bias
pre_classifier               classifier.dense
classifier                   classifier.out_proj
pre_choice                   roberta.pooler.dense
"""

_MPNET = _ROBERTA.replace("roberta.", "mpnet.")
_MPNET += """
positions/relative           mpnet.encoder.relative_attention_bias
{block}/attention/query      mpnet.encoder.layer.{0}.attention.attn.q
{block}/attention/key        mpnet.encoder.layer.{0}.attention.attn.k
{block}/attention/value      mpnet.encoder.layer.{0}.attention.attn.v
{block}/attention/output     mpnet.encoder.layer.{0}.attention.attn.o
{block}/attention/norm       mpnet.encoder.layer.{0}.attention.LayerNorm
"""

# One name for three heads: the class that the config names tells which.
_HEADS = """
token_classifier             classifier
choice                       classifier
span                         qa_outputs
"""

# sentence-transformers' modules, of which each lies in a folder of its own: see there.
_HEADS += "".join(
    f"vector/{ours}_{place} modules.{place}.{theirs}\n"
    for place in range(MODULES)
    for ours, theirs in (("dense", "linear"), ("residual", "residual"), ("norm", "norm"))
)

_TIED = {
    "bert": {
        "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    },
    "albert": {
        "predictions.decoder.weight": "albert.embeddings.word_embeddings.weight",
        "predictions.decoder.bias": "predictions.bias",
    },
    "distilbert": {"vocab_projector.weight": "distilbert.embeddings.word_embeddings.weight"},
    "electra": {"generator_lm_head.weight": "electra.embeddings.word_embeddings.weight"},
    "roberta": {
        "lm_head.decoder.weight": "roberta.embeddings.word_embeddings.weight",
        "lm_head.decoder.bias": "lm_head.bias",
    },
    "mpnet": {
        "lm_head.decoder.weight": "mpnet.embeddings.word_embeddings.weight",
        "lm_head.decoder.bias": "lm_head.bias",
    },
}


def _naming(text: str, root: str) -> Naming:
    return Naming(rows(text + _HEADS), f"{root}.", _TIED[root])


NAMES = {
    "bert": _naming(_BERT, "bert"),
    "albert": _naming(_ALBERT, "albert"),
    "distilbert": _naming(_DISTILBERT, "distilbert"),
    "electra": _naming(_ELECTRA, "electra"),
    "electra_generator": _naming(_ELECTRA, "electra"),
    "roberta": _naming(_ROBERTA, "roberta"),
    "xlm_roberta": _naming(_ROBERTA, "roberta"),
    "mpnet": _naming(_MPNET, "mpnet"),
}

# --- The `tf_model.h5` of transformers 2 to 4. ----------------------------------------------------
# The names of the PyTorch classes, spelled as Keras 2 does, below the layer of the model and the
# model, whose name may be any: `bert/tf_bert_model/bert/pooler/dense/kernel:0`. A head that reads
# the token table holds the embeddings once more. Source: modeling_tf_utils.py (load_tf_weights) and
# modeling_tf_*.py of transformers 4; transformers 5 has none of them.

_KERNEL_AND_BIAS = {"kernel": "kernel:0", "bias": "bias:0"}
_EMBEDDED = r"(?:bert|albert|distilbert|electra|roberta)/embeddings/"
TF_FORMAT = Format(
    about="Hugging Face (TensorFlow, HDF5)",
    separator="/",
    parts={
        "table": {"": ""},
        "vector": {"": ""},
        "norm": {"gamma": "gamma:0", "beta": "beta:0"},
        "dense": _KERNEL_AND_BIAS,
        "logits": _KERNEL_AND_BIAS,
    },
    skipped={rf"^([^/]+)/[^/]+/(?!\1/){_EMBEDDED}": "the embeddings, once more for a head"},
    aliases=(
        (r"^([^/]+)/[^/]+/(?=\1/)", ""),
        (rf"^[^/]+/[^/]+/({_EMBEDDED}word_embeddings)", r"head/\1"),
    ),
)
# What only this format names by its variable; and where it has a class of its own for each head.
_TF_VARIABLES = {
    "embeddings/token": "/weight:0",
    "embeddings/position": "/embeddings:0",
    "embeddings/segment": "/embeddings:0",
    "mlm/bias": ":0",
}
_TF_HEADS = {"cls.predictions": "mlm___cls.predictions", "cls.seq_": "nsp___cls.seq_"}


def _tf_name(unit: str, theirs: str) -> str:
    for before, after in _TF_HEADS.items():
        theirs = theirs.replace(before, after)
    numbered = re.sub(r"\.(?=\{\d\})", "_._", theirs)  # layer.0 is layer_._0
    return re.sub(r"(?<!_)\.(?!_)", "/", numbered) + _TF_VARIABLES.get(unit, "")


def _tf_naming(naming: Naming) -> Naming:
    names = {unit: _tf_name(unit, theirs) for unit, theirs in naming.names.items()}
    table = names["embeddings/token"]
    # ALBERT has its bias twice.
    return Naming(
        names, tied={f"head/{table}": table, "predictions/decoder/bias:0": names["mlm/bias"]}
    )


TF_NAMES = {f: _tf_naming(naming) for f, naming in NAMES.items() if f != "mpnet"}  # not tried
