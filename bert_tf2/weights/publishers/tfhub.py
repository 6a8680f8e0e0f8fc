"""The TensorFlow 2 Model Garden's names, and so those of the text encoders on TF-Hub and Kaggle.

They are the names that variables were created with (containers/objects.py), without the scope of
the object they belong to. `{block}` stands for a name of `EncoderConfig.block_names`.

Sources: tensorflow/models, official/nlp: modeling/networks/{bert,albert}_encoder.py,
modeling/layers/masked_lm.py, tools/export_tfhub_lib.py; for the oldest modules' names
tools/tf1_bert_checkpoint_converter_lib.py, BERT_NAME_REPLACEMENTS.
"""

from pathlib import Path

from bert_tf2.config import FAMILIES, EncoderConfig
from bert_tf2.weights import discovery
from bert_tf2.weights.containers import objects
from bert_tf2.weights.infer_config import infer_config
from bert_tf2.weights.metadata import Metadata, WeightsFile, tokenizer_beside
from bert_tf2.weights.name_tables import Format, Naming, rows

CONFIG = None  # it writes no JSON

FORMAT = Format(
    about="TF-Hub or Model Garden (TensorFlow 2)",
    separator="/",
    parts={
        "table": {"": "embeddings"},
        "vector": {"": ""},
        "norm": {"gamma": "gamma", "beta": "beta"},
        "dense": {"kernel": "kernel", "bias": "bias"},
        "logits": {"kernel": "kernel", "bias": "bias"},
    },
    splits_heads=True,
    scoped=False,
    skipped={
        r"(^|/)\w*optimizer/|\.OPTIMIZER_SLOT": "optimizer",
        r"(^|/)keras_api/metrics/": "metric",
        r"(^|/)save_counter$": "save counter",
        r"^(global_step|step|epoch)$": "step counter",
        r"^(Variable|do_lower_case)$": "setting of the tokenizer",
        r"/mlm/variables/\d+$": "masked-LM head, named only where the data is",
        r"(^|/)layer(_with_weights)?-\d+/": "layer of a model around the encoder",
        r"(^|/)next_sentence/": "next-sentence head with a pooler of its own",
        r"(^|/)predictions/transform/logits/": "head of an old pretrainer or classifier",
    },
    aliases=(
        # The first modules, of 2019.
        (r"^.*embedding_postprocessor/type_embeddings$", "type_embeddings/embeddings"),
        (r"^.*embedding_postprocessor/position_embeddings$", "position_embedding/embeddings"),
        (r"^.*embedding_postprocessor/layer_norm/", "embeddings/layer_norm/"),
        (r"^bert_model/encoder/", "transformer/"),
        (r"/self_attention_output/", "/self_attention/attention_output/"),
        # The scope, such as `bert_encoder_v2/`.
        (
            r"^(?:.*?/)??(?=(?:word_embeddings|position_embedding|type_embeddings|"
            r"embeddings/layer_norm|embedding_projection|transformer|pooler_transform|"
            r"cls/predictions|sentence_prediction)/)",
            "",
        ),
        # ALBERT's one block has no number.
        (r"^transformer/(?!layer_\d|group_\d)", "transformer/group_0_inner_0/"),
    ),
)

_NAMES = """
embeddings/token             word_embeddings
embeddings/position          position_embedding
embeddings/segment           type_embeddings
embeddings/norm              embeddings/layer_norm
embeddings/projection        embedding_projection
positions/relative           relative_positions
{block}/attention/query      transformer/{block}/self_attention/query
{block}/attention/key        transformer/{block}/self_attention/key
{block}/attention/value      transformer/{block}/self_attention/value
{block}/attention/output     transformer/{block}/self_attention/attention_output
{block}/attention/norm       transformer/{block}/self_attention_layer_norm
{block}/ffn/intermediate     transformer/{block}/intermediate
{block}/ffn/output           transformer/{block}/output
{block}/ffn/norm             transformer/{block}/output_layer_norm
pooler                       pooler_transform
mlm/transform                cls/predictions/transform/dense
mlm/norm                     cls/predictions/transform/LayerNorm
mlm/bias                     cls/predictions/output_bias/bias
classifier                   sentence_prediction/logits
"""
# The Model Garden has BERT and ALBERT; the others are called alike in what we write.
NAMES = {family: Naming(rows(_NAMES)) for family in FAMILIES}
FORMATS = {"tfhub": (FORMAT, NAMES)}


def infer(file: WeightsFile) -> EncoderConfig | None:
    """What names, shapes and the graph tell, where there is no JSON."""
    if discovery.has_config(file.folder):
        return None
    return infer_config(file.variables, FORMAT, NAMES, file.folder)


def metadata(file: WeightsFile, config: EncoderConfig, config_file: Path | None) -> Metadata:
    """What lies in the module's folder, and in its variable for the case.

    Raises:
        CheckpointError: a file is damaged.
    """
    return Metadata(config, tokenizer_beside(file, lowercase=_lowercase(file)))


def _lowercase(file: WeightsFile) -> bool | None:
    """The variable `do_lower_case` of a module, the only one that is no number."""
    place, variables = file.path, file.variables.items()
    said = [name for name, (shape, dtype) in variables if (shape, dtype.kind) == ((), "b")]
    if len(said) != 1 or not any(place.parent.glob(f"{place.name}.data-*")):
        return None
    return bool(objects.read(place, said)[said[0]])
