"""A checkpoint's vocabulary extended or pruned, and its tables with it, in any format."""

import dataclasses
from collections import Counter

import numpy as np

from bert_tf2 import conversion, weights
from bert_tf2.messages import shorten
from bert_tf2.text.tokenizer import Tokenizer
from bert_tf2.vocabularies.kinds import KINDS
from bert_tf2.weights.saving import GENERATOR, WRITERS
from bert_tf2.weights.tokenizer_source import TokenizerSource
from bert_tf2.weights.units import UNITS

TEXTS_AT_ONCE = 4096


@dataclasses.dataclass
class Resized:
    """What became of a vocabulary.

    Attributes:
        before, after: int, its pieces.
        new: dict of str to list of str: each new piece, and the pieces whose mean it begins with.
        present: list of str, words that were pieces already.
        unknown: list of str, new pieces that begin as the unknown one, since some of their letters
            had no piece.
        warnings: list of str, what the written folder will not say.
    """

    before: int
    after: int
    new: dict = dataclasses.field(default_factory=dict)
    present: list = dataclasses.field(default_factory=list)
    unknown: list = dataclasses.field(default_factory=list)
    warnings: list = dataclasses.field(default_factory=list)


def extend_vocabulary(source, folder, words, to=None, config_file=None, dtype="float32"):
    """Writes a checkpoint whose vocabulary has more words.

    A new word's row of the token table, and of the masked-word head's bias, is the mean of those of
    the pieces that it was cut into until now. All other pieces keep their ids, so that text
    without these words is read as before; in fairseq's families "<mask>" stays the last.

    Args:
        source: a registry name, a folder, a prefix or a file, see `weights.open_checkpoint`.
        folder: a new or empty folder.
        words: list of str, as they stand in text, or "##" pieces of a WordPiece vocabulary.
        to: a format that `convert` writes; None: that of the source.
        config_file, dtype: as of `convert`.

    Returns:
        `Resized`.

    Raises:
        ValueError: no words; one that the tokenizer takes for several, or that is too long; a
            vocabulary of byte pairs, which new words have no merges for; added tokens; and as
            `convert`.

    Examples:
        >>> found = bert_tf2.extend_vocabulary("uncased_L-4_H-512_A-8", "own/longer", ["samovar"])
    """
    opened = _Opened(source, config_file, to)
    words = [words] if isinstance(words, str) else list(words)
    if not words:
        raise ValueError("`words` must have one at least. Received: none")
    spelled = opened.kind.spelled(opened.tokenizer, words)
    known = set(opened.tokenizer.vocabulary)
    new = list(dict.fromkeys(piece for piece in spelled if piece not in known))
    cuts = opened.kind.cuts(opened.tokenizer, new) if new else []
    tokenizer = opened.with_assets(opened.kind.extended(opened.tokenizer, new, cuts))
    own = [[index] for index in range(opened.own)]
    at = tokenizer.vocabulary.index(new[0]) if new else opened.own
    rows = [*own[:at], *cuts, *own[at:]]
    result = opened.write(folder, tokenizer, rows, dtype)
    unknown = opened.tokenizer.unknown_token_id
    result.new = {p: [opened.pieces[i] for i in ids] for p, ids in zip(new, cuts, strict=True)}
    result.present = [piece for piece in spelled if piece in known]
    result.unknown = [p for p, ids in zip(new, cuts, strict=True) if unknown in ids]
    return result


def prune_vocabulary(
    source, folder, keep, letters=True, to=None, config_file=None, dtype="float32"
):
    """Writes a checkpoint whose vocabulary has fewer pieces: those to keep, in their order.

    Text whose pieces are all kept is cut and computed as before, with other ids.

    Args:
        source, folder, to, config_file, dtype: as of `extend_vocabulary`.
        keep: iterable of str, the pieces to keep, such as the keys of `count_pieces`; the special
            ones stay in any case.
        letters: bool, keep single letters, too, so that no word becomes unknown.

    Returns:
        `Resized`.

    Raises:
        ValueError: a piece that is not there; and as `extend_vocabulary`.

    Examples:
        >>> keep = ["the", "tea"]
        >>> found = bert_tf2.prune_vocabulary("uncased_L-4_H-512_A-8", "own/shorter", keep)
    """
    opened = _Opened(source, config_file, to)
    keep = set(keep)
    if strange := sorted(keep - set(opened.pieces)):
        raise ValueError(
            f"`keep` must be of the vocabulary's pieces. Received: {len(strange)} others, such as "
            f"{shorten(strange[0])}"
        )
    keep |= opened.kind.special(opened.tokenizer)
    if letters:
        keep |= {p for p in opened.pieces if len(opened.kind.bare(p)) == 1}
    tokenizer = opened.with_assets(opened.kind.pruned(opened.tokenizer, keep))
    rows = [[opened.tokenizer.token_to_id(piece)] for piece in tokenizer.vocabulary]
    return opened.write(folder, tokenizer, rows, dtype)


def count_pieces(texts, tokenizer):
    """How often each piece stands in texts. -> Counter of str, of those that do.

    Args:
        texts: iterable of str.
        tokenizer: a tokenizer of this package.
    """
    total, batch = np.zeros(tokenizer.vocabulary_size, np.int64), []

    def count():
        total[:] += np.bincount(tokenizer(batch).values.numpy(), minlength=len(total))
        batch.clear()

    for text in texts:
        batch.append(text)
        if len(batch) == TEXTS_AT_ONCE:
            count()
    if batch:
        count()
    pieces = tokenizer.vocabulary
    return Counter({pieces[i]: int(total[i]) for i in np.nonzero(total)[0]})


class _Opened:
    """A checkpoint, its tokenizer, and the kind of its vocabulary."""

    def __init__(self, source, config_file, to):
        checkpoint = weights.open_checkpoint(weights.resolve(source), config_file=config_file)
        self.contents, report = conversion.merged_contents_of(checkpoint)
        self.to = to or checkpoint.format
        if self.to not in (*WRITERS, "tfhub"):
            raise ValueError(
                f"{checkpoint.path} is of the format {self.to}, which cannot be written: give `to`"
            )
        self.warnings = [*report.warnings, *report.skipped_by_reason()]
        if (other := self.contents.generator) is not None:
            _check_the_same_words(checkpoint.path, other, self.contents)
        elif (checkpoint.path.parent / GENERATOR).is_dir():
            self.warnings.append(f"{GENERATOR}/ was left out: give that folder, too")
        self.tokenizer = Tokenizer.from_checkpoint(checkpoint)
        self.kind = next((k for cls, k in KINDS if isinstance(self.tokenizer, cls)), None)
        if self.kind is None:
            raise ValueError(
                "Expected a WordPiece vocabulary or a SentencePiece model. Received: a "
                f"{type(self.tokenizer).__name__}, whose pieces are merged in an order of their own"
            )
        if self.tokenizer.added_tokens:
            named = ", ".join(token.content for token in self.tokenizer.added_tokens)
            raise ValueError(
                f"The tokenizer has added tokens, whose ids follow the vocabulary's: {named}. "
                "Write a checkpoint without them first"
            )
        self.pieces = self.tokenizer.vocabulary
        self.own = len(self.pieces)

    def with_assets(self, content):
        """The same tokenizer with another file."""
        return type(self.tokenizer)(content, **self.tokenizer.get_config())

    def write(self, folder, tokenizer, rows, dtype):
        """Writes the checkpoint. `rows`: for each new id the old ids whose mean it takes."""
        config = self.contents.config
        contents = self._with_rows(self.contents, tokenizer, rows)
        left_out = conversion.write(contents, folder, self.to, dtype)
        warnings = [*self.warnings, *conversion.lost(contents, folder, self.to)]
        warnings += [f"{self.to} has no place for {name}" for name in left_out]
        if spare := config.vocab_size - self.own:
            warnings.append(f"{spare} rows of the token table without a piece were left out")
        return Resized(self.own, len(rows), warnings=warnings)

    def _with_rows(self, contents, tokenizer, rows):
        """The contents with other rows of all that has one a piece; of a generator, too."""
        arrays = dict(contents.arrays)
        for name in arrays:
            if name in UNITS and UNITS[name].shape.split(",")[0] == "V":
                arrays[name] = _means(arrays[name], rows)
        source, other = contents.tokenizer, contents.generator
        names = [name for name in self.tokenizer.asset_names[0] if name in source.files]
        content = next(iter(tokenizer.files().values()))
        return dataclasses.replace(
            contents,
            config=dataclasses.replace(contents.config, vocab_size=len(rows)),
            arrays=arrays,
            task=_with_words(contents.task, len(rows)),
            tokenizer=TokenizerSource(dict.fromkeys(names[:1], content), source.settings),
            generator=other and self._with_rows(other, tokenizer, rows),
        )


def _with_words(task, count):
    """What a preset keeps of a task, in whose settings the config of a generator may be."""
    settings = (task or {}).get("settings") or {}
    if not isinstance(config := settings.get("generator"), dict):
        return task
    return task | {"settings": settings | {"generator": config | {"vocab_size": count}}}


def _check_the_same_words(path, generator, discriminator):
    """Raises a ValueError for a generator whose rows are not of the discriminator's pieces."""
    here, there = (c.config.vocab_size for c in (generator, discriminator))
    own, known = (c.tokenizer.files for c in (generator, discriminator))
    if here != there or any(own[name] != known[name] for name in own.keys() & known.keys()):
        raise ValueError(
            f"{path.parent / GENERATOR} must have the vocabulary of {path}, of {there} rows. "
            f"Received: another one, of {here}. Move that folder away to resize the rest alone"
        )


def _means(table, rows):
    """Rows of a table, or means of some: float32 (V, …)."""
    found = table[[ids[0] for ids in rows]]
    for index, ids in enumerate(rows):
        if len(ids) > 1:
            found[index] = table[ids].astype(np.float64).mean(0)
    return found
