"""Hears the desk's nudges: one subscription for all accounts, held open for as long as it takes.

A nudge is no news. Whoever hears none is late by a few seconds, and never wrong.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from orders.announcing import channel_of

log = structlog.get_logger(__name__)

CONNECT_WITHIN = 1.0  # seconds
QUIET = 2.0  # seconds without a word, after which Redis is asked for one
DEAD = 6.0  # seconds without a word, after which the connection is given up
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds between attempts to connect


class Nudges:
    """The desk's nudges, passed on as (account, sequence), and whether they can be heard at all."""

    def __init__(self, *, nudged: Callable[[UUID, int], None], turned: Callable[[], None]) -> None:
        self.are_heard = False
        self.settled = asyncio.Event()  # the first attempt to connect has ended, either way
        self._nudged = nudged
        self._turned = turned  # called whenever `are_heard` has changed

    async def listen(self) -> None:
        """Pass nudges on until cancelled, connecting anew whenever the connection is lost."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self._listen_once()
            except Exception as error:  # noqa: BLE001 — whatever ends it, it must begin again
                if self.are_heard or not self.settled.is_set():
                    log.warning("nudges_unheard", error=repr(error))
                if self.are_heard:
                    pause = FIRST_PAUSE
                self._turn(are_heard=False)
            # Jittered, so that a Redis that comes back is not met by every process at once.
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 — no secret
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _listen_once(self) -> None:
        # Without redis-py's own retries: those would wait in silence where pages must be told.
        client = Redis.from_url(
            settings.REDIS.client,
            socket_connect_timeout=CONNECT_WITHIN,
            retry=Retry(NoBackoff(), 0),
        )
        async with client, client.pubsub() as subscription:
            await subscription.psubscribe(channel_of("*"))
            heard_at = time.monotonic()
            while time.monotonic() - heard_at < DEAD:
                message = await subscription.get_message(timeout=QUIET)
                if message is None:
                    await subscription.ping()
                    continue
                heard_at = time.monotonic()
                self._take(message)
        raise ConnectionError(f"Redis said nothing for {DEAD:.0f} s.")

    def _take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "psubscribe":
                self._turn(are_heard=True)
            case "pmessage":
                try:
                    account_id = UUID(message["channel"].decode().rpartition(".")[2])
                    sequence = int(json.loads(message["data"])["sequence"])
                except (ValueError, TypeError, KeyError):
                    log.warning("nudge_unreadable", channel=message["channel"])
                    return
                self._nudged(account_id, sequence)

    def _turn(self, *, are_heard: bool) -> None:
        changed, self.are_heard = are_heard != self.are_heard, are_heard
        self.settled.set()
        if changed:
            self._turned()
