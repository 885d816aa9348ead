"""What an order may do to a position, to the account's other orders, and to a closed account."""

from __future__ import annotations

from decimal import Decimal

import pytest

from brokers.paper.market import Phase
from brokers.paper.orders import Standing
from brokers.paper.refusals import Refusal
from brokers.paper.revising import bust, correct
from brokers.vocabulary import PositionEffect, Side, TimeInForce

SELL, BUY = {"side": Side.SELL}, {"side": Side.BUY}
OPEN, CLOSE = ({"position_effect": effect} for effect in PositionEffect)


def power(floor):
    return floor.exchange.books.buying_power(floor.account, floor.exchange.market)


class TestEffects:
    def test_a_plain_sell_goes_right_through_zero(self, floor):
        floor.place("10")

        floor.place("15", **SELL)

        assert floor.account.held("AAPL") == -5

    @pytest.mark.parametrize(
        ("held", "quantity", "given", "is_taken"),
        [
            (0, "10", {**SELL, **OPEN}, True),
            (0, "10", {**BUY, **OPEN}, True),
            (5, "10", {**SELL, **OPEN}, False),
            (5, "10", {**BUY, **OPEN}, True),
            (-5, "10", {**SELL, **OPEN}, True),
            (-5, "10", {**BUY, **OPEN}, False),
            (0, "1", {**SELL, **CLOSE}, False),
            (5, "5", {**SELL, **CLOSE}, True),
            (5, "6", {**SELL, **CLOSE}, False),
            (-5, "5", {**BUY, **CLOSE}, True),
            (-5, "6", {**BUY, **CLOSE}, False),
            (5, "1", {**BUY, **CLOSE}, False),
        ],
    )
    def test_an_order_does_what_it_says_or_is_not_taken(
        self, floor, held, quantity, given, is_taken
    ):
        if held:
            floor.place(str(abs(held)), **(BUY if held > 0 else SELL))
        if not is_taken:
            assert floor.refuses(quantity, **given) == "position_effect_mismatch"
            return

        assert floor.place(quantity, **given).standing is Standing.FILLED

    def test_closing_costs_nothing_however_many_orders_would(self, floor):
        floor.place("6000", **SELL)
        before = power(floor)

        orders = [floor.place("6000", limit=limit, **CLOSE) for limit in ("100", "110")]
        orders += [floor.place("6000", stop="200", **CLOSE)]

        assert power(floor) == before < 200_000
        assert {order.standing for order in orders} == {Standing.WORKING, Standing.WAITING}

    def test_what_is_promised_to_a_closing_order_is_not_another_ones_to_close(self, floor):
        floor.account.shorting = False
        floor.place("10")
        floor.place("10", limit="200", **SELL, **CLOSE)

        assert floor.refuses("1", limit="200", **SELL) == "insufficient_position"

    def test_as_it_fills_it_never_turns_the_position_round(self, floor):
        floor.place("10")
        target, stop = (
            floor.place("10", limit="160", **SELL, **CLOSE),
            floor.place("10", stop="155", **SELL, **CLOSE),
        )
        assert stop.filled == 10  # the price was past it

        floor.price("161")
        floor.step()

        assert (target.standing, target.filled) == (Standing.CANCELLED, 0)
        assert "nothing left" in target.reason
        assert floor.account.held("AAPL") == 0

    def test_it_fills_what_is_left_of_the_position_and_is_cancelled_for_the_rest(self, floor):
        floor.place("10")
        order = floor.place("10", limit="160", **SELL, **CLOSE)
        floor.place("7", **SELL)

        floor.price("161")
        floor.step()

        assert (order.standing, order.filled) == (Standing.CANCELLED, 3)
        assert floor.account.held("AAPL") == 0

    def test_not_even_a_fault_turns_it_round(self, floor):
        floor.place("10")
        order = floor.place("10", limit="160", **SELL, **CLOSE)
        floor.exchange.cancel(floor.account, order.id, now=floor.now)
        floor.exchange.fate.canceling(order, "fill_after_cancel_ack", Decimal(0))
        floor.place("10", **SELL)

        floor.step()

        assert (order.filled, floor.account.held("AAPL")) == (0, 0)

    def test_where_no_short_may_be_a_sell_stops_at_nothing(self, floor):
        floor.account.shorting = False
        trade = floor.place("10")
        order = floor.place("10", limit="160", **SELL)
        (fill,) = floor.exchange.books.executions_in(trade)
        bust(floor.exchange.records, fill.id, now=floor.exchange.records.time(floor.now))
        floor.exchange.cancel(floor.account, trade.id, now=floor.now)

        floor.price("161")
        floor.step()

        assert (order.standing, floor.account.held("AAPL")) == (Standing.CANCELLED, 0)


class TestTicks:
    @pytest.mark.parametrize(
        ("given", "code"),
        [
            ({"limit": "1.001"}, "invalid_limit_price"),
            ({"limit": "1.01"}, None),
            ({"limit": "1.00"}, None),
            ({"limit": "0.9999"}, None),
            ({"limit": "0.99991"}, "invalid_limit_price"),
            ({"stop": "290.123"}, "invalid_stop_price"),
            ({"stop": "0.0001", **SELL}, None),
            ({"symbol": "BTC/USD", "limit": "0.9999", "quantity": "1"}, "invalid_limit_price"),
        ],
        ids=str,
    )
    def test_are_a_cent_from_one_up_and_a_hundredth_of_it_below(self, floor, given, code):
        if code is None:
            assert floor.place(**given)
        else:
            assert floor.refuses(**given) == code


class TestWashTrades:
    @pytest.mark.parametrize(
        ("resting", "new", "is_washed"),
        [
            ({"limit": "140"}, {"limit": "160", **SELL}, False),
            ({"limit": "140"}, {"limit": "140", **SELL}, True),
            ({"limit": "140"}, {"limit": "139", **SELL}, True),
            ({"limit": "140"}, {**SELL}, True),
            ({"limit": "140"}, {"stop": "120", **SELL}, True),
            ({"limit": "140"}, {"stop": "120", "limit": "119", **SELL}, True),
            ({"limit": "140"}, {"trail_price": "5", **SELL}, True),
            ({"stop": "170"}, {"limit": "200", **SELL}, True),
            ({"stop": "170", "limit": "171"}, {"limit": "172", **SELL}, False),
            ({"limit": "140"}, {"limit": "150"}, False),
            ({"limit": "160", **SELL}, {"limit": "160"}, True),
            ({"limit": "140"}, {"limit": "100", "symbol": "MSFT", **SELL}, False),
        ],
        ids=str,
    )
    def test_are_refused_where_the_two_could_meet(self, alpaca_floor, resting, new, is_washed):
        alpaca_floor.place("1", **resting)

        if is_washed:
            assert alpaca_floor.refuses("1", **new) == "wash_trade"
        else:
            assert alpaca_floor.place("1", **new)

    def test_name_the_order_that_is_in_the_way(self, alpaca_floor):
        resting = alpaca_floor.place("1", limit="140")

        with pytest.raises(Refusal) as caught:
            alpaca_floor.place("1", **SELL)

        assert caught.value.facts == {
            "existing_order_id": resting.id,
            "reject_reason": "opposite side limit order exists",
        }

    def test_are_nobodys_business_unless_the_account_is_set_so(self, floor):
        floor.place("1", limit="140")
        assert floor.place("1", limit="140", **SELL)

        floor.account.refuses_wash_trades = True
        assert floor.refuses("1", limit="140", **SELL) == "wash_trade"


class TestAccounts:
    def test_one_that_is_not_active_cancels_and_nothing_else(self, floor):
        order = floor.place(limit="100")
        floor.account.active = False

        assert floor.refuses() == "account_not_active"
        with pytest.raises(Refusal) as caught:
            floor.exchange.replace(floor.account, order.id, floor.terms(), now=floor.now)
        assert caught.value.code == "account_not_active"
        floor.exchange.cancel(floor.account, order.id, now=floor.now)
        floor.step()
        assert order.standing is Standing.CANCELLED

    def test_the_account_comes_before_the_duplicate_and_the_market(self, floor):
        order = floor.place()
        floor.account.active = False
        floor.turn(Phase.CLOSED)

        assert floor.refuses(client_order_id=order.terms.client_order_id) == "account_not_active"
        floor.account.active = True
        assert (
            floor.refuses(client_order_id=order.terms.client_order_id)
            == "duplicate_client_order_id"
        )
        assert floor.refuses() == "market_closed"


class TestFees:
    @pytest.fixture
    def floor(self, floor):
        floor.account.fee_rate = Decimal("2.5")
        floor.exchange.records.keep_account(floor.account, now=floor.now)
        return floor

    def test_are_taken_from_cash_and_told_with_the_trade(self, floor):
        floor.place("10")
        floor.place("10", **SELL)

        told = [
            news.body["data"]["execution"]
            for news in floor.news
            if "execution" in news.body["data"]
        ]

        assert [execution["fee"] for execution in told] == ["0.375025", "0.374975"]
        assert floor.account.cash == 1_000_000 - Decimal("0.2") - Decimal("0.75")

    def test_outlive_a_restart(self, floor):
        floor.place("10")
        cash = floor.account.cash

        floor.reopen()

        assert (floor.account.cash, floor.account.fee_rate) == (cash, Decimal("2.5"))

    def test_are_given_back_with_the_trade_and_reckoned_anew_when_it_is_restated(self, floor):
        order = floor.place("10")
        records = floor.exchange.records
        (fill,) = floor.exchange.books.executions_in(order)

        word = correct(
            records, fill.id, quantity=Decimal(4), price=Decimal(100), now=records.time(floor.now)
        )
        assert word.fee == Decimal("0.1")
        assert floor.account.cash == 1_000_000 - 400 - Decimal("0.1")

        bust(records, fill.id, now=records.time(floor.now))
        assert floor.account.cash == 1_000_000

    def test_count_before_an_order_is_taken(self, floor):
        floor.price("99.99")

        assert floor.refuses("9804", limit="102") == "insufficient_buying_power"
        assert floor.place("9800", limit="102", time_in_force=TimeInForce.IOC)
