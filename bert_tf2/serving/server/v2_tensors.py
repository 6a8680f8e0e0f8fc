"""Tensors of the Open Inference Protocol: in JSON, and as bytes behind it."""

import math
import struct

import numpy as np

from bert_tf2.messages import shorten
from bert_tf2.serving.server.errors import Refused
from bert_tf2.serving.server.tensors import FLOATS, KINDS, WHOLE, check_kind, check_shape, numbers

TYPES = {  # ours -> theirs
    "string": "BYTES",
    "bool": "BOOL",
    **{name: name.upper() for name in WHOLE},
    **{name: name.upper().replace("FLOAT", "F" if name[0] == "b" else "FP") for name in FLOATS},
}


def type_of(name, dtype):
    """The protocol's word for a dtype. Refused: 501, it has none."""
    check_kind(name, dtype)
    return TYPES[dtype]


def described(specs):
    """{name: `Spec`} -> list of `name`, `datatype`, `shape`, -1 for any size."""
    return [
        {
            "name": name,
            "datatype": type_of(name, spec.dtype),
            "shape": [x or -1 for x in spec.shape],
        }
        for name, spec in specs.items()
    ]


def read(tensors, specs, rest):
    """Tensors of a request -> {name: array}.

    Args:
        tensors: list of dicts of `name`, `shape`, `datatype`, and `data` or, in `parameters`,
            `binary_data_size`.
        specs: {name: `Spec`}.
        rest: bytes, the binary tensors in their order.

    Raises:
        Refused: 400, what is not of this form.
    """
    found, place = {}, 0
    for tensor in tensors:
        name = tensor.get("name") if isinstance(tensor, dict) else None
        if not isinstance(name, str) or name not in specs or name in found:
            known = ", ".join(specs)
            raise Refused(400, f"The inputs are {known}, once each. Received: {shorten(tensor)}")
        shape = _shape(name, tensor, specs[name])
        parameters = tensor.get("parameters")
        size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
        if size is None:
            found[name] = _of_json(name, tensor.get("data"), shape, specs[name])
            continue
        if type(size) is not int or not 0 <= size <= len(rest) - place:
            raise Refused(400, f"{name!r} has a binary_data_size that the body has not: {size}")
        found[name] = _of_bytes(name, rest[place : place + size], shape, specs[name])
        place += size
    if place != len(rest):
        raise Refused(400, f"{len(rest) - place} bytes at the end belong to no input.")
    return found


def _shape(name, tensor, spec):
    shape, kind = tensor.get("shape"), tensor.get("datatype")
    sizes = isinstance(shape, list) and all(type(x) is int and 0 <= x < 2**31 for x in shape)
    if kind != type_of(name, spec.dtype) or not sizes:
        raise Refused(
            400,
            f"{name!r} must have a shape, a list of sizes, and the datatype {TYPES[spec.dtype]}. "
            f"Received: {shorten(shape)}, {shorten(kind)}",
        )
    check_shape(name, shape, spec)
    return shape


def _of_json(name, data, shape, spec):
    """`data`, flat or nested, in the order of rows."""
    flat = data if isinstance(data, list) else None
    while flat and isinstance(flat[0], list):
        if not all(isinstance(x, list) for x in flat):
            flat = None
            break
        flat = [y for x in flat for y in x]
    types = (str,) if spec.dtype == "string" else KINDS[spec.dtype][0]
    if flat is None or not set(map(type, flat)) <= {*types} or len(flat) != math.prod(shape):
        raise Refused(
            400,
            f"{name!r} must have 'data' of {math.prod(shape)} values, each {types[0].__name__}. "
            f"Received: {shorten(data)}",
        )
    try:
        if spec.dtype == "string":
            return _objects([x.encode("utf-8") for x in flat], shape)
        return numbers(flat, spec.dtype).reshape(shape)
    except (UnicodeEncodeError, OverflowError) as error:
        raise Refused(400, f"{name!r} has a value that is no {TYPES[spec.dtype]}") from error


def _of_bytes(name, content, shape, spec):
    """Numbers in little endian; each string behind its length, 4 bytes."""
    try:
        if spec.dtype == "string":
            return _objects(_strings(content), shape)
        little = np.dtype(spec.dtype).newbyteorder("<")
        return np.frombuffer(content, little).astype(spec.dtype).reshape(shape)
    except (ValueError, struct.error) as error:
        raise Refused(
            400, f"{name!r} has {len(content)} bytes, which are no {TYPES[spec.dtype]} of {shape}"
        ) from error


def _strings(content):
    found, place = [], 0
    while place < len(content):
        (length,) = struct.unpack_from("<I", content, place)
        place += 4 + length
        if place > len(content):
            raise ValueError("a string goes beyond the end")
        found.append(content[place - length : place])
    return found


def _objects(values, shape):
    array = np.empty(len(values), object)
    array[:] = values
    return array.reshape(shape)


def written(outputs, wanted):
    """Outputs -> what stands of each in the JSON, and the bytes behind it.

    Args:
        outputs: {name: array}. wanted: {name: whether in binary}.

    Raises:
        Refused: 400, strings that are no UTF-8, which JSON has no form for here.
    """
    found, binary = [], []
    for name, as_bytes in wanted.items():
        array = outputs[name]
        kind = "string" if array.dtype == object else array.dtype.name
        tensor = {"name": name, "datatype": type_of(name, kind), "shape": [*array.shape]}
        flat = array.reshape(-1)
        if as_bytes:
            content = _content(flat, kind)
            tensor["parameters"] = {"binary_data_size": len(content)}
            binary.append(content)
        else:
            tensor["data"] = _texts(name, flat) if kind == "string" else flat.tolist()
        found.append(tensor)
    return found, binary


def _content(flat, kind):
    if kind == "string":
        return b"".join(struct.pack("<I", len(x)) + x for x in flat.tolist())
    return flat.astype(flat.dtype.newbyteorder("<")).tobytes()


def _texts(name, flat):
    try:
        return [x.decode("utf-8") for x in flat.tolist()]
    except UnicodeDecodeError as error:
        raise Refused(
            400, f"{name!r} has bytes that are no text: ask for it with binary_data"
        ) from error
