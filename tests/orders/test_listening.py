"""Webhooks that do not come are noticed by what polling finds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from brokers.messages import Report
from brokers.vocabulary import Status
from orders import recording, sending, timing
from orders.models import Account, Feed, Incident, Order
from orders.models.facts import Heard
from orders.recording.listening import PUSHED_WITHIN, SUSPECT_AFTER
from tests.factories import AccountFactory, UserFactory, place
from tests.fakes import ScriptedBroker, fill, snapshot
from webhooks.models import Endpoint

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(broker: ScriptedBroker) -> Account:
    """An account whose broker has been given an address to tell news to."""
    made = AccountFactory()
    Endpoint.objects.create(account=made, created_at=timing.database_now())
    return made


def sent(account: Account) -> Order:
    order = place(account)
    sending.send(order.id)
    order.refresh_from_db()
    return order


def hears(order: Order, heard: str, *, now: datetime, **says: Any) -> None:
    said = {"status": Status.CANCELED, "version": 2} | says
    report = Report(snapshots=(snapshot(order.ticket(), **said),))
    recording.heed(order.account, report, heard=heard, evidence="test", now=now)


def polled_alone(account: Account, times: int, *, now: datetime) -> None:
    """Let polling find that so many orders have ended, and let the time for a webhook pass."""
    for _ in range(times):
        hears(sent(account), Heard.POLL, now=now - PUSHED_WITHIN)
    recording.judge_feeds(now=now)


class TestCounting:
    def test_what_polling_alone_found_is_held_against_the_feed(self, account: Account) -> None:
        now = timing.database_now()

        polled_alone(account, SUSPECT_AFTER - 1, now=now)
        recording.judge_feeds(now=now)  # each counts once

        feed = Feed.objects.get(account=account)
        assert (feed.unpushed, feed.suspect_since) == (SUSPECT_AFTER - 1, None)

    def test_so_is_a_fill(self, account: Account) -> None:
        order, now = sent(account), timing.database_now()
        report = Report(fills=(fill(order.ticket(), "x1", "1"),))
        recording.heed(account, report, heard=Heard.POLL, evidence="sweep", now=now)

        recording.judge_feeds(now=now + PUSHED_WITHIN)

        assert Feed.objects.get(account=account).unpushed == 1

    def test_a_webhook_may_be_a_little_slower(self, account: Account) -> None:
        order, now = sent(account), timing.database_now()
        hears(order, Heard.POLL, now=now)
        recording.judge_feeds(now=now + PUSHED_WITHIN - timedelta(microseconds=1))
        hears(order, Heard.WEBHOOK, now=now)  # says the same once more

        recording.judge_feeds(now=now + PUSHED_WITHIN)

        assert Feed.objects.get(account=account).unpushed == 0

    @pytest.mark.parametrize("heard", [Heard.ANSWER, Heard.WEBHOOK, Heard.PERSON])
    def test_nothing_else_counts(self, account: Account, heard: str) -> None:
        now = timing.database_now()
        hears(sent(account), heard, now=now)

        recording.judge_feeds(now=now + PUSHED_WITHIN)

        assert Feed.objects.get(account=account).unpushed == 0

    def test_nor_does_a_new_stamp_on_an_old_status(self, account: Account) -> None:
        now = timing.database_now()
        hears(sent(account), Heard.POLL, now=now, status=Status.NEW)

        recording.judge_feeds(now=now + PUSHED_WITHIN)

        assert Feed.objects.get(account=account).unpushed == 0

    def test_a_broker_that_was_given_no_address_is_blamed_for_nothing(
        self, account: Account
    ) -> None:
        Endpoint.objects.update(decommissioned_at=timing.database_now())

        polled_alone(account, SUSPECT_AFTER, now=timing.database_now())

        assert Feed.objects.get(account=account).unpushed == 0
        assert not Order.objects.filter(unpushed_at__isnull=False).exists()


class TestSuspect:
    def test_is_said_once_and_working_orders_are_asked_after_more_often(
        self, account: Account
    ) -> None:
        now = timing.database_now()
        polled_alone(account, SUSPECT_AFTER, now=now)
        polled_alone(account, 1, now=now)
        working = sent(account)

        hears(working, Heard.POLL, now=now, status=Status.NEW)

        assert Feed.objects.get(account=account).suspect_since == now
        incident = Incident.objects.get()
        assert (incident.kind, incident.severity, incident.seen) == ("feed_silent", "warning", 1)
        working.refresh_from_db()
        assert working.look_at == now + timing.PENDING_POLL

    def test_ends_with_a_webhook_that_brings_news(self, account: Account) -> None:
        now = timing.database_now()
        polled_alone(account, SUSPECT_AFTER, now=now)
        working = sent(account)

        hears(working, Heard.WEBHOOK, now=now, status=Status.NEW, version=3)

        feed = Feed.objects.get(account=account)
        assert (feed.suspect_since, feed.unpushed, feed.pushed_at) == (None, 0, now)
        assert Incident.objects.get().closed_at == now
        working.refresh_from_db()
        hears(working, Heard.POLL, now=now, status=Status.NEW, version=4)
        working.refresh_from_db()
        assert working.look_at == now + timing.WORKING_POLL

    def test_does_not_end_with_one_that_says_what_is_known(self, account: Account) -> None:
        now = timing.database_now()
        order = sent(account)
        polled_alone(account, SUSPECT_AFTER, now=now)

        hears(order, Heard.WEBHOOK, now=now, status=Status.NEW, version=1)

        assert Feed.objects.get(account=account).suspect_since == now

    def test_ends_when_the_broker_is_no_longer_asked_to_tell(self, account: Account) -> None:
        now = timing.database_now()
        polled_alone(account, SUSPECT_AFTER, now=now)
        Endpoint.objects.update(decommissioned_at=now)

        polled_alone(account, 1, now=now)

        assert Feed.objects.get(account=account).suspect_since is None
        assert Incident.objects.get().closed_at == now

    def test_shows_on_the_strip(self, account: Account, client: Client) -> None:
        now = timing.database_now()
        trader = UserFactory()
        account.grants.create(user=trader, role="trader")
        Feed.objects.update(suspect_since=now, heard_at=now)
        client.force_login(trader)

        assert b"no webhooks" in client.get("/desk/strip").content

    def test_an_account_being_read_shows_on_the_strip(
        self, account: Account, client: Client
    ) -> None:
        now = timing.database_now()
        trader = UserFactory()
        account.grants.create(user=trader, role="trader")
        Feed.objects.update(heard_at=now)
        Account.objects.update(unsure_since=now)
        client.force_login(trader)

        assert b"being read" in client.get("/desk/strip").content
