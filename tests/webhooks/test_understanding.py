"""Kept deliveries become facts: once each, in any order, and a bad one never stops the queue."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from brokers import registry
from brokers.errors import Unreadable
from brokers.messages import Delivery as Told
from brokers.messages import Report
from brokers.paper.adapter import PaperAdapter
from orders import actors
from orders.models import Execution, Order, ParkedFact
from tests.factories import AccountFactory, OrderFactory
from tests.fakes import fill, snapshot
from webhooks.enrolling import enroll
from webhooks.models import Delivery, Endpoint
from webhooks.understanding import TRIES, understand_waiting


@pytest.fixture
def order(says: dict[bytes, Any]) -> Order:
    return OrderFactory(sending=True, account=AccountFactory(broker="paper"))


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> dict[bytes, Any]:
    """What each body says: the parsing itself is the adapter's, and tested there."""
    meanings: dict[bytes, Any] = {}

    def read(body: bytes) -> Told:
        meaning = meanings[body]
        if isinstance(meaning, Exception):
            raise meaning
        return Told(event="order.updated", report=meaning)

    monkeypatch.setattr(registry.BROKERS["paper"].adapter, "read_webhook", staticmethod(read))
    return meanings


@pytest.fixture
def deliver(order: Order, says: dict[bytes, Any]) -> Callable[[Any], Delivery]:
    endpoint, _ = enroll(order.account, actor=actors.component("t"), now=timezone.now())

    def keep(meaning: Any) -> Delivery:
        body = f"body {len(says)}".encode()
        says[body] = meaning
        return _kept(endpoint, body)

    return keep


def _kept(endpoint: Endpoint, body: bytes) -> Delivery:
    return Delivery.objects.create(
        endpoint=endpoint,
        delivery_id=body.decode(),
        digest=body,
        body=body,
        received_at=timezone.now(),
    )


def understand() -> int:
    return understand_waiting(now=timezone.now())


@pytest.mark.django_db
class TestUnderstand:
    def test_books_what_a_delivery_says(
        self, order: Order, deliver: Callable[[Any], Delivery]
    ) -> None:
        ticket = order.ticket()
        delivery = deliver(Report(snapshots=(snapshot(ticket),), fills=(fill(ticket, "a", "4"),)))

        assert understand() == 1

        order.refresh_from_db()
        delivery.refresh_from_db()
        assert order.filled_quantity == Decimal(4)
        assert delivery.state == "understood"
        assert order.executions.get().evidence == f"delivery:{delivery.id}"
        assert understand() == 0

    def test_parks_what_is_about_no_order_of_ours(
        self, order: Order, deliver: Callable[[Any], Delivery]
    ) -> None:
        other = OrderFactory()
        delivery = deliver(Report(snapshots=(snapshot(other.ticket()),)))

        understand()

        delivery.refresh_from_db()
        other.refresh_from_db()
        assert delivery.state == "parked"
        assert ParkedFact.objects.get().account == order.account
        assert other.status is None

    def test_sets_aside_what_it_cannot_read_and_goes_on(
        self, order: Order, deliver: Callable[[Any], Delivery]
    ) -> None:
        dead = deliver(Unreadable("no order in it"))
        good = deliver(Report(snapshots=(snapshot(order.ticket()),)))

        assert understand() == 2

        dead.refresh_from_db()
        good.refresh_from_db()
        assert (dead.state, good.state) == ("dead", "understood")
        assert "no order in it" in dead.note

    def test_tries_what_breaks_a_few_times_and_keeps_it(
        self, order: Order, deliver: Callable[[Any], Delivery]
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

    def test_replaying_every_delivery_changes_nothing(
        self, order: Order, deliver: Callable[[Any], Delivery]
    ) -> None:
        ticket = order.ticket()
        deliver(Report(snapshots=(snapshot(ticket),), fills=(fill(ticket, "a", "4"),)))
        deliver(Report(fills=(fill(ticket, "b", "6"),)))
        understand()
        order.refresh_from_db()
        version = order.version

        Delivery.objects.update(state="kept")
        understand()

        order.refresh_from_db()
        assert (order.version, order.status) == (version, "filled")


@pytest.mark.django_db(transaction=True)
def test_many_workers_book_each_fill_once(order: Order, deliver: Callable[[Any], Delivery]) -> None:
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
