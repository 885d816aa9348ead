"""Orders with legs: what is taken, what works when, and that no group closes more than it may."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from brokers.messages import StopLoss, TakeProfit
from brokers.paper.market import Phase
from brokers.paper.orders import Standing
from brokers.paper.personalities import PERSONALITIES
from brokers.paper.refusals import Refusal
from brokers.paper.revising import bust, correct
from brokers.vocabulary import (
    Leg,
    OrderClass,
    OrderType,
    PositionEffect,
    Side,
    TimeInForce,
)
from tests.brokers.paper.conftest import Floor

S = Standing
BRACKET, OTO, OCO = OrderClass.BRACKET, OrderClass.OTO, OrderClass.OCO
NEVER_FILLS = {"limit": "100", "tp": "160", "sl": "90"}


def asked(tp=None, sl=None, sl_limit=None, **given):
    """What makes a bracket of an order, or whatever else is given."""
    target = None if tp is None else TakeProfit(limit_price=Decimal(tp))
    stop = (
        None
        if sl is None
        else StopLoss(stop_price=Decimal(sl), limit_price=sl_limit and Decimal(sl_limit))
    )
    return {"order_class": BRACKET, "take_profit": target, "stop_loss": stop, **given}


def bracket(floor, quantity="10", *, tp="160", sl="140", **given):
    """Place a bracket, an entry at the market unless a limit is given, and return its group."""
    order = floor.place(quantity, **asked(tp, sl, **given))
    return floor.exchange.books.group_of(order)


def pair(floor, quantity="10", *, limit="160", sl="140", side=Side.SELL, **given):
    """Place an OCO: the order is the target."""
    terms = asked(None, sl, order_class=OCO, limit=limit, side=side, **given)
    return floor.exchange.books.group_of(floor.place(quantity, **terms))


def held(floor):
    return floor.account.held("AAPL")


def promised(floor, side):
    commitments = floor.exchange.books.commitments_of(floor.account)
    return commitments.promised("AAPL", side, floor.exchange.market.price_of)


def standings(group):
    return [order.standing for order in group.members]


def cancel(floor, order):
    floor.exchange.cancel(floor.account, order.id, now=floor.now)
    floor.step()


def change(floor, order, quantity=None, **prices):
    """Replace an order, its prices as given and the rest as it was."""
    terms = replace(
        floor.exchange.terms_of(order),
        client_order_id=f"r-{order.id}",
        quantity=order.remaining if quantity is None else Decimal(quantity),
        **prices,
    )
    new, _ = floor.exchange.replace(floor.account, order.id, terms, now=floor.now)
    floor.news += floor.exchange.commit()
    return new


def trades(floor, order):
    words = floor.exchange.books.executions_in(order)
    return {word.id: word for word in words}


class TestLegs:
    def test_are_orders_of_their_own(self, floor):
        group = bracket(floor, limit="149", time_in_force=TimeInForce.DAY)
        entry, (target, stop) = group.head, group.legs

        assert [leg.leg for leg in group.legs] == [Leg.TAKE_PROFIT, Leg.STOP_LOSS]
        for leg in group.legs:
            assert leg.parent == entry.id
            assert (leg.terms.symbol, leg.terms.quantity) == ("AAPL", 10)
            assert (leg.terms.side, leg.terms.time_in_force) == (Side.SELL, TimeInForce.DAY)
            assert leg.terms.order_class is BRACKET
            assert leg.terms.position_effect is PositionEffect.CLOSE
            assert re.fullmatch(r"[A-Za-z0-9_-]{1,36}", leg.terms.client_order_id)
        assert (target.terms.type, target.terms.limit_price) == (OrderType.LIMIT, 160)
        assert (stop.terms.type, stop.terms.stop_price) == (OrderType.STOP, 140)
        names = {order.terms.client_order_id for order in group.members}
        assert len({order.id for order in group.members}) == len(names) == 3

    def test_a_stop_with_a_limit_is_a_stop_limit(self, floor):
        stop = bracket(floor, sl="140", sl_limit="139.5").legs[1]

        assert stop.terms.type is OrderType.STOP_LIMIT
        assert (stop.terms.stop_price, stop.terms.limit_price) == (140, Decimal("139.5"))

    def test_of_a_short_entry_buy_it_back(self, floor):
        group = bracket(floor, side=Side.SELL, tp="140", sl="160")

        assert [leg.terms.side for leg in group.legs] == [Side.BUY, Side.BUY]
        floor.price("161")
        floor.step()
        assert held(floor) == 0

    def test_never_take_an_id_that_a_client_has_used(self, floor):
        taken = bracket(floor, **NEVER_FILLS).head
        number = int(taken.id[-6:]) + 4
        guessed = f"{taken.id[:-6]}{number:06d}-tp"
        floor.place(limit="100", client_order_id=guessed)

        entry = bracket(floor, **NEVER_FILLS)

        assert entry.head.id == f"{taken.id[:-6]}{number:06d}"
        assert entry.legs[0].terms.client_order_id == guessed + "x"

    def test_are_told_each_for_itself(self, floor):
        group = bracket(floor, limit="149")

        told = {item.body["data"]["order"]["id"]: item.body["data"]["order"] for item in floor.news}
        for leg in group.legs:
            order = told[leg.id]
            assert (order["parent"], order["leg"]) == (group.head.id, leg.leg.value)
            assert (order["status"], order["leaves_quantity"]) == ("held", "0")
            assert "ceiling" not in order
        assert told[group.head.id]["leaves_quantity"] == "10"


class TestRefusals:
    @pytest.mark.parametrize(
        ("given", "code", "field"),
        [
            (asked("160", None), "missing_field", "stop_loss.stop_price"),
            (asked(None, "140"), "missing_field", "take_profit.limit_price"),
            (asked(None, None), "missing_field", "take_profit.limit_price"),
            (asked(None, None, order_class=OTO), "missing_field", "stop_loss.stop_price"),
            (asked("160", "140", order_class=OTO), "invalid_take_profit", "take_profit"),
            (
                asked(None, None, order_class=OCO, limit="160"),
                "missing_field",
                "stop_loss.stop_price",
            ),
            (
                asked("160", "140", order_class=OCO, limit="160"),
                "invalid_take_profit",
                "take_profit",
            ),
            (asked("160", None, order_class=OrderClass.SIMPLE), "invalid_take_profit", None),
            (asked(None, "140", order_class=OrderClass.SIMPLE), "invalid_stop_loss", None),
            (asked("160", "140", stop="151"), "invalid_type", None),
            (asked("160", "140", limit="150", stop="151"), "invalid_type", None),
            (asked(None, "140", order_class=OCO), "invalid_type", "type"),
            (asked("160", "140", time_in_force=TimeInForce.IOC), "invalid_time_in_force", None),
            (asked("160", "140", time_in_force=TimeInForce.FOK), "invalid_time_in_force", None),
            (asked("160", "140", time_in_force=TimeInForce.OPG), "invalid_time_in_force", None),
            (asked("160", "140", time_in_force=TimeInForce.CLS), "invalid_time_in_force", None),
            (asked("160", "140", extended_hours=True, limit="150"), "invalid_extended_hours", None),
            (
                asked("160", "140", quantity="1.5", time_in_force=TimeInForce.DAY),
                "invalid_quantity",
                "quantity",
            ),
            (
                asked("160", "140", position_effect=PositionEffect.CLOSE),
                "position_effect_mismatch",
                None,
            ),
            (asked("160.001", "140"), "invalid_take_profit", "take_profit.limit_price"),
            (asked("160", "140.001"), "invalid_stop_loss", "stop_loss.stop_price"),
            (asked("160", "140", "139.999"), "invalid_stop_loss", "stop_loss.limit_price"),
            # The market stands at 150, and what counts is that, or the entry's limit.
            (asked("150", "140"), "take_profit_wrong_side", "take_profit.limit_price"),
            (asked("160", "150"), "stop_loss_wrong_side", "stop_loss.stop_price"),
            (asked("155", "140", limit="155"), "take_profit_wrong_side", "take_profit.limit_price"),
            (asked("160", "145", limit="145"), "stop_loss_wrong_side", "stop_loss.stop_price"),
            (asked("140", "160"), "legs_crossed", "take_profit.limit_price"),
            (asked("160", "140", "140.01"), "stop_limit_wrong_side", "stop_loss.limit_price"),
            (
                asked("150", "160", side=Side.SELL),
                "take_profit_wrong_side",
                "take_profit.limit_price",
            ),
            (asked("140", "150", side=Side.SELL), "stop_loss_wrong_side", "stop_loss.stop_price"),
            (
                asked("140", "160", "159.99", side=Side.SELL),
                "stop_limit_wrong_side",
                "stop_loss.limit_price",
            ),
            (
                asked(None, "140", order_class=OCO, limit="160", side=Side.SELL),
                "insufficient_position",
                "quantity",
            ),
            (
                asked(
                    None,
                    "140",
                    order_class=OCO,
                    limit="160",
                    position_effect=PositionEffect.OPEN,
                ),
                "invalid_position_effect",
                None,
            ),
        ],
    )
    def test_say_why_and_which_field(self, floor, given, code, field):
        with pytest.raises(Refusal) as caught:
            floor.place(**{"quantity": "10", **given})

        assert caught.value.code == code
        assert field in (None, caught.value.field)
        assert floor.exchange.books.orders == {}

    @pytest.mark.parametrize(
        "given",
        [
            asked("150.01", "149.99"),
            asked("155.01", "149.99", limit="155"),
            asked("150.01", "144.99", limit="145"),
            asked("149.99", "150.01", side=Side.SELL),
            asked("160", "140", "140"),
            asked("160", None, order_class=OTO),
            asked(None, "140", order_class=OTO),
            asked("160", "140", position_effect=PositionEffect.OPEN),
        ],
    )
    def test_are_not_for_what_just_makes_sense(self, floor, given):
        floor.place(**given)

        assert len(floor.exchange.books.orders) > 1

    @pytest.mark.parametrize("order_class", [BRACKET, OTO])
    def test_an_entry_opens_or_adds(self, floor, order_class):
        floor.place("5")
        legs = {"tp": "140"} if order_class is OTO else {"tp": "140", "sl": "160"}

        with pytest.raises(Refusal) as caught:
            floor.place("5", **asked(**legs, side=Side.SELL, order_class=order_class))
        assert caught.value.code == "position_effect_mismatch"

        assert bracket(floor).head.standing is S.FILLED  # it adds

    @pytest.mark.parametrize(
        ("limit", "sl", "said"),
        [
            ("150", "140", "take_profit_wrong_side limit_price"),
            ("160", "150", "stop_loss_wrong_side stop_loss.stop_price"),
            ("160", "165", "legs_crossed stop_loss.stop_price"),
        ],
    )
    def test_a_pair_stands_on_both_sides_of_the_market(self, floor, limit, sl, said):
        floor.place()

        with pytest.raises(Refusal) as caught:
            pair(floor, limit=limit, sl=sl)

        assert f"{caught.value.code} {caught.value.field}" == said

    def test_a_pair_closes_no_more_than_is_free(self, floor):
        floor.place("10")
        floor.place("4", side=Side.SELL, limit="155")

        with pytest.raises(Refusal) as caught:
            pair(floor, "7")
        assert (caught.value.code, caught.value.field) == ("insufficient_position", "quantity")

        pair(floor, "6")
        with pytest.raises(Refusal):
            pair(floor, "1")

    def test_a_coin_may_be_closed_in_part(self, floor):
        floor.price("17000", symbol="BTC/USD")
        floor.place("0.5", symbol="BTC/USD")

        group = pair(floor, "0.5", symbol="BTC/USD", limit="18000", sl="16000")

        assert standings(group) == [S.WORKING, S.WAITING]


class TestLife:
    def test_legs_are_held_until_the_entry_is_wholly_filled(self, floor):
        floor.price("150", size="3")
        group = bracket(floor, limit="150.02")
        assert standings(group) == [S.PART_FILLED, S.HELD, S.HELD]

        floor.price("161", size="2")  # where a target that worked would fill
        floor.step()
        assert standings(group) == [S.PART_FILLED, S.HELD, S.HELD]
        floor.price("150", size="10")
        floor.step()

        assert standings(group) == [S.FILLED, S.WORKING, S.WAITING]
        assert [leg.workable for leg in group.legs] == [10, 10]

    def test_the_target_fills_and_the_stop_goes_in_the_same_breath(self, floor):
        group = bracket(floor)
        target, stop = group.legs
        floor.price("161")
        floor.news.clear()

        floor.step()

        assert standings(group) == [S.FILLED, S.FILLED, S.CANCELLED]
        assert floor.fills(target) == [("10", "160.99")]
        assert held(floor) == 0
        assert (stop.ceiling, stop.filled) == (0, 0)
        told = [item.body["data"]["order"] for item in floor.news]
        assert [(one["id"], one["status"]) for one in told] == [
            (target.id, "filled"),
            (stop.id, "cancelled"),
        ]
        assert told[1]["reason"]

    def test_the_stop_fills_and_the_target_goes(self, floor):
        group = bracket(floor)
        floor.price("139")
        floor.step()

        assert standings(group) == [S.FILLED, S.CANCELLED, S.FILLED]
        assert group.legs[1].triggered
        assert held(floor) == 0

    def test_a_stop_limit_waits_at_its_limit(self, floor):
        group = bracket(floor, sl_limit="139.5")
        floor.price("138")
        floor.step()
        assert standings(group) == [S.FILLED, S.WORKING, S.WORKING]

        floor.price("139.6")
        floor.step()
        assert standings(group) == [S.FILLED, S.CANCELLED, S.FILLED]

    def test_what_one_leg_fills_in_part_the_other_leaves_alone_at_once(self, floor):
        group = bracket(floor)
        target, stop = group.legs
        floor.price("161", size="2")
        floor.news.clear()
        floor.step()
        assert (target.filled, stop.workable, stop.terms.quantity) == (4, 6, 10)
        assert [
            (one.body["data"]["order"]["id"], one.body["data"]["order"]["leaves_quantity"])
            for one in floor.news
        ] == [(target.id, "8"), (stop.id, "8"), (target.id, "6"), (stop.id, "6")]

        floor.price("139", size="1000")
        floor.step()

        assert (target.standing, target.filled) == (S.CANCELLED, 4)
        assert (stop.standing, stop.filled) == (S.CANCELLED, 6)
        assert held(floor) == 0

    def test_both_in_parts_close_the_position_and_no_more(self, floor):
        group = bracket(floor)
        target, stop = group.legs
        for price in ("161", "139", "161", "139", "161", "139", "161"):
            floor.price(price, size="1")
            floor.step()
            assert target.filled + stop.filled <= 10

        assert held(floor) == 0
        assert target.filled + stop.filled == 10
        assert group.is_over

    @pytest.mark.parametrize("prices", [("161", "139"), ("139", "161"), ("161", "139", "161")])
    def test_both_leave_alone_what_was_held_before(self, floor, prices):
        floor.place("50")
        group = bracket(floor)
        for price in prices:
            floor.price(price, size="2")
            floor.step()
        floor.price("139", size="1000")
        floor.step()

        assert sum(leg.filled for leg in group.legs) == 10
        assert held(floor) == 50
        assert group.is_over

    def test_an_oto_has_one_leg(self, floor):
        group = bracket(floor, tp=None, order_class=OTO)

        assert [leg.leg for leg in group.legs] == [Leg.STOP_LOSS]
        floor.price("139")
        floor.step()
        assert standings(group) == [S.FILLED, S.FILLED]
        assert held(floor) == 0

    def test_a_pair_works_at_once_and_ends_together(self, floor):
        floor.place()
        group = pair(floor)
        assert standings(group) == [S.WORKING, S.WAITING]
        assert [leg.terms.side for leg in group.legs] == [Side.SELL]

        floor.price("139")
        floor.step()

        assert standings(group) == [S.CANCELLED, S.FILLED]
        assert held(floor) == 0

    def test_a_pairs_order_is_the_target(self, floor):
        floor.place()
        group = pair(floor)
        floor.price("161", size="2")
        floor.step()
        assert (group.head.filled, group.legs[0].workable) == (4, 6)

        floor.price("161")
        floor.step()

        assert standings(group) == [S.FILLED, S.CANCELLED]
        assert held(floor) == 0

    def test_a_short_is_closed_by_a_pair_too(self, floor):
        floor.place(side=Side.SELL)

        group = pair(floor, side=Side.BUY, limit="140", sl="160")
        floor.price("161")
        floor.step()

        assert standings(group) == [S.CANCELLED, S.FILLED]
        assert held(floor) == 0

    def test_an_entry_that_waits_for_its_market_has_its_legs_wait_for_it(self, floor):
        floor.account.personality = PERSONALITIES["alpaca"]
        floor.exchange.turn("AAPL", Phase.CLOSED, now=floor.now)
        group = bracket(floor, time_in_force=TimeInForce.DAY)
        assert standings(group) == [S.ACCEPTED, S.HELD, S.HELD]

        floor.step(after=timedelta(hours=20))
        floor.exchange.turn("AAPL", Phase.OPEN, now=floor.now)
        assert standings(group) == [S.FILLED, S.WORKING, S.WAITING]

        floor.step(after=timedelta(hours=3))
        assert standings(group) == [S.FILLED, S.WORKING, S.WAITING]
        floor.step(after=timedelta(hours=14))
        assert group.is_over

    def test_a_pair_that_waits_for_its_market_wakes_whole(self, floor):
        floor.place()
        floor.account.personality = PERSONALITIES["alpaca"]
        floor.exchange.turn("AAPL", Phase.CLOSED, now=floor.now)
        group = pair(floor)
        assert standings(group) == [S.ACCEPTED, S.ACCEPTED]

        floor.exchange.turn("AAPL", Phase.OPEN, now=floor.now)

        assert standings(group) == [S.WORKING, S.WAITING]

    def test_legs_close_no_more_than_is_still_held(self, floor):
        group = bracket(floor)
        floor.place("7", side=Side.SELL)
        floor.price("161")
        floor.step()

        assert (group.legs[0].filled, held(floor)) == (3, 0)
        assert standings(group) == [S.FILLED, S.CANCELLED, S.CANCELLED]

    def test_a_pair_closes_no_more_than_is_still_held(self, floor):
        floor.place()
        group = pair(floor)
        floor.place("7", side=Side.SELL)
        floor.price("161")
        floor.step()

        assert (group.head.filled, held(floor)) == (3, 0)
        assert group.is_over

    def test_legs_of_a_day_go_with_the_day(self, floor):
        waits = bracket(floor, limit="149", time_in_force=TimeInForce.DAY)
        works = bracket(floor, time_in_force=TimeInForce.DAY)

        floor.step(after=timedelta(hours=13))

        assert standings(waits) == [S.EXPIRED, S.CANCELLED, S.CANCELLED]
        assert works.head.standing is S.FILLED
        assert works.is_over
        assert held(floor) == 10


class TestCancels:
    @pytest.mark.parametrize("which", [0, 1, 2])
    def test_one_takes_the_others_with_it(self, floor, which):
        group = bracket(floor, limit="149")
        floor.news.clear()

        cancel(floor, group.members[which])

        assert standings(group) == [S.CANCELLED] * 3
        told = {one.body["data"]["order"]["id"]: one.body["data"]["order"] for one in floor.news}
        assert {one["status"] for one in told.values()} == {"cancelled"}
        assert len(told) == 3
        others = [one["reason"] for name, one in told.items() if name != group.members[which].id]
        assert all(group.members[which].id in reason for reason in others)

    @pytest.mark.parametrize("which", [1, 2])
    def test_of_a_working_leg_takes_the_other(self, floor, which):
        group = bracket(floor)

        cancel(floor, group.members[which])

        assert standings(group) == [S.FILLED, S.CANCELLED, S.CANCELLED]
        assert held(floor) == 10

    @pytest.mark.parametrize("which", [0, 1])
    def test_of_a_pair(self, floor, which):
        floor.place()
        group = pair(floor)

        cancel(floor, group.members[which])

        assert standings(group) == [S.CANCELLED] * 2

    def test_of_an_entry_that_has_filled_in_part_leaves_that_unprotected(self, floor):
        floor.price("150", size="2")
        group = bracket(floor)

        cancel(floor, group.head)

        assert standings(group) == [S.CANCELLED] * 3
        assert held(floor) == group.head.filled == 4

    def test_of_an_entry_that_is_filled_is_too_late(self, floor):
        group = bracket(floor)

        with pytest.raises(Refusal) as caught:
            floor.exchange.cancel(floor.account, group.head.id, now=floor.now)

        assert caught.value.code == "too_late"
        assert standings(group) == [S.FILLED, S.WORKING, S.WAITING]

    def test_an_entry_that_fills_before_its_cancel_takes_effect_is_protected(self, floor):
        group = bracket(floor, "1", limit="149")
        floor.exchange.cancel(floor.account, group.head.id, now=floor.now)
        floor.exchange.fate.canceling(group.head, "fill_after_cancel_ack", Decimal(0))

        floor.step()

        assert standings(group) == [S.FILLED, S.WORKING, S.WAITING]

    def test_a_leg_that_was_held_never_fills_late(self, floor):
        group = bracket(floor, limit="149")
        for fault in ("fill_after_cancel_ack", "fill_after_cancelled"):
            floor.exchange.cancel(floor.account, group.legs[0].id, now=floor.now)
            floor.exchange.fate.canceling(group.legs[0], fault, Decimal(0))

        for _ in range(4):
            floor.step()

        assert standings(group) == [S.CANCELLED] * 3
        assert held(floor) == 0

    def test_a_leg_that_was_held_does_not_fill_as_its_entry_just_did(self, floor):
        floor.place("50")
        group = bracket(floor, "1", limit="149")
        target = group.legs[0]
        floor.exchange.cancel(floor.account, target.id, now=floor.now)
        floor.exchange.fate.canceling(target, "fill_after_cancel_ack", Decimal(0))
        floor.price("148")  # the entry, which is older, fills before the cancel takes effect

        floor.step()

        assert standings(group) == [S.FILLED, S.CANCELLED, S.CANCELLED]
        assert held(floor) == 51

    def test_legs_that_fill_late_close_no_more_than_was_opened(self, floor):
        floor.place("50")
        group = bracket(floor, "1")
        for leg in group.legs:
            floor.exchange.cancel(floor.account, leg.id, now=floor.now)
            floor.exchange.fate.canceling(leg, "fill_after_cancelled", Decimal("0.5"))
        # The first takes the second with it, which is then no longer there to be cancelled.
        floor.exchange.fate.canceled(group.legs[1], floor.now)

        for _ in range(8):
            floor.step()

        assert sum(leg.filled for leg in group.legs) == 1
        assert held(floor) == 50

    def test_a_leg_that_expires_out_of_the_blue_takes_the_group_with_it(self, floor):
        group = bracket(floor)
        floor.exchange.fate._expire(group.legs[0], floor.exchange.records.time(floor.now))

        assert standings(group) == [S.FILLED, S.EXPIRED, S.CANCELLED]


class TestMeans:
    def test_a_group_closes_once(self, floor):
        bracket(floor)
        free = floor.exchange.books.buying_power(floor.account, floor.exchange.market)

        assert free == floor.account.cash
        assert promised(floor, Side.SELL) == 10

    def test_held_legs_bind_nothing(self, floor):
        floor.place("3")
        bracket(floor, limit="149")

        assert promised(floor, Side.SELL) == 0
        assert promised(floor, Side.BUY) == 10

    def test_an_entry_is_paid_for_like_any_other(self, floor):
        with pytest.raises(Refusal) as caught:
            bracket(floor, "1000000", limit="149")

        assert caught.value.code == "insufficient_buying_power"

    def test_the_rest_is_bound_by_whichever_is_left(self, floor):
        group = bracket(floor)
        floor.price("139", size="2")
        floor.step()
        assert promised(floor, Side.SELL) == held(floor) == 6

        change(floor, group.legs[0], limit_price=Decimal(161))

        assert promised(floor, Side.SELL) == 6
        floor.reopen()
        assert promised(floor, Side.SELL) == 6

    def test_without_a_cushion_both_legs_still_fit(self, tmp_path):
        floor = Floor(tmp_path / "poor", cash="1600")
        try:
            group = bracket(floor)
            assert floor.exchange.books.buying_power(floor.account, floor.exchange.market) >= 0
            change(floor, group.legs[1], stop_price=Decimal(145))
            change(floor, group.legs[0], limit_price=Decimal(170))
        finally:
            floor.close()


class TestReplaces:
    def test_of_a_working_target(self, floor):
        group = bracket(floor)
        old = group.legs[0]

        new = change(floor, old, limit_price=Decimal(155))

        assert (old.standing, old.replaced_by) == (S.REPLACED, new.id)
        assert (new.standing, new.parent, new.leg) == (S.WORKING, group.head.id, Leg.TAKE_PROFIT)
        assert group.legs[1].standing is S.WAITING
        floor.price("156")
        floor.step()
        assert new.standing is S.FILLED
        assert group.legs[1].standing is S.CANCELLED
        assert held(floor) == 0

    def test_of_a_working_stop(self, floor):
        group = bracket(floor)

        new = change(floor, group.legs[1], stop_price=Decimal(145))

        assert new.standing is S.WAITING
        floor.price("144")
        floor.step()
        assert (new.standing, group.legs[0].standing) == (S.FILLED, S.CANCELLED)

    def test_of_a_leg_whose_sibling_has_filled_in_part(self, floor):
        group = bracket(floor)
        target, stop = group.legs
        floor.price("161", size="2")
        floor.step()
        floor.price("150")

        new = change(floor, stop, stop_price=Decimal(145))
        better = change(floor, target, limit_price=Decimal(155))

        assert (new.terms.quantity, new.workable) == (10, 6)
        assert (better.terms.quantity, better.workable) == (6, 6)
        floor.price("144", size="1000")
        floor.step()
        assert (new.filled, held(floor)) == (6, 0)
        assert floor.exchange.books.group_of(new).is_over

    def test_of_a_leg_leave_alone_what_was_held_before(self, floor):
        floor.place("50")
        group = bracket(floor)
        for price in ("161", "139"):
            floor.price(price, size="2")
            floor.step()
        assert [leg.filled for leg in group.legs] == [4, 4]
        floor.price("150")

        new = change(floor, group.legs[0], limit_price=Decimal(155))

        assert (new.terms.quantity, new.workable) == (6, 2)
        floor.price("156", size="1000")
        floor.step()
        assert held(floor) == 50
        assert floor.exchange.books.group_of(new).is_over

    def test_of_a_held_leg(self, floor):
        group = bracket(floor, limit="149")

        new = change(floor, group.legs[0], limit_price=Decimal(155))

        assert new.standing is S.HELD
        floor.price("149")
        floor.step()
        floor.price("148")
        floor.step()
        assert (group.head.standing, new.standing) == (S.FILLED, S.WORKING)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"quantity": "9"}, "quantity"),
            ({"time_in_force": TimeInForce.DAY}, "time_in_force"),
            ({"extended_hours": True}, "extended_hours"),
            ({"stop_loss": StopLoss(stop_price=Decimal(130))}, "stop_loss"),
            ({"take_profit": TakeProfit(limit_price=Decimal(170))}, "take_profit"),
        ],
    )
    def test_of_a_leg_change_its_prices_only(self, floor, changes, field):
        group = bracket(floor)

        with pytest.raises(Refusal) as caught:
            change(floor, group.legs[0], **{"limit_price": Decimal(155), **changes})

        assert (caught.value.code, caught.value.field) == ("not_replaceable", field)
        assert standings(group) == [S.FILLED, S.WORKING, S.WAITING]

    @pytest.mark.parametrize(
        ("which", "prices", "code"),
        [
            (0, {"limit_price": Decimal(150)}, "take_profit_wrong_side"),
            (1, {"stop_price": Decimal(150)}, "stop_loss_wrong_side"),
            (1, {"limit_price": Decimal("140.01")}, "stop_limit_wrong_side"),
        ],
    )
    def test_of_a_leg_keep_it_on_its_side(self, floor, which, prices, code):
        group = bracket(floor, sl_limit="139")

        with pytest.raises(Refusal) as caught:
            change(floor, group.legs[which], **prices)

        assert caught.value.code == code
        assert caught.value.field in prices

    @pytest.mark.parametrize(
        ("which", "prices"), [(0, {"limit_price": Decimal(155)}), (1, {"stop_price": Decimal(146)})]
    )
    def test_of_a_held_leg_keep_it_on_its_side_of_the_entry(self, floor, which, prices):
        floor.price("150", size="1")  # too little for an entry that is above it
        group = bracket(floor, limit="155" if which == 0 else "145", tp="170", sl="130")
        assert group.legs[which].standing is S.HELD

        with pytest.raises(Refusal) as caught:
            change(floor, group.legs[which], **prices)

        assert caught.value.code == ("take_profit_wrong_side", "stop_loss_wrong_side")[which]

    def test_of_a_leg_keep_it_on_its_side_of_the_other(self, floor):
        group = bracket(floor)
        floor.price("165")  # untouched yet: no tick has passed

        with pytest.raises(Refusal) as caught:
            change(floor, group.legs[1], stop_price=Decimal(160))

        assert (caught.value.code, caught.value.field) == ("legs_crossed", "stop_price")

    def test_of_an_entry_takes_its_legs_along(self, floor):
        group = bracket(floor, limit="149")
        change(floor, group.legs[0], limit_price=Decimal(155))
        latest = floor.exchange.books.group_of(group.head)

        new = change(floor, group.head, quantity="7", limit_price=Decimal(148))

        after = floor.exchange.books.group_of(new)
        assert standings(after) == [S.WORKING, S.HELD, S.HELD]
        assert [leg.terms.quantity for leg in after.legs] == [7, 7]
        assert after.legs[0].terms.limit_price == 155  # as it stood, not as it was first asked
        assert set(standings(latest)) == {S.REPLACED}
        assert after.legs[1].replaces == group.legs[1].id
        assert group.legs[1].replaced_by == after.legs[1].id
        assert len({one.terms.client_order_id for one in after.members}) == 3
        floor.price("148")
        floor.step()
        floor.price("147")
        floor.step()
        assert standings(after) == [S.FILLED, S.WORKING, S.WAITING]

    def test_of_an_entry_may_move_its_legs(self, floor):
        group = bracket(floor, limit="149")

        new = change(floor, group.head, stop_loss=StopLoss(stop_price=Decimal(130)))

        assert floor.exchange.books.group_of(new).legs[1].terms.stop_price == 130

    def test_of_an_entry_that_has_begun_to_fill_is_refused(self, floor):
        floor.price("150", size="2")
        group = bracket(floor)

        with pytest.raises(Refusal) as caught:
            change(floor, group.head)

        assert caught.value.code == "not_replaceable"
        assert standings(group) == [S.PART_FILLED, S.HELD, S.HELD]

    def test_of_a_pairs_target_takes_the_stop_along(self, floor):
        floor.place()
        group = pair(floor)
        floor.price("161", size="2")
        floor.step()
        floor.price("150")

        new = change(floor, group.head, limit_price=Decimal(155))

        after = floor.exchange.books.group_of(new)
        assert standings(group) == [S.REPLACED, S.REPLACED]
        assert standings(after) == [S.WORKING, S.WAITING]
        assert [order.terms.quantity for order in after.members] == [6, 6]
        floor.price("139")
        floor.step()
        assert held(floor) == 0

    def test_of_a_pairs_target_closes_no_more_than_is_held(self, floor):
        floor.place()
        group = pair(floor)

        with pytest.raises(Refusal) as caught:
            change(floor, group.head, quantity="11")

        assert caught.value.code == "insufficient_position"

    def test_wait_for_one_that_is_promised(self, floor):
        group = bracket(floor)
        target, stop = group.legs
        terms = replace(target.terms, client_order_id="late", limit_price=Decimal(155))
        due = floor.now + timedelta(seconds=1)
        floor.exchange.promises.make("k", terms, due=due, replaces=target.id, now=floor.now)

        with pytest.raises(Refusal) as caught:
            change(floor, stop, stop_price=Decimal(145))
        assert caught.value.code == "not_replaceable"

        floor.step(after=timedelta(seconds=2))
        assert target.standing is S.REPLACED
        assert change(floor, stop, stop_price=Decimal(145)).standing is S.WAITING


class TestRevisions:
    def test_legs_do_what_is_left_of_the_entry(self, floor):
        group = bracket(floor, limit="150.01")
        (name,) = trades(floor, group.head)
        at = floor.exchange.records.time(floor.now)
        correct(floor.exchange.records, name, quantity=Decimal(7), price=Decimal(150), now=at)
        assert [leg.workable for leg in group.legs] == [7, 7]

        floor.price("161")
        floor.step()

        assert group.legs[0].filled == 7
        assert held(floor) == 0

    def test_legs_do_more_again_once_the_entry_is_filled_again(self, floor):
        group = bracket(floor, limit="150.01")
        (name,) = trades(floor, group.head)
        floor.price("151")
        bust(floor.exchange.records, name, now=floor.exchange.records.time(floor.now))
        assert [leg.workable for leg in group.legs] == [0, 0]
        assert standings(group) == [S.WORKING, S.WORKING, S.WAITING]
        floor.step()
        assert held(floor) == 0

        floor.price("150")
        floor.step()

        assert standings(group) == [S.FILLED, S.WORKING, S.WAITING]
        assert [leg.workable for leg in group.legs] == [10, 10]

    def test_an_entry_that_works_again_and_is_cancelled_takes_its_legs_along(self, floor):
        group = bracket(floor, limit="150.01")
        (name,) = trades(floor, group.head)
        floor.price("151")
        bust(floor.exchange.records, name, now=floor.exchange.records.time(floor.now))

        cancel(floor, group.head)

        assert standings(group) == [S.CANCELLED] * 3

    def test_a_target_taken_back_works_again_alone(self, floor):
        group = bracket(floor)
        target, stop = group.legs
        floor.price("161")
        floor.step()
        (name,) = trades(floor, target)
        floor.price("150")
        bust(floor.exchange.records, name, now=floor.exchange.records.time(floor.now))
        assert (target.standing, stop.standing) == (S.WORKING, S.CANCELLED)
        assert promised(floor, Side.SELL) == 10

        floor.price("161")
        floor.step()

        assert (target.standing, held(floor)) == (S.FILLED, 0)

    def test_a_correction_fits_the_group(self, floor):
        group = bracket(floor)
        target, stop = group.legs
        floor.price("161", size="2")
        floor.step()
        floor.price("139", size="2")
        floor.step()
        assert (target.filled, stop.filled) == (4, 4)
        name = next(iter(trades(floor, target)))
        records = floor.exchange.records

        with pytest.raises(Refusal):
            correct(records, name, quantity=Decimal(5), price=Decimal(160), now=floor.now)
        correct(records, name, quantity=Decimal(4), price=Decimal(160), now=records.time(floor.now))

        assert group.is_over  # that was the rest
        assert held(floor) == 0

    def test_the_id_of_a_pair_of_which_one_works_again_is_taken(self, floor):
        floor.place()
        floor.account.personality = PERSONALITIES["binance"]
        group = pair(floor, client_order_id="pair")
        floor.price("139")
        floor.step()
        (name,) = trades(floor, group.legs[0])
        floor.price("150")
        bust(floor.exchange.records, name, now=floor.exchange.records.time(floor.now))
        assert standings(group) == [S.CANCELLED, S.WORKING]

        with pytest.raises(Refusal) as caught:
            pair(floor, client_order_id="pair")

        assert caught.value.code == "duplicate_client_order_id"


class TestRestarts:
    def test_keep_groups_as_they_were(self, floor):
        floor.price("150", size="3")
        name = bracket(floor).head.id
        for price, size in (("150", "100"), ("161", "1"), ("139", "1"), ("161", "100")):
            before = [one.json() for one in _members(floor, name)]
            floor.exchange.commit()
            floor.reopen()
            assert [one.json() for one in _members(floor, name)] == before
            floor.price(price, size=size)
            floor.step()

        assert held(floor) == 0
        assert floor.exchange.books.is_over(floor.exchange.books.orders[name])

    def test_keep_what_was_promised(self, floor):
        terms = floor.terms("10", **asked("160", "140"))
        due = floor.now + timedelta(seconds=1)
        floor.exchange.promises.make("k", terms, due=due, now=floor.now)
        floor.exchange.commit()
        floor.reopen()
        floor.price("150")

        floor.step(after=timedelta(seconds=2))

        (order,) = floor.exchange.books.orders_with(floor.account, terms.client_order_id)
        group = floor.exchange.books.group_of(order)
        assert standings(group) == [S.FILLED, S.WORKING, S.WAITING]


def _members(floor, name):
    books = floor.exchange.books
    return books.group_of(books.orders[name]).members
