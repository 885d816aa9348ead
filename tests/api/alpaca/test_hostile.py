"""Whatever is asked, of whatever address: an answer that an SDK can read, and never a fault."""

import json
from urllib.parse import quote

import pytest

from brokers.vocabulary import Side
from orders.models import Order
from tests.api.alpaca.conftest import a_bot
from tests.api.alpaca.test_holding import traded
from tests.factories import AccountFactory, OrderFactory

READS = {
    "orders": "status limit after until direction nested side symbols asset_class"
    " before_order_id after_order_id updated_after",
    "orders/{order}": "nested",
    "orders:by_client_order_id": "client_order_id nested",
    "positions": "",
    "positions/ACME": "",
    "account": "",
    "account/configurations": "",
    "account/activities": "activity_types category date until after direction page_size page_token"
    " order_id",
    "account/activities/FILL": "page_token",
    "account/portfolio/history": "period timeframe start end date_end pnl_reset cashflow_types",
    "assets": "status asset_class exchange attributes",
    "assets/ACME": "",
    "clock": "",
    "calendar": "start end",
}
NASTY = [
    *("", " ", "\0", "'", '"', "%", "\\", "ü", "😀", "-1", "0", "1e9", "NaN", "Infinity", "null"),
    *("true", "[]", "{}", "../..", "9" * 400, "x" * 4000, "9999-12-31T23:59:59-23:00"),
    *("0001-01-01T00:00:00+23:00", "00000000-0000-0000-0000-000000000000", "٣", "a,b,,c"),
]


@pytest.fixture
def bot(db, broker):
    bot = a_bot()
    traded(bot.account)
    return bot


def check_readable(answer):
    assert answer.status_code < 500, answer.content
    assert answer.headers["X-Request-ID"]
    assert answer.headers["Content-Type"] == "application/json"
    told = json.loads(answer.content)
    if answer.status_code >= 400:
        assert isinstance(told["code"], int)
        assert isinstance(told["message"], str)


@pytest.mark.parametrize("path", READS)
def test_queries(bot, path):
    path = path.format(order=OrderFactory(account=bot.account).id)
    names = READS.get(path, "nested").split() or ["x"]
    for name in names:
        for value in NASTY:
            check_readable(bot.get(f"{path}?{name}={quote(value)}"))
        check_readable(bot.get(f"{path}?{name}=%ff%fe&{name}=1&{name}=2"))


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize("place", ["orders/", "positions/", "assets/", "account/activities/", ""])
def test_addresses(bot, method, place):
    held = Order.objects.count()
    for value in NASTY:
        if not value.strip():
            continue
        body = {} if method == "PATCH" else None
        check_readable(bot.ask(method, place + quote(value, safe="."), body))
    assert Order.objects.count() == held


@pytest.mark.parametrize(
    "path", ["positions/ACME", "positions"], ids=["one position", "all positions"]
)
def test_queries_of_closing(bot, path):
    for name in ("qty", "percentage", "cancel_orders"):
        for value in NASTY:
            answer = bot.ask("DELETE", f"{path}?{name}={quote(value)}")

            check_readable(answer)
    for order in Order.objects.filter(source="api"):
        assert order.side == Side.SELL
        assert order.quantity <= 10


@pytest.mark.parametrize("name", ["qty", "limit_price", "stop_price", "trail", "time_in_force",
                                  "client_order_id", "notional", "x"])  # fmt: skip
def test_changes(bot, name):
    order = OrderFactory(account=bot.account, working=True)
    for value in [*NASTY, [], {}, [[]], True, False, None, 1.5, -1, "\ud800"]:
        answer = bot.ask("PATCH", f"orders/{order.id}", json.dumps({name: value}))

        check_readable(answer)
    assert Order.objects.filter(replaces=order).count() <= 1  # one change at a time


def test_of_an_account_whose_broker_never_answers(db, settings):
    account = AccountFactory(broker="paper", base_url="http://127.0.0.1:9")
    silent = a_bot(account)
    traded(account)

    for path in ("account", "positions", "positions/ACME", "clock", "orders", "assets"):
        answer = silent.get(path)
        assert answer.status_code == (503 if path == "assets" else 200), path
    answer = silent.place(symbol="LONGNAME")
    assert answer.status_code == 200
