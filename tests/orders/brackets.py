"""A bracket's broker speaks, the desk tends, and what came of it."""

from __future__ import annotations

from dataclasses import replace as with_changes
from datetime import timedelta
from typing import Any

from django.utils import timezone

from brokers.messages import Report
from brokers.vocabulary import Leg, OrderClass, Status
from orders import bracketing, recording, sending
from orders.models import Incident, Order
from orders.models.facts import Heard
from orders.states import Submission
from tests.fakes import PASSPORT, fill, snapshot

PENDING = with_changes(PASSPORT, classes=frozenset({OrderClass.SIMPLE}))
PAIRS = with_changes(PASSPORT, classes=frozenset({OrderClass.SIMPLE, OrderClass.OCO}))
NATIVE = PASSPORT


def tells(order: Order, *facts: Any) -> None:
    """The broker tells of an order."""
    recording.heed(
        order.account,
        Report(
            snapshots=tuple(f for f in facts if not hasattr(f, "execution_id")),
            fills=tuple(f for f in facts if hasattr(f, "execution_id")),
        ),
        heard=Heard.WEBHOOK,
        evidence="delivery:1",
        now=timezone.now(),
    )
    order.refresh_from_db()


def trades(order: Order, name: str, quantity: str) -> None:
    tells(order, fill(order.ticket(), name, quantity, broker_order_id=order.broker_order_id))


def ends(order: Order, status: Status = Status.CANCELED, **changes: Any) -> None:
    told = {"status": status, "version": 9, "cumulative": order.filled_quantity}
    tells(order, snapshot(order.ticket(), **told | changes))


def tend(order: Order, *, after: float = 0.0) -> None:
    """Tend a bracket, so many seconds from now, and send what came of it."""
    bracketing.tend(order.id, now=timezone.now() + timedelta(seconds=after))
    for leg in Order.objects.filter(submission=Submission.READY):
        sending.send(leg.id)
    order.refresh_from_db()


def legs(order: Order, leg: Leg | None = None) -> list[Order]:
    found = order.legs.order_by("id")
    return list(found if leg is None else found.filter(leg=leg))


def bare(order: Order) -> Incident | None:
    return Incident.objects.filter(
        kind=Incident.Kind.UNPROTECTED, order=order, closed_at__isnull=True
    ).first()
