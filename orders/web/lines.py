"""What waits to be sent to one open page. Bounded: a page too slow for it is told to start over."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from uuid import UUID

from orders.web.frames import STALE
from orders.web.rereading import Visitor

LONGEST = 100  # frames; whoever is further behind is better served by fetching the page again


class Line:
    """One open page, as the hub sees it: iterate over it to get its frames, in their order."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.seats: Mapping[
            UUID, bool
        ] = {}  # the accounts it hears of, and whether it may trade in them
        self.closed_with: int | None = None
        self._frames: deque[str] = deque()
        self._news = asyncio.Event()

    def put(self, *frames: str) -> None:
        """Add frames that only make sense together: all of them will be sent, or STALE."""
        if len(self._frames) + len(frames) > LONGEST:
            self.start_over()
            return
        self._frames.extend(frames)
        self._news.set()

    def start_over(self) -> None:
        """Drop whatever waits, and have the page fetch what it shows again."""
        self._frames.clear()
        self._frames.append(STALE)
        self._news.set()

    def hang_up(self, code: int) -> None:
        """End it: nothing that waits is sent any more."""
        self.closed_with = code
        self._frames.clear()
        self._news.set()

    def __aiter__(self) -> Line:
        return self

    async def __anext__(self) -> str:
        while not self._frames:
            if self.closed_with is not None:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._frames.popleft()
