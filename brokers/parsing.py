"""Reads a broker's JSON: amounts, times, whole numbers. All raise ValueError, and nothing else.

Whatever the wire carries is somebody else's: an amount of 1e999999999 is one
line of JSON, and a gigabyte once it is written out.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

LARGEST = Decimal("1e18")  # of any amount; far beyond any real one
FINEST = -18  # the exponent of the smallest part of any amount

# What reading a message of another shape than expected raises.
MISSHAPEN = (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError)


def parse_json(text: str | bytes) -> Any:
    """Return JSON with its numbers as Decimal."""
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except InvalidOperation as error:
        raise ValueError("a number is beyond what a Decimal holds") from error


def parse_amount(value: object) -> Decimal:
    """Return an amount, written as a string or a JSON number."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError(f"{type(value).__name__} is not an amount")  # noqa: TRY004
    try:
        amount = Decimal(value)
    except InvalidOperation as error:
        raise ValueError(f"{str(value)[:40]!r} is not an amount") from error
    if not amount.is_finite() or amount.copy_abs() >= LARGEST:
        raise ValueError("the amount is out of range")
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and exponent < FINEST:
        raise ValueError("the amount has too many decimals")
    return amount


def parse_optional_amount(value: object) -> Decimal | None:
    """Return an amount, or None where the broker says null."""
    return None if value is None else parse_amount(value)


def parse_time(value: object) -> datetime:
    """Return an aware UTC time out of RFC 3339 with a zone."""
    if not isinstance(value, str):
        raise ValueError("a time is a string")  # noqa: TRY004
    at = datetime.fromisoformat(value)
    if at.tzinfo is None:
        raise ValueError("the time has no zone")
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the time is out of range") from error


def parse_whole(value: object) -> int:
    """Return a whole number that fits a database's."""
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError("not a whole number")
    return value


def parse_text(value: object, *, longest: int = 500) -> str:
    """Return a string. Null is empty; what no database column takes is refused."""
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > longest or "\x00" in value:
        raise ValueError("not a string of ours to keep")
    value.encode()  # a lone surrogate is valid JSON and cannot be stored
    return value


def storable(text: str) -> str:
    """Return text that a database takes: what none takes is replaced by a mark, not dropped."""
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
