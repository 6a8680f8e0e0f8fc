"""`bert_tf2 make-pretraining-data` and the verbs of vocabularies: raw text in."""

import time

from bert_tf2.cli import console
from bert_tf2.cli.flags import one_of

SETTINGS = (
    "recipe",
    "max_seq_length",
    "max_predictions_per_seq",
    "masked_lm_prob",
    "dupe_factor",
    "short_seq_prob",
    "do_whole_word_mask",
    "random_seed",
)
MB = 1_000_000


def make_pretraining_data(flags):
    """Writes records and their data card, and says what they are."""
    vocabulary = flags[one_of(flags, "vocab_file", "init_checkpoint")].value
    console.import_tensorflow()
    from bert_tf2.data.corpus import making, recipes
    from bert_tf2.data.corpus.tokenizers import open_tokenizer

    settings = recipes.Settings(**{name: flags[name].value for name in SETTINGS})
    lowercase = flags.do_lower_case
    if flags.reproduce and lowercase is None:
        lowercase = True  # as there
    begun = time.perf_counter()
    card = making.make_pretraining_data(
        flags.input_file,
        flags.output_file,
        open_tokenizer(vocabulary, lowercase),
        settings,
        reproduce=flags.reproduce,
        processes=flags.processes,
        overwrite=flags.overwrite,
        max_unknown=flags.max_unknown,
        **corpus_of(flags),
    )
    _say(card, time.perf_counter() - begun)


def corpus_of(flags):
    """The flags that say how text is read, as arguments."""
    return {
        "text": flags.text_column,
        "encoding": flags.encoding,
        "whole_files": flags.document_per_file,
        "part_bytes": max(1, int(flags.part_mb * MB)),
        "line_bytes": max(1, int(flags.line_mb * MB)),
    }


def _say(card, seconds):
    counts, shares = card["counts"], card["shares"]
    tokens = counts["record_tokens"]
    rows = [["", "number"]]
    rows += [[name.replace("_", " "), f"{number:,}"] for name, number in counts.items()]
    rows += [[f"share: {name.replace('_', ' ')}", f"{share:.1%}"] for name, share in shares.items()]
    print(console.table(rows, right=(1,)))
    for output in card["outputs"]:
        print(
            f"written: {output['records']:,} records, {output['bytes']:,} bytes: {output['file']}"
        )
    first = card["outputs"][0]["file"]
    print(f"{tokens:,} tokens in {seconds:.1f} s; the data card: {first}.card.json")
