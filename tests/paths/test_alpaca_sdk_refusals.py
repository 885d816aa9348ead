"""Every way in which a bot is told no, as Alpaca's SDK reads it: status, code and sentence."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.enums import OrderStatus
from alpaca.trading.requests import ClosePositionRequest, ReplaceOrderRequest

from tests.paths.bots import Bot, a_name
from tests.paths.test_alpaca_sdk import FILLED, buys, buys_at
from tests.running_desk import Desk

PARAMETER, RULE, FORBIDDEN, NOT_FOUND = 40010001, 42210000, 40310000, 40410000
SHARE = {"symbol": "AAPL", "qty": 1.0, "side": "buy", "type": "market", "time_in_force": "day"}
LIMIT = SHARE | {"type": "limit", "limit_price": 150.0}
PAIR = SHARE | {"symbol": "BTC/USD", "time_in_force": "gtc"}
BRACKET = LIMIT | {
    "order_class": "bracket",
    "take_profit": {"limit_price": 160.0},
    "stop_loss": {"stop_price": 140.0},
}

# What is wrong with an order, its code, and what the sentence says of it.
WRONG: dict[str, tuple[dict[str, Any], int, str]] = {
    "no quantity": (SHARE | {"qty": None}, PARAMETER, "qty or notional is required"),
    "both": (SHARE | {"notional": 5}, PARAMETER, "only one of qty or notional is accepted"),
    "nothing": (SHARE | {"qty": 0}, PARAMETER, "qty must be > 0"),
    "less than nothing": (SHARE | {"qty": -1.5}, PARAMETER, "qty must be > 0"),
    "no limit": (LIMIT | {"limit_price": None}, PARAMETER, "limit orders require a limit price"),
    "no stop": (SHARE | {"type": "stop"}, PARAMETER, "stop orders require a stop price"),
    "half a stop limit": (
        LIMIT | {"type": "stop_limit"},
        PARAMETER,
        "stop limit orders require both stop and limit price",
    ),
    "a limit at the market": (
        SHARE | {"limit_price": 1.0},
        PARAMETER,
        "market orders require no stop or limit price",
    ),
    "no trail": (
        SHARE | {"type": "trailing_stop"},
        PARAMETER,
        "trailing stop orders must specify one of trail_price or trail_percent",
    ),
    "two trails": (
        SHARE | {"type": "trailing_stop", "trail_price": 1, "trail_percent": 1},
        PARAMETER,
        "only one of trail_price or trail_percent is accepted",
    ),
    "no side": (SHARE | {"side": None}, PARAMETER, "side is required"),
    "a side": (SHARE | {"side": "hold"}, PARAMETER, "invalid side"),
    "a type": (SHARE | {"type": "iceberg"}, PARAMETER, "invalid order type"),
    "a time": (SHARE | {"time_in_force": "gtd"}, PARAMETER, "invalid time_in_force"),
    "a class": (SHARE | {"order_class": "pair"}, PARAMETER, "invalid order_class"),
    "an id": (
        SHARE | {"client_order_id": "x" * 129},
        PARAMETER,
        "client_order_id must be no more than 128 characters",
    ),
    "a misspelt price": (LIMIT | {"limitprice": 1}, PARAMETER, "limitprice is not accepted"),
    "a stop loss alone": (
        LIMIT | {"stop_loss": {"stop_price": 140}},
        PARAMETER,
        "stop_loss is not accepted without order_class",
    ),
    "sub-penny": (
        LIMIT | {"limit_price": 150.123},
        RULE,
        "invalid limit_price 150.123. sub-penny increment does not fulfill minimum pricing",
    ),
    "a part for good": (
        SHARE | {"qty": 0.5, "time_in_force": "gtc"},
        RULE,
        "fractional orders must be DAY orders",
    ),
    "a part with legs": (BRACKET | {"qty": 0.5}, RULE, "fractional orders must be simple orders"),
    "at the market, out of hours": (
        SHARE | {"extended_hours": True},
        RULE,
        "extended hours order must be DAY or GTC limit orders",
    ),
    "a pair for the day": (
        PAIR | {"time_in_force": "day"},
        RULE,
        "invalid crypto time_in_force",
    ),
    "a pair at a stop": (
        PAIR | {"type": "stop", "stop_price": 1.0},
        PARAMETER,
        "invalid order type for crypto order",
    ),
    "a target below": (
        BRACKET | {"take_profit": {"limit_price": 149.0}},
        RULE,
        "take_profit.limit_price must be >= base_price + 0.01",
    ),
    "a stop above": (
        BRACKET | {"stop_loss": {"stop_price": 151.0}},
        RULE,
        "stop_loss.stop_price must be <= base_price - 0.01",
    ),
    "half a bracket": (
        BRACKET | {"take_profit": None},
        PARAMETER,
        "bracket orders require take_profit.limit_price",
    ),
    "a bracket of stops": (
        BRACKET | {"type": "stop", "limit_price": None, "stop_price": 150.0},
        PARAMETER,
        "bracket orders must be market or limit orders",
    ),
    "two halves": (
        BRACKET | {"order_class": "oto"},
        PARAMETER,
        "only one of take_profit or stop_loss is accepted",
    ),
    "an intent": (
        SHARE | {"position_intent": "sell_to_open"},
        RULE,
        "position intent mismatch, inferred: buy_to_",
    ),
}


def refused(call: Any, *told: Any) -> APIError:
    """Return what a call is refused with, by the SDK's own account."""
    with pytest.raises(APIError) as raised:
        call(*told)
    return raised.value


def check(error: APIError, status: int, code: int, message: str) -> None:
    assert (error.status_code, error.code) == (status, code), error
    assert message in error.message
    assert error.response.headers["X-Request-ID"]


def test_what_is_wrong_with_an_order_is_named_and_leaves_no_trace(desk: Desk, bot: Bot) -> None:
    before = bot.read("/orders?limit=1")["orders"], len(bot.exchange("orders"))

    for what, (told, code, message) in WRONG.items():
        error = refused(bot.client.post, "/orders", told)

        assert (error.status_code, error.code) == (422, code), (what, error)
        assert message in error.message, (what, error)
    assert (bot.read("/orders?limit=1")["orders"], len(bot.exchange("orders"))) == before


def test_an_id_is_used_once_and_for_ever(desk: Desk, bot: Bot) -> None:
    name = a_name()
    order = bot.client.submit_order(buys_at("AAPL", 1, client_order_id=name))
    bot.until(order, status=OrderStatus.NEW)

    check(
        refused(bot.client.submit_order, buys_at("AAPL", 1, client_order_id=name)),
        422,
        PARAMETER,
        "client_order_id must be unique",
    )
    bot.client.cancel_order_by_id(order.id)
    bot.until(order, status=OrderStatus.CANCELED)
    check(
        refused(bot.client.submit_order, buys("AAPL", client_order_id=name)),
        422,
        PARAMETER,
        "client_order_id must be unique",
    )
    assert len(bot.at_exchange(name)) == 1


def test_what_is_not_there(bot: Bot) -> None:
    client, nowhere = bot.client, uuid4()

    for call, told, message in (
        (client.get_order_by_id, [nowhere], f"order not found for {nowhere}"),
        (client.get_order_by_client_id, ["nobody's"], "order not found for nobody's"),
        (client.cancel_order_by_id, [nowhere], f"order not found for {nowhere}"),
        (client.replace_order_by_id, [nowhere], f"order not found for {nowhere}"),
        (client.get_open_position, ["GOOGL"], "position does not exist"),
        (client.close_position, ["BTC/USD"], "position does not exist"),
        (client.get_asset, ["NONE"], "asset not found for NONE"),
        (client.get, ["/watchlists"], ""),
        (client.get, ["/account/activities/DIV"], ""),
    ):
        check(refused(call, *told), 404, NOT_FOUND, message)


def test_what_can_no_longer_be_changed(desk: Desk, bot: Bot) -> None:
    desk.price("AAPL", "150")
    filled = bot.client.submit_order(buys("AAPL"))
    bot.until(filled, status=FILLED)
    waiting = bot.client.submit_order(buys_at("AAPL", 140, 5))
    bot.until(waiting, status=OrderStatus.NEW)
    money = bot.client.post("/orders", LIMIT | {"qty": None, "notional": 50, "limit_price": 140})
    bot.until(money["id"], status=OrderStatus.NEW)
    replace, another = bot.client.replace_order_by_id, ReplaceOrderRequest(limit_price=141)

    check(
        refused(bot.client.cancel_order_by_id, filled.id),
        422,
        RULE,
        'order is already in "filled" state',
    )
    for order_id, change, message in (
        (filled.id, another, "unable to replace order, order is not open"),
        (waiting.id, ReplaceOrderRequest(limit_price=140), "order parameters are not changed"),
        (waiting.id, None, "order parameters are not changed"),
        (money["id"], another, "unable to replace order"),
    ):
        check(refused(replace, order_id, change), 422, RULE, message)
    new = replace(waiting.id, another)
    bot.until(new, status=OrderStatus.NEW)
    bot.until(waiting, status=OrderStatus.REPLACED)
    check(refused(replace, waiting.id, another), 422, RULE, "order already replaced")
    check(refused(bot.client.cancel_order_by_id, waiting.id), 422, RULE, 'already in "replaced"')


def test_more_than_is_held(desk: Desk, bot: Bot) -> None:
    bot.until(bot.client.submit_order(buys("AAPL", 3)), status=FILLED)

    error = refused(bot.client.close_position, "AAPL", ClosePositionRequest(qty="5"))

    check(error, 403, FORBIDDEN, "insufficient qty available")
    assert "(requested: 5, available: 3)" in error.message
    assert error.response.json()["existing_qty"] == "3"
    bot.until_held("AAPL", "3")


def test_more_than_can_be_paid_for_turns_rejected(desk: Desk, bot: Bot) -> None:
    """The broker decides it, and a POST does not wait for that."""
    desk.price("AAPL", "150")

    order = bot.client.submit_order(buys("AAPL", 1_000_000))

    rejected = bot.until(order, status=OrderStatus.REJECTED)
    assert rejected.failed_at is not None
    native = bot.read(f"/orders/{order.id}")
    assert native["submission_code"] == "insufficient_buying_power"
    assert bot.at_exchange(native["wire_id"]) == []


def test_what_could_trade_with_ourselves_turns_rejected(desk: Desk, bot: Bot) -> None:
    desk.price("AAPL", "150")
    bot.until(bot.client.submit_order(buys_at("AAPL", 140)), status=OrderStatus.NEW)

    order = bot.client.post("/orders", SHARE | {"side": "sell"})

    bot.until(order["id"], status=OrderStatus.REJECTED)
    assert bot.read(f"/orders/{order['id']}")["submission_code"] == "wash_trade"


def test_who_is_not_let_in(bot: Bot) -> None:
    client = bot.sdk(secret="another")
    eye = bot.sdk(**bot.reader)
    try:
        for call in (client.get_account, client.get_orders, client.cancel_orders):
            check(refused(call), 401, 40110000, "not authorized")
        check(refused(client.submit_order, buys("AAPL")), 401, 40110000, "not authorized")

        assert eye.get_account().account_number == "Bot"
        check(refused(eye.submit_order, buys("AAPL")), 403, FORBIDDEN, "may look, and not trade")
        check(refused(eye.cancel_orders), 403, FORBIDDEN, "may look, and not trade")
    finally:
        client._session.close()
        eye._session.close()


def test_one_accounts_orders_are_nobody_elses(bots: tuple[Bot, Bot], bot: Bot) -> None:
    _, other = bots
    order = bot.client.submit_order(buys_at("AAPL", 1))
    bot.until(order, status=OrderStatus.NEW)

    check(refused(other.client.get_order_by_id, order.id), 404, NOT_FOUND, "order not found")
    check(refused(other.client.cancel_order_by_id, order.id), 404, NOT_FOUND, "order not found")
    assert order.id not in {one.id for one in other.client.get_orders()}
