"""`bert_tf2 make-pretraining-data` and the verbs of vocabularies: raw text in."""

import time
from pathlib import Path

from bert_tf2.cli import console
from bert_tf2.cli.flags import UsageError, one_of

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
SUFFIXES = {"wordpiece": ".txt", "sentencepiece": ".model"}
SHOWN = 10


def make_pretraining_data(flags):
    """Writes records and their data card, and says what they are."""
    vocabulary = flags[one_of(flags, "vocab_file", "init_checkpoint")].value
    on_beam = _pipeline(flags)
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
        on_beam=on_beam,
        overwrite=flags.overwrite,
        max_unknown=flags.max_unknown,
        **corpus_of(flags),
    )
    _say(card, time.perf_counter() - begun)


def _pipeline(flags):
    """What makes the parts in the place of processes here, or None."""
    if not flags.beam_runner:
        if flags.arguments:
            raise UsageError(f"unexpected {flags.arguments[0]!r}", flags.command)
        return None
    from bert_tf2.data.corpus.on_beam import OnBeam

    return OnBeam([f"--runner={flags.beam_runner}", *flags.arguments])


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


# === Vocabularies =================================================================================


def train_vocabulary(flags):
    """Learns a vocabulary, and says how long it is."""
    from bert_tf2.cli.task_files import check_output

    check_output(flags.output_file, flags.overwrite, (SUFFIXES[flags.kind],))
    console.import_tensorflow()
    from bert_tf2.data.corpus import learning, parts

    corpus = parts.Corpus(tuple(flags.input_file), **corpus_of(flags))
    how = {"vocab_size": flags.vocab_size, "lowercase": flags.do_lower_case}
    if flags.kind == "sentencepiece":
        size = learning.train_sentencepiece(
            corpus, flags.output_file, threads=flags.processes, **how
        )
    else:
        how |= {
            "alphabet": flags.alphabet,
            "unused": flags.unused or 0,
            "processes": flags.processes,
        }
        size = len(learning.train_wordpiece(corpus, flags.output_file, **how))
    print(f"written: {size:,} pieces: {flags.output_file}")


def extend_vocabulary(flags):
    """Writes a checkpoint with more words: those of a file or list, or the best of a corpus."""
    given = one_of(flags, "words", "input_file")
    _check_folder(flags)
    from bert_tf2.vocabularies.resizing import extend_vocabulary

    words = _listed(flags.words) if given == "words" else [*_proposed(flags)]
    result = extend_vocabulary(
        flags.init_checkpoint, flags.output_dir, words, flags.to, flags.bert_config_file
    )
    if flags.new_words_file:
        from bert_tf2 import files

        files.write_file(flags.new_words_file, "".join(f"{piece}\n" for piece in result.new))
    rows = [[piece, " ".join(parts)] for piece, parts in [*result.new.items()][:SHOWN]]
    print(console.table([["new piece", "begins as the mean of"], *rows]))
    if len(result.new) > SHOWN:
        print(f"… and {len(result.new) - SHOWN} more")
    if result.present:
        print(f"pieces already: {', '.join(result.present[:SHOWN])}")
    if result.unknown:
        print(f"warning: of unknown letters: {', '.join(result.unknown[:SHOWN])}")
    _say_resized(flags, result)


def prune_vocabulary(flags):
    """Writes a checkpoint with the pieces of a list, or of a corpus, alone."""
    given = one_of(flags, "words", "input_file")
    _check_folder(flags)
    from bert_tf2.vocabularies import resizing

    keep = _listed(flags.words) if given == "words" else _standing(flags)
    result = resizing.prune_vocabulary(
        flags.init_checkpoint,
        flags.output_dir,
        keep,
        flags.keep_letters,
        flags.to,
        flags.bert_config_file,
    )
    _say_resized(flags, result)


def _check_folder(flags):
    from bert_tf2.cli.task_files import check_output

    check_output(flags.output_dir)
    console.import_tensorflow()


def _listed(given):
    """The words of a flag: a,b,c, or the lines of a file."""
    if len(given) == 1 and Path(given[0]).is_file():
        from bert_tf2 import files

        return [line.strip() for line in files.read_text(given[0]).split("\n") if line.strip()]
    return given


def _corpus(flags):
    from bert_tf2.data.corpus import parts
    from bert_tf2.text.tokenizer import Tokenizer

    corpus = parts.Corpus(tuple(flags.input_file), **corpus_of(flags))
    return corpus, Tokenizer.from_preset(flags.init_checkpoint)


def _proposed(flags):
    from bert_tf2.vocabularies.proposing import propose_words

    found = propose_words(*_corpus(flags), flags.new_words, flags.min_count, flags.processes)
    if not found:
        raise ValueError(
            f"No word of {', '.join(flags.input_file)} stands there {flags.min_count} times and is "
            "cut into several pieces: nothing to add"
        )
    return found


def _standing(flags):
    from bert_tf2.data.corpus import parts
    from bert_tf2.vocabularies.resizing import count_pieces

    corpus, tokenizer = _corpus(flags)
    texts = (
        sentence
        for part in parts.plan(corpus)
        for document in parts.read(part, corpus)[0]
        for sentence in document
    )
    counts = count_pieces(texts, tokenizer)
    return [piece for piece, count in counts.items() if count >= flags.min_count]


def _say_resized(flags, result):
    for sentence in result.warnings:
        print(f"warning: {sentence}")
    print(f"written: {flags.output_dir}, {result.after:,} pieces; there were {result.before:,}")
