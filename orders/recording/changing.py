"""Locks orders and writes their changes: projection, version, audit row, nudge, always together."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from orders import announcing, auditing
from orders.actors import Actor
from orders.models import Order
from orders.money import plain
from orders.recording.noticing import notice
from orders.states import Submission

PROJECTION = (
    "submission",
    "submission_reason",
    "submission_code",
    "conflict_at",
    "broker_order_id",
    "status",
    "raw_status",
    "reason",
    "filled_quantity",
    "filled_value",
    "average_price",
    "claimed_quantity",
    "trailing_stop_price",
    "high_water_mark",
    "unprotected_since",
    "flatten_at",
    "flags",
    "cancel_requested_at",
    "cancel_refused",
    "escalated_at",
)
SCHEDULE = ("heard_at", "look_at", "looks", "cancel_at", "tend_at")


def lock(order_id: UUID) -> Order:
    """Return an order, locked until this transaction ends. Raises Order.DoesNotExist."""
    order: Order = _locking().get(id=order_id)
    return order


def lock_all(order_ids: Iterable[UUID]) -> dict[UUID, Order]:
    """Return orders by id, locked in one order everywhere, so that no two callers deadlock.

    Take every lock a transaction needs before the first `change`: that one
    also locks the account's audit chain.
    """
    return {order.id: order for order in _locking().filter(id__in=set(order_ids)).order_by("id")}


def projection(order: Order) -> dict[str, Any]:
    """Return what an order's columns say, in the words of the audit."""
    return {name: _said(getattr(order, name)) for name in PROJECTION}


def change(
    order: Order,
    before: dict[str, Any],
    *,
    action: str,
    actor: Actor,
    now: datetime,
    reason: str = "",
    evidence: Iterable[str] = (),
) -> None:
    """Save a locked order with its audit row, nudge, and raise what a person must know of.

    `before` is its earlier `projection`.
    """
    evidence = list(evidence)
    after = projection(order)
    changed = [name for name in PROJECTION if before[name] != after[name]]
    order.version += 1
    order.changed_at = now
    if order.strategy or order.parent_id:
        order.tend_at = now  # what protects what may be another matter now
    if "submission" in changed:
        order.submission_at = now
    order.save(
        update_fields=[*changed, *SCHEDULE, "version", "changed_at", "submission_at"],
    )
    sequence = auditing.write(
        order.account_id,
        action=action,
        actor=actor,
        now=now,
        order_id=order.id,
        before={name: before[name] for name in changed},
        after={name: after[name] for name in changed},
        reason=reason,
        evidence=evidence,
    )
    announcing.announce(order.account_id, order.id, sequence=sequence)
    notice(order, before, after, reason=reason, evidence=evidence, now=now)


def reschedule(order: Order) -> None:
    """Save only when the desk next looks at an order: no change anyone could see."""
    order.save(update_fields=list(SCHEDULE))


def _locking() -> Any:
    # Without KEY, so that facts that point at the order can be written meanwhile.
    return Order.objects.select_for_update(of=("self",), no_key=True).select_related(
        "account__feed"
    )


def _said(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat(timespec="microseconds")
        case Submission() | None | bool() | int() | str():
            return value if value is None else str(value) if isinstance(value, str) else value
        case list():
            return list(value)
        case _:
            return plain(value)
