"""A position is closed by one order, never by two, and never turned round unsaid."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace as with_changes
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
from django.db import OperationalError, connections
from django.utils import timezone

from brokers import registry
from brokers.errors import OutcomeUnknown
from brokers.vocabulary import OrderType, PositionEffect, Side, TimeInForce
from orders import auditing, closing, halting, positioning, sending
from orders.closing import Closing, Part
from orders.errors import AccountClosed, BadTicket, MayTurnRound, NothingHeld, OrderIdTaken
from orders.models import Account, AuditEvent, Order
from tests.factories import ANA, AccountFactory, OrderFactory, place
from tests.fakes import PASSPORT, ScriptedBroker
from tests.orders.holding import hold

pytestmark = pytest.mark.django_db

STOP = {"side": "sell", "order_type": "stop", "stop_price": Decimal(9), "limit_price": None}


@pytest.fixture
def account(broker: ScriptedBroker) -> Account:
    account: Account = AccountFactory()
    return account


def close(account: Account, symbol: str = "ACME", **asked: Any) -> Closing:
    asked = {"client_order_id": "out", **asked}
    return closing.close(account, symbol, source="api", actor=ANA, now=timezone.now(), **asked)


def close_all(account: Account, **asked: Any) -> list[closing.Outcome]:
    asked = {"client_order_id": "all-out", **asked}
    return closing.close_all(account, source="api", actor=ANA, now=timezone.now(), **asked)


def terms_of(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Have the scripted broker deal on other terms."""
    monkeypatch.setattr(registry, "passport", lambda name: with_changes(PASSPORT, **changes))


class TestClose:
    @pytest.mark.parametrize(("held", "side"), [("10", Side.SELL), ("-10", Side.BUY)])
    def test_is_one_market_order_against_it(
        self, account: Account, broker: ScriptedBroker, held: str, side: Side
    ) -> None:
        hold(account, held)

        closed = close(account)
        sending.send(closed.order.id)

        (ticket,) = broker.submitted
        assert (ticket.side, ticket.quantity, ticket.order_type) == (side, 10, OrderType.MARKET)
        assert (ticket.time_in_force, ticket.position_effect) == (
            TimeInForce.DAY,
            PositionEffect.CLOSE,
        )
        assert closed.is_new

    def test_says_nothing_of_the_position_where_the_broker_can_t_be_told(
        self, account: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        terms_of(monkeypatch, position_effects=frozenset())
        hold(account, "10")

        assert close(account).order.position_effect == ""

    @pytest.mark.parametrize(
        ("broker_name", "symbol", "tif"),
        [
            ("paper-alpaca", "ACME", TimeInForce.DAY),
            ("paper-alpaca", "BTC/USD", TimeInForce.GTC),
            ("paper-binance", "BTC/USD", TimeInForce.GTC),
            ("paper-tapp", "ACME", TimeInForce.DAY),
        ],
    )
    def test_is_good_for_as_long_as_the_broker_takes(
        self, broker: ScriptedBroker, broker_name: str, symbol: str, tif: TimeInForce
    ) -> None:
        account = AccountFactory(broker=broker_name)
        hold(account, "2", symbol=symbol)

        assert close(account, symbol).order.time_in_force == tif

    def test_of_what_the_broker_takes_no_market_order_for(
        self, account: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        terms_of(monkeypatch, takes={OrderType.LIMIT: frozenset(TimeInForce)})
        hold(account, "10")

        with pytest.raises(BadTicket, match="no market orders"):
            close(account)

    @pytest.mark.parametrize(
        ("held", "part", "closes"),
        [
            ("10", Part(), "10"),
            ("10", Part(quantity=Decimal(4)), "4"),
            ("10", Part(percentage=Decimal(50)), "5"),
            ("10", Part(percentage=Decimal(100)), "10"),
            ("-10", Part(percentage=Decimal("33.333333333")), "3.333333333"),
            ("7.5", Part(percentage=Decimal(50)), "3.75"),
            ("10", Part(percentage=Decimal("0.5")), "0.05"),
        ],
        ids=repr,
    )
    def test_of_a_part(self, account: Account, held: str, part: Part, closes: str) -> None:
        hold(account, held)

        assert close(account, part=part).order.quantity == Decimal(closes)

    @pytest.mark.parametrize(
        ("held", "percentage", "closes"), [("7", "50", 3), ("10", "99.9", 9), ("10.5", "100", 10)]
    )
    def test_is_rounded_down_to_what_the_broker_takes(
        self,
        account: Account,
        monkeypatch: pytest.MonkeyPatch,
        held: str,
        percentage: str,
        closes: int,
    ) -> None:
        terms_of(monkeypatch, quantity_decimals=0)
        hold(account, held)

        closed = close(account, part=Part(percentage=Decimal(percentage)))

        assert closed.order.quantity == closes

    @pytest.mark.parametrize(
        ("part", "field"),
        [
            (Part(quantity=Decimal(11)), "quantity"),
            (Part(quantity=Decimal(0)), "quantity"),
            (Part(quantity=Decimal(-1)), "quantity"),
            (Part(percentage=Decimal(0)), "percentage"),
            (Part(percentage=Decimal(-1)), "percentage"),
            (Part(percentage=Decimal("100.000000001")), "percentage"),
            (Part(percentage=Decimal("1e-9")), "percentage"),
        ],
        ids=repr,
    )
    def test_of_a_part_that_is_none(self, account: Account, part: Part, field: str) -> None:
        hold(account, "10")

        with pytest.raises(BadTicket) as refused:
            close(account, part=part)

        assert refused.value.field == field
        assert Order.objects.count() == 1

    def test_of_nothing(self, account: Account) -> None:
        hold(account, "10")
        hold(account, "-10")
        hold(AccountFactory(), "10")

        with pytest.raises(NothingHeld):
            close(account)
        with pytest.raises(NothingHeld):
            close(account, "OTHER")

    def test_by_an_id_no_broker_could_carry(self, account: Account) -> None:
        hold(account, "10")

        with pytest.raises(BadTicket):
            close(account, client_order_id="two words")

    def test_of_a_halted_account(self, account: Account) -> None:
        hold(account, "10")
        halting.halt(account.id, reason="Enough.", actor=ANA, now=timezone.now())
        account.refresh_from_db()

        with pytest.raises(AccountClosed):
            close(account)

    def test_is_on_record_with_what_was_asked(self, account: Account) -> None:
        hold(account, "-10")

        closed = close(account, part=Part(percentage=Decimal(50)), despite_doubt=True)

        event = closed.order.events.get(action="position.close_asked")
        assert event.after == {"symbol": "ACME", "percentage": "50"}
        assert event.reason == "It is to close 5 of 10 held short, despite doubt."
        assert auditing.flaw(str(account.id)) is None


class TestRepeated:
    def test_is_the_same_order_whatever_is_held_by_then(self, account: Account) -> None:
        hold(account, "10")
        first = close(account)

        for trade in ("-10", "-3"):  # flat, then short
            hold(account, trade)
            again = close(account)
            assert (again.order, again.is_new) == (first.order, False)

    @pytest.mark.parametrize(
        "other",
        [
            {"part": Part(percentage=Decimal(50))},
            {"part": Part(quantity=Decimal(10))},
            {"symbol": "OTHER"},
        ],
        ids=repr,
    )
    def test_for_something_else_is_a_conflict(
        self, account: Account, other: dict[str, Any]
    ) -> None:
        hold(account, "10")
        hold(account, "10", symbol="OTHER")
        close(account)

        with pytest.raises(OrderIdTaken):
            close(account, **other)

    def test_with_the_id_of_an_order_that_closed_nothing_is_a_conflict(
        self, account: Account
    ) -> None:
        hold(account, "10")
        place(account, wire_id="out", side=Side.SELL, order_type="market", limit_price=None)

        with pytest.raises(OrderIdTaken):
            close(account)

    @pytest.mark.django_db(transaction=True)
    def test_by_two_at_once_makes_one_order(self, account: Account) -> None:
        hold(account, "10")
        together = Barrier(2)

        def ask() -> Closing:
            try:
                together.wait()
                return close(account)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(2) as pool:
            closed = [done.result() for done in [pool.submit(ask), pool.submit(ask)]]

        assert {one.order.id for one in closed} == {closed[0].order.id}
        assert sorted(one.is_new for one in closed) == [False, True]

    @pytest.mark.django_db(transaction=True)
    def test_by_two_at_once_with_ids_of_their_own_closes_once(
        self, account: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hold(account, "10")
        together, held = Barrier(2), positioning.held

        def slowly(account: Account) -> dict[str, Decimal]:
            found = held(account)
            time.sleep(0.3)  # long enough for the other to look as well, if it may
            return found

        monkeypatch.setattr(positioning, "held", slowly)

        def ask(name: str) -> bool:
            try:
                together.wait()
                close(account, client_order_id=name)
            except MayTurnRound:
                return False
            else:
                return True
            finally:
                connections.close_all()

        with ThreadPoolExecutor(2) as pool:
            took = [done.result() for done in [pool.submit(ask, "a"), pool.submit(ask, "b")]]

        assert sorted(took) == [False, True]
        assert Order.objects.filter(side=Side.SELL).count() == 1


class TestDoubt:
    def test_that_could_turn_it_round_is_named(
        self, account: Account, broker: ScriptedBroker
    ) -> None:
        hold(account, "10")
        doubtful = place(account, side=Side.SELL, quantity=Decimal(1), wire_id="lost")
        broker.script = [OutcomeUnknown("silence")]
        sending.send(doubtful.id)

        with pytest.raises(MayTurnRound, match="lost") as declined:
            close(account)

        assert declined.value.orders == (doubtful.id,)
        assert Order.objects.count() == 2

    def test_may_be_gone_past(self, account: Account) -> None:
        hold(account, "10")
        OrderFactory(account=account, side="sell", unknown=True)

        assert close(account, despite_doubt=True).order.quantity == 10

    @pytest.mark.parametrize(
        ("trait", "terms"),
        [
            ("sending", {}),
            ("unknown", {"quantity": None, "notional": Decimal(50), "symbol": "NONE"}),
            ("working", {"order_type": "market", "limit_price": None}),
            ("part_filled", {"order_type": "market", "limit_price": None}),
            # Ready to be sent.
            (None, {"order_type": "market", "limit_price": None}),
        ],
        ids=repr,
    )
    def test_is_what_may_trade_before_we_know(
        self, account: Account, trait: str | None, terms: dict[str, Any]
    ) -> None:
        symbol = terms.get("symbol", "ACME")
        if symbol == "NONE":
            terms = {**terms, "order_type": "market", "limit_price": None}
        hold(account, "10", symbol=symbol)
        OrderFactory(account=account, side="sell", **{trait: True} if trait else {}, **terms)

        with pytest.raises(MayTurnRound):
            close(account, symbol)

    @pytest.mark.parametrize(
        ("trait", "terms"),
        [
            ("unknown", {"side": "buy"}),
            ("working", {"side": "sell"}),
            (
                "working",
                {"side": "sell", "order_type": "stop", "stop_price": 9, "limit_price": None},
            ),
            ("filled", {"side": "sell", "order_type": "market", "limit_price": None}),
            ("unknown", {"side": "sell", "symbol": "OTHER"}),
            ("refused", {"side": "sell"}),
        ],
        ids=repr,
    )
    def test_is_not_what_can_t_turn_it_round_or_rests(
        self, account: Account, trait: str, terms: dict[str, Any]
    ) -> None:
        hold(account, "10")
        OrderFactory(account=account, **{trait: True}, **terms)

        assert close(account).order.quantity == 10

    def test_of_another_account_does_not_count(self, account: Account) -> None:
        hold(account, "10")
        OrderFactory(side="sell", unknown=True)

        assert close(account).is_new

    def test_leaves_a_part_to_close(self, account: Account) -> None:
        hold(account, "30")
        OrderFactory(account=account, side="sell", unknown=True)  # for 10

        with pytest.raises(MayTurnRound):
            close(account, part=Part(quantity=Decimal(21)))
        assert close(account, part=Part(quantity=Decimal(20))).order.quantity == 20


class TestStillOpen:
    def test_is_said(self, account: Account) -> None:
        hold(account, "10")
        stop = OrderFactory(account=account, working=True, side="sell")
        adds = OrderFactory(account=account, unknown=True, side="buy")
        OrderFactory(account=account, canceled=True)
        OrderFactory(account=account, working=True, symbol="OTHER")

        closed = close(account)

        assert closed.still_open == (stop, adds)
        assert close(account).still_open == (stop, adds)


class TestCloseAll:
    def test_closes_each_by_itself(self, account: Account) -> None:
        hold(account, "10", symbol="A")
        hold(account, "-2", symbol="B/C")
        hold(account, "5", symbol="D")
        hold(account, "1", symbol="FLAT")
        hold(account, "-1", symbol="FLAT")
        doubtful = OrderFactory(account=account, side="sell", unknown=True, symbol="D")

        told = {outcome.symbol: outcome for outcome in close_all(account)}

        assert set(told) == {"A", "B/C", "D"}
        closings = {symbol: outcome.closing for symbol, outcome in told.items()}
        assert closings["A"] is not None
        assert closings["B/C"] is not None
        assert (closings["A"].order.side, closings["A"].order.quantity) == (Side.SELL, 10)
        assert (closings["B/C"].order.side, closings["B/C"].order.quantity) == (Side.BUY, 2)
        assert closings["D"] is None
        assert isinstance(told["D"].error, MayTurnRound)
        assert told["D"].error.orders == (doubtful.id,)

    def test_repeated_is_the_same_orders_and_what_was_left(self, account: Account) -> None:
        hold(account, "10", symbol="A")
        hold(account, "5", symbol="D")
        doubtful = OrderFactory(account=account, side="sell", unknown=True, symbol="D")
        [first, _] = close_all(account)
        Order.objects.filter(id=doubtful.id).update(submission="refused")
        hold(account, "-10", symbol="A")  # it filled

        again = close_all(account)

        assert [outcome.symbol for outcome in again] == ["A", "D"]
        closings = [outcome.closing for outcome in again]
        assert all(closings)
        assert [(one.order == first.closing.order, one.is_new) for one in closings] == [
            (True, False),
            (False, True),
        ]

    def test_by_another_id_is_another_wish(self, account: Account) -> None:
        hold(account, "10")
        close_all(account)

        [outcome] = close_all(account, client_order_id="once-more")

        assert isinstance(outcome.error, MayTurnRound)

    def test_of_nothing(self, account: Account) -> None:
        assert close_all(account) == []

    def test_goes_on_where_the_records_fail_for_one(
        self, account: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hold(account, "1", symbol="A")
        hold(account, "1", symbol="B")
        record = closing._record

        def fail(account: Account, symbol: str, **asked: Any) -> Closing:
            if symbol == "A":
                raise OperationalError("deadlock detected")
            return record(account, symbol, **asked)

        monkeypatch.setattr(closing, "_record", fail)

        [lost, done] = close_all(account)

        assert (lost.error and lost.error.code, done.error) == ("database_away", None)
        assert AuditEvent.objects.filter(action="position.close_asked").count() == 1
