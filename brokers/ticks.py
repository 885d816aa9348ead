"""Price increments. A price between two of them is refused, never rounded: it is not ours to move.

US equities go by the SEC's Rule 612: hundredths from one dollar up, ten-thousandths below it.
Pairs such as BTC/USD go by what the broker says of the instrument, or else by nine decimals.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from brokers.amounts import plain
from brokers.errors import InvalidTicket
from brokers.messages import Ticket
from brokers.reasons import Reason

DOLLAR = Decimal(1)
CENT = Decimal("0.01")
SUB_DOLLAR = Decimal("0.0001")
FINEST = Decimal("1e-9")

EXACT = Context(prec=60)  # a price below 1e12 of nine decimals, divided by any increment


def is_pair(symbol: str) -> bool:
    """Whether a symbol is of two currencies, such as BTC/USD, and not of a share."""
    return "/" in symbol


def increment(symbol: str, price: Decimal, *, told: Decimal | None = None) -> Decimal:
    """Return the tick at a price. `told` is the broker's own word on the instrument, if known.

    For an equity that word holds from one dollar up, and only where it is coarser than the rule.
    """
    if is_pair(symbol):
        return told or FINEST
    if price < DOLLAR:
        return SUB_DOLLAR
    return max(told or CENT, CENT)


def nearest(symbol: str, price: Decimal, *, told: Decimal | None = None) -> tuple[Decimal, Decimal]:
    """Return the good prices on either side of a price; twice the same where it is one itself."""
    tick = increment(symbol, price, told=told)
    steps = EXACT.divide(price, tick)
    below = EXACT.multiply(steps.to_integral_value(ROUND_FLOOR, EXACT), tick)
    above = EXACT.multiply(steps.to_integral_value(ROUND_CEILING, EXACT), tick)
    return below, above


def check(ticket: Ticket, *, told: Decimal | None = None) -> None:
    """Raise InvalidTicket for the first price that is not on its tick, naming its field."""
    for field, price in prices(ticket):
        below, above = nearest(ticket.symbol, price, told=told)
        if below == above:
            continue
        tick = increment(ticket.symbol, price, told=told)
        good = f"{plain(above)}." if not below else f"{plain(below)} or {plain(above)}."
        raise InvalidTicket(
            field,
            f"{plain(price)} is between two prices: here they go by {plain(tick)}. Take {good}",
            reason=Reason.INVALID_PRICE_INCREMENT,
        )


def prices(ticket: Ticket) -> Iterator[tuple[str, Decimal]]:
    """Yield every price of a ticket with its field's name. A trail is a distance, and no price."""
    target, stop = ticket.take_profit, ticket.stop_loss
    named = (
        ("limit_price", ticket.limit_price),
        ("stop_price", ticket.stop_price),
        ("take_profit.limit_price", target.limit_price if target else None),
        ("stop_loss.stop_price", stop.stop_price if stop else None),
        ("stop_loss.limit_price", stop.limit_price if stop else None),
    )
    for field, price in named:
        if price is not None:
            yield field, price
