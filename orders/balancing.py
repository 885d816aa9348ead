"""Reconciles an account with its broker: a report, and the breaks it finds, by their age.

On demand, and at the end of every trading day, once. A broker that does not
answer leaves a report that says so, and no verdict on anything.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q

from brokers.errors import BrokerError
from orders import alarming, announcing, auditing, connecting, timing, weighing
from orders.actors import Actor, component
from orders.models import Account, Break, Feed, Incident, Order, Reconciliation
from orders.weighing import Seen

log = structlog.get_logger(__name__)

Occasion = Reconciliation.Occasion
CLERK = component("day's end")
CLOSE_AGAIN = timedelta(minutes=10)  # a day that could not be closed, or whose worker died
LONGEST_DAY = timedelta(days=7)  # no further back, however long a broker was away
KEPT = 5000  # lines of a report on which both agree; what differs is kept in any case
NAMED = 3  # breaks an incident names


def reconcile_account(
    account: Account, *, actor: Actor, now: datetime, since: datetime | None = None
) -> Reconciliation:
    """Compare an account's books with its broker's, and return the report.

    `since` is where orders and executions begin: the trading day, if nothing
    is said. What the broker says and we had not heard is taken in. Takes
    seconds, and up to a quarter of a minute where something differs.
    """
    since = since or timing.day_begins(timing.trading_day(now))
    seen = _weigh(account, since=since)
    with transaction.atomic():
        return _report(
            account, seen, occasion=Occasion.ON_DEMAND, since=since, actor=actor, now=now
        )


def due(*, now: datetime) -> list[UUID]:
    """Return the accounts whose last trading day has ended, and has no report yet."""
    today = timing.trading_day(now)
    feeds = _unclosed(now).filter(account__created_at__lt=timing.day_begins(today))
    return list(feeds.values_list("account_id", flat=True))


def close_day(account_id: UUID, *, now: datetime) -> Reconciliation | None:
    """Reconcile an account at the end of its trading day, once. Returns the report.

    Returns None where somebody else is at it, or has done it. If the broker does not answer the
    day stays open, and is tried again.
    """
    if not _unclosed(now).filter(account_id=account_id).update(closing_at=now):
        return None
    account = Account.objects.select_related("feed").get(id=account_id)
    day = timing.trading_day(now) - timedelta(days=1)
    since = _first_open(account, day)
    seen = _weigh(account, since=since)
    with transaction.atomic():
        auditing.hold(account.id)  # before the feed's row, as everywhere
        still_open = Q(closed_day__isnull=True) | Q(closed_day__lt=day)
        feed = Feed.objects.filter(still_open, account=account)
        if isinstance(seen, Seen) and not feed.update(closed_day=day):
            return None
        return _report(
            account, seen, occasion=Occasion.END_OF_DAY, since=since, actor=CLERK, now=now
        )


def _unclosed(now: datetime) -> Any:
    day = timing.trading_day(now) - timedelta(days=1)
    return Feed.objects.filter(
        Q(closed_day__isnull=True) | Q(closed_day__lt=day),
        Q(closing_at__isnull=True) | Q(closing_at__lte=now - CLOSE_AGAIN),
    )


def _first_open(account: Account, day: date) -> datetime:
    """Return when the first day began that has not been closed: one missed is made up for."""
    closed = account.feed.closed_day
    since = timing.day_begins(closed + timedelta(days=1) if closed else day)
    return max(since, timing.day_begins(day) - LONGEST_DAY)


def _weigh(account: Account, *, since: datetime) -> Seen | str:
    """Return what was seen, or why nothing was."""
    try:
        adapter = connecting.connect(account)
        return weighing.weigh(account, adapter, since=since)
    except connecting.UNCONNECTABLE:
        log.exception("account_not_connected", account=str(account.id))
        return f"The credentials of {account} can't be read."
    except BrokerError as error:
        return str(error) or "The broker did not answer."


def _report(
    account: Account,
    seen: Seen | str,
    *,
    occasion: Occasion,
    since: datetime,
    actor: Actor,
    now: datetime,
) -> Reconciliation:
    """Store a report, and what it means for the breaks. Belongs inside a transaction."""
    auditing.hold(account.id)  # one report of an account at a time
    ended_at = timing.database_now()
    report = Reconciliation(
        account=account,
        occasion=occasion,
        asked_by_id=actor.user_id,
        since=since,
        began_at=now,
        ended_at=ended_at,
        failure=seen if isinstance(seen, str) else _moved_in_words(seen),
        doubts=_doubts(account),
    )
    if isinstance(seen, Seen):
        _count(report, seen)
        report.breaks = _keep_breaks(account, seen, now=ended_at)
        _raise_or_settle(account, now=ended_at)
    report.save()
    sequence = auditing.write(
        account.id,
        action="account.reconciled",
        actor=actor,
        now=ended_at,
        subject=f"reconciliation:{report.id}",
        after={"breaks": len(report.breaks), "failure": report.failure},
    )
    announcing.announce(account.id, None, sequence=sequence)
    return report


def _count(report: Reconciliation, seen: Seen) -> None:
    for what, plural in _PLURALS.items():
        lines = [line for line in seen.lines if line.what == what]
        setattr(report, f"{plural}_ours", sum(line.ours != "" for line in lines))
        setattr(report, f"{plural}_theirs", sum(line.theirs != "" for line in lines))
    agreed = [line for line in seen.lines if line.agrees][-KEPT:]
    differing = [line for line in seen.lines if not line.agrees]
    report.lines = [asdict(line) for line in (*differing, *agreed)]


_PLURALS = {
    Break.What.ORDER: "orders",
    Break.What.EXECUTION: "executions",
    Break.What.POSITION: "positions",
}


def _keep_breaks(account: Account, seen: Seen, *, now: datetime) -> list[dict[str, str]]:
    """Open the breaks that are new, close those that are gone, and return those there are."""
    known = {
        (was.what, was.name): was
        for was in Break.objects.filter(account=account, closed_at__isnull=True)
    }
    told = []
    for line in seen.breaks:
        found = known.pop((line.what, line.name), None) or Break(
            account=account,
            what=line.what,
            name=line.name,
            broker_order_id=line.broker_order_id,
            first_seen_at=now,
        )
        found.ours, found.theirs, found.last_seen_at = line.ours, line.theirs, now
        found.save()
        told.append(_in_json(found))
    for key, gone in known.items():
        if key not in seen.moved:
            gone.closed_at = now
            gone.save(update_fields=["closed_at"])
    return told


def _in_json(found: Break) -> dict[str, str]:
    return {
        "what": found.what,
        "name": found.name,
        "ours": found.ours,
        "theirs": found.theirs,
        "first_seen_at": found.first_seen_at.isoformat(),
    }


def _doubts(account: Account) -> list[dict[str, str]]:
    """Return the orders of which nobody can say whether the broker has them."""
    return [
        {
            "name": order.wire_id,
            "says": order.submission_reason,
            "since": order.submission_at.isoformat(),
        }
        for order in Order.objects.filter(account=account).in_doubt().order_by("id")
    ]


def _moved_in_words(seen: Seen) -> str:
    if not seen.moved:
        return ""
    names = ", ".join(f"{what} {name}" for what, name in sorted(seen.moved))
    return f"These moved while they were read, so there is no verdict on them: {names}."


def _raise_or_settle(account: Account, *, now: datetime) -> None:
    open_ = Break.objects.filter(account=account, closed_at__isnull=True)
    count = len(open_)
    if not count:
        alarming.settle(
            Incident.Kind.BREAK,
            subject=f"account:{account.id}",
            outcome="Ours and theirs agree again.",
            now=now,
        )
        return
    named = ", ".join(f"{found.what} {found.name}" for found in open_[:NAMED])
    more = f" and {count - NAMED} more" if count > NAMED else ""
    alarming.alarm(
        Incident.Kind.BREAK,
        account=account,
        says=f"Our books and the broker's differ: {named}{more}.",
        now=now,
    )
