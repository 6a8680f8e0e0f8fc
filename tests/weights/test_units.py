"""What the table of units says of variables, against the names they are asked by elsewhere."""

import re

import oracle
import pytest

from bert_tf2 import Encoder, weights
from bert_tf2.weights import names, units

GOOGLES_PATTERNS = ("LayerNorm", "layer_norm", "bias")  # run_classifier.py, by optimization.py


@pytest.mark.parametrize("family", ["bert", "albert", "electra", "electra_generator"])
def test_what_decays_is_what_google_lets_decay(family):
    """Heads among them, by the names in Google's checkpoints."""
    for ours, row in names.variables(oracle.TINIES[family], "google").items():
        left_out = any(re.search(pattern, row.theirs) for pattern in GOOGLES_PATTERNS)
        assert units.decays(ours) is not left_out, (ours, row.theirs)


@pytest.mark.parametrize("family", oracle.TINIES)
def test_every_variable_has_a_row_whatever_scope_it_is_in(family):
    encoder = Encoder(oracle.TINIES[family])
    for name, variable in encoder.named_variables().items():
        unit, part = units.role_of(name)
        block = units.block_of(name)
        assert f"{unit}/{part}".rstrip("/").replace("{block}", str(block)) == name
        for scope in ("a/b/", "encoder_1.", "unbiased/encoder_1."):
            assert units.role_of(scope + variable.path) == (unit, part)
            assert units.depth_of(scope + variable.path) == units.depth_of(name)
            assert units.block_of(scope + variable.path) == block
            assert units.decays(scope + variable.path) == units.decays(name)
    states = [v.path for v in encoder.variables if v.path not in encoder.named_variables()]
    assert states and all(map(units.is_state, states))


@pytest.mark.parametrize(
    "path, decays",
    [
        ("my_model/dense/kernel", True),
        ("my_model/dense/bias", False),
        ("my_model/layer_norm/gamma", False),
        ("bert/encoder/layer_0/attention/output/LayerNorm/gamma", False),
        ("my_model/norm/scale", False),
        ("my_model/normal/kernel", True),
        ("crf/transitions", True),
        ("my_model/token", True),
    ],
)
def test_variables_of_others_are_told_by_googles_patterns(path, decays):
    assert units.decays(path) is decays


@pytest.mark.parametrize("family", oracle.TINIES)
def test_dense_layers_of_an_encoder(family):
    config = oracle.TINIES[family]
    layers = Encoder(config).dense_layers()
    kernels = {n: s for n, s in weights.expected_shapes(config).items() if n.endswith("/kernel")}
    blocks = {n.removesuffix("/kernel"): s for n, s in kernels.items() if units.block_of(n)}
    assert {name: tuple(layer.kernel.shape) for name, layer in layers.items()} == blocks
