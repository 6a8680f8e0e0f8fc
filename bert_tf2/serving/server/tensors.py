"""Values in JSON <-> NumPy arrays of the kinds that a signature names, as TF Serving reads them."""

import base64
import binascii
from typing import NamedTuple

import ml_dtypes  # noqa: F401  NumPy knows bfloat16 by it
import numpy as np

from bert_tf2.messages import shorten
from bert_tf2.serving.server.errors import Refused

WHOLE = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
FLOATS = ["bfloat16", *(f"float{bits}" for bits in (16, 32, 64))]
KINDS = {  # dtype -> the types in JSON that may stand for it, and their name
    "string": ((str, dict), 'text, or {"b64": …}'),
    "bool": ((bool,), "true or false"),
    **dict.fromkeys(WHOLE, ((int,), "a whole number")),
    **dict.fromkeys(FLOATS, ((int, float), "a number")),
}


class Spec(NamedTuple):
    """What a tensor is: its dtype's name, and its sizes, None for any."""

    dtype: str
    shape: tuple


def check_kind(name, dtype):
    """Raises for a dtype, the name of one, that JSON has no word for, such as complex64."""
    if dtype not in KINDS:
        raise Refused(
            501,
            f"{name!r} is of {dtype}, which JSON has no word for: leave it out where outputs can "
            "be chosen, or ask over gRPC (bert_tf2 serve --grpc_port)",
        )


def from_json(name, value, spec):
    """Nested lists -> an array of a spec.

    Args:
        name: of the input, for errors.
        value: as JSON gave it; bytes are `{"b64": "…"}`.
        spec: a `Spec`; strings become an object array of bytes.

    Raises:
        Refused: 400, another form: ragged lists, other types, other sizes, numbers out of range;
            501, a spec of a kind that JSON has not.
    """
    check_kind(name, spec.dtype)
    flat, shape = _flat(name, value, len(spec.shape))
    check_shape(name, shape, spec)
    types, words = KINDS[spec.dtype]
    if not set(map(type, flat)) <= {*types}:
        wrong = next(x for x in flat if type(x) not in types)
        raise Refused(400, f"Each value of {name!r} must be {words}. Received: {shorten(wrong)}")
    if spec.dtype == "string":
        array = np.empty(len(flat), object)
        array[:] = [_bytes(name, x) for x in flat]
        return array.reshape(shape)
    try:
        return numbers(flat, spec.dtype).reshape(shape)
    except OverflowError as error:
        raise Refused(400, f"A value of {name!r} does not fit into {spec.dtype}.") from error


def numbers(flat, dtype):
    """Python's numbers as an array (n,) of a dtype; OverflowError: it has no room for one."""
    with np.errstate(over="ignore"):
        found = np.array(flat, dtype)
    if not np.isfinite(found).all():
        raise OverflowError
    return found


def check_shape(name, shape, spec):
    """Raises for a shape that a spec does not take."""
    fits = len(shape) == len(spec.shape) and all(
        want in (None, size) for size, want in zip(shape, spec.shape, strict=True)
    )
    if not fits:
        wanted = [-1 if size is None else size for size in spec.shape]
        raise Refused(
            400, f"{name!r} must have the shape {wanted}, -1 for any. Received: {[*shape]}"
        )


def _flat(name, value, rank):
    """Nested lists of equal lengths -> all values in one list, and the shape."""
    flat, shape = [value], []
    for _ in range(rank):
        lists = all(isinstance(x, list) for x in flat)
        lengths = {len(x) for x in flat} if lists else set()
        if len(lengths) > 1 or not lists:
            raise Refused(
                400,
                f"{name!r} must be {rank} lists deep, those of one depth equally long. "
                f"Received: {shorten(value)}",
            )
        shape.append(lengths.pop() if lengths else 0)
        flat = [y for x in flat for y in x]
    return flat, tuple(shape)


def _bytes(name, value):
    try:
        if isinstance(value, str):
            return value.encode("utf-8")
        if value.keys() == {"b64"} and isinstance(value["b64"], str):
            return base64.b64decode(value["b64"], validate=True)
    except UnicodeEncodeError as error:
        raise Refused(400, f"{name!r} has half of a surrogate pair, which is no text.") from error
    except (binascii.Error, ValueError) as error:
        raise Refused(400, f"{name!r} has bytes that are no base64: {error}") from error
    raise Refused(400, f'Bytes of {name!r} must be {{"b64": "…"}}. Received: {shorten(value)}')


def to_json(name, array):
    """An output -> nested lists; bytes that are no UTF-8 become `{"b64": …}`. Refused: 501."""
    if array.dtype != object:
        check_kind(name, array.dtype.name)
    values = array.tolist()
    return _texts(values) if array.dtype == object else values


def _texts(values):
    if isinstance(values, list):
        return [_texts(x) for x in values]
    try:
        return values.decode("utf-8")
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(values).decode("ascii")}
