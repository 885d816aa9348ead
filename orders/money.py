"""Exact decimals. No float ever touches an amount.

What we send has at most nine decimals and is below 1e12 (`brokers.tickets`);
what brokers say has at most eighteen and is below 1e18 (`brokers.parsing`), so
a product has at most 72 digits, and a sum of them fits ninety.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import reduce

ZERO = Decimal(0)
NINE = Decimal("1e-9")
EXACT = Context(prec=90, rounding=ROUND_HALF_EVEN)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Return the exact sum. The built-in sum would round to Python's 28 digits."""
    return reduce(EXACT.add, amounts, ZERO)


def worth(quantity: Decimal, price: Decimal) -> Decimal:
    """Return quantity × price, exact."""
    return EXACT.multiply(quantity, price)


def average(value: Decimal, quantity: Decimal) -> Decimal | None:
    """Return value ÷ quantity to nine decimals, half to even, or None for nothing at all."""
    if not quantity:
        return None
    return EXACT.quantize(EXACT.divide(value, quantity), NINE)


def plain(amount: Decimal | None) -> str | None:
    """Return an amount as people and wires write it: no exponent, no needless zeros."""
    if amount is None:
        return None
    text = f"{amount:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text
