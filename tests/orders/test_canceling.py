"""A cancel is asked for at once, and believed when the broker says so."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError
from django.utils import timezone

from brokers.errors import (
    AuthRefused,
    NotSent,
    OutcomeUnknown,
    Refused,
)
from brokers.messages import Report, Ticket
from brokers.vocabulary import Side, Status
from orders import attending, canceling, recording, sending, timing
from orders.canceling import Became, Canceled
from orders.models import Account, AuditEvent, Order
from orders.models.facts import Heard
from orders.states import Submission
from tests.factories import ANA, AccountFactory, OrderFactory, place
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


@pytest.mark.django_db
class TestCancelAll:
    def cancel_all(self, account: Account, **which: Any) -> list[Canceled]:
        return canceling.cancel_all(account, actor=ANA, now=timing.database_now(), **which)

    def test_says_what_became_of_each(self, broker: ScriptedBroker) -> None:
        account = AccountFactory()
        ready, working, lost = (place(account) for _ in range(3))
        sending.send(working.id)
        broker.script = [OutcomeUnknown("silence")]
        sending.send(lost.id)
        leaving = OrderFactory(account=account, sending=True)
        OrderFactory(account=account, filled=True)

        told = {one.order: one.became for one in self.cancel_all(account)}

        assert told == {
            ready: Became.WITHDRAWN,
            working: Became.ASKED,
            lost: Became.ON_SIGHT,
            leaving: Became.ON_SIGHT,
        }
        assert Order.objects.filter(cancel_requested_at__isnull=False).count() == 3

    def test_asked_again_is_harmless(self, broker: ScriptedBroker) -> None:
        order = place()
        sending.send(order.id)

        told = [self.cancel_all(order.account)[0].became for _ in range(2)]

        assert told == [Became.ASKED, Became.ASKED]
        assert order.events.filter(action="order.cancel_asked").count() == 1

    def test_newest_first_and_what_protects_last(self, broker: ScriptedBroker) -> None:
        account = AccountFactory()
        held = OrderFactory(account=account, filled=True)
        old = OrderFactory(account=account, working=True)
        legs = [
            OrderFactory(account=account, working=True, parent=held, leg=leg, side="sell")
            for leg in ("take_profit", "stop_loss")
        ]
        new = OrderFactory(account=account, working=True)

        told = [one.order for one in self.cancel_all(account)]

        assert told == [new, old, *reversed(legs)]

    @pytest.mark.parametrize(
        ("which", "found"),
        [
            ({}, "abc"),
            ({"symbol": "A"}, "ab"),
            ({"side": Side.SELL}, "bc"),
            ({"symbol": "A", "side": Side.SELL}, "b"),
            ({"symbol": "NONE"}, ""),
        ],
        ids=repr,
    )
    def test_of_one_symbol_or_side(
        self, broker: ScriptedBroker, which: dict[str, Any], found: str
    ) -> None:
        account = AccountFactory()
        place(account, symbol="A", wire_id="a")
        place(account, symbol="A", side=Side.SELL, wire_id="b")
        place(account, symbol="C", side=Side.SELL, wire_id="c")
        place(wire_id="elsewhere")

        told = self.cancel_all(account, **which)

        assert {one.order.client_order_id for one in told} == set(found)
        assert Order.objects.filter(submission=Submission.WITHDRAWN).count() == len(found)

    def test_what_can_t_be_cancelled_keeps_nothing_else_from_it(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account = AccountFactory()
        first, ended, failing = (OrderFactory(account=account, working=True) for _ in range(3))
        ask = recording.ask_cancel

        def as_told(order_id: UUID, **who: Any) -> Order:
            if order_id == failing.id:
                raise OperationalError("deadlock detected")
            if order_id == ended.id:  # it fills between our look and our asking
                Order.objects.filter(id=ended.id).update(status=Status.CANCELED)
            return ask(order_id, **who)

        monkeypatch.setattr(recording, "ask_cancel", as_told)

        told = {one.order: one for one in self.cancel_all(account)}

        assert {order: one.became for order, one in told.items()} == {
            failing: Became.FAILED,
            ended: Became.TOO_LATE,
            first: Became.ASKED,
        }
        assert told[ended].order.status == Status.CANCELED
        assert "ended" in told[ended].why

    def test_is_on_record_even_if_nothing_was_open(self, broker: ScriptedBroker) -> None:
        account = AccountFactory()

        assert self.cancel_all(account, symbol="A") == []

        event = AuditEvent.objects.get(action="orders.cancel_all_asked")
        assert (event.chain, event.after) == (str(account.id), {"symbol": "A"})
        assert event.actor_name == "ana"
