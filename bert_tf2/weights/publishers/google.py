"""Google's TensorFlow checkpoints: BERT, ALBERT, ELECTRA; and brightmart's ALBERT.

`{block}` stands for a name of `EncoderConfig.block_names`, `{0}` and `{1}` for the numbers in it,
capitals for what a family puts there.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bert_tf2.config import EncoderConfig
from bert_tf2.files import read_json, write_json
from bert_tf2.variants import VARIANTS
from bert_tf2.weights import discovery
from bert_tf2.weights.config_words import ALIKE, ConfigWords, Dialect, activation, write
from bert_tf2.weights.containers import bundle
from bert_tf2.weights.infer_config import infer_config
from bert_tf2.weights.metadata import Metadata, WeightsFile, tokenizer_beside
from bert_tf2.weights.name_tables import Format, Naming, rows, written_out
from bert_tf2.weights.report import CheckpointError
from bert_tf2.weights.units import head_of

# --- Names. ---------------------------------------------------------------------------------------

_ONE = "bert/encoder/transformer/group_0/inner_group_0"  # ALBERT's block where there is but one
# ELECTRA's tasks that are no classifiers, in finetune/: of answers, and of tokens.
_ANSWERS = "squad|squadv1|newsqa|naturalqs|triviaqa|searchqa"
_OTHER_TASKS = f"{_ANSWERS}|chunk"
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
        (rf"^task_specific/(?!(?:{_OTHER_TASKS})/)[^/]+/", "task_specific/task/"),
        (rf"^task_specific/(?:{_ANSWERS})/", "task_specific/squad/"),
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
# `output_weights` are classes in run_classifier.py, a choice in ALBERT's run_race.py, and of tokens
# in the scripts that others made from these: no file says which.
_HEADS = """
pooler                       bert/pooler/dense
mlm/transform                cls/predictions/transform/dense
mlm/norm                     cls/predictions/transform/LayerNorm
mlm/bias                     cls/predictions/output_bias
pre_classifier               bert/pooler/dense
classifier                   .
token_classifier             .
pre_choice                   bert/pooler/dense
choice                       .
span                         cls/squad
"""

# google-research/bert: modeling.py, run_pretraining.py, run_classifier.py, run_squad.py
_BERT = (_EMBEDDINGS + _BLOCKS + _HEADS).replace("ROOT", "bert")
_BERT += """
nsp                          cls/seq_relationship
"""

# google-research/albert: the same files there; and squad_utils.py, create_v2_model, which finds an
# answer's end after its start, and whether there is one (modeling/answer_heads.py).
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
squad2/start                 start_logits/dense
squad2/end_dense             end_logits/dense_0
squad2/end_norm              end_logits/LayerNorm
squad2/end                   end_logits/dense_1
squad2/answer_dense          answer_class/dense_0
squad2/answer                answer_class/dense_1
"""
_ALBERT = (
    _EMBEDDINGS.replace("ROOT", "bert")
    + _ALBERT_BLOCKS.replace("GROUP", "bert/encoder/transformer/group_{0}/inner_group_{1}")
    + _HEADS
)

# google-research/electra: model/modeling.py, pretrain/pretrain_helpers.py, run_pretraining.py; and
# finetune/classification/classification_tasks.py, whatever the task is called; and finetune/qa/
# qa_tasks.py, with its `joint_prediction` and `answerable_classifier`: others lack some of these
_ELECTRA = (_EMBEDDINGS + _BLOCKS).replace("ROOT", "electra")
_ELECTRA += """
embeddings/projection        electra/embeddings_project
rtd/dense                    discriminator_predictions/dense
rtd/logits                   discriminator_predictions/dense_1
classifier                   task_specific/task/dense
joint/start                  task_specific/squad/dense
joint/end_dense              task_specific/squad/qa_hidden
joint/end                    task_specific/squad/dense_1
joint/answer_dense           task_specific/squad/dense_2
joint/answer                 task_specific/squad/dense_3
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
    "albert": Naming(rows(_ALBERT)),
    "electra": Naming(
        rows(_ELECTRA),
        skipped={
            r"^generator(_predictions)?/": "the generator's",
            # finetune/tagging/tagging_tasks.py, `featurize`
            r"^task_specific/chunk/": "tags of texts in segment 1, where no task here reads them",
            r"^task_specific/": "head of ELECTRA's run_finetuning.py, which nothing here computes",
        },
        kinds={"classifier": "dense"},
    ),
    "electra_generator": Naming(
        rows(_ELECTRA_GENERATOR),
        skipped={r"^(electra|discriminator_predictions|task_specific)/": "the discriminator's"},
    ),
}
FORMATS = {"google": (FORMAT, NAMES)}


# --- Config: bert_config.json, albert_config.json; ELECTRA has none. ------------------------------

_ACTIVATIONS = {"gelu": "gelu_tanh", "relu": "relu", "tanh": "tanh", "linear": "linear"}
_SHARING = ("embedding_size", "num_hidden_groups", "inner_group_num")


def _words(gelu: str, *more: str, **left_out) -> ConfigWords:
    act = activation("hidden_act", _ACTIVATIONS | {"gelu": gelu})
    return ConfigWords({name: name for name in (*ALIKE, *more)} | {"hidden_act": act}, left_out)


def _family_of(values: Mapping, source: str) -> tuple[object, str | None]:
    # Its ALBERT is told from its BERT by these, and its ELECTRA has no config: ours says.
    shared = any(name in values for name in _SHARING)
    said = values.get("family", "albert" if shared else "bert")
    return said, said


def _pack(family: str, written: Mapping) -> dict:
    told = {} if family in ("bert", "albert") else {"family": family}
    return dict(written) | told


_ELECTRA_WORDS = _words("gelu_erf", "embedding_size")
CONFIG = Dialect(
    {
        "bert": _words("gelu_tanh", type_vocab_size=16),
        "albert": _words("gelu_tanh", *_SHARING),
        "electra": _ELECTRA_WORDS,
        "electra_generator": _ELECTRA_WORDS,
    },
    _family_of,
    _pack,
)


# --- Folders. -------------------------------------------------------------------------------------


def infer(file: WeightsFile) -> EncoderConfig | None:
    """What names and shapes tell, where there is no JSON; None where one must be found."""
    if discovery.has_config(file.folder):
        return None
    if file.folder != file.path.parent:  # a hub module of TensorFlow 1
        return infer_config(file.variables, FORMAT, NAMES, file.folder)
    for config in VARIANTS.values():  # ELECTRA comes without one
        if config.family == "electra":
            table = written_out(config, FORMAT, NAMES["electra"])
            wanted = [row for ours, row in table.items() if head_of(ours) is None]
            if all(file.variables.get(row.theirs, (None,))[0] == row.shape for row in wanted):
                return config
    return None


def metadata(file: WeightsFile, config: EncoderConfig, config_file: Path | None) -> Metadata:
    """What lies beside the weights.

    Raises:
        CheckpointError: a file is damaged, or says what nothing here computes.
    """
    config = _shared(config, config_file) if file.container == "factorized" else config
    return Metadata(config, tokenizer_beside(file))


def _shared(config: EncoderConfig, file: Path) -> EncoderConfig:
    """The config of brightmart's ALBERT, which is one of equal widths.

    Raises:
        CheckpointError: it says that norms come before what they are added to.
    """
    order = read_json(file, error=CheckpointError).get("ln_type", "postln")
    if order != "postln":
        raise CheckpointError(
            f"{file}: `ln_type` must be 'postln', as in brightmart's modeling.py. Received: "
            f"{order!r}, a model with its norms elsewhere, which nothing here computes."
        )
    return dataclasses.replace(
        config, family="albert", embedding_size=None, project_embeddings=None, num_hidden_groups=1
    )


TOKENIZER_PLACES = {}


def check(contents) -> None:
    """Raises ValueError where Google's code would compute something else."""
    config = contents.config
    if config.mlm_act and any(head_of(name) == "mlm" for name in contents.arrays):
        raise ValueError(
            f"Google's {config.family} finds masked words with {config.hidden_act}, this model "
            f"with {config.mlm_act}: it would compute something else. Write it as bert_tf2."
        )


def write_folder(folder: Path, contents, stored: Mapping[str, np.ndarray]) -> None:
    """Everything but the tokenizer's files."""
    family = contents.config.family
    said = write(CONFIG, contents.config)
    write_json(folder / f"{family}_config.json", said, sort_keys=True)
    stem = {"bert": "bert_model.ckpt", "albert": "model.ckpt-best"}  # as they are published
    bundle.write(folder / stem.get(family, family), stored)
