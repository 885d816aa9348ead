"""Numbers as clients write them, before anything is reckoned with them."""

from __future__ import annotations

import re
from decimal import Decimal

from orders.money import plain

LARGEST, DECIMALS = 12, 9  # digits before the point, and behind it
SHAPE = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")


class NotANumber(ValueError):
    """It is no number at all, or none that is finite."""


class OutOfRange(ValueError):
    """It is a number that no order could mean."""


def read(value: object) -> Decimal:
    """Return a number that was written as a JSON number or in a string.

    Raises NotANumber or OutOfRange. Nothing is rounded: see `decimals`.
    """
    if isinstance(value, str) and SHAPE.fullmatch(value):
        value = Decimal(value)
    if not isinstance(value, Decimal) or not value.is_finite():
        raise NotANumber(value)
    exponent = value.as_tuple().exponent
    # Asked before anything is reckoned: 1e999999 is one line here and a megabyte there.
    if not isinstance(exponent, int) or exponent < -60 or value.adjusted() >= LARGEST:
        raise OutOfRange(value)
    return value


def decimals(number: Decimal) -> int:
    """Return how many decimals it needs."""
    return len((plain(number) or "").partition(".")[2])
