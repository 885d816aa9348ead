"""Alpaca's socket: authenticate, listen, and be told of every order of the key's account."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import structlog
from asgiref.sync import sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error as DatabaseAway
from django.db import close_old_connections
from django.urls import re_path

from orders.api.alpaca.streaming import recalling, speaking
from orders.api.alpaca.streaming.following import AWAY, following
from orders.api.alpaca.streaming.listening import Ended, Listener
from orders.api.alpaca.streaming.narrating import RARE
from orders.api.alpaca.streaming.numbering import Place
from orders.api.alpaca.streaming.recalling import Event, NoSuchEvent
from orders.api.alpaca.streaming.speaking import Asked, Unreadable
from orders.api.authenticating import note_use
from orders.models import ApiKey

log = structlog.get_logger(__name__)

UPDATES, CORRECTIONS = "trade_updates", "trade_corrections"
STREAMS = (UPDATES, CORRECTIONS)
AUTHENTICATE_WITHIN = 10.0  # seconds
MOST_TRIES = 10  # frames that ask for nothing we do, or not by a live key
TAKEN_WITHIN = 30.0  # seconds for one frame: who takes none for so long is gone
LOOK_AGAIN = 60.0  # seconds; a quiet account is no reason to do anything

GONE_AWAY, TOO_BIG, FAULT_OF_OURS, TRY_AGAIN_LATER = 1001, 1009, 1011, 1013
NOT_UNDERSTOOD, UNAUTHORIZED, TOO_SLOW = 4400, 4401, 4408
CLOSED_WITH = {"revoked": UNAUTHORIZED, "too_slow": TOO_SLOW, "away": TRY_AGAIN_LATER}


class TradeSocket(AsyncWebsocketConsumer):
    """One client, told of its account for as long as its key is live."""

    # No layer: it would cost every client a subscription of its own, and refuse them without Redis.
    channel_layer_alias = "none"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._key: ApiKey | None = None
        self._listener: Listener | None = None
        self._streams: list[str] = []
        self._speaks_packed = self._asked_for_packed = False
        self._tries = 0
        self._last_id = ""
        self._is_closed = False
        self._admitted = asyncio.Event()
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
        headers = dict(self.scope["headers"])
        told = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        self._asked_for_packed = self._speaks_packed = told == b"application/msgpack"
        await self.accept()
        self._start(self._await_authentication())

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Answer a frame. Whatever is in it, the answer is one that a client can read."""
        try:
            await self._receive(text_data, bytes_data)
        except DatabaseAway as error:
            log.warning("stream_unanswered", error=str(error))
            await self._finish(AWAY)
        except Ended as error:
            await self._finish(error)
        except OSError:
            log.debug("stream_gone")  # its disconnect is on its way
        except Exception:
            log.exception("stream_failed")
            await self.end(FAULT_OF_OURS)

    async def disconnect(self, code: int) -> None:  # noqa: ARG002
        self._is_closed = True

    async def end(self, code: int, why: str = "") -> None:
        """Close with a code, once."""
        if not self._is_closed:
            self._is_closed = True
            await self.close(code, why)

    # --- What it is asked ---

    async def _receive(self, text: str | None, binary: bytes | None) -> None:
        if self._is_closed:
            return
        if len(binary or b"") > speaking.LONGEST or len(text or "") > speaking.LONGEST:
            await self.end(TOO_BIG, "a message is at most 4096 bytes")
            return
        try:
            asked = speaking.read(text, binary)
        except Unreadable as error:
            await self._decline(str(error))
            return
        self._speaks_packed = asked.packed or self._asked_for_packed
        match asked.action:
            case "authenticate" | "auth":
                await self._authenticate(asked)
            case "listen" if self._key is None:
                await self._authorization("unauthorized", action="listen")
            case "listen":
                await self._listen(asked)
            case _:
                await self._decline("action must be authenticate or listen")

    async def _authenticate(self, asked: Asked) -> None:
        key = await sync_to_async(_find)(
            asked.data.get("key_id", asked.data.get("key")),
            asked.data.get("secret_key", asked.data.get("secret")),
        )
        if key is None or (self._key is not None and key.pk != self._key.pk):
            await self._authorization("unauthorized", action="authenticate")
            return
        if self._key is None:
            self._key = key
            self._start(self._speak(key))
            await self._admitted.wait()
        self._tries = 0
        await self._authorization("authorized", action="authenticate")

    async def _authorization(self, status: str, *, action: str) -> None:
        await self._say("authorization", {"status": status, "action": action})
        if status == "unauthorized":
            await self._count()

    async def _listen(self, asked: Asked) -> None:
        """Change what it listens to: the list replaces the one before, [] is for nothing."""
        wanted = asked.data.get("streams")
        if not isinstance(wanted, list) or not all(isinstance(name, str) for name in wanted):
            await self._decline("streams must be a list of names")
            return
        listener = self._listener
        if listener is None:
            return  # it is being closed
        since = asked.data.get("since_id")
        streams = [name for name in STREAMS if name in wanted]
        is_new = bool(streams) and (since is not None or not self._streams)
        if is_new:
            try:
                await self._prepare(listener, since)
            except NoSuchEvent:
                await self._decline("since_id is not the id of an event of this account")
                return
        self._streams, self._tries = streams, 0
        await self._say("listening", {"streams": streams})
        if is_new:
            listener.go()
        elif not streams:
            listener.rest()

    async def _prepare(self, listener: Listener, since: object) -> None:
        place = None
        if since is not None:
            if not isinstance(since, str):
                raise NoSuchEvent(since)
            place = await sync_to_async(_ask_place)(listener.account_id, since)
        await listener.prepare(place)

    async def _decline(self, why: str) -> None:
        await self._say("error", {"error": why, "code": "invalid_message"})
        await self._count()

    async def _count(self) -> None:
        """Close on whoever goes on asking for what is not to be had."""
        self._tries += 1
        if self._tries >= MOST_TRIES:
            await self.end(NOT_UNDERSTOOD, "too many messages that ask for nothing")

    async def _await_authentication(self) -> None:
        await asyncio.sleep(AUTHENTICATE_WITHIN)
        if self._key is None:
            await self._authorization("unauthorized", action="authenticate")
            await self.end(UNAUTHORIZED, "authenticate within 10 seconds")

    # --- What it is told ---

    async def _speak(self, key: ApiKey) -> None:
        try:
            async with following(key) as listener:
                self._listener = listener
                self._admitted.set()
                while True:
                    events = await listener.more(within=LOOK_AGAIN)
                    turn = listener.turn
                    for event in events:
                        if listener.turn == turn:
                            await self._tell(event)
        except Ended as error:
            await self._finish(error)
        except DatabaseAway as error:
            log.warning("stream_unread", error=str(error))
            await self._finish(AWAY)
        except TimeoutError:
            await self.end(TOO_SLOW, "nothing was taken for 30 seconds")
        except OSError:
            log.debug("stream_gone")  # its disconnect is on its way
        except Exception:  # a client must not wait on a socket that nobody speaks through
            log.exception("stream_dropped")
            await self.end(FAULT_OF_OURS)
        finally:
            self._listener = None
            self._admitted.set()

    async def _tell(self, event: Event) -> None:
        is_wanted = self._corrects if event.name in RARE else UPDATES in self._streams
        if is_wanted:
            async with asyncio.timeout(TAKEN_WITHIN):
                await self._say(UPDATES, event.said)
        self._last_id = event.said["event_id"]

    @property
    def _corrects(self) -> bool:
        """Whether it wants the events that not every client can read: by a stream's name, or,
        where a client has no way to ask for one, in the address."""
        asked = parse_qs(self.scope["query_string"].decode("latin-1"))
        return CORRECTIONS in self._streams or (
            UPDATES in self._streams and asked.get("corrections", [""])[-1].lower() == "true"
        )

    async def _finish(self, ended: Ended) -> None:
        """Say why it ends and how to go on, and close."""
        if self._is_closed:
            return
        is_revoked = ended.code == "revoked"
        said = {"error": ended.why, "code": ended.code, "last_event_id": self._last_id or None}
        with suppress(TimeoutError):
            # One whose key is taken back is not waited for.
            async with asyncio.timeout(1.0 if is_revoked else TAKEN_WITHIN):
                if is_revoked:
                    await self._authorization("unauthorized", action="authenticate")
                await self._say("error", said)
        await self.end(CLOSED_WITH.get(ended.code, GONE_AWAY), ended.why)

    async def _say(self, stream: str, data: dict[str, Any]) -> None:
        if self._is_closed:
            return
        frame = speaking.written(stream, data, packed=self._speaks_packed)
        if isinstance(frame, bytes):
            await self.send(bytes_data=frame)
        else:
            await self.send(text_data=frame)

    def _start(self, work: Any) -> None:
        self._tasks.append(asyncio.create_task(work))


def _find(key: object, secret: object) -> ApiKey | None:
    """Return the live key that somebody shows, if it is one."""
    if not isinstance(key, str) or not isinstance(secret, str) or not key.isascii():
        return None
    close_old_connections()
    try:
        found = ApiKey.find(key, secret)
        if found is not None:
            note_use(found)
        return found
    finally:
        close_old_connections()


def _ask_place(account_id: UUID, event_id: str) -> Place:
    close_old_connections()
    try:
        return recalling.place_of(account_id, event_id)
    finally:
        close_old_connections()


# Channels' own idiom, which Django's types do not know.
routes: list[Any] = [re_path(r"^alpaca/+stream$", TradeSocket.as_asgi())]  # type: ignore[arg-type]
