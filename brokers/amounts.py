"""What an amount on a ticket may be: a finite number above zero, of at most nine decimals."""

from __future__ import annotations

from decimal import Context, Decimal, Inexact, InvalidOperation

from brokers.errors import InvalidTicket

MOST = Decimal("1e12")  # larger than any real order, and safely inside the database's columns
# Sums of amounts as brokers tell them: it raises rather than round.
ZERO = Decimal(0)
EXACT = Context(prec=80, traps=[Inexact, InvalidOperation])
DECIMALS = 9  # the finest quantity or price any of our brokers takes


def check_amount(field: str, name: str, amount: Decimal) -> None:
    """Raise InvalidTicket for an amount that nobody can act on."""
    if not amount.is_finite():
        raise InvalidTicket(field, f"{name} must be a number.")
    if amount <= 0:
        raise InvalidTicket(field, f"{name} must be more than zero.")
    if amount >= MOST:
        raise InvalidTicket(field, f"{name} must be less than {MOST:f}.")
    if not has_at_most(DECIMALS, amount):
        raise InvalidTicket(field, f"{name} takes at most {DECIMALS} decimals.")


def has_at_most(decimals: int, amount: Decimal) -> bool:
    """Count digits as they are: `normalize` would first round them to the context's 28."""
    _, digits, exponent = amount.as_tuple()
    if not isinstance(exponent, int) or exponent >= -decimals:
        return True
    return not any(digits[exponent + decimals :])


def plain(amount: Decimal) -> str:
    """Return an amount as people write it: no exponent, no needless zeros."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
