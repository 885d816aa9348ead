"""Raises and settles the incidents that follow from an order's change, in the change's transaction.

What a change means to people is read off the columns before and after it, so
no door by which it came can forget to say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from orders import alarming, announcing, auditing
from orders.deriving import Flag
from orders.models import Incident, Order, Ruling, Severity
from orders.money import plain
from orders.states import Submission

Kind = Incident.Kind
Columns = Mapping[str, Any]

DENIED = "denied"  # the broker has said that it has no such order, after it had it
CONFLICT = "conflict"  # the broker has another order under our id
DUPLICATE = "duplicate_id"  # the broker answered that it has an order by our id

FLAGGED = {
    Flag.OVERFILL: (Kind.OVERFILL, Severity.CRITICAL),
    Flag.FILL_ON_REJECTED: (Kind.FILL_ON_REJECTED, Severity.CRITICAL),
    Flag.TERMINAL_CONFLICT: (Kind.TERMINAL_CONFLICT, Severity.WARNING),
    # Raised when it lasts (`concluding.complain_of_missing`): a poll mends it within seconds.
    Flag.FILLS_MISSING: (Kind.FILLS_MISSING, None),
}
WERE_NOT_THERE = {Submission.REFUSED, Submission.ABSENT, Submission.READY}


def notice(
    order: Order,
    before: Columns,
    after: Columns,
    *,
    reason: str,
    evidence: Iterable[str],
    now: datetime,
) -> None:
    """Say what a locked order's change means. The audit chain is held already."""
    basis = next(iter(evidence), "")
    was, is_now = before["submission"], after["submission"]
    if before["escalated_at"] is None and after["escalated_at"] is not None:
        says = (
            f"We don't know whether the broker has {_named(order)}. It may be live:"
            " don't enter it again."
        )
        _alarm(Kind.DOUBT, order, says, severity=Severity.CRITICAL, now=now)
    if was == Submission.UNKNOWN and is_now != was:
        outcome = f"It is known what became of it: {Submission(is_now).label.lower()}."
        _settle(Kind.DOUBT, order, outcome, now=now)
        _drop_rulings(order, outcome, now=now)
    if was in WERE_NOT_THERE and is_now == Submission.ACCEPTED:
        says = (
            f"The broker has {_named(order)}, which was {Submission(was).label.lower()}"
            " as far as we knew."
        )
        _alarm(Kind.REVIVED, order, says, severity=Severity.CRITICAL, evidence=basis, now=now)
    if after["conflict_at"] != before["conflict_at"]:
        says = f"{reason} Ours: {_named(order)}."
        _alarm(Kind.CONFLICT, order, says, severity=Severity.CRITICAL, evidence=basis, now=now)
    _denied(order, before, after, evidence=basis, now=now)
    _flagged(order, before, after, evidence=basis, now=now)


def _denied(order: Order, before: Columns, after: Columns, *, evidence: str, now: datetime) -> None:
    was, is_now = before["submission_code"] == DENIED, after["submission_code"] == DENIED
    if is_now and not was:
        says = f"The broker says that it has no {_named(order)}, which it had."
        _alarm(Kind.DENIED, order, says, severity=Severity.WARNING, evidence=evidence, now=now)
    elif was and not is_now:
        _settle(Kind.DENIED, order, "The broker speaks of it again.", now=now)


def _flagged(
    order: Order, before: Columns, after: Columns, *, evidence: str, now: datetime
) -> None:
    for flag, (kind, severity) in FLAGGED.items():
        if flag not in after["flags"]:
            if flag in before["flags"]:
                _settle(kind, order, "What the broker said since has mended it.", now=now)
        elif severity is not None and (
            flag not in before["flags"] or before["filled_quantity"] != after["filled_quantity"]
        ):
            says = f"{_flag_says(flag, order)}: {_named(order)}."
            _alarm(kind, order, says, severity=severity, evidence=evidence, now=now)


def _flag_says(flag: Flag, order: Order) -> str:
    match flag:
        case Flag.OVERFILL:
            filled, ordered = plain(order.filled_quantity), plain(order.quantity)
            return f"{filled} were filled, and {ordered} ordered"
        case Flag.FILL_ON_REJECTED:
            return "The broker rejected it, and filled it"
        case _:
            return "The broker's last words contradict each other"


def _drop_rulings(order: Order, why: str, *, now: datetime) -> None:
    """End what waits for a second person's word: nothing is left to rule on."""
    for ruling in order.rulings.filter(state=Ruling.State.PROPOSED):
        ruling.state, ruling.ended_at = Ruling.State.DROPPED, now
        ruling.save(update_fields=["state", "ended_at"])
        sequence = auditing.write(
            order.account_id,
            action="order.ruling_dropped",
            actor=alarming.DESK,
            now=now,
            order_id=order.id,
            reason=why,
            evidence=[f"ruling:{ruling.id}"],
        )
        announcing.announce(order.account_id, order.id, sequence=sequence)


def _alarm(
    kind: str, order: Order, says: str, *, severity: str, evidence: str = "", now: datetime
) -> None:
    alarming.alarm(
        kind,
        account=order.account,
        order=order,
        says=says,
        severity=severity,
        evidence=evidence,
        now=now,
    )


def _settle(kind: str, order: Order, outcome: str, *, now: datetime) -> None:
    alarming.settle(kind, subject=f"order:{order.id}", outcome=outcome, now=now)


def _named(order: Order) -> str:
    return f"order {order.client_order_id} to {order}"
