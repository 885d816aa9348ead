"""A bracket's position is protected, as its broker shows, or somebody is told that it is not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from brokers.errors import OutcomeUnknown, Refused
from brokers.messages import StopLoss
from brokers.passport import Strategy
from brokers.vocabulary import Leg, OrderClass, Status, TimeInForce
from orders import actors, bracketing, canceling
from orders.models import Incident, Order
from tests.fakes import ScriptedBroker, call, snapshot
from tests.orders.brackets import NATIVE, PAIRS, bare, ends, legs, tells, tend, trades

pytestmark = pytest.mark.django_db


class TestPending:
    """The broker keeps no legs: stop and target are two orders of this desk's."""

    def test_nothing_but_the_entry_goes_out_at_first(
        self, entry: Order, broker: ScriptedBroker
    ) -> None:
        assert entry.strategy == Strategy.PENDING
        [sent] = broker.submitted
        assert (sent.order_class, sent.stop_loss, sent.take_profit) == (
            OrderClass.SIMPLE,
            None,
            None,
        )
        tend(entry)
        assert legs(entry) == []

    def test_the_stop_goes_before_the_target_and_both_are_as_large_as_what_filled(
        self, entry: Order, broker: ScriptedBroker
    ) -> None:
        trades(entry, "e1", "4")

        tend(entry)
        [stop] = broker.submitted[1:]
        assert (stop.side, stop.quantity, stop.stop_price) == ("sell", 4, 95)
        assert stop.time_in_force is TimeInForce.GTC
        tend(entry)
        [target] = broker.submitted[2:]
        assert (target.side, target.quantity, target.limit_price) == ("sell", 4, 110)
        tend(entry)
        assert len(broker.submitted) == 3
        assert entry.unprotected_since is None
        assert entry.tend_at is None
        assert bare(entry) is None

    def test_more_fills_get_legs_of_their_own(self, entry: Order) -> None:
        trades(entry, "e1", "4")
        for _ in range(3):
            tend(entry)
        trades(entry, "e2", "6")
        for _ in range(3):
            tend(entry)

        sizes = [(leg.leg, leg.covers_from, leg.quantity) for leg in legs(entry)]
        assert sizes == [
            ("stop_loss", 0, 4),
            ("take_profit", 0, 4),
            ("stop_loss", 4, 6),
            ("take_profit", 4, 6),
        ]
        assert entry.unprotected_since is None

    def test_one_leg_fills_and_the_other_is_cancelled(
        self, entry: Order, broker: ScriptedBroker
    ) -> None:
        trades(entry, "e1", "10")
        for _ in range(2):
            tend(entry)
        [stop], [target] = legs(entry, Leg.STOP_LOSS), legs(entry, Leg.TAKE_PROFIT)

        trades(target, "t1", "10")
        tend(target)

        stop.refresh_from_db()
        assert stop.cancel_requested_at is not None
        assert not Incident.objects.exists()

    def test_what_the_target_fills_is_taken_off_the_stop(
        self, entry: Order, broker: ScriptedBroker
    ) -> None:
        trades(entry, "e1", "10")
        for _ in range(2):
            tend(entry)
        [stop], [target] = legs(entry, Leg.STOP_LOSS), legs(entry, Leg.TAKE_PROFIT)

        trades(target, "t1", "3")
        tend(entry)

        [(asked, ticket, filled)] = broker.replaced
        assert (asked, ticket.quantity, filled) == (stop.broker_order_id, 7, 0)
        smaller = legs(entry, Leg.STOP_LOSS)[-1]
        assert (smaller.parent_id, smaller.covers_from, smaller.replaces_id) == (
            entry.id,
            0,
            stop.id,
        )

    def test_a_refused_stop_is_told_within_five_seconds_and_tried_again(
        self, entry: Order, broker: ScriptedBroker
    ) -> None:
        trades(entry, "e1", "10")
        broker.script = [Refused("No stops today.", code="x", call=call(422))]
        tend(entry)
        tend(entry, after=0.5)
        assert entry.unprotected_since is not None
        assert bare(entry) is None

        tend(entry, after=3.5)
        incident = bare(entry)
        assert incident is not None
        assert "10 ACME" in incident.says
        assert "No stops today." in incident.says
        assert [leg.submission for leg in legs(entry, Leg.STOP_LOSS)] == ["refused", "accepted"]
        tend(entry, after=4)
        tend(entry, after=4)
        incident.refresh_from_db()
        assert incident.closed_at is not None
        assert entry.unprotected_since is None

    def test_a_stop_in_doubt_is_told_and_not_let_out_again(
        self, entry: Order, broker: ScriptedBroker
    ) -> None:
        trades(entry, "e1", "10")
        broker.script = [OutcomeUnknown("Silence.", call=call(504))]
        tend(entry)
        for seconds in (1, 3.5, 30, 300):
            tend(entry, after=seconds)

        assert [leg.submission for leg in legs(entry)] == ["unknown"]
        incident = bare(entry)
        assert incident is not None
        assert "may be live" in incident.says

    def test_both_legs_filled_is_oversold(self, entry: Order) -> None:
        trades(entry, "e1", "10")
        for _ in range(2):
            tend(entry)
        for leg in legs(entry):
            trades(leg, f"x{leg.leg}", "10")
        tend(entry)

        incident = Incident.objects.get(kind=Incident.Kind.OVERSOLD)
        assert "10 more" in incident.says

    def test_an_entry_cancelled_after_a_partial_fill_keeps_its_legs(self, entry: Order) -> None:
        trades(entry, "e1", "4")
        for _ in range(2):
            tend(entry)
        ends(entry)
        tend(entry)

        assert [leg.quantity for leg in legs(entry)] == [4, 4]
        assert not any(leg.cancel_requested_at for leg in legs(entry))

    def test_a_leg_that_the_broker_cancels_is_let_out_again(self, entry: Order) -> None:
        trades(entry, "e1", "10")
        for _ in range(2):
            tend(entry)
        ends(legs(entry, Leg.STOP_LOSS)[0])
        tend(entry, after=1.5)

        stops = legs(entry, Leg.STOP_LOSS)
        assert [leg.status for leg in stops] == ["canceled", "new"]
        tend(entry, after=2)
        assert entry.unprotected_since is None

    def test_a_leg_that_somebody_cancels_stays_off(self, entry: Order, admin_user: Any) -> None:
        trades(entry, "e1", "10")
        for _ in range(2):
            tend(entry)
        [stop] = legs(entry, Leg.STOP_LOSS)
        canceling.cancel(stop.id, actor=actors.person(admin_user), now=timezone.now())
        stop.refresh_from_db()
        ends(stop)
        tend(entry, after=20)

        assert legs(entry, Leg.STOP_LOSS) == [stop]
        assert bare(entry) is None

    def test_flattening_takes_everything_off_and_closes_the_rest(
        self, entry: Order, broker: ScriptedBroker
    ) -> None:
        trades(entry, "e1", "4")
        for _ in range(2):
            tend(entry)

        bracketing.flatten(entry.id, actor=actors.component("ana"), now=timezone.now())
        everything = [entry, *legs(entry)]
        for order in everything:
            order.refresh_from_db()
        assert all(order.cancel_requested_at for order in everything)
        tend(entry, after=1)
        assert legs(entry, Leg.EXIT) == []
        for order in everything:
            ends(order)
        tend(entry, after=2)

        [exit_] = legs(entry, Leg.EXIT)
        assert (exit_.side, exit_.quantity, exit_.order_type) == ("sell", 4, "market")
        trades(exit_, "x", "4")
        tend(entry, after=3)
        assert entry.unprotected_since is None


@pytest.mark.parametrize("terms", [PAIRS], indirect=True)
class TestPairs:
    def test_as_it_fills_one_pair_goes_out(self, entry: Order, broker: ScriptedBroker) -> None:
        assert entry.strategy == Strategy.NATIVE_OCO
        trades(entry, "e1", "10")
        tend(entry)

        [pair] = broker.submitted[1:]
        assert (pair.order_class, pair.limit_price) == (OrderClass.OCO, 110)
        assert pair.stop_loss == StopLoss(stop_price=Decimal(95))

    def test_it_is_protected_once_the_broker_shows_the_stop(self, entry: Order) -> None:
        trades(entry, "e1", "10")
        tend(entry)
        tend(entry, after=1)
        assert entry.unprotected_since is not None
        [pair] = legs(entry)

        told = snapshot(
            pair.ticket(),
            status=Status.HELD,
            broker_order_id="B-stop",
            wire_id="theirs",
            order_type="stop",
            limit_price=None,
            stop_price=Decimal(95),
            parent=pair.broker_order_id,
            leg=Leg.STOP_LOSS,
        )
        tells(pair, told)
        tend(entry, after=2)

        assert entry.unprotected_since is None
        assert Order.objects.get(broker_order_id="B-stop").parent == pair


@pytest.mark.parametrize("terms", [NATIVE], indirect=True)
class TestNative:
    def told(self, entry: Order, leg: Leg, status: Status, **changes: Any) -> Any:
        stop = leg is Leg.STOP_LOSS
        said = {
            "side": "sell",
            "status": status,
            "raw_status": str(status),
            "broker_order_id": f"B-{leg}",
            "wire_id": f"theirs-{leg}",
            "order_type": "stop" if stop else "limit",
            "limit_price": None if stop else Decimal(110),
            "stop_price": Decimal(95) if stop else None,
            "parent": entry.broker_order_id,
            "leg": leg,
        }
        return snapshot(entry.ticket(), **said | changes)

    def test_all_goes_out_in_one_request(self, entry: Order, broker: ScriptedBroker) -> None:
        [sent] = broker.submitted
        assert sent == entry.terms()

    def test_legs_are_written_down_as_they_are_told(self, entry: Order) -> None:
        tells(
            entry,
            self.told(entry, Leg.STOP_LOSS, Status.HELD),
            self.told(entry, Leg.TAKE_PROFIT, Status.HELD),
        )

        found = {leg.leg: (leg.source, leg.status, leg.parent_id) for leg in legs(entry)}
        assert found == {
            "stop_loss": ("leg", "held", entry.id),
            "take_profit": ("leg", "held", entry.id),
        }
        assert not Incident.objects.exists()

    def test_held_legs_protect_nothing_before_the_entry_is_whole(self, entry: Order) -> None:
        held = [self.told(entry, leg, Status.HELD) for leg in (Leg.STOP_LOSS, Leg.TAKE_PROFIT)]
        tells(entry, *held)
        trades(entry, "e1", "4")
        tend(entry)
        tend(entry, after=4)
        incident = bare(entry)
        assert incident is not None
        assert "holds the legs back" in incident.says

        trades(entry, "e2", "6")
        tells(entry, self.told(entry, Leg.TAKE_PROFIT, Status.NEW, version=2))
        tend(entry, after=5)
        incident.refresh_from_db()
        assert incident.closed_at is not None

    def test_an_entry_cancelled_after_a_partial_fill_is_protected_by_the_desk(
        self, entry: Order, broker: ScriptedBroker
    ) -> None:
        roles = (Leg.STOP_LOSS, Leg.TAKE_PROFIT)
        tells(entry, *(self.told(entry, leg, Status.HELD) for leg in roles))
        trades(entry, "e1", "4")
        ends(entry)
        tells(entry, *(self.told(entry, leg, Status.CANCELED, version=2) for leg in roles))
        tend(entry)
        tend(entry, after=1.5)

        [pair] = broker.submitted[1:]
        assert (pair.order_class, pair.quantity) == (OrderClass.OCO, 4)

    def test_legs_that_nobody_told_of_are_asked_for(self, entry: Order) -> None:
        trades(entry, "e1", "10")
        tend(entry)

        assert entry.look_at is not None
        tend(entry, after=4)
        assert bare(entry) is not None


def test_a_leg_refused_while_nobody_looks_is_closed_if_the_account_wants_it(
    entry: Order, broker: ScriptedBroker
) -> None:
    account = entry.account
    account.unprotected = "flatten"
    account.save(update_fields=["unprotected"])
    trades(entry, "e1", "10")
    broker.script = [Refused("No.", code="x", call=call(422)) for _ in range(4)]
    for seconds in (0, 1, 3.5, 8, 40, 50):
        tend(entry, after=seconds)
    assert bare(entry) is not None
    tend(entry, after=70)
    assert entry.flatten_at is not None
    tend(entry, after=70.5)
    [target] = legs(entry, Leg.TAKE_PROFIT)
    assert target.cancel_requested_at is not None  # nothing is sold twice
    assert legs(entry, Leg.EXIT) == []
    ends(target)
    tend(entry, after=71)

    [exit_] = legs(entry, Leg.EXIT)
    assert (exit_.quantity, exit_.order_type) == (10, "market")
