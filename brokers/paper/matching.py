"""Decides what an order trades with. Pure but for the sizes it takes off the levels."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from brokers.paper.amounts import EXACT, ZERO
from brokers.paper.market import Level, Listing
from brokers.paper.orders import WITH_STOP, Order
from brokers.vocabulary import Side, TimeInForce


@dataclass(frozen=True, slots=True)
class Part:
    """One fill to be: so much at one price."""

    quantity: Decimal
    price: Decimal


def is_triggered(order: Order, *, last: Decimal) -> bool:
    """Say whether an order may trade: it has no stop, or the last price has reached its stop."""
    if order.terms.type not in WITH_STOP or order.triggered:
        return True
    stop = order.stop_price
    if stop is None:
        return False
    return last >= stop if order.terms.side is Side.BUY else last <= stop


def take(order: Order, listing: Listing, *, room: Decimal | None = None) -> list[Part]:
    """Take what the order can have now, best price first, and return it in parts.

    `room` is the most that it may trade, if there is such a limit. A fill-or-kill order takes
    everything or nothing.
    """
    parts: list[Part] = []
    taken = spent = ZERO
    levels = [level for level in listing.facing(order.terms.side) if suits(order, level.price)]
    for level in levels:
        quantity = min(level.size, order.wanted(at=level.price, spent=spent, taken=taken))
        if room is not None:
            quantity = min(quantity, EXACT.subtract(room, taken))
        if quantity > 0:
            parts.append(Part(quantity, level.price))
            taken = EXACT.add(taken, quantity)
            spent = EXACT.add(spent, EXACT.multiply(quantity, level.price))
        if quantity < level.size:
            break  # it has what it wants
    if order.terms.time_in_force is TimeInForce.FOK and not (
        parts and order.wanted(at=parts[-1].price, spent=spent, taken=taken) == 0
    ):
        return []
    _take_off(levels, taken)
    return parts


def auctioned(order: Order, listing: Listing, *, room: Decimal | None = None) -> list[Part]:
    """Take what the order can have in an auction, all at one price: the last.

    What trades in it is what is shown on the other side, whoever comes first takes first.
    """
    price = listing.last
    if not suits(order, price):
        return []
    levels = listing.facing(order.terms.side)
    shown = sum((level.size for level in levels), ZERO)
    quantity = min(shown, order.wanted(at=price))
    if room is not None:
        quantity = min(quantity, room)
    _take_off(levels, quantity)
    return [Part(quantity, price)] if quantity > 0 else []


def by_price_and_time(order: Order) -> tuple[bool, Decimal, int]:
    """Return an order's place among those of its side: no limit, the better limit, the older."""
    limit = order.terms.limit_price
    if limit is None:
        return False, ZERO, order.sequence
    return True, -limit if order.terms.side is Side.BUY else limit, order.sequence


def is_spent(order: Order, listing: Listing) -> bool:
    """Say whether an order for money has so little left that it buys nothing more."""
    if order.terms.notional is None or not order.filled:
        return False
    prices = (level.price for level in listing.facing(order.terms.side))
    return any(suits(order, price) and order.is_full(at=price) for price in prices)


def suits(order: Order, price: Decimal) -> bool:
    """Say whether an order may trade at a price."""
    limit = order.terms.limit_price
    if limit is None:
        return True
    return price <= limit if order.terms.side is Side.BUY else price >= limit


def _take_off(levels: list[Level], quantity: Decimal) -> None:
    """Take a quantity off what is shown, best price first."""
    for level in levels:
        taken = min(level.size, quantity)
        level.size = EXACT.subtract(level.size, taken)
        quantity = EXACT.subtract(quantity, taken)
