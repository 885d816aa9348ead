"""Records what the desk concludes and people ask: cancels, lapsed leases, lost time, doubt."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction

from orders import alarming, guarding, timing
from orders.actors import Actor, component
from orders.deriving import UNBALANCED, Flag
from orders.errors import NotCancelable
from orders.models import Incident, Inquiry, Order
from orders.money import plain
from orders.recording.changing import change, lock, projection, reschedule
from orders.recording.claiming import withdraw
from orders.recording.noticing import CONFLICT, DENIED, DUPLICATE
from orders.states import NEVER_LEFT, UNSENT, AttemptKind, AttemptState, Submission

SWEEP = component("sweep")


@transaction.atomic
def ask_cancel(order_id: UUID, *, actor: Actor, now: datetime) -> Order:
    """Record that an order is to be cancelled.

    Before it left it is withdrawn at once; in doubt, it will be cancelled on
    sight. Where our records may lack that it left, it will be whichever turns
    out. Asking again is harmless. Raises NotCancelable if it has ended.
    """
    order = lock(order_id)
    if order.has_ended:
        raise NotCancelable(f"The order has ended: {order.status or order.submission}.")
    if order.cancel_requested_at is not None:
        return order
    if order.submission in UNSENT and guarding.is_sure(order.account_id):
        withdraw(order, actor=actor, now=now)
        return order
    before = projection(order)
    order.cancel_requested_at, order.cancel_refused = now, ""
    if order.submission == Submission.ACCEPTED:
        order.cancel_at = now
        order.look_at = now + timing.PENDING_POLL
    change(order, before, action="order.cancel_asked", actor=actor, now=now)
    return order


@transaction.atomic
def expire(order_id: UUID, *, now: datetime) -> bool:
    """End an order that waited here past its submit_by. Returns whether it did.

    Where our records may lack that it left, nothing is said of it yet.
    """
    order = lock(order_id)
    if order.submission not in UNSENT or now < order.submit_by:
        return False
    if not guarding.is_sure(order.account_id):
        return False
    before = projection(order)
    order.submission = Submission.EXPIRED_UNSENT
    order.submission_reason = "It was not sent in time, and never left this desk."
    order.look_at = None
    change(order, before, action="order.expired_unsent", actor=SWEEP, now=now)
    return True


@transaction.atomic
def lapse(order_id: UUID, *, now: datetime) -> bool:
    """Take senders whose lease has passed for dead: what they armed may have been sent.

    Returns whether the order is now in doubt because of it.
    """
    order = lock(order_id)
    lapsed = order.attempts.select_for_update().filter(
        state=AttemptState.SENDING, lease_until__lte=now
    )
    note = "Whoever was sending it stopped without a word."
    for attempt in lapsed:
        attempt.state, attempt.ended_at, attempt.note = AttemptState.UNKNOWN, now, note
        attempt.save(update_fields=["state", "ended_at", "note"])
        if attempt.kind == AttemptKind.CANCEL and order.cancel_at is not None:
            order.cancel_at = now
            reschedule(order)
    still_sending = order.attempts.exclude(kind=AttemptKind.CANCEL).filter(
        state=AttemptState.SENDING
    )
    if order.submission != Submission.SENDING or still_sending.exists():
        return False
    before = projection(order)
    order.submission = Submission.UNKNOWN
    order.submission_reason = note
    order.submission_code = CONFLICT if order.conflict_at else ""
    order.look_at, order.looks = now, 0
    change(order, before, action="order.in_doubt", actor=SWEEP, now=now, reason=note)
    return True


@transaction.atomic
def conclude_absent(order_id: UUID, *, why: str, inquiries: Iterable[int], now: datetime) -> bool:
    """Close an order in doubt as never having arrived. Returns False if it moved on meanwhile.

    Only for the documented absence case (`orders.reconciling`).
    """
    order = lock(order_id)
    if order.submission != Submission.UNKNOWN:
        return False
    if order.conflict_at is not None or order.submission_code == DUPLICATE:
        return False  # the broker has something by our id: only a person can say what
    evidence = [f"inquiry:{number}" for number in inquiries]
    close_absent(order, why=why, actor=SWEEP, evidence=evidence, now=now)
    return True


def close_absent(
    order: Order, *, why: str, actor: Actor, evidence: Iterable[str], now: datetime
) -> None:
    """Close a locked order in doubt as never having arrived: by rule, or by a person's word."""
    before = projection(order)
    order.attempts.exclude(kind=AttemptKind.CANCEL).filter(state=AttemptState.UNKNOWN).update(
        state=AttemptState.ABSENT
    )
    order.submission = Submission.ABSENT
    order.submission_reason, order.submission_code = why, ""
    order.look_at = order.cancel_at = None
    change(
        order, before, action="order.absent", actor=actor, now=now, reason=why, evidence=evidence
    )


@transaction.atomic
def escalate(order_id: UUID, *, now: datetime) -> bool:
    """Mark an order as in doubt for too long. It is still looked for."""
    order = lock(order_id)
    if order.submission != Submission.UNKNOWN or order.escalated_at is not None:
        return False
    before = projection(order)
    order.escalated_at = now
    change(order, before, action="order.escalated", actor=SWEEP, now=now)
    return True


@transaction.atomic
def complain_of_missing(order_id: UUID, *, now: datetime) -> bool:
    """Raise an incident for fills that the broker claims and nobody has told for too long.

    Asking goes on. Returns False if they have come, may yet come, or it is said already.
    """
    order = lock(order_id)
    if Flag.FILLS_MISSING not in order.flags:
        return False
    if now - _missing_since(order) < timing.FILLS_MAY_LAG:
        return False
    kind, subject = Incident.Kind.FILLS_MISSING, f"order:{order.id}"
    if Incident.objects.filter(kind=kind, subject=subject).open().exists():
        return False
    claimed, filled = plain(order.claimed_quantity), plain(order.filled_quantity)
    alarming.alarm(
        kind,
        account=order.account,
        order=order,
        says=f"The broker says that {claimed} are filled, and told of {filled}: {order}.",
        now=now,
    )
    return True


def _missing_since(order: Order) -> datetime:
    """Return when fills were first missed, of those missing now: the record knows."""
    since = order.changed_at
    flagged = order.events.filter(after__has_key="flags").order_by("-sequence")
    for at, after in flagged.values_list("at", "after"):
        if Flag.FILLS_MISSING not in after["flags"]:
            break
        since = at
    return since


@transaction.atomic
def check_now(order_id: UUID, *, actor: Actor, now: datetime) -> Order:
    """Have the broker asked about an order at once instead of when it is due.

    Harmless for one that is not at the broker yet, or is due already. Raises Order.DoesNotExist.
    """
    order = lock(order_id)
    is_due = order.look_at is not None and order.look_at <= now
    if order.submission in UNSENT | NEVER_LEFT | {Submission.SENDING} or is_due:
        return order
    before = projection(order)
    order.look_at = now
    change(order, before, action="order.check_asked", actor=actor, now=now)
    return order


@transaction.atomic
def deny(asked: Order, inquiry: Inquiry, *, now: datetime) -> bool:
    """Say that the broker denies an order it had. Its state stays: a denial is no verdict.

    Returns False if that is said already, or the order moved on meanwhile.
    """
    order = lock(asked.id)
    if order.version != asked.version or order.has_ended:
        return False
    if order.submission != Submission.ACCEPTED or order.submission_code == DENIED:
        return False
    inquiry.save()
    before = projection(order)
    order.submission_code = DENIED  # a conflict before it stays marked, by `conflict_at`
    order.submission_reason = "The broker now says that it has no such order."
    change(
        order,
        before,
        action="order.denied",
        actor=SWEEP,
        now=now,
        reason=order.submission_reason,
        evidence=[f"inquiry:{inquiry.id}"],
    )
    return True


@transaction.atomic
def note_look(asked: Order, inquiries: list[Inquiry], *, look_at: datetime | None) -> None:
    """Keep what was asked about an order and answered, and when to look next: None for never.

    `asked` is the order as it was when the broker was asked. If it has moved on meanwhile,
    whoever moved it knew more, and when they want to look next stands.
    """
    Inquiry.objects.bulk_create(inquiries)
    order = lock(asked.id)
    if order.submission != asked.submission:
        return
    if look_at is None and not order.has_ended:
        return  # it had ended when we asked, and works again
    if look_at is None and not UNBALANCED.isdisjoint(order.flags):
        return  # it had added up when we asked, and no longer does
    order.looks, order.look_at = order.looks + 1, look_at
    reschedule(order)
