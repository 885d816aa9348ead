"""Whatever is asked, of whatever address: an answer that the SDK can read, and never a fault."""

import json
from urllib.parse import quote

import pytest

from orders.models import Order
from tests.api.alpaca.test_holding import traded
from tests.api.gateway.conftest import an_order, check_declined
from tests.factories import OrderFactory

READS = {
    "orders": "symbol status side client_order_id oco_group_id since until limit",
    "orders/history": "status limit",
    "orders/{order}": "x",
    "positions": "symbol",
    "positions/ACME": "x",
    "account": "x",
    "capabilities": "x",
    "status": "x",
    "circuit-breakers": "x",
    "trades": "symbol order_id since until limit",
    "quotes/ACME": "x",
    "bars/ACME": "timeframe start end limit",
}
NASTY = [
    *("", " ", "\0", "'", '"', "%", "\\", "ü", "😀", "-1", "0", "1e9", "NaN", "Infinity", "null"),
    *("true", "[]", "{}", "../..", "9" * 400, "x" * 4000, "9999-12-31T23:59:59-23:00"),
    *("0001-01-01T00:00:00+23:00", "00000000-0000-0000-0000-000000000000", "٣", "a,b,,c"),
]
VALUES = [*NASTY, [], {}, [[]], True, False, None, 1.5, -1, 10**30, "\ud800"]


@pytest.fixture
def held(bot):
    traded(bot.account)
    return bot


def check_readable(answer):
    assert answer.status_code < 500 or answer.status_code == 501, answer.content
    assert answer.headers["X-Request-ID"]
    assert answer.headers["Content-Type"] == "application/json"
    told = json.loads(answer.content)
    if answer.status_code >= 400:
        assert isinstance(told["code"], str)
        assert isinstance(told["message"], str)
        assert isinstance(told.get("details", {}), dict)


@pytest.mark.parametrize("path", READS)
def test_queries(held, path):
    filled = path.format(order=OrderFactory(account=held.account).id)
    for name in READS[path].split():
        for value in NASTY:
            check_readable(held.get(f"{filled}?{name}={quote(value)}"))
        check_readable(held.get(f"{filled}?{name}=%ff%fe&{name}=1&{name}=2"))


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE", "PUT", "POST"])
@pytest.mark.parametrize("place", ["orders/", "positions/", "quotes/", "bars/", ""])
def test_addresses(held, method, place):
    before = Order.objects.count()
    for value in NASTY:
        if value.strip():
            body = {} if method in {"PATCH", "PUT", "POST"} else None
            check_readable(held.ask(method, place + quote(value, safe="."), body))
    assert Order.objects.count() == before


@pytest.mark.parametrize(
    "name",
    [
        *("symbol", "side", "quantity", "order_type", "limit_price", "stop_price", "stop_loss"),
        *("take_profit", "trailing_distance", "trailing_type", "time_in_force", "client_order_id"),
        *("position_id", "reduce_only", "post_only", "hidden", "display_quantity", "margin_mode"),
        *("leverage", "oco_group_id", "x"),
    ],
)
def test_orders(bot, name):
    for value in VALUES:
        check_readable(bot.ask("POST", "orders", json.dumps(an_order(**{name: value}))))


@pytest.mark.parametrize("name", ["quantity", "limit_price", "stop_loss", "trailing_distance", "x"])
def test_changes(bot, name):
    order = OrderFactory(account=bot.account, working=True)
    for value in VALUES:
        check_readable(bot.ask("PATCH", f"orders/{order.id}", json.dumps({name: value})))
    assert Order.objects.filter(replaces=order).count() <= 1  # one change at a time


@pytest.mark.parametrize("name", ["quantity", "order_type", "limit_price", "stop_loss", "x"])
@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
def test_closing(held, method, name):
    for value in VALUES:
        check_readable(held.ask(method, "positions/ACME", json.dumps({name: value})))
    assert all(order.quantity <= 10 for order in Order.objects.filter(source="api"))


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/gateway", 404, "NOT_FOUND"),
        ("GET", "/gateway/", 404, "NOT_FOUND"),
        ("GET", "/gateway/v2/orders", 404, "NOT_FOUND"),
        ("GET", "/gateway/v1/orders/", 404, "NOT_FOUND"),
        ("GET", "/gateway/v1/nowhere", 404, "NOT_FOUND"),
        ("PUT", "/gateway/v1/orders", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/gateway/v1/account", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/gateway/v1/circuit-breakers/reset", 405, "METHOD_NOT_ALLOWED"),
    ],
)
def test_addresses_that_are_none(bot, method, path, status, code):
    check_declined(bot.ask(method, path), status, code)


def test_bodies_of_another_type(bot):
    answer = bot.client.post(
        "/gateway/v1/orders", "symbol=ACME", content_type="text/plain", headers=bot.headers
    )

    assert (answer.status_code, answer.json()["code"]) == (415, "INVALID_REQUEST")


def test_two_slashes_are_one(bot):
    assert bot.get("/gateway//v1/orders").status_code == 200
