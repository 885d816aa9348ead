"""Settles what we do not know by asking the broker.

Silence is never a verdict. An order in doubt is left by positive evidence, by
the documented absence case, or by people (`orders.judging`); no timer closes it.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from brokers.adapter import BrokerAdapter
from brokers.messages import Report
from brokers.passport import Doubt, Read
from brokers.vocabulary import TERMINAL
from orders import connecting, inquiring, recording, timing
from orders.deriving import UNBALANCED, Flag
from orders.models import Inquiry, Order
from orders.models.facts import Heard
from orders.states import AttemptKind, Submission

log = structlog.get_logger(__name__)

ABSENT_PASSES = 3
CONFIRM_AFTER = timedelta(seconds=5)  # from a whole pass that denied it to the next
PASSES_APART = timedelta(seconds=1)  # looks of two workers at the same moment are one look

Result = Inquiry.Result


def reconcile(order_id: UUID, *, now: datetime) -> None:
    """Ask the broker about one order, and record whatever it says.

    In doubt, every way of asking is used, and the rule for absence is applied.
    Quiet working orders, and what was refused or held to be absent, are asked after once.
    """
    # Before asking: a broker that hangs must not keep the news from whoever is to hear of it.
    _say_in_time(order_id, now=now)
    order = Order.objects.select_related("account").get(id=order_id)
    try:
        adapter = connecting.connect(order.account)
    except connecting.UNCONNECTABLE:
        log.exception("account_not_connected", account=str(order.account_id))
        return
    match order.submission:
        case Submission.UNKNOWN:
            _resolve(order, adapter, now=now)
        case Submission.ACCEPTED | Submission.REFUSED | Submission.ABSENT:
            _confirm(order, adapter, now=now)


def _say_in_time(order_id: UUID, *, now: datetime) -> None:
    order = Order.objects.select_related("account").get(id=order_id)
    if Flag.FILLS_MISSING in order.flags:
        recording.complain_of_missing(order_id, now=now)
    if not order.is_in_doubt or order.escalated_at is not None:
        return
    if now - order.submission_at >= connecting.passport(order.account).doubt.escalate_after:
        recording.escalate(order_id, now=now)


def _confirm(order: Order, adapter: BrokerAdapter, *, now: datetime) -> None:
    """Ask after an order the broker has, or was thought not to have. Absence changes nothing."""
    inquiry, report = (
        inquiring.by_broker_id(order, adapter, now=now)
        if order.broker_order_id
        else inquiring.by(Read.OUR_ID, order, adapter, control=None, now=now)
    )
    _note_health(order, inquiry, now=now)
    has_none = order.submission in {Submission.REFUSED, Submission.ABSENT}
    if report is not None:
        # The facts carry the broker's words themselves; a row for every quiet poll says nothing.
        recording.heed(order.account, report, heard=Heard.POLL, evidence="poll", now=now)
        if has_none:
            # Still so: what the broker has under our id is another order, and on record.
            recording.note_look(order, [], look_at=None)
    elif has_none and inquiry.result == Result.ABSENT:
        recording.note_look(order, [inquiry], look_at=None)
    else:
        if inquiry.result == Result.ABSENT:
            recording.deny(order, inquiry, now=now)
        # One that has ended is asked after until it adds up, or because somebody wants to know.
        is_done = order.status in TERMINAL and UNBALANCED.isdisjoint(order.flags)
        later = None if is_done else now + timing.backoff(order.looks + 1)
        recording.note_look(order, [], look_at=later)


def _resolve(order: Order, adapter: BrokerAdapter, *, now: datetime) -> None:
    """Look for an order in doubt by every way there is; whatever finds it settles it."""
    if recording.heed_waiting(order, now=now):
        return
    doubt, control = adapter.passport.doubt, inquiring.control_of(order)
    asked: list[Inquiry] = []
    for path in doubt.reads:
        inquiry, report = inquiring.by(path, order, adapter, control=control, now=now)
        if not asked:
            _note_health(order, inquiry, now=now)
        if report is not None:
            _take_in(order, asked, inquiry, report, now=now)
            return
        asked.append(inquiry)
    has_denied = _must_deny(doubt) <= {i.path for i in asked if i.result == Result.ABSENT}
    look_at = _next_look(order, has_denied=has_denied, now=now)
    recording.note_look(order, asked, look_at=look_at)
    if doubt.absence_is_definitive and (proof := _absence(order, adapter)) is not None:
        why = f"{adapter.passport.title} was asked {len(proof)} times and does not have it."
        recording.conclude_absent(order.id, why=why, inquiries=proof, now=now)


def _next_look(order: Order, *, has_denied: bool = False, now: datetime) -> datetime:
    due = timing.next_look(order.submission_at, now=now)
    doubt = connecting.passport(order.account).doubt
    if now < (told_at := order.submission_at + doubt.escalate_after):
        due = min(due, told_at)  # a person is told with the look, and not a rung later
    if not doubt.absence_is_definitive:
        return due
    # On the ladder, or sooner if the look that can settle it comes sooner.
    if now < (sure_from := _sure_from(order, doubt)):
        return min(due, sure_from)
    return min(due, now + CONFIRM_AFTER) if has_denied else due


def _must_deny(doubt: Doubt) -> frozenset[Read]:
    """Return by which ways an absent order is denied: the list says so only beside its control."""
    return doubt.absence_by | {Read.ORDER_LIST}


def _absence(order: Order, adapter: BrokerAdapter) -> list[int] | None:
    """Return the inquiries that prove an order absent, or None while they do not.

    Every way that must deny it has denied it in one and the same pass, in which the list of orders
    showed another order of ours; three such passes since doubt began and past the first grace, the
    last of them when nothing could arrive any more; and nobody has ever said otherwise.
    """
    doubt, began = adapter.passport.doubt, order.submission_at
    asked = order.inquiries.filter(asked_at__gte=began)
    if asked.filter(result=Result.FOUND).exists():
        return None
    passes: dict[datetime, dict[str, int]] = defaultdict(dict)
    for inquiry in asked.filter(result=Result.ABSENT):
        passes[inquiry.asked_at][inquiry.path] = inquiry.id
    must = _must_deny(doubt)
    counted: list[datetime] = []
    for at in sorted((at for at, denied in passes.items() if must <= denied.keys()), reverse=True):
        if at >= began + doubt.first_grace and (not counted or counted[-1] - at >= PASSES_APART):
            counted.append(at)
    if len(counted) < ABSENT_PASSES or counted[0] < _sure_from(order, doubt):
        return None
    return sorted(number for at in counted for number in passes[at].values())


def _sure_from(order: Order, doubt: Doubt) -> datetime:
    """Return from when on a look that misses an order can be the one that settles it.

    Past the second grace, and not while its sender may still be heard of: what was written
    may arrive until its lease is over, however soon we lost the answer, and then has to show.
    """
    past_second = order.submission_at + doubt.second_grace
    sent = order.attempts.exclude(kind=AttemptKind.CANCEL).last()
    return max(past_second, sent.lease_until + doubt.first_grace) if sent else past_second


def _take_in(
    order: Order, asked: list[Inquiry], inquiry: Inquiry, report: Report, *, now: datetime
) -> None:
    inquiry.save()
    recording.heed(
        order.account, report, heard=Heard.POLL, evidence=f"inquiry:{inquiry.id}", now=now
    )
    # Only for one that is in doubt still: what was found under our id may not be our order.
    recording.note_look(order, asked, look_at=_next_look(order, now=now))


def _note_health(order: Order, inquiry: Inquiry, *, now: datetime) -> None:
    if not inquiry.was_made:
        return
    if inquiry.result == Result.NO_ANSWER and inquiry.answer_status is None:
        connecting.note_silent(order.account, inquiry.note, now=now)
    else:
        connecting.note_heard(order.account, took_ms=inquiry.took_ms, now=now)
