"""Legs that are refused, lost, blocked, changed by people or told of late, and brackets cut off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace as with_changes
from datetime import timedelta
from decimal import Decimal
from threading import Thread
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from brokers.errors import OutcomeUnknown, Refused
from brokers.messages import Report, StopLoss, TakeProfit
from brokers.vocabulary import ExecutionKind, Leg, OrderClass, OrderType, Status, TimeInForce
from orders import (
    actors,
    alarming,
    attending,
    bracketing,
    canceling,
    halting,
    rebuilding,
    recording,
    replacing,
    sending,
)
from orders.models import Account, Incident, Order
from orders.models.facts import Heard
from orders.states import Submission
from tests.factories import ANA, AccountFactory, UserFactory, place
from tests.fakes import ScriptedBroker, call, fill, snapshot
from tests.orders.brackets import NATIVE, PAIRS, PENDING, bare, ends, legs, tells, tend, trades

pytestmark = pytest.mark.django_db

STOP, TARGET, EXIT = Leg.STOP_LOSS, Leg.TAKE_PROFIT, Leg.EXIT
Queries = Callable[[int], Any]


@pytest.fixture
def covered(entry: Order) -> Order:
    """The entry, whole, with both its legs at work."""
    trades(entry, "e1", "10")
    tend(entry)
    tend(entry)
    assert len(legs(entry)) == 2
    return entry


def only(order: Order, leg: Leg) -> Order:
    [found] = legs(order, leg)
    return found


def bust(order: Order, name: str, quantity: str) -> None:
    told = fill(order.ticket(), name, quantity, broker_order_id=order.broker_order_id)
    tells(order, with_changes(told, kind=ExecutionKind.BUST, revision=1))


def refuses(why: str = "No.") -> Refused:
    return Refused(why, code="x", call=call(422))


class TestToldEarly:
    """The entry's fills are heard before anybody knows what the broker calls it."""

    @pytest.mark.parametrize("terms", [PENDING, PAIRS], indirect=True, ids=["pending", "pairs"])
    def test_fills_that_beat_the_answer_get_their_legs(
        self, broker: ScriptedBroker, terms: Any
    ) -> None:
        order = self.place()
        self.hears_of_fills(order)
        assert legs(order) == []

        sending.send(order.id)
        tend(order)

        assert order.filled_quantity == 4
        assert [leg.quantity for leg in legs(order)][:1] == [4]

    @pytest.mark.parametrize("terms", [NATIVE], indirect=True)
    def test_native_legs_told_before_the_answer_are_found(
        self, broker: ScriptedBroker, terms: Any
    ) -> None:
        order = self.place()
        told = [leg_of(order, STOP), leg_of(order, TARGET)]
        recording.heed(
            order.account,
            Report(snapshots=tuple(told)),
            heard=Heard.WEBHOOK,
            evidence="delivery:0",
            now=timezone.now(),
        )
        self.hears_of_fills(order)
        sending.send(order.id)
        assert legs(order) == []
        tend(order)  # asks for the entry

        whole = broker.books[order.wire_id]
        broker.books[order.wire_id] = Report(
            snapshots=(*whole.snapshots, *told), fills=whole.fills, call=call(200)
        )
        attending.look(order.id, now=timezone.now())

        assert {leg.leg for leg in legs(order)} == {STOP, TARGET}

    @pytest.mark.parametrize("terms", [NATIVE], indirect=True)
    def test_native_legs_come_with_the_answer(self, broker: ScriptedBroker, terms: Any) -> None:
        order = self.place()
        answer = broker.has(order.ticket())
        legs_told = (leg_of(order, STOP), leg_of(order, TARGET))
        broker.script = [with_changes(answer, snapshots=(*answer.snapshots, *legs_told))]
        sending.send(order.id)

        assert {leg.leg for leg in legs(order)} == {STOP, TARGET}

    def place(self) -> Order:
        return place(
            order_class=OrderClass.BRACKET,
            take_profit=TakeProfit(limit_price=Decimal(110)),
            stop_loss=StopLoss(stop_price=Decimal(95)),
        )

    def hears_of_fills(self, order: Order) -> None:
        recording.heed(
            order.account,
            Report(fills=(fill(order.ticket(), "e1", "4"),)),
            heard=Heard.WEBHOOK,
            evidence="delivery:1",
            now=timezone.now(),
        )


def leg_of(entry: Order, leg: Leg, status: Status = Status.HELD, **changes: Any) -> Any:
    is_stop = leg is STOP
    said: dict[str, Any] = {
        "side": "sell",
        "status": status,
        "raw_status": str(status),
        "broker_order_id": f"L-{leg}",
        "wire_id": f"theirs-{leg}",
        "order_type": "stop" if is_stop else "limit",
        "limit_price": None if is_stop else Decimal(110),
        "stop_price": Decimal(95) if is_stop else None,
        "parent": f"B-{entry.wire_id}",
        "leg": leg,
    }
    return snapshot(entry.ticket(), **said | changes)


class TestNeverLeft:
    def test_a_leg_that_a_halt_kept_here_goes_out_after_it(
        self, entry: Order, broker: ScriptedBroker
    ) -> None:
        trades(entry, "e1", "10")
        bracketing.tend(entry.id, now=timezone.now())
        halting.halt(entry.account_id, reason="Wait.", actor=ANA, now=timezone.now())
        tend(entry)
        assert [leg.submission for leg in legs(entry)] == ["blocked"]
        tend(entry, after=4)
        assert bare(entry) is not None
        halting.release(entry.account_id, reason="Go.", actor=ANA, now=timezone.now())
        for seconds in (10, 11, 12):
            tend(entry, after=seconds)

        assert [leg.submission for leg in legs(entry)] == ["blocked", "accepted", "accepted"]
        assert bare(entry) is None

    def test_one_that_waited_here_too_long_goes_out_anew(self, entry: Order) -> None:
        trades(entry, "e1", "10")
        bracketing.tend(entry.id, now=timezone.now())
        recording.expire(only(entry, STOP).id, now=timezone.now() + timedelta(hours=1))
        tend(entry, after=3602)

        assert [leg.submission for leg in legs(entry, STOP)] == ["expired_unsent", "accepted"]


class TestInDoubt:
    @pytest.fixture
    def doubted(self, entry: Order, broker: ScriptedBroker) -> Order:
        trades(entry, "e1", "10")
        broker.script = [OutcomeUnknown("Silence.", call=call(504))]
        tend(entry)
        return only(entry, STOP)

    def test_found_it_is_the_leg(self, entry: Order, doubted: Order) -> None:
        tells(doubted, snapshot(doubted.ticket()))
        tend(entry, after=1)
        tend(entry, after=1)

        assert [leg.submission for leg in legs(entry)] == ["accepted", "accepted"]
        assert bare(entry) is None

    def test_absent_it_goes_out_anew(self, entry: Order, doubted: Order) -> None:
        recording.conclude_absent(doubted.id, why="Not there.", inquiries=[], now=timezone.now())
        tend(entry, after=2)

        stops = legs(entry, STOP)
        assert [leg.submission for leg in stops] == ["absent", "accepted"]
        assert stops[0].wire_id != stops[1].wire_id


class TestChangedByPeople:
    def replaces(self, order: Order, **changes: Decimal) -> Order:
        new, _ = replacing.replace(
            order,
            client_order_id=f"by-hand-{order.id}",
            **changes,
            source="api",
            actor=ANA,
            now=timezone.now(),
        )
        return new

    def test_a_stop_moved_is_the_same_leg(self, covered: Order) -> None:
        stop = only(covered, STOP)
        new = self.replaces(stop, stop_price=Decimal(96))
        sending.send(new.id)
        ends(stop, Status.REPLACED)
        tend(covered)

        assert [leg.stop_price for leg in legs(covered, STOP)] == [95, 96]
        assert covered.unprotected_since is None

    def test_a_move_refused_leaves_the_old_one(
        self, covered: Order, broker: ScriptedBroker
    ) -> None:
        stop = only(covered, STOP)
        broker.script = [refuses("Too near.")]
        sending.send(self.replaces(stop, stop_price=Decimal(96)).id)
        tend(covered, after=10)

        assert len(legs(covered, STOP)) == 2
        assert covered.unprotected_since is None

    def test_a_move_that_lost_both_is_mended(self, covered: Order, broker: ScriptedBroker) -> None:
        stop = only(covered, STOP)
        broker.script = [refuses("Cancelled the old one, and the new one does not fit.")]
        sending.send(self.replaces(stop, stop_price=Decimal(96)).id)
        ends(stop)
        for seconds in (0, 1.5, 2, 4):
            tend(covered, after=seconds)

        assert legs(covered, STOP)[-1].submission == Submission.ACCEPTED
        assert legs(covered, STOP)[-1].stop_price == 95
        assert covered.unprotected_since is None

    def test_a_move_in_doubt_is_told(self, covered: Order, broker: ScriptedBroker) -> None:
        broker.script = [OutcomeUnknown("Silence.", call=call(504))]
        sending.send(self.replaces(only(covered, STOP), stop_price=Decimal(96)).id)
        tend(covered)
        tend(covered, after=4)

        assert bare(covered) is not None
        assert len(legs(covered, STOP)) == 2

    def test_an_entry_moved_keeps_its_legs_and_gets_more(self, entry: Order) -> None:
        trades(entry, "e1", "4")
        tend(entry)
        new = self.replaces(entry, limit_price=Decimal(99))
        sending.send(new.id)
        ends(entry, Status.REPLACED)
        new.refresh_from_db()
        trades(new, "e2", "6")
        for _ in range(4):
            tend(new)

        assert [(leg.leg, leg.quantity) for leg in legs(entry)] == [
            ("stop_loss", 4),
            ("stop_loss", 6),
            ("take_profit", 4),
            ("take_profit", 6),
        ]
        assert bare(entry) is None

    def test_a_cancel_refused_leaves_the_desk_in_charge(
        self, covered: Order, broker: ScriptedBroker, admin_user: Any
    ) -> None:
        stop = only(covered, STOP)
        broker.script = [refuses("Not now.")]
        canceling.cancel(stop.id, actor=actors.person(admin_user), now=timezone.now())
        sending.send_cancel(stop.id)
        stop.refresh_from_db()
        assert stop.cancel_refused
        ends(stop)
        tend(covered, after=2)

        assert len(legs(covered, STOP)) == 2  # the broker took it off, and nobody of ours


class TestTakenBack:
    def test_a_bust_of_the_entry_makes_the_legs_smaller(
        self, covered: Order, broker: ScriptedBroker
    ) -> None:
        bust(covered, "e1", "10")
        trades(covered, "e2", "4")
        tend(covered)

        sizes = {(asked, ticket.quantity) for asked, ticket, _ in broker.replaced}
        assert sizes == {(leg.broker_order_id, Decimal(4)) for leg in legs(covered)[:2]}

    def test_oversold_is_mended_by_a_bust(self, covered: Order) -> None:
        for leg in legs(covered):
            trades(leg, f"x{leg.leg}", "10")
        tend(covered)
        incident = Incident.objects.get(kind=Incident.Kind.OVERSOLD)
        assert incident.closed_at is None

        bust(only(covered, TARGET), "xtake_profit", "10")
        tend(covered)
        incident.refresh_from_db()
        assert incident.closed_at is not None

    def test_a_bust_of_a_leg_brings_its_protection_back(self, covered: Order) -> None:
        stop, target = only(covered, STOP), only(covered, TARGET)
        trades(stop, "s1", "10")
        tend(covered)
        ends(target)
        bust(stop, "s1", "10")
        tend(covered, after=2)
        tend(covered, after=6)

        assert [leg.status for leg in legs(covered, TARGET)] == ["canceled", "new"]


class TestPeopleAndPolicy:
    @pytest.fixture
    def bared(self, entry: Order, broker: ScriptedBroker) -> Order:
        """No stop, told of, and nobody has answered yet."""
        entry.account.unprotected = "flatten"
        entry.account.save(update_fields=["unprotected"])
        trades(entry, "e1", "10")
        broker.script = [refuses() for _ in range(4)]
        tend(entry)
        tend(entry, after=4)
        assert bare(entry) is not None
        return entry

    def test_who_answers_stops_it(self, bared: Order) -> None:
        incident = bare(bared)
        assert incident is not None
        user = UserFactory()
        alarming.acknowledge(incident.id, user=user, actor=actors.person(user), now=timezone.now())
        tend(bared, after=200)

        assert bared.flatten_at is None

    def test_who_closes_it_has_had_their_say(self, bared: Order) -> None:
        incident = bare(bared)
        assert incident is not None
        user = UserFactory()
        alarming.close(
            incident.id,
            outcome="Hedged elsewhere.",
            actor=actors.person(user),
            now=timezone.now() + timedelta(seconds=5),
        )
        tend(bared, after=100)

        assert bare(bared) is None
        assert bared.flatten_at is None

    def test_an_incident_that_ended_by_itself_does_not_hide_the_next(
        self, covered: Order, broker: ScriptedBroker
    ) -> None:
        for round_ in range(2):
            stop = legs(covered, STOP)[-1]
            broker.script = [refuses()]
            ends(stop)
            for seconds in (1.5, 5, 8, 9):
                tend(covered, after=20 * round_ + seconds)
        kinds = Incident.objects.filter(kind=Incident.Kind.UNPROTECTED)
        assert kinds.count() == 2

    def test_a_lost_target_is_no_reason_to_close(
        self, covered: Order, broker: ScriptedBroker
    ) -> None:
        covered.account.unprotected = "flatten"
        covered.account.save(update_fields=["unprotected"])
        broker.script = [refuses() for _ in range(9)]
        ends(only(covered, TARGET))
        for seconds in (1, 4, 8, 100, 200):
            tend(covered, after=seconds)

        assert bare(covered) is not None
        assert covered.flatten_at is None

    def test_closing_waits_while_a_leg_may_yet_fill(
        self, entry: Order, broker: ScriptedBroker
    ) -> None:
        trades(entry, "e1", "4")
        broker.script = [OutcomeUnknown("Silence.", call=call(504))]
        tend(entry)
        bracketing.flatten(entry.id, actor=ANA, now=timezone.now())
        ends(entry)
        tend(entry, after=60)
        assert legs(entry, EXIT) == []  # the stop in doubt may be live

        recording.conclude_absent(
            only(entry, STOP).id, why="Not there.", inquiries=[], now=timezone.now()
        )
        tend(entry, after=61)
        assert only(entry, EXIT).quantity == 4


class TestOthers:
    def test_brackets_entered_elsewhere_are_left_alone(
        self, broker: ScriptedBroker, terms: Any
    ) -> None:
        account: Account = AccountFactory()
        entry = place(account)
        sending.send(entry.id)
        entry.refresh_from_db()
        tells(entry, leg_of(entry, STOP), leg_of(entry, TARGET))
        assert len(legs(entry)) == 2
        for seconds in (1, 10, 100):
            tend(entry, after=seconds)

        assert not any(leg.cancel_requested_at for leg in legs(entry))
        assert not Incident.objects.filter(account=account).exists()

    def test_no_other_account_is_touched(self, covered: Order, broker: ScriptedBroker) -> None:
        other = place(AccountFactory(), wire_id="other")
        sending.send(other.id)
        before = Order.objects.filter(id=other.id).values().get()
        trades(only(covered, TARGET), "t1", "10")
        tend(covered)

        assert Order.objects.filter(id=other.id).values().get() == before

    def test_a_broker_that_takes_stops_for_the_day_alone_gets_such(
        self, entry: Order, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        takes = dict(PENDING.takes) | {OrderType.STOP: frozenset({TimeInForce.DAY})}
        terms = with_changes(PENDING, takes=takes)
        monkeypatch.setattr("brokers.registry.passport", lambda name: terms)
        trades(entry, "e1", "10")
        tend(entry)

        assert only(entry, STOP).time_in_force == TimeInForce.DAY

    def test_tending_takes_a_bounded_number_of_queries(
        self, covered: Order, django_assert_max_num_queries: Queries
    ) -> None:
        with django_assert_max_num_queries(20):
            bracketing.tend(covered.id, now=timezone.now())

    def test_what_is_stored_follows_from_the_facts(self, covered: Order) -> None:
        trades(only(covered, TARGET), "t1", "4")
        tend(covered)
        ends(legs(covered, STOP)[0], Status.REPLACED)
        tend(covered)

        for order in Order.objects.all():
            assert list(rebuilding.of_order(order)) == []


class TestCutOff:
    def test_what_was_decided_and_not_asked_is_asked_later(
        self, covered: Order, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stop, target = only(covered, STOP), only(covered, TARGET)
        trades(target, "t1", "10")
        with monkeypatch.context() as patch:
            patch.setattr(bracketing, "_ask", dies)
            bracketing.tend_due(now=timezone.now())
        stop.refresh_from_db()
        assert stop.cancel_requested_at is None

        bracketing.tend_due(now=timezone.now() + timedelta(seconds=1.1))
        stop.refresh_from_db()
        assert stop.cancel_requested_at is not None

    def test_a_decision_is_whole_or_not_at_all(
        self, entry: Order, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trades(entry, "e1", "10")
        with monkeypatch.context() as patch:
            patch.setattr(bracketing, "_schedule", dies)
            bracketing.tend_due(now=timezone.now())
        assert legs(entry) == []

        bracketing.tend_due(now=timezone.now() + timedelta(seconds=1.1))
        assert [leg.leg for leg in legs(entry)] == [STOP]


def dies(*args: Any, **kwargs: Any) -> None:
    raise RuntimeError("cut off")


@pytest.mark.django_db(transaction=True)
def test_many_at_once_let_no_leg_out_twice(entry: Order, broker: ScriptedBroker) -> None:
    """Two clocks tend while webhooks tell of fills of the entry and of a leg: nobody waits for
    ever, and nothing goes out twice."""
    trades(entry, "e1", "4")
    failed: list[Exception] = []

    def doing(work: Callable[[int], None]) -> Thread:
        def run() -> None:
            try:
                for number in range(6):
                    work(number)
            except Exception as error:  # noqa: BLE001 — whatever it is, a thread must not swallow it
                failed.append(error)
            finally:
                connections.close_all()

        return Thread(target=run)

    def tends(number: int) -> None:
        bracketing.tend(entry.id, now=timezone.now())
        for leg in Order.objects.filter(submission=Submission.READY):
            sending.send(leg.id)

    def hears(number: int) -> None:
        tells(Order.objects.get(id=entry.id), fill(entry.ticket(), f"w{number}", "1"))
        for leg in Order.objects.filter(leg=TARGET, broker_order_id__isnull=False)[:1]:
            tells(leg, snapshot(leg.ticket(), version=number + 2))

    threads = [doing(tends), doing(tends), doing(hears)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert failed == []
    for _ in range(4):
        tend(entry)

    sent = [ticket.wire_id for ticket in broker.submitted]
    assert len(sent) == len(set(sent))
    for leg in (STOP, TARGET):
        assert sum(one.quantity or 0 for one in legs(entry, leg)) == 10
