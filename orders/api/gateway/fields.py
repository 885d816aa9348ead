"""How single values are read: amounts as numbers or strings, words in upper or in lower case."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

from rest_framework.request import Request

from orders.api import numbers
from orders.api.gateway.wording import against_rule, invalid, unreadable
from orders.api.numbers import DECIMALS, NotANumber, OutOfRange
from orders.money import plain

LONGEST_ID, LONGEST_SYMBOL = 64, 32
MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"([Zz]|[+ -][0-9]{2}:[0-9]{2})"
)
WORD = re.compile(r"[!-~]+")

Word = TypeVar("Word")


def told(request: Request, known: frozenset[str]) -> Mapping[str, Any]:
    """Return the body of a request. Raises Declined for a field that nobody knows.

    Such a field may be a price spelt wrong: to leave it out would be to trade without it.
    """
    body = request.data
    if not isinstance(body, Mapping):
        raise unreadable("write a JSON object")
    for name, value in body.items():
        if name not in known and value is not None:
            raise unreadable(f"unknown field {name[:64]!r}", field=name[:64])
    return {name: value for name, value in body.items() if value is not None}


def query(request: Request, known: frozenset[str]) -> dict[str, str]:
    """Return the parameters of a query, a list's joined by commas. Raises Declined."""
    for name in request.query_params:
        if name not in known:
            raise unreadable(f"unknown parameter {name[:64]!r}", field=name[:64])
    lists = dict(request.query_params.lists())
    return {
        name: ",".join(str(value) for value in values) for name, values in lists.items() if values
    }


def amount(name: str, value: object) -> Decimal | None:
    """Return an amount above zero, or None for nothing. Raises Declined."""
    if value is None:
        return None
    try:
        read = numbers.read(value)
    except NotANumber as error:
        raise unreadable(f"{name} must be a decimal number", field=name) from error
    except OutOfRange as error:
        raise invalid(name, "it is out of range") from error
    if read <= 0:
        if name == "quantity":
            raise against_rule(name, "range", "must be greater than 0", min="0", value=plain(read))
        raise invalid(name, "must be greater than 0", provided=plain(read))
    if numbers.decimals(read) > DECIMALS:
        raise invalid(name, f"at most {DECIMALS} decimals are taken", provided=plain(read))
    return Decimal(plain(read) or "")


def word(name: str, value: object, words: Mapping[str, Word]) -> Word:
    """Return what a word stands for, wholly in upper or wholly in lower case. Raises Declined."""
    if not isinstance(value, str) or value.upper() not in words or not _of_one_case(value):
        raise unreadable(f"{name} must be one of {', '.join(words)}", field=name)
    return words[value.upper()]


def yes_or_no(name: str, value: object) -> bool:
    """Return a flag; nothing is no. Raises Declined."""
    if value is None or isinstance(value, bool):
        return bool(value)
    raise unreadable(f"{name} must be true or false", field=name)


def text(name: str, value: object, *, longest: int) -> str:
    """Return a string without spaces, or "" for nothing. Raises Declined."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise unreadable(f"{name} must be a string", field=name)
    if not 1 <= len(value) <= longest:
        raise against_rule(
            name, "length", f"takes 1 to {longest} characters", max=longest, value=value[:longest]
        )
    if not WORD.fullmatch(value):
        raise against_rule(name, "shape", "takes printable ASCII without spaces")
    return value


def moment(name: str, value: str | None) -> datetime | None:
    """Return a time with its zone, or None for nothing. Raises Declined.

    A + that was not encoded arrives as a space, and is taken for what it was.
    """
    if not value:
        return None
    if not MOMENT.fullmatch(value):
        raise unreadable(f"{name} must be a time with its zone, in RFC 3339", field=name)
    try:
        # A space between day and time is one too, and stays where it is.
        return datetime.fromisoformat(value[:11] + value[11:].replace(" ", "+")).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise unreadable(f"{name} is no such time", field=name) from error


def count(name: str, value: str | None, *, usual: int, most: int) -> int:
    """Return a whole number from 0 to `most`, more being as much as that. Raises Declined."""
    if not value:
        return usual
    if not re.fullmatch(r"[0-9]{1,18}", value, re.ASCII):
        raise unreadable(f"{name} must be a whole number", field=name)
    return min(int(value), most)


def symbol(value: object) -> str:
    """Return a symbol as the broker writes it, or "" for nothing. Raises Declined."""
    return text("symbol", value, longest=LONGEST_SYMBOL)


def _of_one_case(value: str) -> bool:
    return value.isascii() and value in {value.upper(), value.lower()}
