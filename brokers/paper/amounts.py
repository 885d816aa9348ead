"""Exact amounts and times, and how they travel: decimals as strings, times as RFC 3339 in UTC.

No sum or product of money is ever rounded here: `EXACT` raises rather than round.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation

# Twelve digits before the point and nine after, times the same, summed for ever, fits in 80.
EXACT = Context(prec=80, traps=[Inexact, InvalidOperation])
ROUNDED = Context(prec=80, rounding=ROUND_HALF_EVEN)
DOWN = Context(prec=80, rounding=ROUND_FLOOR)
NINE_PLACES = Decimal("1e-9")
ZERO = Decimal(0)
# No signs, no exponents, no other script's digits: what a person would write for an amount.
AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?", re.ASCII)


def parse_amount(text: object) -> Decimal:
    """Return a positive amount written as a plain decimal string. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError("must be a decimal written as a string")  # noqa: TRY004
    if not AMOUNT.fullmatch(text):
        raise ValueError("must have at most 12 digits before the point and 9 after it")
    amount = Decimal(text)
    if amount == 0:
        raise ValueError("must be more than zero")
    return amount


def write_amount(amount: Decimal) -> str:
    """Return the shortest plain decimal string: 1.500 becomes 1.5, and 1E+2 becomes 100."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def write_optional(amount: Decimal | None) -> str | None:
    """Return the amount as a string, or None."""
    return None if amount is None else write_amount(amount)


def read_optional(text: str | None) -> Decimal | None:
    """Return what `write_optional` wrote."""
    return None if text is None else Decimal(text)


def per_unit(total: Decimal, quantity: Decimal) -> Decimal:
    """Return total / quantity to nine places: the one figure that has to be rounded."""
    return ROUNDED.quantize(ROUNDED.divide(total, quantity), NINE_PLACES)


def affordable(money: Decimal, price: Decimal) -> Decimal:
    """Return how much of something money buys at a price, in nine decimals, rounded down."""
    return DOWN.quantize(DOWN.divide(money, price), NINE_PLACES)


def write_time(at: datetime) -> str:
    """Return RFC 3339 in UTC with microseconds, always of the same length, so that text sorts."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read_time(text: str) -> datetime:
    """Return an aware UTC time. Raises ValueError for anything else than RFC 3339 with a zone."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("the time has no zone")
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the time is out of range") from error
