"""Texts and their vectors, kept, added to and searched.

Letters: n vectors, D width, k the hits of a query.
"""

import numpy as np

from bert_tf2.messages import checked_bool, shorten
from bert_tf2.scoring import vectors
from bert_tf2.scoring.arrays import checked_count
from bert_tf2.search import approximate, folders, fusion, given, parts, updates
from bert_tf2.search.encoders import KEPT, checked_encoder
from bert_tf2.text.passages import passages

DTYPES = ("float32", "float16")
SPARE = 2  # tokens that a passage may gain where it is cut from what stood before it


class Index:
    """Passages of texts with their vectors, or vectors alone; searched exactly, if not said.

    A text longer than a passage is cut into several (see `text.passages`), and each hit says which
    characters of its text it is.

    Args:
        encoder: a `SentenceEncoder`; None for vectors of one's own.
        similarity_fn_name: of the vectors; default: the encoder's, or "cosine". For "cosine" they
            are kept in length 1.
        passage_length: tokens of a passage, special ones and the prompt included; default and most:
            what the encoder reads.
        dtype: of the numbers that are kept, "float32" or "float16".

    Attributes:
        notes: dict of what JSON can say, kept with the index for whoever made it.

    Raises:
        ValueError: another similarity or dtype, or a passage that is longer than the encoder reads
            or has no room for a token.

    Examples:
        >>> index = bert_tf2.Index(bert_tf2.SentenceEncoder.from_preset("all-MiniLM-L6-v2"))
        >>> index.add(["Ada met Bo in Rome.", "It rained."], names=["a.txt", "b.txt"])
        >>> hit, = index.search("who met Bo?", top_k=1)
        >>> hit["name"]
        'a.txt'
    """

    def __init__(self, encoder=None, similarity_fn_name=None, passage_length=None, dtype="float32"):
        usual = "cosine"
        if encoder is not None:
            usual = checked_encoder(encoder, needs=KEPT).similarity_fn_name
        self.similarity_fn_name = vectors.checked_similarity(similarity_fn_name or usual)
        if dtype not in DTYPES:
            raise ValueError(f"`dtype` must be float32 or float16. Received: {shorten(dtype)}")
        self.encoder, self.dtype, self.notes = encoder, dtype, {}
        self.model = encoder.fingerprint() if encoder else None
        self.glance = encoder.glance() if encoder else None
        self.passage_length = self._checked_length(passage_length) if encoder else None
        self.width = encoder.width if encoder else None
        self.rows, self.graph = parts.Rows(), None
        self.expansion_search = approximate.LOOKED_AT
        self.folder = self.graph_file = self.words = None
        self.next_name = None  # the number by which the next text is named, where it is known
        self.kept = []  # names of the parts in the folder, as it was when it was read or written

    def _checked_length(self, length):
        most = self.encoder.preprocessor.max_length
        prompt = self.encoder.prompt_of_documents()
        taken = 2 + SPARE + (len(self.encoder.preprocessor.tokenizer([prompt])[0]) if prompt else 0)
        if length is not None and not taken < checked_count(length, "passage_length") <= most:
            raise ValueError(
                f"`passage_length` must be an int from {taken + 1} to {most}, the tokens that the "
                f"encoder reads. Received: {shorten(length)}"
            )
        self._room = max(1, (length or most) - taken)
        return length or most

    def __len__(self):
        """How many vectors there are: one a passage."""
        return len(self.rows)

    load = classmethod(folders.load)
    save = folders.save
    remove = updates.remove

    # === What is in it ============================================================================

    def add(
        self,
        texts=None,
        names=None,
        vectors=None,
        batch_size=32,
        show_progress_bar=False,
        sources=None,
    ):
        """Adds texts, or vectors.

        Args:
            texts: a list of str; white space alone has no passage. Half of a surrogate pair is kept
                as U+FFFD. None for vectors alone.
            names: of each text a str, such as its file; default: numbers, on from the highest that
                is there. Of a name half a pair is kept as an escape, `\\udce9`.
            vectors: (n, D), of texts one each, which are then not cut; default: the encoder's.
            batch_size, show_progress_bar: as of `encode`.
            sources: of each text the `search.sources.Source` of its file, or None; those of a file
                after one another.

        Returns:
            int: how many vectors were added.

        Raises:
            ValueError: nothing to add, vectors of another width or that are not finite numbers,
                texts where there are vectors alone, or the other way around.
            TypeError: one str in the place of a list.
        """
        before, first = self.rows.documents, None
        if texts is not None:
            first = updates.next_name(self) if names is None else None
            texts, names = given.texts_and_names(texts, names, first or 0)
        given.check_sources(sources, texts or ())
        if self.rows.parts and (texts is None) != (before is None):
            raise ValueError("All of an index must have texts, or none. Received: the other")
        found, places = vectors, None
        if vectors is None:
            found, places = self._encoded(texts, batch_size, show_progress_bar)
        elif texts is not None:
            places = [(row, 0, len(text)) for row, text in enumerate(texts)]
        found = self._kept(found)
        if places is not None and len(places) != len(found):
            raise ValueError(f"`vectors` must be one a text, {len(texts)}. Received: {len(found)}")
        documents = None if texts is None else list(zip(names, texts, strict=True))
        places = None if texts is None else np.array(places, "int64")
        self.width = found.shape[1]
        self.rows.append(parts.Part(found, documents, places), sources)
        self.graph = self.graph_file = self.words = None
        self.next_name = None if first is None else first + len(texts)
        return len(found)

    def _encoded(self, texts, batch_size, verbose):
        """Vectors of the passages of texts, and their places."""
        if self.encoder is None or texts is None:
            raise ValueError("An index without an encoder takes `vectors`. Received: None")
        folders.check_encoder(self)
        cuts = passages(self.encoder.preprocessor.tokenizer, texts, self._room)
        places = [(row, *cut) for row, some in enumerate(cuts) for cut in some]
        if not places:
            raise ValueError("`texts` must have one with a word. Received: white space alone")
        some = [texts[row][start:end] for row, start, end in places]
        how = {"batch_size": batch_size, "show_progress_bar": verbose}
        return self.encoder.encode_document(some, **how), places

    def _kept(self, found):
        """Vectors as they are kept; ValueError for another width, or none."""
        if not len(found):
            raise ValueError("`vectors` must be one or more. Received: none")
        found = vectors.checked(found, "vectors")
        if self.width is not None and found.shape[1] != self.width:
            raise ValueError(
                f"`vectors` must be of width {self.width}, as those of the index. Received: "
                f"{found.shape[1]}"
            )
        if self.similarity_fn_name == "cosine":
            found = vectors.unit_length(found)
        with np.errstate(over="ignore"):  # which is refused next
            kept = found.astype(self.dtype)
        what = f"vectors in {self.dtype}"
        return kept if np.isfinite(kept).all() else vectors.checked(kept, what)

    def approximate(self, expansion_search=approximate.LOOKED_AT, **how):
        """Builds a graph of all vectors, by which searches then look at few of them.

        What is added later is not in it: it is then dropped, and may be built again.

        Args:
            expansion_search: as of `search.approximate.candidates`.
            **how: as of `search.approximate.graph`.

        Raises:
            ImportError, ValueError: as there.
        """
        self._check_not_empty()
        looked_at = checked_count(expansion_search, "expansion_search")
        every = [part.vectors for part in self.rows.parts]
        self.graph = approximate.graph(every, self.similarity_fn_name, **how)
        self.graph_file, self.expansion_search = None, looked_at

    def _check_not_empty(self):
        if not len(self):
            raise ValueError("The index is empty: `add` something first.")

    # === Searching ================================================================================

    def search(
        self,
        queries,
        top_k=10,
        hybrid=False,
        reranker=None,
        candidates=100,
        exactly=None,
        batch_size=32,
        prompt_name=None,
        prompt=None,
    ):
        """What answers queries.

        Args:
            queries: a str or a list of str; or vectors (n, D) or one (D,).
            top_k: hits of a query at most.
            hybrid: rank by words (BM25), too, and fuse both rankings by their ranks; the score is
                then `search.reciprocal_rank_fusion`'s.
            reranker: a `Reranker` of one logit, which orders the `candidates` anew by its scores.
            candidates: how many are fused, and reranked; `top_k` where that is more.
            exactly: whether to look at all vectors; default: unless there is a graph.
            batch_size: texts at a time in the models.
            prompt_name, prompt: as of `encode_query`.

        Returns:
            of each query (of one str or vector only this) a list of dicts, the best first:
            `corpus_id`, the row, and `score`; of texts also `name`, `document`, the number of the
            text, `start`, `end`, its characters, and `text`, what stands there.

        Raises:
            ValueError: an empty index, texts where there is no encoder or the index has no texts,
                vectors of another width, or numbers that are not finite.
        """
        self._check_not_empty()
        given.check_reranker(reranker)
        texts = [queries] if isinstance(queries, str) else given.queries(queries)
        if not len(texts):
            return []
        texts = texts if given.are_texts(texts) else None
        one = isinstance(queries, str) or (texts is None and np.ndim(queries) == 1)
        checked_bool("hybrid", hybrid)
        if texts is None and (hybrid or reranker or prompt_name or prompt):
            raise ValueError(
                "`hybrid`, `reranker` and prompts need queries of str. Received: vectors"
            )
        many = top_k = checked_count(top_k, "top_k")
        prompts = {"prompt_name": prompt_name, "prompt": prompt}
        found = self._query_vectors(queries, texts, batch_size, prompts)
        if hybrid or reranker:
            many = max(top_k, checked_count(candidates, "candidates"))
        scores, ids = self._nearest(found, many, exactly)
        rankings = list(zip(scores, ids, strict=True))
        if hybrid:
            rankings = [self._fused(*row, many) for row in zip(texts, ids, strict=True)]
        if reranker:
            rankings = [
                self._reranked(reranker, text, row[1], batch_size)
                for text, row in zip(texts, rankings, strict=True)
            ]
        hits = [self._hits(scores[:top_k], ids[:top_k]) for scores, ids in rankings]
        return hits[0] if one else hits

    def _query_vectors(self, queries, texts, batch_size, prompts):
        if texts is None:
            found = vectors.checked(queries, "queries")
        elif self.encoder is None:
            raise ValueError("An index without an encoder is asked by vectors. Received: str")
        else:
            folders.check_encoder(self)
            self.encoder.said_what_is_cut = False  # each time that a query is
            found = self.encoder.encode_query(texts, batch_size=batch_size, **prompts)
        if found.shape[1] != self.width:
            raise ValueError(
                f"`queries` must be of width {self.width}, as the index. Received: {found.shape[1]}"
            )
        return vectors.unit_length(found) if self.similarity_fn_name == "cosine" else found

    def _nearest(self, queries, top_k, exactly):
        """Scores (n, k) in falling order, and rows."""
        name = self.similarity_fn_name
        name = "dot" if name == "cosine" else name  # both are of length 1
        exactly = checked_bool("exactly", False if exactly is None else exactly)
        if self.graph is None or exactly:
            return self.rows.nearest(queries, top_k, name)
        found = approximate.candidates(self.graph, queries, top_k, self.expansion_search)
        return self.rows.nearest_of(queries, found, top_k, name)

    def _fused(self, query, ids, many):
        if self.words is None:
            self.words = folders.words_of(self)
        by_words = self.words.nearest(query, many)[1]
        ids, scores = fusion.reciprocal_rank_fusion([ids, by_words], many)
        return scores, ids

    def _reranked(self, reranker, query, ids, batch_size):
        texts = [found["text"] for found in self.rows.passages(ids)]
        ranked = reranker.rank(query, texts, batch_size=batch_size)
        scores = np.array([hit["score"] for hit in ranked], "float32")
        return scores, np.array([ids[hit["corpus_id"]] for hit in ranked])

    def _hits(self, scores, ids):
        return [
            {"corpus_id": int(row), "score": float(score), **found}
            for row, score, found in zip(ids, scores, self.rows.passages(ids), strict=True)
        ]
