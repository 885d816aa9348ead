"""Knows the endpoints and their secrets, and says whether a delivery proves where it comes from."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import inf
from uuid import UUID

import structlog
from asgiref.sync import sync_to_async
from django.db import close_old_connections

from brokers import registry
from brokers.errors import Untrusted
from orders.secrets import SecretUnreadable
from webhooks.models import Endpoint

log = structlog.get_logger(__name__)

KNOWN_FOR = 1.0  # seconds; how long a retired secret or endpoint may still pass
MOST_KNOWN = 10_000  # strangers can make up any number of tokens


@dataclass(frozen=True, slots=True)
class Gate:
    """What it takes to get in at one endpoint."""

    endpoint_id: UUID
    broker: str
    is_decommissioned: bool
    secrets: tuple[str, ...]

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> str:
        """Return the delivery's id if an active secret signed it. Raises Untrusted."""
        try:
            adapter = registry.BROKERS[self.broker].adapter
            return adapter.verify_webhook(self.secrets, headers, body, now=now)
        except Untrusted:
            raise
        except Exception as error:
            # Whatever a stranger can make our verifier stumble over is not trusted.
            log.exception("verifier_failed", endpoint=str(self.endpoint_id))
            raise Untrusted("The delivery could not be verified.") from error


_known: dict[str, tuple[float, Gate | None]] = {}
_asked: dict[tuple[asyncio.AbstractEventLoop, str], asyncio.Task[Gate | None]] = {}


async def gate_of(token: str) -> Gate | None:
    """Return the gate behind a token, at most a second old, or None for no such endpoint."""
    seen_at, gate = _known.get(token, (-inf, None))
    if time.monotonic() - seen_at < KNOWN_FOR:
        return gate
    place = asyncio.get_running_loop(), token
    if place not in _asked:  # a burst for one endpoint asks once
        _asked[place] = asyncio.create_task(_ask(token))
        _asked[place].add_done_callback(lambda _: _asked.pop(place, None))
    return await asyncio.shield(_asked[place])


async def _ask(token: str) -> Gate | None:
    gate = await sync_to_async(_read)(token)
    if len(_known) >= MOST_KNOWN:
        _known.clear()
    _known[token] = (time.monotonic(), gate)
    return gate


def _read(token: str) -> Gate | None:
    close_old_connections()
    try:
        endpoint = (
            Endpoint.objects.select_related("account")
            .prefetch_related("secrets")
            .filter(token=token)
            .first()
        )
    finally:
        close_old_connections()
    if endpoint is None:
        return None
    return Gate(
        endpoint.id,
        endpoint.account.broker,
        endpoint.decommissioned_at is not None,
        tuple(_active(endpoint)),
    )


def _active(endpoint: Endpoint) -> list[str]:
    opened = []
    for secret in endpoint.secrets.all():
        if secret.retired_at is not None:
            continue
        try:
            opened.append(secret.unseal())
        except SecretUnreadable:
            log.exception("webhook_secret_unreadable", endpoint=str(endpoint.id))
    return opened
