"""Rings Celery's doorbell. The work stands in PostgreSQL; the bell only saves waiting."""

from __future__ import annotations

import time
from math import inf
from typing import Any

import structlog
from celery import Task

log = structlog.get_logger(__name__)

HEARD_WITHIN = 30  # seconds; the sweep has long taken over a bell that nobody heard by then
QUIET = 1.0  # seconds without ringing, after a failure

_failed_at = -inf


def ring(task: Task[Any, Any], *args: str) -> bool:
    """Ask a worker to run a task now. Returns False if nobody could be asked; that is no error."""
    global _failed_at  # noqa: PLW0603 — one process, one memory of the failure
    if time.monotonic() - _failed_at < QUIET:
        return False
    try:
        task.apply_async(args, expires=HEARD_WITHIN, retry=False, ignore_result=True)
    except Exception as error:  # noqa: BLE001 — kombu's transports raise errors of every library below them
        _failed_at = time.monotonic()
        log.warning("doorbell_dead", task=task.name, error=str(error))
        return False
    return True
