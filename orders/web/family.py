"""An order's family: an entry, the legs that protect what it fills, and those they replaced.

What is said of its protection rests on what the broker has shown of the legs,
never on what was sent. `orders.bracketing` decides; here it is put into words.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from brokers.passport import Strategy
from brokers.vocabulary import Leg, OrderClass
from orders.models import Order
from orders.money import EXACT, ZERO, total
from orders.recording import chaining
from orders.states import Submission
from orders.web import phrasing
from orders.web.amounts import amount, price


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One leg, and whether it is the one that counts: neither replaced nor gone."""

    order: Order
    is_shown: bool
    covers: Decimal | None  # how much of the position it would close now

    @property
    def is_current(self) -> bool:
        return self.covers is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """An entry and its legs, as seen from one of them."""

    entry: Order
    shown: Order
    members: list[Member]
    filled: Decimal  # by the entry, over all its replaces
    closed: Decimal  # of that, by the legs

    @property
    def open(self) -> Decimal:
        """What is still held of what the entry filled."""
        return max(EXACT.subtract(self.filled, self.closed), ZERO)

    @property
    def unprotected_since(self) -> datetime | None:
        return self.entry.unprotected_since

    @property
    def how(self) -> str:
        """How the legs came, or come, to the broker."""
        return how(self.entry.strategy, OrderClass(self.entry.order_class))

    @property
    def planned(self) -> list[str]:
        """The legs that were asked for, in words."""
        return planned(self.entry)

    @property
    def protection(self) -> str:
        """What protects what is held, in one sentence."""
        if self.entry.order_class == OrderClass.OCO:
            return _first_of_two(self)
        if not self.filled:
            return "Nothing has filled, so there is nothing to protect yet."
        if not self.open:
            return f"All {amount(self.filled)} filled are closed again. Nothing is left to protect."
        by = [
            f"{_leg(leg)} over {amount(covered)}"
            if covered < self.open
            else f"{_leg(leg)} at {self._prices(leg)}"
            for leg in (Leg.STOP_LOSS, Leg.TAKE_PROFIT)
            if (covered := min(self.covered(leg), self.open))
        ]
        least = min((min(self.covered(leg), self.open) for leg in wanted(self.entry)), default=ZERO)
        what = f"{amount(least)} of {amount(self.open)} held are protected"
        if self.closed:
            what += f" ({amount(self.closed)} of {amount(self.filled)} filled are closed again)"
        return f"{what} by {' and '.join(by)}." if by else f"{what}."

    def covered(self, leg: Leg) -> Decimal:
        """How much of the position legs of a kind would close now."""
        return total(m.covers for m in self.members if m.order.leg == leg and m.covers is not None)

    def _prices(self, leg: Leg) -> str:
        return " and ".join(
            phrasing.pricing(m.order).split(" ", 1)[1]
            for m in self.members
            if m.order.leg == leg and m.is_current
        )


def of(order: Order) -> Family | None:
    """Return the family of an order, or None for one that has none."""
    entry = order.parent or order
    if entry.order_class == OrderClass.SIMPLE and entry.id == order.id and not _has_legs(order):
        return None
    chain = chaining.members(entry.id)
    legs = Order.objects.filter(parent__in=[one.id for one in chain]).select_related("account")
    members = [
        Member(order=leg, is_shown=leg.id == order.id, covers=_covers(leg))
        for leg in legs.order_by("id")
    ]
    return Family(
        entry=entry,
        shown=order,
        members=members,
        filled=total(one.filled_quantity for one in chain),
        closed=total(m.order.filled_quantity for m in members),
    )


def wanted(entry: Order) -> list[Leg]:
    """Return the legs that an order was placed with."""
    told = {Leg.TAKE_PROFIT: entry.take_profit_price, Leg.STOP_LOSS: entry.stop_loss_price}
    return [leg for leg, at in told.items() if at is not None]


def planned(entry: Order) -> list[str]:
    """Write the legs that an order was placed with, and their prices."""
    said = []
    if entry.take_profit_price is not None:
        said.append(f"target {price(entry.take_profit_price)}")
    if entry.stop_loss_price is not None:
        limit = entry.stop_loss_limit_price
        then = "" if limit is None else f", limit {price(limit)}"
        said.append(f"stop {price(entry.stop_loss_price)}{then}")
    return said


def how(strategy: str, order_class: OrderClass) -> str:
    """Write how the legs of an order come to its broker."""
    one = order_class is OrderClass.OTO
    match strategy:
        case Strategy.NATIVE if order_class is OrderClass.OCO:
            return "In one request: the broker keeps the two together, and fills one of them."
        case Strategy.NATIVE:
            return (
                f"In one request: the broker holds the {'leg' if one else 'legs'} until the entry"
                " fills."
            )
        case Strategy.NATIVE_OCO:
            return (
                "A pair, once it fills: the entry goes alone, then both legs in one request. For a"
                " moment the position is open without them."
            )
        case Strategy.PENDING:
            return (
                f"{'One more order' if one else 'Two orders'}, once it fills: the entry goes alone,"
                f" then {'the leg' if one else 'the stop, then the target'}. For some seconds the"
                f" position is open without {'it' if one else 'them'}."
            )
    return ""


def _covers(leg: Order) -> Decimal | None:
    """Return what a leg would close now, or None where it would not: gone, or not shown to be."""
    if leg.submission != Submission.ACCEPTED or leg.has_ended:
        return None
    return leg.leaves_quantity


def _has_legs(order: Order) -> bool:
    return order.legs.exists()


def _leg(leg: Leg) -> str:
    return "the stop" if leg is Leg.STOP_LOSS else "the target"


def _first_of_two(family: Family) -> str:
    current = any(member.is_current for member in family.members)
    if family.entry.has_ended and not current:
        return "Both halves have ended."
    if not current:
        return "Its other half, the stop, has not been shown to work."
    return "Whichever of the two fills first cancels the other."
