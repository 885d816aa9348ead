from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from brokers.paper.market import Phase
from brokers.paper.orders import Standing
from brokers.paper.refusals import Refusal
from brokers.vocabulary import Side, TimeInForce

SELL = {"side": Side.SELL}
DAY, IOC, FOK = (
    {"time_in_force": tif} for tif in (TimeInForce.DAY, TimeInForce.IOC, TimeInForce.FOK)
)


class TestMarketOrders:
    def test_fill_at_the_prices_shown(self, floor):
        assert floor.fills(floor.place("10")) == [("10", "150.01")]
        assert floor.fills(floor.place("10", **SELL)) == [("10", "149.99")]

    def test_fill_in_parts_over_prices_and_ticks(self, floor):
        floor.price("150", size="4")
        order = floor.place("10.5", **DAY)

        assert floor.fills(order) == [("4", "150.01"), ("4", "150.02")]
        assert order.standing is Standing.PART_FILLED

        floor.step()
        assert floor.fills(order)[2:] == [("2.5", "150.01")]
        assert order.standing is Standing.FILLED

    def test_take_only_what_others_have_left(self, floor):
        floor.price("150", size="4")
        floor.place("6")

        assert floor.fills(floor.place("6")) == [("2", "150.02")]

    def test_are_worked_in_the_order_they_came(self, floor):
        floor.price("150", size="1")
        first, second = floor.place("4"), floor.place("4")

        floor.step()

        assert (first.filled, second.filled) == (4, 0)

    def test_fill_to_nine_decimals(self, floor):
        floor.price("17000", symbol="BTC/USD")

        order = floor.place("0.123456789", symbol="BTC/USD")

        assert order.filled == Decimal("0.123456789")
        assert order.cost == Decimal("0.123456789") * Decimal("17000.01")


class TestLimitOrders:
    @pytest.mark.parametrize(("side", "limit"), [(Side.BUY, "150"), (Side.SELL, "150")])
    def test_rest_until_the_price_comes(self, floor, side, limit):
        order = floor.place("10", limit=limit, side=side)
        assert (order.standing, order.filled) == (Standing.WORKING, 0)

        floor.price("149" if side is Side.BUY else "151")
        floor.step()
        assert order.standing is Standing.FILLED

    def test_never_trade_past_their_limit(self, floor):
        floor.price("150", size="4")

        order = floor.place("10", limit="150.01")

        assert floor.fills(order) == [("4", "150.01")]
        assert order.standing is Standing.PART_FILLED


class TestStopOrders:
    @pytest.mark.parametrize(("side", "stop"), [(Side.BUY, 155), (Side.SELL, 145)])
    def test_wait_and_then_trade_as_market_orders(self, floor, side, stop):
        order = floor.place("10", stop=stop, side=side)
        assert (order.standing, order.triggered) == (Standing.WAITING, False)

        floor.price(str(stop))
        floor.step()
        assert (order.standing, order.triggered) == (Standing.FILLED, True)

    def test_with_a_limit_rest_at_it_once_triggered(self, floor):
        order = floor.place("10", stop=155, limit=155)

        floor.price("155.5")
        floor.step()
        assert (order.standing, order.triggered, order.filled) == (Standing.WORKING, True, 0)

        floor.price("154")
        floor.step()
        assert floor.fills(order) == [("10", "154.01")]

    def test_that_are_met_already_trigger_at_once(self, floor):
        assert floor.place("10", stop=149).standing is Standing.FILLED

    def test_immediate_or_cancel_counts_from_the_trigger(self, floor):
        order = floor.place("10", stop=155, **IOC)
        assert order.standing is Standing.WAITING

        floor.price("155", size="3")
        floor.step()
        assert (order.standing, order.filled) == (Standing.CANCELLED, 6)


class TestTimesInForce:
    def test_immediate_or_cancel_takes_what_there_is(self, floor):
        floor.price("150", size="4")

        order = floor.place("10", **IOC)

        assert (order.standing, order.filled) == (Standing.CANCELLED, 8)

    def test_fill_or_kill_takes_all_or_nothing(self, floor):
        floor.price("150", size="5")

        killed, filled = floor.place("11", **FOK), floor.place("10", **FOK)

        assert (killed.standing, killed.filled) == (Standing.CANCELLED, 0)
        assert filled.standing is Standing.FILLED

    def test_a_limit_counts_for_fill_or_kill(self, floor):
        floor.price("150", size="5")

        assert floor.place("6", limit="150.01", **FOK).filled == 0

    def test_the_day_ends_at_midnight_utc(self, floor):
        today, always = floor.place("1", limit=100, **DAY), floor.place("1", limit=100)

        floor.step(after=timedelta(hours=11, minutes=59))
        assert today.standing is Standing.WORKING

        floor.step(after=timedelta(minutes=1))
        assert (today.standing, always.standing) == (Standing.EXPIRED, Standing.WORKING)


class TestEnding:
    def test_a_cancel_takes_effect_at_the_next_tick_before_any_fill(self, floor):
        order = floor.place("1", limit=100)
        floor.exchange.cancel(floor.account, order.id, now=floor.now)
        floor.price("99")

        floor.step()

        assert (order.standing, order.filled) == (Standing.CANCELLED, 0)

    def test_a_cancel_asked_twice_is_one_change(self, floor):
        order = floor.place("1", limit=100)

        for _ in range(2):
            floor.exchange.cancel(floor.account, order.id, now=floor.now)

        assert order.version == 2

    def test_what_has_ended_is_too_late_to_change(self, floor):
        order = floor.place("1")

        for change in (
            lambda: floor.exchange.cancel(floor.account, order.id, now=floor.now),
            lambda: floor.exchange.replace(floor.account, order.id, floor.terms(), now=floor.now),
        ):
            with pytest.raises(Refusal) as caught:
                change()
            assert caught.value.code == "too_late"
        assert len(floor.exchange.books.orders) == 1

    def test_a_closed_market_fills_nothing(self, floor):
        order = floor.place("1", limit=100)
        floor.exchange.turn("AAPL", Phase.CLOSED, now=floor.now)
        floor.price("99")

        floor.step()

        assert order.filled == 0


class TestMeans:
    @pytest.mark.parametrize(
        ("given", "code"),
        [
            ({"symbol": "NOSUCH"}, "unknown_symbol"),
            ({"symbol": "HALT"}, "not_tradable"),
            ({"symbol": "CLSD"}, "market_closed"),
            ({"quantity": "7000"}, "insufficient_buying_power"),
            ({"quantity": "7000", **SELL}, "insufficient_buying_power"),
            ({"symbol": "KO", "quantity": "0.5"}, "invalid_quantity"),
            ({"limit": "150.001"}, "invalid_limit_price"),
            ({"stop": "150.001"}, "invalid_stop_price"),
            ({"symbol": "BTC/USD", "quantity": "1", **SELL}, "not_shortable"),
        ],
        ids=str,
    )
    def test_what_is_refused_leaves_nothing_behind(self, floor, given, code):
        with pytest.raises(Refusal) as caught:
            floor.place(**given)

        assert caught.value.code == code
        assert floor.exchange.books.orders == {}
        assert list(floor.exchange.ledger.lines("orders")) == []

    def test_an_account_without_shorting_sells_what_it_has(self, floor):
        floor.account.shorting = False
        floor.place("10")

        floor.place("6", limit=200, **SELL)
        with pytest.raises(Refusal) as caught:
            floor.place("5", limit=200, **SELL)

        assert caught.value.code == "insufficient_position"
        floor.place("4", limit=200, **SELL)

    def test_working_orders_tie_buying_power_up_and_free_it_again(self, floor):
        power = lambda: floor.exchange.books.buying_power(floor.account, floor.exchange.market)  # noqa: E731
        order = floor.place("100", limit=100)
        assert power() == 990_000

        floor.exchange.cancel(floor.account, order.id, now=floor.now)
        floor.step()
        assert power() == 1_000_000

    def test_a_replacement_is_paid_for_by_what_it_replaces(self, floor):
        order = floor.place("9000", limit=100)

        floor.exchange.replace(
            floor.account, order.id, floor.terms("9900", limit=100), now=floor.now
        )

        assert order.standing is Standing.REPLACED

    def test_a_short_ties_up_what_it_fetched_and_as_much_again(self, floor):
        floor.place("100", **SELL)
        books, market = floor.exchange.books, floor.exchange.market
        assert books.buying_power(floor.account, market) == 1_000_000 + 14_999 - 2 * 15_000

        floor.place("100", limit=100)  # buying it back ties up nothing
        assert books.buying_power(floor.account, market) == 984_999

    def test_closing_costs_nothing(self, floor):
        floor.place("6000")

        assert floor.place("6000", limit=200, **SELL).standing is Standing.WORKING


class TestVersions:
    def test_every_change_is_one_version_one_line_and_one_piece_of_news(self, floor):
        floor.price("150", size="4")
        order = floor.place("10")
        floor.step()

        versions = [line.body["version"] for line in floor.exchange.ledger.lines("orders")]
        kinds = [news.body["type"] for news in floor.news]

        assert versions == [1, 2, 3, 4] == list(range(1, order.version + 1))
        assert kinds == ["order.updated", "order.filled", "order.filled", "order.filled"]
        assert [news.body["data"]["order"]["version"] for news in floor.news] == versions
        assert len({news.id for news in floor.news}) == 4
