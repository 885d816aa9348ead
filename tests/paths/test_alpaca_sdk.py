"""Every example of Alpaca's own document, by its own SDK, on a running desk: one address changed.

The Python ones are as written there, but for what makes a sample run at all. Those in other
languages show what Python's don't, and are said in Python.
"""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.enums import OrderClass, OrderSide, OrderStatus, QueryOrderStatus, TimeInForce
from alpaca.trading.models import Order
from alpaca.trading.requests import (
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    StopLossRequest,
    TakeProfitRequest,
    TrailingStopOrderRequest,
)

from tests.paths.bots import Bot, a_name
from tests.running_desk import ROOT, Desk

FILLED = OrderStatus.FILLED


def buys(symbol: str, quantity: float = 1, **more: Any) -> MarketOrderRequest:
    told = {"side": OrderSide.BUY, "time_in_force": TimeInForce.DAY} | more
    return MarketOrderRequest(symbol=symbol, qty=quantity, **told)


def buys_at(symbol: str, price: float, quantity: float = 1, **more: Any) -> LimitOrderRequest:
    told = {"side": OrderSide.BUY, "time_in_force": TimeInForce.DAY} | more
    return LimitOrderRequest(symbol=symbol, qty=quantity, limit_price=price, **told)


class TestPlaceNewOrders:
    def test_market_order_for_a_part_of_a_share(self, desk: Desk, bot: Bot) -> None:
        desk.price("SPY", "350")
        market_order_data = MarketOrderRequest(
            symbol="SPY", qty=0.023, side=OrderSide.BUY, time_in_force=TimeInForce.DAY
        )

        market_order = bot.client.submit_order(order_data=market_order_data)

        assert market_order.status in {OrderStatus.ACCEPTED, OrderStatus.PENDING_NEW}
        order = bot.until(market_order, status=FILLED, filled_qty="0.023")
        assert order.filled_avg_price.startswith("350")
        assert order.filled_at >= order.submitted_at == market_order.submitted_at
        theirs = bot.check_once(order)
        assert (theirs["quantity"], theirs["type"]) == ("0.023", "market")
        bot.until_held("SPY", "0.023")

    def test_limit_order_on_a_pair(self, desk: Desk, bot: Bot) -> None:
        desk.price("BTC/USD", "17000.02")
        before = len(bot.exchange("orders"))

        def sells(time_in_force: TimeInForce) -> LimitOrderRequest:
            return LimitOrderRequest(
                symbol="BTC/USD",
                limit_price=17000,
                notional=4000,
                side=OrderSide.SELL,
                time_in_force=time_in_force,
            )

        # As it is written, Alpaca itself takes none: of a pair it knows only gtc and ioc.
        with pytest.raises(APIError) as refused:
            bot.client.submit_order(order_data=sells(TimeInForce.FOK))
        assert (refused.value.status_code, refused.value.code) == (422, 42210000)
        assert refused.value.message == "invalid crypto time_in_force"
        assert len(bot.exchange("orders")) == before

        bot.until(
            bot.client.submit_order(buys("BTC/USD", time_in_force=TimeInForce.GTC)), status=FILLED
        )
        limit_order = bot.client.submit_order(order_data=sells(TimeInForce.IOC))

        order = bot.until(limit_order, status=FILLED)
        assert (order.symbol, order.qty, order.notional) == ("BTC/USD", None, "4000")
        assert bot.check_once(order)["notional"] == "4000"
        left = Decimal(1) - Decimal(order.filled_qty)
        assert bot.held("BTC/USD") == bot.held("BTCUSD") == left
        assert [one.symbol for one in bot.client.get_all_positions()] == ["BTCUSD"]

    def test_limit_order_for_when_the_market_opens(self, desk: Desk, bot: Bot) -> None:
        desk.price("AMD", "21")
        order = bot.client.submit_order(
            LimitOrderRequest(
                symbol="AMD",
                qty=1,
                side=OrderSide.SELL,
                time_in_force=TimeInForce.OPG,
                limit_price=20.5,
            )
        )

        assert bot.check_once(order)["time_in_force"] == "opg"
        assert bot.order(order).status in {OrderStatus.ACCEPTED, OrderStatus.NEW}
        # Its auction is when the market next opens.
        desk._admin("POST", "/admin/market", {"symbol": "AMD", "open": False})
        desk._admin("POST", "/admin/market", {"symbol": "AMD", "open": True})
        assert float(bot.until(order, status=FILLED).filled_avg_price) == pytest.approx(21, abs=0.1)


def test_submit_shorts(desk: Desk, bot: Bot) -> None:
    desk.price("TSLA", "250")
    order = bot.client.submit_order(
        order_data=MarketOrderRequest(
            symbol="TSLA", qty=1, side=OrderSide.SELL, time_in_force=TimeInForce.GTC
        )
    )
    bot.until(order, status=FILLED)
    bot.check_once(order)

    # And grow it, by another sell at the price.
    more = bot.client.submit_order(
        LimitOrderRequest(
            symbol="TSLA",
            qty=1,
            side=OrderSide.SELL,
            limit_price=249.5,
            time_in_force=TimeInForce.DAY,
        )
    )

    bot.until(more, status=FILLED)
    bot.until_held("TSLA", "-2")
    position = bot.client.get_open_position("TSLA")
    assert (position.side.value, position.qty) == ("short", "-2")
    assert Decimal(position.cost_basis) < 0


def test_using_client_order_ids(desk: Desk, bot: Bot) -> None:
    desk.price("SPY", "350")
    name = a_name()
    market_order_data = MarketOrderRequest(
        symbol="SPY",
        qty=0.023,
        side=OrderSide.BUY,
        time_in_force=TimeInForce.DAY,
        client_order_id=name,
    )
    market_order = bot.client.submit_order(order_data=market_order_data)

    my_order = bot.client.get_order_by_client_id(name)

    assert (my_order.id, my_order.client_order_id) == (market_order.id, name)
    bot.until(my_order, status=FILLED)
    assert bot.check_once(my_order)["client_order_id"] == name


class TestBracketOrders:
    def test_bracket(self, desk: Desk, bot: Bot) -> None:
        desk.price("SPY", "350")
        bracket_order_data = MarketOrderRequest(
            symbol="SPY",
            qty=5,
            side=OrderSide.BUY,
            time_in_force=TimeInForce.DAY,
            order_class=OrderClass.BRACKET,
            take_profit=TakeProfitRequest(limit_price=400),
            stop_loss=StopLossRequest(stop_price=300),
        )

        bracket_order = bot.client.submit_order(order_data=bracket_order_data)

        assert bracket_order.order_class is OrderClass.BRACKET
        bot.until(bracket_order, status=FILLED)
        bot.check_once(bracket_order)
        legs = bot.until_legs(bracket_order, limit="new", stop="held")
        assert (legs["limit"].limit_price, legs["stop"].stop_price) == ("400", "300")
        assert {(leg.qty, leg.side, leg.order_class) for leg in legs.values()} == {
            ("5", OrderSide.SELL, OrderClass.BRACKET)
        }
        # The entry has filled, and what protects it is still to be seen.
        (listed,) = bot.client.get_orders(GetOrdersRequest(nested=True))
        assert (listed.id, len(listed.legs)) == (bracket_order.id, 2)
        assert {one.id for one in bot.client.get_orders()} == {leg.id for leg in legs.values()}

        desk.price("SPY", "401")

        legs = bot.until_legs(bracket_order, limit="filled", stop="canceled")
        bot.until_held("SPY", "0")
        assert legs["stop"].canceled_at is not None
        trades = [one for one in bot.exchange("executions") if one["side"] == "sell"]
        assert sum(Decimal(one["quantity"]) for one in trades if one["symbol"] == "SPY") >= 5

    def test_oto(self, desk: Desk, bot: Bot) -> None:
        desk.price("SPY", "351")
        oto_order_data = LimitOrderRequest(
            symbol="SPY",
            qty=5,
            limit_price=350,
            side=OrderSide.BUY,
            time_in_force=TimeInForce.DAY,
            order_class=OrderClass.OTO,
            stop_loss=StopLossRequest(stop_price=300),
        )

        oto_order = bot.client.submit_order(order_data=oto_order_data)

        bot.until(oto_order, status=OrderStatus.NEW)
        bot.check_once(oto_order)
        desk.price("SPY", "349")
        bot.until(oto_order, status=FILLED)
        (stop,) = bot.until_legs(oto_order, stop="new").values()
        assert (stop.stop_price, stop.qty, stop.side) == ("300", "5", OrderSide.SELL)
        desk.price("SPY", "299")
        bot.until_legs(oto_order, stop="filled")
        bot.until_held("SPY", "0")

    def test_bracket_with_a_stop_limit(self, desk: Desk, bot: Bot) -> None:
        desk.price("AAPL", "149.50")
        price = 150.0

        order = bot.client.submit_order(
            buys_at(
                "AAPL",
                price,
                time_in_force=TimeInForce.GTC,
                order_class=OrderClass.BRACKET,
                stop_loss=StopLossRequest(stop_price=price * 0.95, limit_price=price * 0.94),
                take_profit=TakeProfitRequest(limit_price=price * 1.05),
            )
        )

        bot.until(order, status=FILLED)
        legs = bot.until_legs(order, limit="new", stop_limit="held")
        assert (legs["stop_limit"].stop_price, legs["stop_limit"].limit_price) == ("142.5", "141")
        assert legs["limit"].limit_price == "157.5"
        assert {leg.time_in_force for leg in legs.values()} == {TimeInForce.GTC}

    def test_oco_once_the_position_is_there(self, desk: Desk, bot: Bot) -> None:
        desk.price("AAPL", "317.50")
        bought = bot.client.submit_order(buys_at("AAPL", 318, time_in_force=TimeInForce.GTC))
        bot.until(bought, status=FILLED)

        order = bot.client.submit_order(
            LimitOrderRequest(
                symbol="AAPL",
                qty=1,
                side=OrderSide.SELL,
                time_in_force=TimeInForce.GTC,
                order_class=OrderClass.OCO,
                take_profit=TakeProfitRequest(limit_price=320),
                stop_loss=StopLossRequest(stop_price=317),
            )
        )

        # It is its own target: its one leg is the stop.
        bot.until(order, status=OrderStatus.NEW, limit_price="320")
        legs = bot.until_legs(order, stop="held")
        assert (legs["stop"].stop_price, legs["stop"].order_class) == ("317", OrderClass.OCO)
        bot.check_once(order)
        desk.price("AAPL", "316.90")
        bot.until_legs(order, stop="filled")
        bot.until(order, status=OrderStatus.CANCELED)
        bot.until_held("AAPL", "0")

    def test_what_is_swapped_is_refused(self, bot: Bot) -> None:
        before = len(bot.exchange("orders"))

        with pytest.raises(APIError) as refused:
            bot.client.submit_order(
                buys(
                    "AAPL",
                    time_in_force=TimeInForce.GTC,
                    order_class=OrderClass.BRACKET,
                    stop_loss=StopLossRequest(stop_price=142.5, limit_price=157.5),
                    take_profit=TakeProfitRequest(limit_price=141),
                )
            )

        assert (refused.value.status_code, refused.value.code) == (422, 42210000)
        assert "must be" in refused.value.message
        assert len(bot.exchange("orders")) == before


def test_submit_trailing_stops(desk: Desk, bot: Bot) -> None:
    desk.price("SPY", "350")
    bot.until(bot.client.submit_order(buys("SPY", 2)), status=FILLED)
    trailing_percent_data = TrailingStopOrderRequest(
        symbol="SPY", qty=1, side=OrderSide.SELL, time_in_force=TimeInForce.GTC, trail_percent=1.00
    )
    trailing_price_data = TrailingStopOrderRequest(
        symbol="SPY", qty=1, side=OrderSide.SELL, time_in_force=TimeInForce.GTC, trail_price=1.00
    )

    by_percent = bot.client.submit_order(order_data=trailing_percent_data)
    by_price = bot.client.submit_order(order_data=trailing_price_data)

    def marks(order: Order) -> tuple[Any, ...]:
        now = bot.order(order)
        return now.status, now.trail_percent, now.trail_price, now.hwm, now.stop_price

    for order in (by_percent, by_price):
        bot.until(order, status=OrderStatus.NEW, hwm="350")
        bot.check_once(order)
    assert marks(by_percent) == (OrderStatus.NEW, "1", None, "350", "346.5")
    assert marks(by_price) == (OrderStatus.NEW, None, "1", "350", "349")
    # It follows the price up, and never down.
    desk.price("SPY", "360")
    bot.until(by_percent, hwm="360", stop_price="356.4")
    bot.until(by_price, hwm="360", stop_price="359")
    desk.price("SPY", "358")
    bot.until(by_price, status=FILLED)
    assert marks(by_percent)[3:] == ("360", "356.4")


def test_retrieve_all_orders(desk: Desk, bot: Bot) -> None:
    desk.price("AAPL", "150")
    desk.price("SPY", "350")
    placed = [bot.client.submit_order(buys(symbol)) for symbol in ("AAPL", "SPY", "AAPL")]
    for order in placed:
        bot.until(order, status=FILLED)
    waiting = bot.client.submit_order(buys_at("AAPL", 1))
    # Get the last 100 closed orders
    get_orders_data = GetOrdersRequest(status=QueryOrderStatus.CLOSED, limit=100, nested=True)

    closed = bot.client.get_orders(filter=get_orders_data)

    assert [one.id for one in closed[:3]] == [one.id for one in reversed(placed)]
    assert waiting.id not in {one.id for one in closed}
    assert [one.id for one in bot.client.get_orders()] == [waiting.id]
    after = GetOrdersRequest(
        status=QueryOrderStatus.ALL,
        after=placed[0].submitted_at,
        until=waiting.submitted_at,
        direction="asc",
        symbols=["AAPL"],
        side=OrderSide.BUY,
    )
    assert [one.id for one in bot.client.get_orders(after)] == [placed[2].id]


def test_the_bot_of_our_own_document(desk: Desk, bot: Bot) -> None:
    text = (ROOT / "docs" / "alpaca.md").read_text()
    (code,) = (one for one in text.split("```")[1::2] if "the one change" in one)
    assert "http://127.0.0.1:8000" in code
    code = code.removeprefix("python\n").replace("http://127.0.0.1:8000", desk.url)
    bot.client.get_all_assets()

    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            "PATH": os.environ["PATH"],
            "APCA_API_KEY_ID": bot.key,
            "APCA_API_SECRET_KEY": bot.secret,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0] == "accepted [('limit', 'held'), ('stop', 'held')]"
    assert said[1].startswith("filled at ")
    assert '422 42210000 asset "APPL" not found' in said
    assert said[-1] == "AAPL 200"
    bot.until_held("AAPL", "0")


def test_a_submission_that_times_out_is_looked_up_and_not_sent_again(desk: Desk, bot: Bot) -> None:
    desk.price("AAPL", "150")
    bot.faults(accept_then_504={"next": 1})

    order = bot.client.submit_order(buys("AAPL", client_order_id=a_name()))

    bot.until(order, status=FILLED)
    bot.check_once(order)
