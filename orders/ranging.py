"""How far positions may be from our books, while orders may be live without our knowing.

An order in doubt, and one that is being sent, may trade at any moment and may have traded
already. So a position is a range: from what it is if all that sells does, to what it is if all
that buys does.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal

from brokers.vocabulary import OrderType, PositionEffect, Side
from orders import asking, positioning
from orders.asking import NoAnswer
from orders.models import Account, Order
from orders.money import EXACT, ZERO, average, worth
from orders.positioning import Position
from orders.states import IN_FLIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A position by our books, and how far it may be from them. None: nobody can say how far."""

    position: Position
    least: Decimal | None  # if all that may sell unseen does
    most: Decimal | None  # if all that may buy unseen does
    unseen: tuple[Order, ...]  # the orders that may


def ranges(account: Account) -> dict[str, Range]:
    """Return the position in each symbol that an account trades or has traded, by symbol."""
    unseen: defaultdict[str, list[Order]] = defaultdict(list)
    in_flight = Order.objects.filter(account=account, submission__in=sorted(IN_FLIGHT))
    for order in in_flight.select_related("account").order_by("id"):
        unseen[order.symbol].append(order)
    held = {position.symbol: position for position in positioning.positions([account])}
    return {
        symbol: around(
            held.get(symbol) or positioning.nothing(account, symbol), tuple(unseen[symbol])
        )
        for symbol in sorted(held.keys() | unseen.keys())
    }


def around(position: Position, unseen: tuple[Order, ...] = ()) -> Range:
    """Return a position's range, given the orders that may trade unseen."""
    return Range(
        position=position,
        least=_furthest(position.quantity, Side.SELL, unseen),
        most=_furthest(position.quantity, Side.BUY, unseen),
        unseen=unseen,
    )


def _furthest(held: Decimal, side: Side, unseen: tuple[Order, ...]) -> Decimal | None:
    """Return where a position ends if every unseen order of one side trades all that it can."""
    lessen, turn = ZERO, ZERO  # by how much they can at most; the first never past nothing
    for order in unseen:
        if order.side != side:
            continue
        left = most_left(order)
        if left is None:
            return None
        if order.position_effect == PositionEffect.CLOSE:
            lessen = EXACT.add(lessen, left)
        else:
            turn = EXACT.add(turn, left)
    if side is Side.BUY:
        return EXACT.add(min(EXACT.add(held, lessen), max(held, ZERO)), turn)
    return EXACT.subtract(max(EXACT.subtract(held, lessen), min(held, ZERO)), turn)


def worst_case(order: Order) -> Decimal | None:
    """Return the most an order could still trade for, or None while no price is known."""
    if order.notional is not None:
        return max(EXACT.subtract(order.notional, order.filled_value), ZERO)
    price = likely_price(order.account, order.order_type, order.symbol, of=order)
    return None if price is None else worth(order.leaves_quantity or ZERO, price)


def most_left(order: Order) -> Decimal | None:
    """Return the most an order could still trade, or None for money while no price is known."""
    if order.leaves_quantity is not None:
        return order.leaves_quantity
    price = likely_price(order.account, order.order_type, order.symbol, of=order)
    return None if price is None else average(worst_case(order) or ZERO, price)


def likely_price(
    account: Account,
    order_type: str,
    symbol: str,
    *,
    of: object,
) -> Decimal | None:
    """Return the price to reckon with: the order's own limit or stop, else the last one traded."""
    named: Decimal | None = getattr(of, "limit_price", None) or getattr(of, "stop_price", None)
    if named is not None and order_type != OrderType.MARKET:
        return named
    try:
        quote = asking.quote(account, symbol)
    except NoAnswer:
        return None
    return quote.last if quote else None
