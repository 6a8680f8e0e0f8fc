"""brightmart's Chinese ALBERT: a bundle whose token table is the product of two. Read only.

A token's vector is a row of `word_embeddings` (V, E) times `word_embeddings_2` (E, D), with no bias
and nothing between; positions, segments and the norm are D wide, and the masked-LM head multiplies
by the same two. So it is an ALBERT with E = D, whose table (V, D) is the product: that is listed.

Source: https://github.com/brightmart/albert_zh, modeling.py (embedding_lookup_factorized) and
run_pretraining.py (get_masked_lm_output).
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from bert_tf2.weights.containers import bundle
from bert_tf2.weights.report import CheckpointError

TABLE = "bert/embeddings/word_embeddings"
SECOND = "bert/embeddings/word_embeddings_2"


def list_variables(prefix: Path) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Name -> (shape, dtype) of every variable, the product in place of its factors.

    Raises:
        CheckpointError: the index is damaged, or the two cannot be multiplied.
    """
    listed = bundle.list_variables(prefix)
    (first, dtype), (second, _) = listed.get(TABLE, ((), None)), listed.pop(SECOND)
    if len(first) != 2 or len(second) != 2 or first[1] != second[0]:
        raise CheckpointError(
            f"{prefix}: {TABLE} (V, E) times {SECOND} (E, D) must be the token table. Received: "
            f"{first} and {second}"
        )
    return listed | {TABLE: ((first[0], second[1]), dtype)}


def read(prefix: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The named variables as arrays. They may be read-only.

    Raises:
        CheckpointError: as `bundle.read`.
    """
    names = list(names)
    arrays = bundle.read(prefix, [*names, SECOND] if TABLE in names else names)
    if TABLE in arrays:
        arrays[TABLE] = arrays[TABLE] @ arrays.pop(SECOND)
    return arrays
