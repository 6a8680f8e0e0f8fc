"""The flags of vectors and of search, as a table; `flag_table.FLAGS` has them, too."""

from bert_tf2.cli.flags import choice, count, number, switch, text, whole

SEARCH_FLAGS = {
    "prompt_name": text("the name of a prompt of the model's, to stand before each text"),
    "prompt": text("or that prompt itself"),
    "normalize": switch("make each vector of length 1"),
    "truncate_dim": count("keep so many numbers of each vector, the first (default: all)"),
    "calibration_file": text(
        "file of texts whose vectors the ranges of 8 bits are of (default: all that is embedded)"
    ),
    "similarity_fn_name": choice(
        [None, "cosine", "dot", "euclidean", "manhattan"],
        "how vectors are compared (default: as the model says)",
    ),
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
    # Of hard negatives.
    "corpus_file": text(
        "file of texts that may be negatives, too: .txt, one a line, or CSV, TSV or JSONL with a "
        "column text, or without a header the first (default: the answers of the other pairs alone)"
    ),
    "num_negatives": count("negatives of each pair", 3),
    "range_min": whole("how many of the nearest to leave out, which may well be answers", 0),
    "range_max": count("the rank up to which negatives are taken (default: as many as it needs)"),
    "max_score": number("the most that a negative scores"),
    "min_score": number("the least that a negative scores"),
    "absolute_margin": number("how far it scores below the pair at least"),
    "relative_margin": number("the same as a share of the pair's score, such as 0.05"),
    "cross_encoder": text(
        "a reranker whose scores these limits are of: a published name or a folder"
    ),
    "sampling_strategy": choice(["top", "random"], "which of those within the limits"),
    "output_format": choice(
        ["triplet", "n-tuple", "labeled-pair", "labeled-list"],
        "a row a negative; a row a pair; rows of two texts with 1 or 0; or lists of texts",
    ),
    "output_scores": switch("and the scores"),
    # Of texts that are alike.
    "find": choice(
        ["paraphrases", "duplicates", "clusters"],
        "the pairs that are most alike; texts that repeat an earlier one; or groups around a text",
    ),
    "threshold": number(
        "the least cosine (default: of pairs all, of duplicates 0.9, of clusters 0.75)"
    ),
    "max_pairs": count("pairs to give, the best", 500_000),
    "min_community_size": count("texts of a cluster at least", 10),
    "json_lines": switch("print a JSON object a line instead of a page for people"),
}
