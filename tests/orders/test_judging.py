"""A person's word settles doubt: on grounds, by right, and above a threshold with a second one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from brokers.errors import OutcomeUnknown
from brokers.messages import Report
from brokers.vocabulary import OrderType, Side, Status
from orders import (
    actors,
    asking,
    attending,
    auditing,
    judging,
    rebuilding,
    reconciling,
    recording,
    sending,
    timing,
)
from orders.errors import (
    BadRuling,
    BrokerSilent,
    MayNotTrade,
    NotInDoubt,
    NotThatOrder,
    NotThere,
    RulingEnded,
    RulingOpen,
    SecondPersonNeeded,
)
from orders.models import Account, Grant, Incident, Order, Role, Ruling
from orders.models.facts import Heard
from orders.states import Submission
from tests.factories import AccountFactory, OrderFactory, UserFactory, a_ticket, place
from tests.fakes import ScriptedBroker, call, fill, snapshot

pytestmark = pytest.mark.django_db

State = Ruling.State


@pytest.fixture
def ana() -> User:
    return UserFactory(username="ana")


@pytest.fixture
def ben() -> User:
    return UserFactory(username="ben")


@pytest.fixture
def account(ana: User, ben: User) -> Account:
    """An account with two traders, in which one may rule on up to 10,000."""
    account = AccountFactory(trader=ana)
    Grant.objects.create(account=account, user=ben, role=Role.TRADER)
    return account


@pytest.fixture
def order(account: Account, broker: ScriptedBroker) -> Order:
    """In doubt, and worth 995."""
    return OrderFactory(unknown=True, account=account)


@pytest.fixture
def large(account: Account, broker: ScriptedBroker) -> Order:
    """In doubt, and worth 19,900: more than one person may rule on."""
    return OrderFactory(unknown=True, account=account, quantity=Decimal(200))


def propose(order: Order, user: User, verdict: str = "absent", **changes: Any) -> Ruling:
    word = {"reason": "Their desk looked.", "broker_ticket": "T-7"} | changes
    return judging.propose(
        order.id,
        verdict=verdict,
        user=user,
        actor=actors.person(user),
        now=timezone.now(),
        **word,
    )


def confirm(ruling: Ruling, user: User) -> Ruling:
    return judging.confirm(ruling.id, user=user, actor=actors.person(user), now=timezone.now())


def a_stray(broker: ScriptedBroker, order: Order, **changes: Any) -> str:
    """Put the order into the broker's books under an id that is not ours, and return theirs."""
    ticket = a_ticket(wire_id="mangled", quantity=order.quantity)
    report = broker.has(ticket, fill(ticket, "a", "4"), **changes)
    return report.snapshots[0].broker_order_id


class TestAbsent:
    def test_below_the_threshold_one_person_settles_it(self, order: Order, ana: User) -> None:
        ruling = propose(order, ana)

        order.refresh_from_db()
        assert (ruling.state, ruling.needs_second) == (State.CARRIED_OUT, False)
        assert (order.submission, order.look_at) == (Submission.ABSENT, None)
        assert "T-7" in order.submission_reason
        event = order.events.get(action="order.absent")
        assert (event.actor_name, event.evidence) == ("ana", [f"ruling:{ruling.id}"])

    def test_above_it_nothing_happens_before_a_second_trader_confirms(
        self, large: Order, ana: User, ben: User
    ) -> None:
        ruling = propose(large, ana)

        large.refresh_from_db()
        assert (ruling.state, large.submission) == (State.PROPOSED, Submission.UNKNOWN)

        confirm(ruling, ben)

        large.refresh_from_db()
        ruling.refresh_from_db()
        assert (ruling.state, large.submission) == (State.CARRIED_OUT, Submission.ABSENT)
        assert ruling.confirmed_by == ben
        actions = [event.action for event in large.events.order_by("sequence")]
        assert actions == ["order.ruling_proposed", "order.absent"]
        assert auditing.first_broken(str(large.account_id)) is None

    def test_the_second_person_is_another(self, large: Order, ana: User) -> None:
        ruling = propose(large, ana)

        with pytest.raises(SecondPersonNeeded):
            confirm(ruling, ana)

        large.refresh_from_db()
        assert large.submission == Submission.UNKNOWN

    def test_only_one_ruling_waits_at_a_time(self, large: Order, ana: User, ben: User) -> None:
        propose(large, ana)

        with pytest.raises(RulingOpen):
            propose(large, ben)

    def test_a_dropped_one_makes_room_and_is_over(self, large: Order, ana: User, ben: User) -> None:
        ruling = propose(large, ana)

        judging.drop(
            ruling.id,
            user=ben,
            actor=actors.person(ben),
            now=timezone.now(),
            reason="They called back.",
        )

        with pytest.raises(RulingEnded):
            confirm(ruling, ben)
        assert propose(large, ben).state == State.PROPOSED
        dropped = large.events.get(action="order.ruling_dropped")
        assert (dropped.actor_name, dropped.reason) == ("ben", "They called back.")

    def test_an_order_that_turns_up_meanwhile_drops_it(
        self, large: Order, broker: ScriptedBroker, ana: User, ben: User
    ) -> None:
        ruling = propose(large, ana)
        broker.has(large.ticket())

        reconciling.reconcile(large.id, now=timing.database_now())

        ruling.refresh_from_db()
        large.refresh_from_db()
        assert (large.submission, ruling.state) == (Submission.ACCEPTED, State.DROPPED)
        with pytest.raises(RulingEnded):
            confirm(ruling, ben)

    def test_proves_wrong_loudly_if_the_order_turns_up_after_all(
        self, order: Order, broker: ScriptedBroker, ana: User
    ) -> None:
        propose(order, ana)

        recording.heed(
            order.account,
            broker.has(order.ticket()),
            heard=Heard.WEBHOOK,
            evidence="delivery:1",
            now=timezone.now(),
        )

        order.refresh_from_db()
        assert order.submission == Submission.ACCEPTED
        incident = Incident.objects.get(kind="revived")
        assert (incident.order, incident.severity) == (order, "critical")


class TestFound:
    def test_the_order_named_is_read_and_becomes_ours_with_its_fills(
        self, order: Order, broker: ScriptedBroker, ana: User
    ) -> None:
        theirs = a_stray(broker, order)

        ruling = propose(order, ana, "found", broker_order_id=theirs)

        order.refresh_from_db()
        assert ruling.state == State.CARRIED_OUT
        assert (order.submission, order.status) == (Submission.ACCEPTED, Status.PARTIALLY_FILLED)
        assert (order.broker_order_id, order.filled_quantity) == (theirs, Decimal(4))
        assert order.events.get(action="order.attached").actor_name == "ana"
        assert f"ruling:{ruling.id}" in order.events.get(action="order.facts").evidence
        assert order.snapshots.get().heard == Heard.PERSON

    def test_above_the_threshold_it_is_read_again_when_confirmed(
        self, large: Order, broker: ScriptedBroker, ana: User, ben: User
    ) -> None:
        theirs = a_stray(broker, large)
        ruling = propose(large, ana, "found", broker_order_id=theirs)
        large.refresh_from_db()
        assert large.submission == Submission.UNKNOWN

        broker.books.clear()
        with pytest.raises(NotThatOrder):
            confirm(ruling, ben)
        ruling.refresh_from_db()
        assert ruling.state == State.PROPOSED

        a_stray(broker, large)
        confirm(ruling, ben)
        large.refresh_from_db()
        assert large.broker_order_id == theirs

    @pytest.mark.parametrize(
        "changes", [{"symbol": "OTHER"}, {"side": Side.SELL}, {"quantity": Decimal(11)}]
    )
    def test_another_order_is_refused_and_nothing_changes(
        self, order: Order, broker: ScriptedBroker, ana: User, changes: dict[str, Any]
    ) -> None:
        theirs = a_stray(broker, order, **changes)

        with pytest.raises(NotThatOrder, match="another order"):
            propose(order, ana, "found", broker_order_id=theirs)

        order.refresh_from_db()
        assert (order.submission, order.version) == (Submission.UNKNOWN, 1)
        assert not Ruling.objects.exists()

    def test_an_order_that_is_another_row_already_is_refused(
        self, order: Order, broker: ScriptedBroker, ana: User
    ) -> None:
        other = OrderFactory(working=True, account=order.account)
        broker.has(other.ticket())

        with pytest.raises(NotThatOrder):
            propose(order, ana, "found", broker_order_id=other.broker_order_id)

        order.refresh_from_db()
        assert (order.submission, order.conflict_at) == (Submission.UNKNOWN, None)
        assert not Ruling.objects.exists()
        assert not order.events.exists()

    @pytest.mark.parametrize("silence", [OutcomeUnknown("silence", call=call(None))])
    def test_what_can_not_be_read_is_not_attached(
        self, order: Order, broker: ScriptedBroker, ana: User, silence: OutcomeUnknown
    ) -> None:
        theirs = a_stray(broker, order)
        broker.silent = silence

        with pytest.raises(BrokerSilent):
            propose(order, ana, "found", broker_order_id=theirs)

        assert not Ruling.objects.exists()


class TestWhoMay:
    def test_a_stranger_sees_nothing(self, order: Order) -> None:
        with pytest.raises(NotThere):
            propose(order, UserFactory())

    def test_a_viewer_may_not(self, order: Order) -> None:
        viewer = UserFactory()
        Grant.objects.create(account=order.account, user=viewer, role=Role.VIEWER)

        with pytest.raises(MayNotTrade):
            propose(order, viewer)

    def test_nobody_who_has_left_may(self, order: Order, ana: User) -> None:
        ana.is_active = False
        ana.save()

        with pytest.raises(NotThere):
            propose(order, ana)

    def test_confirming_and_dropping_want_the_same_right(self, large: Order, ana: User) -> None:
        ruling, stranger = propose(large, ana), UserFactory()

        with pytest.raises(NotThere):
            confirm(ruling, stranger)
        with pytest.raises(NotThere):
            judging.drop(
                ruling.id, user=stranger, actor=actors.person(stranger), now=timezone.now()
            )


class TestGrounds:
    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"verdict": "maybe"}, "verdict"),
            ({"reason": " "}, "reason"),
            ({"reason": "a\0b"}, "reason"),
            ({"broker_ticket": ""}, "broker_ticket"),
            ({"broker_ticket": "x" * 101}, "broker_ticket"),
            ({"verdict": "found"}, "broker_order_id"),
            ({"broker_order_id": "B-1"}, "broker_order_id"),
        ],
    )
    def test_are_asked_for(
        self, order: Order, ana: User, changes: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(BadRuling) as refused:
            propose(order, ana, **changes)

        assert refused.value.field == field

    @pytest.mark.parametrize("trait", ["working", "sending", "refused", "filled"])
    def test_there_is_nothing_to_rule_on_but_doubt(
        self, account: Account, broker: ScriptedBroker, ana: User, trait: str
    ) -> None:
        with pytest.raises(NotInDoubt):
            propose(OrderFactory(account=account, **{trait: True}), ana)


class TestThreshold:
    """The scripted broker quotes ACME at 100, and nothing else."""

    @pytest.mark.parametrize(
        ("terms", "needed"),
        [
            ({"quantity": Decimal(100), "limit_price": Decimal(100)}, False),
            ({"quantity": Decimal(100), "limit_price": Decimal("100.01")}, True),
            ({"quantity": Decimal(101), "limit_price": Decimal(1), "side": Side.SELL}, True),
            ({"quantity": Decimal(100), "limit_price": Decimal(1), "side": Side.SELL}, False),
            ({"quantity": Decimal(101), "limit_price": Decimal(1)}, False),
            (
                {
                    "quantity": Decimal(101),
                    "limit_price": None,
                    "stop_price": Decimal(5),
                    "order_type": OrderType.STOP,
                },
                True,
            ),
            (
                {
                    "quantity": Decimal(100),
                    "limit_price": None,
                    "order_type": OrderType.MARKET,
                },
                False,
            ),
            (
                {
                    "quantity": Decimal(101),
                    "limit_price": None,
                    "order_type": OrderType.MARKET,
                },
                True,
            ),
            (
                {
                    "quantity": Decimal(1),
                    "limit_price": None,
                    "order_type": OrderType.MARKET,
                    "symbol": "UNQUOTED",
                },
                True,
            ),
        ],
    )
    def test_is_what_the_order_may_be_worth_at_worst(
        self, account: Account, broker: ScriptedBroker, terms: dict[str, Any], needed: bool
    ) -> None:
        order = OrderFactory(unknown=True, account=account, **terms)

        assert judging.needs_second(order) is needed

    def test_a_price_that_nobody_tells_may_be_any(
        self, account: Account, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def silent(account: Account, symbol: str) -> None:
            raise asking.NoAnswer("silence")

        monkeypatch.setattr(asking, "quote", silent)
        order = OrderFactory(
            unknown=True, account=account, limit_price=None, order_type=OrderType.MARKET
        )

        assert judging.needs_second(order)


class TestCheckNow:
    @pytest.mark.parametrize("trait", ["unknown", "working", "refused", "filled"])
    def test_makes_a_look_due_at_once(self, broker: ScriptedBroker, ana: User, trait: str) -> None:
        now = timing.database_now()
        order = OrderFactory(look_at=now + timing.WORKING_POLL, **{trait: True})

        judging.check_now(order.id, actor=actors.person(ana), now=now)

        assert [due.order_id for due in attending.due(now=now)] == [order.id]
        assert order.events.get().action == "order.check_asked"

    def test_asked_twice_it_is_one_look(self, broker: ScriptedBroker, ana: User) -> None:
        order = OrderFactory(unknown=True)

        for _ in range(2):
            judging.check_now(order.id, actor=actors.person(ana), now=timing.database_now())

        assert order.events.count() == 1

    @pytest.mark.parametrize("submission", ["ready", "sending", "withdrawn"])
    def test_leaves_alone_what_is_not_at_the_broker(
        self, broker: ScriptedBroker, ana: User, submission: str
    ) -> None:
        order = OrderFactory(submission=submission)

        judging.check_now(order.id, actor=actors.person(ana), now=timing.database_now())

        order.refresh_from_db()
        assert (order.look_at, order.events.count()) == (None, 0)


def test_an_answer_with_the_broker_id_of_another_order_is_doubt_that_can_be_ruled_on(
    account: Account, broker: ScriptedBroker, ana: User
) -> None:
    first = OrderFactory(working=True, account=account)
    order = place(account)
    told = snapshot(order.ticket(), broker_order_id=first.broker_order_id)
    broker.script = [Report(snapshots=(told,), call=call())]

    sending.send(order.id)

    order.refresh_from_db()
    assert (order.submission, order.submission_code) == (Submission.UNKNOWN, "conflict")
    assert order.attempts.get().state == "unknown"
    assert order.attempts.get().answer_status == 201
    assert Incident.objects.get(kind="conflict").order == order
    propose(order, ana)
    order.refresh_from_db()
    assert order.submission == Submission.ABSENT
    assert list(rebuilding.of_order(order)) == []


@pytest.mark.parametrize("verdict", ["absent", "found"])
def test_what_was_ruled_follows_from_the_record(
    account: Account, broker: ScriptedBroker, ana: User, verdict: str
) -> None:
    order = place(account)
    broker.script = [OutcomeUnknown("silence", call=call(None))]
    sending.send(order.id)

    named = {"broker_order_id": a_stray(broker, order)} if verdict == "found" else {}
    propose(order, ana, verdict, **named)

    assert list(rebuilding.differences()) == []
