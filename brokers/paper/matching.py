"""Decides what an order trades with. Pure but for the sizes it takes off the levels."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from brokers.paper.amounts import EXACT, ZERO
from brokers.paper.market import Level, Listing
from brokers.paper.orders import Order
from brokers.vocabulary import NEEDS_STOP, Side, TimeInForce


@dataclass(frozen=True, slots=True)
class Part:
    """One fill to be: so much at one price."""

    quantity: Decimal
    price: Decimal


def is_triggered(order: Order, *, last: Decimal) -> bool:
    """Say whether an order may trade: it has no stop, or the last price has reached its stop."""
    stop = order.terms.stop_price
    if order.terms.type not in NEEDS_STOP or order.triggered or stop is None:
        return True
    return last >= stop if order.terms.side is Side.BUY else last <= stop


def take(order: Order, listing: Listing) -> list[Part]:
    """Take what the order can have now, best price first, and return it in parts.

    A fill-or-kill order takes everything or nothing.
    """
    levels = [
        level
        for level in listing.facing(order.terms.side)
        if level.size > 0 and _within(order, level)
    ]
    shown = sum((level.size for level in levels), ZERO)
    if order.terms.time_in_force is TimeInForce.FOK and shown < order.remaining:
        return []
    parts, wanted = [], order.remaining
    for level in levels:
        if wanted == 0:
            break
        quantity = min(wanted, level.size)
        level.size = EXACT.subtract(level.size, quantity)
        wanted = EXACT.subtract(wanted, quantity)
        parts.append(Part(quantity, level.price))
    return parts


def _within(order: Order, level: Level) -> bool:
    limit = order.terms.limit_price
    if limit is None:
        return True
    return level.price <= limit if order.terms.side is Side.BUY else level.price >= limit
