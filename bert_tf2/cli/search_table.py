"""The verbs of vectors and of search, as a table."""

from bert_tf2.cli.flag_table import FLAGS
from bert_tf2.cli.flags import choice, switch, text
from bert_tf2.cli.verb import Verb
from bert_tf2.cli.verb import flags_of as _flags

_CHECKPOINT = "init_checkpoint bert_config_file "

SEARCH_VERBS = {
    "embed": Verb(
        "write the vectors of texts, a row each, as a NumPy file",
        "embed:embed",
        _flags(
            "model "
            + _CHECKPOINT
            + "input_file text_column text_pair_column header delimiter encoding max_seq_length "
            "predict_batch_size prompt_name prompt normalize precision truncate_dim output_file "
            "overwrite",
            input_file=text("file of texts: .txt, one a line, or CSV, TSV or JSONL"),
            output_file=text("the .npy to write; an interrupted run goes on"),
            precision=choice(
                ["float32", "binary", "ubinary"], "of a number: 32 bits, or one, 8 in a byte"
            ),
        ),
        ("input_file", "output_file"),
    ),
    "index": Verb(
        "write an index of files and folders of texts, to be searched",
        "search_verbs:index",
        _flags(
            _CHECKPOINT
            + "index_dir text_column name_column header delimiter encoding max_seq_length "
            "passage_length predict_batch_size graph append overwrite",
            overwrite=switch("replace the index that is there"),
        ),
        ("index_dir",),
        "FILE_OR_FOLDER …",
    ),
    "search": Verb(
        "answer questions from an index: the passages that mean the like",
        "search_verbs:search",
        _flags(
            _CHECKPOINT
            + "index_dir input_file encoding max_seq_length top_k hybrid reranker candidates "
            "exactly predict_batch_size json_lines output_file overwrite",
            init_checkpoint=FLAGS["init_checkpoint"]._replace(
                about="the model that made the index (default: as the index says)"
            ),
            input_file=text("file of questions, one a line"),
            output_file=text(
                "CSV, TSV or JSONL file to write: query, rank, corpus_id, score, name, document, "
                "start, end, text (default: print for people)"
            ),
        ),
        ("index_dir",),
        "[QUESTION …]",
    ),
}
