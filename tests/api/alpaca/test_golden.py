"""What goes out, to the letter: a sample of each object on the wire, in `golden/`.

Each is what the desk answers for a known state, with ids and times made the same. It has every
field of Alpaca's own document, of its type, and Alpaca's SDK for Python reads it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading import models
from alpaca.trading.requests import CancelOrderResponse
from pydantic import TypeAdapter

from orders.api.alpaca import naming
from orders.models import Account
from tests.api.alpaca import shapes
from tests.api.alpaca.conftest import an_order
from tests.api.alpaca.shapes import TIME, UUID_TEXT, wrong
from tests.api.alpaca.test_examples import Desk, buys, desk, sells  # noqa: F401
from tests.api.alpaca.test_holding import traded
from tests.factories import OrderFactory

pytestmark = pytest.mark.django_db

GOLDEN = Path(__file__).parent / "golden"
KEPT = {"asset_id"}  # made of the symbol
COUNTED = {"event_id"}
AT = "2026-11-21T14:30:00.123456Z"
EXCHANGES_OWN = re.compile(r"P-[A-Z0-9]+-\d+-(sl|tp)")  # what it calls a leg
PREFIX = "00000000-0000-7000-8000-"


def steady(told: Any) -> Any:
    """Return an answer with its ids numbered as they come, and all its times the same."""
    seen: dict[str, str] = {}

    def number(found: Any) -> str:
        return seen.setdefault(found[0], f"{PREFIX}{len(seen) + 1:012}")

    def walk(value: Any) -> Any:
        match value:
            case dict():
                return {
                    name: one if name in KEPT else walk(one) for name, one in value.items()
                } | dict.fromkeys(value.keys() & COUNTED, "1")
            case list():
                return [walk(one) for one in value]
            case str() if TIME.fullmatch(value):
                return AT
            case str() if found := EXCHANGES_OWN.fullmatch(value):
                return f"P-1-{found[1]}"
            case str() if "::" in value:
                return f"20261121143000123::{UUID_TEXT.sub(number, value.partition('::')[2])}"
        return UUID_TEXT.sub(number, value) if isinstance(value, str) else value

    return walk(told)


def check(name: str, told: Any) -> None:
    """Check an answer, or several by name, against its sample."""
    assert steady(told) == json.loads((GOLDEN / f"{name}.json").read_text())


class TestOrders:
    @pytest.fixture
    def told(self, desk: Desk) -> Iterator[Callable[[str, Any], None]]:  # noqa: F811
        def so(name: str, order: dict[str, Any]) -> None:
            check(name, order)
            assert wrong(shapes.ORDER, order) == []
            parsed = models.Order(**order)
            assert str(parsed.id) == order["id"]
            assert parsed.status.value == order["status"]

        return so

    def test_simple(self, desk, told):  # noqa: F811
        desk.prices(AAPL="150")
        limit = buys("AAPL", 10, type="limit", limit_price=149.5, client_order_id="golden-1")

        answer = desk.bot.ask("POST", "orders", limit)
        told("order_accepted", answer.told)
        desk.work()
        told("order_new", desk.order(answer.told["id"]))
        desk.bot.ask("DELETE", f"orders/{answer.told['id']}")
        told("order_pending_cancel", desk.order(answer.told["id"]))
        desk.work()
        told("order_canceled", desk.order(answer.told["id"]))

    def test_filled(self, desk, told):  # noqa: F811
        desk.prices(AAPL="150")

        told("order_filled", desk.submit(**buys("AAPL", 0.5, client_order_id="golden-2")))

    def test_for_money(self, desk, told):  # noqa: F811
        desk.prices(AAPL="150")
        order = buys("AAPL", None, notional=500, client_order_id="golden-3")

        answer = desk.bot.ask("POST", "orders", order)
        told("order_notional", answer.told)
        desk.work()
        told("order_notional_filled", desk.order(answer.told["id"]))

    def test_bracket(self, desk, told):  # noqa: F811
        desk.prices(SPY="350")
        legs = {"take_profit": {"limit_price": 400}, "stop_loss": {"stop_price": 300}}
        order = buys("SPY", 5, order_class="bracket", client_order_id="golden-4")

        answer = desk.bot.ask("POST", "orders", order | legs)
        told("order_bracket_accepted", answer.told)
        desk.work()
        told("order_bracket_nested", desk.order(answer.told["id"]))
        leg = answer.told["legs"][0]["id"]
        told("order_leg", desk.order(leg))

    def test_oco(self, desk, told):  # noqa: F811
        desk.prices(AAPL="318")
        desk.submit(**buys("AAPL"))
        order = sells("AAPL", type="limit", time_in_force="gtc", order_class="oco")

        told(
            "order_oco_nested",
            desk.submit(
                **order,
                client_order_id="golden-5",
                take_profit={"limit_price": 320},
                stop_loss={"stop_price": 317, "limit_price": 316.5},
            ),
        )

    def test_trailing(self, desk, told):  # noqa: F811
        desk.prices(SPY="350")
        desk.submit(**buys("SPY"))
        order = sells("SPY", type="trailing_stop", trail_percent=1.5, client_order_id="golden-6")

        told("order_trailing", desk.submit(**order))

    def test_replaced(self, desk, told):  # noqa: F811
        desk.prices(AAPL="150")
        limit = buys("AAPL", 10, type="limit", limit_price=149, client_order_id="golden-7")
        old = desk.submit(**limit)

        change = {"qty": 12, "client_order_id": "golden-8"}
        answer = desk.bot.ask("PATCH", f"orders/{old['id']}", change)
        told("order_replacing", desk.order(old["id"]))
        desk.work()
        told("order_replaced", desk.order(old["id"]))
        told("order_replacement", desk.order(answer.told["id"]))

    def test_rejected(self, desk, told):  # noqa: F811
        desk.prices(AAPL="150")

        told("order_rejected", desk.submit(**buys("AAPL", 1_000_000, client_order_id="golden-9")))

    def test_expired(self, bot, told):
        order = OrderFactory(
            account=bot.account, submission="expired_unsent", client_order_id="golden-10"
        )

        told("order_expired", bot.get(f"orders/{order.id}").told)


def test_positions(bot):
    traded(bot.account)
    traded(bot.account, symbol="BTC/USD", quantity="0.5", price="17000.1", side="sell")

    told = bot.get("positions").told

    check("positions", told)
    for one in told:
        assert wrong(shapes.POSITION, one) == []
    assert len(TypeAdapter(list[models.Position]).validate_python(told)) == 2


def test_account(bot):
    Account.objects.update(name="Golden")

    told = bot.get("account").told

    check("account", told)
    assert wrong(shapes.ACCOUNT, told) == []
    assert models.TradeAccount(**told).equity == "1000"


def test_configurations(bot):
    told = bot.get("account/configurations").told

    check("configurations", told)
    assert wrong(shapes.CONFIGURATIONS, told) == []
    assert models.AccountConfiguration(**told).no_shorting is False


def test_assets(desk):  # noqa: F811
    told = [desk.bot.get(f"assets/{symbol}").told for symbol in ("AAPL", "BTC/USD")]

    assert [one["id"] for one in told] == [naming.asset_id("AAPL"), naming.asset_id("BTC/USD")]
    check("assets", told)
    share, pair = told
    assert wrong(shapes.ASSET, share) == []
    assert wrong(shapes.PAIR, pair) == []
    for one in told:
        assert models.Asset(**one).symbol == one["symbol"]


def test_market(desk):  # noqa: F811
    clock = desk.bot.get("clock").told
    days = desk.bot.get("calendar?start=2026-11-20&end=2026-11-21").told

    check("clock", clock)
    assert wrong(shapes.CLOCK, clock) == []
    assert models.Clock(**clock).is_open
    check("calendar", days)
    for day in days:
        assert wrong(shapes.DAY, day) == []
        assert models.Calendar(**day).open < models.Calendar(**day).close


def test_portfolio_history(bot):
    told = bot.get("account/portfolio/history?start=2026-01-05&end=2026-01-07&timeframe=1D").told

    check("portfolio_history", told)
    assert wrong(shapes.HISTORY, told) == []
    assert len(models.PortfolioHistory(**told).equity) == len(told["timestamp"]) > 1


def test_activities(desk):  # noqa: F811
    desk.prices(AAPL="150")
    desk.submit(**buys("AAPL", 2, client_order_id="golden-11"))

    told = desk.bot.get("account/activities").told

    check("activities", told)
    for one in told:
        assert wrong(shapes.TRADE, one) == []
        # Its model is the Broker API's, which tells of many accounts.
        assert models.TradeActivity(**one, account_id=desk.account.id).qty == 2


def test_cancel_all(bot):
    OrderFactory(account=bot.account, working=True)

    told = bot.ask("DELETE", "orders").told

    check("cancel_all", told)
    (one,) = TypeAdapter(list[CancelOrderResponse]).validate_python(told)
    assert (one.status, one.body) == (200, None)


def test_close_all(bot):
    traded(bot.account)
    traded(bot.account, symbol="XYZ")
    in_the_way = OrderFactory(
        account=bot.account,
        sending=True,
        side="sell",
        order_type="market",
        limit_price=None,
        client_order_id="golden-13",
    )

    told = bot.ask("DELETE", "positions").told

    for one in told:
        if one["status"] == 200:
            one["body"]["client_order_id"] = "golden-12"  # of the desk's own making
    check("close_all", told)
    failed, closed = TypeAdapter(list[models.ClosePositionResponse]).validate_python(told)
    assert (failed.symbol, failed.status, failed.body.code) == ("ACME", 403, 40310000)
    assert closed.body.symbol == "XYZ"
    assert wrong(shapes.ORDER, told[1]["body"]) == []
    assert str(in_the_way.id) in told[0]["body"]["related_orders"]


WRONG = {
    "no key": ("GET", "account", None, {"APCA-API-SECRET-KEY": "x"}),
    "no such order": ("GET", "orders/00000000-0000-7000-8000-000000000009", None, {}),
    "no such position": ("GET", "positions/ACME", None, {}),
    "no such asset": ("GET", "assets/NONE", None, {}),
    "no such address": ("GET", "watchlists", None, {}),
    "no such method": ("PUT", "orders", {}, {}),
    "no JSON": ("POST", "orders", "{", {}),
    "a parameter": ("POST", "orders", an_order(qty=0), {}),
    "a rule": ("POST", "orders", an_order(limit_price=99.123), {}),
    "another rule": (
        "POST",
        "orders",
        an_order(
            order_class="bracket",
            take_profit={"limit_price": 90},
            stop_loss={"stop_price": 80},
        ),
        {},
    ),
}


def test_errors(bot):
    answers = {
        what: bot.ask(method, path, body, **headers)
        for what, (method, path, body, headers) in WRONG.items()
    }

    told = {what: {"status": one.status_code, "body": one.told} for what, one in answers.items()}
    check("errors", told)
    for what, one in told.items():
        beyond = tuple(one["body"].keys() - {"code", "message"})
        assert wrong(shapes.ERROR, one["body"], beyond=beyond) == [], what
        error = APIError(answers[what].content.decode())
        assert (error.code, error.message) == (one["body"]["code"], one["body"]["message"])
