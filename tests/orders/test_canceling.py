"""A cancel is asked for at once, and believed when the broker says so."""

from __future__ import annotations

import pytest
from django.utils import timezone

from brokers.errors import (
    AuthRefused,
    NotSent,
    OutcomeUnknown,
    Refused,
)
from brokers.messages import Report, Ticket
from brokers.vocabulary import Status
from orders import attending, canceling, recording, sending, timing
from orders.models import Order
from orders.models.facts import Heard
from orders.states import Submission
from tests.factories import ANA, place
from tests.fakes import ScriptedBroker, call


@pytest.mark.django_db
class TestCancel:
    def test_before_it_left_it_is_withdrawn(self, broker: ScriptedBroker) -> None:
        order = place()

        canceling.cancel(order.id, actor=ANA, now=timezone.now())
        sending.send(order.id)

        order.refresh_from_db()
        assert order.submission == Submission.WITHDRAWN
        assert broker.submitted == []

    def test_a_taken_cancel_is_pending_and_not_cancelled(self, broker: ScriptedBroker) -> None:
        order = place()
        sending.send(order.id)
        canceling.cancel(order.id, actor=ANA, now=timezone.now())

        sending.send_cancel(order.id)

        order.refresh_from_db()
        assert broker.canceled == [order.broker_order_id]
        assert order.status == Status.NEW
        assert order.cancel_requested_at is not None

    def test_a_second_click_asks_the_broker_nothing_new(self, broker: ScriptedBroker) -> None:
        order = place()
        sending.send(order.id)

        for _ in range(3):
            canceling.cancel(order.id, actor=ANA, now=timing.database_now())
            sending.send_cancel(order.id)

        assert len(broker.canceled) == 1

    def test_in_doubt_it_is_cancelled_on_sight(self, broker: ScriptedBroker) -> None:
        order = place()
        broker.script = [OutcomeUnknown("silence")]
        sending.send(order.id)
        canceling.cancel(order.id, actor=ANA, now=timezone.now())
        assert broker.canceled == []

        report = broker.has(order.ticket())
        recording.heed(
            order.account, report, heard=Heard.POLL, evidence="poll", now=timing.database_now()
        )

        order.refresh_from_db()
        assert order.cancel_at is not None
        sending.send_cancel(order.id)
        assert broker.canceled == [order.broker_order_id]

    def test_while_it_was_being_sent_and_never_left_it_is_withdrawn(
        self, broker: ScriptedBroker
    ) -> None:
        order = place()
        claim = recording.claim_submission(order.id)
        assert claim is not None
        canceling.cancel(order.id, actor=ANA, now=timezone.now())

        recording.settle(claim, NotSent("no route"), now=timezone.now())
        sending.send(order.id)

        order.refresh_from_db()
        assert (order.submission, broker.submitted) == (Submission.WITHDRAWN, [])
        assert order.look_at is None

    def test_an_answer_to_an_earlier_cancel_leaves_a_refused_one_alone(
        self, broker: ScriptedBroker
    ) -> None:
        order = place()
        sending.send(order.id)
        canceling.cancel(order.id, actor=ANA, now=timezone.now())
        slow = recording.claim_cancel(order.id)
        assert slow is not None
        recording.lapse(order.id, now=timing.database_now() + timing.LEASE)
        Order.objects.update(cancel_at=timing.database_now())  # that much later, it is due
        broker.script = [Refused("too late", code="too_late", call=call(409))]
        sending.send_cancel(order.id)

        recording.settle(slow, Report(call=call(202)), now=timing.database_now())

        order.refresh_from_db()
        assert (order.cancel_requested_at, order.cancel_at) == (None, None)

    def test_too_late_is_said_and_may_be_asked_again(self, broker: ScriptedBroker) -> None:
        order = place()
        sending.send(order.id)
        canceling.cancel(order.id, actor=ANA, now=timezone.now())
        broker.script = [Refused("too late", code="too_late", call=call(409))]

        sending.send_cancel(order.id)

        order.refresh_from_db()
        assert (order.cancel_requested_at, order.cancel_refused) == (None, "too late")
        assert order.status == Status.NEW
        assert order.is_cancelable

    def test_an_unanswered_cancel_is_asked_again(self, broker: ScriptedBroker) -> None:
        order = place()
        sending.send(order.id)
        canceling.cancel(order.id, actor=ANA, now=timezone.now())
        broker.script = [OutcomeUnknown("silence")]

        sending.send_cancel(order.id)

        order.refresh_from_db()
        assert order.cancel_at is not None
        assert order.cancel_at > timing.database_now()

    @pytest.mark.parametrize("submission", ["refused", "absent"])
    def test_asked_for_in_doubt_it_is_sent_even_if_the_order_was_given_up_meanwhile(
        self, broker: ScriptedBroker, submission: str
    ) -> None:
        order = place()
        broker.script = [OutcomeUnknown("silence")]
        sending.send(order.id)
        canceling.cancel(order.id, actor=ANA, now=timezone.now())
        order.attempts.update(state=submission)
        Order.objects.filter(id=order.id).update(submission=submission, cancel_at=None)

        report = broker.has(order.ticket())
        recording.heed(
            order.account, report, heard=Heard.WEBHOOK, evidence="x", now=timing.database_now()
        )
        attending.cancel(order.id, now=timing.database_now())

        order.refresh_from_db()
        assert order.submission == Submission.ACCEPTED
        assert broker.canceled == [order.broker_order_id]

    def test_asked_for_in_doubt_and_found_ended_there_is_nothing_to_cancel(
        self, broker: ScriptedBroker
    ) -> None:
        order = place()
        broker.script = [OutcomeUnknown("silence")]
        sending.send(order.id)
        canceling.cancel(order.id, actor=ANA, now=timezone.now())

        report = broker.has(order.ticket(), status=Status.CANCELED)
        recording.heed(
            order.account, report, heard=Heard.WEBHOOK, evidence="x", now=timing.database_now()
        )
        attending.cancel(order.id, now=timing.database_now())

        order.refresh_from_db()
        assert (order.cancel_at, broker.canceled) == (None, [])

    def test_asked_for_while_it_is_sent_it_goes_out_with_the_answer(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = place()
        submit = broker.submit

        def slowly(ticket: Ticket) -> Report:
            canceling.cancel(order.id, actor=ANA, now=timezone.now())
            return submit(ticket)

        monkeypatch.setattr(broker, "submit", slowly)
        sending.send(order.id)

        order.refresh_from_db()
        assert broker.canceled == [order.broker_order_id]

    def test_refused_for_our_credentials_it_is_not_given_up(self, broker: ScriptedBroker) -> None:
        order = place()
        sending.send(order.id)
        canceling.cancel(order.id, actor=ANA, now=timezone.now())
        broker.script = [AuthRefused("who?", code="auth", call=call(401))]

        sending.send_cancel(order.id)

        order.refresh_from_db()
        assert order.cancel_requested_at is not None
        assert order.cancel_at is not None
        assert order.account.halted_at is not None
        Order.objects.update(cancel_at=timing.database_now())
        sending.send_cancel(order.id)  # a halt keeps no cancel back
        assert len(broker.canceled) == 2
