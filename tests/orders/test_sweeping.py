"""Whole accounts are read, every page of both lists, whatever the webhooks do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from brokers.errors import OutcomeUnknown
from brokers.messages import Report
from brokers.vocabulary import Status
from orders import attending, recording, sending, sweeping, timing
from orders.deriving import Flag
from orders.models import Account, AuditEvent, Execution, Feed, Incident, Order, ParkedFact
from orders.models.facts import Heard
from orders.sweeping import ADOPT_AFTER, OVERLAP
from tests.factories import AccountFactory, a_ticket, place
from tests.fakes import ScriptedBroker, fill, snapshot

pytestmark = pytest.mark.django_db


def placed_and_sent(account: Account, broker: ScriptedBroker, **terms: object) -> Order:
    order = place(account, **terms)
    sending.send(order.id)
    order.refresh_from_db()
    return order


class TestSweep:
    def test_learns_of_a_fill_that_no_webhook_told(self, broker: ScriptedBroker) -> None:
        order = placed_and_sent(AccountFactory(), broker)
        ticket = order.ticket()
        done = {"status": Status.FILLED, "cumulative": Decimal(10), "version": 2}
        broker.has(ticket, fill(ticket, "x1", "10"), **done)

        sweeping.sweep(order.account_id, now=timing.database_now())

        order.refresh_from_db()
        assert (order.status, order.filled_quantity) == (Status.FILLED, 10)
        assert {fact.heard for fact in order.executions.all()} == {Heard.POLL}
        # The trades came before the snapshot that claims them: none was ever missing.
        flagged = AuditEvent.objects.filter(
            order=order, after__flags__contains=[Flag.FILLS_MISSING]
        )
        assert not flagged.exists()

    def test_finds_an_order_in_doubt(self, broker: ScriptedBroker) -> None:
        broker.script = [OutcomeUnknown("silence")]
        order = placed_and_sent(AccountFactory(), broker)
        broker.has(order.ticket())

        sweeping.sweep(order.account_id, now=timing.database_now())

        order.refresh_from_db()
        assert order.submission == "accepted"

    def test_reads_every_page(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account = AccountFactory()
        orders = [placed_and_sent(account, broker) for _ in range(3)]
        tickets = [order.ticket() for order in orders]
        done = {"status": Status.CANCELED, "version": 2}

        def pages(since: datetime) -> Iterator[Report]:
            for ticket in tickets:
                yield Report(snapshots=(snapshot(ticket, **done),))  # type: ignore[arg-type]

        monkeypatch.setattr(broker, "orders_since", pages)
        sweeping.sweep(account.id, now=timing.database_now())

        statuses = Order.objects.filter(account=account).values_list("status", flat=True)
        assert set(statuses) == {Status.CANCELED}

    def test_takes_no_lock_over_what_has_not_changed(self, broker: ScriptedBroker) -> None:
        account = AccountFactory()
        now = timing.database_now()
        for number in range(20):
            order = placed_and_sent(account, broker)
            ticket = order.ticket()
            broker.has(ticket, fill(ticket, f"x{number}", "1"), cumulative=Decimal(1), version=2)
        for _ in range(5):
            broker.has(a_ticket(symbol="X" * 40))  # one that stays parked
        sweeping.sweep(account.id, now=now)
        before = AuditEvent.objects.count()

        with CaptureQueriesContext(
            connection,
        ) as queries:
            sweeping.sweep(account.id, now=now)

        asked = [query["sql"] for query in queries.captured_queries]
        assert not [sql for sql in asked if "FOR NO KEY UPDATE" in sql or "FOR UPDATE" in sql]
        assert len(broker.books) == 25
        # However many orders: a few questions a page. The scripted broker gives each its own.
        assert len(asked) < 12 * 2 * len(broker.books)
        assert AuditEvent.objects.count() == before

    def test_hears_a_denied_order_that_is_spoken_of_again(self, broker: ScriptedBroker) -> None:
        order = placed_and_sent(AccountFactory(), broker)
        Order.objects.filter(id=order.id).update(submission_code="denied")

        sweeping.sweep(order.account_id, now=timing.database_now())

        order.refresh_from_db()
        assert order.submission_code == ""

    def test_takes_a_trade_told_in_other_numbers_for_news(self, broker: ScriptedBroker) -> None:
        order = placed_and_sent(AccountFactory(), broker)
        ticket = order.ticket()
        for price in ("100", "101"):
            broker.has(ticket, fill(ticket, "x1", "1", price))
            sweeping.sweep(order.account_id, now=timing.database_now())

        assert order.events.filter(action="order.disputed").count() == 1

    def test_one_fact_that_no_column_holds_keeps_out_none_of_the_others(
        self, broker: ScriptedBroker
    ) -> None:
        account = AccountFactory()
        orders = [placed_and_sent(account, broker) for _ in range(3)]
        for order in orders:
            ticket = order.ticket()
            long = "x" * 129 if order is orders[1] else "x"
            broker.has(ticket, fill(ticket, long, "1"))

        sweeping.sweep(account.id, now=timing.database_now())

        traded = Execution.objects.filter(account=account).values_list("order_id", flat=True)
        assert set(traded) == {orders[0].id, orders[2].id}
        incident = Incident.objects.get(kind="unreadable")
        assert incident.subject.endswith(str(orders[1].broker_order_id))


class TestRounds:
    def test_reads_on_from_the_last_whole_round(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account, asked = AccountFactory(), []

        def pages(since: datetime) -> Iterator[Report]:
            asked.append(since)
            yield Report()

        monkeypatch.setattr(broker, "orders_since", pages)
        first = timing.database_now()
        sweeping.sweep(account.id, now=first)
        broker.silent = OutcomeUnknown("silence")
        sweeping.sweep(account.id, now=first + timedelta(minutes=10))
        broker.silent = None
        sweeping.sweep(account.id, now=first + timedelta(minutes=20))

        # A round that broke off counts for nothing.
        assert asked == [account.created_at - OVERLAP, first - OVERLAP]
        assert Feed.objects.get(account=account).swept_at == first + timedelta(minutes=20)

    def test_a_page_that_breaks_off_leaves_the_round_undone(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account = AccountFactory()
        order = placed_and_sent(account, broker)
        done = snapshot(order.ticket(), status=Status.CANCELED, version=2)

        def breaks(since: datetime) -> Iterator[Report]:
            yield Report(snapshots=(done,))
            raise OutcomeUnknown("cut off")

        monkeypatch.setattr(broker, "orders_since", breaks)
        assert not sweeping.sweep(account.id, now=timing.database_now())

        order.refresh_from_db()
        feed = Feed.objects.get(account=account)
        assert order.status == Status.CANCELED  # what was read counts
        assert feed.swept_at is None
        assert feed.silent_since is not None

    def test_an_account_is_handed_out_to_one_and_again_if_it_got_lost(self) -> None:
        account = AccountFactory()
        AccountFactory(is_open=False)
        now = timing.database_now()

        assert attending.accounts_due(now=now) == [account.id]
        assert attending.accounts_due(now=now) == []
        assert attending.accounts_due(now=now + timing.ACCOUNT_SWEEP) == [account.id]

    def test_is_due_again_a_round_after_it_began(self, broker: ScriptedBroker) -> None:
        account = AccountFactory()
        began = timing.database_now()

        sweeping.sweep(account.id, now=began)

        assert Feed.objects.get(account=account).sweep_at == began + timing.ACCOUNT_SWEEP


class TestStrays:
    """What the broker has and we have no record of."""

    def test_an_order_entered_elsewhere_is_taken_over_once_it_has_been_seen_twice(
        self, broker: ScriptedBroker
    ) -> None:
        account = AccountFactory()
        ticket = a_ticket()
        broker.has(ticket, fill(ticket, "x1", "4"), cumulative=Decimal(4))
        now = timing.database_now()

        sweeping.sweep(account.id, now=now)
        assert Order.objects.count() == 0
        assert Feed.objects.get(account=account).sweep_at == now + ADOPT_AFTER
        sweeping.sweep(account.id, now=now + ADOPT_AFTER)

        order = Order.objects.get(account=account)
        assert (order.source, order.submission, order.status) == (
            "broker",
            "accepted",
            Status.PARTIALLY_FILLED,
        )
        assert (order.filled_quantity, order.wire_id) == (4, ticket.wire_id)
        assert order.look_at is not None
        assert not ParkedFact.objects.filter(taken_by__isnull=True).exists()
        assert (
            Feed.objects.get(account=account).sweep_at == now + ADOPT_AFTER + timing.ACCOUNT_SWEEP
        )

    def test_an_order_known_by_a_trade_alone_is_read(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account = AccountFactory()
        ticket = a_ticket()
        broker.has(ticket, fill(ticket, "x1", "4"), cumulative=Decimal(4))
        monkeypatch.setattr(broker, "orders_since", lambda since: iter(()))  # it is an old one
        now = timing.database_now()

        sweeping.sweep(account.id, now=now)
        sweeping.sweep(account.id, now=now + ADOPT_AFTER)

        assert Order.objects.get(account=account).filled_quantity == 4

    def test_an_order_we_were_told_of_and_the_broker_denies_is_left_and_said(
        self, broker: ScriptedBroker
    ) -> None:
        account = AccountFactory()
        foreign = a_ticket()
        now = timing.database_now()
        recording.heed(
            account,
            Report(snapshots=(snapshot(foreign),)),
            heard=Heard.WEBHOOK,
            evidence="delivery:1",
            now=now,
        )

        sweeping.sweep(account.id, now=now + ADOPT_AFTER)
        assert not Incident.objects.exists()  # a replica may lag so far behind
        sweeping.sweep(account.id, now=now + sweeping.MISSED_AFTER)

        assert Order.objects.count() == 0
        assert Incident.objects.get().kind == "unreadable"

    def test_what_was_left_is_settled_once_an_order_has_it(self, broker: ScriptedBroker) -> None:
        account = AccountFactory()
        late = a_ticket()
        now = timing.database_now()
        report = Report(fills=(fill(late, "x1", "1"),))
        recording.heed(account, report, heard=Heard.WEBHOOK, evidence="delivery:1", now=now)
        sweeping.sweep(account.id, now=now + sweeping.MISSED_AFTER)
        assert Incident.objects.filter(closed_at__isnull=True).count() == 1

        broker.has(late, fill(late, "x1", "1"))
        sweeping.sweep(account.id, now=now + 2 * sweeping.MISSED_AFTER)

        assert Order.objects.count() == 1
        assert not Incident.objects.filter(kind="unreadable", closed_at__isnull=True).exists()

    def test_an_order_of_ours_is_never_taken_for_anothers(self, broker: ScriptedBroker) -> None:
        order = place()
        broker.has(order.ticket())
        now = timing.database_now()

        for later in range(3):
            sweeping.sweep(order.account_id, now=now + later * ADOPT_AFTER)

        assert Order.objects.count() == 1

    def test_one_that_cannot_be_read_keeps_none_of_the_others_waiting(
        self, broker: ScriptedBroker
    ) -> None:
        account = AccountFactory()
        broker.has(a_ticket(symbol="X" * 40))
        good = a_ticket()
        broker.has(good)
        now = timing.database_now()

        for later in range(2):
            assert sweeping.sweep(account.id, now=now + later * ADOPT_AFTER)

        assert Order.objects.get().wire_id == good.wire_id
        assert "symbol" in Incident.objects.get(kind="unreadable").says


def test_fills_that_are_missing_are_fetched_at_once(broker: ScriptedBroker) -> None:
    order = placed_and_sent(AccountFactory(), broker)
    ticket = order.ticket()
    claims = broker.has(ticket, fill(ticket, "x1", "4"), cumulative=Decimal(4), version=2)
    now = timing.database_now()
    told = Report(snapshots=claims.snapshots)
    recording.heed(order.account, told, heard=Heard.WEBHOOK, evidence="delivery:1", now=now)
    order.refresh_from_db()
    assert order.flags == [Flag.FILLS_MISSING]

    [due] = attending.due(now=now + timing.PENDING_POLL)
    attending.look(due.order_id, now=now + timing.PENDING_POLL)

    order.refresh_from_db()
    assert (order.filled_quantity, order.flags) == (4, [])
