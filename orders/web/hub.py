"""Tells every page open in this process what changes: each change is read and drawn once.

One hub per process and event loop, there while a page is open. It hears nudges,
and every two seconds asks PostgreSQL by itself how things stand: who may still
see what, and how far each account has come. So a page is never wrong for long:
not without Redis, not after a nudge was lost, not after a grant was taken away.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, ParamSpec, TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

import structlog
from asgiref.sync import sync_to_async
from django.db import Error as DatabaseAway
from django.db import close_old_connections
from django.utils import timezone

from orders.nudges import Nudges
from orders.web import frames, rereading
from orders.web.lines import Line
from orders.web.rereading import Changes, Visitor

log = structlog.get_logger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

BEAT = 2.0  # seconds; a page that hears nothing for 5 says so
READERS = 2  # threads and connections, however many pages
TRUSTED = 5.0  # seconds for which what was read of grants and sessions may be acted on
SETTLED_WITHIN = 0.5  # seconds the first page waits, so that it need not begin as delayed
SIGNED_OUT = 4401


class Watch:
    """One account that somebody here watches."""

    def __init__(self, account_id: UUID, *, head: int) -> None:
        self.account_id = account_id
        self.head = head  # how far the account has come, as last read
        self.told = head  # how far the pages here have been told
        self.lines: dict[Line, bool] = {}  # and whether they may trade
        self.is_behind = False
        self.is_being_told = False


class Hub:
    """The pages open in this process, and the accounts they watch. Use `watching`."""

    def __init__(self) -> None:
        self.visits = 0  # pages open, arriving or leaving
        self._lines: set[Line] = set()
        self._watches: dict[UUID, Watch] = {}
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="hub")
        self._checked_at = time.monotonic()
        self._database_is_away = False
        self._round_is_due = asyncio.Event()
        self._nudges = Nudges(nudged=self._nudged, turned=self._round_is_due.set)
        self._tasks: set[asyncio.Task[None]] = set()
        self._start(self._nudges.listen())
        self._start(self._go_rounds())

    @property
    def is_delayed(self) -> bool:
        """Changes reach the pages late: by the next round instead of by a nudge, or later still."""
        return self._database_is_away or not self._nudges.are_heard

    async def admit(self, visitor: Visitor) -> Line:
        """Open a line for a visitor, already closed if they are not signed in any more.

        Raises django.db.Error if that cannot be told.
        """
        # Apart from the hub's own readers, so that a crowd at the door delays nobody inside.
        stands = await sync_to_async(_ask)(rereading.standing, {visitor})
        if not self._nudges.settled.is_set():
            try:
                await asyncio.wait_for(self._nudges.settled.wait(), SETTLED_WITHIN)
            except TimeoutError:
                log.warning("nudges_slow")
        line = Line(visitor)
        if visitor not in stands.seats:
            line.hang_up(SIGNED_OUT)
            return line
        self._lines.add(line)
        self._seat(line, stands.seats[visitor], heads=stands.heads)
        self._catch_up(stands.heads)
        told = {account_id: self._watches[account_id].told for account_id in line.seats}
        line.put(frames.hello(told, delayed=self.is_delayed, now=timezone.now()))
        return line

    def dismiss(self, line: Line) -> None:
        """Forget a line. It is no harm to do so twice."""
        self._lines.discard(line)
        self._seat(line, {}, heads={})

    async def stop(self) -> None:
        """End all it does, and wait until it has ended."""
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            # redis-py swallows a cancellation that comes while it connects: then once more.
            await asyncio.wait(self._tasks, timeout=0.1)
        # A query under way cannot be cancelled; waiting for it must not hold up the loop.
        await asyncio.to_thread(self._readers.shutdown)

    # --- Changes, as they happen ---

    def _nudged(self, account_id: UUID, sequence: int) -> None:
        watch = self._watches.get(account_id)
        if watch is not None and sequence > watch.told:
            self._tell(watch)

    def _tell(self, watch: Watch) -> None:
        """Have an account's pages told: now, or once more if they are just being told."""
        watch.is_behind = True
        if not watch.is_being_told:
            watch.is_being_told = True
            self._start(self._tell_until_even(watch))

    async def _tell_until_even(self, watch: Watch) -> None:
        try:
            while watch.is_behind and watch.lines:
                watch.is_behind = False
                changes = await self._read(
                    rereading.changes_since,
                    watch.account_id,
                    watch.told,
                    audiences=set(watch.lines.values()),
                )
                if time.monotonic() - self._checked_at > TRUSTED:
                    return  # who may see this is not known well enough; the next round tells it
                self._hand_out(watch, changes)
        except DatabaseAway as error:
            self._lost_database(error)
        finally:
            watch.is_being_told = False

    def _hand_out(self, watch: Watch, changes: Changes) -> None:
        if changes.sequence <= watch.told:
            return
        by_audience = {
            can_trade: _frames(watch, changes, can_trade=can_trade)
            for can_trade in set(watch.lines.values())
        }
        for line, can_trade in watch.lines.items():
            if changes.too_many:
                line.start_over()
            else:
                line.put(*by_audience[can_trade])
        watch.told = changes.sequence
        watch.head = max(watch.head, watch.told)

    # --- Rounds ---

    async def _go_rounds(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._round_is_due.wait(), BEAT)
            self._round_is_due.clear()
            try:
                await self._look_round()
            except DatabaseAway as error:
                self._lost_database(error)
            except Exception:  # no error may end the beat of all pages
                log.exception("round_failed")
                self._database_is_away = True
            self._beat()

    async def _look_round(self) -> None:
        """Ask who may see what and how far the accounts have come, and act on every difference."""
        asked_at = time.monotonic()
        asked_for = {line.visitor for line in self._lines}
        stands = await self._read(rereading.standing, asked_for)
        self._checked_at = asked_at
        self._database_is_away = False
        for line in [line for line in self._lines if line.visitor in asked_for]:
            if line.visitor not in stands.seats:
                self.dismiss(line)
                line.hang_up(SIGNED_OUT)
            elif line.seats != stands.seats[line.visitor]:
                self._seat(line, stands.seats[line.visitor], heads=stands.heads)
                line.start_over()  # rows that wait may not be for its eyes any more
        self._catch_up(stands.heads)

    def _seat(self, line: Line, seats: Mapping[UUID, bool], *, heads: Mapping[UUID, int]) -> None:
        """Give a line these accounts, and take away all others."""
        for account_id in line.seats.keys() - seats.keys():
            watch = self._watches[account_id]
            del watch.lines[line]
            if not watch.lines:
                del self._watches[account_id]
        for account_id, can_trade in seats.items():
            if account_id not in self._watches:
                self._watches[account_id] = Watch(account_id, head=heads[account_id])
            self._watches[account_id].lines[line] = can_trade
        line.seats = seats

    def _catch_up(self, heads: Mapping[UUID, int]) -> None:
        """Tell whatever no nudge has led to."""
        for account_id, head in heads.items():
            watch = self._watches.get(account_id)
            if watch is None:
                continue
            watch.head = max(head, watch.told)
            if head > watch.told:
                self._tell(watch)

    def _beat(self) -> None:
        now = timezone.now()
        drawn: dict[frozenset[UUID], str] = {}  # many pages watch the same accounts
        for line in self._lines:
            accounts = frozenset(line.seats)
            if accounts not in drawn:
                heads = {account_id: self._watches[account_id].head for account_id in accounts}
                drawn[accounts] = frames.beat(heads, delayed=self.is_delayed, now=now)
            line.put(drawn[accounts])

    def _lost_database(self, error: Exception) -> None:
        if not self._database_is_away:
            log.warning("database_away", error=str(error))
        self._database_is_away = True

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, partial(_ask, question, *args, **kwargs))


def _ask(question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Ask PostgreSQL over a connection that works, and give that back."""
    close_old_connections()
    try:
        return question(*args, **kwargs)
    finally:
        close_old_connections()


def _frames(watch: Watch, changes: Changes, *, can_trade: bool) -> list[str]:
    """Return the frames of some changes. Only the last one moves the page's sequence on.

    So a page that loses its socket between two of them knows that it missed something.
    """
    last = len(changes.each) - 1
    return [
        frames.changed(
            watch.account_id,
            change.order_id,
            row=change.rows.get(can_trade),
            after=watch.told,
            sequence=changes.sequence if place == last else watch.told,
        )
        for place, change in enumerate(changes.each)
    ]


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


@asynccontextmanager
async def watching(visitor: Visitor) -> AsyncIterator[Line]:
    """Open a page's line to this process's hub, which the first page starts and the last one stops.

    Raises django.db.Error if PostgreSQL cannot say who they are.
    """
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    hub = _hubs[loop]
    hub.visits += 1
    line = None
    try:
        line = await hub.admit(visitor)
        yield line
    finally:
        if line is not None:
            hub.dismiss(line)
        hub.visits -= 1
        if not hub.visits:
            del _hubs[loop]  # first: whoever comes now starts another
            await hub.stop()
