"""Kept deliveries become facts: once each, in any order, and a bad one never stops the queue."""

from __future__ import annotations

import threading
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg.errors
import pytest
from django.db import InterfaceError, OperationalError, connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from brokers import registry
from brokers.errors import Unreadable
from brokers.messages import Delivery as Told
from brokers.messages import Report
from brokers.paper.adapter import PaperAdapter
from orders import auditing, recording
from orders.models import AuditEvent, Execution, Feed, Incident, Order, ParkedFact
from orders.models.facts import Heard
from tests.factories import AccountFactory, OrderFactory
from tests.fakes import fill, snapshot
from tests.webhooks.conftest import Deliver, delivering
from webhooks import understanding
from webhooks.understanding import TRIES, note_known_since, understand_waiting


def understand() -> int:
    return understand_waiting(now=timezone.now())


@pytest.mark.django_db
class TestUnderstand:
    def test_books_what_a_delivery_says(self, order: Order, deliver: Deliver) -> None:
        ticket = order.ticket()
        delivery = deliver(Report(snapshots=(snapshot(ticket),), fills=(fill(ticket, "a", "4"),)))

        assert understand() == 1

        order.refresh_from_db()
        delivery.refresh_from_db()
        assert order.filled_quantity == Decimal(4)
        assert delivery.state == "understood"
        assert order.executions.get().evidence == f"delivery:{delivery.id}"
        assert understand() == 0

    def test_parks_what_is_about_no_order_of_ours(self, order: Order, deliver: Deliver) -> None:
        other = OrderFactory()
        delivery = deliver(Report(snapshots=(snapshot(other.ticket()),)))

        understand()

        delivery.refresh_from_db()
        other.refresh_from_db()
        assert delivery.state == "parked"
        assert ParkedFact.objects.get().account == order.account
        assert other.status is None

    def test_sets_aside_what_it_cannot_read_and_goes_on(
        self, order: Order, deliver: Deliver
    ) -> None:
        dead = deliver(Unreadable("no order in it"))
        good = deliver(Report(snapshots=(snapshot(order.ticket()),)))

        assert understand() == 2

        dead.refresh_from_db()
        good.refresh_from_db()
        assert (dead.state, good.state) == ("dead", "understood")
        assert "no order in it" in dead.note

    def test_tries_what_breaks_a_few_times_and_keeps_it(
        self, order: Order, deliver: Deliver
    ) -> None:
        delivery = deliver(ZeroDivisionError("ours"))
        good = deliver(Report(snapshots=(snapshot(order.ticket()),)))

        now = timezone.now()
        for _ in range(TRIES):
            understand_waiting(now=now)
            now += timedelta(hours=1)

        delivery.refresh_from_db()
        good.refresh_from_db()
        assert (delivery.state, delivery.failures) == ("dead", TRIES)
        assert good.state == "understood"


@pytest.mark.django_db
class TestDeadLetters:
    @pytest.mark.parametrize(
        "meaning",
        [Unreadable("no order in it"), Told(event="margin.called", is_known=False)],
        ids=["unreadable", "unknown kind"],
    )
    def test_are_kept_and_a_person_is_told_once_per_endpoint(
        self, order: Order, deliver: Deliver, meaning: Any
    ) -> None:
        first, second = deliver(meaning), deliver(meaning)

        understand()

        for letter in (first, second):
            letter.refresh_from_db()
            assert letter.state == "dead"
            assert letter.note
        assert first.event == (meaning.event if isinstance(meaning, Told) else "")
        incident = Incident.objects.get()
        assert (incident.kind, incident.severity, incident.seen) == ("dead_letter", "warning", 2)
        assert (incident.account, incident.evidence) == (order.account, f"delivery:{first.id}")
        assert auditing.first_broken(str(order.account_id)) is None

    def test_by_five_failures_too(self, deliver: Deliver) -> None:
        deliver(ZeroDivisionError("ours"))

        now = timezone.now()
        for _ in range(5):
            assert not Incident.objects.exists()
            understand_waiting(now=now)
            now += timedelta(hours=1)

        assert Incident.objects.get().kind == "dead_letter"

    def test_what_is_known_to_concern_no_order_is_understood(self, deliver: Deliver) -> None:
        delivery = deliver(Told(event="account.updated"))

        understand()

        delivery.refresh_from_db()
        assert (delivery.state, delivery.event) == ("understood", "account.updated")
        assert not Incident.objects.exists()

    @pytest.mark.parametrize(
        "trouble",
        [
            OperationalError("the server closed the connection unexpectedly"),
            OperationalError("canceling statement due to lock timeout"),
            InterfaceError("connection already closed"),
        ],
        ids=str,
    )
    def test_a_database_in_trouble_counts_against_nobody(
        self, order: Order, deliver: Deliver, monkeypatch: pytest.MonkeyPatch, trouble: Exception
    ) -> None:
        delivery = deliver(Report(snapshots=(snapshot(order.ticket()),)))
        heed = recording.heed_within

        def hindered(*args: Any, **kwargs: Any) -> Any:
            heed(*args, **kwargs)
            raise trouble

        monkeypatch.setattr(recording, "heed_within", hindered)
        now = timezone.now()
        for _ in range(2 * TRIES):
            understand_waiting(now=now)
            now += timedelta(minutes=1)
        delivery.refresh_from_db()
        order.refresh_from_db()
        assert (delivery.state, delivery.failures) == ("kept", 0)
        assert str(trouble) in delivery.note
        assert order.status is None
        assert now - timedelta(minutes=1) < (delivery.try_at or now) <= now

        monkeypatch.setattr(recording, "heed_within", heed)
        understand_waiting(now=now)
        delivery.refresh_from_db()
        assert (delivery.state, delivery.note) == ("understood", "")

    def test_a_hindered_one_holds_up_no_other(
        self, order: Order, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad = deliver(Report())
        good = deliver(Report(snapshots=(snapshot(order.ticket()),)))
        heed = recording.heed_within

        def hindered(*args: Any, evidence: str, **kwargs: Any) -> Any:
            if evidence == f"delivery:{bad.id}":
                raise OperationalError("out of shared memory")
            return heed(*args, evidence=evidence, **kwargs)

        monkeypatch.setattr(recording, "heed_within", hindered)
        assert understand() == 2

        good.refresh_from_db()
        assert good.state == "understood"

    def test_a_deadlock_is_tried_again_at_once(
        self, order: Order, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        delivery = deliver(Report(snapshots=(snapshot(order.ticket()),)))
        heed, times = recording.heed_within, iter([1, 2, 3, 4, 5, 6])

        def colliding(*args: Any, **kwargs: Any) -> Any:
            if next(times, None):
                raise OperationalError("deadlock") from psycopg.errors.DeadlockDetected()
            return heed(*args, **kwargs)

        monkeypatch.setattr(recording, "heed_within", colliding)
        understand()

        delivery.refresh_from_db()
        assert (delivery.state, delivery.failures) == ("understood", 0)


@pytest.mark.django_db
class TestAnotherAccountsOrder:
    @pytest.fixture
    def other(self, order: Order) -> Order:
        return OrderFactory(working=True, account=AccountFactory(broker="paper"))

    @pytest.mark.parametrize("by", ["broker order id", "our id"])
    def test_is_never_touched_and_a_person_is_told(
        self, order: Order, other: Order, deliver: Deliver, by: str
    ) -> None:
        ticket = other.ticket()
        if by == "broker order id":
            told = Report(
                snapshots=(snapshot(ticket, wire_id="", version=9),),
                fills=(fill(ticket, "a", "4"),),
            )
        else:
            told = Report(snapshots=(snapshot(ticket, broker_order_id="B-9", version=9),))
        rows = Order.objects.filter(id=other.id).values()
        before, feed = rows.get(), Feed.objects.filter(account=other.account).values().get()

        delivery = deliver(told)
        understand()

        delivery.refresh_from_db()
        assert delivery.state == "parked"
        assert {fact.account for fact in ParkedFact.objects.all()} == {order.account}
        assert rows.get() == before
        assert Feed.objects.filter(account=other.account).values().get() == feed
        assert not AuditEvent.objects.filter(chain=str(other.account_id)).exists()
        assert not other.snapshots.exists()
        assert not other.executions.exists()
        incident = Incident.objects.get()
        assert (incident.kind, incident.account) == ("dead_letter", order.account)
        assert "another account" in incident.says
        assert other.account.name not in incident.says

    def test_beside_our_own_is_told_too(self, order: Order, other: Order, deliver: Deliver) -> None:
        delivery = deliver(Report(snapshots=(snapshot(order.ticket()), snapshot(other.ticket()))))

        understand()

        delivery.refresh_from_db()
        order.refresh_from_db()
        other.refresh_from_db()
        assert (delivery.state, order.status, other.version) == ("understood", "new", 1)
        assert Incident.objects.get().subject.endswith(":foreign")

    def test_locks_the_record_before_the_feed_as_everybody_does(
        self, other: Order, deliver: Deliver
    ) -> None:
        deliver(Report(snapshots=(snapshot(other.ticket()),)))

        with CaptureQueriesContext(connection) as asked:
            understand()

        said = [query["sql"] for query in asked]
        record = next(i for i, sql in enumerate(said) if "orders_auditchain" in sql)
        feed = next(i for i, sql in enumerate(said) if sql.startswith('UPDATE "orders_feed"'))
        assert record < feed

    def test_at_another_broker_is_another_order(self, order: Order, deliver: Deliver) -> None:
        other = OrderFactory(working=True, account=AccountFactory(broker="scripted"))

        deliver(Report(fills=(fill(other.ticket(), "a", "4"),)))
        understand()

        assert ParkedFact.objects.count() == 1
        assert not Incident.objects.exists()

    def test_nor_by_its_own_accounts_endpoint_another_way_round(
        self, order: Order, other: Order, says: dict[bytes, Any]
    ) -> None:
        deliver = delivering(other.account, says)

        deliver(
            Report(snapshots=(snapshot(order.ticket()),), fills=(fill(order.ticket(), "a", "4"),))
        )
        understand()

        order.refresh_from_db()
        assert (order.status, order.broker_order_id) == (None, None)


@pytest.mark.django_db
def test_a_parked_delivery_is_understood_once_all_it_tells_is_known(
    order: Order, deliver: Deliver
) -> None:
    ticket = order.ticket()
    ours, elsewhere = fill(ticket, "a", "4"), fill(ticket, "b", "4", broker_order_id="elsewhere")
    early, half = deliver(Report(fills=(ours,))), deliver(Report(fills=(ours, elsewhere)))
    both = deliver(
        Report(fills=(fill(ticket, "c", "1"), fill(ticket, "d", "1", broker_order_id="B-else")))
    )
    understand()
    assert note_known_since(now=timezone.now()) == 0

    deliver(Report(snapshots=(snapshot(ticket),)))
    understand()

    assert note_known_since(now=timezone.now()) == 1
    for delivery in (early, half, both):
        delivery.refresh_from_db()
    order.refresh_from_db()
    assert (early.state, half.state, both.state) == ("understood", "parked", "parked")
    assert order.filled_quantity == 5


@pytest.mark.django_db
def test_parked_deliveries_that_tell_the_same_fact_are_all_understood(
    order: Order, deliver: Deliver
) -> None:
    ticket = order.ticket()
    swept, ours = fill(ticket, "s", "1"), fill(ticket, "a", "4")
    elsewhere = fill(ticket, "b", "4", broker_order_id="elsewhere")
    recording.heed(
        order.account,
        Report(fills=(swept,)),
        heard=Heard.POLL,
        evidence="poll",
        now=timezone.now(),
    )
    told = [(ours,), (ours,), (swept,), (swept, ours), (elsewhere,), (elsewhere,)]
    told.append((ours, elsewhere))  # none of the two is told here first, and one waits
    deliveries = [deliver(Report(fills=fills)) for fills in told]
    understand()
    assert note_known_since(now=timezone.now()) == 0

    deliver(Report(snapshots=(snapshot(ticket),)))
    understand()

    assert note_known_since(now=timezone.now()) == 4
    for delivery in deliveries:
        delivery.refresh_from_db()
    assert [delivery.state for delivery in deliveries] == ["understood"] * 4 + ["parked"] * 3


@pytest.mark.django_db
def test_parked_deliveries_are_looked_at_in_turn(
    order: Order, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = order.ticket()
    ours, elsewhere = fill(ticket, "a", "4"), fill(ticket, "b", "4", broker_order_id="elsewhere")
    for _ in range(4):
        deliver(Report(fills=(elsewhere,)))
    deliver(Report(fills=(ours,)))
    late = deliver(Report(fills=(ours,)))
    understand()
    deliver(Report(snapshots=(snapshot(ticket),)))
    understand()

    monkeypatch.setattr(understanding, "AT_ONCE", 2)
    now = timezone.now()
    marked = [note_known_since(now=now + timedelta(minutes=turn)) for turn in range(3)]

    late.refresh_from_db()
    assert (late.state, sum(marked)) == ("understood", 2)


@pytest.mark.django_db(transaction=True)
def test_many_workers_book_each_fill_once(order: Order, deliver: Deliver) -> None:
    ticket = order.ticket()
    for n in range(10):
        deliver(Report(fills=(fill(ticket, str(n), "1"),)))
        deliver(Report(snapshots=(snapshot(ticket, version=n + 1, cumulative=Decimal(n)),)))
    start = threading.Barrier(6)

    def work() -> None:
        try:
            start.wait()
            understand()
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    while understand():
        pass

    order.refresh_from_db()
    assert (order.status, order.filled_quantity) == ("filled", Decimal(10))
    assert Execution.objects.count() == 10
    assert not ParkedFact.objects.filter(taken_by=None).exists()


def test_the_paper_adapter_is_what_reads_the_paper_exchange() -> None:
    assert registry.BROKERS["paper"].adapter is PaperAdapter
