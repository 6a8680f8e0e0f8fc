"""Answers to rows that were computed in several lots, as if in one: what is padded is so wide as
the widest row, whatever it was computed with.

Letters: B rows of a request, b of a lot.
"""

import numpy as np

# Outputs (B, W, …) of which W is that of the widest row of a batch: the one that tells it, (B, W)
# and blank behind the end of a row, and those that are as wide.
PADDED = (
    ("words", ("tags", "tag_scores")),
    ("end", ("entity_group", "score", "word", "start")),
    ("labels", ()),
    ("values", ("indices",)),
    ("mask", ("token_embeddings",)),
)
COUNTED = {  # the output that counts what others are wide by -> these, and the least width
    "lengths": (("ids", "pieces", "starts", "ends"), 0),
    "masks": (("words", "probabilities"), 1),
}


def cut_padding(outputs):
    """Outputs to the rows of one request, without what only others of its batch were wide for.

    What is padded is so wide as the widest row: the same whatever it was computed with.
    """
    found = dict(outputs)
    for count, (names, least) in COUNTED.items():
        if count in outputs and all(name in outputs for name in names):
            width = max(int(outputs[count].max(initial=0)), least)
            return found | {name: outputs[name][:, :width] for name in names}
    for tells, others in PADDED:
        if tells in outputs and all(name in outputs for name in others):
            array = outputs[tells]
            filled = (array != (b"" if array.dtype == object else 0)).any(0)
            width = int(filled.nonzero()[0].max(initial=-1)) + 1
            found |= {name: outputs[name][:, :width] for name in (tells, *others)}
    return found


def joined(parts):
    """Outputs to several lots of rows -> to all of them; what is narrower is filled up.

    Args:
        parts: list of (rows, outputs): int (b,), where they belong among all, and dicts of (b, …).
    """
    rows = np.concatenate([rows for rows, _ in parts])
    order = np.argsort(rows)
    return {
        name: np.concatenate(_even([outputs[name] for _, outputs in parts]))[order]
        for name in parts[0][1]
    }


def _even(arrays):
    """Arrays (b, …) padded to one shape beyond their rows."""
    shapes = {x.shape[1:] for x in arrays}
    if len(shapes) == 1:
        return arrays
    widest = np.max([*shapes], axis=0)
    blank = b"" if arrays[0].dtype == object else 0
    grown = (
        [(0, 0), *((0, w - s) for w, s in zip(widest, x.shape[1:], strict=True))] for x in arrays
    )
    return [np.pad(x, by, constant_values=blank) for x, by in zip(arrays, grown, strict=True)]
