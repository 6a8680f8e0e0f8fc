"""What a sentence encoder is to learn: a loss of `vector_losses.py` by its name, checked.

Letters: B rows of a batch, K texts a row, N layers, E numbers of a vector.
"""

from collections.abc import Mapping

from bert_tf2.messages import shorten
from bert_tf2.training import matryoshka
from bert_tf2.training.losses import cross_entropy
from bert_tf2.training.vector_losses import (
    DIRECTIONS,
    DISTANCES,
    LOSSES,
    SIMILARITIES,
    pair_features,
)

WRAPPERS = {"matryoshka": matryoshka.MATRYOSHKA, "matryoshka_2d": matryoshka.MATRYOSHKA_2D}
POSITIVE = ("scale", "mini_batch_size", "kl_temperature")
CHOICES = {"similarity": SIMILARITIES, "distance": DISTANCES}
CHOICES["partition_mode"] = ("joint", "per_direction")
HARD_DISTANCES = ("euclidean", "cosine")  # of all pairs of a batch


class Objective:
    """A loss of vectors with all its settings.

    Args:
        given: a name of `LOSSES`; or a dict of its `kind` and settings; or a dict of a kind of
            `WRAPPERS`, whose `loss` is one of these.
        width: E, that `matryoshka_dims` must not exceed.
        layers: N.

    Raises:
        ValueError: an unknown name or setting, or a value that it cannot have.

    Attributes:
        settings: that dict, with all settings.
        row: the `VectorLoss`.
        labels: of a softmax, the names of its classes.
        of_layers: whether it reads the vectors of all layers, (B, K, N, E).
        part_rows: rows of a micro-batch, where the loss says how many.
    """

    def __init__(self, given, width, layers):
        self.settings = _whole(given)
        self.inner = self.settings.get("loss", self.settings)
        self.row = LOSSES[self.inner["kind"]]
        self.labels = self.inner.get("labels")
        self.part_rows = self.inner.get("mini_batch_size")
        self.of_layers = self.settings["kind"] == "matryoshka_2d"
        _check_values(self.inner)
        self.widths = _checked_widths(self.settings, width)
        if self.of_layers and layers < 2:
            raise ValueError(
                '"matryoshka_2d" needs layers before the last. Received: an encoder of one'
            )

    def __call__(self, vectors, targets, weights, step, head=None):
        """{name: (sum, size)} of a batch.

        Args:
            vectors: float32 (B, K, E), or (B, K, N, E) of all layers.
            targets: as the row's `targets` says. weights: float32 (B,).
            step: int64 scalar, of which widths and layers are drawn.
            head: of a softmax, function of features (B, 3 E) -> logits (B, C).
        """
        said = ("kind", "labels", "mini_batch_size")
        how = {name: value for name, value in self.inner.items() if name not in said}

        def of(x):
            if head is not None:
                return cross_entropy(targets, head(pair_features(x)), weights)
            return self.row.of(x, targets, weights, **how)

        def of_widths(x, draw=0):
            if not self.widths:
                return of(x)
            drawn = self.settings["n_dims_per_step"]
            return matryoshka.of_widths(of, x, step, *self.widths, drawn, draw)

        if self.of_layers:
            return matryoshka.of_layers(of_widths, vectors, step, self.settings)
        return {"loss": of_widths(vectors)}


def _whole(given):
    """A loss as it was given -> a dict of its kind and all its settings."""
    said = {"kind": given} if isinstance(given, str) else dict(given) if _is_dict(given) else {}
    kind = said.get("kind")
    known = LOSSES[kind].settings if kind in LOSSES else WRAPPERS.get(kind)
    if known is None:
        raise ValueError(
            f"`loss` must be one of {', '.join([*LOSSES, *WRAPPERS])}, or a dict of its `kind` and "
            f"settings. Received: {shorten(given)}"
        )
    if kind in WRAPPERS and "loss" not in said:
        raise ValueError(
            f'{kind!r} stands around another loss: {{"kind": "{kind}", "loss": '
            f'"multiple_negatives_ranking", …}}. Received: {shorten(given)}'
        )
    inner = {"loss": _whole(said["loss"])} if kind in WRAPPERS else {}
    if inner and inner["loss"]["kind"] in WRAPPERS:
        raise ValueError(f"The `loss` of {kind!r} must be a plain one. Received: {shorten(given)}")
    if inner and inner["loss"]["kind"] == "softmax" and kind == "matryoshka":
        raise ValueError(
            "A softmax reads whole vectors, and none of their beginnings: leave out `matryoshka`. "
            f"Received: {shorten(given)}"
        )
    if unknown := said.keys() - {"kind", *known, *inner}:
        raise ValueError(
            f"The settings of {kind!r} are {', '.join([*inner, *known]) or 'none'}. Received: "
            f"{', '.join(sorted(map(str, unknown)))}"
        )
    return {"kind": kind} | known | said | inner


def _is_dict(given):
    return isinstance(given, Mapping)


def _check_values(said):
    """Raises for a value that a loss cannot have."""
    for name, value in said.items():
        choices = CHOICES.get(name)
        if name == "distance" and said["kind"] == "batch_hard_triplet":
            choices = HARD_DISTANCES
        if choices is not None and value not in choices:
            raise ValueError(f"`{name}` must be one of {', '.join(choices)}. Received: {value!r}")
        if name in POSITIVE and not value > 0:
            raise ValueError(f"`{name}` must be above 0. Received: {value!r}")
    if "directions" in said:
        _check_directions(tuple(said["directions"]), said["partition_mode"])
    if said["kind"] == "softmax" and not said["labels"]:
        raise ValueError(
            'A softmax must be given its `labels`, {"kind": "softmax", "labels": ["entailment", …]}'
            f". Received: {said['labels']}"
        )


def _check_directions(directions, mode):
    strange = {*directions} - {*DIRECTIONS}
    if mode == "per_direction":
        strange |= {*directions} & {"query_to_query", "doc_to_doc"}  # where no positive is
    if strange or DIRECTIONS[0] not in directions or len({*directions}) < len(directions):
        raise ValueError(
            f"`directions` must be {DIRECTIONS[0]!r} and others of {', '.join(DIRECTIONS)}, each "
            "once; by partition_mode='per_direction' 'doc_to_query' alone. Received: "
            f"{shorten(directions)}"
        )


def _checked_widths(said, width):
    """(dims, weights), the largest first; () where there is no wrapper."""
    if "matryoshka_dims" not in said:
        return ()
    dims = list(said["matryoshka_dims"] or ())
    weights = said["matryoshka_weights"]
    weights = [1.0] * len(dims) if weights is None else list(weights)
    if not dims or not all(isinstance(d, int) and 1 <= d <= width for d in dims):
        raise ValueError(
            f"`matryoshka_dims` must be ints from 1 to {width}, the numbers of a vector. Received: "
            f"{shorten(said['matryoshka_dims'])}"
        )
    if len({*dims}) < len(dims) or len(weights) != len(dims):
        raise ValueError(
            "`matryoshka_dims` must differ, with one of `matryoshka_weights` each. Received: "
            f"{shorten(dims)} and {shorten(weights)}"
        )
    pairs = sorted(zip(dims, map(float, weights), strict=True), reverse=True)
    return tuple(zip(*pairs, strict=True))


# What to do where no loss goes by itself with columns.
_ADVICE = {
    (1, None): "give `y`, the class of each text, or rows of two texts that mean the same",
    (2, "names"): 'say `compile(loss={"kind": "softmax", "labels": […]})`',
    None: "give numbers, as `fit` says, or texts alone, or say `loss` to `compile`",
}


def default_kind(texts, labels):
    """The loss that columns ask for, a name of `LOSSES`.

    Args:
        texts: how many texts a row has.
        labels: None, "numbers" or "names".

    Raises:
        ValueError: columns that several losses would take, or none.
    """
    known = {
        (1, "numbers"): "batch_hard_triplet",
        (1, "names"): "batch_hard_triplet",
        (2, "numbers"): "cosent",
        (3, "numbers"): "margin_mse",
        (2, None): "multiple_negatives_ranking",
        (3, None): "multiple_negatives_ranking",
    }
    found = known.get((min(texts, 3), labels))
    if found is None:
        raise ValueError(
            f"No loss goes by itself with {texts} text{'s'[: texts - 1]} a row and "
            f"{labels or 'no labels'}: {_ADVICE.get((texts, labels), _ADVICE[None])}."
        )
    return found
