"""Keeps deliveries: many at a time, in one transaction, each answered only after its commit.

While one batch commits, the next gathers. So under load a commit is shared by
many, and nobody waits for it alone.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, LiteralString
from uuid import UUID

import structlog
from django.db import connection
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool

from brokers.parsing import storable

log = structlog.get_logger(__name__)

LARGEST_BATCH = 256
PATIENCE = 5.0  # seconds for a connection; then the sender is asked to come again

KEEP: LiteralString = """
    INSERT INTO webhooks_delivery
        (endpoint_id, delivery_id, digest, headers, body, received_at,
         is_contradicting, event, note)
    SELECT new.*, EXISTS (
        SELECT FROM webhooks_delivery AS old
        WHERE old.endpoint_id = new.endpoint_id AND old.delivery_id = new.delivery_id
          AND old.digest <> new.digest
    ) OR new.digest <> first_value(new.digest) OVER (
        -- Of two in one batch neither is there before the other.
        PARTITION BY new.endpoint_id, new.delivery_id ORDER BY new.received_at, new.digest
    ), '', ''
    FROM unnest(%s::uuid[], %s::text[], %s::bytea[], %s::jsonb[], %s::bytea[], %s::timestamptz[])
        AS new (endpoint_id, delivery_id, digest, headers, body, received_at)
    ON CONFLICT (endpoint_id, delivery_id, digest) DO NOTHING
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A verified delivery, about to be kept."""

    endpoint_id: UUID
    delivery_id: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(slots=True)
class Keeper:
    """Writes parcels into PostgreSQL for one event loop. Open it before use, close it after."""

    pool: AsyncConnectionPool[AsyncConnection[tuple[object, ...]]]
    _waiting: list[tuple[Parcel, asyncio.Future[None]]] = field(default_factory=list)
    _writing: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls) -> Keeper:
        """Return a keeper with a pool of its own: pages must not queue for it, nor it for them."""
        pool = AsyncConnectionPool(
            connection_string(), min_size=1, max_size=4, timeout=PATIENCE, open=False
        )
        await pool.open()
        return cls(pool)

    async def close(self) -> None:
        """Write what is waiting, then let the connections go."""
        if self._writing is not None:
            await self._writing
        await self.pool.close()

    async def keep(self, parcel: Parcel) -> None:
        """Return once the parcel is committed, or was before. Raises what PostgreSQL raises."""
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((parcel, kept))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        await kept

    async def _write(self) -> None:
        while self._waiting:
            batch = self._waiting[:LARGEST_BATCH]
            del self._waiting[:LARGEST_BATCH]
            try:
                await self._commit([parcel for parcel, _ in batch])
            except Exception as error:  # noqa: BLE001 — every sender must hear of it
                log.warning("deliveries_not_kept", count=len(batch), error=repr(error))
                for _, kept in batch:
                    if not kept.done():
                        kept.set_exception(error)
            else:
                for _, kept in batch:
                    if not kept.done():
                        kept.set_result(None)

    async def _commit(self, parcels: list[Parcel]) -> None:
        async with self.pool.connection() as kept:
            await kept.execute(KEEP, columns_of(parcels))


def columns_of(parcels: Sequence[Parcel]) -> tuple[list[Any], ...]:
    """Return what KEEP takes."""
    # One order for everybody: two batches with the same deliveries must not deadlock.
    parcels = sorted(parcels, key=lambda parcel: (parcel.endpoint_id, parcel.delivery_id))
    return (
        [parcel.endpoint_id for parcel in parcels],
        [parcel.delivery_id for parcel in parcels],
        [sha256(parcel.body).digest() for parcel in parcels],
        [_as_json(parcel.headers) for parcel in parcels],
        [parcel.body for parcel in parcels],
        [parcel.received_at for parcel in parcels],
    )


def _as_json(headers: Mapping[str, str]) -> str:
    # One header that the database does not take would keep a whole batch out.
    return json.dumps({storable(name): storable(text) for name, text in headers.items()})


def connection_string() -> str:
    """Return how libpq reaches the database that Django uses."""
    given = connection.get_connection_params()
    known = ("host", "port", "user", "password", "dbname")
    return make_conninfo(**{name: given[name] for name in known if given.get(name)})
