"""The ledger: what truly happened at this exchange, line by line, on disk before anyone is told.

Lines are only ever added; triggers refuse the rest. Everything the exchange
knows is rebuilt from here, so it may be killed at any moment.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from brokers.paper.amounts import read_time, write_time

# What each table's lines tell. `name` is what a line is about: an order id, a webhook id, …
TABLES = {
    "births": "one line: the id that makes this ledger's order ids unlike any other's",
    "requests": "what was asked, what was decided, and which fault met it",
    "accounts": "an account as it now is",
    "orders": "an order as it now is; one line per version",
    "executions": "a trade, or a later word on one",
    "late": "an order that was promised, as it now is: pending, taken, or that it never was",
    "webhooks": "news owed to an account's webhook",
    "attempts": "one try at delivering a webhook, and what came of it",
    "settings": "the faults as they are now set",
    "sessions": "a market as it now is: open, closed or out of hours",
    "marks": "the market's prices",
}
UNIQUE = ("executions", "webhooks")  # tables in which a name occurs once
FIRST = "json_extract(body, '$.version') = 1"  # an order's first line


class LedgerInUse(Exception):
    """Another exchange is writing to this ledger."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of one table. `sequence` grows, and is never used twice."""

    sequence: int
    at: datetime
    account: str
    name: str
    body: dict[str, Any]


class Ledger:
    """One directory's ledger, open for appending by one process at a time.

    Nothing appended counts until `commit` returns; then it is on the disk.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise LedgerInUse(f"Another paper exchange is using {directory}.") from None
        path = directory / "ledger.sqlite3"
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # it holds webhook secrets
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        for table in TABLES:
            self._db.executescript(_schema(table))
        self._db.execute(f"CREATE INDEX IF NOT EXISTS orders_first ON orders (seq) WHERE {FIRST}")
        self._dirty = False

    def append(
        self,
        table: str,
        body: Mapping[str, Any],
        *,
        at: datetime,
        account: str = "",
        name: str = "",
    ) -> int:
        """Add a line, to be kept by the next `commit`, and return its sequence."""
        if not self._dirty:
            self._db.execute("BEGIN IMMEDIATE")
            self._dirty = True
        cursor = self._db.execute(
            f"INSERT INTO {table} (at, account, name, body) VALUES (?, ?, ?, ?)",  # noqa: S608
            (write_time(at), account, name, json.dumps(body)),
        )
        return cursor.lastrowid or 0

    def commit(self) -> None:
        """Put everything appended so far on the disk."""
        if self._dirty:
            self._db.execute("COMMIT")
            self._dirty = False

    def lines(
        self,
        table: str,
        *,
        account: str | None = None,
        name: str | None = None,
        after: int = 0,
        limit: int = -1,
    ) -> Iterator[Line]:
        """Yield lines, oldest first, of one account or one name if that is asked."""
        where, values = "seq > ?", [str(after)]
        for column, value in (("account", account), ("name", name)):
            if value is not None:
                where += f" AND {column} = ?"
                values.append(value)
        rows = self._db.execute(
            f"SELECT seq, at, account, name, body FROM {table}"  # noqa: S608
            f" WHERE {where} ORDER BY seq LIMIT {limit:d}",
            values,
        )
        for sequence, at, whose, about, body in rows:
            yield Line(sequence, read_time(at), whose, about, json.loads(body))

    def latest(self, table: str) -> Iterator[Line]:
        """Yield the last line of each name, in the order the names first came."""
        rows = self._db.execute(
            f"SELECT t.seq, t.at, t.account, t.name, t.body FROM {table} t JOIN"  # noqa: S608
            f" (SELECT max(seq) AS last, min(seq) AS first FROM {table} GROUP BY name) names"
            " ON t.seq = names.last ORDER BY names.first"
        )
        for sequence, at, account, name, body in rows:
            yield Line(sequence, read_time(at), account, name, json.loads(body))

    def firsts(
        self, *, account: str | None = None, after: int = 0, limit: int = -1
    ) -> Iterator[tuple[int, Line]]:
        """Yield orders as they now are, in the order they first came: the sequence of each one's
        first line, after which to go on, and its last line."""
        whose = "" if account is None else " AND account = ?"
        values: list[str | int] = [after] if account is None else [after, account]
        rows = self._db.execute(
            f"SELECT seq, name FROM orders WHERE {FIRST} AND seq > ?{whose}"  # noqa: S608
            f" ORDER BY seq LIMIT {limit:d}",
            values,
        )
        for first, order in rows.fetchall():
            last = self._db.execute(
                "SELECT seq, at, account, name, body FROM orders WHERE name = ?"
                " ORDER BY seq DESC LIMIT 1",
                (order,),
            ).fetchone()
            sequence, at, whom, name, body = last
            yield first, Line(sequence, read_time(at), whom, name, json.loads(body))

    def undelivered(self, *, since: datetime) -> Iterator[Line]:
        """Yield the webhooks whose delivery has not ended, oldest first."""
        rows = self._db.execute(
            "SELECT seq, at, account, name, body FROM webhooks w WHERE at >= ? AND NOT EXISTS"
            " (SELECT 1 FROM attempts WHERE name = w.name AND json_extract(body, '$.final'))"
            " ORDER BY seq",
            (write_time(since),),
        )
        for sequence, at, account, name, body in rows:
            yield Line(sequence, read_time(at), account, name, json.loads(body))

    def close(self) -> None:
        """Let another process have the ledger. What was not committed never happened."""
        self._db.close()
        os.close(self._lock)


def _schema(table: str) -> str:
    unique = "UNIQUE" if table in UNIQUE else ""
    return f"""
        CREATE TABLE IF NOT EXISTS {table} (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            at TEXT NOT NULL, account TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL
        ) STRICT;
        CREATE {unique} INDEX IF NOT EXISTS {table}_name ON {table} (name);
        CREATE INDEX IF NOT EXISTS {table}_account ON {table} (account, seq);
        CREATE TRIGGER IF NOT EXISTS {table}_no_update BEFORE UPDATE ON {table}
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
        CREATE TRIGGER IF NOT EXISTS {table}_no_delete BEFORE DELETE ON {table}
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
    """
