"""Heads that find an answer's end behind its start compute what the originals do."""

import answer_beams
import keras
import numpy as np
import oracle
import peers
import pytest
from closeness import FORWARD, assert_near

from bert_tf2.modeling import answer_heads
from bert_tf2.modeling.inputs import input_tensors
from bert_tf2.weights import names, units

KINDS = [*answer_beams.SIZES]
CONFIG = oracle.TINY


def head_of(kind, seed=0):
    """A model of states and inputs, and its weights by our names."""
    inputs = input_tensors()
    states = keras.Input((None, CONFIG.hidden_size))
    outputs = answer_heads.outputs(kind, states, inputs, CONFIG)
    model = keras.Model([states, inputs], outputs)
    shapes = names.expected_shapes(CONFIG, units.HEADS[kind])
    own = {name: shape for name, shape in shapes.items() if names.head_of(name)}
    weights = oracle.random_weights(own, seed)
    found = {v.path: v for v in model.variables if not units.is_state(v.path)}
    assert {name: tuple(v.shape) for name, v in found.items()} == own
    for name, variable in found.items():
        variable.assign(weights[name])
    return model, weights


def windows(count=6, length=40, seed=0):
    """States, and inputs of questions and contexts of several lengths, none of a context among
    them."""
    rng = np.random.default_rng(seed)
    states = rng.normal(0, 1, (count, length, CONFIG.hidden_size)).astype("float32")
    ends = rng.integers(8, length + 1, count)
    begins = np.array([2 + end // 4 for end in ends])
    begins[1] = ends[1]
    ends[2], begins[2] = length, 5
    place = np.arange(length)
    mask = (place < ends[:, None]).astype("int32")
    segments = ((place >= begins[:, None]) & (mask == 1)).astype("int32")
    return states, {"token_ids": mask, "segment_ids": segments, "padding_mask": mask}


@pytest.mark.parametrize("kind", KINDS)
def test_a_beam_is_the_oracles(kind):
    model, weights = head_of(kind)
    states, inputs = windows()
    found = answer_heads.found_in(model([states, inputs]), kind)
    found = [np.asarray(x) for x in found]
    for row, x in enumerate(states):
        segments, mask = inputs["segment_ids"][row], inputs["padding_mask"][row]
        want, none = answer_beams.beam(kind, weights, x, segments, mask)
        start, first, end, last, got = (x[row] for x in found)
        assert_near(got, none, FORWARD)
        assert first[: len(want)].tolist() == [place for place, _, _ in want]
        assert_near(start[: len(want)], [value for _, value, _ in want], FORWARD)
        assert (start[len(want) :] < -1e29).all()  # what is no place
        for i, (_, _, ends) in enumerate(want):
            assert last[i, : len(ends)].tolist() == [place for place, _ in ends]
            assert_near(end[i, : len(ends)], [value for _, value in ends], FORWARD)
            assert (end[i, len(ends) :] < -1e29).all()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_place_changes_nothing(kind):
    """Rows may be padded to any length."""
    model, _ = head_of(kind)
    states, inputs = windows()
    more = np.full((len(states), 7, CONFIG.hidden_size), 3.0, "float32")
    padded = {name: np.pad(x, [(0, 0), (0, 7)]) for name, x in inputs.items()}
    want, got = model([states, inputs]), model([np.concatenate([states, more], 1), padded])
    want, got = (answer_heads.found_in(x, kind) for x in (want, got))
    real = np.asarray(want.start) > -1e29
    np.testing.assert_array_equal(np.asarray(got.first)[real], np.asarray(want.first)[real])
    assert_near(np.asarray(got.start)[real], np.asarray(want.start)[real], FORWARD)
    assert_near(got.none, want.none, FORWARD)


def test_a_head_that_is_none():
    with pytest.raises(ValueError, match="`head` must be one of"):
        answer_heads.check("classes", CONFIG)
    with pytest.raises(ValueError, match="second segment, and this encoder has none"):
        answer_heads.check("joint_spans", oracle.TINIES["roberta"])


@pytest.mark.full
def test_alberts_is_the_one_of_transformers_xlnet(tmp_path):
    """Its poolers are the same computation, in torch."""
    kind = "answerable_spans"
    model, weights = head_of(kind)
    states, inputs = windows()
    masks = [
        answer_beams.allowed(kind, *row)
        for row in zip(inputs["segment_ids"], inputs["padding_mask"], strict=True)
    ]
    arrays = {f"weights:{name}": x for name, x in weights.items()}
    np.savez(tmp_path / "asked.npz", states=states, p_mask=1.0 - np.array(masks), **arrays)
    peers.run("transformers", "answer_poolers_there.py", str(tmp_path))
    want = np.load(tmp_path / "found.npz")
    found = answer_heads.found_in(model([states, inputs]), kind)
    real = want["start_top_log_probs"] > -1e29
    assert real.sum() > 20
    both = real[:, :, None] & (want["end_top_log_probs"] > -1e29)
    for name, got in zip(found.names, found, strict=True):
        here = {2: real, 3: both}.get(np.ndim(got), ...)
        assert_near(np.asarray(got)[here], want[name][here], FORWARD, err_msg=name)
