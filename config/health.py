"""Says whether this process lives, and whether the desk behind it can do its work.

Nobody has to sign in to ask, so answers name parts and never accounts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import cache

import redis
import structlog
from django.conf import settings
from django.db import Error as DatabaseTrouble
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse

from orders import attending, guarding, timing
from orders.models import Feed, Stream

log = structlog.get_logger(__name__)

WITHIN = 1.5  # seconds; whoever asks has a patience of its own
SWEPT_WITHIN = timedelta(seconds=30)  # it comes each second: so late, nobody looks after orders
ANCHORED_WITHIN = timedelta(minutes=2)  # it is done every few seconds
ASKING_AT_ONCE = 16  # threads that may hang on a dead database before no more are begun

OK, DEGRADED, FAILED = "ok", "degraded", "failed"

_asking = threading.BoundedSemaphore(ASKING_AT_ONCE)
_migrated = False  # once all are applied, only new code brings new ones


@dataclass(frozen=True, slots=True)
class Part:
    """How one part of the desk does. Degraded is slower or blinder, and still safe."""

    state: str
    says: str


Check = Callable[[], Part]


async def alive(request: HttpRequest) -> JsonResponse:  # noqa: ARG001
    """Answer whoever decides whether to restart this process. Asks nothing of anyone."""
    return JsonResponse({"status": OK})


def ready(request: HttpRequest) -> JsonResponse:  # noqa: ARG001
    """Answer whoever decides whether to send requests here: 200, or 503 if any part has failed."""
    parts = ask_all()
    status = worst(parts)
    told = {"status": status, "parts": {name: asdict(part) for name, part in parts.items()}}
    return JsonResponse(told, status=503 if status == FAILED else 200)


def worst(parts: Mapping[str, Part]) -> str:
    """Return the state of the part that does worst."""
    states = {part.state for part in parts.values()}
    return next((state for state in (FAILED, DEGRADED) if state in states), OK)


def _database() -> Part:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return Part(OK, "It answers.")


def _migrations() -> Part:
    global _migrated  # noqa: PLW0603 — one process, one memory of it
    if not _migrated:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if missing:
            return Part(FAILED, f"{len(missing)} not applied yet. Run: manage.py migrate")
        _migrated = True
    return Part(OK, "All are applied.")


def _sweep() -> Part:
    swept_at = attending.last_sweep()
    if swept_at is None:
        return Part(FAILED, "It has never run. Start the worker and the clock.")
    age = (timing.database_now() - swept_at).total_seconds()
    says = f"It last ran {age:.1f} s ago."
    return Part(OK if age < SWEPT_WITHIN.total_seconds() else FAILED, says)


def _feeds() -> Part:
    feeds = Feed.objects.filter(account__is_open=True)
    silent = feeds.filter(silent_since__isnull=False).count()
    # A silent broker is no reason to take the desk away from those who must watch it.
    if silent:
        return Part(DEGRADED, f"{silent} of {feeds.count()} brokers do not answer.")
    if unsure := feeds.filter(account__unsure_since__isnull=False).count():
        return Part(DEGRADED, f"{unsure} of {feeds.count()} accounts wait for a whole round.")
    if broken := _broken_streams():
        return Part(DEGRADED, f"The streams of {broken} of {feeds.count()} accounts are not live.")
    if suspect := feeds.filter(suspect_since__isnull=False).count():
        return Part(DEGRADED, f"News of {suspect} of {feeds.count()} accounts is not pushed.")
    return Part(OK, "No broker is silent.")


def _broken_streams() -> int:
    now = timing.database_now()
    well = {Stream.State.LIVE, Stream.State.UNWANTED}
    return sum(stream.state_at(now) not in well for stream in Stream.objects.all())


def _anchor() -> Part:
    anchored_at = guarding.last_anchored()
    if anchored_at is None or timing.database_now() - anchored_at > ANCHORED_WITHIN:
        return Part(DEGRADED, "Not anchored: a database put back now would not be noticed.")
    if not guarding.may_identify():
        return Part(DEGRADED, "The database does not tell which one it is: only the anchor does.")
    return Part(OK, "It is the database we left, and anchored outside itself.")


def _redis() -> Part:
    try:
        _redis_client().ping()
    except redis.RedisError as error:
        return Part(DEGRADED, f"{type(error).__name__}: the sweep does the work meanwhile.")
    return Part(OK, "It answers.")


CHECKS: tuple[Mapping[str, Check], ...] = (
    {
        "database": _database,
        "migrations": _migrations,
        "sweep": _sweep,
        "anchor": _anchor,
        "brokers": _feeds,
    },
    {"redis": _redis},
)
LATE = {
    name: Part(DEGRADED if name == "redis" else FAILED, f"No answer within {WITHIN} s.")
    for checks in CHECKS
    for name in checks
}


def ask_all() -> dict[str, Part]:
    """Make every check, PostgreSQL's apart from Redis's, and wait for neither too long."""
    parts: dict[str, Part] = {}
    threads = [_begin(checks, parts) for checks in CHECKS]
    until = time.monotonic() + WITHIN
    for thread in threads:
        if thread is not None:
            thread.join(timeout=max(until - time.monotonic(), 0))
    found = dict(parts)
    return {name: found.get(name, LATE[name]) for name in LATE}


def _begin(checks: Mapping[str, Check], parts: dict[str, Part]) -> threading.Thread | None:
    if not _asking.acquire(blocking=False):
        return None  # earlier ones still hang: so would this one

    def make() -> None:
        try:
            for name, check in checks.items():
                parts[name] = check()
        except DatabaseTrouble as error:
            log.warning("database_away", error=str(error))
            parts["database"] = Part(FAILED, f"{type(error).__name__}.")
        finally:
            connections.close_all()
            _asking.release()

    thread = threading.Thread(target=make, name="ready", daemon=True)
    thread.start()
    return thread


@cache
def _redis_client() -> redis.Redis:
    patience = {"socket_timeout": 1, "socket_connect_timeout": 1}
    return redis.Redis.from_url(settings.REDIS.client, **patience)
