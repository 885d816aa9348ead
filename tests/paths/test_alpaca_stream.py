"""alpaca-py's own stream, unmodified but for its address, at a whole running desk."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import msgpack
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.running_desk import Desk

# The SDK is written for an older websockets, whose remains say so whenever they are used.
pytestmark = pytest.mark.filterwarnings("ignore:.*websockets.*legacy.*:DeprecationWarning")


class Bot:
    """A program written for Alpaca: its requests, and what its stream has heard."""

    def __init__(self, desk: Desk, client: httpx.Client) -> None:
        self.desk = desk
        self.client = client
        self.heard: list[Any] = []

    def submit(self, **told: Any) -> dict[str, Any]:
        order = {"symbol": "AAPL", "side": "buy", "type": "limit", "time_in_force": "day"} | told
        answer = self.client.post("/orders", json=order)
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    def heard_of(self, order_id: str) -> list[str]:
        return [_word(one) for one in self.updates(order_id)]

    def until(self, order_id: str, *words: str) -> list[str]:
        """Wait until the stream has told just these words of an order."""
        return self.desk.until(
            lambda: self.heard_of(order_id) if self.heard_of(order_id) == [*words] else None,
            what=f"{words} of {order_id}, and not {self.heard_of(order_id)}",
        )

    def until_heard(self, order_id: str, word: str) -> list[str]:
        """Wait until the stream has told a word of an order, and return all it told of it."""
        return self.desk.until(
            lambda: self.heard_of(order_id) if word in self.heard_of(order_id) else None,
            what=f"{word} of {order_id}",
        )

    def updates(self, order_id: str) -> list[Any]:
        return [one for one in self.heard if str(one.order.id) == order_id]


def _word(update: Any) -> str:
    return str(getattr(update.event, "value", update.event))


@contextmanager
def _streaming(bot: Bot, told: dict[str, str]) -> Iterator[None]:
    # Not before the warning is let pass: to be imported is to use it.
    from alpaca.trading.stream import TradingStream  # noqa: PLC0415

    async def heed(update: Any) -> None:
        bot.heard.append(update)

    address = f"ws://127.0.0.1:{bot.desk.port}/alpaca/stream"
    stream = TradingStream(told["key"], told["secret"], url_override=address)
    stream.subscribe_trade_updates(heed)
    thread = threading.Thread(target=stream.run, daemon=True)
    thread.start()
    try:
        bot.desk.until(lambda: stream._running, what="a stream")
        # It does not wait to be told that it listens; what comes before is lost to it.
        bot.desk.until(lambda: _hears(bot), what="a stream that listens")
        yield
    finally:
        stream.stop()
        bot.client.delete(f"/orders/{bot.submit(qty=1, limit_price=1)['id']}")  # it looks up
        thread.join(10)


def _hears(bot: Bot) -> bool:
    order = bot.submit(qty=1, limit_price=1)
    bot.client.delete(f"/orders/{order['id']}")

    def is_over() -> bool:
        told = bot.desk.order(order["id"])
        return told["status"] == "canceled" or told["submission"] == "withdrawn"

    bot.desk.until(is_over, what=f"{order['id']} cancelled, here or there")
    return bool(bot.heard)


@pytest.fixture
def bot(desk: Desk) -> Iterator[Bot]:
    told = json.loads(desk.manage("key", "--json", "--account", "Paper"))
    headers = {"APCA-API-KEY-ID": told["key"], "APCA-API-SECRET-KEY": told["secret"]}
    with httpx.Client(
        base_url=f"{desk.url}/alpaca/v2", headers=headers, trust_env=False, timeout=20
    ) as client:
        bot = Bot(desk, client)
        with _streaming(bot, told):
            yield bot


def test_the_sdk_hears_what_happens_to_its_orders(desk: Desk, bot: Bot) -> None:
    # In parts, as the market has them.
    desk.price("AMD", "20", size="2")
    parts = bot.submit(symbol="AMD", qty=5, limit_price=30)
    told = bot.until_heard(parts["id"], "fill")
    assert told[:3] == ["accepted", "pending_new", "new"]
    assert told[3:] == ["partial_fill", "partial_fill", "fill"]
    trades = bot.updates(parts["id"])[3:]
    assert [trade.qty for trade in trades] == [2, 2, 1]
    assert [trade.order.filled_qty for trade in trades] == ["2", "4", "5"]
    assert trades[-1].position_qty == trades[0].position_qty + 3
    assert all(trade.execution_id and trade.price for trade in trades)
    assert [trade.order.status.value for trade in trades][1:] == ["partially_filled", "filled"]
    activities = bot.client.get("/account/activities/FILL").json()
    known = {one["id"].partition("::")[2] for one in activities}
    assert {str(trade.execution_id) for trade in trades} <= known

    # Changed, and cancelled.
    resting = bot.submit(qty=1, limit_price=2)
    bot.until_heard(resting["id"], "new")
    answer = bot.client.patch(f"/orders/{resting['id']}", json={"limit_price": 3})
    assert answer.status_code == 200, answer.text
    changed = answer.json()["id"]
    bot.until_heard(changed, "new")
    assert bot.heard_of(resting["id"])[-2:] == ["pending_replace", "replaced"]
    everything = [(str(one.order.id), _word(one)) for one in bot.heard]
    assert everything.index((resting["id"], "replaced")) < everything.index((changed, "new"))
    replaced = bot.updates(resting["id"])[-1].order
    assert (str(replaced.replaced_by), replaced.replaced_at is not None) == (changed, True)
    assert bot.client.delete(f"/orders/{changed}").status_code == 204
    bot.until(changed, "accepted", "pending_new", "new", "pending_cancel", "canceled")

    # With legs, of which the stop is cancelled when the target fills.
    desk.price("MSFT", "400")
    entry = bot.submit(
        symbol="MSFT",
        qty=2,
        type="market",
        order_class="bracket",
        take_profit={"limit_price": 450},
        stop_loss={"stop_price": 350},
    )
    bot.until_heard(entry["id"], "fill")

    def legs() -> dict[str, str]:
        shown = bot.client.get(f"/orders/{entry['id']}?nested=true").json()["legs"]
        return {leg["type"]: leg["id"] for leg in shown}

    desk.until(lambda: len(legs()) == 2, what="two legs")
    target, stop = legs()["limit"], legs()["stop"]
    bot.until_heard(target, "new")
    desk.price("MSFT", "460")
    bot.until_heard(target, "fill")
    bot.until_heard(stop, "canceled")
    for order_id in (entry["id"], target, stop):
        _check_story(bot.heard_of(order_id))

    # And all of it once more, from the beginning, over HTTP.
    first = bot.heard[0].order.created_at.isoformat()
    again = _replayed(desk, bot, since=first)
    heard = [(str(one.order.id), _word(one), one.timestamp) for one in bot.heard]
    told = [(one["order"]["id"], one["event"]) for one in again]
    places = [told.index(one[:2]) for one in heard]
    assert places == sorted(places)


def test_any_client_is_answered_in_what_it_speaks(desk: Desk) -> None:
    key = json.loads(desk.manage("key", "--json", "--account", "Paper"))
    shown = {"key_id": key["key"], "secret_key": key["secret"]}
    address = f"ws://127.0.0.1:{desk.port}/alpaca/stream"

    with connect(address, proxy=None) as plain, connect(address, proxy=None) as packed:
        assert plain.ping().wait(20)
        plain.send(json.dumps({"action": "authenticate", "data": shown}))
        assert json.loads(plain.recv(20))["data"]["status"] == "authorized"
        packed.send(msgpack.packb({"action": "authenticate", "data": shown}))
        assert msgpack.unpackb(packed.recv(20))["data"]["status"] == "authorized"
        asked = {"action": "listen", "data": {"streams": ["trade_updates"]}}
        plain.send(json.dumps(asked))
        packed.send(msgpack.packb(asked))
        heard = {"stream": "listening", "data": {"streams": ["trade_updates"]}}
        assert json.loads(plain.recv(20)) == msgpack.unpackb(packed.recv(20)) == heard

        desk.redis.kill()  # which may only make it later
        order_id = desk.place(order_type="limit", limit_price="1")

        told = json.loads(plain.recv(30))
        assert (told["stream"], told["data"]["event"]) == ("trade_updates", "accepted")
        assert told["data"]["order"]["id"] == order_id
        assert msgpack.unpackb(packed.recv(30)) == told
        desk.redis.start()
        plain.send("x" * 5000)
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                plain.recv(20)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
    desk.cancel(order_id)


def _check_story(words: list[str]) -> None:
    """Check that an order is new before it trades, and ends last, once."""
    ends = [word for word in words if word in {"fill", "canceled", "expired", "rejected"}]
    assert len(ends) == 1
    assert words[-1] == ends[0]
    if "fill" in words:
        assert words.index("new") < words.index("fill")


def _replayed(desk: Desk, bot: Bot, *, since: str) -> list[dict[str, Any]]:
    now = bot.client.get("/clock").json()["timestamp"]
    asked = {"since": since, "until": now}
    with bot.client.stream("GET", "/events/trades", params=asked) as answer:
        assert answer.status_code == 200
        lines = [line for line in answer.iter_lines() if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]
