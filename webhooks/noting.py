"""Notes what a door sees beside the deliveries it keeps: which secret signed, what was turned away.

Written a few seconds later, all together and off the event loop. So a flood of
forged deliveries costs a transaction each round, and none each request; and a
secret in steady use is written down once a minute. What is noted and not yet
written is lost with the process: a broker repeats what it was not told was taken.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from uuid import UUID

import structlog
from django.db import connections

from orders import timing
from webhooks import quarantining, trusting
from webhooks.quarantining import Stray, TurnedAway

log = structlog.get_logger(__name__)

EVERY = 2.0  # seconds
USED_EVERY = 60.0  # seconds; a use is shown at once, the next ones within a minute


@dataclass(slots=True)
class _Page:
    """What was noted in one round."""

    used: dict[int, datetime] = field(default_factory=dict)  # by secret
    turned_away: dict[UUID, TurnedAway] = field(default_factory=lambda: defaultdict(TurnedAway))

    def __bool__(self) -> bool:
        return bool(self.used or self.turned_away)


class Notes:
    """One event loop's notes. Close them when it ends."""

    def __init__(self) -> None:
        self._page = _Page()
        self._used_at: dict[int, float] = {}  # by secret, on our own clock: its last use written
        self._writing: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def used(self, secret_id: int, at: datetime) -> None:
        """Note that a secret signed a delivery."""
        self._page.used[secret_id] = at
        self._write_soon()

    def turned_away(self, stray: Stray) -> None:
        """Note a delivery that no active secret signed."""
        self._page.turned_away[stray.endpoint_id].add(stray)
        self._write_soon()

    async def close(self) -> None:
        """Write down what is left."""
        self._closing.set()
        if self._writing is not None:
            await self._writing

    def _write_soon(self) -> None:
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._page:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), EVERY)
            if not (page := self._due()):
                continue
            try:
                await asyncio.to_thread(_write, page)
            except Exception as error:  # noqa: BLE001 — whatever it was, the next round comes
                log.warning("notes_lost", error=repr(error))

    def _due(self) -> _Page:
        """Take what is to be written now off the page, and leave on it what can wait."""
        page, now = self._page, time.monotonic()
        self._page = _Page()
        if self._closing.is_set():
            return page
        for secret_id in [*page.used]:
            if now - self._used_at.get(secret_id, -inf) < USED_EVERY:
                self._page.used[secret_id] = page.used.pop(secret_id)
            else:
                self._used_at[secret_id] = now
        return page


def _write(page: _Page) -> None:
    try:
        if page.used:
            trusting.note_used(page.used)
        if page.turned_away:
            quarantining.quarantine(page.turned_away, now=timing.database_now())
    finally:
        connections.close_all()  # this thread may not come here again
