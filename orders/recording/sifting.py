"""Leaves out of a report what is known already, in a few queries and without a lock.

A list of two thousand orders of which none has changed must cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

from brokers.messages import Fill, Report, Snapshot
from orders.deriving import digest
from orders.models import Execution, Order, ParkedFact, SnapshotFact
from orders.recording import parking
from orders.recording.disputing import identity
from orders.recording.noticing import DENIED

Fact = TypeVar("Fact", Snapshot, Fill)


def sift(account_id: UUID, report: Report) -> Report:
    """Return a report without the facts that `heed` would find to be nothing new.

    Whatever may be news stays in: to leave out too little costs a lock and no more.
    """
    snapshots = tuple(_unparked(account_id, _new_snapshots(account_id, report.snapshots)))
    fills = tuple(_unparked(account_id, _new_fills(account_id, report.fills)))
    return replace(report, snapshots=snapshots, fills=fills)


def _new_snapshots(account_id: UUID, told: tuple[Snapshot, ...]) -> list[Snapshot]:
    names = {digest(snapshot): snapshot for snapshot in told}
    known = (
        SnapshotFact.objects.filter(
            order__account_id=account_id,
            order__broker_order_id__in={snapshot.broker_order_id for snapshot in told},
            digest__in=names,
        )
        # One that the broker denied, and speaks of again in the same words, is news.
        .exclude(order__submission_code=DENIED)
        .values_list("digest", flat=True)
    )
    for name in known:
        names.pop(name, None)
    return list(names.values())


def _new_fills(account_id: UUID, told: tuple[Fill, ...]) -> list[Fill]:
    booked = {
        (identity(known), known.quantity, known.price)
        for known in Execution.objects.filter(
            account_id=account_id,
            broker_order_id__in={fill.broker_order_id for fill in told},
            execution_id__in={fill.execution_id for fill in told},
        )
    }
    # The same trade in other numbers is a dispute, and that is news.
    return [fill for fill in told if (identity(fill), fill.quantity, fill.price) not in booked]


def _unparked(account_id: UUID, told: Sequence[Fact]) -> Iterator[Fact]:
    """Yield what is not waiting already for an order that is still not there."""
    names = [parking.digest(fact) for fact in told]
    waiting = set(
        ParkedFact.objects.filter(
            account_id=account_id, digest__in=names, taken_by__isnull=True
        ).values_list("digest", flat=True)
    )
    ours = set(
        Order.objects.filter(
            account_id=account_id, wire_id__in={fact.wire_id for fact in told}
        ).values_list("wire_id", flat=True)
    )
    for fact, name in zip(told, names, strict=True):
        if name not in waiting or fact.wire_id in ours:
            yield fact
