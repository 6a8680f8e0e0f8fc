"""Lower learning rates for layers nearer to the input, which hold what changes least.

Source: google-research/electra `model/optimization.py`, `_get_layer_lrs`.
"""

from bert_tf2.weights.units import block_of, depth_of


def rate_factors(paths, layer_decay):
    """The part of the learning rate that each variable is trained with.

    The depth of the embeddings (and their projection) is 0, of `layer_<i>` i + 1, and of all else
    (pooler and heads) n + 2, where n layers are trained. The factor is `layer_decay` to the power
    of n + 2 - depth. As in ELECTRA, that leaves out depth n + 1: the last layer has the square.

    Args:
        paths: list of str, of all variables that are trained.
        layer_decay: float above 0, at most 1. ELECTRA has 0.8 (small, base) and 0.9 (large).

    Returns:
        list of float, one a path.

    Raises:
        ValueError: no variable lies in a layer, or layers share their variables, as ALBERT's do:
            these lie at several depths at once, and decay would only slow down all of them alike.
    """
    depths = [depth_of(path) for path in paths]
    shared = [p for p, depth in zip(paths, depths, strict=True) if depth is None and block_of(p)]
    if shared:
        raise ValueError(
            "`layer_decay` must be None where layers share their weights (ALBERT), which have no "
            "one depth; lower `learning_rate` instead. "
            f"Received: layer_decay={layer_decay} and a variable {shared[0]!r}"
        )
    last = max((depth for depth in depths if depth), default=None)
    if last is None:
        raise ValueError(
            "`layer_decay` must be None for a model of which no `layer_0`, `layer_1`, … is "
            f"trained. Received: layer_decay={layer_decay} and variables {paths[:3]}"
        )
    return [layer_decay ** (0 if depth is None else last + 2 - depth) for depth in depths]
