"""The socket of an open page, at /live/. It speaks, and has nothing to be told."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import structlog
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error as DatabaseAway
from django.urls import path

from orders.web.hub import SIGNED_OUT, watching
from orders.web.rereading import Visitor

log = structlog.get_logger(__name__)

NOTHING_TO_SAY = 4400
TRY_AGAIN_LATER = 1013
FAULT_OF_OURS = 1011


class PageSocket(AsyncWebsocketConsumer):
    """One open page, told of the accounts granted to its person for as long as they are."""

    # No layer: it would cost every page a subscription of its own, and refuse pages without Redis.
    channel_layer_alias = "none"

    _speaking: asyncio.Task[None] | None = None
    _is_closed = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one page; the hub forgets it however this ends."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._stop_speaking()

    async def connect(self) -> None:
        # Accepted first, even if only to be closed: a browser is not told why it was refused.
        await self.accept()
        user: Any = self.scope["user"]
        session: Any = self.scope["session"]
        if not user.is_authenticated:
            await self.end(SIGNED_OUT)
            return
        visitor = Visitor(
            user_id=user.pk,
            session_key=session.session_key,
            password_seal=user.get_session_auth_hash(),
        )
        self._speaking = asyncio.create_task(self._speak(visitor))

    async def websocket_receive(self, message: Any) -> None:  # noqa: ARG002 — whatever it is
        """Close: a page of ours says nothing, so this is not one."""
        await self._stop_speaking()
        await self.end(NOTHING_TO_SAY)

    async def disconnect(self, code: int) -> None:  # noqa: ARG002
        self._is_closed = True
        await self._stop_speaking()

    async def end(self, code: int) -> None:
        """Close with a code, once."""
        if not self._is_closed:
            self._is_closed = True
            await self.close(code)

    async def _speak(self, visitor: Visitor) -> None:
        try:
            async with watching(visitor) as line:
                async for frame in line:
                    await self.send(text_data=frame)
            await self.end(line.closed_with or SIGNED_OUT)
        except DatabaseAway as error:
            log.warning("page_not_admitted", error=str(error))
            await self.end(TRY_AGAIN_LATER)
        except OSError:
            log.debug("page_gone")  # its disconnect is on its way
        except Exception:  # a page must not wait on a socket that nobody speaks through
            log.exception("page_dropped")
            await self.end(FAULT_OF_OURS)

    async def _stop_speaking(self) -> None:
        if self._speaking is None:
            return
        self._speaking.cancel()
        with suppress(asyncio.CancelledError):
            await self._speaking
        self._speaking = None


# Channels' own idiom, which Django's types do not know.
routes: list[Any] = [path("live/", PageSocket.as_asgi())]  # type: ignore[arg-type]
