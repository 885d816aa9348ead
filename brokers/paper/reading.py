"""Reads what clients send. Nothing past this room sees an unchecked word.

Amounts are strings, unknown fields are refused by name, and nothing is
coerced: a client whose `quantity` was a float learns of it here, not in a fill.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from brokers.paper.amounts import read_time
from brokers.paper.refusals import Refusal

LARGEST_PAGE = 500


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body. Raises Refusal."""
    try:
        told = json.loads(body, object_pairs_hook=_once_each, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refusal("invalid_json", "The body is not JSON.") from error
    if not isinstance(told, dict):
        raise Refusal("invalid_json", "The body must be a JSON object.")
    return told


def check_fields(
    told: Mapping[str, Any], *, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> None:
    """Raise Refusal unless the object has every required field and no unknown one."""
    for field in told:
        if field not in required and field not in optional:
            raise Refusal("unknown_field", "There is no such field.", field=field[:64])
    for field in required:
        if told.get(field) is None:
            raise Refusal("missing_field", f"{field} is required.", field=field)


def read_text(field: str, value: object, *, longest: int) -> str:
    """Return a short printable string. Raises Refusal."""
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= longest:
        raise Refusal(
            "invalid_symbol" if field == "symbol" else "invalid_parameter",
            f"{field} must be a string of 1 to {longest} printable characters.",
            field=field,
        )
    return value


def read_count(name: str, text: str | None, *, default: int, most: int) -> int:
    """Return a whole number from 1 to `most` out of a query. Raises Refusal."""
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) or not 1 <= int(text) <= most:
        raise Refusal(
            "invalid_parameter", f"{name} must be a whole number from 1 to {most}.", field=name
        )
    return int(text)


def read_since(text: str | None) -> datetime | None:
    """Return the time in a `since` parameter, if there is one. Raises Refusal."""
    if text is None:
        return None
    try:
        return read_time(text)
    except ValueError as error:
        raise Refusal(
            "invalid_parameter", "since must be an RFC 3339 time with a zone.", field="since"
        ) from error


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    told = dict(pairs)
    if len(told) != len(pairs):
        raise ValueError("a field is given twice")  # which one was meant is anybody's guess
    return told


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
