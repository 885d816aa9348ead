"""What an order could come to at worst, while nobody knows whether it is live."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from brokers.vocabulary import Side
from orders import positioning
from orders.models import Order
from orders.money import EXACT, ZERO
from orders.ranging import most_left, worst_case


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


def _held(accounts: object) -> dict[tuple[object, str], Decimal]:
    return {
        (position.account_id, position.symbol): position.quantity
        for position in positioning.positions(accounts)  # type: ignore[arg-type]
    }
