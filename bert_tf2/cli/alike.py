"""`bert_tf2 find-alike`: pairs, repetitions and clusters of the texts of a file."""

import sys
from pathlib import Path

import numpy as np

from bert_tf2.cli import embed, task_files
from bert_tf2.cli.column_flags import check_table, check_used
from bert_tf2.cli.flags import UsageError
from bert_tf2.data import examples, tables
from bert_tf2.data.text_files import TextFile
from bert_tf2.scoring import vectors

OWN = {"max_pairs": "paraphrases", "min_community_size": "clusters"}  # flag -> what it is of
THRESHOLDS = {"paraphrases": -1.0, "duplicates": 0.9, "clusters": 0.75}  # -1: all there are


def find_alike(flags):
    """Writes what --find names, of the texts of --input_file, to --output_file; says how much."""
    task_files.check_input(flags.input_file)
    task_files.check_output(flags.output_file, flags.overwrite, examples.SUFFIXES)
    for name, of in OWN.items():
        if flags[name].present and flags.find != of:
            raise UsageError(f"--{name} is for --find={of}", flags.command)
    lines, texts = _texts(flags, Path(flags.input_file))
    task, verbose = embed.opened_encoder(flags), sys.stderr.isatty()
    how = {name: flags[name].value for name in ("prompt_name", "prompt", "truncate_dim")}
    how |= {"batch_size": flags.predict_batch_size, "show_progress_bar": verbose}
    found = task.encode(texts, normalize_embeddings=True, **how)
    threshold = THRESHOLDS[flags.find] if flags.threshold is None else flags.threshold
    rows, said = FOUND[flags.find](flags, found, threshold, lines, texts)
    if not rows:
        raise ValueError(
            f"{flags.input_file}: no {flags.find} among its {len(texts)} texts from a cosine of "
            f"{threshold:g} on; nothing is written"
        )
    examples.write_predictions(flags.output_file, rows, flags.overwrite)
    print(f"{flags.output_file}: {said} among {len(texts)} texts")


def _texts(flags, path):
    """Where each text stands in its file, and the texts: two lists."""
    if path.suffix.lower() != ".txt":
        check_table(flags, path)
        how = (flags.header, flags.delimiter, flags.encoding)
        found = examples.read_examples(path, flags.text_column, None, None, *how)
        return found.lines, found.texts
    check_used(flags, path, "lines of text")
    every = tables.lines(TextFile(path, flags.encoding))
    found = [(number, line) for number, line in every if line.strip()]
    if not found:
        raise ValueError(f"{path}: expected a text a line. Received: none")
    return tuple(map(list, zip(*found, strict=True)))


def _paraphrases(flags, found, threshold, lines, texts):
    from bert_tf2 import search

    pairs = search.paraphrase_mining_embeddings(found, max_pairs=flags.max_pairs)
    rows = [_pair(*pair, lines, texts) for pair in pairs if pair[0] >= threshold]
    return rows, f"{len(rows)} pairs"


def _duplicates(flags, found, threshold, lines, texts):
    from bert_tf2 import search

    kept = search.find_duplicates(found, threshold)
    gone = np.flatnonzero(kept != np.arange(len(kept)))
    scores = vectors.similarity_pairwise(found[gone], found[kept[gone]]) if len(gone) else []
    every = zip(map(float, scores), gone, kept[gone], strict=True)
    rows = [_pair(*pair, lines, texts) for pair in every]
    return rows, f"{len(rows)} that repeat an earlier one"


def _pair(score, i, j, lines, texts):
    sides = {"line": lines[i], "other_line": lines[j], "text": texts[i], "other_text": texts[j]}
    return {"score": score} | sides


def _clusters(flags, found, threshold, lines, texts):
    from bert_tf2 import search

    how = {"show_progress_bar": sys.stderr.isatty()}
    clusters = search.community_detection(found, threshold, flags.min_community_size, **how)
    rows = [
        {"cluster": number, "score": float(found[i] @ found[some[0]])}
        | {"line": lines[i], "text": texts[i]}
        for number, some in enumerate(clusters, 1)
        for i in some
    ]
    return rows, f"{len(clusters)} clusters of {len(rows)} texts"


FOUND = {"paraphrases": _paraphrases, "duplicates": _duplicates, "clusters": _clusters}
