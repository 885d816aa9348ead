"""Orders with legs over HTTP: as asked, as told, as adapted, in every person of the exchange."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from time import sleep

import pytest

from brokers.errors import DuplicateId, OutcomeUnknown, Refused
from brokers.messages import StopLoss, TakeProfit
from brokers.paper.personalities import PERSONALITIES
from brokers.reasons import Reason
from brokers.vocabulary import Leg, OrderClass, OrderType, PositionEffect, Side, Status
from tests.brokers.contract import LEGGED, TICKET, with_legs
from tests.brokers.paper.test_adapter import MARKET

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
NATIVE = [name for name, one in PERSONALITIES.items() if OrderClass.BRACKET in one.classes]
BRACKET = with_legs(MARKET, OrderClass.BRACKET)
WAITING = replace(BRACKET, order_type=OrderType.LIMIT, limit_price=Decimal(145))
BODY = {
    "client_order_id": "order-1",
    "symbol": "AAPL",
    "side": "buy",
    "type": "market",
    "time_in_force": "day",
    "quantity": "10",
    "order_class": "bracket",
    "take_profit": {"limit_price": "160"},
    "stop_loss": {"stop_price": "140"},
}


@pytest.fixture
def one(paper):
    """Open an account of one personality."""
    paper.price("AAPL", "150")
    return lambda personality="paper", **settings: paper.account(
        personality=personality, **settings
    )


def statuses(report):
    return [snapshot.status for snapshot in report.snapshots]


class TestTold:
    def test_whole_in_the_answer_and_by_its_id(self, one):
        account = one()

        placed = account.ask("POST", "/v1/orders", json=BODY)
        read = account.ask("GET", f"/v1/orders/{placed.json()['id']}")

        assert placed.status_code == 201
        assert placed.json() == read.json()
        assert [leg["leg"] for leg in placed.json()["legs"]] == ["take_profit", "stop_loss"]
        assert [leg["status"] for leg in placed.json()["legs"]] == ["working", "waiting"]
        assert placed.json()["take_profit"] == {"limit_price": "160"}
        leg = placed.json()["legs"][0]
        assert account.ask("GET", f"/v1/orders/{leg['id']}").json() == leg
        assert leg["parent"] == placed.json()["id"]

    def test_each_for_itself_in_lists_and_to_a_cancel(self, one, paper):
        account = one()
        placed = account.ask("POST", "/v1/orders", json=BODY).json()

        listed = account.ask("GET", "/v1/orders").json()["orders"]

        assert [order["id"] for order in listed] == [
            placed["id"],
            *(leg["id"] for leg in placed["legs"]),
        ]
        assert not any("legs" in order for order in listed)
        answer = account.ask("DELETE", f"/v1/orders/{listed[1]['id']}")
        assert (answer.status_code, answer.json()["status"]) == (202, "cancel_pending")
        paper.step()
        ended = account.ask("GET", f"/v1/orders/{placed['id']}").json()["legs"]
        assert [leg["status"] for leg in ended] == ["cancelled", "cancelled"]

    def test_by_no_legs_at_all_of_an_order_that_has_none(self, one):
        told = one().ask("POST", "/v1/orders", json=TestTold._simple()).json()

        assert "legs" not in told

    def test_as_they_were_by_a_read_that_lags(self, one, paper):
        account = one()
        placed = account.ask("POST", "/v1/orders", json=BODY).json()
        sleep(1.1)
        paper.price("AAPL", "161")
        paper.step()
        account.faults(read_lag={"next": 1, "seconds": "1"})

        was = account.ask("GET", f"/v1/orders/{placed['id']}").json()
        now = account.ask("GET", f"/v1/orders/{placed['id']}").json()

        assert was == placed
        assert [leg["status"] for leg in now["legs"]] == ["filled", "cancelled"]

    def test_again_to_a_second_with_the_same_id_where_that_is_answered(self, one):
        account = one(duplicates="return_existing")
        first = account.ask("POST", "/v1/orders", json=BODY)

        second = account.ask("POST", "/v1/orders", json=BODY)

        assert (first.status_code, second.status_code) == (201, 200)
        assert first.json() == second.json()
        assert len(account.orders()) == 3

    @staticmethod
    def _simple():
        with_none = ("order_class", "take_profit", "stop_loss")
        return {name: value for name, value in BODY.items() if name not in with_none}


class TestAdapted:
    @pytest.mark.parametrize("personality", NATIVE)
    @pytest.mark.parametrize("order_class", LEGGED)
    def test_from_birth_to_the_last_fill(self, one, paper, personality, order_class):
        account = one(personality)
        if order_class is OrderClass.OCO:
            account.adapter.submit(replace(MARKET, wire_id="before"))
            ticket = with_legs(TICKET, order_class)
        else:
            ticket = with_legs(MARKET, order_class)

        placed = account.adapter.submit(ticket)
        paper.price("AAPL", "139")
        paper.step()
        found = account.adapter.find(ticket.wire_id)

        order, *legs = placed.snapshots
        assert (order.order_class, order.parent, order.leg) == (order_class, "", None)
        assert {leg.parent for leg in legs} == {order.broker_order_id}
        assert {leg.order_class for leg in legs} == {order_class}
        stop = next(leg for leg in legs if leg.leg is Leg.STOP_LOSS)
        ended = {snapshot.broker_order_id: snapshot for snapshot in found.snapshots}
        assert ended[stop.broker_order_id].status is Status.FILLED
        sold = [fill for fill in found.fills if fill.broker_order_id == stop.broker_order_id]
        assert sum(fill.quantity for fill in sold) == 10
        read = account.adapter.read(order.broker_order_id)
        assert (read.snapshots, read.fills) == (found.snapshots, found.fills)
        assert account.adapter.holdings() == ()
        listed = [one for page in account.adapter.orders_since(LONG_AGO) for one in page.snapshots]
        assert {one.broker_order_id: one for one in listed}[stop.broker_order_id] == ended[
            stop.broker_order_id
        ]

    def test_a_leg_is_read_by_itself(self, one):
        account = one()
        _, target, _ = account.adapter.submit(BRACKET).snapshots

        found = account.adapter.read(target.broker_order_id)
        again = account.adapter.find(target.wire_id)

        assert found.snapshots == again.snapshots == (target,)

    def test_a_replace_of_an_entry_tells_its_new_legs(self, one):
        account = one()
        old = account.adapter.submit(WAITING).snapshots
        better = replace(WAITING, wire_id="order-2", limit_price=Decimal(146))

        new = account.adapter.replace(old[0].broker_order_id, better, filled=Decimal(0)).snapshots

        assert [one.replaces for one in new] == [one.broker_order_id for one in old]
        was = account.adapter.read(old[0].broker_order_id)
        assert statuses(was) == [Status.REPLACED] * 3
        assert [one.replaced_by for one in was.snapshots] == [one.broker_order_id for one in new]

    @pytest.mark.parametrize("order_class", [OrderClass.SIMPLE, OrderClass.BRACKET])
    def test_a_leg_is_replaced_whatever_class_its_ticket_says(self, one, order_class):
        account = one()
        _, target, stop = account.adapter.submit(BRACKET).snapshots
        ticket = replace(
            TICKET,
            wire_id="order-2",
            side=Side.SELL,
            limit_price=Decimal(155),
            order_class=order_class,
        )

        (new,) = account.adapter.replace(
            target.broker_order_id, ticket, filled=Decimal(0)
        ).snapshots

        assert (new.parent, new.leg) == (target.parent, Leg.TAKE_PROFIT)
        assert new.order_class is OrderClass.BRACKET
        assert account.adapter.read(stop.broker_order_id).snapshots[0].status is Status.NEW

    def test_a_legs_new_terms_are_refused_for_good(self, one):
        account = one()
        _, target, _ = account.adapter.submit(BRACKET).snapshots
        ticket = replace(TICKET, wire_id="order-2", side=Side.SELL, quantity=Decimal(4))

        with pytest.raises(Refused) as caught:
            account.adapter.replace(target.broker_order_id, ticket, filled=Decimal(0))

        assert caught.value.code == "not_replaceable"


class TestPersonalities:
    @pytest.mark.parametrize("order_class", LEGGED)
    @pytest.mark.parametrize("personality", PERSONALITIES)
    def test_take_what_their_passports_say(self, one, personality, order_class):
        account = one(personality)
        account.adapter.submit(replace(MARKET, wire_id="before"))
        ticket = with_legs(TICKET, order_class)
        offered = account.adapter.passport.classes
        assert offered == PERSONALITIES[personality].classes

        if order_class in offered:
            assert len(account.adapter.submit(ticket).snapshots) > 1
        else:
            with pytest.raises(Refused):
                account.adapter.submit(ticket)
            assert len(account.orders()) == 1

    @pytest.mark.parametrize(
        ("personality", "status", "told"),
        [
            ("tapp", 400, {"code": "INVALID_ENUM_VALUE", "field": "order_class"}),
            ("clearstreet", 422, {"code": 422}),
            ("gateway", 400, {"code": "INVALID_VALUE"}),
            ("binance", 400, {"msg": "OCO orders are not supported for this symbol"}),
        ],
    )
    def test_say_in_their_own_words_that_they_take_no_bracket(self, one, personality, status, told):
        answer = one(personality).ask("POST", "/v1/orders", json=BODY)

        body = answer.json()
        assert answer.status_code == status
        assert told.items() <= body.get("error", body).items()

    @pytest.mark.parametrize(
        ("change", "personality", "code", "words"),
        [
            (
                {"take_profit": None},
                "alpaca",
                40010001,
                "bracket orders require take_profit.limit_price",
            ),
            (
                {"type": "stop", "stop_price": "151"},
                "alpaca",
                40010001,
                "bracket orders must be market or limit orders",
            ),
            ({"quantity": "1.5"}, "alpaca", 42210000, "fractional orders must be simple orders"),
            ({"take_profit": {"limit_price": "150"}}, "alpaca", 42210000, ">= base_price + 0.01"),
            ({"stop_loss": {"stop_price": "150"}}, "alpaca", 42210000, "<= base_price - 0.01"),
            (
                {"extended_hours": True, "type": "limit", "limit_price": "150"},
                "alpaca",
                42210000,
                "extended hours order must be DAY or GTC limit orders",
            ),
            ({"position_effect": "close"}, "alpaca", 42210000, "must be entry orders"),
            ({"stop_loss": {"stop_price": "140.001"}}, "alpaca", 42210000, "stop_loss.stop_price"),
        ],
    )
    def test_refuse_legs_in_their_own_words(self, one, change, personality, code, words):
        answer = one(personality).ask("POST", "/v1/orders", json={**BODY, **change}).json()

        assert answer["code"] == code
        assert words in answer["message"]

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"take_profit": TakeProfit(limit_price=Decimal(150))}, Reason.TAKE_PROFIT_WRONG_SIDE),
            ({"take_profit": TakeProfit(limit_price=Decimal(139))}, Reason.LEGS_CROSSED),
            ({"stop_loss": StopLoss(stop_price=Decimal(150))}, Reason.STOP_LOSS_WRONG_SIDE),
            (
                {"stop_loss": StopLoss(stop_price=Decimal(140), limit_price=Decimal(141))},
                Reason.STOP_LIMIT_WRONG_SIDE,
            ),
            ({"stop_loss": None}, Reason.MISSING_FIELD),
            ({"position_effect": PositionEffect.CLOSE}, Reason.POSITION_EFFECT_MISMATCH),
        ],
    )
    @pytest.mark.parametrize("personality", NATIVE)
    def test_refuse_for_reasons_that_are_understood(self, one, personality, change, reason):
        with pytest.raises(Refused) as caught:
            one(personality).adapter.submit(replace(BRACKET, **change))

        assert caught.value.reason is reason

    def test_alpaca_tells_the_base_price(self, one):
        body = {**BODY, "take_profit": {"limit_price": "150"}}

        assert one("alpaca").ask("POST", "/v1/orders", json=body).json()["base_price"] == "150"

    def test_binance_refuses_a_pair_on_the_wrong_side_for_good(self, one):
        account = one("binance")
        account.adapter.submit(replace(MARKET, wire_id="before"))

        with pytest.raises(Refused, match="relationship of the prices"):
            account.adapter.submit(
                replace(with_legs(TICKET, OrderClass.OCO), limit_price=Decimal(150))
            )

    def test_binance_frees_the_id_of_a_pair_once_all_of_it_has_ended(self, one, paper):
        account = one("binance")
        account.adapter.submit(replace(MARKET, wire_id="before"))
        ticket = with_legs(TICKET, OrderClass.OCO)
        order = account.adapter.submit(ticket).snapshots[0]
        with pytest.raises(DuplicateId):
            account.adapter.submit(ticket)

        account.adapter.cancel(order.broker_order_id)
        paper.step()

        assert len(account.adapter.submit(ticket).snapshots) == 2

    def test_alpaca_holds_a_stop_until_it_is_elected(self, one, paper):
        account = one("alpaca")
        ticket = replace(
            BRACKET, stop_loss=StopLoss(stop_price=Decimal(140), limit_price=Decimal("139.9"))
        )

        order, *legs = account.adapter.submit(ticket).snapshots

        assert [leg.raw_status for leg in legs] == ["new", "held"]
        paper.price("AAPL", "139")
        paper.step()
        whole = account.adapter.read(order.broker_order_id)
        assert [leg.raw_status for leg in whole.snapshots[1:]] == ["new", "new"]

    def test_alpaca_holds_no_stop_that_stands_alone(self, one):
        account = one("alpaca")

        _, stop = account.adapter.submit(with_legs(MARKET, OrderClass.OTO)).snapshots

        assert stop.raw_status == "new"

    def test_paper_says_that_a_stop_waits(self, one):
        _, target, stop = one().adapter.submit(BRACKET).snapshots

        assert (target.raw_status, stop.raw_status) == ("working", "waiting")


class TestFaults:
    """A fault meets an order and its legs as one."""

    @pytest.mark.parametrize("personality", NATIVE)
    @pytest.mark.parametrize(
        "fault",
        ["accept_then_504", "accept_then_html_502", "accept_then_reset", "double_retry"],
    )
    def test_that_loses_the_answer_leaves_one_whole_group(self, one, personality, fault):
        account = one(personality)
        account.faults(**{fault: {"next": 1}})

        with pytest.raises(OutcomeUnknown):
            account.adapter.submit(BRACKET)

        assert statuses(account.adapter.find(BRACKET.wire_id))[0] is Status.FILLED
        assert len(account.orders()) == 3

    def test_that_takes_it_late_takes_it_whole(self, one, paper):
        account = one()
        account.faults(late_accept={"next": 1, "seconds": "0.01"})

        with pytest.raises(OutcomeUnknown):
            account.adapter.submit(BRACKET)
        paper.restart()
        paper.price("AAPL", "150")
        paper.step(3)

        assert len(account.adapter.find(BRACKET.wire_id).snapshots) == 3

    def test_that_takes_it_twice_makes_two_groups(self, one):
        account = one(duplicates="accept_twice")
        account.faults(double_retry={"next": 1})

        second = account.adapter.submit(BRACKET)

        ids = {order["id"] for order in account.orders()}
        names = {order["client_order_id"] for order in account.orders()}
        assert (len(ids), len(names)) == (6, 5)
        assert {leg.parent for leg in second.snapshots[1:]} == {second.snapshots[0].broker_order_id}

    def test_that_loses_the_order_loses_it_whole(self, one):
        account = one()
        account.faults(not_accepted_504={"next": 1})

        with pytest.raises(OutcomeUnknown):
            account.adapter.submit(BRACKET)

        assert account.orders() == []

    def test_that_loses_a_replaces_answer_leaves_the_chain_whole(self, one):
        account = one()
        order, target, stop = account.adapter.submit(BRACKET).snapshots
        account.faults(late_accept={"next": 1, "seconds": "300"})
        ticket = replace(TICKET, wire_id="order-2", side=Side.SELL, limit_price=Decimal(155))
        with pytest.raises(OutcomeUnknown):
            account.adapter.replace(target.broker_order_id, ticket, filled=Decimal(0))

        with pytest.raises(Refused) as caught:
            account.adapter.replace(
                stop.broker_order_id,
                replace(
                    ticket,
                    wire_id="order-3",
                    order_type=OrderType.STOP,
                    limit_price=None,
                    stop_price=Decimal(141),
                ),
                filled=Decimal(0),
            )

        assert caught.value.code == "not_replaceable"
        assert statuses(account.adapter.read(order.broker_order_id))[1:] == [Status.NEW] * 2


def test_legs_may_be_moved_with_their_entry(one):
    account = one()
    old = account.adapter.submit(WAITING).snapshots
    moved = replace(
        WAITING,
        wire_id="order-2",
        take_profit=TakeProfit(limit_price=Decimal(170)),
        stop_loss=StopLoss(stop_price=Decimal(130), limit_price=Decimal(129)),
    )

    _, target, stop = account.adapter.replace(
        old[0].broker_order_id, moved, filled=Decimal(0)
    ).snapshots

    assert target.limit_price == 170
    assert (stop.order_type, stop.stop_price, stop.limit_price) == (OrderType.STOP_LIMIT, 130, 129)


def test_a_group_is_kept_over_a_power_cut(one, paper):
    account = one()
    order = account.adapter.submit(BRACKET).snapshots[0]

    paper.restart()
    paper.price("AAPL", "161")
    paper.step()

    whole = account.adapter.read(order.broker_order_id)
    assert statuses(whole) == [Status.FILLED, Status.FILLED, Status.CANCELED]
    assert account.adapter.holdings() == ()
