"""An order's family: an entry, the legs that protect what it fills, and those they replaced.

What counts as protection is decided where the legs are tended (`orders.protecting`);
here it is put into words.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from brokers.passport import Strategy
from brokers.vocabulary import Leg, OrderClass
from orders import bracketing, covering, protecting, timing
from orders.covering import Group
from orders.measures import Plan
from orders.models import Order
from orders.money import EXACT, ZERO
from orders.web import phrasing
from orders.web.amounts import amount, price

NAMES = {Leg.STOP_LOSS: "stop", Leg.TAKE_PROFIT: "target", Leg.EXIT: "closing order"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One order of a family."""

    order: Order
    name: str
    is_shown: bool
    is_leg: bool
    is_gone: bool  # it has ended: replaced, filled, cancelled, refused
    covers: Decimal | None  # what it would close now, as the broker has shown; None: nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """An entry and its legs, as seen from one of them."""

    group: Group
    plan: Plan
    members: list[Member]

    @property
    def entry(self) -> Order:
        return self.group.root

    @property
    def unprotected_since(self) -> datetime | None:
        return self.entry.unprotected_since

    @property
    def how(self) -> str:
        """How the legs came, or come, to the broker."""
        return how(self.entry.strategy, OrderClass(self.entry.order_class))

    @property
    def to_come(self) -> list[str]:
        """The legs that were asked for and are not there yet, in words."""
        there = {leg.leg for leg in self.group.legs}
        return [words for leg, words in planned(self.group.terms) if leg not in there]

    @property
    def protection(self) -> str:
        """What protects what is held, in one sentence or two."""
        group = self.group
        held = group.remaining
        if group.is_exit:
            return self._of_exit()
        if not group.filled:
            return "Nothing has filled, so there is nothing to protect yet."
        if held < 0:
            more = amount(held.copy_abs())
            return f"Oversold: the legs closed {more} more than the entry had opened."
        if not held:
            return (
                f"All {amount(group.filled)} filled are closed again: nothing is left to protect."
            )
        if self.entry.flatten_at is not None:
            return f"{amount(held)} held are being closed at the market."
        return " ".join([self._protected(held), *self._lacks()])

    def _protected(self, held: Decimal) -> str:
        """Say how much is protected: by the stop, where there is to be one, and by what else."""
        proven = {
            leg: max(EXACT.subtract(held, self.plan.lacking.get(leg, ZERO)), ZERO)
            for leg in self.group.roles
            if self._prices(leg)
        }
        by = [f"the {NAMES[leg]} at {self._prices(leg)}" for leg, on in proven.items() if on]
        first = next((leg for leg in self.group.roles if leg not in self.plan.waived), None)
        much = proven.get(first, ZERO) if first else ZERO
        said = f"{amount(much)} of {amount(held)} held"
        closed = f"{amount(self.group.closed)} of {amount(self.group.filled)} filled"
        again = f" ({closed} are closed again)" if self.group.closed else ""
        return f"{said} are protected{again}{' by ' + ' and '.join(by) if much else ''}."

    def _lacks(self) -> list[str]:
        said = [
            f"The {NAMES[leg]} is not proven over {amount(lack)}."
            for leg, lack in self.plan.lacking.items()
        ]
        said += [
            f"The {NAMES[leg]} was taken off by a person."
            for leg in sorted(self.plan.waived, reverse=True)
        ]
        if self.plan.is_held_back:
            said.append("The broker holds the legs back until the entry has filled whole.")
        return said

    def _of_exit(self) -> str:
        if all(member.is_gone for member in self.members):
            return "Both halves have ended."
        if self.plan.lacking:
            return "Its other half, the stop, has not been shown to work."
        return "Whichever of the two fills first cancels the other."

    def _prices(self, leg: Leg) -> str:
        """Write the prices at which legs of a kind are shown to stand."""
        return " and ".join(
            phrasing.pricing(member.order).split(" ", 1)[1]
            for member in self.members
            if member.covers is not None and member.order.leg == leg
        )


def of(order: Order) -> Family | None:
    """Return the family of an order, or None for one that has none."""
    if order.order_class == OrderClass.SIMPLE and order.parent_id is None:
        return None
    group = bracketing.look(order.id, now=timing.database_now())
    proven = {
        one.id
        for part in covering.cover(group).parts
        for one in part.pieces
        if covering.is_proven(one, part, group)
    }
    return Family(
        group=group,
        plan=protecting.plan(group),
        members=[
            Member(
                order=one,
                name=phrasing.leg(one.leg) if one.leg else "Target" if group.is_exit else "Entry",
                is_shown=one.id == order.id,
                is_leg=bool(one.leg),
                is_gone=one.has_ended,
                covers=one.leaves_quantity if one.id in proven else None,
            )
            for one in (*group.entries, *group.legs)
        ],
    )


def planned(entry: Order) -> list[tuple[str, str]]:
    """Return the legs that an order was placed with, and each with its price in words."""
    said = []
    if entry.take_profit_price is not None:
        said.append((Leg.TAKE_PROFIT, f"target {price(entry.take_profit_price)}"))
    if entry.stop_loss_price is not None:
        limit = entry.stop_loss_limit_price
        then = "" if limit is None else f", limit {price(limit)}"
        said.append((Leg.STOP_LOSS, f"stop {price(entry.stop_loss_price)}{then}"))
    return [(str(leg), words) for leg, words in said]


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
