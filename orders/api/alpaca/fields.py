"""How single values are read: amounts as numbers or strings, null and "" both for nothing."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

from brokers.reasons import Reason
from orders.api import numbers
from orders.api.alpaca.refusing import Declined, declined
from orders.api.numbers import DECIMALS, NotANumber, OutOfRange
from orders.money import plain

DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
CLOCK = r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?"
MOMENT = re.compile(rf"({DAY})(?:[Tt ]({CLOCK})([Zz]|[+ -][0-9]{{2}}:?[0-9]{{2}})?)?")
PRICES = ("limit_price", "stop_price")


def is_unset(value: object) -> bool:
    """Whether a value says nothing: the Go SDK sends every key, most of them like that."""
    return value is None or value == ""


def amount(name: str, value: object) -> Decimal | None:
    """Return an amount above zero, or None for nothing. Raises Declined."""
    if is_unset(value):
        return None
    try:
        told = numbers.read(value)
    except NotANumber as error:
        raise declined(Reason.INVALID_FIELD, f"invalid {name}") from error
    except OutOfRange as error:
        raise invalid(name, "is out of range") from error
    if told <= 0:
        raise invalid(name, "must be > 0")
    text = plain(told) or ""
    if numbers.decimals(told) > DECIMALS:
        if name.endswith(PRICES):
            raise declined(Reason.INVALID_PRICE_INCREMENT, field=name, given=text)
        raise invalid(name, f"must have at most {DECIMALS} decimals")
    return Decimal(text)


def text(name: str, value: object, *, longest: int) -> str:
    """Return a string without spaces, or "" for nothing. Raises Declined."""
    if is_unset(value):
        return ""
    if not isinstance(value, str):
        raise declined(Reason.INVALID_FIELD, f"invalid {name}")
    if len(value) > longest:
        raise invalid(name, f"must be no more than {longest} characters")
    if not re.fullmatch(r"[!-~]+", value):
        raise declined(Reason.INVALID_FIELD, f"invalid {name}")
    return value


def yes_or_no(name: str, value: object) -> bool:
    """Return a flag of a body or of a query; nothing is no. Raises Declined."""
    if is_unset(value) or value is False:
        return False
    if value is True or (isinstance(value, str) and value.lower() == "true"):
        return True
    if isinstance(value, str) and value.lower() == "false":
        return False
    raise declined(Reason.INVALID_FIELD, f"invalid {name}")


def moment(name: str, value: str) -> datetime | None:
    """Return a time out of a query, or None for nothing. Without a zone it is UTC.

    A + that was not encoded arrives as a space, and is taken for what it was.
    """
    if not value:
        return None
    found = MOMENT.fullmatch(value)
    try:
        if found is None:
            raise ValueError(value)
        day, clock, zone = found[1], found[2] or "00:00", (found[5] or "Z").upper()
        at = datetime.fromisoformat(f"{day}T{_microseconds(clock)}{zone.replace(' ', '+')}")
        return at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise declined(Reason.INVALID_FIELD, f"invalid {name}") from error


def count(name: str, value: str, *, usual: int, most: int) -> int:
    """Return a whole number from 1 to `most`; `usual` for nothing. Raises Declined."""
    if not value:
        return usual
    if not re.fullmatch(r"[0-9]{1,9}", value, re.ASCII) or int(value) < 1:
        raise declined(Reason.INVALID_FIELD, f"invalid {name}")
    if int(value) > most:
        raise invalid(name, f"must be <= {most}")
    return int(value)


def choice(name: str, value: str, words: tuple[str, ...]) -> str:
    """Return one of a few words; the first for nothing. Raises Declined."""
    if not value:
        return words[0]
    if value.lower() not in words:
        raise declined(Reason.INVALID_FIELD, f"invalid {name}")
    return value.lower()


def invalid(name: str, why: str) -> Declined:
    """Return the refusal of a value, which names it."""
    return declined(Reason.INVALID_FIELD, f"{name} {why}")


def _microseconds(clock: str) -> str:
    """Return a time of day to the microsecond: nobody keeps finer ones."""
    whole, _, part = clock.partition(".")
    return f"{whole}.{part[:6]:0<6}" if part else whole
