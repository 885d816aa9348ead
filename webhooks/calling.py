"""Calls for a worker to take in what was kept: one call for a burst."""

from __future__ import annotations

import asyncio

from orders.ringing import ring
from webhooks.tasks import understand

RING_EVERY = 0.05  # seconds


class Bell:
    """The bell of one event loop."""

    def __init__(self) -> None:
        self._ringing: asyncio.Task[None] | None = None

    def ring(self) -> None:
        """Have what was kept until now taken in. Costs nothing while it rings already."""
        if self._ringing is None or self._ringing.done():
            self._ringing = asyncio.create_task(_ring_soon())

    async def close(self) -> None:
        """Wait for the last call to be made."""
        if self._ringing is not None:
            await self._ringing


async def _ring_soon() -> None:
    await asyncio.to_thread(ring, understand)
    await asyncio.sleep(RING_EVERY)
    await asyncio.to_thread(ring, understand)  # for what was kept while the first bell rang
