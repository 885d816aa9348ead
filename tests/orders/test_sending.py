"""From the claim to the answer: one request, and no doubt taken for a verdict."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from brokers.errors import (
    AuthRefused,
    BrokerError,
    Conflict,
    DuplicateId,
    NotSent,
    OutcomeUnknown,
    Refused,
)
from brokers.messages import Report
from brokers.reasons import Reason
from brokers.vocabulary import Status
from orders import connecting, recording, sending, timing
from orders.models import Account, Attempt, AuditEvent
from orders.models.facts import Heard
from orders.recording import claiming, heeding
from orders.recording.changing import change
from orders.states import AttemptState, Submission
from tests.factories import AccountFactory, place
from tests.fakes import ScriptedBroker, call, snapshot


@pytest.mark.django_db
class TestSend:
    def test_sends_once_and_learns_what_the_broker_calls_it(self, broker: ScriptedBroker) -> None:
        order = place()

        sending.send(order.id)
        sending.send(order.id)

        order.refresh_from_db()
        assert [ticket.wire_id for ticket in broker.submitted] == [order.wire_id]
        assert (order.submission, order.status) == (Submission.ACCEPTED, Status.NEW)
        assert order.broker_order_id == f"B-{order.wire_id}"
        attempt = order.attempts.get()
        assert (attempt.state, attempt.answer_status) == (AttemptState.ACCEPTED, 201)

    @pytest.mark.parametrize(
        ("mishap", "submission", "state"),
        [
            (OutcomeUnknown("silence", call=call(None)), "unknown", "unknown"),
            (OutcomeUnknown("504", call=call(504)), "unknown", "unknown"),
            (DuplicateId("seen before", call=call(409)), "unknown", "unknown"),
            (Conflict("another order", call=call(201)), "unknown", "unknown"),
            (Refused("no funds", code="no_funds", call=call(422)), "refused", "refused"),
            (AuthRefused("who?", code="auth", call=call(401)), "refused", "refused"),
            (NotSent("no route", call=call(None)), "ready", "not_sent"),
            (BrokerError("?"), "unknown", "unknown"),
        ],
        ids=repr,
    )
    def test_tells_a_refusal_from_doubt_from_not_sent(
        self, broker: ScriptedBroker, mishap: BrokerError, submission: str, state: str
    ) -> None:
        order = place()
        broker.script = [mishap]

        sending.send(order.id)

        order.refresh_from_db()
        assert (order.submission, order.attempts.get().state) == (submission, state)
        assert str(mishap) in order.submission_reason
        assert order.status is None

    def test_a_refusal_keeps_our_word_for_it_and_the_brokers_own(
        self, broker: ScriptedBroker
    ) -> None:
        order = place()
        broker.script = [
            Refused(
                "insufficient buying power",
                code="40310000",
                reason=Reason.INSUFFICIENT_BUYING_POWER,
                call=call(403),
            )
        ]

        sending.send(order.id)

        order.refresh_from_db()
        assert order.submission_code == "insufficient_buying_power"
        assert order.submission_reason == "insufficient buying power"
        assert order.attempts.get().note == "insufficient buying power (40310000)"

    def test_an_adapter_that_breaks_leaves_doubt(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = place()
        monkeypatch.setattr(broker, "submit", lambda ticket: 1 / 0)

        sending.send(order.id)

        order.refresh_from_db()
        assert order.submission == Submission.UNKNOWN

    def test_after_proof_that_nothing_left_it_is_sent_again_under_the_same_id(
        self, broker: ScriptedBroker
    ) -> None:
        order = place()
        broker.script = [NotSent("no route", call=call(None))]

        sending.send(order.id)
        sending.send(order.id)

        order.refresh_from_db()
        assert order.submission == Submission.ACCEPTED
        assert {ticket.wire_id for ticket in broker.submitted} == {order.wire_id}
        assert [(a.number, a.state) for a in order.attempts.all()] == [
            (1, AttemptState.NOT_SENT),
            (2, AttemptState.ACCEPTED),
        ]

    def test_a_found_order_in_sending_is_never_sent(self, broker: ScriptedBroker) -> None:
        order = place()
        assert recording.claim_submission(order.id) is not None

        sending.send(order.id)

        assert broker.submitted == []

    def test_a_sender_that_slept_after_its_claim_does_not_send(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = place()
        monkeypatch.setattr(timing, "CLAIM_GOOD_FOR", 0.0)

        sending.send(order.id)

        order.refresh_from_db()
        assert broker.submitted == []
        assert order.submission == Submission.UNKNOWN

    def test_never_sends_late(self, broker: ScriptedBroker) -> None:
        account = AccountFactory(submit_within=timedelta(seconds=0))
        order = place(account)

        sending.send(order.id)

        order.refresh_from_db()
        assert broker.submitted == []
        assert order.submission == Submission.EXPIRED_UNSENT
        assert not order.attempts.exists()

    def test_a_halted_account_keeps_its_orders_here(self, broker: ScriptedBroker) -> None:
        order = place()
        Account.objects.update(halted_at=timezone.now(), halt_reason="Fire drill.")

        sending.send(order.id)

        order.refresh_from_db()
        assert broker.submitted == []
        assert (order.submission, order.submission_code) == (Submission.BLOCKED, "halted")

    def test_refused_credentials_halt_the_account(self, broker: ScriptedBroker) -> None:
        order = place()
        broker.script = [AuthRefused("who?", code="auth", call=call(401))]

        sending.send(order.id)

        order.account.refresh_from_db()
        assert order.account.halted_at is not None
        assert AuditEvent.objects.filter(action="account.halted").count() == 1

    def test_a_webhook_that_beats_a_lost_answer_settles_it(self, broker: ScriptedBroker) -> None:
        order = place()
        claim = recording.claim_submission(order.id)
        assert claim is not None
        news = Report(snapshots=(snapshot(order.ticket()),))
        recording.heed(
            order.account, news, heard=Heard.WEBHOOK, evidence="delivery:1", now=timezone.now()
        )

        recording.settle(claim, OutcomeUnknown("504", call=call(504)), now=timezone.now())

        order.refresh_from_db()
        assert order.submission == Submission.ACCEPTED
        attempt = order.attempts.get()
        assert (attempt.state, attempt.answer_status) == (AttemptState.ACCEPTED, 504)

    def test_a_late_answer_after_the_lease_lapsed_still_counts(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(timing, "LEASE", timedelta(0))
        order = place()
        claim = recording.claim_submission(order.id)
        assert claim is not None
        assert recording.lapse(order.id, now=timing.database_now())
        order.refresh_from_db()
        assert order.submission == Submission.UNKNOWN

        recording.settle(claim, broker.has(order.ticket()), now=timezone.now())

        order.refresh_from_db()
        assert order.submission == Submission.ACCEPTED

    def test_not_sent_after_a_lapse_stays_in_doubt(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(timing, "LEASE", timedelta(0))
        order = place()
        claim = recording.claim_submission(order.id)
        assert claim is not None
        recording.lapse(order.id, now=timing.database_now())

        recording.settle(claim, NotSent("no route"), now=timezone.now())

        order.refresh_from_db()
        assert order.submission == Submission.UNKNOWN

    def test_an_answer_recorded_twice_takes_no_later_attempt_back(
        self, broker: ScriptedBroker
    ) -> None:
        order = place()
        first = recording.claim_submission(order.id)
        assert first is not None
        recording.settle(first, NotSent("no route"), now=timezone.now())
        assert recording.claim_submission(order.id) is not None

        # The commit of the first recording was not heard of, so it is repeated.
        recording.settle(first, NotSent("no route"), now=timezone.now())

        order.refresh_from_db()
        assert order.submission == Submission.SENDING

    def test_credentials_of_another_shape_send_nothing_and_say_so(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def lacks_a_key(account: Account) -> None:
            raise KeyError("secret")

        order = place()
        monkeypatch.setattr(connecting, "connect", lacks_a_key)

        sending.send(order.id)

        order.refresh_from_db()
        assert (order.submission, broker.submitted) == (Submission.READY, [])
        assert order.attempts.get().state == AttemptState.NOT_SENT

    def test_a_claim_whose_commit_took_most_of_its_lease_is_not_sent_on(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def slow(*args: Any, **kwargs: Any) -> None:
            change(*args, **kwargs)
            time.sleep(0.1)

        order = place()
        monkeypatch.setattr(timing, "ARMED_GOOD_FOR", 0.05)
        monkeypatch.setattr(claiming, "change", slow)

        sending.send(order.id)

        order.refresh_from_db()
        assert (order.submission, broker.submitted) == (Submission.UNKNOWN, [])

    def test_an_answer_that_has_to_be_sorted_again_is_recorded(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = place()
        claim = recording.claim_submission(order.id)
        assert claim is not None
        park, calls = heeding._park, []

        def learned_meanwhile_once(*args: Any, **kwargs: Any) -> None:
            calls.append(args)
            if len(calls) == 1:
                raise heeding.LearnedMeanwhile
            park(*args, **kwargs)

        monkeypatch.setattr(heeding, "_park", learned_meanwhile_once)
        recording.settle(claim, broker.has(order.ticket()), now=timezone.now())

        order.refresh_from_db()
        assert order.submission == Submission.ACCEPTED


@pytest.mark.django_db(transaction=True)
def test_only_one_of_fifty_workers_gets_to_send(broker: ScriptedBroker) -> None:
    order = place()
    start = threading.Barrier(50)

    def work() -> None:
        try:
            start.wait()
            sending.send(order.id)
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(50)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert len(broker.submitted) == 1
    assert Attempt.objects.count() == 1


@pytest.mark.django_db
def test_nothing_is_sent_if_the_claim_does_not_commit(
    broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = place()

    def fails(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("commit failed")

    monkeypatch.setattr(claiming, "change", fails)
    with pytest.raises(RuntimeError):
        sending.send(order.id)

    assert broker.submitted == []
    order.refresh_from_db()
    assert order.submission == Submission.READY
