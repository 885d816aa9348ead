"""An open page's end of the socket."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client

from config.asgi import application

Frame = dict[str, Any]
PATIENCE = 8.0  # seconds; the machine may be busy, and none of these tests measures speed


class Page:
    """What a browser would hear."""

    def __init__(
        self, session_key: str | None, *, origin: str = "http://testserver", path: str = "/live/"
    ) -> None:
        cookie = f"{settings.SESSION_COOKIE_NAME}={session_key}" if session_key else ""
        headers = [(b"host", b"testserver"), (b"origin", origin.encode())]
        headers.append((b"cookie", cookie.encode()))
        self._reads = asyncio.Event()
        self._reads.set()
        self.socket = WebsocketCommunicator(self._application, path, headers=headers)
        self.hello: Frame = {}

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_when_read(message: Any) -> None:
            await self._reads.wait()
            await send(message)

        await application(scope, receive, send_when_read)

    def stop_reading(self) -> Callable[[], None]:
        """Let whoever sends to this page wait, until what is returned is called."""
        self._reads.clear()
        return self._reads.set

    async def next(
        self, kind: str, matching: Callable[[Frame], bool] = lambda frame: True
    ) -> Frame:
        """Return the next frame of a kind that matches, past all others."""
        deadline = time.monotonic() + PATIENCE
        while True:
            frame: Frame = json.loads(
                await self.socket.receive_from(timeout=deadline - time.monotonic())
            )
            if frame["type"] == kind and matching(frame):
                return frame

    async def closed_with(self) -> int:
        """Return the code it is closed with, past all frames."""
        while True:
            said = await self.socket.receive_output(timeout=PATIENCE)
            if said["type"] == "websocket.close":
                return int(said["code"])

    async def heard(self, *, within: float) -> list[Frame]:
        """Return all that comes in a while."""
        await asyncio.sleep(within)
        frames = []
        while not self.socket.output_queue.empty():
            said = self.socket.output_queue.get_nowait()
            frames.append(json.loads(said["text"]) if "text" in said else said)
        return frames


@asynccontextmanager
async def opened(user: Any) -> AsyncIterator[Page]:
    """Open a page as somebody who is signed in, and wait until it is told where it stands."""
    page = Page(await session_of(user))
    accepted, _ = await page.socket.connect(timeout=PATIENCE)
    assert accepted
    try:
        page.hello = await page.next("hello")
        yield page
    finally:
        await page.socket.disconnect(timeout=PATIENCE)


@database_sync_to_async
def session_of(user: Any) -> str:
    """Sign somebody in and return their session's key."""
    client = Client()
    client.force_login(user)
    key = client.session.session_key
    assert key
    return key
