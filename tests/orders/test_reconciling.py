"""Doubt is settled by asking; silence is never a verdict."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from brokers.errors import AuthRefused, BrokerError, OutcomeUnknown
from brokers.messages import Absent
from brokers.vocabulary import Status
from orders import connecting, reconciling, recording, sending, timing
from orders.models import Account
from orders.models.facts import Heard
from orders.models.inquiry import Inquiry
from orders.secrets import SecretUnreadable
from orders.states import Submission
from tests.factories import OrderFactory, a_ticket, place
from tests.fakes import ScriptedBroker, call, fill
from tests.orders.doubt import a_known_order, after, in_doubt, webhook

pytestmark = pytest.mark.django_db

SECONDS = (1, 2, 4, 8, 15)


class TestDoubt:
    def test_is_settled_by_finding_the_order_with_its_fills(self, broker: ScriptedBroker) -> None:
        order = in_doubt()
        broker.has(order.ticket(), fill(order.ticket(), "a", "4"))

        reconciling.reconcile(order.id, now=after(order, 1))

        order.refresh_from_db()
        assert (order.submission, order.status) == (Submission.ACCEPTED, Status.PARTIALLY_FILLED)
        assert order.inquiries.get().result == Inquiry.Result.FOUND

    def test_is_settled_by_the_list_where_the_lookup_lies(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = in_doubt()
        broker.has(order.ticket())
        monkeypatch.setattr(broker, "find", lambda wire_id: Absent(call=call(404)))

        reconciling.reconcile(order.id, now=after(order, 1))

        order.refresh_from_db()
        assert order.submission == Submission.ACCEPTED

    @pytest.mark.parametrize(
        "silence",
        [
            OutcomeUnknown("silence", call=call(None)),
            OutcomeUnknown("503", call=call(503)),
            AuthRefused("who?", code="auth", call=call(401)),
            BrokerError("?"),
        ],
        ids=repr,
    )
    def test_is_never_settled_by_silence(
        self, broker: ScriptedBroker, silence: BrokerError
    ) -> None:
        order = in_doubt()
        a_known_order(order.account, broker)
        broker.silent = silence

        for seconds in (*SECONDS, 60, 3600, 86_400):
            reconciling.reconcile(order.id, now=after(order, seconds))

        order.refresh_from_db()
        assert order.submission == Submission.UNKNOWN
        assert order.escalated_at is not None
        assert order.look_at is not None

    @pytest.mark.parametrize("path", ["find", "orders_since"])
    def test_is_never_settled_while_either_way_of_asking_is_silent(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch, path: str
    ) -> None:
        order = in_doubt()
        a_known_order(order.account, broker)

        def silent(*_: object) -> None:
            raise OutcomeUnknown("silence", call=call(None))

        monkeypatch.setattr(broker, path, silent)
        for seconds in (*SECONDS, 60, 3600):
            reconciling.reconcile(order.id, now=after(order, seconds))

        order.refresh_from_db()
        assert order.submission == Submission.UNKNOWN

    def test_is_settled_by_the_list_even_if_the_order_cannot_be_read_then(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = in_doubt()
        broker.has(order.ticket())

        def silent(broker_order_id: str) -> None:
            raise OutcomeUnknown("silence", call=call(None))

        monkeypatch.setattr(broker, "find", lambda wire_id: Absent(call=call(404)))
        monkeypatch.setattr(broker, "read", silent)
        reconciling.reconcile(order.id, now=after(order, 1))

        order.refresh_from_db()
        assert (order.submission, order.status) == (Submission.ACCEPTED, Status.NEW)

    def test_with_another_order_under_our_id_climbs_the_ladder_and_escalates(
        self, broker: ScriptedBroker
    ) -> None:
        order = in_doubt()
        broker.has(order.ticket(), symbol="OTHER")

        now = after(order, 300)
        reconciling.reconcile(order.id, now=now)

        order.refresh_from_db()
        assert (order.submission, order.submission_code) == (Submission.UNKNOWN, "conflict")
        assert order.escalated_at is not None
        assert order.look_at == timing.next_look(order.submission_at, now=now)

    @pytest.mark.parametrize("mishap", [SecretUnreadable("sealed"), KeyError("key")], ids=repr)
    def test_escalates_even_where_nobody_can_be_asked(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch, mishap: Exception
    ) -> None:
        def fails(account: Account) -> None:
            raise mishap

        order = in_doubt()
        monkeypatch.setattr(connecting, "connect", fails)

        with suppress(KeyError):
            reconciling.reconcile(order.id, now=after(order, 300))

        order.refresh_from_db()
        assert order.escalated_at is not None

    def test_that_ends_while_we_ask_is_polled_as_the_working_order_it_is(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = in_doubt()
        now = after(order, 100_000)  # the next look at one in doubt would be a day away

        def find(wire_id: str) -> Absent:
            webhook(order, broker, now=now)
            broker.books.clear()
            return Absent(call=call(404))

        monkeypatch.setattr(broker, "find", find)
        reconciling.reconcile(order.id, now=now)

        order.refresh_from_db()
        assert order.submission == Submission.ACCEPTED
        assert order.look_at == now + timing.WORKING_POLL

    def test_ends_as_absent_by_the_documented_rule_only(self, broker: ScriptedBroker) -> None:
        order = in_doubt()
        a_known_order(order.account, broker)
        seen = []

        for seconds in SECONDS:
            reconciling.reconcile(order.id, now=after(order, seconds))
            order.refresh_from_db()
            seen.append(order.submission)

        # G1 is 1 s and G2 5 s: three passes past the first, and one past the second.
        assert seen == ["unknown", "unknown", "unknown", "absent", "absent"]
        assert len(order.events.get(action="order.absent").evidence) == 8
        # The broker's own words of denial are kept.
        assert set(order.inquiries.values_list("answer_status", flat=True)) == {404, 200}

    def test_is_not_ended_while_what_was_sent_may_still_arrive(
        self, broker: ScriptedBroker
    ) -> None:
        order = place()
        a_known_order(order.account, broker)
        broker.script = [OutcomeUnknown("reset", call=call(None))]
        sending.send(order.id)  # the answer is lost at once, and its request perhaps only late
        order.refresh_from_db()
        sent = order.attempts.get()

        while order.submission == Submission.UNKNOWN:
            looked_at = order.look_at
            reconciling.reconcile(order.id, now=looked_at)
            order.refresh_from_db()

        # As soon as that is over and the first grace (1 s) has passed, by a look of its own.
        assert order.submission == Submission.ABSENT
        assert looked_at == sent.lease_until + timedelta(seconds=1)

    def test_is_not_ended_by_a_list_that_shows_nothing_of_ours(
        self, broker: ScriptedBroker
    ) -> None:
        order = in_doubt()

        for seconds in SECONDS:
            reconciling.reconcile(order.id, now=after(order, seconds))

        order.refresh_from_db()
        assert order.submission == Submission.UNKNOWN
        walked = order.inquiries.filter(path="its list of orders")
        assert {inquiry.result for inquiry in walked} == {Inquiry.Result.NO_ANSWER}

    def test_is_not_ended_where_absence_proves_nothing(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        passport = replace(
            broker.passport, doubt=replace(broker.passport.doubt, absence_by=frozenset())
        )
        monkeypatch.setattr(broker, "passport", passport)
        order = in_doubt()
        a_known_order(order.account, broker)

        for seconds in (*SECONDS, 3600):
            reconciling.reconcile(order.id, now=after(order, seconds))

        order.refresh_from_db()
        assert order.submission == Submission.UNKNOWN


class TestQuietOrders:
    def test_a_fill_nobody_told_us_of_is_found(self, broker: ScriptedBroker) -> None:
        order = OrderFactory(working=True)
        broker.has(order.ticket(), fill(order.ticket(), "a", "4"))

        reconciling.reconcile(order.id, now=timing.database_now())

        order.refresh_from_db()
        assert (order.status, order.filled_quantity) == (Status.PARTIALLY_FILLED, 4)

    def test_a_working_order_the_broker_denies_stays_and_says_so(
        self, broker: ScriptedBroker
    ) -> None:
        order = OrderFactory(working=True)

        for _ in range(3):
            reconciling.reconcile(order.id, now=timing.database_now())

        order.refresh_from_db()
        assert (order.submission, order.status) == (Submission.ACCEPTED, Status.NEW)
        assert "no such order" in order.submission_reason
        assert order.look_at is not None
        assert order.events.filter(action="order.denied").count() == 1

        broker.has(order.ticket())
        reconciling.reconcile(order.id, now=timing.database_now())
        order.refresh_from_db()
        assert order.submission_reason == ""

    def test_a_refusal_is_verified_once(self, broker: ScriptedBroker) -> None:
        order = OrderFactory(refused=True, look_at=timing.database_now())

        reconciling.reconcile(order.id, now=timing.database_now())

        order.refresh_from_db()
        assert (order.submission, order.look_at) == (Submission.REFUSED, None)

    def test_a_refusal_is_verified_once_though_another_order_has_its_id(
        self, broker: ScriptedBroker
    ) -> None:
        order = OrderFactory(refused=True, look_at=timing.database_now())
        broker.has(order.ticket(), symbol="OTHER")

        reconciling.reconcile(order.id, now=timing.database_now())

        order.refresh_from_db()
        assert (order.submission, order.look_at) == (Submission.REFUSED, None)

    def test_a_refusal_that_was_not_one_is_taken_back(self, broker: ScriptedBroker) -> None:
        order = OrderFactory(refused=True)
        broker.has(order.ticket())

        reconciling.reconcile(order.id, now=timing.database_now())

        order.refresh_from_db()
        assert order.submission == Submission.ACCEPTED

    def test_a_refused_order_that_turns_up_while_we_ask_is_polled_from_then_on(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = OrderFactory(refused=True)
        now = timing.database_now()

        def find(wire_id: str) -> Absent:
            webhook(order, broker, now=now)
            return Absent(call=call(404))

        monkeypatch.setattr(broker, "find", find)
        reconciling.reconcile(order.id, now=now)

        order.refresh_from_db()
        assert order.submission == Submission.ACCEPTED
        assert order.look_at == now + timing.WORKING_POLL

    def test_one_that_ended_and_no_longer_adds_up_while_we_ask_is_asked_after(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = OrderFactory(working=True)
        now = timing.database_now()

        def hear(**changes: object) -> None:
            report = broker.has(order.ticket(), **changes)
            recording.heed(order.account, report, heard=Heard.WEBHOOK, evidence="", now=now)

        def read(_: str) -> Absent:
            hear(status=Status.CANCELED, version=3, cumulative=Decimal(4))
            raise OutcomeUnknown("silence", call=call(None))

        hear(status=Status.CANCELED, version=2)
        monkeypatch.setattr(broker, "read", read)
        reconciling.reconcile(order.id, now=now)

        order.refresh_from_db()
        assert order.flags == ["fills_missing"]
        assert order.look_at == now + timing.PENDING_POLL


def test_a_ticket_is_the_same_on_every_attempt() -> None:
    order = OrderFactory()
    assert order.ticket() == order.ticket()
    assert a_ticket().wire_id != a_ticket().wire_id
