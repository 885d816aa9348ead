"""Counts requests against what a broker allows, so that a cancel always finds room.

Pure: how several processes count together is for whoever gives an adapter its budget.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from brokers.terms import Allowance, Need

MINUTE = 60.0


class Budget(Protocol):
    """What an adapter asks before each request."""

    def take(self, need: Need) -> bool:
        """Count one request. False: it is not to be made now, and was not counted."""

    def rest(self, seconds: float) -> None:
        """Heed the broker's own word: nothing but cancels for so long."""


class Unbounded:
    """For brokers that take as many as there are."""

    def take(self, need: Need) -> bool:  # noqa: ARG002 — whatever it is
        return True

    def rest(self, seconds: float) -> None:
        pass


UNBOUNDED = Unbounded()


class Window:
    """The requests of the last minute, in one process.

    It counts each of them, and not so many per clock minute: a broker may begin its own anywhere.
    """

    def __init__(
        self, allowance: Allowance, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._allowance, self._clock = allowance, clock
        self._made: deque[float] = deque()
        self._rests_until = clock()
        self._lock = threading.Lock()

    def take(self, need: Need) -> bool:
        most = self._allowance.most(need)
        with self._lock:
            now = self._clock()
            while self._made and self._made[0] <= now - MINUTE:
                self._made.popleft()
            if most is not None and (now < self._rests_until or len(self._made) >= most):
                return False
            self._made.append(now)
            return True

    def count(self) -> None:
        """Count a request that others have allowed."""
        self.take(Need.CANCEL)

    def rest(self, seconds: float) -> None:
        with self._lock:
            self._rests_until = max(self._rests_until, self._clock() + min(seconds, MINUTE))
