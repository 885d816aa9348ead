"""The Gateway's socket: it begins to tell at once, and a client says no more than what it has read.

Without a live key it is refused at the handshake, after which the SDK does not try again. Every
other end is one on which it connects anew, after a while; what it missed, it reads by REST.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import parse_qs

import structlog
from asgiref.sync import sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error as DatabaseAway
from django.db import close_old_connections
from django.urls import re_path

from orders.api.alpaca.streaming.following import AWAY, following
from orders.api.alpaca.streaming.listening import Ended
from orders.api.authenticating import note_use
from orders.api.gateway import showing
from orders.api.gateway.authenticating import of_headers
from orders.api.gateway.streaming import telling
from orders.api.gateway.streaming.telling import Frame
from orders.api.gateway.streaming.watching import Watch
from orders.models import ApiKey

log = structlog.get_logger(__name__)
T = TypeVar("T")

TAKEN_WITHIN = 30.0  # seconds for one frame: who takes none for so long is gone
LOOK_EVERY = 1.0  # seconds; an alarm is to be there within five
PING_EVERY = 20.0
LOOK_AGAIN = 60.0  # seconds; a quiet account is no reason to do anything
LONGEST = 64 * 1024  # characters of a frame

TOO_BIG, FAULT_OF_OURS, TRY_AGAIN_LATER = 1009, 1011, 1013
UNAUTHORIZED, TOO_SLOW = 4401, 4408
# Never a clean close: the SDK would come back at once, and for ever.
CLOSED_WITH = {"revoked": UNAUTHORIZED, "too_slow": TOO_SLOW}


class EventSocket(AsyncWebsocketConsumer):
    """One client, told of its account for as long as its key is live."""

    # No layer: it would cost every client a subscription of its own, and refuse them without Redis.
    channel_layer_alias = "none"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._watch: Watch | None = None
        self._is_closed = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one client; the hub forgets it however this ends."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            # Once: a second time, the hub would be interrupted while it stops.
            for task in self._tasks:
                task.cancel()
            for task in self._tasks:
                with suppress(asyncio.CancelledError):
                    await task

    async def connect(self) -> None:
        try:
            key = await _asked(partial(_find, self.scope))
        except DatabaseAway as error:
            # Not as one without a key is refused: it is to come back.
            log.warning("database_away", error=str(error))
            await self.accept()
            await self.end(TRY_AGAIN_LATER, AWAY.why)
            return
        if key is None:
            await self.close()  # before it is accepted, this is a 403
            return
        await self.accept()
        told = parse_qs(self.scope["query_string"].decode("latin-1"))
        symbols = [one for one in ",".join(told.get("symbols", [])).split(",") if one]
        self._watch = Watch(key.account, symbols)
        self._start(self._speak(key))

    async def receive(
        self,
        text_data: str | None = None,
        bytes_data: bytes | None = None,  # noqa: ARG002
    ) -> None:
        """Note what a client has read. What can't be understood is passed over, as by the Gateway.

        The SDK sends such a frame for each that it is sent, so none of them is answered.
        """
        if len(text_data or "") > LONGEST:
            await self.end(TOO_BIG, "a message is at most 64 KiB")
            return
        try:
            told = json.loads(text_data or "null")
        except (ValueError, RecursionError):
            return
        if isinstance(told, dict) and told.get("type") == "event_ack" and self._watch:
            events = told.get("events_processed")
            self._watch.acknowledge(events if isinstance(events, list) else [])

    async def disconnect(self, code: int) -> None:  # noqa: ARG002
        self._is_closed = True

    async def end(self, code: int, why: str = "") -> None:
        """Close with a code, once."""
        if not self._is_closed:
            self._is_closed = True
            await self.close(code, why)

    async def _speak(self, key: ApiKey) -> None:
        try:
            async with following(key) as listener, asyncio.TaskGroup() as group:
                await listener.prepare()
                listener.go()
                group.create_task(self._watch_on())
                while True:
                    events = await listener.more(within=LOOK_AGAIN)
                    for frame in await _asked(partial(telling.frames, key.account, events)):
                        await self._say(frame)
        except* Ended as ended:
            first = ended.exceptions[0]
            code = getattr(first, "code", "")
            await self.end(CLOSED_WITH.get(code, TRY_AGAIN_LATER), str(first))
        except* DatabaseAway as error:
            log.warning("stream_unread", error=str(error.exceptions[0]))
            await self.end(TRY_AGAIN_LATER, AWAY.why)
        except* TimeoutError:
            await self.end(TOO_SLOW, "nothing was taken for 30 seconds")
        except* OSError:
            log.debug("stream_gone")  # its disconnect is on its way
        except* Exception:  # a client must not wait on a socket that nobody speaks through
            log.exception("stream_dropped")
            await self.end(FAULT_OF_OURS)

    async def _watch_on(self) -> None:
        """Tell alarms, how the broker is heard, and prices, beside what happens to orders."""
        if self._watch is None:
            return
        loop, watch = asyncio.get_running_loop(), self._watch
        opened = {"type": "connection", "event": "CONNECTED", "broker": watch.account.broker}
        await self._say(opened | _now())
        pinged_at = loop.time()
        while True:
            for frame in await _asked(watch.look):
                await self._say(frame)
            if loop.time() - pinged_at > PING_EVERY:
                pinged_at = loop.time()
                await self._say({"type": "ping"} | _now())
            await asyncio.sleep(LOOK_EVERY)

    async def _say(self, frame: Frame) -> None:
        if not self._is_closed:
            async with asyncio.timeout(TAKEN_WITHIN):
                await self.send(text_data=json.dumps(frame))

    def _start(self, work: Any) -> None:
        self._tasks.append(asyncio.create_task(work))


def _now() -> Frame:
    return {"timestamp": showing.moment(datetime.now(UTC))}


async def _asked(question: Callable[[], T]) -> T:
    """Ask PostgreSQL, or a broker, in a thread. Raises django.db.Error."""

    def ask() -> T:
        close_old_connections()
        try:
            return question()
        finally:
            close_old_connections()

    return await sync_to_async(ask, thread_sensitive=False)()


def _find(scope: Any) -> ApiKey | None:
    """Return the live key that a handshake shows, if it is one."""
    headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
    pair = of_headers(headers.get(b"authorization", ""), headers.get(b"x-api-key", ""))
    found = ApiKey.find(*pair) if pair else None
    if found is not None:
        note_use(found)
    return found


# Channels' own idiom, which Django's types do not know.
routes: list[Any] = [re_path(r"^gateway/+v1/ws$", EventSocket.as_asgi())]  # type: ignore[arg-type]
