"""A broker's stream that does as the test tells it: in Alpaca's words, over real websockets."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, TypeVar

import msgpack
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.brokers.alpaca.golden import an_order

T = TypeVar("T")
WITHIN = 20.0  # seconds, for anything that is to happen by itself


def until(holds: Callable[[], T], *, within: float = WITHIN) -> T:
    """Wait until something is so, and return it."""
    give_up_at = time.monotonic() + within
    while not (found := holds()):
        assert time.monotonic() < give_up_at, "it did not come to be so in time"
        time.sleep(0.02)
    return found


class Loop:
    """An event loop in a thread of its own, so that tests can be plain functions."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(doing, self.loop).result(WITHIN)

    def begin(self, doing: Coroutine[Any, Any, T]) -> Any:
        return asyncio.run_coroutine_threadsafe(doing, self.loop)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(WITHIN)
        self.loop.close()


def as_text(message: Any) -> str:
    return json.dumps(message)


def as_binary(message: Any) -> bytes:
    return json.dumps(message).encode()


def as_msgpack(message: Any) -> bytes:
    packed: bytes = msgpack.packb(message)
    return packed


def update(event: str, *, more: Any = None, **order: Any) -> dict[str, Any]:
    """Return what the stream tells of an order; `more` goes beside it, `order` into it."""
    data = {"event": event, "timestamp": "2026-03-02T15:00:02.5Z", "order": an_order(**order)}
    return {"stream": "trade_updates", "data": data | (more or {})}


class Upstream:
    """One stream server. What clients said and what came of them is kept."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.handshakes = 0
        self.greetings: list[dict[str, Any]] = []
        self.keys = {"k": "s"}  # whom it lets in
        self.refuses_with: int | None = None  # the status that a handshake is answered with
        self.redirects_to: str | None = None
        self.listens = True  # answers to `listen`
        self.knows: set[str] | None = None  # the events it can go on after; None: all
        self.asked_after: list[str] = []
        self.early: list[str | bytes] = []  # told between `listen` and its answer
        self.encode: Callable[[Any], str | bytes] = as_text
        self.listening: list[ServerConnection] = []
        self.most_at_once = 0
        self._server: Server | None = None
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        """As an account's base_url has it."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._server = self.loop.run(self._serve())
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    def stop(self) -> None:
        if self._server is not None:
            self.loop.run(self._close())
            self._server = None

    def tell(self, *messages: Any) -> None:
        """Tell everybody who listens."""
        self.tell_raw(*(self.encode(message) for message in messages))

    def tell_raw(self, *frames: str | bytes) -> None:
        assert self.listening, "nobody listens"
        for connection in list(self.listening):
            for frame in frames:
                self.loop.run(connection.send(frame))

    def hang_up(self) -> None:
        """Break every connection off, as a router that was switched off would."""
        for connection in list(self.listening):
            self.loop.loop.call_soon_threadsafe(connection.transport.abort)
        until(lambda: not self.listening)

    def cut_off_mid_frame(self, frame: bytes) -> None:
        """Send the first half of a frame, and break the connection off."""
        half = bytes([0x82, 126, *len(frame).to_bytes(2, "big")]) + frame[: len(frame) // 2]
        for connection in list(self.listening):
            self.loop.loop.call_soon_threadsafe(connection.transport.write, half)
            self.loop.loop.call_soon_threadsafe(connection.transport.close)
        until(lambda: not self.listening)

    def fall_silent(self) -> None:
        """Read nothing any more: no ping is answered, and nobody hangs up."""
        for connection in list(self.listening):
            self.loop.loop.call_soon_threadsafe(connection.transport.pause_reading)

    async def _serve(self) -> Server:
        return await serve(
            self._talk,
            "127.0.0.1",
            self.port,
            process_request=self._process,
            ping_interval=None,
            close_timeout=0.1,
        )

    async def _close(self) -> None:
        assert self._server is not None
        for connection in list(self.listening):
            connection.transport.abort()
        self._server.close()
        await self._server.wait_closed()

    def _process(self, connection: ServerConnection, request: Request) -> Response | None:
        self.handshakes += 1
        if self.redirects_to is not None:
            answer = connection.respond(HTTPStatus.FOUND, "")
            answer.headers["Location"] = self.redirects_to
            return answer
        if self.refuses_with is not None:
            return connection.respond(HTTPStatus(self.refuses_with), "no")
        return None if request.path == "/stream" else connection.respond(HTTPStatus.NOT_FOUND, "")

    async def _talk(self, connection: ServerConnection) -> None:
        try:
            async for frame in connection:
                await self._answer(connection, json.loads(frame))
        except ConnectionClosed:
            pass
        finally:
            if connection in self.listening:
                self.listening.remove(connection)

    async def _answer(self, connection: ServerConnection, said: dict[str, Any]) -> None:
        if said["action"] == "authenticate":
            self.greetings.append(said["data"])
            who = said["data"]
            known = self.keys.get(who["key_id"]) == who["secret_key"]
            status = "authorized" if known else "unauthorized"
            data = {"status": status, "action": "authenticate"}
            await connection.send(self.encode({"stream": "authorization", "data": data}))
        elif said["action"] == "listen" and self.listens:
            after = said["data"].get("since_id", "")
            self.asked_after.append(after)
            if after and self.knows is not None and after not in self.knows:
                error = {"error": "since_id is not an event of this account"}
                await connection.send(self.encode({"stream": "error", "data": error}))
                return
            for frame in self.early:
                await connection.send(frame)
            await connection.send(self.encode({"stream": "listening", "data": said["data"]}))
            self.listening.append(connection)
            self.most_at_once = max(self.most_at_once, len(self.listening))
