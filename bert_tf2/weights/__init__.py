"""Files <-> named arrays: checkpoints of every format, read and written by name tables.

TensorFlow and safetensors are imported only where a file of theirs is touched.
"""

from bert_tf2.weights.checkpoint import Checkpoint, check_vocabulary, open_checkpoint
from bert_tf2.weights.configs import parse_config, read_config, write_config
from bert_tf2.weights.contents import GENERATOR, Contents, contents_of
from bert_tf2.weights.head_kinds import head_kinds, other_head, problem_type_of, read_as
from bert_tf2.weights.known_sentences import known_sentences
from bert_tf2.weights.loading import load, read_ahead
from bert_tf2.weights.metadata import PROBLEM_TYPES
from bert_tf2.weights.names import expected_shapes
from bert_tf2.weights.publishers import FORMATS
from bert_tf2.weights.publishers.sentence_transformers import VECTORS
from bert_tf2.weights.registry import resolve
from bert_tf2.weights.report import CheckpointError, Report
from bert_tf2.weights.saving import (
    check_writable,
    lost,
    lost_adapters,
    save,
    to_format,
    without_a_place,
)
from bert_tf2.weights.summary import heads, summary
from bert_tf2.weights.tensors import to_tensor, unset
from bert_tf2.weights.tokenizer_source import TokenizerSource, of_vocabulary
from bert_tf2.weights.tokenizer_words import given_vocabulary, unsaid

__all__ = [
    "FORMATS",
    "GENERATOR",
    "PROBLEM_TYPES",
    "VECTORS",
    "Checkpoint",
    "CheckpointError",
    "Contents",
    "Report",
    "TokenizerSource",
    "check_vocabulary",
    "check_writable",
    "contents_of",
    "expected_shapes",
    "given_vocabulary",
    "head_kinds",
    "heads",
    "known_sentences",
    "load",
    "lost",
    "lost_adapters",
    "of_vocabulary",
    "open_checkpoint",
    "other_head",
    "parse_config",
    "problem_type_of",
    "read_ahead",
    "read_as",
    "read_config",
    "resolve",
    "save",
    "summary",
    "to_format",
    "to_tensor",
    "unsaid",
    "unset",
    "without_a_place",
    "write_config",
]
