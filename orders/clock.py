"""Celery's beat, for a desk whose orders must go out without Celery too.

Beat's entries become messages as usual. When the queue is away, or its workers
no longer do their rounds, the entries run right here instead.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import structlog
from celery.beat import ScheduleEntry, Scheduler
from django.db import Error as DatabaseTrouble
from django.db import connections

from orders import attending, bracketing, timing

log = structlog.get_logger(__name__)

TEND_EVERY = 0.5  # seconds
ROUNDS_MISSED = timedelta(seconds=5)  # so long without a sweep, and the workers are taken for dead


def _tend() -> None:
    bracketing.tend_due(now=timing.database_now())


class Clock(Scheduler):
    """Rings each entry's doorbell, and does the work itself when nobody answers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._hands = ThreadPoolExecutor(max_workers=8, thread_name_prefix="clock")
        self._busy: set[str] = set()
        self._started = time.monotonic()
        self._alone = False
        self._tended = -math.inf
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Do what is due. Returns after how many seconds to look again.

        Brackets are tended here and not by the workers: it takes no broker's answer, and must not
        wait in a queue behind what does.
        """
        if time.monotonic() - self._tended >= TEND_EVERY:
            self._tended = time.monotonic()
            self._run_here("tending", _tend)
        return min(super().tick(*args, **kwargs), TEND_EVERY)

    def apply_async(
        self, entry: ScheduleEntry, producer: Any = None, advance: bool = True, **kwargs: Any
    ) -> Any:
        """Send an entry's task to the workers, or run it here if that is no use."""
        if not self._workers_do_rounds():
            self._say_alone(alone=True)
            if advance:
                self.reserve(entry)
            self._do_here(entry)
            return None
        try:
            sent = super().apply_async(entry, producer=producer, advance=advance, **kwargs)
        except Exception as error:  # noqa: BLE001 — whatever is wrong with the queue, the round is due
            log.warning("queue_away", entry=entry.name, error=str(error))
            self._do_here(entry)
            return None
        self._say_alone(alone=False)
        return sent

    def _workers_do_rounds(self) -> bool:
        if time.monotonic() - self._started < ROUNDS_MISSED.total_seconds():
            return True  # they have just been started, or we have
        try:
            swept_at = attending.last_sweep()
            return swept_at is not None and timing.database_now() - swept_at < ROUNDS_MISSED
        except DatabaseTrouble as error:
            log.warning("database_away", error=str(error))
            connections.close_all()
            return True

    def _do_here(self, entry: ScheduleEntry) -> None:
        task = str(entry.task)
        self._run_here(task, lambda: self.app.tasks[task](directly=True))

    def _run_here(self, name: str, work: Callable[[], object]) -> None:
        if name in self._busy:
            return
        self._busy.add(name)
        self._hands.submit(self._run, name, work)

    def _run(self, name: str, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception:
            log.exception("round_failed", task=name)
        finally:
            connections.close_all()
            self._busy.discard(name)

    def _say_alone(self, *, alone: bool) -> None:
        if alone != self._alone:
            log.warning("clock_works_alone" if alone else "workers_are_back")
        self._alone = alone
