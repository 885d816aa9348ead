"""The one-way door: gives one caller the right to send one request.

The claim is committed before the first byte leaves. Whoever merely finds an
order in SENDING never sends it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from orders import anchoring, guarding, timing
from orders.actors import Actor, component
from orders.anchoring import Mark
from orders.models import Attempt, Order
from orders.recording.changing import change, lock_all, projection, reschedule
from orders.states import AttemptKind, AttemptState, Submission

SENDER = component("sender")
UNSURE = "It waits until the broker's list has been read: the database was restored."


@dataclass(slots=True)
class Claim:
    """The right to send one request, for a moment."""

    attempt_id: int
    kind: AttemptKind
    order: Order
    target: str  # the broker order id a cancel or a replace is about, else ""
    armed_at: float  # monotonic, when its lease began
    claimed_at: float  # monotonic, when it was committed
    anchor: Mark  # the record's row that says so

    @property
    def is_fresh(self) -> bool:
        """False once so much time has passed that nobody can say what it was spent on.

        Nor may a slow commit use up the lease: a request that outlives it could
        arrive after the order has been looked for and found absent.
        """
        now = time.monotonic()
        return (
            now - self.claimed_at < timing.CLAIM_GOOD_FOR
            and now - self.armed_at < timing.ARMED_GOOD_FOR
        )


def claim_submission(order_id: UUID) -> Claim | None:
    """Give the right to submit an order (or its replace) to one caller. Anyone else gets None.

    An order that must not leave any more becomes EXPIRED_UNSENT or BLOCKED here. One whose account
    is unsure waits first: it may have left, and nothing is said of it until that is known. If this
    raises, the claim may or may not stand: nothing may be sent on it.
    """
    try:
        claim = _claim_submission(order_id)
    except guarding.Forgotten as error:
        guarding.distrust(str(error), now=timing.database_now())
        return None
    if claim is not None:
        claim.claimed_at = time.monotonic()  # counted from the commit
        # Before the first byte leaves: a database that forgets this claim will be known for it.
        anchoring.anchor({str(claim.order.account_id): claim.anchor})
    return claim


def claim_cancel(order_id: UUID) -> Claim | None:
    """Give the right to send one cancel request for an order that the broker has."""
    claim = _claim_cancel(order_id)
    if claim is not None:
        claim.claimed_at = time.monotonic()
    return claim


def withdraw(order: Order, *, actor: Actor, now: datetime) -> None:
    """End a locked order that has not left, because somebody asked for it to be cancelled."""
    before = projection(order)
    order.submission = Submission.WITHDRAWN
    order.submission_reason = "Cancelled before it left this desk."
    order.look_at = None
    change(order, before, action="order.withdrawn", actor=actor, now=now)


@transaction.atomic(durable=True)
def _claim_submission(order_id: UUID) -> Claim | None:
    order, parent = _lock_with_parent(order_id)
    if order is None or order.submission != Submission.READY:
        return None
    before = projection(order)
    guarding.check(order.account_id)
    armed_at, now = time.monotonic(), timing.database_now()
    if order.account.unsure_since is not None:
        _wait(order, before, now=now)  # whatever becomes of it: it may have left already
        return None
    if order.cancel_requested_at is not None:
        withdraw(order, actor=SENDER, now=now)  # asked for while nobody knew whether it had left
        return None
    if now >= order.submit_by:
        order.submission = Submission.EXPIRED_UNSENT
        order.submission_reason = "It was not sent in time, and never left this desk."
        order.look_at = None
        change(order, before, action="order.expired_unsent", actor=SENDER, now=now)
        return None
    if (obstacle := _obstacle(order, parent)) is not None:
        order.submission = Submission.BLOCKED
        order.submission_code, order.submission_reason = obstacle
        order.look_at = None
        change(order, before, action="order.blocked", actor=SENDER, now=now, reason=obstacle[1])
        return None
    order.submission = Submission.SENDING
    order.submission_reason = order.submission_code = ""
    order.look_at = now + timing.LEASE
    order.save(update_fields=["submission"])  # the attempt's trigger asks for it
    if parent is not None:
        order.replaces = parent  # at hand, for once this is committed nothing is read any more
    attempt = _arm(order, AttemptKind.REPLACE if parent else AttemptKind.SUBMIT, now=now)
    change(
        order,
        before,
        action="order.sending",
        actor=SENDER,
        now=now,
        evidence=[f"attempt:{attempt.id}"],
    )
    return Claim(
        attempt_id=attempt.id,
        kind=AttemptKind(attempt.kind),
        order=order,
        target=(parent.broker_order_id or "") if parent else "",
        armed_at=armed_at,
        claimed_at=armed_at,
        anchor=anchoring.head(str(order.account_id)),
    )


@transaction.atomic(durable=True)
def _claim_cancel(order_id: UUID) -> Claim | None:
    order = lock_all([order_id]).get(order_id)
    if order is None or order.cancel_requested_at is None or order.has_ended:
        return None
    if order.submission != Submission.ACCEPTED or not order.broker_order_id:
        return None  # asked for in doubt: it goes out when the order is found
    armed_at, now = time.monotonic(), timing.database_now()
    if order.cancel_at is None or order.cancel_at > now + timing.HANDED_OUT:
        return None  # it has just been asked: a second click asks nothing new
    if order.attempts.filter(kind=AttemptKind.CANCEL, state=AttemptState.SENDING).exists():
        return None
    before = projection(order)
    order.cancel_at = now + timing.LEASE
    attempt = _arm(order, AttemptKind.CANCEL, now=now)
    change(
        order,
        before,
        action="order.cancel_sending",
        actor=SENDER,
        now=now,
        evidence=[f"attempt:{attempt.id}"],
    )
    return Claim(
        attempt_id=attempt.id,
        kind=AttemptKind.CANCEL,
        order=order,
        target=order.broker_order_id,
        armed_at=armed_at,
        claimed_at=armed_at,
        anchor=anchoring.head(str(order.account_id)),
    )


def _lock_with_parent(order_id: UUID) -> tuple[Order | None, Order | None]:
    found = Order.objects.filter(id=order_id).values("account_id", "replaces_id").first()
    if found is None:
        return None, None
    _share_account(found["account_id"])  # lock order: account, then orders
    locked = lock_all({order_id, found["replaces_id"]} - {None})
    return locked[order_id], locked.get(found["replaces_id"])


def _share_account(account_id: UUID) -> None:
    # A halt updates this row: it waits for claims under way, and no claim passes it.
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM orders_account WHERE id = %s FOR SHARE", [account_id])


def _obstacle(order: Order, parent: Order | None) -> tuple[str, str] | None:
    order.account.refresh_from_db(fields=["is_open", "halted_at", "halt_reason", "unsure_since"])
    if order.account.halted_at is not None:
        return "halted", f"The account is halted. {order.account.halt_reason}".strip()
    if not order.account.is_open:
        return "account_closed", "The account takes no new orders."
    return _obstacle_to_replacing(order, parent) if parent else None


def _obstacle_to_replacing(order: Order, parent: Order) -> tuple[str, str] | None:
    if not parent.is_replaceable:
        return "not_replaceable", "The order to replace has ended, or is in doubt."
    if parent.filled_quantity != order.replaces_filled:
        return "filled_meanwhile", "The order filled further before its replace was sent."
    if parent.replacements.filter(submission=Submission.ACCEPTED).exists():
        return "replaced_meanwhile", "Another order turned up that took its place."
    return None


def _wait(order: Order, before: dict[str, Any], *, now: datetime) -> None:
    """Keep a locked order ready until its account is sure again, and say so, once."""
    order.look_at = now + timing.UNSURE_LOOK
    if order.submission_reason == UNSURE:
        reschedule(order)
        return
    order.submission_reason = UNSURE
    change(order, before, action="order.waits", actor=SENDER, now=now, reason=UNSURE)


def _arm(order: Order, kind: AttemptKind, *, now: datetime) -> Attempt:
    cancels = kind is AttemptKind.CANCEL
    earlier = order.attempts.filter(kind=kind) if cancels else order.attempts.exclude(kind="cancel")
    return Attempt.objects.create(
        order=order,
        kind=kind,
        number=earlier.count() + 1,
        wire_id=order.wire_id,
        armed_at=now,
        lease_until=now + timing.LEASE,
    )
