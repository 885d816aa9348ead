"""Amounts as every page writes them."""

from __future__ import annotations

from decimal import Decimal

from orders.money import EXACT, plain

CENTS, TEN_THOUSANDTH = Decimal("0.01"), Decimal("0.0001")


def amount(value: Decimal | None) -> str:
    """Write an amount with thousands apart and no needless zeros; a dash for none."""
    text = plain(value)
    if text is None:
        return "—"
    whole, _, part = text.partition(".")
    sign, digits = ("−", whole[1:]) if whole.startswith("-") else ("", whole)
    return f"{sign}{int(digits):,}{'.' + part if part else ''}"


def price(value: Decimal | None) -> str:
    """Write a price: at least two decimals, more where it has more."""
    if value is None:
        return "—"
    text = amount(value)
    part = text.partition(".")[2]
    return text if len(part) >= 2 else f"{text}{'' if part else '.'}{'0' * (2 - len(part))}"


def rounded_price(value: Decimal | None) -> str:
    """Write an average to four decimals at most; the exact one belongs beside it, or in a title."""
    return "—" if value is None else price(EXACT.quantize(value, TEN_THOUSANDTH))


def money(value: Decimal | None) -> str:
    """Write a sum of money to the cent; a dash for none."""
    return "—" if value is None else price(EXACT.quantize(value, CENTS))


def signed(value: Decimal | None) -> str:
    """Write a sum of money to the cent, with its sign."""
    text = money(value)
    return f"+{text}" if value is not None and EXACT.quantize(value, CENTS) > 0 else text


def direction(value: Decimal | None) -> str:
    """Name the tone of a profit or a loss."""
    rounded = EXACT.quantize(value or Decimal(0), CENTS)
    return "up" if rounded > 0 else "down" if rounded < 0 else "flat"
