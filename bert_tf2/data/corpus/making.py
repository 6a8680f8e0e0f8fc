"""A corpus -> TFRecords and a card that tells of them, by many processes, going on after a kill."""

import contextlib
import functools
import hashlib
import json
import os
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from bert_tf2 import files
from bert_tf2.data.corpus import cards, parts, workers
from bert_tf2.data.corpus.checks import check_corpus, check_job, check_unknown
from bert_tf2.data.corpus.example_bytes import examples
from bert_tf2.data.corpus.googles import Reference, documents_of
from bert_tf2.data.corpus.maker import Maker
from bert_tf2.data.corpus.recipes import Settings
from bert_tf2.locks import locked

MAX_UNKNOWN = 0.25
_COPIED = 1 << 22  # bytes at once


class Job(NamedTuple):
    """What every process knows of a run; it can be sent to one.

    Attributes:
        kind, config, assets: class of the tokenizer, its settings, its files' contents.
        settings: `recipes.Settings`.
        corpus: `parts.Corpus`.
        max_unknown: as of `make_pretraining_data`.
    """

    kind: type
    config: dict
    assets: tuple[bytes, ...]
    settings: Settings
    corpus: parts.Corpus
    max_unknown: float

    @classmethod
    def of(cls, tokenizer, settings, corpus, max_unknown):
        given = tuple(tokenizer.files().values())
        return cls(type(tokenizer), tokenizer.get_config(), given, settings, corpus, max_unknown)

    def maker(self, tokenizer=None):
        """A `Maker` of it, with a tokenizer at hand or, which takes long, one made anew."""
        tokenizer = tokenizer or self.kind(*self.assets, **self.config)
        return Maker(tokenizer, self.settings, self.corpus, self.max_unknown)

    def fingerprint(self):
        """str: another one where other records would be made."""
        said = {
            "tokenizer": [self.kind.__name__, self.config],
            "assets": [hashlib.sha256(content).hexdigest() for content in self.assets],
            "settings": self.settings.to_dict(),
            "corpus": self.corpus._asdict(),
            "max_unknown": self.max_unknown,
            "files": [[path, *_stamp(path)] for path in self.corpus.files()],
        }
        text = json.dumps(said, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def _stamp(path):
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns


def make_pretraining_data(
    inputs,
    outputs,
    tokenizer,
    settings=None,
    *,
    reproduce=None,
    processes=1,
    on_beam=None,
    overwrite=False,
    max_unknown=MAX_UNKNOWN,
    show_progress_bar=None,
    **corpus,
):
    """Makes pretraining records of raw text: TFRecords with the features of Google's BERT.

    The corpus is cut into parts of some megabytes at the ends of documents; each is made by itself,
    with random numbers of its own, so the files are the same however many processes make them.
    Random second texts are of the same part. A run that was killed goes on, when it is called again
    with the same arguments, with the parts that are missing.

    Args:
        inputs: files, patterns and folders, a path or a list of them, see `parts.Corpus`.
        outputs: a path, or a list: part n goes to file n modulo their number. Beside the first
            stands the data card, with `.card.json` after its name.
        tokenizer: a tokenizer of this package, with a mask token.
        settings: a `Settings`, or None for BERT's.
        reproduce: "google" gives the records of google-research/bert's script with these
            settings, bit for bit, as slowly as one process makes them and all in memory; records
            are dealt to several files in turns, as there.
        processes: int, how many work at once. A script of yours that asks for more than one must
            have `if __name__ == "__main__":`, as Python starts it again in each.
        on_beam: an `on_beam.OnBeam`, whose pipeline makes the parts in the place of processes here;
            all its machines must see the inputs and the outputs' folder.
        overwrite: replace outputs that are there.
        max_unknown: float, the greatest share of unknown pieces that a part may have; with
            `reproduce`, the corpus.
        show_progress_bar: None shows it on a terminal.
        **corpus: `text`, `encoding`, `whole_files`, `part_bytes`, `line_bytes` of `parts.Corpus`.

    Returns:
        dict, the data card: settings, inputs and outputs with digests, counts and shares.

    Raises:
        FileExistsError: an output is there.
        FileNotFoundError: an input is not.
        ValueError: an output is an input; by file and line, what `parts.plan` and `parts.read`
            refuse; with `reproduce` what that script cannot read: JSON Lines, `text`,
            `whole_files`; a corpus of one document or of documents of one sentence, where the
            recipe asks what follows what; more outputs than parts; a vocabulary that does not know
            the text. Nothing is written then.
        locks.InUse: another run writes there.

    Examples:
        >>> tokenizer = bert_tf2.Tokenizer.from_preset("all-MiniLM-L6-v2")
        >>> card = bert_tf2.make_pretraining_data("corpus.txt", "records.tfrecord", tokenizer)
    """
    settings = settings or Settings()
    given = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    outputs = [outputs] if isinstance(outputs, str | os.PathLike) else list(outputs)
    outputs = [Path(output) for output in outputs]
    if not given or not outputs or len(set(outputs)) < len(outputs):
        raise ValueError(f"Expected inputs and different outputs. Received: {given}, {outputs}")
    for output in [*outputs, cards.place(outputs[0])]:
        if output.exists() and not overwrite:
            raise FileExistsError(f"{output} exists: give another name, or ask to overwrite it")
    corpus = parts.Corpus(tuple(map(os.fspath, given)), **corpus)
    files.check_not_read([*outputs, cards.place(outputs[0])], corpus.files())
    job = Job.of(tokenizer, settings, corpus, max_unknown)
    check_job(job, reproduce, on_beam)
    hidden = show_progress_bar is False or (show_progress_bar is None and not sys.stderr.isatty())
    total = sum(_stamp(path)[0] for path in corpus.files())
    with locked(outputs[0].absolute().parent, f".{outputs[0].name}.lock"):
        bar = tqdm(total=total, unit="B", unit_scale=True, disable=hidden)
        with bar:
            if reproduce:
                return _reproduced(job, tokenizer, outputs, bar)
            processes = min(processes, max(1, total // corpus.part_bytes))
            execute = on_beam or functools.partial(_here, processes, tokenizer)
            return _made(job, tokenizer, outputs, execute, bar)


# === By parts =====================================================================================


def _here(processes, tokenizer, job, work, planned):
    given = (job, work, tokenizer) if processes == 1 else (job, work)
    return workers.ordered(workers.Recording, given, planned, processes)


def _made(job, tokenizer, outputs, execute, bar):
    work = outputs[0].absolute().parent / f".{outputs[0].name}.parts-{job.fingerprint()[:16]}"
    for old in work.parent.glob(f".{outputs[0].name}.parts-*"):
        if old != work:
            shutil.rmtree(old)
    work.mkdir(parents=True, exist_ok=True)
    try:
        card = _from_parts(job, tokenizer, outputs, work, execute, bar)
    except ValueError:  # of the input: what was made of it is of no use
        shutil.rmtree(work, ignore_errors=True)
        raise
    cards.write(outputs[0], card)
    shutil.rmtree(work)
    return card


def _from_parts(job, tokenizer, outputs, work, execute, bar):
    seen, counts, total = {}, [], Counter()
    for part, found in execute(job, work, parts.plan(job.corpus, seen)):
        counts.append(found)
        total.update(found)
        bar.update(part.size)
    check_corpus(job.settings, total, len(counts))
    if len(outputs) > len(counts):
        raise ValueError(
            f"Expected at most {len(counts)} outputs, as the corpus has so many parts of "
            f"{job.corpus.part_bytes:,} bytes. Received: {len(outputs)}; or give `part_bytes`"
        )

    def join(number, draft):
        chosen = range(number, len(counts), len(outputs))
        with open(draft, "wb") as file:
            for i in chosen:
                with open(work / f"{i}.tfrecord", "rb") as source:
                    shutil.copyfileobj(source, file, _COPIED)
        return sum(counts[i]["records"] for i in chosen)

    return cards.card(job, tokenizer, seen, total, _write_all(outputs, join), len(counts))


def _write_all(outputs, write):
    """Writes all outputs, or none. -> what the card says of each.

    Args:
        outputs: list of Path.
        write: function of (number, draft), that writes one and returns how many records it has.
    """
    said = []
    with contextlib.ExitStack() as drafts:
        for number, output in enumerate(outputs):
            draft = drafts.enter_context(files.new_file(output))
            records = write(number, draft)
            with open(draft, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            said.append({"file": output.name, "records": records, "bytes": draft.stat().st_size})
            said[-1]["sha256"] = digest
    return said


# === As Google does ===============================================================================


def _reproduced(job, tokenizer, outputs, bar):
    seen = {}
    documents = documents_of(job.corpus, tokenizer, seen)
    counts = Counter(
        documents=len(documents),
        sentences=sum(map(len, documents)),
        tokens=sum(len(ids) for document in documents for ids in document),
    )
    if not documents:
        check_corpus(job.settings, counts)
    unknown = tokenizer.unknown_token_id
    pieces = (id for document in documents for ids in document for id in ids)
    counts["unknown_tokens"] = sum(id == unknown for id in pieces)
    check_unknown(job.corpus.paths[0], counts["unknown_tokens"] / counts["tokens"], job.max_unknown)
    rows = Reference(tokenizer, job.settings).rows(documents)

    def write(number, draft):
        dealt = rows[number :: len(outputs)]
        with tf.io.TFRecordWriter(str(draft)) as writer:
            for row in dealt:
                writer.write(examples(as_arrays(row))[0])
        return len(dealt)

    written = _write_all(outputs, write)
    counts.update(
        records=len(rows),
        record_tokens=sum(sum(row["padding_mask"]) for row in rows),
        predictions=int(sum(sum(row["masked_weights"]) for row in rows)),
        labelled_1=sum(row["next_sentence_labels"] for row in rows),
    )
    bar.update(bar.total)
    card = cards.card(job, tokenizer, seen, counts, written, 1, "google")
    cards.write(outputs[0], card)
    return card


def as_arrays(row):
    """A row of `Reference` as `examples` takes rows: arrays of one row each."""
    types = {"masked_weights": np.float32}
    return {name: np.array([value], types.get(name, np.int32)) for name, value in row.items()}
