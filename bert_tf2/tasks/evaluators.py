"""What vectors and rerankers are worth on data: sentence-transformers' evaluators as functions.

Each computes what its data need and hands numbers on to `bert_tf2.scoring`; figures have the names
of that library's. `encoder` is a `SentenceEncoder`, a `SparseEncoder` or a `MultiVectorEncoder`, or
whatever has the first one's `encode`, `encode_query`, `encode_document` and `similarity_fn_name`;
`similarity_fn_names` a list of similarities that it knows, by default its own alone; and `**how`
goes to `encode`, such as `batch_size`, `prompt_name` or `truncate_dim`. Of a `MultiVectorEncoder`,
for which a text is a query or a document, the first text of a row is the query.
"""

import itertools
import logging

import numpy as np

from bert_tf2.messages import checked_bool, shorten
from bert_tf2.scoring import pairs, regression, retrieval, vectors
from bert_tf2.scoring.arrays import listed
from bert_tf2.search import paraphrases
from bert_tf2.tasks import compared

LOGGER = logging.getLogger("bert_tf2")


def embedding_similarity(encoder, sentences1, sentences2, scores, similarity_fn_names=None, **how):
    """How vectors' likeness goes with people's, as STS benchmarks have it.

    Args:
        sentences1, sentences2: lists of n str.
        scores: (n,) numbers, higher for more alike.

    Returns:
        dict of floats in -1 … 1: "pearson_cosine", "spearman_cosine" and so on; NaN, which is
            said, where all pairs are equally alike.

    Raises:
        ValueError: lists of other lengths, an unknown similarity, a score that is not finite, or
            scores without a correlation: fewer than two, or all the same.
    """
    if len(listed(scores, "scores")) < 2 or np.ptp(np.asarray(scores, "float64")) == 0:
        raise ValueError(
            "`scores` must be two or more that differ, without which there is no correlation. "
            f"Received: {len(scores)}, {shorten(scores)}"
        )
    sides = compared.columns(
        encoder, {"sentences1": sentences1, "sentences2": sentences2}, scores, how
    )
    found = {}
    for name in _names(encoder, similarity_fn_names):
        alike = compared.measures(encoder).similarity_pairwise(*sides, name)
        if np.ptp(alike) == 0:
            LOGGER.warning("by %s all pairs are equally alike: there is no correlation", name)
        found[f"pearson_{name}"] = regression.pearson(scores, alike)
        found[f"spearman_{name}"] = regression.spearman(scores, alike)
    return found


def binary_classification(encoder, sentences1, sentences2, labels, similarity_fn_names=None, **how):
    """How well a threshold tells pairs that mean the same from others.

    Args:
        sentences1, sentences2: lists of n str.
        labels: (n,) of 0 and 1.

    Returns:
        dict of floats: "cosine_accuracy", "cosine_accuracy_threshold" and so on, see
        `scoring.pairs.binary`. Thresholds of distances are of their negatives, as similarities are.

    Raises:
        ValueError: lists of other lengths, an unknown similarity, or a label that is not 0 or 1.
    """
    sides = compared.columns(
        encoder, {"sentences1": sentences1, "sentences2": sentences2}, labels, how
    )
    found = {}
    for name in _names(encoder, similarity_fn_names):
        figures = pairs.binary(labels, compared.measures(encoder).similarity_pairwise(*sides, name))
        found |= {f"{name}_{figure}": value for figure, value in figures.items()}
    return found


def triplet(encoder, anchors, positives, negatives, margin=0.0, similarity_fn_names=None, **how):
    """The share of triplets whose positive is nearer to the anchor than the negative.

    Args:
        anchors, positives, negatives: lists of n str.
        margin: by how much nearer; or a dict of that by the name of a similarity, 0 for others.

    Returns:
        dict of floats in 0 … 1: "cosine_accuracy" and so on.

    Raises:
        ValueError: lists of other lengths, an unknown similarity, or a margin that is no number.
    """
    margins = compared.margins(margin, encoder)
    texts = {"anchors": anchors, "positives": positives, "negatives": negatives}
    anchor, *others = compared.columns(encoder, texts, anchors, how)
    measure = compared.measures(encoder).similarity_pairwise
    return {
        f"{name}_accuracy": pairs.triplets(
            *(measure(anchor, other, name) for other in others), margins.get(name, 0.0)
        )
        for name in _names(encoder, similarity_fn_names)
    }


def information_retrieval(
    encoder,
    queries,
    corpus,
    relevant_docs,
    at=retrieval.AT,
    similarity_fn_names=None,
    ignore_identical_ids=False,
    **how,
):
    """How good what is found in a corpus is, for queries.

    Args:
        queries: dict of id to text. Those without relevant texts do not count.
        corpus: dict of id to text. (`data.beir.read_beir` reads both.)
        relevant_docs: dict of a query's id to the ids of texts that answer it, a set; or to a dict
            of id to grade, which are then the gains of nDCG.
        at: see `scoring.retrieval.information_retrieval`.
        ignore_identical_ids: leave out of what is found for a query the text of the same id, as
            BEIR and mteb do, where queries are texts of the corpus.

    Returns:
        dict of floats: "cosine_accuracy@1", "cosine_ndcg@10" and so on.

    Raises:
        ValueError: no queries with relevant texts, or none of these in the corpus; an empty corpus;
            ids of several types, or an unknown similarity. TypeError: what is no dict.
    """
    checked_bool("ignore_identical_ids", ignore_identical_ids)
    given = {"queries": queries, "corpus": corpus, "relevant_docs": relevant_docs}
    compared.check_dicts(given)
    longest = max(retrieval.checked_at(at))
    asked = [query for query in queries if _answered(relevant_docs.get(query, ()))]
    if not corpus or not asked:
        raise ValueError(
            "`corpus` must have texts, and `relevant_docs` ids for one of the `queries` or more. "
            f"Received: {len(corpus)} texts, {len(asked)} of {len(queries)} queries with ids"
        )
    compared.check_relevant(asked, corpus, relevant_docs)
    ids, how = compared.in_order(corpus), compared.checked(how)
    texts = encoder.encode_document([corpus[i] for i in ids], **how)
    wanted = encoder.encode_query([queries[query] for query in asked], **how)
    count, found = longest + ignore_identical_ids, {}
    for name in _names(encoder, similarity_fn_names):
        places = compared.nearest(compared.measures(encoder), wanted, texts, count, name)
        ranked = [[ids[i] for i in row] for row in places]
        if ignore_identical_ids:
            ranked = [[i for i in row if i != q] for q, row in zip(asked, ranked, strict=True)]
        figures = retrieval.information_retrieval(ranked, [relevant_docs[q] for q in asked], at)
        found |= {f"{name}_{figure}": value for figure, value in figures.items()}
    return found


def reranking(model, samples, at_k=10, **how):
    """How good the order is that a model gives to texts for a query.

    Args:
        model: an encoder, of which its own similarity counts (sentence-transformers takes the
            cosine of all but late ones), or a `Reranker`.
        samples: a list of dicts: "query", a str, and "positive" and "negative", lists of str. Those
            with an empty list do not count.
        at_k: how many of the best are looked at.
        **how: of `encode`; of a `Reranker` its `batch_size`.

    Returns:
        dict of floats in 0 … 1: "map", "mrr@10" and "ndcg@10".

    Raises:
        ValueError: no sample that counts, or one without these keys.
    """
    samples = listed(samples, "samples")
    for sample in samples:
        if not isinstance(sample, dict) or {"query", "positive", "negative"} - {*sample}:
            raise ValueError(
                "`samples` must be dicts of `query`, `positive` and `negative`. Received: "
                f"{shorten(sample)}"
            )
    samples = [sample for sample in samples if sample["positive"] and sample["negative"]]
    kinds = ("positive", "negative")
    texts = [[text for kind in kinds for text in listed(s[kind], kind)] for s in samples]
    ends = np.cumsum([len(row) for row in texts])[:-1]
    flat = list(itertools.chain.from_iterable(texts))
    queries = [sample["query"] for sample in samples]
    if not samples:
        raise ValueError("`samples` must have one with a positive and a negative. Received: none")
    if hasattr(model, "encode"):
        measures, name = compared.measures(model), model.similarity_fn_name
        wanted = model.encode_query(queries, **compared.checked(how))
        found, scores = model.encode_document(flat, **how), []
        for i, places in enumerate(np.split(np.arange(len(flat)), ends)):
            sides = measures.take(wanted, [i]), measures.take(found, places)
            scores.append(measures.similarity(*sides, name)[0])
    else:
        repeated = [query for query, row in zip(queries, texts, strict=True) for _ in row]
        scores = np.split(model.predict((repeated, flat), **how), ends)
    gold = [[1] * len(s["positive"]) + [0] * len(s["negative"]) for s in samples]
    return retrieval.reranking(gold, scores, at_k)


def paraphrase_mining(
    encoder,
    sentences_map,
    duplicates_list,
    add_transitive_closure=False,
    max_pairs=500_000,
    top_k=100,
    **how,
):
    """How good the pairs are that are found to be nearest among many texts.

    Args:
        sentences_map: dict of id to text.
        duplicates_list: pairs of ids that mean the same; of ids that are not there none count.
        add_transitive_closure: whether what means the same as a third text means the same.
        max_pairs: how many of the nearest pairs are looked at.
        top_k: how many texts are looked for, for each.

    Returns:
        dict of floats, see `scoring.pairs.mined`.

    Raises:
        ValueError: fewer than two texts, or no pair of those that are there.
        TypeError: an encoder of other than one vector a text.
    """
    if compared.measures(encoder) is not vectors:
        raise TypeError(
            "Paraphrases are mined by one vector a text: give a SentenceEncoder. Received: a "
            f"{type(encoder).__name__}"
        )
    checked_bool("add_transitive_closure", add_transitive_closure)
    compared.check_dicts({"sentences_map": sentences_map})
    ids, duplicates_list = list(sentences_map), listed(duplicates_list, "duplicates_list")
    places = {name: place for place, name in enumerate(ids)}
    if strange := [pair for pair in duplicates_list if not _is_pair(pair)]:
        raise ValueError(f"`duplicates_list` must be pairs of ids. Received: {shorten(strange[0])}")
    known = [pair for pair in duplicates_list if {*pair} <= places.keys()]
    gold = {tuple(sorted((places[a], places[b]))) for a, b in known if a != b}
    if add_transitive_closure:
        gold = _closure(gold)
    if not gold:
        raise ValueError(
            "`duplicates_list` must have pairs of ids of `sentences_map`. Received: "
            f"{shorten(duplicates_list)}"
        )
    x = encoder.encode([sentences_map[name] for name in ids], **compared.checked(how))
    found = paraphrases.paraphrase_mining_embeddings(
        x, max_pairs=max_pairs, top_k=top_k, score_function=encoder.similarity_fn_name
    )
    right = [(i, j) in gold for _, i, j in found]
    return pairs.mined(right, [score for score, _, _ in found], len(gold))


def _is_pair(given):
    return hasattr(given, "__len__") and not isinstance(given, str | bytes) and len(given) == 2


def _closure(pairs_of):
    """All pairs within groups that pairs hold together."""
    group = {}
    for a, b in pairs_of:
        joined = group.get(a, {a}) | group.get(b, {b})
        group |= dict.fromkeys(joined, joined)
    return {pair for joined in group.values() for pair in itertools.combinations(sorted(joined), 2)}


def _answered(relevant):
    return any(relevant.values()) if isinstance(relevant, dict) else bool(relevant)


def _names(encoder, names):
    known = compared.measures(encoder).checked_similarity
    names = [names] if isinstance(names, str) else names or [encoder.similarity_fn_name]
    return [known(name) for name in names]
