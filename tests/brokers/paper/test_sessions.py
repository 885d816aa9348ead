"""Auctions, opening hours, and how long an order is good for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from brokers.paper.market import Phase
from brokers.paper.orders import Standing
from brokers.paper.refusals import Refusal
from brokers.paper.revising import bust
from brokers.vocabulary import Side, TimeInForce
from tests.brokers.paper.conftest import NOON

SELL = {"side": Side.SELL}
DAY, GTC, IOC, GTD, OPG, CLS = (
    {"time_in_force": tif}
    for tif in (
        TimeInForce.DAY,
        TimeInForce.GTC,
        TimeInForce.IOC,
        TimeInForce.GTD,
        TimeInForce.OPG,
        TimeInForce.CLS,
    )
)
MIDNIGHT = datetime(2026, 3, 3, tzinfo=UTC)
LATE = {"limit": "150", "extended_hours": True}


class TestAuctions:
    @pytest.mark.parametrize(
        ("when", "before", "after"),
        [(OPG, Phase.CLOSED, Phase.OPEN), (CLS, Phase.OPEN, Phase.CLOSED)],
        ids=["opening", "closing"],
    )
    def test_are_held_as_the_market_opens_or_closes(self, floor, when, before, after):
        floor.turn(before)
        order = floor.place(**when)
        floor.step()
        assert (order.standing, order.filled) == (Standing.ACCEPTED, 0)

        floor.turn(after)

        assert floor.fills(order) == [("10", "150.00")]
        assert order.standing is Standing.FILLED

    def test_a_market_that_never_closes_holds_both_at_midnight(self, floor):
        closing, opening = floor.place(**CLS), floor.place(**OPG)
        floor.step(after=MIDNIGHT - floor.now - timedelta(seconds=1))
        assert closing.standing is opening.standing is Standing.ACCEPTED

        floor.step(after=timedelta(seconds=1))

        assert closing.standing is opening.standing is Standing.FILLED

    def test_an_order_of_the_new_day_waits_for_the_next_auction(self, floor):
        floor.now = MIDNIGHT
        order = floor.place(**OPG)

        floor.step(after=timedelta(0))
        assert order.standing is Standing.ACCEPTED

        floor.step(after=timedelta(days=1))
        assert order.standing is Standing.FILLED

    def test_one_that_was_missed_while_the_exchange_was_down_is_held_late(self, floor):
        floor.exchange.mark(now=floor.now)
        order = floor.place(**CLS)
        floor.now = MIDNIGHT + timedelta(hours=9)

        floor.reopen()
        floor.step()

        assert floor.exchange.books.orders[order.id].filled == 10

    def test_have_one_price_for_all_and_the_better_limit_first_then_the_older(self, floor):
        floor.price("150", size="6")  # twelve are shown on either side
        old, young, dear, market = (
            floor.place("5", limit="150", **CLS),
            floor.place("5", limit="150", **CLS),
            floor.place("5", limit="151", **CLS),
            floor.place("4", **CLS),
        )
        low = floor.place("5", limit="149.99", **CLS)
        seller = floor.place("12", **CLS, **SELL)

        floor.turn(Phase.CLOSED)

        prices = {price for order in (market, dear, old) for _, price in floor.fills(order)}
        filled = [one.filled for one in (market, dear, old, young, low, seller)]
        assert (prices, filled) == ({"150.00"}, [4, 5, 3, 0, 0, 12])
        assert [one.standing for one in (old, young, low)] == [Standing.CANCELLED] * 3
        assert low.reason == "Not filled in the closing auction."

    def test_what_is_cancelled_before_takes_no_part(self, floor):
        order = floor.place(**CLS)
        floor.exchange.cancel(floor.account, order.id, now=floor.now)

        floor.turn(Phase.CLOSED)
        floor.step()

        assert (order.standing, order.filled) == (Standing.CANCELLED, 0)

    def test_a_trade_taken_back_does_not_bring_the_auction_back(self, floor):
        order = floor.place(**CLS)
        floor.turn(Phase.CLOSED)
        floor.turn(Phase.OPEN)
        records = floor.exchange.records
        (fill,) = floor.exchange.books.executions_in(order)

        bust(records, fill.id, now=records.time(floor.now))
        floor.step()

        assert (order.standing, order.filled) == (Standing.CANCELLED, 0)

    @pytest.mark.parametrize("when", [OPG, CLS], ids=["opg", "cls"])
    @pytest.mark.parametrize("kind", [{"stop": "160"}, {"stop": "160", "limit": "161"}], ids=str)
    def test_take_market_and_limit_orders_only(self, floor, when, kind):
        assert floor.refuses(**when, **kind) == "invalid_time_in_force"

    def test_are_not_for_crypto(self, floor):
        assert floor.refuses(symbol="BTC/USD", **OPG) == "invalid_time_in_force"


class TestHours:
    @pytest.mark.parametrize(
        ("phase", "given", "is_taken"),
        [
            (Phase.CLOSED, {}, False),
            (Phase.CLOSED, LATE, False),
            (Phase.CLOSED, CLS, True),
            (Phase.EXTENDED, {}, False),
            (Phase.EXTENDED, {"limit": "150"}, False),
            (Phase.EXTENDED, LATE, True),
            (Phase.EXTENDED, OPG, True),
            (Phase.OPEN, LATE, True),
        ],
        ids=str,
    )
    def test_what_a_market_takes(self, floor, phase, given, is_taken):
        floor.turn(phase)

        if is_taken:
            assert floor.place(**given)
        else:
            assert floor.refuses(**given) == "market_closed"

    def test_out_of_hours_only_those_that_asked_for_it_trade(self, floor):
        usual, late = floor.place(limit="140", **GTC), floor.place(**{**LATE, "limit": "140"})
        floor.turn(Phase.EXTENDED)
        floor.price("139")

        floor.step()
        assert (usual.filled, late.filled) == (0, 10)

        floor.turn(Phase.OPEN)
        floor.step()
        assert usual.filled == 10

    @pytest.mark.parametrize(
        "given",
        [
            {"extended_hours": True},
            {"extended_hours": True, "stop": "160"},
            {**LATE, **IOC},
            {**LATE, **OPG},
        ],
        ids=str,
    )
    def test_out_of_hours_are_limit_orders_for_the_day_or_longer(self, floor, given):
        assert floor.refuses(**given) == "invalid_extended_hours"

    def test_a_phase_outlives_a_restart(self, floor):
        floor.turn(Phase.EXTENDED)

        floor.reopen()

        assert floor.exchange.market.listing("AAPL").phase is Phase.EXTENDED
        assert floor.exchange.market.listing("MSFT").phase is Phase.OPEN


class TestHolding:
    """Where orders for a market that is closed are taken, and wait."""

    def test_they_wake_at_the_open_oldest_first(self, alpaca_floor):
        floor = alpaca_floor
        floor.turn(Phase.CLOSED)
        floor.price("150", size="5")
        first, second = floor.place("8"), floor.place("8")
        stop = floor.place("1", stop="160")
        assert {one.standing for one in (first, second, stop)} == {Standing.ACCEPTED}
        assert floor.news[0].body["data"]["order"]["status"] == "accepted"

        floor.turn(Phase.OPEN)

        assert (first.filled, second.filled, stop.standing) == (8, 2, Standing.WAITING)

    def test_out_of_hours_wakes_those_that_are_for_it(self, alpaca_floor):
        floor = alpaca_floor
        floor.turn(Phase.CLOSED)
        usual, late = floor.place(limit="150.01"), floor.place(**{**LATE, "limit": "150.01"})

        floor.turn(Phase.EXTENDED)

        assert (usual.standing, late.standing) == (Standing.ACCEPTED, Standing.FILLED)

    def test_its_day_begins_with_the_open(self, alpaca_floor):
        floor = alpaca_floor
        floor.turn(Phase.CLOSED)
        order = floor.place(limit="100", **DAY)
        floor.step(after=timedelta(days=2))
        assert order.standing is Standing.ACCEPTED

        floor.turn(Phase.OPEN)
        floor.reopen()
        order = floor.exchange.books.orders[order.id]
        floor.step(after=timedelta(hours=11))
        assert order.standing is Standing.WORKING
        floor.step(after=timedelta(hours=1))
        assert order.standing is Standing.EXPIRED

    def test_a_restart_leaves_it_asleep(self, alpaca_floor):
        floor = alpaca_floor
        floor.turn(Phase.CLOSED)
        order = floor.place()

        floor.reopen()
        floor.price("150")
        floor.step()
        assert floor.exchange.books.orders[order.id].standing is Standing.ACCEPTED
        floor.turn(Phase.OPEN)

        assert floor.exchange.books.orders[order.id].standing is Standing.FILLED

    def test_it_can_be_cancelled_and_not_replaced(self, alpaca_floor):
        floor = alpaca_floor
        floor.turn(Phase.CLOSED)
        order = floor.place(limit="100")

        with pytest.raises(Refusal) as caught:
            floor.exchange.replace(floor.account, order.id, floor.terms(limit="101"), now=floor.now)
        assert caught.value.code == "not_replaceable"
        floor.exchange.cancel(floor.account, order.id, now=floor.now)
        floor.step()
        assert order.standing is Standing.CANCELLED

    def test_where_it_never_opens_nothing_is_held(self, alpaca_floor):
        assert alpaca_floor.refuses(symbol="CLSD") == "market_closed"


class TestExpiry:
    def test_good_till_a_date_ends_at_that_moment_before_any_fill(self, floor):
        until = NOON + timedelta(minutes=5)
        order = floor.place(limit="100", expires_at=until, **GTD)
        floor.step(after=timedelta(minutes=4, seconds=59))
        assert order.standing is Standing.WORKING

        floor.reopen()
        floor.price("99")
        floor.step(after=timedelta(seconds=1))

        order = floor.exchange.books.orders[order.id]
        assert (order.standing, order.filled) == (Standing.EXPIRED, 0)
        assert order.told["expires_at"] == "2026-03-02T12:05:00.000000Z"

    @pytest.mark.parametrize("until", [NOON, NOON - timedelta(days=1)])
    def test_a_date_that_is_past_is_refused(self, floor, until):
        assert floor.refuses(limit="100", expires_at=until, **GTD) == "invalid_expires_at"

    def test_a_stop_expires_too(self, floor):
        order = floor.place(stop="160", expires_at=NOON + timedelta(seconds=1), **GTD)

        floor.step(after=timedelta(seconds=1))

        assert order.standing is Standing.EXPIRED
        assert order.reason == "Its time is up."
