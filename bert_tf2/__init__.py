"""BERT and its relatives for Keras 3 on TensorFlow: exact weights, text in, answers out.

The public names; nothing else.
"""

import importlib
import os
import sys

__version__ = "0.3.0"

_HOMES = {
    "EncoderConfig": "bert_tf2.config",
    "convert": "bert_tf2.conversion",
    "extend_vocabulary": "bert_tf2.vocabularies.resizing",
    "prune_vocabulary": "bert_tf2.vocabularies.resizing",
    "WordPieceTokenizer": "bert_tf2.text.wordpiece",
    "SentencePieceTokenizer": "bert_tf2.text.sentencepiece",
    "BytePairTokenizer": "bert_tf2.text.bytepair",
    "Tokenizer": "bert_tf2.text.tokenizer",
    "Preprocessor": "bert_tf2.text.packing",
    "make_pretraining_data": "bert_tf2.data.corpus.making",
    "Encoder": "bert_tf2.modeling.encoder",
    "AdamW": "bert_tf2.training.optimizers",
    "LAMB": "bert_tf2.training.optimizers",
    "Checkpoints": "bert_tf2.training.checkpoints",
    "RunLog": "bert_tf2.training.runlog",
    "AverageWeights": "bert_tf2.training.averaging",
    "GradualUnfreezing": "bert_tf2.training.unfreezing",
    "Scores": "bert_tf2.training.validation_scores",
    "strategy": "bert_tf2.training.strategies",
    "TextClassifier": "bert_tf2.tasks.text_classifier",
    "TextRegressor": "bert_tf2.tasks.text_regressor",
    "NextSentenceClassifier": "bert_tf2.tasks.next_sentence",
    "QuestionAnswerer": "bert_tf2.tasks.question_answerer",
    "TokenClassifier": "bert_tf2.tasks.token_classifier",
    "CRF": "bert_tf2.modeling.crf",
    "MultipleChoice": "bert_tf2.tasks.multiple_choice",
    "ZeroShotClassifier": "bert_tf2.tasks.zero_shot",
    "MaskedLM": "bert_tf2.tasks.masked_lm",
    "ReplacedWords": "bert_tf2.tasks.replaced_words",
    "Distiller": "bert_tf2.tasks.distiller",
    "student_of": "bert_tf2.tasks.students",
    "bilstm_of": "bert_tf2.tasks.students",
    "SentenceEncoder": "bert_tf2.tasks.sentence_encoder",
    "SparseEncoder": "bert_tf2.tasks.sparse_encoder",
    "MultiVectorEncoder": "bert_tf2.tasks.multi_vector_encoder",
    "Reranker": "bert_tf2.tasks.reranker",
    "Index": "bert_tf2.search.index",
    "semantic_search": "bert_tf2.search.exact",
    "mine_hard_negatives": "bert_tf2.search.mining",
    "paraphrase_mining": "bert_tf2.search.paraphrases",
    "find_duplicates": "bert_tf2.search.paraphrases",
    "community_detection": "bert_tf2.search.paraphrases",
    "FewShotClassifier": "bert_tf2.tasks.few_shot",
    "cross_validate": "bert_tf2.tasks.repeated",
    "over_seeds": "bert_tf2.tasks.repeated",
    "attention": "bert_tf2.analysis.attention",
    "integrated_gradients": "bert_tf2.analysis.attribution",
    "head_view": "bert_tf2.analysis.views",
    "model_view": "bert_tf2.analysis.views",
    "measures_view": "bert_tf2.analysis.charts",
    "export_saved_model": "bert_tf2.serving.export",
    "export_text_encoder": "bert_tf2.serving.hub",
    "export_onnx": "bert_tf2.serving.runtimes.export",
    "export_litert": "bert_tf2.serving.runtimes.export",
}
__all__ = [*_HOMES]


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module 'bert_tf2' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def home_of(name):
    """The module that a public name lives in, such as "bert_tf2.tasks.masked_lm"."""
    return _HOMES[name]


def __dir__():
    return sorted([*globals(), *__all__])


# Keras finds a class on loading only if it is registered, so all are imported at once; it costs
# little beside `import tensorflow`. The shell command imports what each verb needs instead, and
# answers `--help` without TensorFlow. On another backend the encoder and its heads run without it.
_program = os.path.basename(sys.argv[0] if sys.argv else "")
_shell = _program == "bert_tf2" or (_program == "-m" and "bert_tf2" in sys.orig_argv)
if not _shell and os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
    for _home in _HOMES.values():
        importlib.import_module(_home)
