"""A trade that bears our id is as good a proof as the order itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from brokers.messages import Fill, Report, Snapshot
from brokers.vocabulary import ExecutionKind, Side, Status
from orders import recording
from orders.models import (
    Account,
    Order,
    ParkedFact,
)
from orders.models.facts import Heard
from orders.recording import Heeded
from orders.states import Submission
from tests.factories import OrderFactory
from tests.fakes import fill, snapshot

pytestmark = pytest.mark.django_db


def hear(account: Account, *facts: Snapshot | Fill, heard: str = Heard.WEBHOOK) -> Heeded:
    report = Report(
        snapshots=tuple(fact for fact in facts if isinstance(fact, Snapshot)),
        fills=tuple(fact for fact in facts if isinstance(fact, Fill)),
    )
    return recording.heed(account, report, heard=heard, evidence="delivery:1", now=timezone.now())


def sent(**changes: Any) -> Order:
    return OrderFactory(sending=True, **changes)


class TestFillWithOurId:
    def test_proves_that_the_broker_has_the_order(self) -> None:
        order = OrderFactory(unknown=True)
        trade = fill(order.ticket(), "a", "4", wire_id=order.wire_id)

        told = hear(order.account, trade)

        order.refresh_from_db()
        assert (order.submission, order.status) == (Submission.ACCEPTED, Status.PARTIALLY_FILLED)
        assert (order.broker_order_id, order.filled_quantity) == (trade.broker_order_id, Decimal(4))
        assert told.parked == 0

    def test_brings_in_what_waited_for_that_order(self) -> None:
        order = sent()
        hear(order.account, fill(order.ticket(), "a", "4"))

        hear(order.account, fill(order.ticket(), "b", "6", wire_id=order.wire_id))

        order.refresh_from_db()
        assert (order.status, order.filled_quantity) == (Status.FILLED, Decimal(10))

    @pytest.mark.parametrize(
        "changes",
        [{"symbol": "OTHER"}, {"side": Side.SELL}, {"side": None}, {"quantity": Decimal(11)}],
    )
    def test_of_another_order_proves_nothing_and_is_shown(self, changes: dict[str, Any]) -> None:
        order = OrderFactory(unknown=True)

        for name in ("a", "b"):
            hear(order.account, fill(order.ticket(), name, "4", wire_id=order.wire_id, **changes))

        order.refresh_from_db()
        assert (order.submission, order.broker_order_id) == (Submission.UNKNOWN, None)
        assert order.warnings == ["second_order"]
        assert order.events.filter(action="order.conflict").count() == 1
        assert ParkedFact.objects.count() == 2

    @pytest.mark.parametrize(
        "changes", [{"kind": ExecutionKind.BUST}, {"quantity": Decimal(0)}, {"price": Decimal(-1)}]
    )
    def test_that_leaves_nothing_said_of_the_order_teaches_nothing(
        self, changes: dict[str, Any]
    ) -> None:
        order = OrderFactory(unknown=True)

        hear(order.account, fill(order.ticket(), "a", "4", wire_id=order.wire_id, **changes))

        order.refresh_from_db()
        assert (order.submission, order.broker_order_id) == (Submission.UNKNOWN, None)

    def test_of_a_second_order_is_shown_and_not_booked(self) -> None:
        order = sent()
        hear(order.account, snapshot(order.ticket()))

        hear(
            order.account,
            fill(order.ticket(), "a", "4", wire_id=order.wire_id, broker_order_id="B-second"),
        )

        order.refresh_from_db()
        assert (order.filled_quantity, order.warnings) == (Decimal(0), ["second_order"])

    def test_does_not_mix_up_two_orders_under_one_broker_id(self) -> None:
        first = OrderFactory(working=True)
        second = sent(account=first.account)

        hear(
            first.account,
            fill(
                second.ticket(),
                "a",
                "4",
                wire_id=second.wire_id,
                broker_order_id=first.broker_order_id,
            ),
        )

        first.refresh_from_db()
        second.refresh_from_db()
        assert (first.filled_quantity, second.filled_quantity) == (0, 0)
        assert second.warnings == ["second_order"]
