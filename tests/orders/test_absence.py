"""Absence is proved by the documented rule, and by nothing less."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from brokers.errors import DuplicateId
from brokers.messages import Report
from brokers.passport import Read
from orders import judging, reconciling, sending, timing
from orders.models import Order
from orders.models.inquiry import Inquiry
from orders.states import Submission
from tests.factories import ANA, OrderFactory, place
from tests.fakes import ScriptedBroker, call
from tests.orders.doubt import a_known_order, after, in_doubt, silent

pytestmark = pytest.mark.django_db


def lost_to(*paths: str) -> Callable[..., Iterator[Report]]:
    """A way of asking that is answered, and shows nothing of the order."""
    return lambda since: iter([Report(call=call(200))])


class TestAbsence:
    def look(self, order: Order, *seconds: float) -> Submission:
        for second in seconds:
            reconciling.reconcile(order.id, now=after(order, second))
        order.refresh_from_db()
        return Submission(order.submission)

    def test_takes_looks_apart_from_each_other(self, broker: ScriptedBroker) -> None:
        order = in_doubt()
        a_known_order(order.account, broker)

        assert self.look(order, 60, 60.2, 60.4, 60.6) == Submission.UNKNOWN
        assert self.look(order, 61, 62) == Submission.ABSENT

    def test_takes_a_look_past_the_second_grace(self, broker: ScriptedBroker) -> None:
        order = in_doubt()
        a_known_order(order.account, broker)

        assert self.look(order, 1, 2, 3, 4) == Submission.UNKNOWN
        assert self.look(order, 5) == Submission.ABSENT

    def test_before_the_first_grace_counts_for_nothing(self, broker: ScriptedBroker) -> None:
        order = in_doubt()
        a_known_order(order.account, broker)

        assert self.look(order, -3, -2, -1, 0, 60, 61) == Submission.UNKNOWN
        assert self.look(order, 62) == Submission.ABSENT

    def test_takes_both_ways_in_the_same_pass(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = in_doubt()
        a_known_order(order.account, broker)
        listed = broker.orders_since

        for second in range(10, 40):
            with monkeypatch.context() as patch:
                patch.setattr(broker, "orders_since" if second % 2 else "find", silent)
                assert self.look(order, second) == Submission.UNKNOWN
        assert broker.orders_since == listed

    def test_takes_the_control_in_the_same_pass(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = in_doubt()
        a_known_order(order.account, broker)
        with monkeypatch.context() as patch:
            patch.setattr(broker, "orders_since", lost_to())
            assert self.look(order, 10, 20, 30, 40) == Submission.UNKNOWN

        assert self.look(order, 50, 60) == Submission.UNKNOWN
        assert self.look(order, 70) == Submission.ABSENT

    def test_takes_the_list_with_its_control_even_where_the_lookup_would_do(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        doubt = replace(broker.passport.doubt, absence_by=frozenset({Read.OUR_ID}))
        monkeypatch.setattr(broker, "passport", replace(broker.passport, doubt=doubt))
        order = in_doubt()

        assert self.look(order, 10, 20, 30) == Submission.UNKNOWN
        a_known_order(order.account, broker)
        assert self.look(order, 40, 50, 60) == Submission.ABSENT

    def test_is_not_concluded_once_the_broker_said_that_it_has_the_id(
        self, broker: ScriptedBroker
    ) -> None:
        order = place()
        a_known_order(order.account, broker)
        broker.script = [DuplicateId("seen before", call=call(409))]
        sending.send(order.id)
        order.refresh_from_db()
        assert order.look_at <= timing.database_now()  # it is looked for at once

        assert self.look(order, 10, 20, 30, 3600) == Submission.UNKNOWN

    def test_is_not_concluded_once_anybody_found_it(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = in_doubt()
        a_known_order(order.account, broker)
        Inquiry.objects.create(order=order, path="our id", result="found", asked_at=after(order, 1))

        assert self.look(order, 10, 20, 30, 3600) == Submission.UNKNOWN

    def test_takes_three_passes_soon_after_each_other_once_the_broker_answers_again(
        self, broker: ScriptedBroker
    ) -> None:
        order = in_doubt()
        self.look(order, 300)  # without a control: that proved nothing
        assert order.look_at == timing.next_look(order.submission_at, now=after(order, 300))

        a_known_order(order.account, broker)
        for second in (360, 365):
            assert self.look(order, second) == Submission.UNKNOWN
            assert order.look_at == after(order, second + 5)
        assert self.look(order, 370) == Submission.ABSENT

    def test_is_asked_after_once_more_if_somebody_wants_to_know(
        self, broker: ScriptedBroker
    ) -> None:
        order = OrderFactory(submission="absent")
        judging.check_now(order.id, actor=ANA, now=timing.database_now())

        reconciling.reconcile(order.id, now=timing.database_now())
        order.refresh_from_db()
        assert (order.submission, order.look_at) == (Submission.ABSENT, None)

        broker.has(order.ticket())
        reconciling.reconcile(order.id, now=timing.database_now())
        order.refresh_from_db()
        assert order.submission == Submission.ACCEPTED
