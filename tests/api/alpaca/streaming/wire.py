"""A client's end of Alpaca's socket, frame by frame."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgpack
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.utils import timezone

from brokers.vocabulary import ExecutionKind
from config.asgi import application
from orders import issuing
from orders.models import ApiKey
from tests.api.alpaca.conftest import Bot, a_bot
from tests.api.alpaca.streaming import telling
from tests.factories import ANA
from tests.factories import place as place_now

Frame = dict[str, Any]
PATIENCE = 10.0  # seconds; the machine may be busy, and none of these tests measures speed

in_database = database_sync_to_async
new_bot = in_database(a_bot)
place = in_database(place_now)


@in_database
def trade_an_order(bot: Bot) -> None:
    """Five events: accepted, pending_new, new, partial_fill, fill."""
    order = place_now(bot.account)
    telling.send(order)
    telling.filled(order, telling.traded(order, "E-1", "4"))
    telling.filled(order, telling.traded(order, "E-2", "6"), version=3)


@in_database
def bust(bot: Bot) -> None:
    """Have the last trade of the bot's one order undone."""
    order = bot.account.orders.get()
    word = telling.traded(order, "E-2", "6", kind=ExecutionKind.BUST, revision=1)
    telling.hear(order, word)


@in_database
def revoke(key: ApiKey) -> None:
    issuing.revoke(key, actor=ANA, now=timezone.now())


class Wire:
    """What one client hears and says."""

    def __init__(self, *, path: str = "/alpaca/stream", packed_by_header: bool = False) -> None:
        told = [(b"content-type", b"application/msgpack")] if packed_by_header else []
        self._reads = asyncio.Event()
        self._reads.set()
        headers = [(b"host", b"testserver"), *told]
        self.socket = WebsocketCommunicator(self._application, path, headers=headers)

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_when_read(message: Any) -> None:
            await self._reads.wait()
            await send(message)

        await application(scope, receive, send_when_read)

    def stop_reading(self) -> Callable[[], None]:
        """Let whoever sends to this client wait, until what is returned is called."""
        self._reads.clear()
        return self._reads.set

    async def say(self, action: str, **data: Any) -> None:
        await self.send({"action": action, "data": data})

    async def send(self, message: Any) -> None:
        await self.socket.send_to(text_data=json.dumps(message))

    async def hear(self) -> Frame:
        """Return the next frame, checked for what every client relies on."""
        told = await self.socket.receive_from(timeout=PATIENCE)
        frame: Frame = msgpack.unpackb(told) if isinstance(told, bytes) else json.loads(told)
        assert isinstance(frame["stream"], str)
        assert isinstance(frame["data"], dict)
        return frame

    async def update(self) -> Frame:
        """Return what the next frame tells of an order."""
        frame = await self.hear()
        assert frame["stream"] == "trade_updates", frame
        told: Frame = frame["data"]
        return told

    async def updates(self, count: int) -> list[Frame]:
        return [await self.update() for _ in range(count)]

    async def heard_nothing(self, *, within: float = 0.5) -> bool:
        return await self.socket.receive_nothing(timeout=within, interval=0.05)

    async def closed_with(self) -> int:
        """Return the code it is closed with, past all frames."""
        while True:
            said = await self.socket.receive_output(timeout=PATIENCE)
            if said["type"] == "websocket.close":
                return int(said["code"])

    async def authenticate(self, bot: Bot) -> Frame:
        await self.say("authenticate", key_id=bot.key.key, secret_key=bot.secret)
        return await self.hear()

    async def listen(self, *streams: str, **more: Any) -> Frame:
        await self.say("listen", streams=list(streams), **more)
        return await self.hear()


@asynccontextmanager
async def connected(**how: Any) -> AsyncIterator[Wire]:
    """Open a socket."""
    wire = Wire(**how)
    taken, _ = await wire.socket.connect(timeout=PATIENCE)
    assert taken
    try:
        yield wire
    finally:
        await wire.socket.disconnect(timeout=PATIENCE)


@asynccontextmanager
async def listening(bot: Bot, *, since: str | None = None, **how: Any) -> AsyncIterator[Wire]:
    """Open a socket, and listen."""
    async with connected(**how) as wire:
        assert (await wire.authenticate(bot))["data"]["status"] == "authorized"
        more = {} if since is None else {"since_id": since}
        told = await wire.listen("trade_updates", **more)
        assert told == {"stream": "listening", "data": {"streams": ["trade_updates"]}}
        yield wire
