"""What no secret signed: kept within bounds, without effect, and verified again when asked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, connections
from django.utils import timezone

from brokers import signatures
from brokers.messages import Report
from brokers.signatures import TOLERANCE
from orders import auditing
from orders.models import AuditEvent, Incident, Order
from tests.fakes import fill, snapshot
from tests.webhooks.conftest import TESTS, kept
from webhooks import quarantining
from webhooks.enrolling import decommission, enroll, retire, rotate
from webhooks.models import Delivery, Endpoint, EndpointSecret, Quarantined, Reception
from webhooks.quarantining import (
    ALARMING,
    KEPT_FOR,
    MINUTE,
    SAMPLE_BYTES,
    SAMPLE_ROWS,
    Reverified,
    Stray,
    TurnedAway,
    quarantine,
    reverify,
    tidy,
)
from webhooks.trusting import note_used
from webhooks.understanding import understand_waiting

THEIRS = "whsec_" + "VGhlaXJz" * 4  # what the broker signs with
SECOND = timedelta(seconds=1)


@pytest.fixture
def endpoint(order: Order) -> Endpoint:
    """An endpoint whose secret has been mistyped."""
    return enroll(order.account, actor=TESTS, now=timezone.now())[0]


def stray(
    endpoint: Endpoint,
    body: bytes = b"{}",
    *,
    at: datetime | None = None,
    secret: str = THEIRS,
    headers: dict[str, str] | None = None,
    stamp: datetime | None = None,
) -> Stray:
    at = at or timezone.now()
    seconds = int((stamp or at).timestamp())
    signed = {
        "webhook-id": f"msg_{body.decode()[:20]}",
        "webhook-timestamp": str(seconds),
        "webhook-signature": signatures.sign(secret, f"msg_{body.decode()[:20]}", seconds, body),
    }
    return Stray(
        endpoint_id=endpoint.id,
        headers=signed | (headers or {}),
        body=body,
        received_at=at,
        why="No active secret signed this delivery.",
    )


def turn_away(*strays: Stray, now: datetime | None = None) -> None:
    """Turn deliveries away, each in a round of its own."""
    for each in strays:
        told = TurnedAway()
        told.add(each)
        quarantine({each.endpoint_id: told}, now=now or timezone.now())


def bodies() -> list[bytes]:
    return [bytes(row.body) for row in Quarantined.objects.order_by("id")]


@pytest.mark.django_db
class TestBounds:
    def test_the_oldest_of_an_endpoint_go(
        self, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(quarantining, "MOST_ROWS", 3)
        other, _ = enroll(endpoint.account, actor=TESTS, now=timezone.now())
        turn_away(stray(other, b"other"))

        turn_away(*(stray(endpoint, b"%d" % n) for n in range(5)))

        assert bodies() == [b"other", b"2", b"3", b"4"]

    def test_so_many_bytes_of_an_endpoint(
        self, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        size = quarantining.size_of(stray(endpoint, b"0"))
        monkeypatch.setattr(quarantining, "MOST_BYTES", 2 * size)

        turn_away(*(stray(endpoint, b"%d" % n) for n in range(4)))

        assert bodies() == [b"2", b"3"]

    def test_so_many_bytes_in_all(
        self, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other, _ = enroll(endpoint.account, actor=TESTS, now=timezone.now())
        size = quarantining.size_of(stray(endpoint, b"0"))
        monkeypatch.setattr(quarantining, "MOST_BYTES_IN_ALL", 3 * size)

        turn_away(*(stray(each, b"%d" % n) for n in range(2) for each in (endpoint, other)))

        assert bodies() == [b"0", b"1", b"1"]

    def test_no_longer_than_a_week_even_if_nothing_comes(self, endpoint: Endpoint) -> None:
        now = timezone.now()
        turn_away(stray(endpoint, b"old", at=now), stray(endpoint, b"new", at=now + SECOND))

        tidy(now=now + KEPT_FOR)

        assert bodies() == [b"new"]

    def test_a_round_keeps_a_sample_and_counts_the_rest(self, endpoint: Endpoint) -> None:
        told = TurnedAway()
        for n in range(SAMPLE_ROWS + 5):
            told.add(stray(endpoint, b"%d" % n))

        quarantine({endpoint.id: told}, now=timezone.now())

        assert len(bodies()) == SAMPLE_ROWS
        reception = Reception.objects.get()
        assert (reception.turned_away, reception.not_kept) == (SAMPLE_ROWS + 5, 5)

    def test_a_round_keeps_so_many_bytes(self, endpoint: Endpoint) -> None:
        told = TurnedAway()
        for n in range(5):
            told.add(stray(endpoint, (b"%d" % n) * (SAMPLE_BYTES // 4)))

        assert (len(told.sample), told.count, told.not_kept) == (3, 5, 2)

    def test_headers_of_no_end_are_not_kept(self, endpoint: Endpoint) -> None:
        turn_away(stray(endpoint, headers={"x": "y" * quarantining.LONGEST_HEADERS}))

        assert bodies() == []
        assert Reception.objects.get().not_kept == 1

    def test_a_repeated_one_is_kept_as_it_first_came_and_counted(self, endpoint: Endpoint) -> None:
        now = timezone.now()
        told = TurnedAway()
        for n in range(3):
            told.add(stray(endpoint, at=now + n * SECOND))
        quarantine({endpoint.id: told}, now=now)
        turn_away(stray(endpoint, at=now + 5 * SECOND))

        row = Quarantined.objects.get()
        assert (row.seen, row.received_at) == (4, now)
        assert row.last_seen_at == now + 5 * SECOND

    def test_takes_what_no_database_takes(self, endpoint: Endpoint) -> None:
        turn_away(stray(endpoint, b"\x00\x01", headers={"x-\x00": "\x00"}))

        assert Quarantined.objects.get().headers["x-\ufffd"] == "\ufffd"

    def test_keeps_no_signature_and_no_secret_in_the_open(self, endpoint: Endpoint) -> None:
        for _ in range(2):
            turn_away(stray(endpoint, headers={"authorization": "Bearer canary-77"}))

        with connection.cursor() as cursor:
            cursor.execute("SELECT row_to_json(q)::text FROM webhooks_quarantined AS q")
            (everything,) = cursor.fetchone()
        assert "canary-77" not in everything
        assert everything.count("gAAAA") == 2  # the first copy's proof and the last one's
        assert "v1," not in everything


@pytest.mark.django_db(transaction=True)
def test_a_retry_while_all_is_verified_again_waits_for_it(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn_away(stray(endpoint, b"one"))
    failed: list[BaseException] = []

    def retry() -> None:
        try:
            turn_away(stray(endpoint, b"one"))
        except BaseException as error:  # noqa: BLE001 — it is raised in another thread
            failed.append(error)
        finally:
            connections.close_all()

    retrying = threading.Thread(target=retry)
    move = quarantining._move

    def interrupted(*args: Any) -> int:
        retrying.start()
        retrying.join(0.5)
        return move(*args)

    monkeypatch.setattr(quarantining, "_move", interrupted)
    rotate(endpoint, given=THEIRS, actor=TESTS, now=timezone.now())
    retrying.join()

    assert failed == []
    assert (Delivery.objects.count(), Quarantined.objects.count()) == (1, 1)
    assert Reception.objects.get().turned_away == 2


@pytest.mark.django_db
def test_a_flood_pushes_nothing_verified_out(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = kept(endpoint, b"ours")
    monkeypatch.setattr(quarantining, "MOST_ROWS", 2)
    monkeypatch.setattr(quarantining, "MOST_BYTES_IN_ALL", 300)

    turn_away(*(stray(endpoint, b"%d" % n * 100) for n in range(9)))

    assert Delivery.objects.get() == verified
    assert Quarantined.objects.count() <= 2


@pytest.mark.django_db(transaction=True)
def test_rounds_of_several_processes_do_not_get_in_each_others_way(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantining, "MOST_ROWS", 8)
    start = threading.Barrier(4)
    done: list[int] = []

    def work() -> None:
        try:
            start.wait()
            turn_away(*(stray(endpoint, b"%d" % n) for n in range(10)))
            done.append(1)
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert len(done) == 4
    assert Quarantined.objects.count() == 8
    assert Reception.objects.get().turned_away == 40


@pytest.mark.django_db
class TestIncident:
    @pytest.fixture
    def now(self) -> datetime:
        return timezone.now()

    def flood(self, endpoint: Endpoint, now: datetime, count: int = ALARMING) -> None:
        turn_away(*(stray(endpoint, b"%d" % n, at=now) for n in range(count)), now=now)

    def test_is_raised_by_so_many_within_a_minute(self, endpoint: Endpoint, now: datetime) -> None:
        self.flood(endpoint, now, ALARMING - 1)
        assert not Incident.objects.exists()

        turn_away(stray(endpoint, b"last", at=now + MINUTE), now=now + MINUTE)

        incident = Incident.objects.get()
        assert (incident.kind, incident.severity) == ("unverified", "warning")
        assert (incident.account, incident.subject) == (endpoint.account, endpoint.place)
        assert auditing.first_broken(str(endpoint.account_id)) is None

    def test_is_not_raised_by_a_few_each_hour(self, endpoint: Endpoint, now: datetime) -> None:
        for n in range(3 * ALARMING):
            at = now + n * MINUTE / (ALARMING - 2)
            turn_away(stray(endpoint, b"%d" % n, at=at), now=at)

        assert not Incident.objects.exists()

    def test_is_counted_up_once_a_minute_at_most(self, endpoint: Endpoint, now: datetime) -> None:
        self.flood(endpoint, now, 3 * ALARMING)
        assert Incident.objects.get().seen == 1

        self.flood(endpoint, now + MINUTE)
        assert Incident.objects.get().seen == 2

    def test_ends_once_deliveries_are_verified_again(
        self, endpoint: Endpoint, now: datetime
    ) -> None:
        secret = endpoint.secrets.get()
        self.flood(endpoint, now)

        tidy(now=now + 10 * MINUTE)
        assert Incident.objects.open().exists()  # nothing has come since
        note_used({secret.pk: now - SECOND})
        tidy(now=now + 10 * MINUTE)
        assert Incident.objects.open().exists()  # what was verified came before
        note_used({secret.pk: now + SECOND})
        tidy(now=now + MINUTE)
        assert Incident.objects.open().exists()  # the next one may be forged again

        tidy(now=now + MINUTE + SECOND)
        assert Incident.objects.get().outcome == "Deliveries are verified again."

    def test_ends_with_its_endpoint(self, endpoint: Endpoint, now: datetime) -> None:
        self.flood(endpoint, now)

        decommission(endpoint, actor=TESTS, now=now)

        assert not Incident.objects.open().exists()

    def test_ends_when_all_was_verified_after_all(self, endpoint: Endpoint, now: datetime) -> None:
        self.flood(endpoint, now)

        rotate(endpoint, given=THEIRS, actor=TESTS, now=now)

        assert "verified since" in Incident.objects.get().outcome
        turn_away(stray(endpoint, b"one more", at=now, secret="whsec_" + "QUJD" * 8), now=now)
        assert not Incident.objects.open().exists()


@pytest.mark.django_db
class TestReverify:
    @pytest.fixture
    def told(self, order: Order, says: dict[bytes, Any]) -> dict[bytes, Any]:
        """Two deliveries that make up an order's life."""
        ticket = order.ticket()
        says[b"one"] = Report(snapshots=(snapshot(ticket),), fills=(fill(ticket, "a", "4"),))
        says[b"two"] = Report(fills=(fill(ticket, "b", "6"),))
        return says

    def again(self, endpoint: Endpoint) -> Reverified:
        return reverify(endpoint, actor=TESTS, now=timezone.now())

    def test_moves_what_the_right_secret_signed_into_the_inbox(
        self, order: Order, endpoint: Endpoint, told: dict[bytes, Any]
    ) -> None:
        hour_ago = timezone.now() - timedelta(hours=1)
        turn_away(stray(endpoint, b"one", at=hour_ago), stray(endpoint, b"two", at=hour_ago))
        other = "whsec_" + "QUJD" * 8
        turn_away(stray(endpoint, b"forged", secret=other))
        order.refresh_from_db()
        assert (order.status, understand_waiting(now=timezone.now())) == (None, 0)

        added, _ = rotate(endpoint, given=THEIRS, actor=TESTS, now=timezone.now())
        understand_waiting(now=timezone.now())

        order.refresh_from_db()
        assert (order.status, order.filled_quantity) == ("filled", 10)
        assert bodies() == [b"forged"]
        delivery = Delivery.objects.earliest("id")
        assert (delivery.delivery_id, delivery.received_at) == ("msg_one", hour_ago)
        assert "characters" in delivery.headers["webhook-signature"]
        added.refresh_from_db()
        assert added.last_used_at == hour_ago
        row = AuditEvent.objects.get(action="endpoint.reverified")
        assert (row.actor_name, row.subject) == ("tests", str(endpoint.id))
        assert row.after == {"verified": 2, "new": 2, "left": 1}

    def test_moves_what_the_inbox_has_only_once(
        self, order: Order, endpoint: Endpoint, told: dict[bytes, Any]
    ) -> None:
        turn_away(stray(endpoint, b"one"))
        rotate(endpoint, given=THEIRS, actor=TESTS, now=timezone.now())
        turn_away(stray(endpoint, b"one"))  # turned away in the second before the new one counted

        assert self.again(endpoint) == Reverified(verified=1, new=0, left=0)
        assert self.again(endpoint) == Reverified(verified=0, new=0, left=0)

        assert Delivery.objects.count() == 1
        assert not Delivery.objects.get().is_contradicting

    def test_holds_a_stamp_against_when_it_came(
        self, endpoint: Endpoint, told: dict[bytes, Any]
    ) -> None:
        at = timezone.now() - timedelta(days=1)
        turn_away(stray(endpoint, b"one", at=at, stamp=at - TOLERANCE + SECOND))
        turn_away(stray(endpoint, b"two", at=at, stamp=at - TOLERANCE - SECOND))

        rotate(endpoint, given=THEIRS, actor=TESTS, now=timezone.now())

        assert bodies() == [b"two"]
        assert Delivery.objects.get().delivery_id == "msg_one"

    @pytest.mark.parametrize("one_round", [True, False])
    @pytest.mark.parametrize("good", ["first", "last"])
    def test_goes_by_the_first_copy_and_by_the_last(
        self, endpoint: Endpoint, told: dict[bytes, Any], good: str, one_round: bool
    ) -> None:
        came, again = timezone.now() - timedelta(hours=2), timezone.now() - timedelta(hours=1)
        other = "whsec_" + "QUJD" * 8
        copies = [
            stray(endpoint, b"one", at=came, secret=THEIRS if good == "first" else other),
            stray(endpoint, b"one", at=again, secret=THEIRS if good == "last" else other),
        ]
        if one_round:
            told_at_once = TurnedAway()
            for copy in copies:
                told_at_once.add(copy)
            quarantine({endpoint.id: told_at_once}, now=timezone.now())
        else:
            turn_away(*copies)

        rotate(endpoint, given=THEIRS, actor=TESTS, now=timezone.now())

        assert bodies() == []
        assert Delivery.objects.get().received_at == (came if good == "first" else again)

    def test_holds_a_retrys_stamp_against_when_the_retry_came(
        self, endpoint: Endpoint, told: dict[bytes, Any]
    ) -> None:
        came = timezone.now() - timedelta(days=1)
        turn_away(stray(endpoint, b"one", at=came, stamp=came - TOLERANCE - SECOND))
        turn_away(stray(endpoint, b"one", at=came + SECOND, stamp=came - TOLERANCE - SECOND))

        rotate(endpoint, given=THEIRS, actor=TESTS, now=timezone.now())

        assert bodies() == [b"one"]
        assert not Delivery.objects.exists()

    def test_trusts_no_retired_secret(self, endpoint: Endpoint) -> None:
        theirs, _ = rotate(endpoint, given=THEIRS, actor=TESTS, now=timezone.now())
        retire(theirs, actor=TESTS, now=timezone.now())
        turn_away(stray(endpoint, b"one"))

        assert self.again(endpoint) == Reverified(verified=0, new=0, left=1)
        assert not AuditEvent.objects.filter(action="endpoint.reverified").exists()

    def test_trusts_no_other_endpoints_secret(self, endpoint: Endpoint) -> None:
        enroll(endpoint.account, given=THEIRS, actor=TESTS, now=timezone.now())
        turn_away(stray(endpoint, b"one"))

        assert self.again(endpoint).verified == 0

    def test_trusts_nothing_at_a_closed_endpoint(self, endpoint: Endpoint) -> None:
        turn_away(stray(endpoint, b"one"))
        secret = EndpointSecret.seal(endpoint, THEIRS, slot=2, created_at=timezone.now())
        secret.save()
        decommission(endpoint, actor=TESTS, now=timezone.now())

        assert self.again(endpoint).verified == 0

    def test_leaves_what_it_can_not_open(self, endpoint: Endpoint) -> None:
        turn_away(stray(endpoint, b"one"))
        other = Quarantined.objects.get()
        other.pk, other.digest, other.proof = None, uuid4().bytes, "sealed by a lost key"
        other.save(force_insert=True)

        rotate(endpoint, given=THEIRS, actor=TESTS, now=timezone.now())

        assert Quarantined.objects.get().proof == "sealed by a lost key"
        assert Delivery.objects.count() == 1

    def test_looks_back_no_further_than_the_quarantine_reaches(self, endpoint: Endpoint) -> None:
        now = timezone.now()
        turn_away(stray(endpoint, b"one", at=now), now=now)

        late = now + KEPT_FOR
        rotate(endpoint, given=THEIRS, actor=TESTS, now=late)

        assert not Delivery.objects.exists()


@pytest.mark.django_db
def test_what_is_in_quarantine_has_no_effect(
    order: Order, endpoint: Endpoint, says: dict[bytes, Any]
) -> None:
    ticket = order.ticket()
    says[b"forged"] = Report(snapshots=(snapshot(ticket),), fills=(fill(ticket, "a", "10"),))
    rows: Callable[[], Any] = lambda: (  # noqa: E731
        Order.objects.filter(id=order.id).values().get(),
        list(AuditEvent.objects.values_list("action", flat=True)),
    )
    before = rows()

    turn_away(stray(endpoint, b"forged"))
    understand_waiting(now=timezone.now())
    tidy(now=timezone.now())

    assert rows() == before
