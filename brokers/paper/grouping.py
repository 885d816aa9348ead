"""What belongs together: an order and its legs, and what becomes of the rest when one changes.

The legs of an entry are held until it is wholly filled, and then close what it opened; an order
of class oco and its leg close what was held before. However many of them work at a time, together
they never fill more than there is to close: `Order.ceiling` is each one's part in that.

A trade taken back is followed as far as this goes: the legs may do less, or more. What was
cancelled stays cancelled, and an entry that works again does so without the legs that have ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from brokers.messages import StopLoss, TakeProfit
from brokers.paper.amounts import EXACT, ZERO
from brokers.paper.orders import Order, Standing
from brokers.paper.sessions import active_standing
from brokers.paper.terms import Terms
from brokers.vocabulary import (
    Leg,
    OrderClass,
    OrderType,
    PositionEffect,
    Side,
)

OTHER: dict[Side, Side] = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}


@dataclass(frozen=True, slots=True)
class Group:
    """An order and its legs, oldest first, those that were replaced as well."""

    head: Order
    legs: tuple[Order, ...]

    @property
    def members(self) -> tuple[Order, ...]:
        """All of them."""
        return (self.head, *self.legs)

    @property
    def is_over(self) -> bool:
        """None of them can do anything any more."""
        return all(order.ended for order in self.members)

    def working(self, role: Leg) -> Order | None:
        """Return the leg that plays a role, if it has not ended."""
        return next((leg for leg in self.legs if leg.leg is role and not leg.ended), None)

    def terms_of(self, order: Order) -> Terms:
        """Return an order's terms; of the head, with the legs at the prices they now have."""
        target, stop = self.working(Leg.TAKE_PROFIT), self.working(Leg.STOP_LOSS)
        terms = order.terms
        if order is not self.head:
            return terms
        if target is not None and target.terms.limit_price is not None:
            terms = replace(terms, take_profit=TakeProfit(limit_price=target.terms.limit_price))
        if stop is not None and stop.terms.stop_price is not None:
            prices = StopLoss(stop_price=stop.terms.stop_price, limit_price=stop.terms.limit_price)
            terms = replace(terms, stop_loss=prices)
        return terms

    @property
    def closers(self) -> tuple[Order, ...]:
        """Those that close the position."""
        return self.members if self._is_pair else self.legs

    @property
    def closed(self) -> bool:
        """Nothing is left to close, and nothing more will be."""
        whole = self._is_pair or self.head.standing is Standing.FILLED
        return whole and sum((one.filled for one in self.closers), ZERO) >= self._to_close

    def binds(self, order: Order) -> Decimal:
        """Return how much an order ties up: of those that close, one stands for all."""
        if order.leg is None and not self._is_pair:
            return order.remaining
        works = (one for one in self.closers if not one.ended and one.workable)
        return order.workable if next(works, None) is order else ZERO

    def ceiling(self, order: Order) -> Decimal:
        """Return how much of a closer may ever be filled, as the others stand."""
        others = (one.filled for one in self.closers if one is not order)
        return max(ZERO, EXACT.subtract(self._to_close, sum(others, ZERO)))

    @property
    def _is_pair(self) -> bool:
        return self.head.terms.order_class is OrderClass.OCO

    @property
    def _to_close(self) -> Decimal:
        if self._is_pair:
            return self.head.terms.quantity or ZERO
        return self.head.filled


@dataclass(frozen=True, slots=True)
class Consequence:
    """What is to become of one order of a group, for what another did."""

    order: Order
    standing: Standing
    ceiling: Decimal | None
    reason: str = ""


def legs_of(terms: Terms, *, entry_id: str) -> Iterator[tuple[Leg, Terms]]:
    """Yield the terms of each leg of an order; their client order ids are made of its id."""
    pair = terms.order_class is OrderClass.OCO
    bare = replace(
        terms,
        side=terms.side if pair else OTHER[terms.side],
        position_effect=PositionEffect.CLOSE,
        limit_price=None,
        take_profit=None,
        stop_loss=None,
    )
    target, stop = terms.take_profit, terms.stop_loss
    if target is not None:
        yield (
            Leg.TAKE_PROFIT,
            replace(
                bare,
                client_order_id=f"{entry_id}-tp",
                type=OrderType.LIMIT,
                limit_price=target.limit_price,
            ),
        )
    if stop is not None:
        yield (
            Leg.STOP_LOSS,
            replace(
                bare,
                client_order_id=f"{entry_id}-sl",
                type=OrderType.STOP if stop.limit_price is None else OrderType.STOP_LIMIT,
                limit_price=stop.limit_price,
                stop_price=stop.stop_price,
            ),
        )


def after_trade(group: Group, traded: Order) -> Iterator[Consequence]:
    """Yield what a trade of one order, or a later word on one, makes of those that close."""
    for one in group.closers:
        ceiling = group.ceiling(one)
        if group.closed and not one.ended:
            reason = "Its group has closed the position."
            yield Consequence(one, Standing.CANCELLED, ceiling, reason)
        elif one is traded:
            continue
        elif one.standing is Standing.HELD:
            if group.head.standing is Standing.FILLED:
                yield Consequence(one, active_standing(one.terms), ceiling)
        elif one.ended or one.standing is Standing.CANCEL_PENDING:
            # It may still trade, late; but what it could not do before, it never will.
            if one.ceiling is None or ceiling < one.ceiling:
                yield Consequence(one, one.standing, ceiling)
        elif ceiling != one.ceiling:
            yield Consequence(one, one.standing, ceiling)


def after_end(group: Group, ended: Order) -> Iterator[Consequence]:
    """Yield what the end of one order, other than by its last fill, makes of the others."""
    if ended.standing is Standing.REPLACED:
        return  # another goes on in its place
    for one in group.members:
        if not one.ended:
            reason = f"Order {ended.id} of its group was {ended.standing}."
            yield Consequence(one, Standing.CANCELLED, one.ceiling, reason)
