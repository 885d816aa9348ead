"""What the drive would notice: it is worth as much as the faults it can find."""

import random
from types import SimpleNamespace

import pytest

from tools.drive.__main__ import main
from tools.drive.comparing import compare
from tools.drive.placing import Drive
from tools.drive.servers import Server

ORDER = {
    "id": "o1",
    "client_order_id": "drive-1",
    "broker_order_id": "X1",
    "symbol": "AMD",
    "side": "buy",
    "order_type": "limit",
    "time_in_force": "day",
    "quantity": "10",
    "limit_price": "20.5",
    "stop_price": None,
    "status": "filled",
    "submission": "accepted",
    "filled_quantity": "10",
    "in_doubt": False,
    "flags": [],
}
FILL = {"order_id": "o1", "execution_id": "e1", "quantity": "10", "price": "20.5"}
THERE = {
    "id": "X1",
    "client_order_id": "drive-1",
    "symbol": "AMD",
    "side": "buy",
    "type": "limit",
    "time_in_force": "day",
    "quantity": "10",
    "limit_price": "20.50",
    "stop_price": None,
    "status": "filled",
    "filled_quantity": "10",
}
TRADE = {"client_order_id": "drive-1", "id": "e1", "quantity": "10", "price": "20.50"}


def wrong(*, order=None, fills=(FILL,), there=(THERE,), trades=(TRADE,)):
    """Return what comparing these books finds wrong."""
    tables = {"orders": there, "executions": trades, "requests": ()}
    exchange = SimpleNamespace(account="a", ledger=lambda table, **query: iter(tables[table]))
    desk = SimpleNamespace(
        executions=lambda: iter(fills),
        path=lambda rest: rest,
        server=SimpleNamespace(must=lambda method, path: {"events": []}),
    )
    drive = Drive(desk, exchange, random.Random(1), prefix="drive-")
    return compare(drive, [ORDER | (order or {})]).wrong


def test_books_that_agree_are_not_wrong():
    assert wrong() == []


@pytest.mark.parametrize(
    ("books", "says"),
    [
        ({"there": (THERE, THERE | {"id": "X2"})}, "2 orders at the exchange"),
        ({"there": (THERE, THERE | {"client_order_id": "drive-2"})}, "not on the desk"),
        ({"there": ()}, "not at the exchange"),
        ({"there": (THERE | {"status": "cancelled"},)}, "cancelled at the exchange"),
        ({"there": (THERE | {"filled_quantity": "9"},)}, "filled at the exchange"),
        ({"there": (THERE | {"limit_price": "20.49"},)}, "other terms"),
        ({"there": (THERE | {"side": "sell"},)}, "other terms"),
        ({"fills": ()}, "not on the desk"),
        ({"fills": (FILL, FILL)}, "not at the exchange"),
        ({"fills": (FILL | {"price": "20.51"},)}, "not at the exchange"),
        ({"order": {"in_doubt": True, "submission": "unknown", "status": None}}, "still unknown"),
        ({"order": {"status": "new"}}, "still new"),
        ({"order": {"submission": "absent", "status": None}}, "and at the exchange"),
        ({"order": {"flags": ["overfill"]}}, "flagged overfill"),
        ({"order": {"broker_order_id": "X9"}}, "filled at the exchange"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_each_way_of_differing_is_noticed(books, says):
    assert any(says in line for line in wrong(**books))


def test_an_order_that_never_left_is_nowhere():
    assert (
        wrong(order={"submission": "absent", "status": None}, there=(), fills=(), trades=()) == []
    )


def test_says_where_a_desk_is_missing(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("sys.argv", ["drive", "--data", str(tmp_path), "--key", "k"])

    assert main() == 2
    assert "No desk has run in" in capsys.readouterr().err


def test_gives_up_on_a_server_that_is_not_there(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)

    with pytest.raises(Exception, match="refused"):
        Server("http://127.0.0.1:9", {}).must("GET", "/")
