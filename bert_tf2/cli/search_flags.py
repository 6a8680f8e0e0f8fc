"""The flags of vectors and of search, as a table; `flag_table.FLAGS` has them, too."""

from bert_tf2.cli.flags import count, switch, text

SEARCH_FLAGS = {
    "prompt_name": text("the name of a prompt of the model's, to stand before each text"),
    "prompt": text("or that prompt itself"),
    "normalize": switch("make each vector of length 1"),
    "truncate_dim": count("keep so many numbers of each vector, the first (default: all)"),
    "index_dir": text("folder of the index"),
    "name_column": text("column or JSON key of a row's name (default: the file and the line)"),
    "passage_length": count(
        "longer texts are cut into passages of so many tokens (default: all that the model reads)"
    ),
    "graph": switch("and a graph of neighbours, for a million passages and more; needs usearch"),
    "append": switch("add to the index that is there"),
    "top_k": count("passages to give for a question", 5),
    "hybrid": switch("rank by words, too, and fuse both; needs bm25s"),
    "reranker": text("a cross-encoder that orders the best anew: a published name or a folder"),
    "candidates": count("how many passages are fused and reranked", 100),
    "exactly": switch("look at all passages, although there is a graph", None),
    "json_lines": switch("print a JSON object a line instead of a page for people"),
}
