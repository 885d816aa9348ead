"""What a desk holds on to: connections, transactions, tasks, descriptors, threads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import redis


def leaks(
    environment: Mapping[str, str], *, pids: Mapping[str, int], redis_socket: str
) -> dict[str, Any]:
    """Return what a quiet desk should not pile up.

    `connections` to PostgreSQL by process, those `idle_in_transaction` for over 5 s, tasks
    `queued` in Redis, and open `descriptors` and `threads` of each process.
    """
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        sessions = connection.execute(
            """
            SELECT application_name, state,
                   coalesce(extract(epoch FROM clock_timestamp() - state_change), 0)
            FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
            """
        ).fetchall()
    stuck = [
        {"process": name, "state": state, "seconds": float(seconds)}
        for name, state, seconds in sessions
        if (state or "").startswith("idle in transaction") and seconds > 5
    ]
    return {
        "connections": dict(Counter(name for name, _, _ in sessions)),
        "idle_in_transaction": stuck,
        "queued": _queued(environment, redis_socket),
        "descriptors": _counted(pids, "fd"),
        "threads": _counted(pids, "task"),
    }


def _queued(environment: Mapping[str, str], redis_socket: str) -> int:
    prefix = environment["DESK_PREFIX"]
    with redis.Redis(unix_socket_path=redis_socket, socket_timeout=5) as client:
        return int(client.llen(f"{prefix}:{prefix}"))


def _counted(pids: Mapping[str, int], what: str) -> dict[str, int]:
    counts = {}
    for name, pid in pids.items():
        with suppress(OSError):
            counts[name] = len(list(Path(f"/proc/{pid}/{what}").iterdir()))
    return counts
