"""Orders that replace each other are one intention, and never trade more than it wanted."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from brokers.errors import OutcomeUnknown, Refused
from brokers.messages import Report
from brokers.vocabulary import ExecutionKind, Status
from orders import actors, recording, replacing, sending, timing
from orders.errors import NotReplaceable
from orders.models import Incident, Order
from orders.models.facts import Heard
from orders.recording import chaining
from orders.states import Submission
from tests.factories import OrderFactory, place
from tests.fakes import ScriptedBroker, call, fill, snapshot

pytestmark = pytest.mark.django_db

ANA = actors.component("ana")


def replace(order: Order, name: str, quantity: int = 20) -> Order:
    new, _ = replacing.replace(
        order,
        client_order_id=name,
        quantity=Decimal(quantity),
        source="api",
        actor=ANA,
        now=timezone.now(),
    )
    return new


def replaced(order: Order, name: str, quantity: int = 20) -> Order:
    """Replace an order, and have the broker do it."""
    new = replace(order, name, quantity)
    sending.send(new.id)
    new.refresh_from_db()
    return new


def trades(order: Order, name: str, quantity: str, **changes: Any) -> None:
    trade = fill(order.ticket(), name, quantity, **changes)
    recording.heed(
        order.account,
        Report(fills=(trade,)),
        heard=Heard.WEBHOOK,
        evidence="delivery:1",
        now=timezone.now(),
    )
    order.refresh_from_db()


def turns_up(order: Order) -> None:
    recording.heed(
        order.account,
        Report(snapshots=(snapshot(order.ticket()),)),
        heard=Heard.WEBHOOK,
        evidence="delivery:1",
        now=timezone.now(),
    )
    order.refresh_from_db()


@pytest.fixture
def first(broker: ScriptedBroker) -> Order:
    """Buys 10, and works."""
    order = place(wire_id="first")
    sending.send(order.id)
    order.refresh_from_db()
    return order


def refused(order: Order, name: str, broker: ScriptedBroker) -> Order:
    new = replace(order, name)
    broker.script = [Refused("no funds", code="no_funds", call=call(422))]
    sending.send(new.id)
    new.refresh_from_db()
    assert new.submission == Submission.REFUSED
    return new


class TestMembers:
    def test_are_the_whole_tree_oldest_first(self, first: Order, broker: ScriptedBroker) -> None:
        no = refused(first, "no", broker)
        second = replaced(first, "second")
        third = replaced(second, "third", 30)
        place(first.account)

        for order in (first, no, second, third):
            assert chaining.members(order.id) == [first, no, second, third]


class TestOverfill:
    def test_is_seen_over_the_whole_chain(self, first: Order) -> None:
        trades(first, "a", "4")
        second = replaced(first, "second", 12)  # 8 more
        trades(second, "b", "8")
        assert not Incident.objects.exists()

        trades(first, "c", "1")  # it raced the replace

        first.refresh_from_db()
        assert {*first.flags, *second.flags} == {"needs_confirm"}  # of each order, no overfill
        incident = Incident.objects.get()
        assert (incident.kind, incident.severity) == ("overfill", "critical")
        assert incident.order == second
        assert "13 were filled" in incident.says
        assert "12 wanted" in incident.says

    def test_is_none_while_what_was_wanted_most_is_not_exceeded(self, first: Order) -> None:
        trades(first, "a", "4")
        second = replaced(first, "second", 6)  # 2 more, where 10 were wanted once

        trades(second, "b", "2")
        trades(first, "c", "4")

        assert not Incident.objects.exists()

    def test_counts_what_came_before_along_the_chain(self, first: Order) -> None:
        trades(first, "a", "4")
        second = replaced(first, "second", 14)  # 10 more: 14 in all
        trades(second, "b", "6")
        third = replaced(second, "third", 9)  # 3 more: 13 in all
        assert (second.quantity, third.quantity) == (10, 3)
        trades(third, "c", "3")
        trades(first, "d", "1")
        assert not Incident.objects.exists()  # 14 of 14

        trades(second, "e", "1")

        assert Incident.objects.get().order == third

    def test_takes_no_replace_that_the_broker_refused_for_wanted(
        self, first: Order, broker: ScriptedBroker
    ) -> None:
        refused(first, "much", broker)  # 20, and not to be had
        second = replaced(first, "second", 12)
        trades(first, "a", "1")

        trades(second, "b", "12")

        assert Incident.objects.get().order == second

    def test_is_over_once_a_trade_is_taken_back(self, first: Order) -> None:
        second = replaced(first, "second", 12)
        trades(second, "a", "12")
        trades(first, "b", "1")
        assert Incident.objects.open().count() == 1

        trades(first, "b", "1", kind=ExecutionKind.BUST)

        assert not Incident.objects.open().exists()


class TestOneChangeAtATime:
    def test_none_while_any_change_in_the_chain_is_in_doubt(
        self, first: Order, broker: ScriptedBroker
    ) -> None:
        no = refused(first, "no", broker)
        lost = replace(first, "lost")
        broker.script = [OutcomeUnknown("silence")]
        sending.send(lost.id)
        turns_up(no)  # so it took the place of the first after all
        assert no.is_replaceable

        with pytest.raises(NotReplaceable, match="in doubt"):
            replace(no, "third", 30)

        turns_up(lost)
        replace(no, "third", 30)

    def test_none_of_one_that_is_itself_a_replace_in_doubt(
        self, first: Order, broker: ScriptedBroker
    ) -> None:
        lost = replace(first, "lost")
        broker.script = [OutcomeUnknown("silence")]
        sending.send(lost.id)
        lost.refresh_from_db()

        with pytest.raises(NotReplaceable):
            replace(lost, "third", 30)
        with pytest.raises(NotReplaceable):
            replace(first, "third", 30)

    def test_a_refused_replace_makes_room(self, first: Order, broker: ScriptedBroker) -> None:
        refused(first, "no", broker)

        assert replaced(first, "second").submission == Submission.ACCEPTED

    @pytest.mark.parametrize("state", ["ready", "sending", "unknown", "accepted"])
    def test_one_that_turns_up_after_all_is_taken_in_whatever_became_of_the_next(
        self, first: Order, broker: ScriptedBroker, state: str
    ) -> None:
        no = refused(first, "no", broker)
        following = replace(first, "second")
        match state:
            case "sending":
                recording.claim_submission(following.id)
            case "unknown":
                broker.script = [OutcomeUnknown("silence")]
                sending.send(following.id)
            case "accepted":
                sending.send(following.id)
        following.refresh_from_db()
        assert following.submission == state

        turns_up(no)
        trades(no, "a", "4")

        assert (no.submission, no.filled_quantity) == (Submission.ACCEPTED, 4)
        assert Incident.objects.get(kind="revived").order == no

    def test_a_replace_is_kept_here_if_another_turned_up_before_it_left(
        self, first: Order, broker: ScriptedBroker
    ) -> None:
        no = refused(first, "no", broker)
        following = replace(first, "second")
        turns_up(no)
        sent = len(broker.replaced)

        sending.send(following.id)

        following.refresh_from_db()
        assert following.submission_code == "replaced_meanwhile"
        assert len(broker.replaced) == sent


class TestPolling:
    @pytest.mark.parametrize("mishap", [None, OutcomeUnknown("silence")])
    def test_goes_on_closely_until_the_broker_says_that_the_old_one_is_replaced(
        self, first: Order, broker: ScriptedBroker, mishap: OutcomeUnknown | None
    ) -> None:
        new = replace(first, "second")
        broker.script = [mishap] if mishap else []
        sending.send(new.id)

        for _ in range(3):  # however often it is asked after
            now = timing.database_now()
            recording.heed(
                first.account, broker.books["first"], heard=Heard.POLL, evidence="poll", now=now
            )
            first.refresh_from_db()
            assert first.look_at == now + timing.PENDING_POLL

        broker.has(first.ticket(), status=Status.REPLACED, version=2)
        recording.heed(
            first.account,
            broker.books["first"],
            heard=Heard.POLL,
            evidence="poll",
            now=timing.database_now(),
        )
        first.refresh_from_db()
        assert first.look_at is None

    def test_is_as_usual_once_the_replace_was_refused(
        self, first: Order, broker: ScriptedBroker
    ) -> None:
        refused(first, "no", broker)

        now = timing.database_now()
        recording.heed(
            first.account, broker.books["first"], heard=Heard.POLL, evidence="poll", now=now
        )

        first.refresh_from_db()
        assert first.look_at == now + timing.WORKING_POLL


def test_the_rows_of_a_chain_may_be_any_orders() -> None:
    assert chaining.members(OrderFactory(working=True).id) == [Order.objects.get()]
