"""What a change of an order means to people is said with it, once, and is over when it is over."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from brokers.errors import AuthRefused, Conflict, OutcomeUnknown
from brokers.messages import Fill, Report, Snapshot
from brokers.vocabulary import ExecutionKind, Side, Status
from orders import auditing, reconciling, recording, sending, timing
from orders.models import Account, Grant, Incident, Order, Role
from orders.models.facts import Heard
from orders.states import Submission
from tests.factories import AccountFactory, OrderFactory, UserFactory, place
from tests.fakes import ScriptedBroker, call, fill, snapshot

pytestmark = pytest.mark.django_db


def hear(account: Account, *facts: Snapshot | Fill) -> None:
    report = Report(
        snapshots=tuple(fact for fact in facts if isinstance(fact, Snapshot)),
        fills=tuple(fact for fact in facts if isinstance(fact, Fill)),
    )
    recording.heed(account, report, heard=Heard.WEBHOOK, evidence="delivery:1", now=timezone.now())


def sent(**changes: Any) -> Order:
    return OrderFactory(sending=True, **changes)


def raised() -> list[tuple[str, str]]:
    return sorted(Incident.objects.open().values_list("kind", "severity"))


class TestTurnsUpAfterAll:
    @pytest.mark.parametrize("submission", ["refused", "absent", "ready"])
    def test_is_critical(self, submission: str) -> None:
        order = OrderFactory(submission=submission)

        hear(order.account, snapshot(order.ticket()))

        assert raised() == [("revived", "critical")]
        incident = Incident.objects.get()
        assert (incident.order, incident.evidence[:9]) == (order, "snapshot:")
        assert order.client_order_id in incident.says

    @pytest.mark.parametrize("submission", ["sending", "unknown"])
    def test_is_what_one_on_its_way_is_expected_to_do(self, submission: str) -> None:
        order = OrderFactory(submission=submission)

        hear(order.account, snapshot(order.ticket()))

        assert raised() == []

    def test_is_the_business_of_whoever_placed_it_or_of_a_trader(self) -> None:
        ana, ben = UserFactory(), UserFactory()
        account = AccountFactory(trader=ben)
        Grant.objects.create(account=account, user=ana, role=Role.TRADER)
        for placed_by in (ana, None):
            order = OrderFactory(account=account, refused=True, placed_by=placed_by)
            hear(account, snapshot(order.ticket()))

        owners = list(Incident.objects.order_by("id").values_list("owner", flat=True))
        assert owners == [ana.pk, ben.pk]


class TestFlags:
    def test_an_overfill_is_critical_grows_and_is_over_with_a_bust(self) -> None:
        order = sent()
        ticket = order.ticket()
        hear(order.account, snapshot(ticket), fill(ticket, "a", "10"))
        assert raised() == []

        hear(order.account, fill(ticket, "b", "2"))
        assert raised() == [("overfill", "critical")]
        hear(order.account, fill(ticket, "c", "1"))
        incident = Incident.objects.get()
        assert (incident.seen, incident.says[:16]) == (2, "13 were filled, ")

        for name, quantity in (("b", "2"), ("c", "1")):
            hear(order.account, fill(ticket, name, quantity, kind=ExecutionKind.BUST))
        assert raised() == []

    def test_a_fill_of_a_rejected_order_is_critical(self) -> None:
        order = sent()
        ticket = order.ticket()

        hear(order.account, snapshot(ticket, status=Status.REJECTED), fill(ticket, "a", "4"))

        assert raised() == [("fill_on_rejected", "critical")]

    def test_contradicting_last_words_are_a_warning(self) -> None:
        order = sent()
        ticket = order.ticket()
        hear(order.account, snapshot(ticket, status=Status.CANCELED))

        hear(order.account, snapshot(ticket, status=Status.EXPIRED, version=2))

        assert raised() == [("terminal_conflict", "warning")]

    def test_are_told_once_however_often_the_facts_are(self) -> None:
        order = sent()
        ticket = order.ticket()

        for _ in range(3):
            hear(order.account, snapshot(ticket, status=Status.REJECTED), fill(ticket, "a", "4"))

        assert Incident.objects.get().seen == 1

    def test_a_trade_told_in_two_ways_is_a_warning(self) -> None:
        order = sent()
        ticket = order.ticket()
        hear(order.account, snapshot(ticket), fill(ticket, "a", "4"))

        hear(order.account, fill(ticket, "a", "5"))

        assert raised() == [("disputed", "warning")]


class TestAnotherOrder:
    def test_under_our_id_is_critical_and_stays_shown_when_ours_is_found(self) -> None:
        order = OrderFactory(unknown=True)
        theirs = snapshot(order.ticket(), broker_order_id="B-other", symbol="OTHER")
        for _ in range(3):
            hear(order.account, theirs)
        assert raised() == [("conflict", "critical")]
        assert Incident.objects.get().seen == 1

        hear(order.account, snapshot(order.ticket()))

        order.refresh_from_db()
        assert (order.submission, order.submission_code) == (Submission.ACCEPTED, "")
        assert (order.flags, order.warnings) == ([], ["second_order"])
        assert raised() == [("conflict", "critical")]

    def test_under_the_id_of_one_that_never_left_is_critical(self) -> None:
        order = OrderFactory(submission="withdrawn")

        hear(order.account, snapshot(order.ticket()))

        assert raised() == [("conflict", "critical")]

    def test_answered_to_ours_is_critical_and_doubt(self, broker: ScriptedBroker) -> None:
        order = place()
        broker.script = [Conflict("The broker answered with another order.", call=call(201))]

        sending.send(order.id)

        order.refresh_from_db()
        assert (order.submission, order.submission_code) == (Submission.UNKNOWN, "conflict")
        assert order.warnings == ["second_order"]
        assert raised() == [("conflict", "critical")]

    @pytest.mark.parametrize("how", ["answer", "lapse"])
    def test_seen_while_ours_is_on_its_way_is_on_its_row_once_that_is_in_doubt(
        self, broker: ScriptedBroker, how: str
    ) -> None:
        order = place()
        claim = recording.claim_submission(order.id)
        assert claim is not None
        hear(order.account, snapshot(order.ticket(), side=Side.SELL))

        if how == "answer":
            recording.settle(claim, OutcomeUnknown("504", call=call(504)), now=timezone.now())
        else:
            recording.lapse(order.id, now=timing.database_now() + timing.LEASE)

        order.refresh_from_db()
        assert (order.submission, order.submission_code) == (Submission.UNKNOWN, "conflict")


class TestDenial:
    def test_is_a_warning_until_the_broker_speaks_of_it_again(self, broker: ScriptedBroker) -> None:
        order = OrderFactory(working=True)
        for _ in range(2):
            reconciling.reconcile(order.id, now=timing.database_now())
        assert raised() == [("denied", "warning")]

        broker.has(order.ticket())
        reconciling.reconcile(order.id, now=timing.database_now())

        assert raised() == []

    @pytest.mark.parametrize("first", ["conflict", "denial"])
    def test_of_an_order_in_conflict_is_said_beside_the_conflict(
        self, broker: ScriptedBroker, first: str
    ) -> None:
        order = OrderFactory(working=True)

        def conflict() -> None:
            hear(order.account, snapshot(order.ticket(), broker_order_id="B-other"))

        def denial() -> None:
            reconciling.reconcile(order.id, now=timing.database_now())

        one, other = (conflict, denial) if first == "conflict" else (denial, conflict)
        for happens in (one, other, denial, conflict):
            happens()

        order.refresh_from_db()
        assert (order.submission, order.submission_code) == (Submission.ACCEPTED, "denied")
        assert order.warnings == ["second_order"]
        assert sorted(raised()) == [("conflict", "critical"), ("denied", "warning")]
        assert order.events.filter(action="order.denied").count() == 1

        broker.has(order.ticket())
        reconciling.reconcile(order.id, now=timing.database_now())

        order.refresh_from_db()
        assert (order.submission_code, order.warnings) == ("", ["second_order"])
        assert raised() == [("conflict", "critical")]


class TestRefusedCredentials:
    def test_are_critical_with_the_halt_and_counted_up(self, broker: ScriptedBroker) -> None:
        account = AccountFactory()
        orders = [place(account) for _ in range(2)]
        claims = [recording.claim_submission(order.id) for order in orders]

        for claim in claims:
            assert claim is not None
            refusal = AuthRefused("who?", code="auth", call=call(401))
            recording.settle(claim, refusal, now=timezone.now())

        account.refresh_from_db()
        assert account.halted_at is not None
        incident = Incident.objects.get()
        assert (incident.kind, incident.severity, incident.seen) == ("auth_refused", "critical", 2)
        assert incident.order is None


def test_every_incident_is_on_the_record_of_its_account() -> None:
    order = OrderFactory(refused=True)

    hear(order.account, snapshot(order.ticket()))

    row = order.events.get(action="incident.raised")
    assert row.subject == f"incident:{Incident.objects.get().id}"
    assert auditing.first_broken(str(order.account_id)) is None


def test_a_bust_that_makes_an_order_work_again_is_no_contradiction() -> None:
    order = sent()
    ticket = order.ticket()
    trade = fill(ticket, "a", "10")
    filled = snapshot(ticket, status=Status.FILLED, cumulative=Decimal(10), version=2)
    hear(order.account, filled, trade)

    hear(
        order.account,
        replace(trade, kind=ExecutionKind.BUST),
        snapshot(ticket, status=Status.NEW, version=3),
    )

    order.refresh_from_db()
    assert (order.status, order.flags) == (Status.NEW, ["has_bust"])
    assert raised() == []
