"""A strategy written with the Gateway's own SDK, unmodified, on the wire of a whole running desk.

What its guide to placing orders shows is done here: a market order, a limit order, a bracket with
one leg and with two, an id of one's own and looking it up, capabilities, and what is refused.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest
import tektii
from websockets.exceptions import InvalidStatus

from tests.running_desk import Desk


@pytest.fixture(scope="module")
def word(desk_process: Desk) -> str:
    told = json.loads(desk_process.manage("key", "--json", "--account", "Paper"))
    return f"{told['key']}.{told['secret']}"


@contextmanager
def connected(desk: Desk, word: str) -> Iterator[tektii.TradingGateway]:
    with tektii.TradingGateway(base_url=f"{desk.url}/gateway", api_key=word) as client:
        loop = client._loop
        yield client
    if loop is not None:
        loop.close()  # the SDK stops its loop, and leaves it open


@pytest.fixture
def gateway(desk: Desk, word: str) -> Iterator[tektii.TradingGateway]:
    desk.price("AAPL", "150")
    with connected(desk, word) as client:
        yield client


def until_status(desk: Desk, gateway: tektii.TradingGateway, order_id: str, *words: str) -> Any:
    return desk.until(
        lambda: (told := gateway.get_order(order_id)).status in words and told,
        what=f"{order_id} to be {words}",
    )


def test_market_order(desk: Desk, gateway: tektii.TradingGateway) -> None:
    handle = gateway.submit_order("AAPL", "BUY", "100")

    assert handle.status in {"PENDING", "OPEN", "PARTIALLY_FILLED", "FILLED"}
    order = until_status(desk, gateway, handle.id, "FILLED")
    assert (order.filled_quantity, order.side, order.order_type) == ("100", "BUY", "MARKET")
    trades = gateway.list_trades(order_id=handle.id)
    assert sum(Decimal(trade.quantity) for trade in trades) == 100
    assert gateway.get_order_history(status=["FILLED"], limit=1)


def test_limit_order(desk: Desk, gateway: tektii.TradingGateway) -> None:
    since = datetime.now(UTC) - timedelta(minutes=1)
    handle = gateway.submit_order(
        "AAPL", "BUY", "100", "LIMIT", limit_price="140.00", time_in_force="GTC"
    )

    assert until_status(desk, gateway, handle.id, "OPEN").limit_price == "140"
    listed = gateway.list_orders(symbol="AAPL", side="BUY", status=["OPEN"], since=since)
    assert handle.id in [order.id for order in listed]
    modified = gateway.modify_order(handle.id, limit_price="141.00", quantity="90")
    assert modified.previous_order_id == handle.id
    until_status(desk, gateway, modified.order.id, "OPEN")
    canceled = gateway.cancel_order(modified.order.id)
    assert canceled.success
    until_status(desk, gateway, modified.order.id, "CANCELLED")
    assert gateway.cancel_order(modified.order.id).order.status == "CANCELLED"


def test_id_of_ones_own(desk: Desk, gateway: tektii.TradingGateway) -> None:
    """A POST without an answer is looked up by its id, and is there once."""
    name = f"strategy-7-entry-{uuid4()}"
    assert gateway.list_orders(client_order_id=name) == []
    desk.faults(accept_then_504={"next": 1})

    handle = gateway.submit_order("AAPL", "BUY", "1", client_order_id=name)

    assert handle.client_order_id == name
    (found,) = gateway.list_orders(client_order_id=name)
    assert found.id == handle.id
    assert gateway.submit_order("AAPL", "BUY", "1", client_order_id=name).id == handle.id
    until_status(desk, gateway, handle.id, "FILLED")
    assert len(desk.at_exchange(desk.order(handle.id)["wire_id"])) == 1
    with pytest.raises(tektii.OrderRejectedError) as duplicate:
        gateway.submit_order("AAPL", "BUY", "2", client_order_id=name)
    assert duplicate.value.code == "DUPLICATE_CLIENT_ORDER_ID"
    with pytest.raises(tektii.BadRequestError):
        gateway.submit_order("AAPL", "BUY", "1", client_order_id="x" * 65)


@pytest.mark.parametrize(
    ("legs", "kinds"),
    [
        ({"stop_loss": "145.00"}, {"STOP"}),
        ({"stop_loss": "145.00", "take_profit": "165.00"}, {"STOP", "LIMIT"}),
    ],
)
def test_bracket(
    desk: Desk, gateway: tektii.TradingGateway, legs: dict[str, str], kinds: set[str]
) -> None:
    handle = gateway.submit_order("AAPL", "BUY", "100", **legs)  # type: ignore[arg-type]

    until_status(desk, gateway, handle.id, "FILLED")

    def open_legs() -> dict[str, tektii.Order]:
        own = set(desk.order(handle.id)["legs"])
        return {one.order_type: one for one in gateway.list_orders(symbol="AAPL") if one.id in own}

    desk.until(lambda: open_legs().keys() == kinds, what=f"legs of {kinds}")
    assert {leg.stop_price or leg.limit_price for leg in open_legs().values()} == {
        price.removesuffix(".00") for price in legs.values()
    }
    for leg in open_legs().values():
        gateway.cancel_order(leg.id)
    desk.until(lambda: not open_legs(), what="no legs")


def test_what_is_refused(gateway: tektii.TradingGateway) -> None:
    with pytest.raises(tektii.OrderRejectedError) as poor:
        gateway.submit_order("AAPL", "BUY", "900000", "LIMIT", limit_price="149.00")
    assert poor.value.code == "INSUFFICIENT_BALANCE"
    assert poor.value.details["reject_code"] == "INSUFFICIENT_BALANCE"
    with pytest.raises(tektii.OrderRejectedError) as unknown:
        gateway.submit_order("NOSUCH", "BUY", "1")
    assert unknown.value.code == "SYMBOL_NOT_TRADEABLE"
    with pytest.raises(tektii.OrderRejectedError) as fine:
        gateway.submit_order("AAPL", "BUY", "1", "LIMIT", limit_price="149.001")
    assert fine.value.code == "INVALID_PRICE"
    with pytest.raises(tektii.BadRequestError):
        gateway.submit_order("AAPL", "BUY", "1", "LIMIT")
    with pytest.raises(tektii.NotFoundError):
        gateway.get_order(str(uuid4()))
    with pytest.raises(tektii.NotFoundError):
        gateway.get_quote("NOSUCH")
    with pytest.raises(tektii.APIStatusError) as unsupported:
        gateway.submit_order("AAPL", "BUY", "1", hidden=True)
    assert (unsupported.value.status_code, unsupported.value.code) == (501, "UNSUPPORTED_OPERATION")


def test_nobody_else(desk: Desk, word: str) -> None:
    with connected(desk, word[:-1]) as stranger, pytest.raises(tektii.AuthenticationError):
        stranger.get_account()


def test_what_a_strategy_reads(desk: Desk, gateway: tektii.TradingGateway) -> None:
    capabilities = gateway.get_capabilities()
    assert {"bracket_orders", "trailing_stops"} <= set(capabilities.features)
    assert capabilities.position_mode == "NETTING"
    assert Decimal(gateway.get_account().equity) > 0
    assert gateway.get_quote("BTC/USD").symbol == "BTC/USD"
    bars = gateway.get_bars("AAPL", "1m", limit=10)
    assert len(bars) == 10
    assert bars[0].timestamp < bars[-1].timestamp
    assert gateway.quantity_for_notional("AAPL", notional="1500") > 0
    assert gateway.get_circuit_breakers().adapter.state == "closed"
    assert gateway.reset_circuit_breakers().exit_order.state == "closed"
    assert gateway.get_health().providers[0].platform == "paper"
    desk.until(lambda: gateway.get_status().connected, what="a broker that is heard")


def test_position_is_closed_once(desk: Desk, gateway: tektii.TradingGateway, word: str) -> None:
    desk.price("META", "480")
    entry = gateway.submit_order("META", "BUY", "10", stop_loss="400", take_profit="600")
    until_status(desk, gateway, entry.id, "FILLED")
    desk.until(lambda: len(gateway.list_orders(symbol="META")) == 2, what="two legs")
    (position,) = gateway.list_positions(symbol="META")
    assert (position.side, position.quantity) == ("LONG", "10")
    with httpx.Client(
        base_url=f"{desk.url}/gateway/v1", headers={"X-API-Key": word}, trust_env=False, timeout=20
    ) as client:
        moved = client.patch(f"/positions/{position.id}", json={"stop_loss": "410"})
        assert moved.status_code == 200, moved.text
        (stop,) = moved.json()["stop_loss"]["order_ids"]
        until_status(desk, gateway, stop, "OPEN", "PENDING")
        desk.until_order(stop, submission="accepted")

        closed = gateway.close_position(position.id)
        # As the SDK sends it again by itself, when an answer is lost.
        again = client.delete(f"/positions/{position.id}")

    assert again.status_code == 200, again.text
    assert again.json()["id"] == closed.id
    until_status(desk, gateway, closed.id, "FILLED")
    desk.until(lambda: gateway.list_positions(symbol="META") == [], what="no position")
    assert gateway.list_orders(symbol="META") == []
    assert gateway.close_all_positions(symbol="META") == []
    assert gateway.cancel_all_orders(symbol="META").failed_count == 0


async def test_the_same_without_threads(desk: Desk, word: str) -> None:
    desk.price("AAPL", "150")
    async with tektii.AsyncTradingGateway(f"{desk.url}/gateway", word) as gateway:
        handles = await asyncio.gather(
            *(gateway.submit_order("AAPL", "buy", "1", client_order_id=f"a-{uuid4()}")
              for _ in range(5))
        )  # fmt: skip
        assert len({handle.id for handle in handles}) == 5
        order = await gateway.get_order(handles[0].id)
        assert order.symbol == "AAPL"
        assert (await gateway.list_positions(symbol="AAPL"))[0].side == "LONG"
        assert (await gateway.get_capabilities()).supported_order_types


async def test_a_strategy_that_runs(desk: Desk, word: str) -> None:
    """A strategy's loop: it buys on a quote, sees its fill, and then its position."""
    desk.price("AMZN", "180")
    heard: list[str] = []
    order_id = ""
    async with tektii.AsyncTradingGateway(f"{desk.url}/gateway", word) as gateway:
        async with asyncio.timeout(60), gateway.stream() as events:
            async for event in events:
                heard.append(event.type)
                match event:
                    case tektii.ConnectionEvent() if not order_id:
                        handle = await gateway.submit_order("AMZN", "BUY", "2")
                        order_id = handle.id
                    case tektii.OrderEvent() if event.order.id == order_id:
                        heard.append(event.event)
                    case tektii.PositionEvent() if event.position.symbol == "AMZN":
                        heard.append(event.event)
                if {"ORDER_FILLED", "trade", "account", "quote"} <= set(heard) and any(
                    word.startswith("POSITION_") for word in heard
                ):
                    break
        assert heard.index("ORDER_CREATED") < heard.index("ORDER_FILLED")
        await gateway.close_position("AMZN")


async def test_no_stream_without_a_key(desk: Desk, word: str) -> None:
    async with tektii.AsyncTradingGateway(f"{desk.url}/gateway", word[:-1]) as gateway:
        with pytest.raises(InvalidStatus) as refused:
            async with asyncio.timeout(20), gateway.stream() as events:
                async for _ in events:
                    pass
        assert refused.value.response.status_code == 403
