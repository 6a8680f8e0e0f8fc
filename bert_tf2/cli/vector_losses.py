"""What flags say of the loss that vectors are trained by, and so of the labels of rows."""

from bert_tf2.cli.flags import UsageError
from bert_tf2.data.class_names import names_of

# Losses of vectors, `training.vector_losses`, and what labels their rows have.
LOSSES = {
    "multiple_negatives_ranking": None,
    "multiple_negatives_symmetric_ranking": None,
    "cached_multiple_negatives_ranking": None,
    "cached_multiple_negatives_symmetric_ranking": None,
    "triplet": None,
    "cosent": "number",
    "cosine_similarity": "number",
    "contrastive": "number",
    "online_contrastive": "number",
    "margin_mse": "number",
    "batch_hard_triplet": "class",
    "softmax": "class",
}
OF_VECTORS = ("loss", "matryoshka_dims", "batch_sampler")  # flags


def label_kind(flags, sides):
    """What the labels of rows of so many texts are, by --loss: "number", "class", or None."""
    loss = flags.loss if "loss" in flags else None
    if loss is not None:
        return LOSSES[loss]
    return {1: "class", 2: "number"}.get(sides)


def loss_of(flags, train):
    """What flags say of the loss of vectors: dicts of arguments of `compile` and of `fit`.

    Raises:
        UsageError: of another task.
    """
    if flags.task != "sentence_similarity":
        if given := [name for name in OF_VECTORS if flags[name].value is not None]:
            raise UsageError(f"--{given[0]} is for --task=sentence_similarity", flags.command)
        return {}, {}
    kind = label_kind(flags, len(train.columns))
    default = {1: "batch_hard_triplet", 2: "cosent"}.get(len(train.columns), next(iter(LOSSES)))
    loss = {"kind": flags.loss or (default if kind else next(iter(LOSSES)))}
    if loss["kind"] == "softmax":
        loss["labels"] = names_of(train.labels)
    if flags.matryoshka_dims:
        dims = [int(width) for width in flags.matryoshka_dims]
        loss = {"kind": "matryoshka", "loss": loss, "matryoshka_dims": dims}
    sampler = {} if flags.batch_sampler is None else {"batch_sampler": flags.batch_sampler}
    return {"loss": loss}, sampler
