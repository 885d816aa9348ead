"""Orders for an amount of money, and for parts of a share."""

from __future__ import annotations

from decimal import Decimal

import pytest

from brokers.paper.market import Phase
from brokers.paper.orders import Standing
from brokers.paper.refusals import Refusal
from brokers.paper.revising import bust, correct
from brokers.vocabulary import Side, TimeInForce
from tests.brokers.paper.conftest import Floor

SELL = {"side": Side.SELL}
DAY, GTC, IOC, FOK, CLS = (
    {"time_in_force": tif}
    for tif in (
        TimeInForce.DAY,
        TimeInForce.GTC,
        TimeInForce.IOC,
        TimeInForce.FOK,
        TimeInForce.CLS,
    )
)
NANO = Decimal("1e-9")


class TestMoney:
    def test_buys_as_much_as_it_can_and_never_more(self, floor):
        order = floor.spend("1000")

        assert order.standing is Standing.FILLED
        assert floor.fills(order) == [("6.666222251", "150.01")]  # 6.66622225185…
        assert 0 <= 1000 - order.cost < NANO * Decimal("150.01")
        assert (order.told["quantity"], order.told["notional"]) == (None, "1000")

    def test_goes_on_over_prices_and_ticks_until_it_is_spent(self, floor):
        floor.price("150", size="2")
        order = floor.spend("1000")
        assert [quantity for quantity, _ in floor.fills(order)] == ["2", "2"]
        assert order.standing is Standing.PART_FILLED

        floor.step()

        assert order.standing is Standing.FILLED
        assert floor.fills(order)[3][1] == "150.02"
        assert 0 <= 1000 - order.cost < NANO * Decimal("150.02")

    def test_sells_what_fetches_it(self, floor):
        floor.place("100")

        order = floor.spend("1000", **SELL)

        assert floor.fills(order) == [("6.667111140", "149.99")]
        assert order.standing is Standing.FILLED

    @pytest.mark.parametrize(
        "given", [{"limit": "150.01"}, {"stop": "149"}, {"stop": "149", "limit": "151"}], ids=str
    )
    def test_goes_with_limits_and_stops(self, floor, given):
        order = floor.spend("1000", **given)

        assert (order.standing, order.filled) == (Standing.FILLED, Decimal("6.666222251"))

    def test_buys_crypto_as_long_as_crypto_orders_last(self, floor):
        floor.price("17000", symbol="BTC/USD", size="0.01")

        at_once = floor.spend("500", symbol="BTC/USD", **IOC)
        none = floor.spend("500", symbol="BTC/USD", **FOK)
        all_of_it = floor.spend("300", symbol="BTC/USD", limit="17001", **FOK)

        assert [at_once.standing, none.standing] == [Standing.CANCELLED, Standing.CANCELLED]
        assert (at_once.filled, none.filled) == (Decimal("0.02"), 0)
        assert all_of_it.standing is Standing.CANCELLED  # the first has taken what was shown

        floor.step()
        assert floor.spend("300", symbol="BTC/USD", **FOK).standing is Standing.FILLED

    def test_a_rest_that_buys_nothing_at_a_dearer_price_is_done_with(self, floor):
        floor.price("150", size="3")
        order = floor.spend("900.0900002")  # three at either price, and next to nothing
        assert (order.standing, order.filled) == (Standing.PART_FILLED, 6)

        floor.price("9999")
        floor.step()

        assert (order.standing, order.filled) == (Standing.FILLED, 6)

    def test_is_the_same_after_a_restart(self, floor):
        floor.price("150", size="2")
        order = floor.spend("1000")

        floor.reopen()
        floor.price("150")
        floor.step()

        again = floor.exchange.books.orders[order.id]
        assert again.standing is Standing.FILLED
        assert 0 <= 1000 - again.cost < NANO * Decimal("150.02")

    def test_a_trade_taken_back_is_bought_again_and_one_restated_stays_within_it(self, floor):
        order = floor.spend("1000")
        records, books = floor.exchange.records, floor.exchange.books
        (fill,) = books.executions_in(order)

        with pytest.raises(Refusal, match="At most"):
            correct(
                records,
                fill.id,
                quantity=Decimal("6.67"),
                price=Decimal("150.01"),
                now=records.time(floor.now),
            )
        bust(records, fill.id, now=records.time(floor.now))
        assert (order.standing, order.money) == (Standing.WORKING, 1000)

        floor.step()
        assert (order.standing, order.filled) == (Standing.FILLED, Decimal("6.666222251"))

    def test_ties_up_the_money_and_no_more(self, floor):
        floor.spend("1000", limit="100")

        assert floor.exchange.books.buying_power(floor.account, floor.exchange.market) == 999_000

    @pytest.mark.parametrize(
        ("given", "code"),
        [
            ({"notional": "1000001"}, "insufficient_buying_power"),
            ({"notional": "0.99"}, "invalid_notional"),
            ({"notional": "9.99", "symbol": "BTC/USD"}, "invalid_notional"),
            ({"notional": "100", "symbol": "KO"}, "invalid_notional"),
            ({"notional": "100", **GTC}, "invalid_time_in_force"),
            ({"notional": "100", **CLS}, "invalid_time_in_force"),
            ({"notional": "100", "trail_price": "5", **DAY}, "invalid_type"),
            ({"notional": "100", **SELL}, "not_shortable"),
        ],
        ids=str,
    )
    def test_is_refused(self, floor, given, code):
        assert floor.refuses(None, **{**DAY, **given}) == code


class TestParts:
    @pytest.mark.parametrize(
        ("given", "code"),
        [
            ({**GTC}, "invalid_time_in_force"),
            ({**IOC}, "invalid_time_in_force"),
            ({**CLS}, "invalid_time_in_force"),
            ({**GTC, "trail_price": "5"}, "invalid_time_in_force"),
            ({**DAY, "trail_price": "5"}, "invalid_type"),
            ({**DAY, **SELL}, "not_shortable"),
            ({**DAY, "symbol": "KO"}, "invalid_quantity"),
        ],
        ids=str,
    )
    def test_of_shares_are_for_the_day_and_never_short(self, floor, given, code):
        assert floor.refuses("0.5", **given) == code

    def test_of_shares_are_sold_out_of_what_is_held(self, floor):
        floor.place("2.5", **DAY)

        assert floor.place("2.5", **DAY, **SELL).standing is Standing.FILLED

    def test_of_shares_promised_to_another_order_are_not_sold(self, floor):
        floor.place("2")
        floor.place("2", limit="200", **SELL)

        assert floor.refuses("0.5", **DAY, **SELL) == "not_shortable"

    @pytest.mark.parametrize("given", [GTC, IOC, FOK, DAY, {**GTC, "stop": "16000"}], ids=str)
    def test_of_crypto_are_as_any_other(self, floor, given):
        floor.price("17000", symbol="BTC/USD")

        assert floor.place("0.5", symbol="BTC/USD", **given).standing is Standing.FILLED


class TestPersonalities:
    @pytest.mark.parametrize(
        ("personality", "is_taken"),
        [("paper", True), ("alpaca", True), ("tapp", False), ("binance", False)],
    )
    def test_money_goes_with_a_limit_at_some_only(self, tmp_path, personality, is_taken):
        floor = Floor(tmp_path / personality, personality=personality)
        try:
            assert floor.spend("100").standing is Standing.FILLED
            if is_taken:
                assert floor.spend("100", limit="140")
            else:
                with pytest.raises(Refusal) as caught:
                    floor.spend("100", limit="140")
                assert caught.value.code == "invalid_type"
        finally:
            floor.close()

    @pytest.mark.parametrize("given", [DAY, FOK, {"stop": "18000", **GTC}], ids=str)
    def test_alpaca_takes_less_for_crypto(self, alpaca_floor, floor, given):
        assert alpaca_floor.refuses(symbol="BTC/USD", quantity="0.1", **given).startswith("invalid")
        assert floor.place(symbol="BTC/USD", quantity="0.1", **given)

    def test_a_held_market_sells_no_more_than_there_is_once_it_opens(self, alpaca_floor):
        floor = alpaca_floor
        floor.place("1")
        floor.turn(Phase.CLOSED)
        order = floor.spend("140", **SELL)
        floor.price("50")

        floor.turn(Phase.OPEN)

        assert (order.standing, order.filled) == (Standing.CANCELLED, 1)
        assert floor.account.held("AAPL") == 0
