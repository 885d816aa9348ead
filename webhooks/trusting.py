"""Knows the endpoints and their secrets, and says whether a delivery proves where it comes from.

All endpoints are read at once, at most once a second: however many addresses
strangers make up, they cost no query, and nobody waits for them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from math import inf
from uuid import UUID

import structlog
from django.db import connections, transaction
from django.db.models import F
from django.db.models.functions import Greatest

from brokers import registry
from brokers.errors import Untrusted
from orders.secrets import SecretUnreadable, unseal
from webhooks.models import Endpoint, EndpointSecret, Origin

log = structlog.get_logger(__name__)

KNOWN_FOR = 1.0  # seconds; how long a retired secret or endpoint may still pass


@dataclass(frozen=True, slots=True)
class Key:
    """An active secret, opened."""

    secret_id: int
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Proof:
    """A verified delivery's id, and which secret signed it."""

    delivery_id: str
    secret_id: int


@dataclass(frozen=True, slots=True)
class Gate:
    """What it takes to get in at one endpoint. Its keys are the newest first."""

    endpoint_id: UUID
    broker: str
    is_decommissioned: bool
    keys: tuple[Key, ...]

    @property
    def turns_away_with(self) -> int:
        """The status with which this broker is told that a delivery is not trusted."""
        known = registry.BROKERS.get(self.broker)
        return known.adapter.untrusted_status if known else 401

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Proof:
        """Return the proof of a delivery that an active secret signed. Raises Untrusted.

        Every key is tried, whichever fits. Of two that signed it, the newer is named: so the
        older one counts as used only as long as it is needed.
        """
        proofs: list[Proof] = []
        why = Untrusted("This endpoint has no active secret.")
        for key in self.keys:
            try:
                verify = registry.BROKERS[self.broker].adapter.verify_webhook
                proofs.append(Proof(verify((key.value,), headers, body, now=now), key.secret_id))
            except Untrusted as error:
                why = error
            except Exception:
                # Whatever a stranger can make our verifier stumble over is not trusted.
                log.exception("verifier_failed", endpoint=str(self.endpoint_id))
                why = Untrusted("The delivery could not be verified.")
        if proofs:
            return proofs[0]
        raise why


@dataclass(frozen=True, slots=True)
class _Known:
    """Every gate by its token, as of a moment on this process's own clock."""

    at: float
    gates: Mapping[str, Gate]


_known = _Known(-inf, {})
_asked: dict[asyncio.AbstractEventLoop, asyncio.Task[_Known]] = {}


async def gate_of(token: str) -> Gate | None:
    """Return the gate behind a token, at most a second old, or None for no such endpoint.

    Raises what PostgreSQL raises.
    """
    known = _known
    if time.monotonic() - known.at >= KNOWN_FOR:
        loop = asyncio.get_running_loop()
        if loop not in _asked:  # however many wait, one asks
            _asked[loop] = loop.create_task(_ask())
            _asked[loop].add_done_callback(lambda _: _asked.pop(loop, None))
        known = await asyncio.shield(_asked[loop])
    return known.gates.get(token)


def gate_to(endpoint: Endpoint) -> Gate:
    """Return an endpoint's gate as it is now."""
    active = endpoint.secrets.filter(retired_at__isnull=True).order_by("-id")
    return Gate(
        endpoint.id,
        endpoint.account.broker,
        endpoint.decommissioned_at is not None,
        tuple(_keys(active)),
    )


@transaction.atomic
def note_used(used: Mapping[int, datetime]) -> None:
    """Write down when secrets, by their ids, last signed a delivery."""
    for secret_id, at in sorted(used.items()):
        EndpointSecret.objects.filter(id=secret_id).update(
            last_used_at=Greatest(F("last_used_at"), at)
        )


async def _ask() -> _Known:
    global _known  # noqa: PLW0603 — one process, one memory of it
    _known = await asyncio.to_thread(_read)
    return _known


def _read() -> _Known:
    at = time.monotonic()  # before it is read: a secret retired meanwhile passes no longer for it
    try:
        active = EndpointSecret.objects.filter(retired_at__isnull=True).order_by("-id")
        secrets: dict[UUID, list[EndpointSecret]] = {}
        for secret in active:
            secrets.setdefault(secret.endpoint_id, []).append(secret)
        endpoints = Endpoint.objects.filter(origin=Origin.WEBHOOK).values_list(
            "token", "id", "account__broker", "decommissioned_at"
        )
        gates = {
            token: Gate(id_, broker, ended_at is not None, tuple(_keys(secrets.get(id_, ()))))
            for token, id_, broker, ended_at in endpoints
        }
    finally:
        connections.close_all()  # this thread may not come here again
    return _Known(at, gates)


def _keys(secrets: Iterable[EndpointSecret]) -> Iterable[Key]:
    for secret in secrets:
        try:
            yield Key(secret.pk, _opened(secret.sealed, secret.place))
        except SecretUnreadable as error:
            # Said each second, and rightly so: what the broker signs with it is turned away.
            log.error("webhook_secret_unreadable", secret=secret.pk, error=str(error))  # noqa: TRY400


@lru_cache(maxsize=4096)
def _opened(sealed: str, place: str) -> str:
    """Open a secret once, not each second."""
    return unseal(sealed, place=place)
