"""/v1/ws: what happens in an account, told in the Gateway's frames."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pydantic
import pytest
import tektii.models
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.db import OperationalError
from django.utils import timezone

from brokers.messages import Bar, Quote
from config.asgi import application
from orders import asking, connecting, issuing, placing
from orders.api.alpaca.streaming import following
from orders.api.gateway.streaming import sockets, watching
from orders.models import ApiKey, Incident
from tests.api.alpaca.streaming import telling
from tests.api.gateway.conftest import Strategy, a_strategy
from tests.factories import ANA, OrderFactory
from tests.factories import place as place_now
from tests.fakes import NOON

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]
PATIENCE = 15.0  # seconds; the machine may be busy, and none of these tests measures speed
READ = pydantic.TypeAdapter(tektii.models.GatewayEvent)

in_database = database_sync_to_async
new_strategy = in_database(a_strategy)


@pytest.fixture(autouse=True)
def _nobody_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "ring", lambda *args: True)


@pytest.fixture(autouse=True)
async def _nothing_is_left_running() -> AsyncIterator[None]:
    """The last stream to go takes all it began with it."""
    yield
    assert not following._hubs.get(asyncio.get_running_loop())
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert left == []
    await in_database(lambda: None)()


class Wire:
    """A client's end of the socket. Every frame it hears is one that the SDK can read."""

    def __init__(self, bot: Strategy, *, query: str = "", word: str = "") -> None:
        told = word or f"Bearer {bot.key.key}.{bot.secret}"
        headers = [(b"host", b"testserver"), (b"authorization", told.encode())]
        path = f"/gateway/v1/ws{query}"
        self.socket = WebsocketCommunicator(application, path, headers=headers)

    async def hear(self, *types: str) -> dict[str, Any]:
        """Return the next frame of some types."""
        async with asyncio.timeout(PATIENCE):
            while True:
                frame = json.loads(await self.socket.receive_from(timeout=PATIENCE))
                READ.validate_python(frame)
                if frame["type"] in types:
                    return dict(frame)

    async def acknowledge(self, *event_ids: str) -> None:
        said = {"type": "event_ack", "correlation_id": "x", "events_processed": event_ids}
        await self.socket.send_to(text_data=json.dumps(said | {"timestamp": 1}))

    async def closed_with(self) -> int:
        """Return the code it is closed with, past all frames."""
        while True:
            said = await self.socket.receive_output(timeout=PATIENCE)
            if said["type"] == "websocket.close":
                return int(said["code"])


@asynccontextmanager
async def connected(bot: Strategy, **how: Any) -> AsyncIterator[Wire]:
    wire = Wire(bot, **how)
    taken, _ = await wire.socket.connect(timeout=PATIENCE)
    assert taken
    try:
        opened = await wire.hear("connection")
        assert (opened["event"], opened["broker"]) == ("CONNECTED", "scripted")
        yield wire
    finally:
        await wire.socket.disconnect(timeout=PATIENCE)


@in_database
def trade(bot: Strategy) -> Any:
    order = place_now(bot.account)
    telling.send(order)
    telling.filled(order, telling.traded(order, "E-1", "4"))
    telling.filled(order, telling.traded(order, "E-2", "6"), version=3)
    return order


async def test_tells_an_order_from_its_beginning_to_its_end():
    bot = await new_strategy()
    async with connected(bot) as wire:
        order = await trade(bot)

        told: list[dict[str, Any]] = []
        while not told or told[-1]["event"] != "ORDER_FILLED":
            told.append(await wire.hear("order"))

        words = [frame["event"] for frame in told]
        assert words == ["ORDER_CREATED", "ORDER_PARTIALLY_FILLED", "ORDER_FILLED"]
        assert {frame["order"]["id"] for frame in told} == {str(order.id)}
        assert told[-1]["order"]["status"] == "FILLED"


async def test_tells_trades_positions_and_the_account():
    bot = await new_strategy()
    async with connected(bot) as wire:
        await trade(bot)

        quantities, word, account = [], "", None
        while account is None or word == "" or len(quantities) < 2:
            frame = await wire.hear("trade", "position", "account")
            match frame["type"]:
                case "trade":
                    quantities.append(frame["trade"]["quantity"])
                case "position":
                    word = word or frame["event"]
                case "account":
                    account = frame["account"]
        assert quantities == ["4", "6"]
        assert word == "POSITION_OPENED"
        assert account["balance"] == "1000"


async def test_of_others_it_tells_nothing():
    bot, other = await new_strategy(), await new_strategy()
    async with connected(bot) as wire:
        await trade(other)
        own = await trade(bot)

        assert (await wire.hear("order"))["order"]["id"] == str(own.id)


@in_database
def alarm(bot: Strategy, **changes: Any) -> Incident:
    order = OrderFactory(account=bot.account, filled=True)
    now = timezone.now()
    told = {
        "account": bot.account,
        "order": order,
        "kind": Incident.Kind.UNPROTECTED,
        "severity": "critical",
        "subject": f"order:{order.id}",
        "says": "10 ACME lack their stop.",
        "opened_at": now,
        "last_seen_at": now,
    }
    return Incident.objects.create(**told | changes)


async def test_an_alarm_is_told_until_it_is_acknowledged(monkeypatch):
    monkeypatch.setattr(watching, "AGAIN_AFTER", 0.5)
    monkeypatch.setattr(sockets, "LOOK_EVERY", 0.1)
    bot = await new_strategy()
    async with connected(bot) as wire:
        incident = await alarm(bot)

        first, again = await wire.hear("error"), await wire.hear("error")

        assert first == again
        assert first["code"] == "POSITION_UNPROTECTED"
        assert first["message"] == "10 ACME lack their stop."
        assert first["event_id"] == f"incident-{incident.pk}"
        assert first["details"] == {
            "order_id": str(incident.order_id),
            "symbol": "ACME",
            "incident_id": incident.pk,
        }
        await wire.acknowledge("another", first["event_id"])
        second = await alarm(bot, kind=Incident.Kind.OVERSOLD)
        told = set()
        while f"incident-{second.pk}" not in told:
            told.add((await wire.hear("error"))["event_id"])
        for _ in range(3):
            assert (await wire.hear("error"))["code"] == "OCO_DOUBLE_EXIT"


async def test_an_alarm_is_told_to_who_comes_later():
    bot = await new_strategy()
    incident = await alarm(bot)
    for _ in range(2):
        async with connected(bot) as wire:
            told = await wire.hear("error")
            assert told["event_id"] == f"incident-{incident.pk}"
            await wire.acknowledge(told["event_id"])


async def test_how_the_broker_is_heard():
    bot = await new_strategy()
    async with connected(bot) as wire:
        now = timezone.now()
        await in_database(connecting.note_silent)(bot.account, "silence", now=now)
        told = await wire.hear("connection")
        assert (told["event"], told["error"]) == ("BROKER_DISCONNECTED", "silence")
        await in_database(connecting.note_heard)(bot.account, took_ms=1, now=now)
        told = await wire.hear("connection")
        assert told["event"] == "BROKER_RECONNECTED"
        assert told["gap_duration_ms"] >= 0


@pytest.mark.parametrize("query", ["", "?symbols=ACME,NONE"])
async def test_prices_of_what_is_traded_or_asked_for(query):
    asking._kept.clear()
    bot = await new_strategy()
    if not query:
        await in_database(OrderFactory)(account=bot.account, working=True)
    async with connected(bot, query=query) as wire:
        assert (await wire.hear("quote"))["quote"]["symbol"] == "ACME"


async def test_a_whole_bar_is_told_once_its_minute_is_over(monkeypatch):
    price = Decimal(1)
    minutes = iter(range(100))

    def quote(account, symbol):
        at = NOON + timedelta(minutes=next(minutes))
        return Quote(symbol=symbol, bid=price, ask=price, last=price, at=at)

    def bars(account, symbol, *, seconds, count):
        starts = (NOON + timedelta(minutes=nth) for nth in range(count))
        return tuple(Bar(at=at, open=price, high=price, low=price, close=price) for at in starts)

    monkeypatch.setattr(asking, "quote", quote)
    monkeypatch.setattr(asking, "bars", bars)
    monkeypatch.setattr(sockets, "LOOK_EVERY", 0.1)
    bot = await new_strategy()
    async with connected(bot, query="?symbols=ACME") as wire:
        bar = (await wire.hear("candle"))["bar"]
        assert (bar["timeframe"], bar["timestamp"]) == ("1m", "2026-03-02T12:00:00.000000Z")


async def test_keeps_alive(monkeypatch):
    monkeypatch.setattr(sockets, "PING_EVERY", 0)
    bot = await new_strategy()
    async with connected(bot) as wire:
        assert (await wire.hear("ping"))["timestamp"]
        await wire.socket.send_to(text_data='{"type": "pong"}')


class TestLettingIn:
    @pytest.mark.parametrize("word", ["Bearer x.y", "Bearer ", "Basic eDp5", "Bearer ü.ü"])
    async def test_not_without_a_live_key(self, word):
        wire = Wire(await new_strategy(), word=word)

        taken, _ = await wire.socket.connect(timeout=PATIENCE)

        assert not taken  # at the handshake: on a 403, the SDK does not come back
        await wire.socket.disconnect(timeout=PATIENCE)

    async def test_not_longer_than_it_is_live(self):
        bot = await new_strategy()
        async with connected(bot) as wire:
            key = await in_database(ApiKey.objects.get)(pk=bot.key.pk)
            await in_database(issuing.revoke)(key, actor=ANA, now=timezone.now())

            assert await wire.closed_with() == sockets.UNAUTHORIZED

    async def test_is_to_come_back_if_the_records_are_away(self, monkeypatch):
        bot = await new_strategy()

        def gone(scope):
            raise OperationalError("gone")

        monkeypatch.setattr(sockets, "_find", gone)
        wire = Wire(bot)
        taken, _ = await wire.socket.connect(timeout=PATIENCE)

        assert taken
        assert await wire.closed_with() == sockets.TRY_AGAIN_LATER
        await wire.socket.disconnect(timeout=PATIENCE)


@pytest.mark.parametrize(
    "said",
    ["{", "null", "[]", "1", '{"type": 1}', '{"type": "event_ack"}', "[" * 5000,
     '{"type": "event_ack", "events_processed": {}}', "ü😀",
     '{"type": "event_ack", "events_processed": [1, null, {}]}'],
)  # fmt: skip
async def test_whatever_a_client_says_it_goes_on(said):
    bot = await new_strategy()
    async with connected(bot) as wire:
        await wire.socket.send_to(text_data=said)
        await wire.socket.send_to(bytes_data=b"\xff\x00")
        order = await trade(bot)

        assert (await wire.hear("order"))["order"]["id"] == str(order.id)


async def test_too_much_said_at_once():
    bot = await new_strategy()
    async with connected(bot) as wire:
        await wire.socket.send_to(text_data="x" * (sockets.LONGEST + 1))

        assert await wire.closed_with() == sockets.TOO_BIG
