"""What lasts too long is a person's business, and is still looked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from brokers.messages import Absent
from brokers.vocabulary import Status
from orders import reconciling, timing
from orders.models import Incident
from tests.factories import OrderFactory
from tests.fakes import ScriptedBroker, call, fill
from tests.orders.doubt import a_known_order, after, in_doubt, webhook

pytestmark = pytest.mark.django_db


class TestEscalation:
    def test_is_said_before_asking_and_over_once_the_order_is_found(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = in_doubt()
        seen = []

        def find(wire_id: str) -> Absent:
            seen.extend(Incident.objects.open().values_list("kind", "severity"))
            return Absent(call=call(404))

        monkeypatch.setattr(broker, "find", find)
        reconciling.reconcile(order.id, now=after(order, 9))
        reconciling.reconcile(order.id, now=after(order, 10))
        assert seen == [("doubt", "critical")]

        webhook(order, broker, now=after(order, 11))

        incident = Incident.objects.get()
        assert (incident.order, incident.closed_at) == (order, after(order, 11))
        assert "accepted" in incident.outcome

    def test_ends_with_absence_too(self, broker: ScriptedBroker) -> None:
        order = in_doubt()
        a_known_order(order.account, broker)

        for seconds in (60, 61, 62):
            reconciling.reconcile(order.id, now=after(order, seconds))

        assert "absent" in Incident.objects.get(kind="doubt").outcome


class TestMissingFills:
    def test_are_a_persons_business_once_they_stay_away(self, broker: ScriptedBroker) -> None:
        order = OrderFactory(working=True)
        ticket = order.ticket()
        broker.has(ticket, status=Status.PARTIALLY_FILLED, cumulative=Decimal(4), version=2)
        began = timing.database_now()

        def look(seconds: int) -> list[str]:
            reconciling.reconcile(order.id, now=began + timedelta(seconds=seconds))
            return list(Incident.objects.open().values_list("kind", flat=True))

        assert look(0) == look(29) == []
        assert look(30) == look(33) == ["fills_missing"]
        assert Incident.objects.get().seen == 1
        assert "4 are filled" in Incident.objects.get().says

        broker.books[ticket.wire_id] = replace(
            broker.books[ticket.wire_id], fills=(fill(ticket, "a", "4"),)
        )
        assert look(36) == []

    def test_are_counted_from_when_they_were_first_missed(self, broker: ScriptedBroker) -> None:
        order = OrderFactory(working=True)
        ticket = order.ticket()
        began = timing.database_now()

        for seconds in (0, 20):  # the broker claims more and more
            broker.has(
                ticket,
                status=Status.PARTIALLY_FILLED,
                cumulative=Decimal(2 + seconds / 10),
                version=2 + seconds,
            )
            reconciling.reconcile(order.id, now=began + timedelta(seconds=seconds))
        reconciling.reconcile(order.id, now=began + timedelta(seconds=31))

        assert Incident.objects.get().kind == "fills_missing"

    def test_are_said_whatever_comes_of_asking(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = OrderFactory(working=True)
        broker.has(order.ticket(), cumulative=Decimal(4), version=2)
        began = timing.database_now()
        reconciling.reconcile(order.id, now=began)
        monkeypatch.setattr(broker, "read", None)

        with pytest.raises(TypeError):
            reconciling.reconcile(order.id, now=began + timedelta(seconds=30))

        assert Incident.objects.open().get().kind == "fills_missing"


def test_a_look_comes_at_the_moment_when_a_person_is_to_be_told(broker: ScriptedBroker) -> None:
    order = in_doubt()  # told of after ten seconds, between two rungs

    reconciling.reconcile(order.id, now=after(order, 8.5))

    order.refresh_from_db()
    assert (order.look_at, order.escalated_at) == (after(order, 10), None)
    reconciling.reconcile(order.id, now=after(order, 10))
    order.refresh_from_db()
    assert order.escalated_at == after(order, 10)


def test_the_ladder_is_as_documented_and_never_ends() -> None:
    began = timing.database_now()
    now, looks = began, []
    for _ in range(1_000):
        now = timing.next_look(began, now=now)
        looks.append((now - began).total_seconds())

    minute, hour, day = 60, 3_600, 86_400
    assert looks[:7] == [1, 2, 4, 8, 15, 30, minute]
    each_minute = [float(at) for at in range(2 * minute, hour + 1, minute)]
    each_quarter = [float(at) for at in range(hour + 15 * minute, day + 1, 15 * minute)]
    then = 7 + len(each_minute)
    assert looks[7:then] == each_minute
    assert looks[then : then + len(each_quarter)] == each_quarter
    daily = looks[then + len(each_quarter) :]
    assert daily == [float(n * day) for n in range(2, 2 + len(daily))]
    assert len(daily) > 800


def test_a_look_that_comes_late_is_followed_by_one_that_does_not() -> None:
    began = timing.database_now()

    for late in (0.5, 3, 9, 20, 45, 70, 4_000, 90_000, 9_000_000):
        now = began + timedelta(seconds=late)
        assert timing.next_look(began, now=now) > now
