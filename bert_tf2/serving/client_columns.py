"""Rows in memory -> columns in JSON, and answers in JSON -> NumPy arrays.

Letters: n rows.
"""

import base64

import ml_dtypes  # noqa: F401  NumPy knows bfloat16 by it
import numpy as np

from bert_tf2.messages import shorten

ORDERS = (("text", "text_pair"), ("question", "context"), ("text", "choices"))
KINDS = {  # as SignatureDefs name them
    "DT_STRING": object,
    "DT_BOOL": "bool",
    "DT_HALF": "float16",
    "DT_BFLOAT16": "bfloat16",
    "DT_FLOAT": "float32",
    "DT_DOUBLE": "float64",
    **{f"DT_{x}INT{bits}": f"{x.lower()}int{bits}" for x in ("", "U") for bits in (8, 16, 32, 64)},
}


def in_order(names):
    """The names of a signature's inputs, a tuple in the order in which their task takes them."""
    known = next((order for order in ORDERS if {*order} == {*names}), None)
    return known or tuple(sorted(names))


def columns_of(x, names, where):
    """What a task takes as `x` -> columns of n values each.

    Args:
        x: a list of texts; a tuple of two such, or a list of tuples; or a dict or a DataFrame of
            columns.
        names: of the inputs, a set.
        where: what is asked, for errors.

    Returns:
        dict of names to lists.

    Raises:
        ValueError: other columns than `names`, or of different length.
    """
    if isinstance(x, str | bytes):
        raise ValueError(f"Texts must be a list of str. Received: {shorten(x)}")
    if hasattr(x, "keys"):
        found = {str(name): _list(x[name]) for name in x.keys()}  # noqa: SIM118  a DataFrame's
    else:
        found = _named(x, names, where)
    if found.keys() != names or len({len(side) for side in found.values()}) > 1:
        counts = {name: len(side) for name, side in found.items()}
        raise ValueError(f"{where} takes {', '.join(in_order(names))}, equally many. Got: {counts}")
    return found


def _named(x, names, where):
    if not isinstance(x, tuple):
        x = _list(x)
        pairs = bool(x) and all(isinstance(row, tuple) and len(row) == 2 for row in x)
        x = tuple(map(list, zip(*x, strict=True))) if pairs else (x,)
    if len(x) == 1 and len(names) == 1:
        return {next(iter(names)): x[0]}
    order = in_order(names)
    if order not in ORDERS or len(x) != 2:
        raise ValueError(
            f"{where} takes {', '.join(order)}: give a dict of these, or a tuple of two "
            "lists where it reads pairs."
        )
    return dict(zip(order, map(_list, x), strict=True))


def _list(side):
    """A column as a list of Python's own values."""
    return side.tolist() if hasattr(side, "tolist") else list(side)


def filled_up(rows):
    """Lists of words, all as long as the longest: with "" behind."""
    longest = max(map(len, rows))
    return [[*row, *[""] * (longest - len(row))] for row in rows]


def to_json(value):
    """Values of columns as JSON has them; bytes that are no UTF-8 become `{"b64": …}`."""
    if isinstance(value, list | tuple):
        return [to_json(x) for x in value]
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return {"b64": base64.b64encode(value).decode("ascii")}
    return value.tolist() if hasattr(value, "tolist") else value


def of_json(outputs, specs):
    """Outputs of a server -> dict of arrays (n, …), of the kinds that `SignatureDef`s name.

    Args:
        outputs: dict, or the values alone where there is one output.
        specs: {name: TensorInfo as a dict}.

    Raises:
        ValueError: an output of a kind that JSON has not.
    """
    if len(specs) == 1:  # whatever a server says then, a dict is no list of rows
        outputs = outputs if isinstance(outputs, dict) else {next(iter(specs)): outputs}
    if strange := [name for name in outputs if specs[name]["dtype"] not in KINDS]:
        raise ValueError(f"{strange[0]!r} is of {specs[strange[0]]['dtype']}: ask over gRPC")
    return {name: _array(value, KINDS[specs[name]["dtype"]]) for name, value in outputs.items()}


def _array(value, kind):
    if kind is not object:
        return np.array(value, kind)
    shape, flat = [], value
    while isinstance(flat, list):
        shape.append(len(flat))
        flat = flat[0] if flat else None
    array = np.empty(shape, object)
    array.reshape(-1)[:] = _flat(value)
    return array


def _flat(value):
    if isinstance(value, list):
        return [y for x in value for y in _flat(x)]
    return [base64.b64decode(value["b64"]) if isinstance(value, dict) else value.encode("utf-8")]
