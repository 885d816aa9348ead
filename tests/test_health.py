"""What /healthz and /readyz say, and how soon."""

import threading
import time
from datetime import timedelta

import pytest
import redis
from django.db import OperationalError
from django.utils import timezone

from config import health
from config.health import Part
from orders import guarding
from orders.models import Feed, Heartbeat, Stream
from tests.factories import AccountFactory


@pytest.fixture
def swept(transactional_db):
    """A desk whose sweep has just done its round, on an anchored database."""
    Heartbeat.objects.create(name="anchor", at=timezone.now())
    return Heartbeat.objects.create(name="sweep", at=timezone.now())


def ask(client):
    answer = client.get("/readyz")
    told = answer.json()
    return answer.status_code, told["status"], told["parts"]


def test_a_living_process_says_so_and_asks_nothing(client):
    answer = client.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


class TestReady:
    def test_names_each_part(self, client, swept):
        status, overall, parts = ask(client)

        assert (status, overall) == (200, "ok")
        assert list(parts) == ["database", "migrations", "sweep", "anchor", "brokers", "redis"]
        assert {part["state"] for part in parts.values()} == {"ok"}

    def test_fails_without_a_sweep(self, client, transactional_db):
        status, overall, parts = ask(client)

        assert (status, overall, parts["sweep"]["state"]) == (503, "failed", "failed")

    def test_fails_when_the_sweep_is_late(self, client, swept):
        Heartbeat.objects.update(at=timezone.now() - timedelta(minutes=2))

        status, _, parts = ask(client)

        assert (status, parts["sweep"]["state"]) == (503, "failed")
        assert "12" in parts["sweep"]["says"]

    def test_is_degraded_by_a_silent_broker_and_does_not_name_it(self, client, swept):
        account = AccountFactory(name="Very private account")
        Feed.objects.filter(account=account).update(silent_since=timezone.now(), failure="No.")

        status, overall, parts = ask(client)

        assert (status, overall, parts["brokers"]["state"]) == (200, "degraded", "degraded")
        assert parts["brokers"]["says"] == "1 of 1 brokers do not answer."

    def test_is_degraded_while_an_account_waits_for_a_whole_round(self, client, swept):
        AccountFactory(unsure_since=timezone.now())

        status, overall, parts = ask(client)

        assert (status, overall) == (200, "degraded")
        assert parts["brokers"]["says"] == "1 of 1 accounts wait for a whole round."

    def test_is_degraded_where_webhooks_do_not_come(self, client, swept):
        account = AccountFactory()
        Feed.objects.filter(account=account).update(suspect_since=timezone.now())

        status, overall, parts = ask(client)

        assert (status, overall) == (200, "degraded")
        assert parts["brokers"]["says"] == "News of 1 of 1 accounts is not pushed."

    def test_is_degraded_where_nobody_keeps_a_stream(self, client, swept):
        now = timezone.now()
        Stream.objects.create(account=AccountFactory(), state="live", since=now, held_until=now)

        status, overall, parts = ask(client)

        assert (status, overall) == (200, "degraded")
        assert parts["brokers"]["says"] == "The streams of 1 of 1 accounts are not live."

    def test_is_degraded_without_an_anchor(self, client, swept):
        Heartbeat.objects.filter(name="anchor").delete()

        status, overall, parts = ask(client)

        assert (status, overall, parts["anchor"]["state"]) == (200, "degraded", "degraded")

    def test_is_degraded_on_a_database_that_does_not_say_which_it_is(
        self, client, swept, monkeypatch
    ):
        monkeypatch.setattr(guarding, "_may_identify", False)

        status, overall, parts = ask(client)

        assert (status, overall, parts["anchor"]["state"]) == (200, "degraded", "degraded")

    def test_is_degraded_without_redis(self, client, swept, monkeypatch):
        dead = redis.Redis(unix_socket_path="/nonexistent/redis.sock")
        monkeypatch.setattr(health, "_redis_client", lambda: dead)

        status, overall, parts = ask(client)

        assert (status, overall, parts["redis"]["state"]) == (200, "degraded", "degraded")

    def test_fails_when_migrations_are_missing(self, client, swept, monkeypatch):
        monkeypatch.setattr(health, "_migrated", False)
        monkeypatch.setattr(
            health.MigrationExecutor, "migration_plan", lambda *args: [("one", False)]
        )

        status, _, parts = ask(client)

        assert (status, parts["migrations"]["state"]) == (503, "failed")
        assert "migrate" in parts["migrations"]["says"]

    def test_fails_without_a_database(self, client, swept, monkeypatch):
        def away():
            raise OperationalError("connection to 10.0.0.7 failed")

        self.check(monkeypatch, "database", away)
        status, _, parts = ask(client)

        assert (status, parts["database"]) == (
            503,
            {"state": "failed", "says": "OperationalError."},
        )
        assert parts["sweep"]["state"] == "failed"

    def test_never_waits_long(self, client, swept, monkeypatch):
        released = threading.Event()
        self.check(monkeypatch, "database", lambda: released.wait(20) and Part("ok", ""))
        began = time.monotonic()

        status, _, parts = ask(client)

        took = time.monotonic() - began
        released.set()
        assert took < 2
        assert (status, parts["database"]["state"]) == (503, "failed")
        assert parts["redis"]["state"] == "ok"

    def test_begins_no_more_threads_when_all_hang(self, client, swept, monkeypatch):
        monkeypatch.setattr(health, "_asking", threading.BoundedSemaphore(1))
        health._asking.acquire()

        status, _, _ = ask(client)

        assert status == 503

    def check(self, monkeypatch, name, check):
        database, others = health.CHECKS
        monkeypatch.setattr(health, "CHECKS", ({**database, name: check}, others))
