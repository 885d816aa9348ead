"""Tells open pages to look again. The nudge carries no news, only where to look.

A nudge lost does no harm: pages notice a gap in an account's sequence, and the
hub reads the sequences itself while Redis is away.
"""

from __future__ import annotations

import json
import time
from functools import cache
from math import inf
from uuid import UUID

import redis
import structlog
from django.conf import settings

from orders.aftercommit import after_commit

log = structlog.get_logger(__name__)

PATIENCE = 0.5  # seconds; a nudge is worth no more
QUIET = 1.0  # seconds without trying, after a failure: a dead Redis must not slow the desk

_failed_at = -inf


def channel_of(account_id: object) -> str:
    """Return the Redis channel that hears of one account's changes."""
    return f"{settings.DESK_PREFIX}.nudge.{account_id}"


def announce(account_id: UUID, order_id: UUID | None, *, sequence: int) -> None:
    """Nudge open pages, once this transaction commits. `sequence` is the account's new count."""
    nudge = {"order": str(order_id) if order_id else None, "sequence": sequence}
    after_commit(_publish, channel_of(account_id), json.dumps(nudge))


def _publish(channel: str, nudge: str) -> None:
    global _failed_at  # noqa: PLW0603 — one process, one memory of the failure
    if time.monotonic() - _failed_at < QUIET:
        return
    try:
        _redis().publish(channel, nudge)
    except redis.RedisError as error:
        _failed_at = time.monotonic()
        log.warning("nudge_lost", channel=channel, error=str(error))


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS.client, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE
    )
