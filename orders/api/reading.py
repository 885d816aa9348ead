"""Reads request bodies: one JSON object, its numbers exact, nothing said twice.

Whatever the wire carries is somebody else's. A number that no Decimal holds is
read as not-a-number, so that the field which takes it can be named.
"""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import IO, Any

from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser

from orders.api.refusing import BadRequest, TooLarge

LARGEST_BODY = 64 * 1024  # bytes; an order is a few hundred


class StrictJSON(BaseParser):
    """Parses a JSON object with Decimal numbers."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,  # noqa: ARG002
        parser_context: Any = None,
    ) -> dict[str, Any]:
        """Return the object. Raises BadRequest, TooLarge or UnsupportedMediaType."""
        request = parser_context["request"]
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise UnsupportedMediaType(request.headers["Content-Encoding"])
        body = stream.read(LARGEST_BODY + 1)
        if len(body) > LARGEST_BODY:
            raise TooLarge(f"A body is at most {LARGEST_BODY} bytes.")
        return parse_object(body)


def parse_object(body: bytes) -> dict[str, Any]:
    """Return a JSON object with Decimal numbers. Raises BadRequest."""
    try:
        told = json.loads(
            body.decode(),
            parse_int=_number,
            parse_float=_number,
            parse_constant=_number,
            object_pairs_hook=_once,
        )
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"The body is not JSON: {_why(error)}.", code="malformed_json") from error
    if not isinstance(told, dict):
        raise BadRequest("The body must be a JSON object.")
    return told


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    told = dict(pairs)
    if len(told) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadRequest("This field is given twice.", field=twice)
    return told


def _why(error: Exception) -> str:
    match error:
        case json.JSONDecodeError():
            return f"{error.msg} at line {error.lineno}, column {error.colno}"
        case UnicodeDecodeError():
            return "it is not UTF-8"
        case _:
            return "it is nested too deeply"
