"""Follows the records of accounts for every stream open in this process: each is read once.

One hub per process and event loop, there while a stream is open. A nudge makes it read on, and
every two seconds it asks PostgreSQL by itself how far each account has come and which keys are
still live. So a stream is at most late: not wrong without Redis, nor after a lost nudge.

Nothing waits for a consumer. Each goes at its own pace through the account's latest events, which
are kept; who begins further back reads the record itself until it has caught up.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, ParamSpec, TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

import structlog
from django.db import Error as DatabaseAway
from django.db import close_old_connections

from orders.api.alpaca.streaming import recalling
from orders.api.alpaca.streaming.listening import Ended, Follow, Listener
from orders.api.alpaca.streaming.recalling import Recall
from orders.models import ApiKey
from orders.nudges import Nudges

log = structlog.get_logger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

BEAT = 2.0  # seconds; a key that is taken back must be without its streams within 5
READERS = 2  # threads and connections that keep up, however many streams
CATCHERS = 2  # and as many for those that begin further back
DEAF = 15.0  # seconds without PostgreSQL, after which a stream says so and ends

GONE = Ended("closed", "this stream is closed")
REVOKED = Ended("revoked", "this key is not valid any more")
AWAY = Ended("away", "the desk can't reach its records: connect again, and resume")


class Hub:
    """The streams open in this process, and the accounts they follow. Use `following`."""

    def __init__(self) -> None:
        self.visits = 0  # streams open, arriving or leaving
        self._listeners: set[Listener] = set()
        self._follows: dict[UUID, Follow] = {}
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="stream")
        self._catchers = ThreadPoolExecutor(CATCHERS, thread_name_prefix="replay")
        self._checked_at = time.monotonic()
        self._round_is_due = asyncio.Event()
        self._nudges = Nudges(nudged=self._nudged, turned=self._round_is_due.set)
        self._tasks: set[asyncio.Task[None]] = set()
        self._start(self._nudges.listen())
        self._start(self._go_rounds())

    @property
    def unchecked_for(self) -> float:
        """Seconds since it was last known which keys are live."""
        return time.monotonic() - self._checked_at

    def admit(self, key: ApiKey) -> Listener:
        """Let a key's stream in, which hears nothing yet. The key has just been found live."""
        listener = Listener(self, key_id=key.pk, account_id=key.account_id)
        self._listeners.add(listener)
        return listener

    def dismiss(self, listener: Listener) -> None:
        """Forget a stream. It is no harm to do so twice."""
        self._listeners.discard(listener)
        self.leave(listener)

    async def join(self, listener: Listener) -> tuple[int, Follow]:
        """Have a stream's account followed, if it is not yet, and return how far that has come.

        Raises Ended for a stream that is over, and django.db.Error.
        """
        account_id = listener.account_id
        asked_at = time.monotonic_ns()
        head = await self.read(recalling.head, account_id)
        if listener not in self._listeners:
            raise GONE
        if account_id not in self._follows:
            self._follows[account_id] = Follow(Recall(account_id, head))
        follow = self._follows[account_id]
        follow.listeners.add(listener)
        if follow.told >= head:
            follow.even_at = asked_at
        else:
            self._read_on(follow)
        return head, follow

    def leave(self, listener: Listener) -> None:
        """Have a stream hear nothing, and its account followed no more if it was the last."""
        follow = self._follows.get(listener.account_id)
        if follow is None:
            return
        follow.listeners.discard(listener)
        if not follow.listeners:
            del self._follows[listener.account_id]

    async def read(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask PostgreSQL something, apart from what keeps up. Raises django.db.Error."""
        return await self._ask(self._catchers, question, *args, **kwargs)

    async def stop(self) -> None:
        """End all it does, and wait until it has ended."""
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            # redis-py swallows a cancellation that comes while it connects: then once more.
            await asyncio.wait(self._tasks, timeout=0.1)
        # A query under way cannot be cancelled; waiting for it must not hold up the loop.
        await asyncio.to_thread(self._readers.shutdown)
        await asyncio.to_thread(self._catchers.shutdown)

    # --- Keeping up ---

    def _nudged(self, account_id: UUID, sequence: int) -> None:
        follow = self._follows.get(account_id)
        if follow is not None and sequence > follow.told:
            self._read_on(follow)

    def _read_on(self, follow: Follow) -> None:
        """Have an account's record read on: now, or once more if that is just being done."""
        follow.is_behind = True
        if not follow.is_being_read:
            follow.is_being_read = True
            self._start(self._read_until_even(follow))

    async def _read_until_even(self, follow: Follow) -> None:
        try:
            while follow.is_behind and follow.listeners:
                follow.is_behind = False
                batch = await self._ask(self._readers, follow.recall.next)
                follow.add(batch)
                follow.is_behind |= not batch.is_last
        except DatabaseAway as error:
            log.warning("stream_behind", account=str(follow.account_id), error=str(error))
        except Exception:  # the next round tries again
            log.exception("stream_behind", account=str(follow.account_id))
        finally:
            follow.is_being_read = False

    async def _go_rounds(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._round_is_due.wait(), BEAT)
            self._round_is_due.clear()
            try:
                await self._look_round()
            except DatabaseAway as error:
                log.warning("database_away", error=str(error))
            except Exception:  # no error may end the rounds of all streams
                log.exception("round_failed")
            if self.unchecked_for > DEAF:
                for listener in [*self._listeners]:
                    listener.end(AWAY)

    async def _look_round(self) -> None:
        """Ask which keys are live and how far the accounts have come, and act on what is new."""
        asked_at = time.monotonic()
        asked_for = {listener.key_id for listener in self._listeners}
        live, heads = await self._ask(self._readers, _standing, asked_for, set(self._follows))
        self._checked_at = asked_at
        for listener in [one for one in self._listeners if one.key_id in asked_for]:
            if listener.key_id not in live:
                listener.end(REVOKED)
            listener.stir()
        for account_id, reached in heads.items():
            follow = self._follows.get(account_id)
            if follow is None:
                continue
            if reached > follow.told:
                self._read_on(follow)
            else:
                follow.even_at = int(asked_at * 1e9)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(
        self,
        threads: ThreadPoolExecutor,
        question: Callable[P, T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads, partial(_ask, question, *args, **kwargs))


def _standing(keys: set[int], accounts: set[UUID]) -> tuple[set[int], dict[UUID, int]]:
    return recalling.still_live(keys), recalling.heads(accounts)


def _ask(question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Ask PostgreSQL over a connection that works, and give that back."""
    close_old_connections()
    try:
        return question(*args, **kwargs)
    finally:
        close_old_connections()


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


@asynccontextmanager
async def following(key: ApiKey) -> AsyncIterator[Listener]:
    """Open a stream for a key, which the first one starts the hub for and the last one stops.

    Raises django.db.Error.
    """
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    hub = _hubs[loop]
    hub.visits += 1
    listener = None
    try:
        listener = hub.admit(key)
        yield listener
    finally:
        if listener is not None:
            hub.dismiss(listener)
        hub.visits -= 1
        if not hub.visits:
            del _hubs[loop]  # first: whoever comes now starts another
            await hub.stop()
