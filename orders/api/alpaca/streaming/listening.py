"""One stream's place among its account's events, and the latest of them, kept for all.

What is kept is bounded. A stream that has caught up and then falls so far behind that its next
event is no longer among them is ended, and told so: nothing is ever left out.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING
from uuid import UUID

from orders.api.alpaca.streaming import numbering
from orders.api.alpaca.streaming.numbering import Place
from orders.api.alpaca.streaming.recalling import Batch, Event, Recall

if TYPE_CHECKING:
    from orders.api.alpaca.streaming.following import Hub

KEPT = 1000  # events of an account; a stream further behind than that is too slow for it
AT_ONCE = 50  # events handed to a stream, before it is asked again whether it keeps up
TRUSTED = 5.0  # seconds for which a key that was found live may be believed to be


class Ended(Exception):
    """The stream is over. `code` is for programs and never changes."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.why = why


class TooSlow(Ended):
    """The stream fell too far behind to be told what it missed from memory."""

    def __init__(self) -> None:
        super().__init__("too_slow", "this stream is read too slowly: resume after the last event")


class Follow:
    """An account that streams here follow, and its latest events."""

    def __init__(self, recall: Recall) -> None:
        self.account_id = recall.account_id
        self.recall = recall
        self.told = recall.sequence  # how far its record has been read
        self.even_at = 0  # when that was all there was, by this machine's monotonic nanoseconds
        self.listeners: set[Listener] = set()
        self.is_behind = False
        self.is_being_read = False
        self._begins = numbering.after(self.told)  # everything after this is kept
        self._events: deque[Event] = deque()

    def add(self, batch: Batch) -> None:
        """Take in what was read, and have it heard."""
        self._events.extend(batch.events)
        self.told = batch.sequence
        while len(self._events) > KEPT:
            self._begins = self._events.popleft().place
        for listener in self.listeners:
            listener.stir()

    def covers(self, place: Place) -> bool:
        """Whether every event after a place is kept, as far as the record has been read."""
        return place >= self._begins

    def after(self, place: Place, *, most: int) -> tuple[Event, ...]:
        """Return the first events after a place."""
        # From the end, where whoever keeps up is.
        newer: deque[Event] = deque()
        for event in reversed(self._events):
            if event.place <= place:
                break
            newer.appendleft(event)
        return tuple(newer)[:most]


class Listener:
    """One open stream. It hears nothing until it has been prepared, and then told to go."""

    def __init__(self, hub: Hub, *, key_id: int, account_id: UUID) -> None:
        self.key_id = key_id
        self.account_id = account_id
        self._hub = hub
        self._ended: Ended | None = None
        self._stirred = asyncio.Event()
        self._follow: Follow | None = None
        self._is_going = False
        self._turn = 0
        self._place = Place(0, 0)
        self._replay: Recall | None = None

    @property
    def turn(self) -> int:
        """How often it was told to begin elsewhere: what it was handed before is of no use then."""
        return self._turn

    def has_told(self, sequence: int) -> bool:
        """Whether everything up to a row of the record has been told."""
        follow = self._follow
        if self._replay is not None or follow is None or follow.told < sequence:
            return False
        return not follow.after(self._place, most=1)

    def has_told_all_before(self, at_ns: int) -> bool:
        """Whether everything is told that was there at a moment, by this machine's monotonic
        nanoseconds."""
        follow = self._follow
        return follow is not None and follow.even_at > at_ns and self.has_told(follow.told)

    async def prepare(self, since: Place | None = None) -> None:
        """Have the events after a place ready, or those that are yet to come.

        Raises Ended for a stream that is over, and django.db.Error.
        """
        head, self._follow = await self._hub.join(self)
        self._is_going, self._replay = False, None
        self._turn += 1
        if since is None:
            self._place = numbering.after(max(head, self._follow.told))
            return
        self._place = since
        if not self._follow.covers(since):
            # Its row is told once more, to know which of its events come after.
            self._replay = Recall(self.account_id, max(since.sequence - 1, 0))

    def go(self) -> None:
        """Begin to hear what was prepared."""
        self._is_going = True
        self.stir()

    def rest(self) -> None:
        """Hear nothing any more."""
        self._is_going, self._follow, self._replay = False, None, None
        self._turn += 1
        self._hub.leave(self)

    def end(self, why: Ended) -> None:
        """Have it end, before it is told anything else."""
        self._ended = self._ended or why
        self.stir()

    def stir(self) -> None:
        """Have it look again."""
        self._stirred.set()

    async def more(self, *, within: float) -> tuple[Event, ...]:
        """Return what comes next, or nothing if nothing came within so many seconds.

        Raises Ended, and django.db.Error.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        while True:
            self._stirred.clear()
            if self._ended is not None:
                raise self._ended
            if self._is_going and self._hub.unchecked_for < TRUSTED:
                events = await self._next()
                if self._ended is not None:
                    raise self._ended
                if events:
                    return events
                if self._replay is not None and loop.time() < until:
                    continue  # rows in which nothing happened to an order
            try:
                await asyncio.wait_for(self._stirred.wait(), max(until - loop.time(), 0))
            except TimeoutError:
                return ()

    async def _next(self) -> tuple[Event, ...]:
        replay, follow = self._replay, self._follow
        if follow is None:
            return ()
        if replay is not None:
            return await self._replayed(replay, follow)
        if not follow.covers(self._place):
            raise TooSlow
        events = follow.after(self._place, most=AT_ONCE)
        if events:
            self._place = events[-1].place
        return events

    async def _replayed(self, replay: Recall, follow: Follow) -> tuple[Event, ...]:
        """Read the record itself, up to where the events that are kept begin."""
        batch = await self._hub.read(replay.next)
        if replay is not self._replay:
            return ()  # it was told to begin elsewhere meanwhile
        events = tuple(event for event in batch.events if event.place > self._place)
        self._place = max(self._place, numbering.after(batch.sequence))
        if follow.covers(self._place):
            self._replay = None
        return events
