"""The flags of verbs that begin with raw text, as a table; `flag_table.FLAGS` has them, too."""

from bert_tf2.cli.flags import choice, count, number, switch, text, whole, words

# As `input_file`.
CORPUS_FILES = words(
    "text files, patterns and folders, a,b,c: a sentence a line and a blank line between "
    "documents; .jsonl: a document a line"
)
CORPUS_FLAGS = {
    "recipe": choice(
        ["bert", "albert", "roberta", "electra", "distilbert"],
        "whose records: pairs with next sentences; sentence order and n-grams; full rows; one "
        "text or two; chunks of documents",
    ),
    "reproduce": choice(
        [None, "google"], "the very records of google-research/bert's script, by one process"
    ),
    "max_predictions_per_seq": count("most hidden tokens of a row", 20),
    "masked_lm_prob": number("share of the tokens that is hidden", 0.15),
    "dupe_factor": count("go so often through the corpus, hiding other words", 10),
    "short_seq_prob": number("share of the rows made shorter (default: the recipe's, mostly 0.1)"),
    "do_whole_word_mask": switch("hide whole words (default: as the recipe has it)", None),
    "random_seed": whole("where all randomness comes from", 12345),
    "document_per_file": switch("each text file is one document, blank lines or not"),
    "part_mb": number(
        "MB of text that a process makes at once, and that random second texts are from", 4.0
    ),
    "line_mb": number("most MB of one line", 16.0),
    "max_unknown": number("greatest share of unknown pieces", 0.25),
    "kind": choice(["wordpiece", "sentencepiece"], "of BERT, ELECTRA and DistilBERT; or of ALBERT"),
    "vocab_size": count("the most pieces", 30_000),
    "alphabet": count("the most letters; words with rarer ones are unknown", 1000),
    "unused": count("keep so many places for other words: [unused0] …", None),
    "new_words": count("of --input_file the so many words that spare most pieces", 1000),
    "min_count": count("how often a word must stand in --input_file", 5),
    "new_words_file": text("write the new pieces here, too, one a line"),
    "keep_letters": switch("keep single letters, so that no word becomes unknown", True),
    "processes": count("how many work at once; the files are the same", 1),
    "beam_runner": text(
        "or an Apache Beam runner, such as DirectRunner or FlinkRunner, whose machines all see the "
        "corpus and the output's folder; its flags come after --"
    ),
}
