"""What others have printed of published checkpoints, and comparing with it.

The numbers are in `published.json` beside this file, a list of rows (`Row`). A row's `config` says
where its numbers were computed with other values than the checkpoint's own config has: Hugging
Face runs BERT with the erf form of GELU, Google's config means the tanh form.
"""

import dataclasses
import fnmatch
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bert_tf2.files import read_json

TABLE = Path(__file__).with_name("published.json")


@dataclasses.dataclass(frozen=True)
class Row:
    """One published answer.

    Attributes:
        models: names in the registry that it holds for; `*` stands for anything.
        of: what its source calls the model.
        output: what is compared, a key of `OUTPUTS`.
        expected: nested lists of numbers, ids or words.
        source: where it is printed.
        token_ids, padding_mask: the inputs, int (B, L); every mask is 1 by default. Or
        texts: list of str; or
        file: a file's name; or
        data: names of a file of a data set, of which one must be there.
        at: [start, stop] for each axis of the output. None: the first values of the flattened one.
        atol, rtol: how far off a number may be, rtol times the expected one; 0 for ids and words.
        lowercase: whether the tokenizer lower-cases; None: as the checkpoint says.
        config: values of `EncoderConfig` that the numbers were computed with.
    """

    models: list
    of: str
    output: str
    expected: list
    source: str
    token_ids: list | None = None
    padding_mask: list | None = None
    texts: list | None = None
    file: str | None = None
    data: list | None = None
    at: list | None = None
    atol: float = 0.0
    rtol: float = 0.0
    lowercase: bool | None = None
    config: dict = dataclasses.field(default_factory=dict)


class Result(NamedTuple):
    """What became of a row: the largest difference and what was allowed there, or why not."""

    row: Row
    difference: float = 0.0
    allowed: float = 0.0
    not_run: str = ""

    @property
    def word(self):
        """ "not run", "ok" or "DIFFERS" (which NaN does, too)."""
        if self.not_run:
            return "not run"
        return "ok" if self.difference <= self.allowed else "DIFFERS"


class NotRun(Exception):
    """A row cannot be compared with this checkpoint; the message says why."""


# === The table ====================================================================================


def published(name, table=None):
    """What is published for a model.

    Args:
        name: of the registry.
        table: Path of a JSON file like `published.json`, which is the default.

    Returns:
        list of `Row`; and of what cannot be compared, a list of dicts with `of` and `why`.
    """

    def chosen(records):
        named = [any(fnmatch.fnmatchcase(name, m) for m in record["models"]) for record in records]
        return [record for record, is_named in zip(records, named, strict=True) if is_named]

    content = read_json(table or TABLE, {"rows": [dict], "left_out": [dict]})
    return [Row(**record) for record in chosen(content["rows"])], chosen(content["left_out"])


# === Comparing ====================================================================================


def compare(checkpoint, rows, data_dir=None):
    """Computes what the rows have and compares.

    Args:
        checkpoint: a `weights.Checkpoint`.
        rows: list of `Row`.
        data_dir: the folder of the data sets' files.

    Returns:
        list of `Result`, one a row.
    """
    models = Models(checkpoint, data_dir)
    results = []
    for row in rows:
        try:
            results.append(Result(row, *_difference(OUTPUTS[row.output](models, row), row)))
        except NotRun as reason:
            results.append(Result(row, not_run=str(reason)))
    return results


def _difference(got, row):
    """-> the difference that is worst beside what is allowed for it, and what that is."""
    if not row.atol:
        return sum(a != b for a, b in zip(got, row.expected, strict=True)), 0
    want = np.asarray(row.expected)
    got = np.asarray(got, "float64")
    if row.at is None:
        got = got.ravel()[: want.size].reshape(want.shape)
    else:
        got = got[tuple(slice(*bounds) for bounds in row.at)]
    if got.shape != want.shape:
        raise ValueError(f"{row.of}: expected values of shape {want.shape}, computed {got.shape}")
    distance, allowed = np.abs(got - want), row.atol + row.rtol * np.abs(want)
    worst = np.argmax(np.nan_to_num(distance, nan=np.inf) - allowed)
    return distance.flat[worst], allowed.flat[worst]


class Models:
    """The models of one checkpoint that rows ask for, each made once.

    Args:
        checkpoint: a `weights.Checkpoint`.
        data_dir: the folder of the data sets' files, or None.
    """

    def __init__(self, checkpoint, data_dir=None):
        self.checkpoint, self.data_dir = checkpoint, data_dir
        self.made = {}

    def tokenizer(self, row):
        """The checkpoint's tokenizer, of the class that fits it."""
        from bert_tf2.text.tokenizer import Tokenizer

        if not self.checkpoint.tokenizer.files:
            raise NotRun("texts need a vocabulary, and the checkpoint has none")
        return Tokenizer.from_checkpoint(self.checkpoint, lowercase=row.lowercase)

    def preprocessor(self, row):
        """Texts to inputs; for rows of ids one without a vocabulary, which no model asks for."""
        from bert_tf2.text.packing import Preprocessor
        from bert_tf2.text.wordpiece import WordPieceTokenizer

        tokenizer = self.tokenizer(row) if row.texts or row.data else WordPieceTokenizer()
        return Preprocessor(tokenizer, self.checkpoint.config.max_length)

    def get(self, row, task=None, **settings):
        """The encoder, or a task with it and its head, filled from the checkpoint."""
        config = dataclasses.replace(self.checkpoint.config, **row.config)
        key = (task, config, bool(task and (row.texts or row.data)), *settings.items())
        if key not in self.made:
            self.made[key] = self._make(row, config, task, settings)
        return self.made[key]

    def _make(self, row, config, task, settings):
        from bert_tf2.modeling.encoder import Encoder
        from bert_tf2.weights.filling import Unfilled, load_variables

        model = Encoder(config, Unfilled(config), dtype="float32")
        if task:  # padding is computed as the original computes it
            model = task(model, self.preprocessor(row), drop_padding=False, **settings)
        checkpoint = dataclasses.replace(self.checkpoint, config=config)
        report = load_variables(checkpoint, model.named_variables())
        if report.missing:
            raise NotRun(f"the checkpoint lacks {', '.join(report.missing)}")
        return model


def _inputs(row):
    ids = np.array(row.token_ids, "int32")
    mask = np.ones_like(ids) if row.padding_mask is None else np.array(row.padding_mask, "int32")
    return {"token_ids": ids, "segment_ids": np.zeros_like(ids), "padding_mask": mask}


def _states(models, row):
    """`sequence_output` (B, L, D) or `pooled_output` (B, D)."""
    if row.output not in (outputs := models.get(row)(_inputs(row))):
        raise NotRun(f"the checkpoint has no {row.output}")
    return outputs[row.output]


def _word_logits(models, row):
    """The masked-word head at every position: (B, L, V)."""
    from bert_tf2.tasks.masked_lm import MaskedLM

    inputs = _inputs(row)
    batch, length = inputs["token_ids"].shape
    positions = np.tile(np.arange(length, dtype="int32"), (batch, 1))
    return models.get(row, MaskedLM)(inputs | {"masked_positions": positions})


def _class_logits(models, row):
    """A fine-tuned classifier: (B, C)."""
    from bert_tf2.tasks.text_classifier import TextClassifier

    return models.get(row, TextClassifier, labels=len(row.expected[0]))(_inputs(row))


def _fillings(models, row):
    """The likeliest words for the first mask of each text, the likeliest first."""
    from bert_tf2.tasks.masked_lm import MaskedLM

    found = models.get(row, MaskedLM).fill_masks(row.texts, top=len(row.expected[0]))
    return [[filling.word.lstrip("▁") for filling in masks[0]] for masks in found]


def _similarities(models, row):
    """Cosines between the texts' mean token vectors: (n, n)."""
    inputs = models.preprocessor(row)(row.texts)
    states = np.asarray(models.get(row)(inputs)["sequence_output"], "float64")  # (n, L, D)
    mask = np.asarray(inputs["padding_mask"], "float64")[..., None]
    means = (states * mask).sum(1) / mask.sum(1)
    means /= np.linalg.norm(means, axis=-1, keepdims=True)
    return means @ means.T


def _sts(models, row):
    """Spearman's and Pearson's correlation of the cosines of pairs with people's scores."""
    from bert_tf2.data import examples, sts
    from bert_tf2.tasks import evaluators
    from bert_tf2.tasks.sentence_encoder import SentenceEncoder

    places = [Path(models.data_dir, name) for name in row.data if models.data_dir]
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        raise NotRun(f"give the folder of {' or '.join(row.data)}, --data_dir=…")
    if sts.is_sts(file):
        found = sts.read_sts(file)
    else:
        header = {"text": "sentence1", "text_pair": "sentence2", "label": "score"}
        found = examples.read_examples(file, **header, kind="number", delimiter="tab")
    task = models.get(row, SentenceEncoder, pooling="mean")
    sides = found.texts, found.pairs, found.labels
    figures = evaluators.embedding_similarity(task, *sides, ["cosine"])
    return [figures["spearman_cosine"], figures["pearson_cosine"]]


def _pieces(models, row):
    """The ids of each text, without special tokens."""
    return models.tokenizer(row)(row.texts).to_list()


def _sha256(models, row):
    from bert_tf2.weights.download import sha256_of

    return [sha256_of(models.checkpoint.path.parent / row.file)]


# What can be compared: `Models`, `Row` -> an array, or a list as the row's `expected`.
OUTPUTS = {
    "sequence_output": _states,
    "pooled_output": _states,
    "word_logits": _word_logits,
    "class_logits": _class_logits,
    "fillings": _fillings,
    "similarities": _similarities,
    "sts": _sts,
    "pieces": _pieces,
    "sha256": _sha256,
}
