"""Every example of Alpaca's own document, as its SDKs put it on the wire, to the paper exchange.

What each becomes in the desk's words is tested in `tests/examples`.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.alpaca.conftest import Bot, a_bot, check_declined
from tests.examples.test_examples import Story

pytestmark = pytest.mark.django_db

RULE, PARAMETER = 42210000, 40010001


class Desk(Story):
    """An account at an exchange that speaks as Alpaca does, and a bot with its key."""

    def __init__(self, paper: Any) -> None:
        super().__init__(paper, "alpaca")
        self.bot: Bot = a_bot(self.account)

    def prices(self, **prices: str) -> None:
        self.take({"prices": {name.replace("_", "/"): price for name, price in prices.items()}})

    def submit(self, **told: Any) -> dict[str, Any]:
        """Send an order, have the desk and the exchange work, and return what it became."""
        answer = self.bot.ask("POST", "orders", told)
        assert answer.status_code == 200, answer.told
        self.work()
        return self.order(answer.told["id"])

    def order(self, order_id: str) -> dict[str, Any]:
        answer = self.bot.get(f"orders/{order_id}?nested=True")
        assert answer.status_code == 200, answer.told
        told: dict[str, Any] = answer.told
        return told

    def declines(self, **told: Any) -> Any:
        answer = self.bot.ask("POST", "orders", told)
        assert answer.status_code >= 400
        return answer


@pytest.fixture
def desk(paper):
    return Desk(paper)


def buys(symbol, qty=1, **more):
    return {"symbol": symbol, "qty": qty, "side": "buy", "type": "market"} | {
        "time_in_force": "day",
        **more,
    }


def sells(symbol, qty=1, **more):
    return buys(symbol, qty, side="sell", **more)


class TestPlaceNewOrders:
    def test_market_order_for_a_part_of_a_share(self, desk):
        desk.prices(SPY="350")

        order = desk.submit(**buys("SPY", 0.023))

        assert (order["status"], order["qty"], order["filled_qty"]) == ("filled", "0.023", "0.023")
        assert order["filled_at"]
        assert order["filled_avg_price"].startswith("350")

    def test_limit_order_on_a_pair_fill_or_kill(self, desk):
        told = {"symbol": "BTC/USD", "limit_price": 17000.0, "notional": 4000.0, "side": "sell"}

        answer = desk.declines(**told, type="limit", time_in_force="fok")

        check_declined(answer, 422, RULE, "invalid crypto time_in_force")

    def test_limit_order_on_a_pair_as_it_is_meant(self, desk):
        desk.prices(BTC_USD="17000.02")
        desk.submit(**buys("BTC/USD", time_in_force="gtc"))

        order = desk.submit(
            symbol="BTCUSD",
            notional=4000.0,
            side="sell",
            type="limit",
            limit_price=17000.0,
            time_in_force="ioc",
        )

        assert (order["symbol"], order["status"]) == ("BTC/USD", "filled")
        assert (order["qty"], order["notional"]) == (None, "4000")

    def test_limit_order_for_the_opening_auction(self, desk):
        desk.prices(AMD="21")
        desk.submit(**buys("AMD"))
        desk.take({"close": "AMD"})

        order = desk.submit(**sells("AMD", type="limit", time_in_force="opg", limit_price=20.5))
        assert order["status"] in {"accepted", "new"}
        desk.take({"open": "AMD"})

        assert desk.order(order["id"])["status"] == "filled"


class TestSubmitShorts:
    def test_opens_a_short_position(self, desk):
        desk.prices(SPY="350")

        assert desk.submit(**sells("SPY", time_in_force="gtc"))["status"] == "filled"

        (position,) = desk.bot.get("positions").told
        assert (position["qty"], position["side"]) == ("-1", "short")

    def test_grows_it(self, desk):
        desk.prices(TSLA="250")
        desk.submit(**sells("TSLA"))
        order = desk.submit(**sells("TSLA", type="limit", limit_price=250.00))
        assert order["status"] == "new"
        desk.prices(TSLA="250.05")

        assert desk.bot.get("positions/TSLA").told["qty"] == "-2"


def test_client_order_ids(desk):
    desk.prices(SPY="350")
    order = desk.submit(**buys("SPY", 0.023, client_order_id="my_first_order"))

    found = desk.bot.get("orders:by_client_order_id?client_order_id=my_first_order").told

    assert (found["id"], found["status"]) == (order["id"], "filled")


class TestSubmitBracketOrders:
    def test_bracket(self, desk):
        desk.prices(SPY="350")

        order = desk.submit(
            **buys("SPY", 5, order_class="bracket"),
            take_profit={"limit_price": 400.0},
            stop_loss={"stop_price": 300.0},
        )

        assert (order["status"], order["order_class"]) == ("filled", "bracket")
        legs = {leg["type"]: leg for leg in order["legs"]}
        target, stop = legs["limit"], legs["stop"]
        assert (target["limit_price"], target["side"], target["status"]) == ("400", "sell", "new")
        assert (stop["stop_price"], stop["side"]) == ("300", "sell")
        assert stop["status"] in {"held", "new"}
        assert {leg["qty"] for leg in order["legs"]} == {"5"}

        (listed,) = desk.bot.get("orders?status=open&nested=true").told
        assert listed["id"] == order["id"]

    def test_oto(self, desk):
        desk.prices(SPY="351")

        order = desk.submit(
            **buys("SPY", 5, type="limit", limit_price=350.0, order_class="oto"),
            stop_loss={"stop_price": 300.0},
        )
        assert (order["status"], order["order_class"]) == ("new", "oto")
        desk.prices(SPY="349")

        order = desk.order(order["id"])
        assert order["status"] == "filled"
        assert [(leg["type"], leg["stop_price"]) for leg in order["legs"]] == [("stop", "300")]

    def test_bracket_with_a_stop_limit(self, desk):
        desk.prices(AAPL="150")

        order = desk.submit(
            **buys("AAPL", type="limit", time_in_force="gtc", limit_price=150),
            order_class="bracket",
            stop_loss={"stop_price": 150 * 0.95, "limit_price": 150 * 0.94},
            take_profit={"limit_price": 150 * 1.05},
        )

        assert order["status"] in {"new", "filled"}
        assert order["time_in_force"] == "gtc"

    def test_bracket_with_prices_as_a_float_makes_them(self, desk):
        answer = desk.declines(
            **buys("AAPL", type="limit", time_in_force="gtc", limit_price=151.13),
            order_class="bracket",
            stop_loss={"stop_price": 151.13 * 0.95, "limit_price": 151.13 * 0.94},
            take_profit={"limit_price": 151.13 * 1.05},
        )

        check_declined(answer, 422, RULE, "sub-penny increment does not fulfill minimum pricing")

    def test_bracket_with_its_limits_swapped(self, desk):
        answer = desk.declines(
            **buys("AAPL", time_in_force="gtc", order_class="bracket"),
            stop_loss={"stop_price": 142.5, "limit_price": 157.5},
            take_profit={"limit_price": 141},
        )

        check_declined(answer, 422, RULE, "must be")

    def test_bracket_of_what_nobody_knows(self, desk):
        desk.bot.get("assets")

        answer = desk.declines(
            **buys("APPL", time_in_force="gtc", order_class="bracket"),
            stop_loss={"stop_price": 142.5},
            take_profit={"limit_price": 157.5},
        )

        check_declined(answer, 422, RULE, 'asset "APPL" not found')

    @pytest.mark.parametrize("limit_price", [{}, {"limit_price": 318.0}])
    def test_oco(self, desk, limit_price):
        desk.prices(AAPL="318")
        desk.submit(**buys("AAPL", time_in_force="gtc"))

        order = desk.submit(
            **sells("AAPL", type="limit", time_in_force="gtc", order_class="oco"),
            **limit_price,
            take_profit={"limit_price": 320.0},
            stop_loss={"stop_price": 317.0, "limit_price": None},
        )

        assert (order["order_class"], order["limit_price"], order["side"]) == ("oco", "320", "sell")
        (stop,) = order["legs"]
        assert (stop["type"], stop["stop_price"], stop["side"]) == ("stop", "317", "sell")
        assert stop["order_class"] == "oco"
        assert stop["status"] in {"held", "new"}


class TestSubmitTrailingStops:
    @pytest.mark.parametrize(
        ("trail", "stop_price"), [({"trail_percent": 1.0}, "346"), ({"trail_price": 1.0}, "349")]
    )
    def test_trails(self, desk, trail, stop_price):
        desk.prices(SPY="350")
        desk.submit(**buys("SPY"))

        order = desk.submit(**sells("SPY", type="trailing_stop", time_in_force="gtc", **trail))

        assert order["status"] == "new"
        assert order["stop_price"].startswith(stop_price[:2])
        assert float(order["hwm"]) == pytest.approx(350, abs=1)
        (name,) = trail
        assert order[name] == "1"
        desk.prices(SPY="360")
        assert float(desk.order(order["id"])["hwm"]) == pytest.approx(360, abs=1)

    def test_whose_trail_is_said_as_its_stop_price(self, desk):
        answer = desk.declines(**sells("AAPL", type="trailing_stop", stop_price="1"))

        check_declined(answer, 422, PARAMETER, "trailing stop orders")


def test_retrieve_all_orders(desk):
    desk.prices(AAPL="150", SPY="350")
    placed = [desk.submit(**buys(symbol))["id"] for symbol in ("AAPL", "SPY", "AAPL")]
    desk.submit(**buys("AAPL", type="limit", limit_price=1))

    closed = desk.bot.get("orders?status=closed&limit=100&nested=True").told

    assert [order["id"] for order in closed] == placed[::-1]
    assert [order["symbol"] for order in closed] == ["AAPL", "SPY", "AAPL"]


def test_a_submission_that_times_out_is_looked_up_and_not_sent_again(desk):
    desk.prices(AAPL="150")
    desk.take({"lose": "accept_then_504"})

    order = desk.submit(**buys("AAPL", client_order_id="timed-out"))

    assert order["status"] == "filled"
    answer = desk.declines(**buys("AAPL", client_order_id="timed-out"))
    check_declined(answer, 422, PARAMETER, "client_order_id must be unique")
    desk.take({"exchange_has": {"timed-out": 1}})


class TestWhatTheyDoNext:
    """What every bot does besides: changing its mind."""

    def test_replaces_with_the_total(self, desk):
        desk.prices(AAPL="150")
        order = desk.submit(**buys("AAPL", 10, type="limit", limit_price=140))

        answer = desk.bot.ask("PATCH", f"orders/{order['id']}", {"qty": 12, "limit_price": 141.0})
        desk.work()

        assert answer.status_code == 200
        new, old = desk.order(answer.told["id"]), desk.order(order["id"])
        assert (new["status"], new["qty"], new["limit_price"]) == ("new", "12", "141")
        assert (old["status"], old["replaced_by"]) == ("replaced", new["id"])

    def test_cancels_all(self, desk):
        desk.prices(AAPL="150")
        order = desk.submit(**buys("AAPL", type="limit", limit_price=140))

        answer = desk.bot.ask("DELETE", "orders")
        desk.work()

        assert answer.told == [{"id": order["id"], "status": 200}]
        told = desk.order(order["id"])
        assert told["status"] == "canceled"
        assert told["canceled_at"]

    def test_closes_what_it_holds(self, desk):
        desk.prices(AAPL="150")
        desk.submit(**buys("AAPL", 10))

        assert desk.bot.ask("DELETE", "positions/AAPL?percentage=50").status_code == 200
        desk.work()
        assert desk.bot.get("positions/AAPL").told["qty"] == "5"
        assert desk.bot.ask("DELETE", "positions?cancel_orders=True").status_code == 207
        desk.work()

        check_declined(desk.bot.get("positions/AAPL"), 404, 40410000, "position does not exist")
        types = [one["side"] for one in desk.bot.get("account/activities").told]
        assert types == ["sell", "sell", "buy"]
        assert desk.bot.get("account").told["equity"]
