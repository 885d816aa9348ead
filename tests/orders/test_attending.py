"""The sweep finds what lost its doorbell, its sender or its time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orders import attending, recording, timing
from orders.states import Submission
from tests.factories import OrderFactory
from tests.fakes import ScriptedBroker

pytestmark = pytest.mark.django_db


class TestSweep:
    def test_finds_what_lost_its_doorbell_and_sends_it(self, broker: ScriptedBroker) -> None:
        order = OrderFactory(look_at=timing.database_now())

        for due in attending.due(now=timing.database_now()):
            attending.look(due.order_id, now=timing.database_now())

        order.refresh_from_db()
        assert order.submission == Submission.ACCEPTED
        assert attending.last_sweep() is not None

    def test_hands_each_order_out_once_and_again_if_it_got_lost(
        self, broker: ScriptedBroker
    ) -> None:
        now = timing.database_now()
        order = OrderFactory(working=True, look_at=now, cancel_at=now)

        [due] = attending.due(now=now)
        assert (due.order_id, due.look, due.cancel) == (order.id, True, True)
        assert attending.due(now=now) == []
        assert len(attending.due(now=now + timing.HANDED_OUT)) == 1

    def test_takes_a_sender_whose_lease_lapsed_for_dead(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(timing, "LEASE", timedelta(0))
        order = OrderFactory()
        assert recording.claim_submission(order.id) is not None

        attending.look(order.id, now=timing.database_now())

        order.refresh_from_db()
        assert order.submission == Submission.UNKNOWN
        assert broker.submitted == []

    def test_lets_nothing_out_past_its_time(self, broker: ScriptedBroker) -> None:
        now = timing.database_now()
        order = OrderFactory(submit_by=now, look_at=now)

        attending.look(order.id, now=now)

        order.refresh_from_db()
        assert order.submission == Submission.EXPIRED_UNSENT
        assert broker.submitted == []
