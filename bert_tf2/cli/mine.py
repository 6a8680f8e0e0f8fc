"""`bert_tf2 mine-hard-negatives`: pairs of texts in, pairs with wrong answers beside them out."""

import sys
from pathlib import Path

from bert_tf2.cli import embed, task_files
from bert_tf2.cli.column_flags import check_table, delimiter_of
from bert_tf2.data.examples import SUFFIXES

PASSED = (  # flags that are arguments of the same name
    *("range_min", "range_max", "max_score", "min_score", "absolute_margin", "relative_margin"),
    *("num_negatives", "sampling_strategy", "output_format", "output_scores", "seed"),
)


def mine_hard_negatives(flags):
    """Writes the pairs of --input_file with hard negatives to --output_file; says how many rows."""
    for path in filter(None, (flags.input_file, flags.corpus_file)):
        task_files.check_input(path)
    task_files.check_output(flags.output_file, flags.overwrite, SUFFIXES)
    check_table(flags, flags.input_file)
    from bert_tf2.data import examples

    columns = (flags.text_column, flags.text_pair_column)
    how = (None, flags.header, delimiter_of(flags, flags.input_file), flags.encoding)
    found = examples.read_examples(flags.input_file, *columns, *how)
    corpus = _corpus(flags)
    task, reranker = embed.opened_encoder(flags), None
    if flags.cross_encoder:
        from bert_tf2.tasks.reranker import Reranker

        reranker = Reranker.from_preset(flags.cross_encoder)
    from bert_tf2 import search

    mined = search.mine_hard_negatives(
        dict(zip(columns, (found.texts, found.pairs), strict=True)),
        task,
        corpus,
        reranker,
        batch_size=flags.predict_batch_size,
        show_progress_bar=sys.stderr.isatty(),
        **{name: flags[name].value for name in PASSED},
    )
    rows = [dict(zip(mined, row, strict=True)) for row in zip(*mined.values(), strict=True)]
    if not rows:
        raise ValueError(f"{flags.input_file}: no pair has a negative within these limits")
    examples.write_predictions(flags.output_file, rows, flags.overwrite)
    print(f"{flags.output_file}: {len(rows)} rows of {len(found)} pairs: {', '.join(mined)}")


def _corpus(flags):
    """The texts of --corpus_file, a list; or None: of a table `text`, or without a header the
    first column.
    """
    if not flags.corpus_file:
        return None
    from bert_tf2.data import examples
    from bert_tf2.data.text_files import TextFile

    path = Path(flags.corpus_file)
    if path.suffix.lower() == ".txt":
        return [line.rstrip("\r") for line in TextFile(path, flags.encoding) if line.strip()]
    if path.suffix.lower() == ".jsonl":  # which the flags of a table are not for
        return examples.read_examples(path, label=None, encoding=flags.encoding).texts
    how = (flags.header, flags.delimiter, flags.encoding)
    column = "text" if flags.header else "0"
    return examples.read_examples(path, column, None, None, *how).texts
