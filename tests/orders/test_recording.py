"""The one room: facts are kept once, the projection follows, the record grows."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brokers.messages import Fill, Report, Snapshot
from brokers.vocabulary import ExecutionKind, Side, Status
from orders import auditing, recording
from orders.models import (
    Account,
    AuditEvent,
    Execution,
    Incident,
    Order,
    ParkedFact,
    SnapshotFact,
)
from orders.models.facts import Heard
from orders.recording import Heeded
from orders.states import Submission
from tests.factories import AccountFactory, OrderFactory
from tests.fakes import fill, snapshot

pytestmark = pytest.mark.django_db


def hear(account: Account, *facts: Snapshot | Fill, heard: str = Heard.WEBHOOK) -> Heeded:
    report = Report(
        snapshots=tuple(fact for fact in facts if isinstance(fact, Snapshot)),
        fills=tuple(fact for fact in facts if isinstance(fact, Fill)),
    )
    return recording.heed(account, report, heard=heard, evidence="delivery:1", now=timezone.now())


def sent(**changes: Any) -> Order:
    return OrderFactory(sending=True, **changes)


STORIES: dict[str, tuple[list[Any], Status, str]] = {
    "fills whole": (
        [
            snapshot,
            lambda t: fill(t, "a", "4"),
            lambda t: snapshot(t, status=Status.PARTIALLY_FILLED, version=2, cumulative=Decimal(4)),
            lambda t: fill(t, "b", "6"),
            lambda t: snapshot(t, status=Status.FILLED, version=3, cumulative=Decimal(10)),
        ],
        Status.FILLED,
        "10",
    ),
    "fills in part, and is cancelled": (
        [
            snapshot,
            lambda t: fill(t, "a", "4"),
            lambda t: snapshot(t, status=Status.CANCELED, version=3, cumulative=Decimal(4)),
        ],
        Status.CANCELED,
        "4",
    ),
    "is rejected": (
        [
            lambda t: snapshot(t, status=Status.PENDING_NEW),
            lambda t: snapshot(t, status=Status.REJECTED, version=2),
        ],
        Status.REJECTED,
        "0",
    ),
}


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_order_batching_and_repetition_of_delivery_ends_the_same(data: st.DataObject) -> None:
    """However a day's facts are shuffled, batched and repeated, the order ends as it should.

    Fills may come before anything else about their order: they are parked until it is known.
    """
    says, ends, filled = STORIES[data.draw(st.sampled_from(sorted(STORIES)))]
    order = sent()
    facts = [say(order.ticket()) for say in says]
    if data.draw(st.booleans()):  # brokers that say our id with each trade
        facts = [replace(fact, wire_id=order.wire_id) for fact in facts]
    repeats = data.draw(st.lists(st.sampled_from(facts), max_size=4))
    queue = list(data.draw(st.permutations(facts + repeats)))

    while queue:
        size = data.draw(st.integers(1, 3))
        hear(order.account, *queue[:size])
        queue = queue[size:]

    order.refresh_from_db()
    assert (order.status, order.filled_quantity) == (ends, Decimal(filled))
    assert order.submission == Submission.ACCEPTED
    assert Execution.objects.filter(order=order).count() == sum(isinstance(f, Fill) for f in facts)
    assert not ParkedFact.objects.filter(taken_by=None, account=order.account).exists()
    assert auditing.first_broken(str(order.account_id)) is None


class TestHeed:
    def test_a_repetition_changes_nothing_and_leaves_no_row(self) -> None:
        order = sent()
        hear(order.account, snapshot(order.ticket()), fill(order.ticket(), "a", "4"))
        order.refresh_from_db()
        version, events = order.version, AuditEvent.objects.count()

        told = hear(order.account, snapshot(order.ticket()), fill(order.ticket(), "a", "4"))

        order.refresh_from_db()
        assert not told.news
        assert (order.version, AuditEvent.objects.count()) == (version, events)

    def test_a_fill_that_beats_its_own_order_waits_and_is_booked(self) -> None:
        order = sent()

        assert hear(order.account, fill(order.ticket(), "a", "4")).parked == 1
        hear(order.account, snapshot(order.ticket()), heard=Heard.ANSWER)

        order.refresh_from_db()
        assert (order.status, order.filled_quantity) == (Status.PARTIALLY_FILLED, Decimal(4))
        assert ParkedFact.objects.get().taken_by == order
        assert order.executions.get().heard == Heard.WEBHOOK

    def test_a_late_fill_is_booked_on_a_cancelled_order(self) -> None:
        order = sent()
        hear(order.account, snapshot(order.ticket(), status=Status.CANCELED, version=2))

        hear(order.account, fill(order.ticket(), "a", "4"))

        order.refresh_from_db()
        assert (order.status, order.filled_quantity) == (Status.CANCELED, Decimal(4))

    def test_touches_no_order_of_another_account(self) -> None:
        order, stranger = sent(), AccountFactory()

        told = hear(stranger, snapshot(order.ticket()), fill(order.ticket(), "a", "4"))

        order.refresh_from_db()
        assert told.orders == ()
        assert (order.submission, order.filled_quantity) == (Submission.SENDING, 0)
        assert set(ParkedFact.objects.values_list("account_id", flat=True)) == {stranger.id}

    @pytest.mark.parametrize(
        "changes", [{"symbol": "OTHER"}, {"side": Side.SELL}, {"quantity": Decimal(11)}]
    )
    def test_another_order_under_our_id_is_no_proof_and_is_shown(
        self, changes: dict[str, Any]
    ) -> None:
        order = OrderFactory(unknown=True)

        hear(order.account, snapshot(order.ticket(), **changes))

        order.refresh_from_db()
        assert order.submission == Submission.UNKNOWN
        assert "under our id" in order.submission_reason
        assert order.warnings == ["second_order"]
        assert order.events.filter(action="order.conflict").count() == 1
        assert Incident.objects.get(order=order).kind == "conflict"

    def test_a_second_order_under_our_id_is_shown_and_never_merged(self) -> None:
        order = sent()
        hear(order.account, snapshot(order.ticket()))

        hear(order.account, snapshot(order.ticket(), broker_order_id="B-second", version=9))

        order.refresh_from_db()
        assert order.broker_order_id == f"B-{order.wire_id}"
        assert "B-second under our id" in order.submission_reason
        assert order.events.filter(action="order.conflict").count() == 1

    @pytest.mark.parametrize("submission", ["refused", "absent", "ready"])
    def test_an_order_that_turns_up_after_all_is_accepted(self, submission: str) -> None:
        order = OrderFactory(submission=submission)

        hear(order.account, snapshot(order.ticket()))

        order.refresh_from_db()
        assert (order.submission, order.status) == (Submission.ACCEPTED, Status.NEW)

    def test_a_broker_id_used_twice_does_not_mix_two_orders_up(self) -> None:
        first = OrderFactory(working=True)
        second = sent(account=first.account)
        told = snapshot(
            second.ticket(),
            broker_order_id=first.broker_order_id,
            status=Status.CANCELED,
            version=9,
        )

        hear(first.account, told)

        first.refresh_from_db()
        second.refresh_from_db()
        assert (first.status, first.snapshots.count()) == (Status.NEW, 0)
        assert second.submission == Submission.SENDING
        assert second.events.filter(action="order.conflict").count() == 1

    def test_an_order_that_never_left_is_not_taken_for_the_brokers(self) -> None:
        order = OrderFactory(submission="withdrawn")

        told = hear(order.account, snapshot(order.ticket()))

        order.refresh_from_db()
        assert order.submission == Submission.WITHDRAWN
        assert told.parked == 1

    def test_every_change_names_its_facts_in_the_record(self) -> None:
        order = sent()

        hear(order.account, snapshot(order.ticket()), fill(order.ticket(), "a", "4"))

        event = order.events.get()
        kept, trade = SnapshotFact.objects.get(), Execution.objects.get()
        assert {f"snapshot:{kept.id}", f"execution:{trade.id}", "delivery:1"} <= set(event.evidence)
        assert event.after["filled_quantity"] == "4"
        assert event.before["submission"] == "sending"

    @pytest.mark.parametrize(
        ("told", "why"),
        [
            ({"quantity": Decimal(5)}, "was 4 at 100, and is told as 5 at 100"),
            ({"price": Decimal(101)}, "is told as 4 at 101"),
            ({"side": Side.SELL}, "is told as sell ACME"),
            ({"symbol": "OTHER"}, "is told as buy OTHER"),
        ],
    )
    def test_a_trade_told_again_as_another_is_on_record_once(
        self, told: dict[str, Any], why: str
    ) -> None:
        order = sent()
        ticket = order.ticket()
        hear(order.account, snapshot(ticket), fill(ticket, "a", "4"))

        for _ in range(2):
            hear(order.account, fill(ticket, "a", "4", **told))

        order.refresh_from_db()
        assert order.filled_quantity == Decimal(4)
        assert why in order.events.get(action="order.disputed").reason

    @pytest.mark.parametrize(("quantity", "price"), [("-1", "1"), ("0", "1"), ("1", "-1")])
    def test_a_trade_that_can_not_be_keeps_out_none_beside_it(
        self, quantity: str, price: str
    ) -> None:
        order = sent()
        ticket = order.ticket()

        hear(
            order.account,
            snapshot(ticket),
            fill(ticket, "bad", quantity, price),
            fill(ticket, "good", "4"),
        )

        order.refresh_from_db()
        assert order.filled_quantity == Decimal(4)
        assert "can't be booked" in order.events.get(action="order.disputed").reason

    def test_the_finest_amounts_a_broker_may_say_are_kept_exactly(self) -> None:
        order = sent()
        ticket = order.ticket()
        hear(
            order.account,
            snapshot(ticket),
            fill(ticket, "a", "0.000000000000000001", "999999999999999999.000000000000000001"),
        )

        order.refresh_from_db()
        assert order.filled_quantity == Decimal("0.000000000000000001")
        assert order.filled_value == Decimal("0.999999999999999999000000000000000001")

    def test_a_cancel_that_a_bust_makes_possible_again_is_sent_again(self) -> None:
        order = OrderFactory(working=True, cancel_requested_at=timezone.now())
        ticket = order.ticket()
        trade = fill(ticket, "a", "10")
        hear(order.account, snapshot(ticket), trade)
        order.refresh_from_db()
        assert (order.status, order.cancel_at) == (Status.FILLED, None)

        hear(order.account, replace(trade, kind=ExecutionKind.BUST))

        order.refresh_from_db()
        assert not order.has_ended
        assert order.cancel_at is not None

    def test_what_is_left_is_counted_exactly(self) -> None:
        order = OrderFactory(sending=True, quantity=Decimal(900000000000))
        ticket = order.ticket()
        hear(order.account, snapshot(ticket), fill(ticket, "a", "123456789012.123456789123456789"))

        order.refresh_from_db()

        assert order.leaves_quantity == Decimal("776543210987.876543210876543211")
