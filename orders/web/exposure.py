"""What an order could come to at worst, while nobody knows whether it is live."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from brokers.vocabulary import OrderType, Side
from orders import asking, positioning
from orders.asking import NoAnswer
from orders.models import Account, Order
from orders.money import EXACT, ZERO, average, worth


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """One order in doubt, and what hangs on it."""

    order: Order
    since: datetime
    value: Decimal | None  # at worst, in money; None while no price is known
    left: Decimal | None  # at most, of the instrument; None while no price is known
    held: Decimal  # the position without it

    @property
    def with_it(self) -> Decimal | None:
        """The position with it."""
        if self.left is None:
            return None
        signed = self.left if self.order.side == Side.BUY else self.left.copy_negate()
        return EXACT.add(self.held, signed)


def doubts(orders: list[Order]) -> list[Doubt]:
    """Return orders in doubt: without a price first, then by the largest worst case, then age."""
    held = _held({order.account_id: order.account for order in orders}.values())
    found = [
        Doubt(
            order=order,
            since=order.submission_at,
            value=worst_case(order),
            left=most_left(order),
            held=held.get((order.account_id, order.symbol), ZERO),
        )
        for order in orders
    ]
    return sorted(
        found, key=lambda d: (d.value is not None, -(d.value or ZERO), d.since, d.order.id)
    )


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


def _held(accounts: object) -> dict[tuple[object, str], Decimal]:
    return {
        (position.account_id, position.symbol): position.quantity
        for position in positioning.positions(accounts)  # type: ignore[arg-type]
    }
