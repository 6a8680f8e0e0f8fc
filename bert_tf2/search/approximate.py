"""Search that looks at few of many vectors: a graph of neighbours (Malkov & Yashunin 2016).

Needs the package `usearch`. What the graph finds is scored again, exactly, so that only what it
overlooks is missing.
"""

import numpy as np

from bert_tf2 import files

METRICS = {"cosine": "ip", "dot": "ip", "euclidean": "l2sq"}  # cosine: of vectors of length 1
DTYPES = {"float32": "f32", "float16": "f16", "int8": "i8"}
LOOKED_AT = 256  # vectors in view while a graph is walked, if not said
WIDER = 4  # times as many candidates as are asked for


def graph(vectors, similarity, dtype="float16", connectivity=None, expansion_add=None, threads=0):
    """A graph of vectors.

    Args:
        vectors: list of arrays (n, D), one after another; of length 1 for "cosine".
        similarity: "cosine", "dot" or "euclidean".
        dtype: of the numbers in the graph, "float32", "float16" or "int8" (cosine alone).
        connectivity: neighbours of a vector, 16 if not said; expansion_add: how many are looked at
            when one is added, 128 if not said. More of either: slower, and less overlooked.
        threads: 0 for all cores.

    Returns:
        a `usearch.index.Index` whose keys are rows.

    Raises:
        ImportError: `usearch` is not installed.
        ValueError: another similarity or dtype, or int8 where lengths tell something.
    """
    found = checked_library(similarity, dtype).Index(
        ndim=vectors[0].shape[1],
        metric=METRICS[similarity],
        dtype=DTYPES[dtype],
        connectivity=connectivity,
        expansion_add=expansion_add,
    )
    row = 0
    for part in vectors:
        for start in range(0, len(part), 1 << 16):
            some = np.asarray(part[start : start + (1 << 16)], "float32")
            found.add(np.arange(row, row + len(some)), some, threads=threads)
            row += len(some)
    return found


def checked_library(similarity, dtype="float16"):
    """usearch's module, where it makes such graphs; raises as `graph` elsewhere."""
    for value, known, name in ((similarity, METRICS, "similarity"), (dtype, DTYPES, "dtype")):
        if value not in known:
            raise ValueError(
                f"`{name}` of a graph must be one of {', '.join(known)}. Received: {value!r}"
            )
    if dtype == "int8" and similarity != "cosine":
        raise ValueError(f"`dtype` int8 is for cosine alone. Received: {similarity!r}")
    return _library()


def opened(file, rows):
    """The graph in a file, which stays on the disk until it is read.

    Raises:
        ImportError: `usearch` is not installed.
        ValueError: it is no graph of so many rows.
    """
    library = _library()
    files.check_regular(file)
    try:
        found = library.Index.restore(str(file), view=True)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"{file} must be a graph of usearch. Received: {error}") from error
    held = 0 if found is None else len(found)
    if held != rows:
        raise ValueError(f"{file} must be a graph of {rows} vectors. Received: {held}")
    return found


def candidates(graph, queries, top_k, expansion_search=LOOKED_AT):
    """The rows that a graph finds near queries, int64 (n, r): r is 4 k, or all there are.

    Args:
        queries: float32 (n, D).
        expansion_search: how many are kept in view while it is walked, at least; more of them take
            more time, and less is overlooked.
    """
    count = min(len(graph), WIDER * top_k)
    graph.expansion_search = max(expansion_search, count)
    return np.asarray(graph.search(queries, count).keys, "int64").reshape(len(queries), count)


def _library():
    try:
        import usearch.index
    except ImportError as error:
        raise ImportError(
            "Searching without looking at all vectors needs the package usearch: pip install "
            "usearch, or this project with its extra `search`."
        ) from error
    return usearch.index
