"""Each event of the stream as it goes out, to the letter: `golden/trade_updates.json`, by name."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from alpaca.trading import models

from brokers.errors import Refused
from brokers.vocabulary import ExecutionKind, Status
from orders.models import Account, Order
from tests.api.alpaca import shapes
from tests.api.alpaca.shapes import wrong
from tests.api.alpaca.streaming.telling import (
    ask_cancel,
    events,
    filled,
    hear,
    replace,
    said,
    send,
    traded,
)
from tests.api.alpaca.test_golden import check
from tests.factories import AccountFactory, place
from tests.fakes import ScriptedBroker, call

pytestmark = pytest.mark.django_db

EVERY = ("event text", "event_id text", "at time", "timestamp time", "order object")
# What else an event has.
TRADE = ("execution_id uuid", "price amount", "qty amount", "position_qty amount")
MORE: dict[str, tuple[str, ...]] = {
    "fill": TRADE,
    "partial_fill": TRADE,
    "trade_bust": (*TRADE, "previous_execution_id uuid", "reason text"),
    "trade_correct": (*TRADE, "previous_execution_id uuid", "reason text"),
    **dict.fromkeys(
        ("rejected", "order_cancel_rejected", "order_replace_rejected", "restated"),
        ("reason text",),
    ),
}


def fills_in_parts(order: Order) -> None:
    filled(order, traded(order, "E-1", "4", "99"))
    filled(order, traded(order, "E-2", "6", "98"), version=3)


def is_canceled(order: Order) -> None:
    ask_cancel(order)
    hear(order, said(order, Status.CANCELED, version=2))


def is_not_canceled(order: Order) -> None:
    ask_cancel(order, answer=Refused("TOO_LATE_TO_CANCEL", code="late", call=call(422)))


def is_replaced(order: Order) -> None:
    send(replace(order, quantity=Decimal(12)))
    hear(order, said(order, Status.REPLACED, version=2))


def is_not_replaced(order: Order) -> None:
    no = Refused("Too late.", code="x", call=call(422))
    send(replace(order, quantity=Decimal(12)), answer=no)


def is_undone(order: Order) -> None:
    filled(order, traded(order, "E-1", "10"))
    hear(order, traded(order, "E-1", "10", kind=ExecutionKind.BUST, revision=1))


def is_amended(order: Order) -> None:
    filled(order, traded(order, "E-1", "10"))
    hear(order, traded(order, "E-1", "9", "99", kind=ExecutionKind.CORRECT, revision=1))


def is_restated(order: Order) -> None:
    hear(order, said(order, quantity=Decimal(5), version=2))


def is_said_to_be(status: Status) -> Callable[[Order], None]:
    return lambda order: hear(order, said(order, status, version=2))


STORIES = (
    fills_in_parts,
    is_canceled,
    is_not_canceled,
    is_replaced,
    is_not_replaced,
    is_undone,
    is_amended,
    is_restated,
    *(
        is_said_to_be(Status(word))
        for word in ("held", "stopped", "suspended", "done_for_day", "calculated", "expired")
    ),
)


@pytest.fixture
def account(broker: ScriptedBroker) -> Account:
    return AccountFactory()


def test_every_event(account: Account) -> None:
    for number, story in enumerate(STORIES):
        order = place(account, wire_id=f"golden-{number}")
        send(order)
        story(order)
    told: dict[str, dict[str, Any]] = {}
    for event in events(account):
        told.setdefault(event.name, event.said)

    check("trade_updates", dict(sorted(told.items())))
    for name, update in told.items():
        shape = ", ".join((*EVERY, *MORE.get(name, ())))
        assert wrong(shape, update) == [], name
        assert wrong(shapes.ORDER, update["order"]) == [], name
        read = models.TradeUpdate(**update)
        assert read.order.status.value == update["order"]["status"]
        assert read.timestamp.tzinfo is not None
