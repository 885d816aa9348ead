"""Nothing is sent on the word of a database that may have forgotten what was sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import ProgrammingError, connection

from brokers.errors import OutcomeUnknown
from brokers.messages import Report
from orders import (
    anchoring,
    attending,
    canceling,
    guarding,
    halting,
    sending,
    sweeping,
    timing,
)
from orders.anchoring import Mark
from orders.models import (
    Account,
    AuditEvent,
    Feed,
    Heartbeat,
    Incident,
    Order,
    Timeline,
)
from orders.states import Submission
from orders.sweeping import ADOPT_AFTER
from tests.factories import ANA, AccountFactory, place
from tests.fakes import PASSPORT, ScriptedBroker

pytestmark = pytest.mark.django_db

COUNTS_FROM = timing.LEASE + PASSPORT.doubt.second_grace


@pytest.fixture(autouse=True)
def data(settings: Any, tmp_path: Path) -> Path:
    """A data directory of the test's own."""
    settings.DESK_DATA = tmp_path
    return tmp_path


@pytest.fixture(autouse=True)
def identified(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process has asked the database who it is yet."""
    monkeypatch.setattr(guarding, "_may_identify", None)


def watch() -> bool:
    return guarding.watch(now=timing.database_now())


class Copy:
    """The database as it was, to be put back behind the desk's back, triggers and all."""

    def __init__(self) -> None:
        self.tables = [model._meta.db_table for model in apps.get_app_config("orders").get_models()]
        with connection.cursor() as cursor:
            for table in self.tables:
                cursor.execute(f"CREATE TEMP TABLE copy_of_{table} AS TABLE {table}")

    def restore(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET session_replication_role = replica")
            for table in self.tables:
                cursor.execute(f"DELETE FROM {table}")
                cursor.execute(f"INSERT INTO {table} SELECT * FROM copy_of_{table}")
            cursor.execute("SET session_replication_role = origin")


def run_out(order: Order) -> None:
    """Let an order's time run out while it waits."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            "UPDATE orders_order SET submit_by = clock_timestamp() WHERE id = %s", [order.id]
        )
        cursor.execute("SET session_replication_role = origin")


@pytest.fixture
def forgotten(broker: ScriptedBroker) -> Order:
    """An order that left, and is ready as far as the database that was put back knows."""
    order = place(AccountFactory())
    copy = Copy()
    sending.send(order.id)
    copy.restore()
    order.refresh_from_db()
    assert (order.submission, len(broker.submitted)) == (Submission.READY, 1)
    return order


class TestForgotten:
    """Of what may have left, nobody says that it has not."""

    @pytest.fixture(autouse=True)
    def turns_up(self, forgotten: Order, broker: ScriptedBroker) -> Iterator[None]:
        yield
        sweeping.sweep(forgotten.account_id, now=timing.database_now())
        forgotten.refresh_from_db()
        assert (forgotten.submission, forgotten.conflict_at) == (Submission.ACCEPTED, None)
        assert len(broker.submitted) == 1

    def test_it_does_not_expire(self, forgotten: Order) -> None:
        run_out(forgotten)

        for _ in range(2):
            attending.look(forgotten.id, now=timing.database_now())

            forgotten.refresh_from_db()
            assert forgotten.submission == Submission.READY
        assert forgotten.look_at is not None

    def test_it_is_not_blocked(self, forgotten: Order) -> None:
        halting.halt(forgotten.account_id, reason="Now.", actor=ANA, now=timing.database_now())

        for _ in range(2):
            attending.look(forgotten.id, now=timing.database_now())

        forgotten.refresh_from_db()
        assert forgotten.submission == Submission.READY

    @pytest.mark.parametrize("is_noticed", [False, True])
    def test_it_is_not_withdrawn_but_cancelled_on_sight(
        self, forgotten: Order, broker: ScriptedBroker, is_noticed: bool
    ) -> None:
        if is_noticed:
            watch()

        canceling.cancel(forgotten.id, actor=ANA, now=timing.database_now())

        forgotten.refresh_from_db()
        assert forgotten.submission == Submission.READY
        sweeping.sweep(forgotten.account_id, now=timing.database_now())
        attending.cancel(forgotten.id, now=timing.database_now())
        assert broker.canceled == [f"B-{forgotten.wire_id}"]


class TestRestored:
    def test_what_left_after_the_copy_was_made_is_found_before_anything_leaves_again(
        self, broker: ScriptedBroker
    ) -> None:
        account = AccountFactory()
        ready = place(account)
        copy = Copy()

        # Since then, the one that was ready left, and so did another, made by a program.
        sending.send(ready.id)
        lost = place(account, wire_id="by-a-program")
        sending.send(lost.id)
        copy.restore()

        # The first to ask finds out, and nothing leaves.
        ready.refresh_from_db()
        assert ready.submission == Submission.READY
        sending.send(ready.id)
        sending.send(ready.id)
        assert len(broker.submitted) == 2
        account.refresh_from_db()
        assert account.unsure_since is not None
        incident = Incident.objects.get(kind="restored")
        assert (incident.severity, incident.account) == ("critical", None)
        ready.refresh_from_db()
        assert (ready.submission, ready.submission_reason) == (
            Submission.READY,
            "It waits until the broker's list has been read: the database was restored.",
        )
        assert ready.look_at is not None

        # Reading the account finds both: one has its record, the other has none any more.
        now = timing.database_now()
        sweeping.sweep(account.id, now=now)
        sweeping.sweep(account.id, now=now + ADOPT_AFTER)
        ready.refresh_from_db()
        assert ready.submission == Submission.ACCEPTED
        adopted = Order.objects.get(account=account, wire_id="by-a-program")
        assert (adopted.id == lost.id, adopted.source) == (False, "broker")
        assert Incident.objects.get(kind="lost_intent").order == adopted
        account.refresh_from_db()
        assert account.halted_at is not None

        # Sure again, it stays halted until a person has looked.
        sweeping.sweep(account.id, now=now + COUNTS_FROM)
        account.refresh_from_db()
        assert account.unsure_since is None
        assert account.halted_at is not None
        sending.send(adopted.id)
        assert len(broker.submitted) == 2

    def test_is_noticed_even_if_its_record_has_grown_as_long_again(
        self, broker: ScriptedBroker
    ) -> None:
        account = AccountFactory()
        copy = Copy()
        sending.send(place(account).id)
        copy.restore()
        for _ in range(3):
            again = place(account)

        sending.send(again.id)

        assert len(broker.submitted) == 1

    def test_is_noticed_when_a_process_starts(self, broker: ScriptedBroker) -> None:
        account, other = AccountFactory(), AccountFactory()
        sending.send(place(account).id)
        copy = Copy()
        sending.send(place(account).id)
        copy.restore()

        guarding.watch_by_the_way()

        unsure = Account.objects.filter(unsure_since__isnull=False)
        assert set(unsure) == {account, other}
        assert Feed.objects.filter(sweep_at__isnull=False).count() == 2

    def test_is_noticed_though_nothing_was_sent_since(self, broker: ScriptedBroker) -> None:
        account = AccountFactory()
        place(account)
        copy = Copy()
        place(account)
        assert watch()  # as it does every few seconds
        copy.restore()

        assert not watch()
        assert Account.objects.get().unsure_since is not None

    def test_is_said_once_and_believed_from_then_on(self, broker: ScriptedBroker) -> None:
        place()
        copy = Copy()
        place()
        watch()
        copy.restore()

        assert not watch()
        assert watch()
        assert Incident.objects.get().seen == 1


class TestOtherDatabase:
    def test_the_first_one_is_noted_and_raises_nothing(self) -> None:
        assert watch()

        noted = Timeline.objects.get()
        assert int(noted.system) > 0
        assert noted.number == 1
        assert not Incident.objects.exists()

    @pytest.mark.parametrize("change", [{"system": "7"}, {"number": 7}], ids=str)
    def test_another_one_or_a_promoted_standby_sends_nothing(
        self, broker: ScriptedBroker, change: dict[str, Any]
    ) -> None:
        order = place()
        watch()
        Timeline.objects.update(**change)

        sending.send(order.id)

        assert broker.submitted == []
        order.account.refresh_from_db()
        assert order.account.unsure_since is not None
        assert "standby took over" in Incident.objects.get(kind="restored").says
        # It is noted as the one we are on now.
        assert watch()

    def test_a_role_without_rights_may_ask(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("CREATE ROLE plain_one NOLOGIN")
            cursor.execute("GRANT SELECT ON orders_timeline TO plain_one")
            cursor.execute("SET ROLE plain_one")
            try:
                assert guarding.may_identify()
            finally:
                cursor.execute("RESET ROLE")

    def test_one_that_does_not_tell_is_used_all_the_same(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(guarding, "IDENTITY", "SELECT no_such_function()")
        order = place()

        sending.send(order.id)

        assert len(broker.submitted) == 1
        assert not guarding.may_identify()

    def test_one_that_is_not_migrated_yet_is_asked_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(guarding, "IDENTITY", "SELECT 1 FROM no_such_table")
            with pytest.raises(ProgrammingError):
                guarding.may_identify()

        assert guarding.may_identify()


class TestUnsure:
    def test_an_order_that_waited_too_long_does_not_leave_then(
        self, broker: ScriptedBroker
    ) -> None:
        since = timing.database_now()
        order = place(AccountFactory(unsure_since=since))
        sending.send(order.id)
        run_out(order)

        sweeping.sweep(order.account_id, now=since + COUNTS_FROM)
        sending.send(order.id)

        order.refresh_from_db()
        assert order.submission == Submission.EXPIRED_UNSENT
        assert broker.submitted == []

    def test_an_order_that_was_cancelled_meanwhile_does_not_leave_then(
        self, broker: ScriptedBroker
    ) -> None:
        since = timing.database_now()
        order = place(AccountFactory(unsure_since=since))
        canceling.cancel(order.id, actor=ANA, now=since)

        sweeping.sweep(order.account_id, now=since + COUNTS_FROM)
        attending.look(order.id, now=timing.database_now())

        order.refresh_from_db()
        assert order.submission == Submission.WITHDRAWN
        assert broker.submitted == []

    def test_its_broker_is_read_though_it_takes_no_new_orders(self) -> None:
        now = timing.database_now()
        account = AccountFactory(is_open=False, unsure_since=now)

        assert attending.accounts_due(now=now) == [account.id]

    def test_waiting_is_on_record_once(self, broker: ScriptedBroker) -> None:
        order = place(AccountFactory(unsure_since=timing.database_now()))

        for _ in range(3):
            sending.send(order.id)

        assert order.events.filter(action="order.waits").count() == 1

    def test_an_order_leaves_once_its_account_is_sure(self, broker: ScriptedBroker) -> None:
        since = timing.database_now()
        order = place(AccountFactory(unsure_since=since))
        sending.send(order.id)

        sweeping.sweep(order.account_id, now=since + COUNTS_FROM)
        sending.send(order.id)

        order.refresh_from_db()
        assert (order.submission, order.submission_reason) == (Submission.ACCEPTED, "")
        assert AuditEvent.objects.filter(action="account.sure").count() == 1

    def test_cancels_go_out(self, broker: ScriptedBroker) -> None:
        order = place()
        sending.send(order.id)
        Account.objects.update(unsure_since=timing.database_now())

        canceling.cancel(order.id, actor=ANA, now=timing.database_now())
        sending.send_cancel(order.id)

        assert len(broker.canceled) == 1

    def test_a_round_counts_only_once_what_was_under_way_must_show(
        self, broker: ScriptedBroker
    ) -> None:
        since = timing.database_now()
        account = AccountFactory(unsure_since=since)
        moment = timedelta(microseconds=1)

        sweeping.sweep(account.id, now=since + COUNTS_FROM - moment)
        account.refresh_from_db()
        assert account.unsure_since == since
        # The next round comes as soon as it counts.
        assert Feed.objects.get(account=account).sweep_at == since + COUNTS_FROM

    def test_a_round_that_broke_off_does_not_count(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        since = timing.database_now()
        account = AccountFactory(unsure_since=since)
        broker.silent = OutcomeUnknown("silence")
        began = since + COUNTS_FROM

        sweeping.sweep(account.id, now=began)

        account.refresh_from_db()
        assert account.unsure_since == since
        assert Feed.objects.get(account=account).sweep_at == began + sweeping.RETRY

    def test_a_round_waits_for_strays_to_be_taken_over(self, broker: ScriptedBroker) -> None:
        since = timing.database_now()
        account = AccountFactory(unsure_since=since)
        broker.has(place(AccountFactory()).ticket())  # one that this account knows nothing of

        sweeping.sweep(account.id, now=since + COUNTS_FROM)
        account.refresh_from_db()
        assert account.unsure_since == since
        sweeping.sweep(account.id, now=since + COUNTS_FROM + ADOPT_AFTER)

        account.refresh_from_db()
        assert (account.unsure_since, account.halted_at is None) == (None, False)

    def test_a_round_reads_a_week_back(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now, asked = timing.database_now(), []
        account = AccountFactory(unsure_since=now, created_at=now - timedelta(days=30))
        Feed.objects.filter(account=account).update(swept_at=now)

        def pages(since: datetime) -> Iterator[Report]:
            asked.append(since)
            yield Report()

        monkeypatch.setattr(broker, "orders_since", pages)
        sweeping.sweep(account.id, now=now)

        assert asked == [now - timedelta(days=7)]


class TestAnchor:
    def test_holds_a_claim_before_its_first_byte_leaves(
        self, broker: ScriptedBroker, data: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = place()
        seen: list[dict[str, Mark]] = []
        submit = broker.submit
        monkeypatch.setattr(
            broker, "submit", lambda ticket: (seen.append(anchoring.read()), submit(ticket))[1]
        )

        sending.send(order.id)

        claimed = order.events.get(action="order.sending")
        assert seen[0][str(order.account_id)] == Mark(claimed.sequence, claimed.hash)

    def test_is_never_lowered(self) -> None:
        anchoring.anchor({"a": Mark(5, "five"), "b": Mark(1, "one")})
        anchoring.anchor({"a": Mark(4, "four"), "c": Mark(2, "two")})

        assert anchoring.read() == {"a": Mark(5, "five"), "b": Mark(1, "one"), "c": Mark(2, "two")}

    def test_is_raised_to_every_head_and_says_when(self, broker: ScriptedBroker) -> None:
        place()

        assert watch()

        head = AuditEvent.objects.order_by("-sequence")[0]
        assert anchoring.read() == {head.chain: Mark(head.sequence, head.hash)}
        assert Heartbeat.objects.filter(name="anchor").exists()

    @pytest.mark.parametrize("text", ["", "[]", "{", '{"chains": {"a": 1}}', '{"chains": []}'])
    def test_that_nobody_can_read_stops_nobody(
        self, broker: ScriptedBroker, data: Path, text: str
    ) -> None:
        (data / "anchor.json").write_text(text)
        order = place()

        sending.send(order.id)

        assert len(broker.submitted) == 1
        assert str(order.account_id) in json.loads((data / "anchor.json").read_text())["chains"]

    def test_that_nobody_can_write_stops_nobody(
        self, broker: ScriptedBroker, data: Path, settings: Any
    ) -> None:
        settings.DESK_DATA = data / "file"
        settings.DESK_DATA.touch()
        order = place()

        sending.send(order.id)

        assert len(broker.submitted) == 1
        assert watch()
        assert not Heartbeat.objects.filter(name="anchor").exists()

    def test_that_a_stopped_process_holds_stops_nobody(
        self, broker: ScriptedBroker, data: Path
    ) -> None:
        with anchoring._locked():
            assert not anchoring.anchor({"a": Mark(1, "one")})
        assert anchoring.anchor({"a": Mark(1, "one")})
