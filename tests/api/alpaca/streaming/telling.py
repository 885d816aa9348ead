"""What brokers and people do to orders, in a line each, and what the record then tells of it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone

from brokers.errors import BrokerError
from brokers.messages import Fill, Report, Snapshot
from brokers.vocabulary import Status
from orders import canceling, recording, replacing
from orders.api.alpaca.streaming import recalling
from orders.api.alpaca.streaming.recalling import Event, Recall
from orders.ids import uuid7
from orders.models import Account, Order
from orders.models.facts import Heard
from tests.factories import ANA
from tests.fakes import call, fill, snapshot

DAY = datetime(2026, 3, 2, 15, tzinfo=UTC)


def send(order: Order, *, answer: Report | BrokerError | None = None) -> Order:
    """Send an order. Unless it is said otherwise, the broker takes it and works it."""
    claim = recording.claim_submission(order.id)
    assert claim is not None
    if answer is None:
        answer = Report(snapshots=(said(order),), call=call())
    return recording.settle(claim, answer, now=timezone.now())


def ask_cancel(order: Order, *, answer: Report | BrokerError | None = None) -> None:
    """Ask for an order's cancel, and send that: the broker says that it will see."""
    canceling.cancel(order.id, actor=ANA, now=timezone.now())
    claim = recording.claim_cancel(order.id)
    if claim is not None:
        recording.settle(claim, answer or Report(call=call(202)), now=timezone.now())


def replace(order: Order, **changes: Any) -> Order:
    new, _ = replacing.replace(
        order,
        client_order_id=str(uuid7()),
        source="api",
        actor=ANA,
        now=timezone.now(),
        **changes,
    )
    return new


def said(order: Order, status: Status = Status.NEW, **changes: Any) -> Snapshot:
    """Return a broker's word on an order."""
    return snapshot(order.ticket(), status=status, **{"notional": order.notional, **changes})


def traded(order: Order, name: str, quantity: str, price: str = "100", /, **changes: Any) -> Fill:
    return fill(order.ticket(), name, quantity, price, **{"executed_at": DAY, **changes})


def hear(order: Order, *facts: Snapshot | Fill) -> None:
    """Have the broker tell facts, all in one message."""
    recording.heed(
        order.account,
        Report(
            snapshots=tuple(fact for fact in facts if isinstance(fact, Snapshot)),
            fills=tuple(fact for fact in facts if isinstance(fact, Fill)),
        ),
        heard=Heard.WEBHOOK,
        evidence="delivery:1",
        now=timezone.now(),
    )


def filled(order: Order, *fills: Fill, version: int = 2) -> None:
    """Have the broker tell trades with what they leave of the order."""
    done = sum((one.quantity for one in fills), Decimal(0)) + order.filled_quantity
    whole = done == order.quantity
    status = Status.FILLED if whole else Status.PARTIALLY_FILLED
    hear(order, said(order, status, cumulative=done, version=version), *fills)
    order.refresh_from_db()


def events(account: Account, *, since: int = 0) -> list[Event]:
    """Return everything that an account's record tells after a row of it."""
    recall, told = Recall(account.id, since), []
    while True:
        batch = recall.next()
        told += batch.events
        if batch.is_last:
            return told


def words(account: Account, order: Order | None = None) -> list[str]:
    """Return the events of an account, or of one of its orders, by name."""
    return [
        event.name
        for event in events(account)
        if order is None or event.said["order"]["id"] == str(order.id)
    ]


def head(account: Account) -> int:
    return recalling.head(account.id)
