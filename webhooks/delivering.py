"""Delivers notices: signed, to addresses of the open internet only, until they are taken.

Standard Webhooks 1.0.0: the id stays the same over all tries, the stamp and the signature are of
this one. Success is a 2xx and nothing else; a 410 ends the subscription.
"""

from __future__ import annotations

import ipaddress
import socket
from datetime import datetime, timedelta
from random import uniform
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import structlog
from django.conf import settings
from django.db import connection

from brokers import signatures
from orders import timing
from orders.actors import component
from orders.secrets import SecretUnreadable
from webhooks import subscribing
from webhooks.models import Notice

log = structlog.get_logger(__name__)

DESK = component("delivering")
PAUSES = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
)  # after each failure; then it is given up
JITTER = 0.1
WITHIN = 15.0  # seconds a receiver has to answer
LEASE = timedelta(seconds=60)  # a try that is lost with its process comes round again
AT_ONCE = 100
GONE = 410


class Forbidden(Exception):
    """The address leads where nothing may be sent. The message says where."""


def due(*, now: datetime) -> list[UUID]:
    """Return the notices to be tried now, each to one caller."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH due AS (
                SELECT id FROM webhooks_notice WHERE due_at <= %(now)s
                ORDER BY due_at LIMIT %(most)s FOR NO KEY UPDATE SKIP LOCKED
            )
            UPDATE webhooks_notice AS n SET due_at = %(later)s FROM due WHERE n.id = due.id
            RETURNING n.id
            """,
            {"now": now, "later": now + LEASE, "most": AT_ONCE},
        )
        return [notice_id for (notice_id,) in cursor.fetchall()]


def deliver(notice_id: UUID) -> bool:
    """Try one notice once. Returns whether it was taken."""
    notice = Notice.objects.select_related("subscription").get(id=notice_id)
    if notice.due_at is None or notice.subscription.ended_at is not None:
        return False
    status, failure = _send(notice, now=timing.database_now())
    return _conclude(notice, status, failure, now=timing.database_now())


def _send(notice: Notice, *, now: datetime) -> tuple[int | None, str]:
    """Make one request. Returns the status of the answer, or why there is none."""
    body, stamp = notice.body.encode(), int(now.timestamp())
    try:
        secret = notice.subscription.unseal()
        url, host = _pinned(notice.subscription.url)
        with httpx.Client(timeout=WITHIN, follow_redirects=False, trust_env=False) as client:
            answer = client.post(
                url,
                content=body,
                headers={
                    "host": host,
                    "content-type": "application/json",
                    "webhook-id": str(notice.id),
                    "webhook-timestamp": str(stamp),
                    "webhook-signature": signatures.sign(secret, str(notice.id), stamp, body),
                },
                extensions={"sni_hostname": urlsplit(notice.subscription.url).hostname},
            )
    except (httpx.HTTPError, httpx.InvalidURL, OSError, Forbidden, SecretUnreadable) as error:
        return None, f"{type(error).__name__}: {error}"
    return answer.status_code, ""


def _pinned(url: str) -> tuple[str, str]:
    """Return an address with its name resolved, once and for all, and the name for the header.

    Raises Forbidden for one in somebody's own network: a subscriber must not make this desk
    knock at doors that only it can reach.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [ipaddress.ip_address(str(info[4][0]).partition("%")[0]) for info in found]
    if host not in settings.DESK_TRUSTED_RECEIVERS:
        for address in addresses:
            if not address.is_global or address.is_multicast:
                raise Forbidden(f"{host} is {address}, which is not of the open internet.")
    first = addresses[0]
    place = f"[{first}]" if first.version == 6 else str(first)
    return parts._replace(netloc=f"{place}:{port}").geturl(), parts.netloc


def _conclude(notice: Notice, status: int | None, failure: str, *, now: datetime) -> bool:
    taken = status is not None and 200 <= status < 300
    notice.tries += 1
    notice.answer_status = status
    notice.failure = "" if taken else failure or f"answered {status}"
    notice.taken_at = now if taken else None
    notice.due_at = None if taken or notice.tries > len(PAUSES) else _next(notice.tries, now)
    changed = ("tries", "answer_status", "failure", "taken_at", "due_at")
    notice.save(update_fields=changed)
    if status == GONE:
        subscribing.end(notice.subscription, why="The receiver answered 410.", actor=DESK, now=now)
    if not taken:
        log.warning("notice_not_taken", notice=str(notice.id), why=notice.failure)
    return taken


def _next(tries: int, now: datetime) -> datetime:
    return now + PAUSES[tries - 1] * uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 — so that what failed together is not retried together
