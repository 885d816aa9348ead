"""Sends nothing on the word of a database that may have forgotten what was sent.

A restored backup, a standby promoted before it had heard everything, files put back: each may hold
an order as ready that has left long ago. Until each account's broker has been read, nothing goes
out; cancels do.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import structlog
from django.db import Error as DatabaseTrouble
from django.db import (
    NotSupportedError,
    ProgrammingError,
    connection,
    transaction,
)
from psycopg.errors import UndefinedTable

from orders import alarming, anchoring, announcing, auditing, timing
from orders.actors import component
from orders.models import Account, Feed, Heartbeat, Incident, Severity, Timeline

log = structlog.get_logger(__name__)

GUARD = component("guard")
# The timeline that is written now: the control file has the one of the last checkpoint.
IDENTITY = """
    SELECT control.system_identifier::text, pg_walfile_name(pg_current_wal_lsn()),
        noted.system, noted.number
    FROM pg_control_system() AS control LEFT JOIN orders_timeline AS noted ON true
"""

_may_identify: bool | None = None  # None: not tried yet


class Forgotten(Exception):
    """This database is not the one we left, or not all of it: why we think so."""


def check(account_id: UUID) -> None:
    """Raise Forgotten if this database is not the one that an account's orders were sent from.

    Belongs in the claim's own transaction: a connection made anew may lead elsewhere.
    """
    if (why := _other_database()) is not None:
        raise Forgotten(why)
    if anchoring.forgotten(str(account_id)):
        raise Forgotten("The database lacks a row of the account's record that it once had.")


def is_sure(account_id: UUID) -> bool:
    """Whether our records lack nothing that an account sent, as far as anybody can know.

    Else an order that they hold as ready may have left. Belongs in the transaction that would
    say that it has not.
    """
    try:
        check(account_id)
    except Forgotten:
        return False
    # Only now: whoever has found out meanwhile has made an unsure account of it first.
    return Account.objects.filter(id=account_id, unsure_since__isnull=True).exists()


def watch(*, now: datetime) -> bool:
    """Look whether the database is the one we left; if so, anchor it as it is now.

    Every process does so when it starts, and one of them every few seconds. Returns whether it
    is. If not, nothing is sent until each account has been read.
    """
    with transaction.atomic():
        why = _other_database()
    if why is None and (lost := anchoring.forgotten()):
        why = f"The database lacks rows that it once had, of {len(lost)} records."
    if why is not None:
        distrust(why, now=now)
        return False
    if anchoring.anchor_all():
        Heartbeat.objects.update_or_create(name="anchor", defaults={"at": now})
    return True


def watch_by_the_way() -> None:
    """Do as `watch` for a process that starts or ends, whether or not the database is there."""
    try:
        watch(now=timing.database_now())
    except DatabaseTrouble as error:
        log.warning("not_watched", error=str(error))  # each claim asks for itself


def distrust(why: str, *, now: datetime) -> None:
    """Have nothing sent, by any account, until its broker has been read from beginning to end."""
    log.error("database_not_the_one_we_left", why=why)
    with transaction.atomic():
        accounts = list(Account.objects.select_for_update(no_key=True).order_by("id"))
        Account.objects.update(unsure_since=now)
        for account in accounts:
            sequence = auditing.write(
                account.id, action="account.unsure", actor=GUARD, now=now, reason=why
            )
            announcing.announce(account.id, None, sequence=sequence)
        alarming.alarm(
            Incident.Kind.RESTORED,
            account=None,
            subject="desk",
            severity=Severity.CRITICAL,
            says=f"{why} Nothing is sent until each broker's list of orders has been read.",
            now=now,
        )
        Feed.objects.update(sweep_at=now)
        if (identities := _identities()) is not None:
            _note(identities[0])
    anchoring.begin_afresh()


def trust(account_id: UUID, *, unsure_since: datetime, began: datetime, now: datetime) -> bool:
    """Let an account send again, whose broker has been read whole by a round that began so late.

    Returns False if it was put in doubt again meanwhile.
    """
    with transaction.atomic():
        sure = Account.objects.filter(id=account_id, unsure_since=unsure_since).update(
            unsure_since=None
        )
        if sure:
            sequence = auditing.write(
                account_id,
                action="account.sure",
                actor=GUARD,
                now=now,
                reason=f"Its broker was read from beginning to end, from {began.isoformat()} on.",
            )
            announcing.announce(account_id, None, sequence=sequence)
    return bool(sure)


def last_anchored() -> datetime | None:
    """Return when the database was last found to be the one we left, and anchored."""
    return Heartbeat.objects.filter(name="anchor").values_list("at", flat=True).first()


def may_identify() -> bool:
    """Whether this PostgreSQL tells us which one it is. Some that others manage do not."""
    return _identities() is not None


Identity = tuple[str, int]  # of a cluster, and its timeline


def _other_database() -> str | None:
    """Return why this is not the PostgreSQL of our record, or None. The first one is noted."""
    identities = _identities()
    if identities is None:
        return None
    now, noted = identities
    if noted is None:
        _note(now)
    elif noted != now:
        return (
            f"PostgreSQL {noted[0]}, timeline {noted[1]}, is now {now[0]}, timeline {now[1]}:"
            " it was restored, or a standby took over."
        )
    return None


def _identities() -> tuple[Identity, Identity | None] | None:
    """Return which database this is, and which one is on record; None where it does not tell."""
    global _may_identify  # noqa: PLW0603 — one process, one memory of it
    if _may_identify is None:
        try:
            with transaction.atomic():  # refused, it would spoil the caller's transaction
                _ask()
            _may_identify = True
        except (ProgrammingError, NotSupportedError) as error:
            if isinstance(error.__cause__, UndefinedTable):
                raise  # not migrated yet: that says nothing of what it tells
            log.warning("database_tells_no_identity", error=str(error))
            _may_identify = False
    return _ask() if _may_identify else None


def _ask() -> tuple[Identity, Identity | None]:
    with connection.cursor() as cursor:
        cursor.execute(IDENTITY)
        system, file, noted_system, noted_number = cursor.fetchone()
    noted = None if noted_system is None else (noted_system, noted_number)
    return (system, int(file[:8], 16)), noted


def _note(identity: Identity) -> None:
    fields = {"system": identity[0], "number": identity[1], "noted_at": timing.database_now()}
    Timeline.objects.update_or_create(id=1, defaults=fields)
