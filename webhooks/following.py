"""Follows one account's stream: connected, and connected again, each frame kept as it came.

A frame is kept before it counts as heard, and one that can't be kept yet holds up the next: then
the broker waits, or hangs up, and what was missed is asked for after the next connect.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import psycopg
import psycopg_pool
import structlog

from brokers import dialing
from brokers.dialing import Crowded, Lost, Mute, Unwelcome
from brokers.streams import BrokerStream, Heard, Step
from orders.models.stream import StreamState as State
from webhooks.keeping import Parcel
from webhooks.leasing import Errand, Standing

log = structlog.get_logger(__name__)

WAITING = 64  # frames not kept yet; then no more are read
BEHIND_AFTER = 5.0  # seconds that a frame waits to be kept; then the stream is not live
STEADY_AFTER = 60.0  # seconds of a connection that clear the record of failures
KEEP_AGAIN = 1.0  # seconds
PART_WITHIN = 5.0  # seconds at the end for what has been read to be kept

# Seconds to wait after so many failures in a row: the first, the most.
USUAL = (0.5, 30.0)
CROWDED = (5.0, 90.0)  # Alpaca takes that long to forget a connection that broke
UNWELCOME = (60.0, 900.0)  # a wrong key does not become right by asking, and may lock us out

CANNOT_KEEP = (psycopg.OperationalError, psycopg.InterfaceError, psycopg_pool.PoolTimeout, OSError)


class Keeps(Protocol):
    """What writes parcels down."""

    async def keep(self, parcel: Parcel) -> None: ...


class Speaks(Protocol):
    """An open connection."""

    @property
    def address(self) -> str: ...
    def frames(self) -> AsyncIterator[tuple[bytes, Heard]]: ...


class Dial(Protocol):
    """How a connection is opened. See `brokers.dialing.dial`."""

    def __call__(
        self, stream: BrokerStream, *, base_url: str, credentials: Mapping[str, str], after: str
    ) -> AbstractAsyncContextManager[Speaks]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a follower has of the world: tests turn its clock."""

    dial: Dial = dialing.dial
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random


def pause_after(why: Lost, failures: int, *, chance: float) -> float:
    """Return how many seconds to wait after so many failures in a row, `chance` from 0 to 1.

    Half of it is chance: what was lost together must not come back together.
    """
    match why:
        case Unwelcome():
            first, most = UNWELCOME
        case Crowded():
            first, most = CROWDED
        case _:
            first, most = USUAL
    longest = min(first * 2.0 ** min(failures - 1, 30), most)
    return longest * (1 + chance) / 2


class Follower:
    """Keeps one account's stream. Whoever runs it says when what was missed is known."""

    def __init__(
        self,
        errand: Errand,
        stream: BrokerStream,
        keeper: Keeps,
        *,
        changed: Callable[[], None],
        kept: Callable[[], None],
        world: World | None = None,
    ) -> None:
        self.errand = errand
        self.connection = 0  # the number of the one we have, or had last
        self.asked_at: datetime | None = None  # for what was missed before that moment
        self.asked_last_at: datetime | None = None  # for the same
        self.is_caught_up = False
        self._stream, self._keeper = stream, keeper
        self._changed, self._kept, self._world = changed, kept, world or World()
        self._is_connected = False
        self._why: Lost | None = None
        self._failures = 0
        self._error_at: datetime | None = None
        self._retry_at: datetime | None = None
        self._heard_at: datetime | None = None
        self._event_id = self._after = errand.event_id
        self._waiting: asyncio.Queue[tuple[Parcel, Heard]] = asyncio.Queue(WAITING)
        self._waits_since: float | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin, on the running event loop."""
        self._tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._write())]

    async def stop(self) -> None:
        """Hang up, and keep what was read until now if that is quickly done."""
        following, writing = self._tasks
        await _cancel(following)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._waiting.join(), PART_WITHIN)
        await _cancel(writing)
        self._is_connected = False

    @property
    def is_connected(self) -> bool:
        """Whether the broker tells its news."""
        return self._is_connected

    def note_asked(self, connection: int, at: datetime) -> None:
        """Note that what a connection may have missed is asked for then, perhaps once more."""
        if connection == self.connection:
            self.asked_at = self.asked_at or at
            self.asked_last_at = at

    def note_caught_up(self, connection: int) -> None:
        """Note that all that was missed before a connection is known."""
        if connection == self.connection and self._is_connected and not self.is_caught_up:
            self.is_caught_up = True
            self._changed()

    def standing(self) -> Standing:
        """Return how the stream does."""
        return Standing(
            state=self._state(),
            heard_at=self._heard_at,
            event_id=self._event_id,
            connects=self.connection,
            failures=0 if self._is_connected else self._failures,
            error=str(self._why or ""),
            error_at=self._error_at,
            retry_at=None if self._is_connected else self._retry_at,
        )

    def _state(self) -> State:
        if not self._is_connected:
            return State.UNAUTHORIZED if isinstance(self._why, Unwelcome) else State.OFFLINE
        waits = self._waits_since
        is_behind = waits is not None and self._world.clock() - waits > BEHIND_AFTER
        return State.LIVE if self.is_caught_up and not is_behind else State.DELAYED

    async def _follow(self) -> None:
        while True:
            connected_at: float | None = None
            try:
                if self.errand.flaw:
                    raise Unwelcome(self.errand.flaw)
                async with self._world.dial(
                    self._stream,
                    base_url=self.errand.base_url,
                    credentials=self.errand.credentials,
                    after=self._after,
                ) as line:
                    connected_at = self._world.clock()
                    self._note_connected()
                    await self._read(line)
            except Lost as error:
                why = error
            except Exception as error:
                log.exception("stream_failed", account=str(self.errand.account_id))
                why = Lost(f"Something is wrong on our side: {error!r}")
            if connected_at is not None and self._world.clock() - connected_at > STEADY_AFTER:
                self._failures = 0
            pause = self._note_lost(why)
            await self._world.sleep(pause)

    async def _read(self, line: Speaks) -> None:
        """Hand on every frame that tells something. Raises Lost when the connection ends."""
        headers = {"verified-by": f"our own connection to {line.address}"}
        async for payload, heard in line.frames():
            if heard.step is Step.COMPLAINT:
                log.warning("stream_complains", account=str(self.errand.account_id), why=heard.says)
            if heard.step is not Step.TOLD:
                continue
            if heard.says:
                log.error("frame_unreadable", account=str(self.errand.account_id), why=heard.says)
            parcel = Parcel(
                endpoint_id=self.errand.endpoint_id,
                delivery_id=heard.name,
                headers=headers,
                body=payload,
                received_at=datetime.now(UTC),
            )
            await self._waiting.put((parcel, heard))

    async def _write(self) -> None:
        """Keep what was read, for as long as it takes: many at once if many wait."""
        while True:
            batch = [await self._waiting.get()]
            while not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            self._waits_since = self._world.clock()
            await asyncio.gather(*(self._keep(parcel) for parcel, _ in batch))
            self._waits_since = None
            for parcel, heard in batch:
                self._heard_at = parcel.received_at
                self._event_id = self._after = heard.event_id or self._event_id
                self._waiting.task_done()
            self._kept()

    async def _keep(self, parcel: Parcel) -> None:
        while True:
            try:
                await self._keeper.keep(parcel)
            except CANNOT_KEEP as error:
                log.warning("frame_not_kept_yet", frame=parcel.delivery_id, error=repr(error))
                await self._world.sleep(KEEP_AGAIN)
            except psycopg.Error:
                # The database takes none like it, now or ever. What it told can be asked for.
                log.exception("frame_not_kept", frame=parcel.delivery_id)
                self.asked_at = self.asked_last_at = None
                self.is_caught_up = False
                return
            else:
                return

    def _note_connected(self) -> None:
        self.connection += 1
        self._is_connected = True
        self.asked_at = self.asked_last_at = None
        self.is_caught_up = False
        log.info("stream_connected", account=str(self.errand.account_id), number=self.connection)
        self._changed()

    def _note_lost(self, why: Lost) -> float:
        """Note that there is no connection, and return for how many seconds to leave it so."""
        self._failures += 1
        if isinstance(why, Mute):
            self._after = ""  # it may be what was not liked; what was missed is asked for anyhow
        pause = pause_after(why, self._failures, chance=self._world.chance())
        now = datetime.now(UTC)
        self._is_connected, self._why = False, why
        self._error_at, self._retry_at = now, now + timedelta(seconds=pause)
        say = log.error if isinstance(why, Unwelcome) else log.warning
        say(
            "stream_lost",
            account=str(self.errand.account_id),
            why=str(why),
            failures=self._failures,
            again_in=round(pause, 1),
        )
        self._changed()
        return pause


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("follower_failed", error=repr(error))
