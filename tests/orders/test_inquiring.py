"""Every way of asking is used; what an answer proves depends on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from brokers.messages import Absent, Report
from brokers.passport import Read
from orders import inquiring, reconciling
from orders.models import Order, ParkedFact
from orders.models.facts import Heard
from orders.recording import parking
from orders.states import Submission
from tests.factories import OrderFactory
from tests.fakes import ScriptedBroker, call, fill, snapshot
from tests.orders.doubt import a_known_order, after, in_doubt

pytestmark = pytest.mark.django_db


class TestEveryWayOfAsking:
    def test_is_used_in_each_pass(self, broker: ScriptedBroker) -> None:
        order = in_doubt()

        reconciling.reconcile(order.id, now=after(order, 1))

        asked = order.inquiries.values_list("path", flat=True)
        assert list(asked) == ["our id", "its list of orders", "its list of executions"]

    def test_is_used_as_far_as_the_passport_names_it(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        doubt = replace(broker.passport.doubt, reads=(Read.ORDER_LIST,))
        monkeypatch.setattr(broker, "passport", replace(broker.passport, doubt=doubt))
        order = in_doubt()

        reconciling.reconcile(order.id, now=after(order, 1))

        assert order.inquiries.get().path == Read.ORDER_LIST

    @pytest.mark.parametrize("readable", [True, False])
    def test_a_trade_of_it_settles_doubt_where_neither_lookup_nor_list_shows_it(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch, readable: bool
    ) -> None:
        order = in_doubt()
        ticket = order.ticket()
        broker.has(ticket, fill(ticket, "a", "4", wire_id=ticket.wire_id))
        monkeypatch.setattr(broker, "find", lambda wire_id: Absent(call=call(404)))
        monkeypatch.setattr(broker, "orders_since", lambda since: iter(()))
        if not readable:
            monkeypatch.setattr(broker, "read", lambda name: Absent(call=call(404)))

        reconciling.reconcile(order.id, now=after(order, 1))

        order.refresh_from_db()
        assert (order.submission, order.filled_quantity) == (Submission.ACCEPTED, Decimal(4))
        assert order.snapshots.exists() is readable

    @pytest.mark.parametrize("path", [Read.ORDER_LIST, Read.EXECUTIONS])
    def test_reads_all_pages_from_five_minutes_before_the_intent(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch, path: Read
    ) -> None:
        order = in_doubt(placed_at=timezone.now())
        ticket = order.ticket()
        name = "orders_since" if path is Read.ORDER_LIST else "executions_since"
        pages, asked = getattr(broker, name), []

        def since(moment: datetime) -> Iterator[Report]:
            asked.append(moment)
            return pages(moment)

        monkeypatch.setattr(broker, name, since)
        doubt = replace(broker.passport.doubt, reads=(path,))
        monkeypatch.setattr(broker, "passport", replace(broker.passport, doubt=doubt))
        for _ in range(3):  # each on a page of its own, before ours
            a_known_order(order.account, broker)
        broker.has(ticket, fill(ticket, "a", "4", wire_id=ticket.wire_id))

        reconciling.reconcile(order.id, now=after(order, 1))

        order.refresh_from_db()
        assert asked[0] <= order.placed_at - timedelta(minutes=5)
        assert (order.submission, order.filled_quantity) == (Submission.ACCEPTED, Decimal(4))

    def test_what_was_parked_under_our_id_settles_it_before_anybody_is_asked(
        self, broker: ScriptedBroker
    ) -> None:
        order = in_doubt()
        told = snapshot(order.ticket())
        parking.park(
            order.account_id, [told], heard=Heard.WEBHOOK, evidence="delivery:9", now=timezone.now()
        )

        reconciling.reconcile(order.id, now=after(order, 1))

        order.refresh_from_db()
        assert order.submission == Submission.ACCEPTED
        assert order.snapshots.get().evidence == "delivery:9"
        assert not order.inquiries.exists()

    def test_what_was_parked_of_another_order_does_not(self, broker: ScriptedBroker) -> None:
        order = in_doubt()
        parking.park(
            order.account_id,
            [snapshot(order.ticket(), symbol="OTHER")],
            heard=Heard.WEBHOOK,
            evidence="delivery:9",
            now=timezone.now(),
        )

        for seconds in (1, 2):
            reconciling.reconcile(order.id, now=after(order, seconds))

        order.refresh_from_db()
        assert (order.submission, order.warnings) == (Submission.UNKNOWN, ["second_order"])
        assert order.events.filter(action="order.conflict").count() == 1
        assert ParkedFact.objects.count() == 1
        assert order.inquiries.count() == 6


class TestControl:
    """The other order that a list must show, or else what it lacks means nothing."""

    @pytest.fixture
    def order(self) -> Order:
        return in_doubt(placed_at=timezone.now())

    def known(self, order: Order, minutes: float) -> Order:
        placed_at = order.placed_at + timedelta(minutes=minutes)
        return OrderFactory(working=True, account=order.account, placed_at=placed_at)

    @pytest.mark.parametrize(
        ("minutes", "chosen"),
        [([-90, -10, -60], 1), ([5, 1, 60], 1), ([-1, 30], 1), ([], None)],
    )
    def test_is_the_next_one_else_the_last_one(
        self, order: Order, minutes: list[float], chosen: int | None
    ) -> None:
        others = [self.known(order, at) for at in minutes]
        OrderFactory(working=True, placed_at=order.placed_at)  # another account's
        in_doubt(account=order.account)

        found = inquiring.control_of(order)

        assert found == (None if chosen is None else others[chosen])

    @pytest.mark.parametrize(("minutes", "from_"), [(-10, -15), (30, -5), (None, -5)])
    def test_widens_the_list_no_further_than_to_itself(
        self,
        order: Order,
        broker: ScriptedBroker,
        monkeypatch: pytest.MonkeyPatch,
        minutes: float | None,
        from_: float,
    ) -> None:
        asked = []

        def orders_since(since: datetime) -> Iterator[Report]:
            asked.append(since)
            return iter(())

        monkeypatch.setattr(broker, "orders_since", orders_since)
        if minutes is not None:
            self.known(order, minutes)

        reconciling.reconcile(order.id, now=after(order, 1))

        assert asked == [order.placed_at + timedelta(minutes=from_)]
