"""Settles what we do not know by asking the broker.

Silence is never a verdict. An order in doubt is left by positive evidence, or
by the documented absence case; no timer closes it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db.models import Q

from brokers.adapter import BrokerAdapter
from brokers.errors import BrokerError
from brokers.messages import Absent, Call, Report, Snapshot
from brokers.passport import Doubt, Read
from brokers.vocabulary import TERMINAL
from orders import connecting, recording, timing
from orders.deriving import Flag
from orders.models import Inquiry, Order
from orders.models.facts import Heard
from orders.secrets import SecretUnreadable
from orders.states import AttemptKind, Submission

log = structlog.get_logger(__name__)

LIST_FROM = timedelta(minutes=5)  # before the intent: clocks differ
ABSENT_PASSES = 3

Result = Inquiry.Result


def reconcile(order_id: UUID, *, now: datetime) -> None:
    """Ask the broker about one order, and record whatever it says.

    In doubt, both ways of asking are used, and the rule for absence is
    applied. Quiet working orders and fresh refusals are asked after once.
    """
    order = Order.objects.select_related("account").get(id=order_id)
    try:
        _ask_after(order, now=now)
    finally:
        # Whatever came in between: who waits for word of an order in doubt must hear of it.
        _escalate_in_time(order, now=now)


def _ask_after(order: Order, *, now: datetime) -> None:
    try:
        adapter = connecting.connect(order.account)
    except SecretUnreadable:
        log.exception("credentials_unreadable", account=str(order.account_id))
        return
    if order.submission == Submission.UNKNOWN:
        _resolve(order, adapter, now=now)
    elif order.submission in {Submission.ACCEPTED, Submission.REFUSED}:
        _confirm(order, adapter, now=now)


def _confirm(order: Order, adapter: BrokerAdapter, *, now: datetime) -> None:
    """Ask after an order the broker has, or has refused. Absence here changes nothing."""
    inquiry, report = (
        _ask(order, "its id", lambda: adapter.read(order.broker_order_id or ""), now=now)
        if order.broker_order_id
        else _ask(order, Read.OUR_ID, lambda: adapter.find(order.wire_id), now=now)
    )
    _note_health(order, inquiry, now=now)
    if report is not None:
        # The facts carry the broker's words themselves; a row for every quiet poll says nothing.
        recording.heed(order.account, report, heard=Heard.POLL, evidence="poll", now=now)
        if order.submission == Submission.REFUSED:
            # Refused still: what the broker has under our id is another order, and on record.
            recording.note_look(order, [], look_at=None)
    elif order.submission == Submission.REFUSED and inquiry.result == Result.ABSENT:
        recording.note_look(order, [inquiry], look_at=None)
    else:
        if inquiry.result == Result.ABSENT:
            recording.deny(order, inquiry, now=now)
        # One that has ended is asked after for missing fills, or because somebody wants to know.
        is_done = order.status in TERMINAL and Flag.FILLS_MISSING not in order.flags
        later = None if is_done else now + timing.backoff(order.looks + 1)
        recording.note_look(order, [], look_at=later)


def _resolve(order: Order, adapter: BrokerAdapter, *, now: datetime) -> None:
    """Look for an order in doubt by every path there is."""
    by_id, report = _ask(order, Read.OUR_ID, lambda: adapter.find(order.wire_id), now=now)
    _note_health(order, by_id, now=now)
    if report is not None:
        _take_in(order, by_id, report, now=now)
        return
    by_list, report = _walk(order, adapter, now=now)
    if report is not None:
        _take_in(order, by_list, report, now=now)
        return
    recording.note_look(order, [by_id, by_list], look_at=_next_look(order, now=now))
    doubt = adapter.passport.doubt
    if doubt.absence_is_definitive and (proof := _absence(order, adapter)) is not None:
        why = f"{adapter.passport.title} was asked {len(proof)} times and does not have it."
        recording.conclude_absent(order.id, why=why, inquiries=proof, now=now)


def _escalate_in_time(order: Order, *, now: datetime) -> None:
    doubt = connecting.passport(order.account).doubt
    if order.submission == Submission.UNKNOWN and (
        now - order.submission_at >= doubt.escalate_after
    ):
        recording.escalate(order.id, now=now)


def _next_look(order: Order, *, now: datetime) -> datetime:
    due = timing.next_look(order.submission_at, now=now)
    doubt = connecting.passport(order.account).doubt
    sure_from = _sure_from(order, doubt)
    # On the ladder, or sooner if the look that can settle it comes sooner.
    return min(due, sure_from) if doubt.absence_is_definitive and now < sure_from else due


def _ask(
    order: Order,
    path: str,
    question: Callable[[], Report | Absent],
    *,
    now: datetime,
) -> tuple[Inquiry, Report | None]:
    inquiry = Inquiry(order=order, path=path, asked_at=now)
    try:
        answer = question()
    except BrokerError as error:
        inquiry.result, inquiry.note = Result.NO_ANSWER, str(error)
        _keep_call(inquiry, error.call)
        return inquiry, None
    _keep_call(inquiry, answer.call)
    if isinstance(answer, Absent):
        inquiry.result = Result.ABSENT
        return inquiry, None
    inquiry.result = Result.FOUND
    return inquiry, answer


def _walk(order: Order, adapter: BrokerAdapter, *, now: datetime) -> tuple[Inquiry, Report | None]:
    """Read the account's list of orders, all pages, for this one.

    The list only proves absence if it shows another order that we know is
    there: a list that shows nothing at all may be a broken one.
    """
    inquiry = Inquiry(order=order, path=Read.ORDER_LIST, asked_at=now)
    control = _control(order)
    since = min(order.placed_at, control.placed_at if control else order.placed_at) - LIST_FROM
    control_seen = False
    try:
        for report in adapter.orders_since(since):
            _keep_call(inquiry, report.call)
            for snapshot in report.snapshots:
                if snapshot.wire_id == order.wire_id:
                    inquiry.result = Result.FOUND
                    return inquiry, _whole(adapter, snapshot)
                control_seen |= (
                    control is not None and snapshot.broker_order_id == control.broker_order_id
                )
    except BrokerError as error:
        inquiry.result, inquiry.note = Result.NO_ANSWER, str(error)
        _keep_call(inquiry, error.call)
        return inquiry, None
    if control_seen:
        inquiry.result = Result.ABSENT
    else:
        inquiry.result = Result.NO_ANSWER
        inquiry.note = (
            "The list shows no order of ours, so it proves nothing:"
            " the next one the broker takes will be the check."
        )
    return inquiry, None


def _whole(adapter: BrokerAdapter, snapshot: Snapshot) -> Report:
    """Return a listed order with its fills, or as listed if it can't be read.

    It is there, whatever comes of reading it; fills it lacks then are asked for again.
    """
    try:
        answer = adapter.read(snapshot.broker_order_id)
    except BrokerError as error:
        log.warning("listed_and_not_read", order=snapshot.wire_id, error=str(error))
        return Report(snapshots=(snapshot,))
    return Report(snapshots=(snapshot,)) if isinstance(answer, Absent) else answer


def _control(order: Order) -> Order | None:
    """Return the latest other order that the broker is known to have."""
    return (
        Order.objects.filter(
            ~Q(id=order.id), account_id=order.account_id, submission=Submission.ACCEPTED
        )
        .order_by("-id")
        .first()
    )


def _absence(order: Order, adapter: BrokerAdapter) -> list[int] | None:
    """Return the inquiries that prove an order absent, or None while they do not.

    Both ways of asking must have said so, three times each since doubt began,
    at least once when nothing could arrive any more, and nobody may ever have
    said otherwise.
    """
    doubt, began = adapter.passport.doubt, order.submission_at
    asked = order.inquiries.filter(asked_at__gte=began)
    if asked.filter(result=Result.FOUND).exists() or order.conflict_at is not None:
        return None
    proof: list[int] = []
    sure_from = _sure_from(order, doubt)
    for path in sorted(doubt.absence_by):
        absent = list(asked.filter(path=path, result=Result.ABSENT).order_by("asked_at"))
        past_first = [i for i in absent if i.asked_at >= began + doubt.first_grace]
        settling = [i for i in absent if i.asked_at >= sure_from]
        if len(past_first) < ABSENT_PASSES or not settling:
            return None
        proof += [inquiry.id for inquiry in absent]
    return proof


def _sure_from(order: Order, doubt: Doubt) -> datetime:
    """Return from when on a look that misses an order can be the one that settles it.

    Past the second grace, and not while its sender may still be heard of: what was written
    may arrive until its lease is over, however soon we lost the answer, and then has to show.
    """
    past_second = order.submission_at + doubt.second_grace
    sent = order.attempts.exclude(kind=AttemptKind.CANCEL).last()
    return max(past_second, sent.lease_until + doubt.first_grace) if sent else past_second


def _take_in(order: Order, inquiry: Inquiry, report: Report, *, now: datetime) -> None:
    inquiry.save()
    recording.heed(
        order.account, report, heard=Heard.POLL, evidence=f"inquiry:{inquiry.id}", now=now
    )
    # Only for one that is in doubt still: what was found under our id may not be our order.
    recording.note_look(order, [], look_at=_next_look(order, now=now))


def _note_health(order: Order, inquiry: Inquiry, *, now: datetime) -> None:
    if inquiry.result == Result.NO_ANSWER and inquiry.answer_status is None:
        connecting.note_silent(order.account, inquiry.note, now=now)
    else:
        connecting.note_heard(order.account, took_ms=inquiry.took_ms, now=now)


def _keep_call(inquiry: Inquiry, call: Call | None) -> None:
    if call is not None:
        inquiry.method, inquiry.url, inquiry.took_ms = call.method, call.url, call.took_ms
        inquiry.answer_status, inquiry.answer_body = call.status, call.answer_body
        inquiry.failure = call.failure
