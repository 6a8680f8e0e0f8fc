"""Clark et al.'s measures, on heads of which one knows what they do."""

import numpy as np
import pytest
from closeness import FORMULA

from bert_tf2.analysis import measures
from bert_tf2.analysis.attention import Attention

L = 4
PIECES = ["[CLS]", "tea", "tea", "[SEP]"]
EVEN, NEXT = np.full((L, L), 1 / L), np.roll(np.eye(L), 1, 1)
PREVIOUS, LAST = np.roll(np.eye(L), -1, 1), np.tile([0.0, 0, 0, 1], (L, 1))
FOUND = Attention(
    PIECES, np.array([1, 0, 0, 1], bool), None, np.array([[EVEN, NEXT], [PREVIOUS, LAST]], "f4")
)


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (measures.entropy(FOUND), [[np.log(L), 0], [0, 0]]),
        (measures.share_on(FOUND, "next"), [[1 / L, 1], [0, 1 / 3]]),
        (measures.share_on(FOUND, "previous"), [[1 / L, 0], [1, 0]]),
        (measures.share_on(FOUND, "itself"), [[1 / L, 0], [0, 1 / L]]),
        (measures.share_on(FOUND, "[SEP]"), [[1 / L, 1 / L], [1 / L, 1]]),
        (measures.share_on(FOUND, "tea"), [[2 / L, 2 / L], [2 / L, 0]]),
    ],
)
def test_of_known_heads(got, want):
    np.testing.assert_allclose(got, want, atol=FORMULA)


def test_distances():
    """Of heads that share nothing ln 2; by the formula of the divergence for two that do."""
    found = measures.distances(FOUND)
    np.testing.assert_allclose(found, found.T, atol=FORMULA)
    assert found.diagonal() == pytest.approx(0, abs=FORMULA)
    assert found[1, 2] == pytest.approx(np.log(2))
    half, one = (1 / L + 1) / 2, 1 / L
    spread = 0.5 * np.log(1 / half) + 0.5 * (
        one * np.log(one / half) + (L - 1) * one * np.log(one / (one / 2))
    )
    assert found[0, 3] == pytest.approx(spread)


def test_a_plane_keeps_distances_that_fit_on_it():
    places = np.array([[0.0, 0], [3, 0], [0, 4], [1, 1]])
    apart = np.linalg.norm(places[:, None] - places, axis=-1)
    found = measures.on_a_plane(apart)
    np.testing.assert_allclose(np.linalg.norm(found[:, None] - found, axis=-1), apart, atol=1e-6)


def test_means_of_several_texts_and_what_is_refused():
    other = FOUND._replace(weights=FOUND.weights[::-1])
    want = (measures.entropy(FOUND) + measures.entropy(other)) / 2
    np.testing.assert_allclose(measures.entropy([FOUND, other]), want)
    with pytest.raises(ValueError, match=r'"next", "previous".*Received: .rain'):
        measures.share_on(FOUND, "rain")
    with pytest.raises(ValueError, match="Received: none"):
        measures.entropy([])
