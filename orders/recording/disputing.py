"""Puts on record what a broker says of trades that can't be so, or was said otherwise before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from brokers.messages import Fill, Snapshot
from brokers.vocabulary import ExecutionKind
from orders import alarming
from orders.actors import Actor
from orders.models import Execution, Incident, Order
from orders.recording.changing import change, projection


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """How facts reached us: the door, the evidence they rest on, and when.

    What was heard before and is only read again is not live: it is no sign of life.
    """

    heard: str
    evidence: str
    now: datetime
    is_live: bool = True


def identity(fact: Fill | Execution) -> tuple[object, ...]:
    """Return what makes a trade one trade. Brokers reuse execution ids across orders and days."""
    return (
        fact.broker_order_id,
        fact.execution_id,
        fact.trade_date,
        ExecutionKind(fact.kind),
        fact.revision,
    )


def is_bookable(fill: Fill) -> bool:
    """Whether a trade has a quantity and a price that a trade can have."""
    least = fill.quantity >= 0 if fill.kind is ExecutionKind.BUST else fill.quantity > 0
    return least and fill.price >= 0


def note(
    order: Order,
    facts: Iterable[tuple[Snapshot | Fill, Hearing]],
    *,
    actor: Actor,
    now: datetime,
) -> None:
    """Write each dispute about a locked order's trades into its record, once.

    What was booked stands, and what can't be booked does not keep out the trades beside it.
    """
    kept = {identity(fact): fact for fact in order.executions.all()}
    for fact, hearing in facts:
        if not isinstance(fact, Fill):
            continue
        for why in _disputes(order, fact, kept.get(identity(fact))):
            if order.events.filter(action="order.disputed", reason=why).exists():
                continue
            change(
                order,
                projection(order),
                action="order.disputed",
                actor=actor,
                now=now,
                reason=why,
                evidence=[hearing.evidence],
            )
            alarming.alarm(
                Incident.Kind.DISPUTED,
                account=order.account,
                order=order,
                says=f"{why} It is of {order}.",
                evidence=hearing.evidence,
                now=now,
            )


def _disputes(order: Order, told: Fill, known: Execution | None) -> Iterator[str]:
    trade = f"Execution {told.execution_id}"
    if not is_bookable(told):
        yield f"{trade} can't be booked: {told.quantity:f} at {told.price:f}."
    elif known is not None and (known.quantity, known.price) != (told.quantity, told.price):
        yield (
            f"{trade} was {known.quantity.normalize():f} at {known.price.normalize():f},"
            f" and is told as {told.quantity:f} at {told.price:f}."
        )
    said = told.side or order.side, told.symbol or order.symbol
    if said != (order.side, order.symbol):
        yield f"{trade} is told as {said[0]} {said[1]}; it is booked as the order's own."
