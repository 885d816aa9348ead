"""Trailing stops: they follow the market one way, and never back."""

from __future__ import annotations

from decimal import Decimal

import pytest

from brokers.paper.amounts import write_amount
from brokers.paper.market import Phase
from brokers.paper.orders import Standing
from brokers.paper.trailing import stop_behind
from brokers.vocabulary import Side, TimeInForce

SELL = {"side": Side.SELL}


def at(order):
    """Return an order's mark and stop."""
    return write_amount(order.high_water_mark), write_amount(order.stop_price)


class TestFollowing:
    @pytest.mark.parametrize(
        ("side", "prices", "marks"),
        [
            (Side.SELL, ["152", "151", "153"], ["152", "152", "153"]),
            (Side.BUY, ["149", "150", "148"], ["149", "149", "148"]),
        ],
    )
    def test_the_mark_is_the_best_price_and_the_stop_stays_behind_it(
        self, floor, side, prices, marks
    ):
        order = floor.place(side=side, trail_price="5")
        sign = -1 if side is Side.SELL else 1
        assert at(order) == ("150", "145" if side is Side.SELL else "155")

        for price, mark in zip(prices, marks, strict=True):
            floor.price(price)
            floor.step()
            assert order.high_water_mark == Decimal(mark)
            assert order.stop_price == Decimal(mark) + sign * 5
        assert order.standing is Standing.WAITING

    @pytest.mark.parametrize(("side", "back"), [(Side.SELL, "147"), (Side.BUY, "153")])
    def test_reached_it_trades_as_a_market_order(self, floor, side, back):
        order = floor.place(side=side, trail_percent="2")

        floor.price(back)
        floor.step()

        assert (order.standing, order.triggered) == (Standing.FILLED, True)
        assert at(order)[0] == "150"

    def test_each_move_is_one_version_and_is_told(self, floor):
        order = floor.place(**SELL, trail_price="5")
        for price in ("151", "150.5", "152"):
            floor.price(price)
            floor.step()

        told = [news.body["data"]["order"] for news in floor.news]

        assert [(one["high_water_mark"], one["stop_price"]) for one in told] == [
            ("150", "145"),
            ("151", "146"),
            ("152", "147"),
        ]
        assert order.version == 3

    def test_out_of_hours_and_closed_it_neither_moves_nor_triggers(self, floor):
        order = floor.place(**SELL, trail_price="5")
        for phase, price in ((Phase.EXTENDED, "160"), (Phase.CLOSED, "100")):
            floor.turn(phase)
            floor.price(price)
            floor.step()

        assert (at(order), order.standing) == (("150", "145"), Standing.WAITING)

    def test_a_restart_keeps_mark_and_stop(self, floor):
        order = floor.place(**SELL, trail_percent="1.5")
        floor.price("170")
        floor.step()
        kept = at(order)

        floor.reopen()

        again = floor.exchange.books.orders[order.id]
        assert at(again) == kept == ("170", "167.45")
        floor.price("167.45")
        floor.step()
        assert again.standing is Standing.FILLED

    def test_held_until_the_open_it_starts_at_the_price_then(self, alpaca_floor):
        floor = alpaca_floor
        floor.turn(Phase.CLOSED)
        order = floor.place(**SELL, trail_price="5")
        assert (order.standing, order.high_water_mark) == (Standing.ACCEPTED, None)

        floor.price("160")
        floor.turn(Phase.OPEN)

        assert (at(order), order.standing) == (("160", "155"), Standing.WAITING)

    def test_only_those_the_market_moves_are_looked_at(self, floor):
        for trail in range(1, 200):
            floor.place("1", **SELL, trail_price=str(trail / 2))
        floor.price("149.9")
        floor.exchange.step(now=floor.now)
        books = floor.exchange.books

        assert books.queue.due(books.orders, floor.exchange.market.listings, now=floor.now) == []


class TestRounding:
    @pytest.mark.parametrize(
        ("side", "percent", "mark", "stop"),
        [
            (Side.SELL, "0.33", "150.01", "149.51"),  # 149.514967
            (Side.BUY, "0.33", "150.01", "150.51"),  # 150.505033
            (Side.SELL, "50", "1.99", "0.995"),  # below one: by the ten-thousandth
            (Side.SELL, "99.99", "1.00", "0.0001"),  # never nothing
        ],
    )
    def test_is_away_from_the_market(self, floor, side, percent, mark, stop):
        terms = floor.terms(side=side, trail_percent=percent)
        instrument = floor.exchange.market.listing("AAPL").instrument

        assert stop_behind(terms, instrument, mark=Decimal(mark)) == Decimal(stop)


class TestReplacing:
    def test_the_trail_changes_and_the_mark_goes_on(self, floor):
        order = floor.place(**SELL, trail_price="5")
        floor.price("160")
        floor.step()
        floor.price("158")
        floor.step()

        new, _ = floor.exchange.replace(
            floor.account, order.id, floor.terms(**SELL, trail_price="8"), now=floor.now
        )

        assert (at(new), order.standing) == (("160", "152"), Standing.REPLACED)

    def test_another_type_in_its_place_has_seen_no_best_price(self, floor):
        order = floor.place(**SELL, trail_price="5")

        new, _ = floor.exchange.replace(
            floor.account, order.id, floor.terms(**SELL, limit="200"), now=floor.now
        )

        told = new.json()
        assert (told["high_water_mark"], told["stop_price"]) == (None, None)


class TestRefusals:
    @pytest.mark.parametrize(
        ("given", "code"),
        [
            ({"time_in_force": TimeInForce.IOC}, "invalid_time_in_force"),
            ({"time_in_force": TimeInForce.OPG}, "invalid_time_in_force"),
            ({"quantity": "1.5", "time_in_force": TimeInForce.DAY}, "invalid_type"),
            ({"trail_price": "150"}, "invalid_trail_price"),
        ],
        ids=str,
    )
    def test_what_a_trailing_stop_can_not_be(self, floor, given, code):
        assert floor.refuses(**{**SELL, "trail_price": "5", **given}) == code
