"""Name tables: what every variable is called here and in each format. Data, read both ways.

A unit is a dense layer, a norm or a table. The first table gives our units their kind and shape,
for all families: a configuration has the rows it has a use for. The others say what a family's
units are called in a format. `{block}` stands for a name of `EncoderConfig.block_names`, `{0}` and
`{1}` for the numbers in it, capitals for what a family puts there.

Shape letters: V vocabulary, P positions, S segments, E embedding width, D width, I inner width,
K labels.
"""

# --- Ours: unit | kind | shape. A dense kernel is (in, out). --------------------------------------

UNITS = """
embeddings/token             table   V,E
embeddings/position          table   P,E
embeddings/segment           table   S,E
embeddings/norm              norm    E
embeddings/projection        dense   E,D
{block}/attention/query      dense   D,D
{block}/attention/key        dense   D,D
{block}/attention/value      dense   D,D
{block}/attention/output     dense   D,D
{block}/attention/norm       norm    D
{block}/ffn/intermediate     dense   D,I
{block}/ffn/output           dense   I,D
{block}/ffn/norm             norm    D
pooler                       dense   D,D
mlm/transform                dense   D,E
mlm/norm                     norm    E
mlm/bias                     vector  V
nsp                          logits  D,2
sop                          logits  D,2
rtd/dense                    dense   D,D
rtd/logits                   dense   D,1
pre_classifier               dense   D,D
classifier                   logits  D,K
token_classifier             logits  D,K
span                         logits  D,2
"""
SIZES = {
    "V": "vocab_size",
    "P": "max_position_embeddings",
    "S": "type_vocab_size",
    "E": "embedding_width",
    "D": "hidden_size",
    "I": "intermediate_size",
}
PARTS = {
    "table": ("",),
    "vector": ("",),
    "norm": ("gamma", "beta"),
    "dense": ("kernel", "bias"),
    "logits": ("kernel", "bias"),  # a dense layer onto classes; Google stores these transposed
}

# --- Google: unit | name. -------------------------------------------------------------------------

_GOOGLE_EMBEDDINGS = """
embeddings/token             ROOT/embeddings/word_embeddings
embeddings/position          ROOT/embeddings/position_embeddings
embeddings/segment           ROOT/embeddings/token_type_embeddings
embeddings/norm              ROOT/embeddings/LayerNorm
"""
_GOOGLE_BLOCKS = """
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
_GOOGLE_HEADS = """
pooler                       bert/pooler/dense
mlm/transform                cls/predictions/transform/dense
mlm/norm                     cls/predictions/transform/LayerNorm
mlm/bias                     cls/predictions/output_bias
pre_classifier               bert/pooler/dense
classifier                   .
span                         cls/squad
"""

# google-research/bert: modeling.py, run_pretraining.py, run_classifier.py, run_squad.py
BERT_GOOGLE = (_GOOGLE_EMBEDDINGS + _GOOGLE_BLOCKS + _GOOGLE_HEADS).replace("ROOT", "bert")
BERT_GOOGLE += """
nsp                          cls/seq_relationship
"""

# google-research/albert: the same files there
_ALBERT_GOOGLE_BLOCKS = """
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
ALBERT_GOOGLE = (
    _GOOGLE_EMBEDDINGS.replace("ROOT", "bert")
    + _ALBERT_GOOGLE_BLOCKS.replace("GROUP", "bert/encoder/transformer/group_{0}/inner_group_{1}")
    + _GOOGLE_HEADS
)

# google-research/electra: model/modeling.py, pretrain/pretrain_helpers.py, run_pretraining.py
ELECTRA_GOOGLE = (_GOOGLE_EMBEDDINGS + _GOOGLE_BLOCKS).replace("ROOT", "electra")
ELECTRA_GOOGLE += """
embeddings/projection        electra/embeddings_project
rtd/dense                    discriminator_predictions/dense
rtd/logits                   discriminator_predictions/dense_1
"""
# The generator lies in the same file, and shares the discriminator's embeddings.
ELECTRA_GENERATOR_GOOGLE = _GOOGLE_EMBEDDINGS.replace("ROOT", "electra")
ELECTRA_GENERATOR_GOOGLE += _GOOGLE_BLOCKS.replace("ROOT", "generator")
ELECTRA_GENERATOR_GOOGLE += """
embeddings/projection        generator/embeddings_project
mlm/transform                generator_predictions/dense
mlm/norm                     generator_predictions/LayerNorm
mlm/bias                     generator_predictions/output_bias
"""

# --- Hugging Face: unit | name, from the modeling_*.py of transformers. ---------------------------

_HUGGINGFACE_EMBEDDINGS = """
embeddings/token             ROOT.embeddings.word_embeddings
embeddings/position          ROOT.embeddings.position_embeddings
embeddings/segment           ROOT.embeddings.token_type_embeddings
embeddings/norm              ROOT.embeddings.LayerNorm
"""
_HUGGINGFACE_BLOCKS = """
{block}/attention/query      ROOT.encoder.layer.{0}.attention.self.query
{block}/attention/key        ROOT.encoder.layer.{0}.attention.self.key
{block}/attention/value      ROOT.encoder.layer.{0}.attention.self.value
{block}/attention/output     ROOT.encoder.layer.{0}.attention.output.dense
{block}/attention/norm       ROOT.encoder.layer.{0}.attention.output.LayerNorm
{block}/ffn/intermediate     ROOT.encoder.layer.{0}.intermediate.dense
{block}/ffn/output           ROOT.encoder.layer.{0}.output.dense
{block}/ffn/norm             ROOT.encoder.layer.{0}.output.LayerNorm
"""

BERT_HUGGINGFACE = (_HUGGINGFACE_EMBEDDINGS + _HUGGINGFACE_BLOCKS).replace("ROOT", "bert")
BERT_HUGGINGFACE += """
pooler                       bert.pooler.dense
mlm/transform                cls.predictions.transform.dense
mlm/norm                     cls.predictions.transform.LayerNorm
mlm/bias                     cls.predictions.bias
nsp                          cls.seq_relationship
pre_classifier               bert.pooler.dense
classifier                   classifier
span                         qa_outputs
"""

_ALBERT_HUGGINGFACE_BLOCKS = """
{block}/attention/query      GROUP.attention.query
{block}/attention/key        GROUP.attention.key
{block}/attention/value      GROUP.attention.value
{block}/attention/output     GROUP.attention.dense
{block}/attention/norm       GROUP.attention.LayerNorm
{block}/ffn/intermediate     GROUP.ffn
{block}/ffn/output           GROUP.ffn_output
{block}/ffn/norm             GROUP.full_layer_layer_norm
"""
ALBERT_HUGGINGFACE = _HUGGINGFACE_EMBEDDINGS.replace("ROOT", "albert")
ALBERT_HUGGINGFACE += _ALBERT_HUGGINGFACE_BLOCKS.replace(
    "GROUP", "albert.encoder.albert_layer_groups.{0}.albert_layers.{1}"
)
ALBERT_HUGGINGFACE += """
embeddings/projection        albert.encoder.embedding_hidden_mapping_in
pooler                       albert.pooler
mlm/transform                predictions.dense
mlm/norm                     predictions.LayerNorm
mlm/bias                     predictions.bias
sop                          sop_classifier.classifier
pre_classifier               albert.pooler
classifier                   classifier
span                         qa_outputs
"""

DISTILBERT_HUGGINGFACE = """
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
span                         qa_outputs
"""

ELECTRA_HUGGINGFACE = (_HUGGINGFACE_EMBEDDINGS + _HUGGINGFACE_BLOCKS).replace("ROOT", "electra")
ELECTRA_HUGGINGFACE += """
embeddings/projection        electra.embeddings_project
mlm/transform                generator_predictions.dense
mlm/norm                     generator_predictions.LayerNorm
mlm/bias                     generator_lm_head.bias
rtd/dense                    discriminator_predictions.dense
rtd/logits                   discriminator_predictions.dense_prediction
pre_classifier               classifier.dense
classifier                   classifier.out_proj
token_classifier             classifier
span                         qa_outputs
"""

ROBERTA_HUGGINGFACE = (_HUGGINGFACE_EMBEDDINGS + _HUGGINGFACE_BLOCKS).replace("ROOT", "roberta")
ROBERTA_HUGGINGFACE += """
pooler                       roberta.pooler.dense
mlm/transform                lm_head.dense
mlm/norm                     lm_head.layer_norm
mlm/bias                     lm_head.bias
pre_classifier               classifier.dense
classifier                   classifier.out_proj
token_classifier             classifier
span                         qa_outputs
"""
