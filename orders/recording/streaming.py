"""Minds the gaps in what a broker's stream told: what nobody heard is asked for.

A stream has no memory. What happened while it was not there is not told again, so after each break
everything that may have changed is read, and until that is done nobody calls the stream live.
While it is not, working orders are asked after more often, and a person is told if it lasts.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from orders import alarming, timing
from orders.models import Feed, Incident, Order, Severity, Stream
from orders.recording.noticing import DENIED
from orders.states import Submission

Kind = Incident.Kind
State = Stream.State
BROKEN_FOR = timedelta(seconds=60)  # then a person is told: a broker may restart its servers
PREFIX = "stream:"


@transaction.atomic
def ask_for_missed(account_id: UUID, *, now: datetime) -> None:
    """Have all that an account's stream may have missed until now asked for, at once: every order
    that may still change, and the lists of orders and executions.
    """
    _look_by(account_id, (Submission.ACCEPTED, Submission.UNKNOWN), now)
    Feed.objects.filter(account_id=account_id).update(sweep_at=now)


def has_missed(account_id: UUID, *, before: datetime) -> bool:
    """Whether something may have happened before then that the broker was not asked for since.

    An order that it denies to have is not waited for: asking brings no word on it. The lists of
    an account that is closed are not read.
    """
    unswept = Feed.objects.filter(account_id=account_id, account__is_open=True)
    if unswept.exclude(swept_at__gte=before).exists():
        return True
    unread = Order.objects.filter(
        Q(heard_at__isnull=True) | Q(heard_at__lt=before),
        account_id=account_id,
        submission=Submission.ACCEPTED,
        look_at__isnull=False,
    )
    return unread.exclude(submission_code=DENIED).exists()


def judge_streams(*, now: datetime) -> None:
    """Have orders asked after more often where a stream is not live, and say so if it lasts."""
    known = Incident.objects.open().filter(subject__startswith=PREFIX)
    said = set(known.values_list("subject", "kind"))
    for stream in Stream.objects.select_related("account"):
        subject = f"{PREFIX}{stream.account_id}"
        trouble = _trouble(stream, now=now)
        for kind in (Kind.FEED_SILENT, Kind.AUTH_REFUSED):
            if kind == trouble and (subject, kind) not in said:
                _say(stream, kind, subject=subject, now=now)
            elif kind != trouble and (subject, kind) in said:
                _settle(kind, subject, now=now)
        if stream.state_at(now) not in {State.LIVE, State.UNWANTED}:
            with transaction.atomic():
                _look_by(stream.account_id, (Submission.ACCEPTED,), now + timing.PENDING_POLL)


def _trouble(stream: Stream, *, now: datetime) -> str | None:
    """Return the kind of incident that a stream's state is, if it is one."""
    match stream.state_at(now):
        case State.UNAUTHORIZED:
            return Kind.AUTH_REFUSED
        case State.OFFLINE | State.DELAYED if now - stream.since_at(now) >= BROKEN_FOR:
            return Kind.FEED_SILENT
        case _:
            return None


def _look_by(account_id: UUID, submissions: tuple[Submission, ...], at: datetime) -> None:
    """Have an account's orders looked at by then at the latest."""
    late = (
        Order.objects.select_for_update(no_key=True)
        .filter(account_id=account_id, submission__in=submissions, look_at__gt=at)
        .order_by("id")
        .values_list("id", flat=True)
    )
    Order.objects.filter(id__in=list(late)).update(look_at=at)


@transaction.atomic
def _say(stream: Stream, kind: str, *, subject: str, now: datetime) -> None:
    is_refused = kind == Kind.AUTH_REFUSED
    what = (
        f"The stream of {stream.account} is turned away: {stream.error} It is tried again seldom."
        " Give the account credentials that the broker takes."
        if is_refused
        else f"The stream of {stream.account} has not been live for {BROKEN_FOR.seconds} s:"
        f" {stream.failure_at(now)}"
    )
    alarming.alarm(
        kind,
        account=stream.account,
        subject=subject,
        severity=Severity.CRITICAL if is_refused else Severity.WARNING,
        says=f"{what} Its working orders are asked after more often meanwhile.",
        now=now,
    )


@transaction.atomic
def _settle(kind: str, subject: str, *, now: datetime) -> None:
    alarming.settle(kind, subject=subject, outcome="The stream is no longer so.", now=now)
