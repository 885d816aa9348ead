"""A client's end of the events over HTTP, line by line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

from asgiref.testing import ApplicationCommunicator

from config.asgi import application
from tests.api.alpaca.conftest import Bot
from tests.api.alpaca.streaming.wire import PATIENCE, Frame


class Lines:
    """What one client reads."""

    def __init__(self, bot: Bot, **asked: str) -> None:
        headers = [(name.lower().encode(), value.encode()) for name, value in bot.headers.items()]
        self._reads = asyncio.Event()
        self._reads.set()
        self.http = ApplicationCommunicator(
            self._application,
            {
                "type": "http",
                "http_version": "1.1",
                "method": "GET",
                "scheme": "http",
                "path": "/alpaca/v2/events/trades",
                "raw_path": b"/alpaca/v2/events/trades",
                "root_path": "",
                "query_string": urlencode(asked).encode(),
                "headers": [(b"host", b"testserver"), *headers],
                "server": ("testserver", 80),
                "client": ("127.0.0.1", 1),
            },
        )
        self.status = 0
        self.headers: dict[str, str] = {}
        self._left = ""
        self.comments: list[str] = []

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_when_read(message: Any) -> None:
            await self._reads.wait()
            await send(message)

        await application(scope, receive, send_when_read)

    def stop_reading(self) -> Any:
        self._reads.clear()
        return self._reads.set

    async def begin(self) -> None:
        await self.http.send_input({"type": "http.request", "body": b"", "more_body": False})
        told = await self.http.receive_output(timeout=PATIENCE)
        self.status = told["status"]
        self.headers = {name.decode().lower(): value.decode() for name, value in told["headers"]}

    async def line(self, *, within: float = PATIENCE) -> str | None:
        """Return the next line that says something, or None if it has ended."""
        while "\n\n" not in self._left:
            told = await self.http.receive_output(timeout=within)
            self._left += told.get("body", b"").decode()
            if not told.get("more_body") and "\n\n" not in self._left:
                return None
        line, _, self._left = self._left.partition("\n\n")
        return line

    async def event(self) -> Frame | None:
        """Return the next event, or None if there are no more."""
        while (line := await self.line()) is not None:
            if line.startswith(":"):
                self.comments.append(line)
                continue
            word, _, told = line.partition(": ")
            assert word == "data"
            frame: Frame = json.loads(told)
            return frame
        return None

    async def events(self, count: int) -> list[Frame]:
        told = [await self.event() for _ in range(count)]
        assert None not in told, self.comments
        return [one for one in told if one is not None]

    async def rest(self) -> list[Frame]:
        """Return all that comes until it ends."""
        told = []
        while (event := await self.event()) is not None:
            told.append(event)
        return told


@asynccontextmanager
async def reading(bot: Bot, **asked: str) -> AsyncIterator[Lines]:
    """Ask for events, and leave in the end, whether they have ended or not."""
    lines = Lines(bot, **asked)
    await lines.begin()
    try:
        assert lines.status == 200
        assert lines.headers["content-type"] == "text/event-stream"
        assert await lines.line() == ":connected"
        yield lines
    finally:
        await lines.http.send_input({"type": "http.disconnect"})
        await lines.http.wait(timeout=PATIENCE)
