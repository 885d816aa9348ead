"""Reads whole accounts at their brokers: the lists of orders and executions, every page.

This is what the promise never to lose a fill rests on when webhooks do not come, and how orders
that somebody entered elsewhere come to be known.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import DataError, IntegrityError

from brokers.adapter import BrokerAdapter
from brokers.errors import BrokerError, Unasked
from brokers.messages import Absent, Report
from orders import connecting, guarding, recording, timing
from orders.models import Account, Feed
from orders.models.facts import Heard
from orders.recording import Unadoptable

log = structlog.get_logger(__name__)

OVERLAP = timedelta(minutes=5)  # read again from before the last round: clocks differ, lists lag
FORGOTTEN = timedelta(days=7)  # what is read again when our records may lack something
ADOPT_AFTER = timedelta(seconds=5)  # the answer to a request of ours may still be on its way
MISSED_AFTER = timedelta(minutes=1)  # a list or a replica may lag so far behind a webhook
RETRY = timedelta(seconds=5)
AT_ONCE = 50  # facts merged in one transaction: their orders are locked meanwhile
READ_SINGLY = 50  # orders asked after one by one in a round, where the list does not show them

# What one fact that no column holds raises. It must not keep the others out.
INDIGESTIBLE = (DataError, IntegrityError, ValueError, ArithmeticError)


def sweep(account_id: UUID, *, now: datetime) -> bool:
    """Take in all that an account's broker has told since the last whole round.

    Returns whether everything could be read. `now` is when this round begins.
    """
    account = Account.objects.select_related("feed").get(id=account_id)
    try:
        adapter = connecting.connect(account)
    except connecting.UNCONNECTABLE:
        log.exception("account_not_connected", account=str(account.id))
        return False
    try:
        listed = _read_lists(account, adapter, now=now)
        again_soon = _adopt_strays(account, adapter, listed, now=now)
    except BrokerError as error:
        _note_failure(account, error, now=now)
        return False
    next_at = now + (ADOPT_AFTER if again_soon else timing.ACCOUNT_SWEEP)
    if account.unsure_since is not None and not again_soon:
        next_at = _settle_doubt(account, account.unsure_since, adapter, now=now)
    Feed.objects.filter(account=account).update(swept_at=now, sweep_at=next_at)
    return True


def _since(account: Account, *, now: datetime) -> datetime:
    opened = account.created_at - OVERLAP
    whole = account.feed.swept_at - OVERLAP if account.feed.swept_at else opened
    if account.unsure_since is not None:
        whole = min(whole, now - FORGOTTEN)
    return max(whole, opened)


def _settle_doubt(
    account: Account, unsure_since: datetime, adapter: BrokerAdapter, *, now: datetime
) -> datetime:
    """Make an account sure again, if this round counts for that. Returns when the next is due."""
    # A sender that claimed where our records do not show it may write for as long as its lease,
    # and before the second grace no list without an order proves that it is not there.
    counts_from = unsure_since + timing.LEASE + adapter.passport.doubt.second_grace
    if now < counts_from:
        return min(counts_from, now + timing.ACCOUNT_SWEEP)
    guarding.trust(account.id, unsure_since=unsure_since, began=now, now=timing.database_now())
    return now + timing.ACCOUNT_SWEEP


def _read_lists(account: Account, adapter: BrokerAdapter, *, now: datetime) -> set[str]:
    """Take in every page of both lists, and return the broker ids of the orders listed.

    Executions come first: a snapshot read before the trades that it claims would look as if
    they were missing.
    """
    since, listed = _since(account, now=now), set[str]()
    for pages in (adapter.executions_since, adapter.orders_since):
        for report in pages(since):
            _note_progress(account, report, now=now)
            take_in(account, recording.sift(account.id, report), now=now)
            listed |= {snapshot.broker_order_id for snapshot in report.snapshots}
    return listed


def _note_progress(account: Account, report: Report, *, now: datetime) -> None:
    """Note that the broker answers, and keep this round from being taken for lost."""
    took_ms = report.call.took_ms if report.call else None
    connecting.note_heard(account, took_ms=took_ms, now=now)
    Feed.objects.filter(account=account).update(
        sweep_at=timing.database_now() + timing.ACCOUNT_SWEEP
    )


def _note_failure(account: Account, error: BrokerError, *, now: datetime) -> None:
    log.warning("account_not_swept", account=str(account.id), error=str(error))
    if account.unsure_since is not None:
        Feed.objects.filter(account=account).update(sweep_at=now + RETRY)  # orders wait for it
    if isinstance(error, Unasked):
        return  # it would answer: we did not ask
    if error.call is None or error.call.status is None:
        connecting.note_silent(account, str(error), now=now)


def take_in(account: Account, report: Report, *, now: datetime) -> None:
    """Merge or park what a report says, a few facts at a time; one that nobody could write down
    is said to be there, and keeps out none of the others.
    """
    for few in _parts(report, AT_ONCE):
        try:
            _heed(account, few, now=now)
        except INDIGESTIBLE:
            for one in _parts(few, 1):
                __take_in_one(account, one, now=now)


def __take_in_one(account: Account, one: Report, *, now: datetime) -> None:
    try:
        _heed(account, one, now=now)
    except INDIGESTIBLE as error:
        [name] = [f.broker_order_id for f in one.fills] + [s.broker_order_id for s in one.snapshots]
        log.exception("fact_not_kept", account=str(account.id), order=name)
        recording.leave(account, name, why=f"it can't be written down: {error}", now=now)


def _parts(report: Report, size: int) -> Iterator[Report]:
    for start in range(0, len(report.fills), size):
        yield Report(fills=report.fills[start : start + size])
    for start in range(0, len(report.snapshots), size):
        yield Report(snapshots=report.snapshots[start : start + size])


def _heed(account: Account, report: Report, *, now: datetime) -> None:
    recording.heed(account, report, heard=Heard.POLL, evidence="sweep", now=now)


def _adopt_strays(
    account: Account, adapter: BrokerAdapter, listed: set[str], *, now: datetime
) -> bool:
    """Take over what the broker has and we have no record of. Returns whether more is to come."""
    strays = recording.orphans(account.id)
    ripe = [name for name, since in strays.items() if since <= now - ADOPT_AFTER]
    unlisted = [name for name in ripe if name not in listed]
    # By chance: those that can't be read again and again must not keep the others waiting.
    for name in random.sample(unlisted, min(len(unlisted), READ_SINGLY)):
        if _confirm(account, adapter, name, since=strays[name], now=now):
            listed.add(name)
    for name in ripe:
        if name in listed:
            _adopt(account, name, now=now)
    recording.settle_left(account, recording.orphans(account.id), now=now)
    return len(ripe) < len(strays)


def _confirm(
    account: Account, adapter: BrokerAdapter, name: str, *, since: datetime, now: datetime
) -> bool:
    """Ask after one order that facts wait for since then. Returns whether the broker has it."""
    try:
        answer = adapter.read(name)
    except BrokerError as error:
        log.warning("stray_not_read", account=str(account.id), order=name, error=str(error))
        return False
    if not isinstance(answer, Absent):
        take_in(account, answer, now=now)
        return True
    if since <= now - MISSED_AFTER:
        why = "we were told of it, and the broker says that it is not there."
        recording.leave(account, name, why=why, now=now)
    return False


def _adopt(account: Account, name: str, *, now: datetime) -> None:
    try:
        recording.adopt(account.id, name, now=now)
    except Unadoptable as error:
        recording.leave(account, name, why=str(error), now=now)
    except INDIGESTIBLE as error:
        # Somebody took its name this instant, or no column holds it.
        log.exception("stray_not_adopted", account=str(account.id), order=name)
        recording.leave(account, name, why=f"it can't be written down: {error}", now=now)
