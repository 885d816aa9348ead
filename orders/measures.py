"""What may be done for a bracket, and how long to wait before doing it again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from brokers.vocabulary import Leg
from orders.covering import Group, may_be_live
from orders.models import Order
from orders.money import ZERO

RETRIES = tuple(timedelta(seconds=s) for s in (1, 5, 30))  # after a leg is lost, one after another
SELDOM = timedelta(minutes=5)  # after that: a person knows, and what was wrong may pass
BROKER_SEES_TO_IT = timedelta(seconds=5)  # to cancel the sibling of a leg of its own that filled
ASK_AGAIN = timedelta(seconds=5)  # for a cancel that was refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Let a leg out; with both legs, as a pair of which the broker cancels one when one fills."""

    legs: tuple[Leg, ...]
    covers_from: Decimal
    quantity: Decimal
    number: int  # of the tries for these fills


@dataclass(frozen=True, slots=True, kw_only=True)
class Resize:
    """Replace a leg by one for another total."""

    order: Order
    quantity: Decimal
    number: int  # of the tries for this order


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Cancel what protects nothing any more, or what stands in the way of what would."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Ask the broker for an order: it has not told of its legs, or not that they work."""

    order: Order


Action = Place | Resize | Cancel | Look


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is so, and what is to be done."""

    actions: tuple[Action, ...] = ()
    lacking: dict[Leg, Decimal]  # by leg, what it should protect and does not, for all we know
    waived: frozenset[Leg] = frozenset()  # somebody took these off, of what is left
    is_held_back: bool = False  # the broker has the legs, and does not work them yet
    is_settling: bool = False  # something is under way: look again soon

    @property
    def unprotected(self) -> Decimal:
        return max(self.lacking.values(), default=ZERO)


def cancel(one: Order, group: Group) -> Iterable[Cancel]:
    """Yield an order's cancel, unless it is asked for already or was refused just now."""
    if not may_be_live(one) or one.cancel_requested_at is not None:
        return
    if one.cancel_refused and group.now < one.changed_at + ASK_AGAIN:
        return  # the broker is being asked how the order stands
    yield Cancel(order=one)


def cancel_all(orders: Iterable[Order], group: Group) -> Iterable[Cancel]:
    for one in orders:
        yield from cancel(one, group)
