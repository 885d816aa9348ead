"""What a bot does besides placing orders, by Alpaca's SDK on a running desk."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from alpaca.trading.enums import (
    AccountStatus,
    AssetClass,
    AssetExchange,
    OrderClass,
    OrderSide,
    OrderStatus,
)
from alpaca.trading.requests import (
    ClosePositionRequest,
    GetAssetsRequest,
    GetCalendarRequest,
    GetPortfolioHistoryRequest,
    ReplaceOrderRequest,
    StopLossRequest,
    TakeProfitRequest,
)

from tests.paths.bots import Bot, a_name
from tests.paths.test_alpaca_sdk import FILLED, buys, buys_at
from tests.running_desk import Desk

NEW, CANCELED, REPLACED = OrderStatus.NEW, OrderStatus.CANCELED, OrderStatus.REPLACED


class TestReplacing:
    def test_makes_a_new_order_in_the_old_ones_place(self, desk: Desk, bot: Bot) -> None:
        desk.price("AAPL", "150")
        old = bot.client.submit_order(buys_at("AAPL", 140, 10))
        bot.until(old, status=NEW)
        name = a_name()

        answer = bot.client.replace_order_by_id(
            old.id, ReplaceOrderRequest(qty=12, limit_price=141, client_order_id=name)
        )

        assert (answer.replaces, answer.client_order_id) == (old.id, name)
        new = bot.until(answer, status=NEW)
        assert (new.qty, new.limit_price) == ("12", "141")
        replaced = bot.until(old, status=REPLACED)
        assert replaced.replaced_by == new.id
        assert replaced.replaced_at is not None
        theirs = bot.check_once(new)
        assert (theirs["quantity"], theirs["limit_price"]) == ("12", "141")

    def test_counts_what_has_filled(self, desk: Desk, bot: Bot) -> None:
        desk.price("AAPL", "150", size="4")
        old = bot.client.submit_order(buys_at("AAPL", 150.02, 1000))
        desk.until(lambda: Decimal(bot.order(old).filled_qty) > 0, what="a first fill")
        desk.price("AAPL", "160")  # no more of it now, or else the replace would be kept back
        desk.until(
            lambda: Decimal(bot.order(old).filled_qty) == bot.traded(old), what="every fill is told"
        )

        answer = bot.client.replace_order_by_id(old.id, ReplaceOrderRequest(limit_price=140))

        new = bot.until(answer, status=NEW)
        bot.until(old, status=REPLACED)
        done = Decimal(bot.order(old).filled_qty)
        assert (new.qty, Decimal(bot.order(new).filled_qty)) == ("1000", done)
        bot.until_held("AAPL", str(done))

    def test_of_a_leg_moves_its_price(self, desk: Desk, bot: Bot) -> None:
        desk.price("MSFT", "400")
        entry = bot.client.submit_order(
            buys(
                "MSFT",
                2,
                order_class=OrderClass.BRACKET,
                take_profit=TakeProfitRequest(limit_price=450),
                stop_loss=StopLossRequest(stop_price=350),
            )
        )
        target = bot.until_legs(entry, limit="new", stop="held")["limit"]

        answer = bot.client.replace_order_by_id(target.id, ReplaceOrderRequest(limit_price=440))

        moved = bot.until(answer, status=NEW, limit_price="440")
        assert moved.replaces == target.id


class TestCanceling:
    def test_one(self, desk: Desk, bot: Bot) -> None:
        order = bot.client.submit_order(buys_at("AAPL", 1))
        bot.until(order, status=NEW)

        assert bot.client.cancel_order_by_id(order.id) is None

        canceled = bot.until(order, status=CANCELED)
        assert canceled.canceled_at is not None
        assert bot.check_once(order)["status"] == "cancelled"

    def test_all(self, desk: Desk, bot: Bot) -> None:
        orders = [bot.client.submit_order(buys_at(symbol, 1)) for symbol in ("AAPL", "MSFT")]
        for order in orders:
            bot.until(order, status=NEW)

        answers = bot.client.cancel_orders()

        assert {(one.id, one.status) for one in answers} == {(one.id, 200) for one in orders}
        for order in orders:
            bot.until(order, status=CANCELED)
        assert bot.client.cancel_orders() == []
        assert bot.client.get_orders() == []


class TestPositions:
    @pytest.fixture
    def holds(self, desk: Desk, bot: Bot) -> None:
        desk.price("AAPL", "150")
        desk.price("MSFT", "400")
        for order in [bot.client.submit_order(buys(name, 10)) for name in ("AAPL", "MSFT")]:
            bot.until(order, status=FILLED)

    def test_are_shown(self, bot: Bot, holds: None) -> None:
        positions = {one.symbol: one for one in bot.client.get_all_positions()}

        assert {name: one.qty for name, one in positions.items()} == {"AAPL": "10", "MSFT": "10"}
        one = positions["AAPL"]
        assert (one.side.value, one.exchange, one.asset_class) == (
            "long",
            AssetExchange.EMPTY,
            AssetClass.US_EQUITY,
        )
        assert one.current_price == "150"
        assert one.market_value == "1500"
        assert Decimal(one.unrealized_pl) == 1500 - Decimal(one.cost_basis)
        assert bot.client.get_open_position(one.asset_id) == one

    def test_are_closed_in_part(self, bot: Bot, holds: None) -> None:
        half = bot.client.close_position("AAPL", ClosePositionRequest(percentage="50"))
        some = bot.client.close_position("MSFT", ClosePositionRequest(qty="3"))

        assert [(one.side, one.qty) for one in (half, some)] == [
            (OrderSide.SELL, "5"),
            (OrderSide.SELL, "3"),
        ]
        for order in (half, some):
            bot.until(order, status=FILLED)
            bot.check_once(order)
        bot.until_held("AAPL", "5")
        bot.until_held("MSFT", "7")
        bot.until(bot.client.close_position("AAPL"), status=FILLED)
        bot.until_held("AAPL", "0")

    def test_are_closed_all_at_once(self, bot: Bot, holds: None) -> None:
        waiting = bot.client.submit_order(buys_at("SPY", 1))
        bot.until(waiting, status=NEW)

        answers = bot.client.close_all_positions(cancel_orders=True)

        assert {(one.symbol, one.status) for one in answers} == {("AAPL", 200), ("MSFT", 200)}
        for one in answers:
            bot.until(one.body.id, status=FILLED)
            bot.check_once(one.body)
        bot.until(waiting, status=CANCELED)
        assert bot.client.get_all_positions() == []
        assert bot.client.close_all_positions() == []


class TestReading:
    def test_account(self, bot: Bot) -> None:
        def flat() -> Any:
            """Return the account once it has the figures of one that holds nothing."""
            told = bot.client.get_account()
            figures = {Decimal(one) for one in (told.cash, told.equity, told.buying_power)}
            return told if len(figures) == 1 else None

        account = bot.desk.until(flat, what="an account that holds nothing")

        assert (str(account.id), account.status) == (bot.account_id, AccountStatus.ACTIVE)
        assert (account.trading_blocked, account.shorting_enabled) == (False, True)
        told = bot.client.get_account_configurations()
        assert (told.fractional_trading, told.no_shorting, told.suspend_trade) == (
            True,
            False,
            False,
        )

    def test_clock_and_calendar(self, bot: Bot) -> None:
        clock = bot.client.get_clock()
        days = bot.client.get_calendar(
            GetCalendarRequest(start=date(2024, 2, 28), end=date(2024, 3, 1))
        )

        assert abs(clock.timestamp - datetime.now(UTC)) < timedelta(minutes=1)
        assert clock.is_open
        assert clock.next_open.tzinfo is not None
        assert [day.date for day in days] == [date(2024, 2, number) for number in (28, 29)] + [
            date(2024, 3, 1)
        ]
        assert days[0].open < days[0].close

    def test_assets(self, bot: Bot) -> None:
        assets = {one.symbol: one for one in bot.client.get_all_assets()}

        assert {"AAPL", "BTC/USD"} <= set(assets)
        pairs = bot.client.get_all_assets(GetAssetsRequest(asset_class=AssetClass.CRYPTO))
        assert {one.symbol for one in pairs} == {"BTC/USD", "ETH/USD"}
        pair = bot.client.get_asset("BTC/USD")
        assert (pair.exchange, pair.shortable) == (AssetExchange.CRYPTO, False)
        assert bot.client.get_asset(pair.id) == pair == bot.client.get_asset("BTCUSD")
        assert assets["KO"].fractionable is False
        assert assets["HALT"].tradable is False

    def test_portfolio_history(self, desk: Desk, bot: Bot) -> None:
        order = bot.client.submit_order(buys("AAPL", 10))
        bot.until(order, status=FILLED)

        told = bot.client.get_portfolio_history(
            GetPortfolioHistoryRequest(period="1D", timeframe="1Min")
        )

        assert told.timeframe == "1Min"
        counts = {len(told.timestamp), len(told.equity), len(told.profit_loss)}
        assert counts == {len(told.profit_loss_pct)}
        assert told.equity[-1] == pytest.approx(float(bot.client.get_account().equity), rel=0.01)

    def test_activities(self, desk: Desk, bot: Bot) -> None:
        desk.price("AAPL", "150", size="4")
        order = bot.client.submit_order(buys("AAPL", 10))
        bot.until(order, status=FILLED)

        def trades(**query: Any) -> list[dict[str, Any]]:
            asked = {"activity_types": "FILL", "order_id": str(order.id)} | query
            told: list[dict[str, Any]] = bot.client.get("/account/activities", asked)
            return told

        found = trades(direction="asc")
        assert sum(Decimal(one["qty"]) for one in found) == 10
        assert len(found) > 1
        assert [one["type"] for one in found] == ["partial_fill"] * (len(found) - 1) + ["fill"]
        assert (found[-1]["cum_qty"], found[-1]["leaves_qty"]) == ("10", "0")
        theirs = bot.executions(order)
        assert sorted((one["quantity"], one["price"]) for one in theirs) == sorted(
            (one["qty"], one["price"]) for one in found
        )
        # Page by page, it is the same.
        paged: list[dict[str, Any]] = []
        while page := trades(direction="asc", page_size=1, page_token=_last(paged)):
            paged += page
        assert paged == found
        latest = bot.client.get("/account/activities/FILL", {"order_id": str(order.id)})
        assert latest == found[::-1]
        desk.price("AAPL", "150")


def _last(paged: list[dict[str, Any]]) -> str | None:
    return paged[-1]["id"] if paged else None
