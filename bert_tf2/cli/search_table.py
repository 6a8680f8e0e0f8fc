"""The verbs of vectors and of search, as a table."""

from bert_tf2.cli.flag_table import FLAGS
from bert_tf2.cli.flags import choice, switch, text, whole
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
            "predict_batch_size prompt_name prompt normalize precision calibration_file "
            "truncate_dim output_file overwrite",
            input_file=text("file of texts: .txt, one a line, or CSV, TSV or JSONL"),
            output_file=text("the .npy to write; an interrupted run goes on"),
            precision=choice(
                ["float32", "int8", "uint8", "binary", "ubinary"],
                "of a number: 32 bits, 8 or one, 8 in a byte",
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
            "passage_length similarity_fn_name dtype predict_batch_size graph append overwrite",
            dtype=choice(["float32", "float16"], "of the numbers that are kept"),
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
            "exactly prompt_name prompt predict_batch_size json_lines output_file overwrite",
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
    "mine-hard-negatives": Verb(
        "add to pairs of texts what a model takes for an answer, and is none",
        "mine:mine_hard_negatives",
        _flags(
            "model "
            + _CHECKPOINT
            + "input_file text_column text_pair_column header delimiter encoding corpus_file "
            "max_seq_length num_negatives range_min range_max max_score min_score "
            "absolute_margin relative_margin cross_encoder sampling_strategy seed output_format "
            "output_scores predict_batch_size output_file overwrite",
            input_file=text("CSV, TSV or JSONL file of pairs"),
            text_column=text("column or key of what is asked", "anchor"),
            text_pair_column=text("column or key of what answers it", "positive"),
            seed=whole("of --sampling_strategy=random", 0),
            output_file=text("CSV, TSV or JSONL file to write, to be trained on"),
        ),
        ("input_file", "output_file"),
    ),
    "find-alike": Verb(
        "find the texts of a file that mean the like: pairs, repetitions or clusters",
        "alike:find_alike",
        _flags(
            "model "
            + _CHECKPOINT
            + "input_file text_column header delimiter encoding max_seq_length predict_batch_size "
            "prompt_name prompt truncate_dim find threshold max_pairs min_community_size "
            "output_file overwrite",
            input_file=text("file of texts: .txt, one a line, or CSV, TSV or JSONL"),
            output_file=text("CSV, TSV or JSONL file to write, whose rows name lines of that"),
        ),
        ("input_file", "output_file"),
    ),
}
