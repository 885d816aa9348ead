"""Counts the requests of all processes together, against what each account's broker allows.

Together in Redis, and while that is away each process for itself: then there may be too many, which
the broker says.
"""

from __future__ import annotations

import time
from functools import cache
from math import inf
from uuid import UUID, uuid4

import redis
import structlog
from django.conf import settings

from brokers.budgeting import MINUTE, UNBOUNDED, Budget, Window
from brokers.terms import Allowance, Need

log = structlog.get_logger(__name__)

PATIENCE = 0.2  # seconds; an order that is about to leave waits for the answer
QUIET = 1.0  # seconds without trying, after a failure: a dead Redis must not slow the desk

# By Redis's own clock, the only one that they all share.
TAKE = """
local now = redis.call('TIME')
local at = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', at - tonumber(ARGV[3]))
local most = tonumber(ARGV[1])
if most >= 0 then
    if redis.call('EXISTS', KEYS[2]) == 1 or redis.call('ZCARD', KEYS[1]) >= most then
        return 0
    end
end
redis.call('ZADD', KEYS[1], at, ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""

_failed_at = -inf


def of(account_id: UUID, allowance: Allowance | None) -> Budget:
    """Return the budget of an account's requests."""
    return UNBOUNDED if allowance is None else Shared(account_id, allowance)


class Shared:
    """One account's requests of the last minute, whoever made them."""

    def __init__(self, account_id: UUID, allowance: Allowance) -> None:
        self._allowance, self._own = allowance, _window(account_id, allowance)
        name = f"{settings.DESK_PREFIX}:budget:{account_id}"
        self._made, self._rests = f"{name}:made", f"{name}:rests"

    def take(self, need: Need) -> bool:
        most = self._allowance.most(need)
        asked = (-1 if most is None else most, str(uuid4()), int(MINUTE * 1000))
        if not _is_away():
            try:
                granted = _redis().eval(TAKE, 2, self._made, self._rests, *asked)
            except redis.RedisError as error:
                _note_away(error)
            else:
                if granted:
                    self._own.count()  # for when Redis goes away
                return bool(granted)
        return self._own.take(need)

    def rest(self, seconds: float) -> None:
        self._own.rest(seconds)
        for_ms = int(min(seconds, MINUTE) * 1000)
        if _is_away() or for_ms <= 0:
            return
        try:
            if int(_redis().pttl(self._rests)) < for_ms:
                _redis().set(self._rests, 1, px=for_ms)
        except redis.RedisError as error:
            _note_away(error)


@cache
def _window(account_id: UUID, allowance: Allowance) -> Window:  # noqa: ARG001 — one for each
    return Window(allowance)


def _is_away() -> bool:
    return time.monotonic() - _failed_at < QUIET


def _note_away(error: redis.RedisError) -> None:
    global _failed_at  # noqa: PLW0603 — one process, one memory of the failure
    _failed_at = time.monotonic()
    log.warning("budget_not_shared", error=str(error))


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS.client, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE
    )
