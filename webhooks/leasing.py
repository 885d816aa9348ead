"""Says whose streams this process keeps: each is one process's, for as long as that says so.

A lease in PostgreSQL, by its clock, and no lock: that would cost a connection, and one that broke
unnoticed would keep everybody else out. What the holder knows of a stream it writes with the lease,
so who reads it sees by the same row whether anybody is there to know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from brokers import registry
from orders import connecting, timing
from orders.actors import component
from orders.models import Account, Order, Stream
from orders.models.stream import StreamState
from webhooks.enrolling import enroll_stream

BRIDGE = component("stream bridge")
LEASE = timedelta(seconds=15)
State = Stream.State


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One account's stream, to be kept by this process."""

    account_id: UUID
    broker: str
    base_url: str
    credentials: Mapping[str, str] = field(repr=False)
    endpoint_id: UUID
    flaw: str = ""  # why nobody may connect
    event_id: str = field(default="", compare=False)  # the last one heard, by whomever


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a stream does, as its holder knows it."""

    state: StreamState
    heard_at: datetime | None = None
    event_id: str = ""
    connects: int = 0  # since it was last written down
    failures: int = 0
    error: str = ""
    error_at: datetime | None = None
    retry_at: datetime | None = None


def claim(holder: UUID) -> list[Errand]:
    """Take or renew the lease of every stream that is wanted and nobody else's.

    Returns these. What no longer is wanted is let go.
    """
    wanted = list(_wanted())
    _open_missing(wanted)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH free AS (
                SELECT account_id,
                    held_by IS NOT DISTINCT FROM %(me)s AND held_until > clock_timestamp() AS mine
                FROM orders_stream
                WHERE account_id = ANY(%(wanted)s) AND (
                    held_by = %(me)s OR held_until IS NULL OR held_until <= clock_timestamp()
                )
                ORDER BY account_id FOR NO KEY UPDATE SKIP LOCKED
            )
            UPDATE orders_stream AS stream SET
                held_by = %(me)s,
                held_until = clock_timestamp() + make_interval(secs => %(lease)s),
                -- What the one before said of it is as old as its lease.
                state = CASE WHEN free.mine THEN stream.state ELSE 'offline' END,
                since = CASE WHEN free.mine OR stream.state = 'offline' THEN stream.since
                    ELSE clock_timestamp() END
            FROM free WHERE stream.account_id = free.account_id
            RETURNING stream.account_id, stream.event_id
            """,
            {
                "me": holder,
                "wanted": [account.id for account in wanted],
                "lease": LEASE.total_seconds(),
            },
        )
        held = dict[UUID, str](cursor.fetchall())
    _let_go(wanted, holder)
    return [_errand(account, held[account.id]) for account in wanted if account.id in held]


def report(holder: UUID, standings: Mapping[UUID, Standing]) -> None:
    """Write down how streams do, those of them that are this process's still."""
    for account_id, told in sorted(standings.items()):
        _write(holder, account_id, told)


def release(holder: UUID, account_ids: list[UUID] | None = None) -> None:
    """Give up these streams, or all: another process may take them at once."""
    held = Stream.objects.filter(held_by=holder)
    if account_ids is not None:
        held = held.filter(account_id__in=account_ids)
    now = timing.database_now()
    held.exclude(state=State.OFFLINE).update(state=State.OFFLINE, since=now)
    held.update(held_until=None, held_by=None, retry_at=None)


def _wanted() -> QuerySet[Account]:
    """Return the accounts in which something may happen, at brokers that tell it over a stream.

    A closed account takes no new orders; those that it has may trade still.
    """
    streaming = [name for name, broker in registry.BROKERS.items() if broker.stream is not None]
    attended = Order.objects.filter(account=OuterRef("id"), look_at__isnull=False)
    return Account.objects.filter(Q(is_open=True) | Exists(attended), broker__in=streaming)


def any_wanted() -> bool:
    """Whether there is a stream for anybody to keep, or to say of that nobody needs it."""
    return _wanted().exists() or Stream.objects.exclude(state=State.UNWANTED).exists()


def _open_missing(wanted: list[Account]) -> None:
    known = set(
        Stream.objects.filter(account__in=wanted)
        .exclude(state=State.UNWANTED)
        .values_list("account_id", flat=True)
    )
    for account in wanted:
        if account.id not in known:
            _open(account, now=timing.database_now())


@transaction.atomic
def _open(account: Account, *, now: datetime) -> None:
    Account.objects.select_for_update(no_key=True).get(id=account.id)  # two may be at it
    enroll_stream(account, actor=BRIDGE, now=now)
    stream, _ = Stream.objects.get_or_create(account=account, defaults={"since": now})
    if stream.state == State.UNWANTED:
        Stream.objects.filter(account=account).update(state=State.OFFLINE, since=now)


def _let_go(wanted: list[Account], holder: UUID) -> None:
    """Say of streams that nobody needs any more that it is so."""
    now = timing.database_now()
    Stream.objects.exclude(account__in=wanted).exclude(state=State.UNWANTED).filter(
        Q(held_by=holder) | Q(held_until__isnull=True) | Q(held_until__lte=now)
    ).update(state=State.UNWANTED, since=now, held_by=None, held_until=None, retry_at=None)


def _errand(account: Account, event_id: str) -> Errand:
    endpoint = enroll_stream(account, actor=BRIDGE, now=timing.database_now())
    try:
        connecting.check_account(account)
        credentials = account.unseal_credentials()
        flaw = ""
    except connecting.UNCONNECTABLE as error:
        credentials, flaw = {}, str(error)
    return Errand(
        account_id=account.id,
        broker=account.broker,
        base_url=account.base_url,
        credentials=credentials,
        endpoint_id=endpoint.id,
        flaw=flaw,
        event_id=event_id,
    )


def _write(holder: UUID, account_id: UUID, told: Standing) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE orders_stream SET
                since = CASE WHEN state = %(state)s THEN since ELSE clock_timestamp() END,
                state = %(state)s,
                heard_at = coalesce(%(heard_at)s, heard_at),
                event_id = coalesce(nullif(%(event_id)s, ''), event_id),
                connects = connects + %(connects)s,
                failures = %(failures)s,
                error = coalesce(nullif(%(error)s, ''), error),
                error_at = coalesce(%(error_at)s, error_at),
                retry_at = %(retry_at)s
            WHERE account_id = %(account_id)s
                AND held_by = %(holder)s AND held_until > clock_timestamp()
            """,
            {
                "holder": holder,
                "account_id": account_id,
                "state": told.state,
                "heard_at": told.heard_at,
                "event_id": told.event_id,
                "connects": told.connects,
                "failures": told.failures,
                "error": told.error[:500],
                "error_at": told.error_at,
                "retry_at": told.retry_at,
            },
        )
