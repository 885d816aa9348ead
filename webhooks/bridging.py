"""The stream bridge: one process, one event loop, every account's stream that is ours to keep.

Round by round, in one thread that speaks to the database: renew the lease, write down how each
stream does, and see whether what was missed is known. When the lease can't be renewed in time,
every connection is given up before another process may take it.
"""

from __future__ import annotations

import asyncio
import time
from asyncio import FIRST_COMPLETED
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import structlog
from django.db import Error as DatabaseTrouble
from django.db import connections

from brokers import registry
from orders import recording, timing
from webhooks import leasing
from webhooks.calling import Bell
from webhooks.following import Follower, World
from webhooks.keeping import Keeper
from webhooks.leasing import LEASE, Errand, Standing

log = structlog.get_logger(__name__)

ROUND = 2.0  # seconds; changes are told at once
SOON = 0.5  # seconds to the next round while something missed is not known yet
LEAVE_WITHIN = 5.0  # seconds for the database to hear that we leave
SPARE = 3.0  # seconds of the lease kept back for hanging up
ASK_AGAIN = timedelta(seconds=10)  # a round of reading that began too early may swallow ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """What one connection may have missed before a moment, and when it was asked for last."""

    connection: int
    before: datetime | None
    asked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a round came to: what is ours, and by account what is known of what was missed."""

    errands: Mapping[UUID, Errand]
    asked: Mapping[UUID, Missed]
    caught_up: Mapping[UUID, Missed]


@dataclass(slots=True)
class Bridge:
    """Every stream of this process. Run it until it is stopped."""

    holder: UUID = field(default_factory=uuid4)
    world: World = field(default_factory=World)
    round: float = ROUND
    followers: dict[UUID, Follower] = field(default_factory=dict)
    _reported: dict[UUID, int] = field(default_factory=dict)  # connects, by account
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _bell: Bell = field(default_factory=Bell)
    _database: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(max_workers=1, thread_name_prefix="leasing")
    )
    _good_until: float = 0.0  # on our own clock: nobody else keeps our streams until then

    def stop(self) -> None:
        """Have `run` end: every connection closed, what was read kept, the lease given up."""
        self._stopping.set()
        self._news.set()

    async def run(self, *, ready: asyncio.Event | None = None) -> None:
        """Keep streams until somebody calls `stop`. Sets `ready` after the first round."""
        keeper = await Keeper.open()
        try:
            while not self._stopping.is_set():
                self._news.clear()
                await self._take_round(keeper)
                if ready is not None:
                    ready.set()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), self._pause())
        finally:
            await self._leave(keeper)

    def _pause(self) -> float:
        is_settled = all(
            one.is_caught_up or not one.is_connected for one in self.followers.values()
        )
        return self.round if is_settled else min(self.round, SOON)

    async def _take_round(self, keeper: Keeper) -> None:
        began = time.monotonic()
        standings = {account_id: self._standing(one) for account_id, one in self.followers.items()}
        missed = {
            account_id: Missed(
                connection=one.connection, before=one.asked_at, asked_at=one.asked_last_at
            )
            for account_id, one in self.followers.items()
            if one.is_connected and not one.is_caught_up
        }
        asking = asyncio.get_running_loop().run_in_executor(
            self._database, _ask, self.holder, standings, missed
        )
        known = await self._answer(asking)
        if known is None:
            return
        self._good_until = began + LEASE.total_seconds() - SPARE
        for account_id, standing in standings.items():
            self._reported[account_id] = self._reported.get(account_id, 0) + standing.connects
        await self._follow(known.errands, keeper)
        for account_id, told in known.asked.items():
            if told.asked_at is not None and account_id in self.followers:
                self.followers[account_id].note_asked(told.connection, told.asked_at)
        for account_id, told in known.caught_up.items():
            if account_id in self.followers:
                self.followers[account_id].note_caught_up(told.connection)

    async def _answer(self, asking: asyncio.Future[Known]) -> Known | None:
        """Return what the database says, or None if it doesn't, or if we are to stop.

        Hangs up everywhere before the lease is over.
        """
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            while not asking.done() and not stopping.done():
                left = max(self._good_until - time.monotonic(), 0) if self.followers else None
                waiting: set[asyncio.Future[Any]] = {asking, stopping}
                await asyncio.wait(waiting, timeout=left, return_when=FIRST_COMPLETED)
                if self.followers and time.monotonic() >= self._good_until:
                    await self._give_up()
        finally:
            stopping.cancel()
        if not asking.done():
            return None
        try:
            return asking.result()
        except DatabaseTrouble as error:
            log.warning("streams_not_reported", error=repr(error))
            return None

    async def _give_up(self) -> None:
        log.error("streams_given_up", why="the database did not renew our lease")
        await self._drop(list(self.followers))

    async def _follow(self, errands: Mapping[UUID, Errand], keeper: Keeper) -> None:
        """Begin, end and begin again what the errands say."""
        over = [
            account_id
            for account_id, one in self.followers.items()
            if errands.get(account_id) != one.errand
        ]
        await self._drop(over)
        if over:
            self._news.set()  # their rows still say how the connections did that we hung up
        for account_id, errand in errands.items():
            stream = registry.BROKERS[errand.broker].stream
            if account_id in self.followers or stream is None:
                continue
            follower = Follower(
                errand,
                stream,
                keeper,
                changed=self._news.set,
                kept=self._bell.ring,
                world=self.world,
            )
            self.followers[account_id] = follower
            follower.start()

    async def _drop(self, account_ids: list[UUID]) -> None:
        dropped = [self.followers.pop(account_id) for account_id in account_ids]
        await asyncio.gather(*(follower.stop() for follower in dropped))
        for account_id in account_ids:
            self._reported.pop(account_id, None)

    def _standing(self, follower: Follower) -> Standing:
        told = follower.standing()
        reported = self._reported.get(follower.errand.account_id, 0)
        return replace(told, connects=told.connects - reported)

    async def _leave(self, keeper: Keeper) -> None:
        await self._drop(list(self.followers))
        await self._bell.close()
        await keeper.close()
        leaving = asyncio.get_running_loop().run_in_executor(self._database, _release, self.holder)
        try:
            await asyncio.wait_for(leaving, LEAVE_WITHIN)
        except (DatabaseTrouble, TimeoutError) as error:
            log.warning("streams_not_released", error=repr(error))  # they are free soon anyhow
        self._database.shutdown(wait=False)


def _ask(holder: UUID, standings: Mapping[UUID, Standing], missed: Mapping[UUID, Missed]) -> Known:
    """Renew what is ours, write down how it does, and see to what was missed."""
    try:
        errands = {errand.account_id: errand for errand in leasing.claim(holder)}
        leasing.report(holder, standings)
        asked: dict[UUID, Missed] = {}
        caught_up: dict[UUID, Missed] = {}
        for account_id, told in missed.items():
            if account_id not in errands:
                continue
            now = timing.database_now()
            if told.before is not None and not recording.has_missed(account_id, before=told.before):
                caught_up[account_id] = told
            elif told.asked_at is None or now - told.asked_at >= ASK_AGAIN:
                recording.ask_for_missed(account_id, now=now)
                asked[account_id] = replace(told, asked_at=now)
        return Known(errands=errands, asked=asked, caught_up=caught_up)
    except DatabaseTrouble:
        connections.close_all()
        raise


def _release(holder: UUID) -> None:
    try:
        leasing.release(holder)
    finally:
        connections.close_all()
