"""What makes a ticket one that any broker could act on, before any one broker's own rules."""

from __future__ import annotations

from decimal import Decimal

from brokers.errors import InvalidTicket
from brokers.messages import Ticket
from brokers.vocabulary import NEEDS_LIMIT, NEEDS_STOP

MOST = Decimal("1e12")  # larger than any real order, and safely inside the database's columns
DECIMALS = 9  # the finest quantity or price any of our brokers takes


def check(ticket: Ticket) -> None:
    """Raise InvalidTicket for the first thing wrong with a ticket, naming its field."""
    if not ticket.symbol:
        raise InvalidTicket("symbol", "Name the instrument to trade.")
    if ticket.quantity is None:
        raise InvalidTicket("quantity", "Name a quantity.")
    _check_amount("quantity", "Quantity", ticket.quantity)
    _check_price(
        "limit_price", "Limit price", ticket.limit_price, needed=ticket.order_type in NEEDS_LIMIT
    )
    _check_price(
        "stop_price", "Stop price", ticket.stop_price, needed=ticket.order_type in NEEDS_STOP
    )


def _check_price(field: str, name: str, price: Decimal | None, *, needed: bool) -> None:
    if needed and price is None:
        raise InvalidTicket(field, f"{name} is required for this order type.")
    if not needed and price is not None:
        raise InvalidTicket(field, f"{name} does not go with this order type.")
    if price is not None:
        _check_amount(field, name, price)


def _check_amount(field: str, name: str, amount: Decimal) -> None:
    if not amount.is_finite():
        raise InvalidTicket(field, f"{name} must be a number.")
    if amount <= 0:
        raise InvalidTicket(field, f"{name} must be more than zero.")
    if amount >= MOST:
        raise InvalidTicket(field, f"{name} must be less than {MOST:f}.")
    if not _has_at_most(DECIMALS, amount):
        raise InvalidTicket(field, f"{name} takes at most {DECIMALS} decimals.")


def _has_at_most(decimals: int, amount: Decimal) -> bool:
    """Count digits as they are: `normalize` would first round them to the context's 28."""
    _, digits, exponent = amount.as_tuple()
    if not isinstance(exponent, int) or exponent >= -decimals:
        return True
    return not any(digits[exponent + decimals :])
