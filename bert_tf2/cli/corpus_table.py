"""The verbs that begin with raw text, as a table."""

from bert_tf2.cli.corpus_flags import CORPUS_FILES
from bert_tf2.cli.flag_table import FLAGS
from bert_tf2.cli.flags import count, switch, text, words
from bert_tf2.cli.verb import Verb
from bert_tf2.cli.verb import flags_of as _flags

_CHECKPOINT = "init_checkpoint bert_config_file "
_READING = "text_column encoding document_per_file part_mb line_mb "
_KEY = "key of the text in JSON Lines"
_SAME = FLAGS["to"]._replace(about="whose format to write (default: as it is)", default=None)

CORPUS_VERBS = {
    "make-pretraining-data": Verb(
        "make pretraining records of raw text: TFRecords with Google's features, and a data card",
        "corpus_verbs:make_pretraining_data",
        _flags(
            "recipe reproduce input_file output_file vocab_file init_checkpoint do_lower_case "
            "max_seq_length max_predictions_per_seq masked_lm_prob dupe_factor short_seq_prob "
            "do_whole_word_mask random_seed "
            + _READING
            + "max_unknown processes beam_runner overwrite",
            input_file=CORPUS_FILES,
            output_file=words("the TFRecord file to write, or several, a,b,c"),
            vocab_file=text("a vocab.txt, ALBERT's spiece.model or a vocab.json"),
            init_checkpoint=text("or the checkpoint or folder whose tokenizer it is"),
            do_lower_case=switch("lower-case the text (default: as the vocabulary looks)", None),
            max_seq_length=count("tokens of a row", 128),
            text_column=FLAGS["text_column"]._replace(about=_KEY),
        ),
        ("input_file", "output_file"),
        "[-- BEAM_FLAGS]",
    ),
    "train-vocabulary": Verb(
        "learn a vocabulary of raw text",
        "corpus_verbs:train_vocabulary",
        _flags(
            "kind input_file output_file vocab_size do_lower_case alphabet unused "
            + _READING
            + "processes overwrite",
            input_file=CORPUS_FILES,
            output_file=text("the vocab.txt or spiece.model to write"),
            do_lower_case=switch("lower-case the text and strip accents", True),
            text_column=FLAGS["text_column"]._replace(about=_KEY),
        ),
        ("input_file", "output_file"),
    ),
    "extend-vocabulary": Verb(
        "write a checkpoint whose vocabulary has more words",
        "corpus_verbs:extend_vocabulary",
        _flags(
            _CHECKPOINT
            + "words input_file new_words min_count new_words_file "
            + _READING
            + "processes to output_dir",
            input_file=CORPUS_FILES,
            words=words("the new words, a,b,c, or a file of one a line"),
            text_column=FLAGS["text_column"]._replace(about=_KEY),
            to=_SAME,
            output_dir=text("a new folder"),
        ),
        ("init_checkpoint", "output_dir"),
    ),
    "prune-vocabulary": Verb(
        "write a checkpoint whose vocabulary has the pieces of a corpus, or of a list, alone",
        "corpus_verbs:prune_vocabulary",
        _flags(
            _CHECKPOINT + "words input_file min_count keep_letters " + _READING + "to output_dir",
            input_file=CORPUS_FILES,
            words=words("the pieces to keep, a,b,c, or a file of one a line"),
            min_count=count("keep pieces that stand so often in the corpus", 1),
            text_column=FLAGS["text_column"]._replace(about=_KEY),
            to=_SAME,
            output_dir=text("a new folder"),
        ),
        ("init_checkpoint", "output_dir"),
    ),
}
