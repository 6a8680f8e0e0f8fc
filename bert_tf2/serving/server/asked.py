"""A request as the protocols see it: its body read within bounds, its fields as they should be."""

import asyncio
import json
import zlib
from collections.abc import Callable
from typing import NamedTuple

from starlette.responses import Response

from bert_tf2.messages import FileError, shorten
from bert_tf2.schema import parse_json
from bert_tf2.serving.server.errors import Refused

BODY_SECONDS = 30.0  # in which a body must have come
PACKED = ("gzip", "deflate")  # that a body may be, besides as it is
DRAINED = 8  # times the limit: as much of a longer body is read before it is refused


class Asked(NamedTuple):
    """A request.

    Attributes:
        service: the `Service`.
        body: dict, the JSON of a POST.
        path: dict, the parts of the path.
        is_gone: see `Service.answer`.
        headers: of the request. content: bytes, the body as it came.
    """

    service: object
    body: dict
    path: dict
    is_gone: Callable
    headers: object
    content: bytes

    def answer(self, version, inputs, *signature):
        """`Service.answer`, given up when the client goes."""
        return self.service.answer(version, inputs, *signature, is_gone=self.is_gone)


async def read_body(request, at_most):
    """The bytes of a body, unpacked where it is packed.

    Raises:
        Refused: 413 more than `at_most` bytes, packed or not; 408 it does not come; 400 or 415 it
            is not packed as it says, or in a way that is not known here.
    """
    chunks, size = [], 0
    announced = request.headers.get("content-length", "")
    long = announced.isdecimal() and int(announced) > at_most
    if long and request.headers.get("expect") == "100-continue":
        raise _too_large(at_most)  # it was never sent
    try:
        async with asyncio.timeout(BODY_SECONDS):
            # A client that is still sending would see its connection cut, and no reason.
            async for chunk in request.stream():
                size += len(chunk)
                if size > DRAINED * at_most:
                    break
                if size <= at_most:
                    chunks.append(chunk)
    except TimeoutError as error:
        raise Refused(408, f"The body must come in {BODY_SECONDS:g} s.") from error
    if size > at_most:
        raise _too_large(at_most)
    return _unpacked(b"".join(chunks), request.headers.get("content-encoding", ""), at_most)


def _unpacked(content, encoding, at_most):
    if encoding.strip().lower() in ("", "identity"):
        return content
    if encoding.strip().lower() not in PACKED:
        raise Refused(
            415, f"A body may be packed by {' or '.join(PACKED)}. Received: {shorten(encoding)}"
        )
    reader = zlib.decompressobj(zlib.MAX_WBITS + 32)  # either, as its header tells
    try:
        found = reader.decompress(content, at_most + 1)
    except zlib.error as error:
        raise Refused(400, f"The body is not packed by {encoding}, as it says: {error}") from error
    if len(found) > at_most:
        raise _too_large(at_most)
    if not reader.eof:
        raise Refused(400, f"The body, packed by {encoding}, ends too early.")
    if reader.unused_data:
        raise Refused(400, f"The body, packed by {encoding}, goes on behind its end.")
    return found


def _too_large(at_most):
    return Refused(413, f"A body may have {at_most:,} bytes. Send fewer rows at a time.")


def parse(content, source="The body"):
    """The object in a body of JSON; Refused: 400."""
    try:
        return parse_json(content, source, finite=True)
    except FileError as error:
        raise Refused(400, str(error).replace("a JSON file", "JSON")) from error


def field(body, name, kinds, default=None, status=422):
    """A field of a body that may be left out or null.

    Args:
        kinds: a type, or several, that it may have.

    Raises:
        Refused: another type; `status` says so.
    """
    value = body.get(name)
    if value is None:
        return default
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    if type(value) not in kinds:
        words = " or ".join(kind.__name__ for kind in kinds)
        raise Refused(status, f"{name!r} must be {words}. Received: {shorten(value)}")
    return value


def texts(body, name, status=422):
    """A field of one text or several: a list of str, and whether it was one.

    Raises:
        Refused: nothing, or anything else.
    """
    value = body.get(name)
    one = isinstance(value, str)
    found = [value] if one else value
    if not isinstance(found, list) or not found or not all(isinstance(x, str) for x in found):
        raise Refused(
            status,
            f"{name!r} must be text, or a list of texts with something in it. "
            f"Received: {shorten(value)}",
        )
    return found, one


def reply(value, status=200, headers=None):
    """A response of JSON. Refused: see `written`."""
    return Response(written(value), status, headers, "application/json")


def written(value):
    """Bytes of JSON. Refused: 422, a number in it is not finite, which JSON has no word for."""
    try:
        content = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError as error:
        raise Refused(
            422,
            "The model's answer to these inputs has numbers that are not finite (NaN or infinite), "
            "which JSON has no word for: give other inputs, or ask for binary tensors (/v2) or "
            "over gRPC.",
        ) from error
    # Half of a surrogate pair, which a refusal may quote, becomes JSON's own escape.
    return content.encode("utf-8", "backslashreplace")
