"""Keeps what no active secret signed, within bounds, so that a mistyped secret loses nothing.

What is in quarantine has no effect on any order. It leaves it into the inbox if
an active secret turns out to have signed it, judged by when it came; else it
goes, the oldest first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Max

from brokers.errors import Untrusted
from brokers.http import redacted
from brokers.parsing import storable
from orders import alarming, auditing
from orders.actors import Actor
from orders.models import Incident
from webhooks.keeping import KEEP, Parcel, columns_of
from webhooks.models import Endpoint, Quarantined, Reception
from webhooks.trusting import Gate, gate_to, note_used

MEGABYTE = 1024 * 1024
KEPT_FOR = timedelta(days=7)
MOST_ROWS = 1_000  # of one endpoint
MOST_BYTES = 16 * MEGABYTE  # of one endpoint
MOST_BYTES_IN_ALL = 128 * MEGABYTE
SAMPLE_ROWS = 20  # of one endpoint in one round; the rest of a flood is only counted
SAMPLE_BYTES = MEGABYTE
LONGEST_HEADERS = 16 * 1024
ALARMING = 5  # within a minute from one endpoint
MINUTE = timedelta(minutes=1)
GUARD = "webhooks quarantine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A delivery to a live endpoint that no active secret signed, and why it is not trusted."""

    endpoint_id: UUID
    headers: Mapping[str, str]  # as they came
    body: bytes
    received_at: datetime
    why: str


@dataclass(slots=True)
class Sampled:
    """A delivery as it first came and as it last came, and how often it did."""

    first: Stray
    last: Stray
    seen: int = 1


@dataclass(slots=True)
class TurnedAway:
    """What one endpoint turned away in one round: all of it counted, some of it kept."""

    count: int = 0
    not_kept: int = 0
    size: int = 0
    sample: dict[bytes, Sampled] = field(default_factory=dict)  # by the body's digest
    times: deque[datetime] = field(default_factory=lambda: deque(maxlen=ALARMING))

    def add(self, stray: Stray) -> None:
        """Count a delivery, and keep it if there is room."""
        self.count += 1
        self.times.append(stray.received_at)
        size = size_of(stray)
        if (
            len(self.sample) >= SAMPLE_ROWS  # before its digest: that takes the longest
            or self.size + size > SAMPLE_BYTES
            or size - len(stray.body) > LONGEST_HEADERS
        ):
            self.not_kept += 1
            return
        digest = sha256(stray.body).digest()
        if digest in self.sample:
            self.sample[digest].seen += 1
            self.sample[digest].last = stray
        else:
            self.sample[digest] = Sampled(stray, stray)
            self.size += size


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverified:
    """What verifying again came to: verified, how many of these were new, and what stays."""

    verified: int
    new: int
    left: int


def size_of(stray: Stray) -> int:
    """Return how many bytes a delivery has."""
    return len(stray.body) + sum(len(name) + len(text) for name, text in stray.headers.items())


def quarantine(turned_away: Mapping[UUID, TurnedAway], *, now: datetime) -> None:
    """Keep a round of what was turned away, by endpoint, and raise an incident where it is much."""
    with transaction.atomic():
        _one_at_a_time()
        many = [
            endpoint_id
            for endpoint_id, told in sorted(turned_away.items())
            if _keep(endpoint_id, told)
        ]
        _trim(now)
    for endpoint in Endpoint.objects.filter(id__in=many).select_related("account").order_by("id"):
        _alarm(endpoint, now=now)


@transaction.atomic
def reverify(endpoint: Endpoint, *, actor: Actor, now: datetime) -> Reverified:
    """Verify an endpoint's quarantine against its secrets as they are now.

    What one of them signed moves into the inbox, where it is understood like
    any other. A stamp is held against the time at which the delivery came: what
    was stale stays stale. Safe to repeat.
    """
    _one_at_a_time()  # a retry that is turned away meanwhile must not touch what leaves
    gate = gate_to(endpoint)
    parcels: list[Parcel] = []
    verified: list[int] = []
    used: dict[int, datetime] = {}
    waiting = Quarantined.objects.filter(endpoint=endpoint, received_at__gt=now - KEPT_FOR)
    for stray in waiting.order_by("id"):
        found = _verified(gate, stray)
        if found is None:
            continue
        secret_id, parcel = found
        verified.append(stray.id)
        parcels.append(parcel)
        used[secret_id] = max(used.get(secret_id, parcel.received_at), parcel.received_at)
    new = _move(verified, parcels)
    note_used(used)
    left = endpoint.quarantined.count()
    if verified:
        auditing.write(
            endpoint.account_id,
            action="endpoint.reverified",
            actor=actor,
            now=now,
            subject=str(endpoint.id),
            after={"verified": len(verified), "new": new, "left": left},
        )
        if not left:
            Reception.objects.filter(endpoint=endpoint).update(turned_away_at=[])
            _settle(endpoint, "What was turned away has been verified since.", now=now)
    return Reverified(verified=len(verified), new=new, left=left)


def _verified(gate: Gate, stray: Quarantined) -> tuple[int, Parcel] | None:
    """Return the secret that signed a delivery, and it; None if no active one did."""
    body = bytes(stray.body)
    for headers, at in stray.copies():
        with suppress(Untrusted):
            proof = gate.verify(headers, body, now=at)
            return proof.secret_id, Parcel(
                endpoint_id=gate.endpoint_id,
                delivery_id=proof.delivery_id,
                headers=redacted(headers),
                body=body,
                received_at=at,
            )
    return None


def tidy(*, now: datetime) -> None:
    """Let go what has been in quarantine too long, and end the incidents that are over."""
    with transaction.atomic():
        _one_at_a_time()
        _trim(now)
    troubled = Incident.objects.open().filter(kind=Incident.Kind.UNVERIFIED)
    places = troubled.values_list("subject", flat=True)
    ids = [place.removeprefix("endpoint:") for place in places]
    for endpoint in Endpoint.objects.filter(id__in=ids).select_related("reception"):
        if _is_over(endpoint, now=now):
            with transaction.atomic():
                _settle(endpoint, "Deliveries are verified again.", now=now)


def _is_over(endpoint: Endpoint, *, now: datetime) -> bool:
    """Whether a delivery was verified after the last one turned away, a minute ago or more.

    The minute keeps one that is signed well now and badly then from ending it over and over.
    """
    verified_at = endpoint.secrets.aggregate(at=Max("last_used_at"))["at"]
    turned_away_at = endpoint.reception.turned_away_at
    last = turned_away_at[-1] if turned_away_at else datetime.min.replace(tzinfo=UTC)
    return verified_at is not None and last < min(verified_at, now - MINUTE)


def _keep(endpoint_id: UUID, told: TurnedAway) -> bool:
    """Keep one endpoint's sample. Returns whether so many came within a minute as to alarm."""
    reception, _ = Reception.objects.get_or_create(endpoint_id=endpoint_id)
    reception.turned_away += told.count
    reception.not_kept += told.not_kept
    reception.turned_away_at = sorted([*reception.turned_away_at, *told.times])[-ALARMING:]
    reception.save()
    known = {
        bytes(row.digest): row
        for row in Quarantined.objects.filter(endpoint_id=endpoint_id, digest__in=[*told.sample])
    }
    for digest, sampled in told.sample.items():
        if digest in known:
            row = known[digest]
            row.seen, row.last_seen_at = row.seen + sampled.seen, sampled.last.received_at
            row.seal_last_proof(sampled.last.headers)
            row.save(update_fields=["seen", "last_seen_at", "last_proof"])
        else:
            _quarantined(digest, sampled).save(force_insert=True)
    latest = reception.turned_away_at
    return len(latest) == ALARMING and latest[-1] - latest[0] <= MINUTE


def _quarantined(digest: bytes, sampled: Sampled) -> Quarantined:
    stray = sampled.first
    row = Quarantined(
        endpoint_id=stray.endpoint_id,
        digest=digest,
        headers={storable(name): storable(text) for name, text in redacted(stray.headers).items()},
        body=stray.body,
        size=size_of(stray),
        why=storable(stray.why),
        received_at=stray.received_at,
        seen=sampled.seen,
        last_seen_at=sampled.last.received_at,
    )
    row.seal_proof(stray.headers)
    if sampled.seen > 1:
        row.seal_last_proof(sampled.last.headers)
    return row


def _one_at_a_time() -> None:
    """Let no two transactions count and trim at once: the bounds are exact."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [GUARD])


def _trim(now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM webhooks_quarantined WHERE received_at <= %s OR id IN (
                SELECT id FROM (
                    SELECT id,
                        row_number() OVER own AS place,
                        sum(size) OVER own AS own_bytes,
                        sum(size) OVER (ORDER BY id DESC) AS all_bytes
                    FROM webhooks_quarantined
                    WINDOW own AS (PARTITION BY endpoint_id ORDER BY id DESC)
                ) AS ranked
                WHERE place > %s OR own_bytes > %s OR all_bytes > %s
            )
            """,
            [now - KEPT_FOR, MOST_ROWS, MOST_BYTES, MOST_BYTES_IN_ALL],
        )


def _move(verified: list[int], parcels: list[Parcel]) -> int:
    """Move verified deliveries into the inbox. Returns how many it did not have yet."""
    if not parcels:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(KEEP, columns_of(parcels))
        new = int(cursor.rowcount)
    Quarantined.objects.filter(id__in=verified).delete()
    return new


@transaction.atomic
def _alarm(endpoint: Endpoint, *, now: datetime) -> None:
    said_lately = Incident.objects.open().filter(
        kind=Incident.Kind.UNVERIFIED, subject=endpoint.place, last_seen_at__gt=now - MINUTE
    )
    if said_lately.exists():  # a flood is one trouble, and not one row of it each second
        return
    alarming.alarm(
        Incident.Kind.UNVERIFIED,
        account=endpoint.account,
        subject=endpoint.place,
        says=f"{ALARMING} deliveries or more within a minute were signed by no active secret, and"
        " had no effect. If they are the broker's, its secret and ours differ: add the right one"
        " (manage.py endpoint rotate), and they are verified again.",
        now=now,
    )


def _settle(endpoint: Endpoint, outcome: str, *, now: datetime) -> None:
    alarming.settle(Incident.Kind.UNVERIFIED, subject=endpoint.place, outcome=outcome, now=now)
