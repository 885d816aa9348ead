"""What a venue undoes or amends comes by the same door as the trades themselves."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brokers.messages import Fill, Report, Snapshot
from brokers.vocabulary import ExecutionKind, Status
from orders import positioning, recording
from orders.models import (
    Account,
    Order,
)
from orders.models.facts import Heard
from orders.recording import Heeded
from tests.factories import ANA, OrderFactory
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


class TestTakenBack:
    def filled(self) -> Order:
        order = sent()
        ticket = order.ticket()
        hear(
            order.account,
            fill(ticket, "a", "4"),
            fill(ticket, "b", "6"),
            snapshot(ticket, status=Status.FILLED, cumulative=Decimal(10), version=2),
        )
        return self.fresh(order)

    def fresh(self, order: Order) -> Order:
        order.refresh_from_db()
        return order

    def position(self, order: Order) -> Decimal:
        return positioning.positions([order.account])[0].quantity

    def test_a_bust_makes_a_filled_order_work_again(self) -> None:
        order = self.filled()
        assert (order.status, order.look_at, self.position(order)) == (Status.FILLED, None, 10)
        ticket = order.ticket()

        hear(
            order.account,
            fill(ticket, "b", "6", kind=ExecutionKind.BUST),
            snapshot(ticket, status=Status.NEW, cumulative=Decimal(4), version=3),
        )

        self.fresh(order)
        assert (order.status, order.filled_quantity) == (Status.PARTIALLY_FILLED, Decimal(4))
        assert (order.leaves_quantity, order.has_ended) == (Decimal(6), False)
        assert order.flags == ["has_bust"]
        assert order.look_at is not None
        assert self.position(order) == 4
        order = recording.ask_cancel(order.id, actor=ANA, now=timezone.now())
        assert order.cancel_at is not None

    def test_a_correction_amends_quantity_and_price(self) -> None:
        order = self.filled()

        hear(
            order.account,
            fill(order.ticket(), "b", "5", "90", kind=ExecutionKind.CORRECT, revision=1),
        )

        self.fresh(order)
        assert (order.filled_quantity, order.filled_value) == (Decimal(9), Decimal(850))
        assert order.status == Status.PARTIALLY_FILLED
        assert self.position(order) == 9

    def test_a_bust_that_comes_before_its_trade_undoes_it_all_the_same(self) -> None:
        order = sent()
        ticket = order.ticket()

        hear(order.account, snapshot(ticket), fill(ticket, "a", "4", kind=ExecutionKind.BUST))
        hear(order.account, fill(ticket, "a", "4"))

        assert self.fresh(order).filled_quantity == 0
        assert order.flags == ["has_bust"]

    def test_a_bust_of_a_cancelled_order_leaves_it_cancelled(self) -> None:
        order = sent()
        ticket = order.ticket()
        hear(
            order.account,
            fill(ticket, "a", "4"),
            snapshot(ticket, status=Status.CANCELED, cumulative=Decimal(4)),
        )

        hear(
            order.account,
            fill(ticket, "a", "4", kind=ExecutionKind.BUST),
            snapshot(ticket, status=Status.CANCELED, version=2),
        )

        self.fresh(order)
        assert (order.status, order.filled_quantity) == (Status.CANCELED, Decimal(0))
        assert order.average_price is None

    @settings(
        max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(data=st.data())
    def test_nothing_else_ever_lessens_what_has_filled(self, data: st.DataObject) -> None:
        order = sent()
        ticket = order.ticket()
        facts: list[Snapshot | Fill] = [
            snapshot(ticket),
            fill(ticket, "a", "4"),
            fill(ticket, "b", "6"),
            fill(ticket, "b", "5", kind=ExecutionKind.CORRECT, revision=1),
            fill(ticket, "a", "4", kind=ExecutionKind.BUST),
            snapshot(ticket, status=Status.REJECTED, version=2),
            snapshot(ticket, status=Status.CANCELED, cumulative=Decimal(1), version=3),
            snapshot(ticket, status=Status.FILLED, cumulative=Decimal(10), version=4),
        ]
        for fact in data.draw(st.permutations(facts)):
            before = order.filled_quantity
            hear(order.account, fact)
            self.fresh(order)
            undoes = isinstance(fact, Fill) and fact.kind is not ExecutionKind.FILL
            # A snapshot that teaches the broker's id brings in what waited, undoing included.
            assert order.filled_quantity >= before or undoes
