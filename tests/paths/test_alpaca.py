"""A bot written for Alpaca, on the wire of a whole running desk: only its address is changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.running_desk import Desk


@pytest.fixture
def alpaca(desk: Desk) -> Iterator[httpx.Client]:
    """What the Python SDK has: its headers, no redirects, and floats for numbers."""
    told = desk.api.headers
    with httpx.Client(
        base_url=f"{desk.url}/alpaca/v2",
        headers={
            "APCA-API-KEY-ID": told["X-API-Key"],
            "APCA-API-SECRET-KEY": told["X-API-Secret"],
            "User-Agent": "APCA-PY/0.44.0 Python/3.11.7",
        },
        trust_env=False,
        timeout=20,
    ) as client:
        yield client


def submit(alpaca: httpx.Client, **told: Any) -> dict[str, Any]:
    order = {"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "day"} | told
    answer = alpaca.post("/orders", json=order)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def test_an_order_lives_in_both_words(desk: Desk, alpaca: httpx.Client) -> None:
    placed = submit(alpaca, qty=5.0)

    desk.until_order(placed["id"], status="filled")
    told = alpaca.get(f"/orders/{placed['id']}").json()
    assert (told["status"], told["filled_qty"]) == ("filled", "5")
    assert told["filled_at"]
    native = desk.order(placed["id"])
    assert native["client_order_id"] == placed["client_order_id"]
    assert len(desk.at_exchange(native["wire_id"])) == 1
    assert float(alpaca.get("/positions/AAPL").json()["qty"]) >= 5


def test_an_order_of_the_native_api_is_seen(desk: Desk, alpaca: httpx.Client) -> None:
    order = desk.place(order_type="limit", limit_price="1")

    shown = alpaca.get("/orders").json()

    assert order in [one["id"] for one in shown]
    assert alpaca.delete(f"/orders/{order}").status_code == 204
    desk.until_order(order, status="canceled")


def test_a_lost_answer_is_no_second_order(desk: Desk, alpaca: httpx.Client) -> None:
    desk.faults(accept_then_504={"next": 1})
    name = f"lost-{uuid4()}"

    placed = submit(alpaca, qty=1, client_order_id=name)

    assert placed["status"] == "accepted"
    again = alpaca.post(
        "/orders",
        json={
            "symbol": "AAPL",
            "side": "buy",
            "type": "market",
            "time_in_force": "day",
            "qty": 1,
            "client_order_id": name,
        },
    )
    assert (again.status_code, again.json()["code"]) == (422, 40010001)
    desk.until_order(placed["id"], status="filled")
    assert len(desk.at_exchange(name)) == 1


def test_a_bracket_shows_its_legs(desk: Desk, alpaca: httpx.Client) -> None:
    desk.price("MSFT", "400")
    entry = submit(
        alpaca,
        symbol="MSFT",
        qty=2,
        order_class="bracket",
        take_profit={"limit_price": 450.0},
        stop_loss={"stop_price": 350.0},
    )

    def legs() -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = alpaca.get(
            f"/orders/{entry['id']}", params={"nested": "True"}
        ).json()["legs"]
        return told

    desk.until(lambda: len(legs()) == 2, what="two legs")
    assert {leg["type"] for leg in legs()} == {"limit", "stop"}
    answer = alpaca.delete("/positions", params={"cancel_orders": "True"})
    assert answer.status_code == 207, answer.text
    assert {one["status"] for one in answer.json()} == {200}
    desk.until(lambda: alpaca.get("/positions/MSFT").status_code == 404, what="no position")


def test_every_answer_is_one_that_the_sdk_can_read(desk: Desk, alpaca: httpx.Client) -> None:
    for method, path, status in (
        ("GET", "/nowhere", 404),
        ("GET", "/orders/", 404),
        ("PUT", "/orders", 405),
        ("GET", f"/orders/{uuid4()}", 404),
        ("POST", "/orders", 422),
        ("GET", "/positions/BTC/USD", 404),
        ("GET", "/orders?status=x", 422),
    ):
        answer = alpaca.request(method, path, json={} if method == "POST" else None)

        assert answer.status_code == status, (method, path, answer.text)
        assert isinstance(answer.json()["code"], int)
        assert isinstance(answer.json()["message"], str)
        assert answer.headers["X-Request-ID"]
    # As a base URL that ends in a slash has it.
    assert alpaca.get(f"{desk.url}/alpaca//v2/account").status_code == 200
    for path in ("/account", "/account/configurations", "/assets/BTC/USD", "/clock", "/calendar"):
        assert alpaca.get(path).status_code == 200
