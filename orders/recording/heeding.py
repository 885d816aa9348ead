"""Takes in what brokers say, whichever door it came by: matches it to orders, merges or parks it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from brokers.messages import Fill, Report, Snapshot
from django.db import transaction
from django.db.models import Q

from orders import actors
from orders.models import Account, Feed, Order
from orders.models.facts import Heard
from orders.recording import parking
from orders.recording.changing import change, lock_all, projection
from orders.recording.merging import FOUND_FROM, Hearing, merge
from orders.states import Submission

type_Fact = Snapshot | Fill


class _LearnedMeanwhile(Exception):
    """An order learned a broker id between our look and our lock: look again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heeded:
    """What became of a report: orders it was merged into, whether anything was news, facts parked."""

    orders: tuple[UUID, ...]
    news: bool
    parked: int


def heed(account: Account, report: Report, *, heard: str, evidence: str, now: datetime) -> Heeded:
    """Take in what an account's broker says, in one transaction.

    Safe to repeat and to reorder. Touches only orders of this account. Facts
    that match none of them are parked, not lost.
    """
    while True:
        try:
            with transaction.atomic():
                orders = lock_all(related(account.id, report))
                return merge_all(
                    orders, report, account=account, heard=heard, evidence=evidence, now=now
                )
        except _LearnedMeanwhile:
            continue


def related(account_id: UUID, report: Report) -> set[UUID]:
    """Return the ids of an account's orders that a report is about."""
    broker_ids = {fact.broker_order_id for fact in (*report.snapshots, *report.fills)}
    wire_ids = {snapshot.wire_id for snapshot in report.snapshots if snapshot.wire_id}
    about = Q(broker_order_id__in=broker_ids) | Q(wire_id__in=wire_ids)
    return set(Order.objects.filter(about, account_id=account_id).values_list("id", flat=True))


def merge_all(
    orders: dict[UUID, Order],
    report: Report,
    *,
    account: Account,
    heard: str,
    evidence: str,
    now: datetime,
) -> Heeded:
    """Merge a report into locked orders and park the rest. Belongs inside a transaction."""
    by_broker_id = {order.broker_order_id: order for order in orders.values()}
    by_wire_id = {order.wire_id: order for order in orders.values()}
    taught: dict[str, Order] = {}
    conflicts: list[tuple[Order, Snapshot]] = []
    for snapshot in report.snapshots:
        if snapshot.broker_order_id in by_broker_id or snapshot.broker_order_id in taught:
            continue
        order = by_wire_id.get(snapshot.wire_id)
        if order is None:
            continue
        if _is(order, snapshot):
            taught[snapshot.broker_order_id] = order
        else:
            conflicts.append((order, snapshot))

    facts: dict[UUID, list[type_Fact]] = defaultdict(list)
    strays: list[type_Fact] = []
    for fact in (*report.snapshots, *report.fills):
        owner = by_broker_id.get(fact.broker_order_id) or taught.get(fact.broker_order_id)
        if owner is None:
            strays.append(fact)
        else:
            facts[owner.id].append(fact)

    # Every lock before the first change: that one locks the account's audit chain.
    parking.guard(account.id, {*taught, *(fact.broker_order_id for fact in strays)})
    _park(account, strays, known=set(orders), heard=heard, evidence=evidence, now=now)
    learned = {order.id: broker_order_id for broker_order_id, order in taught.items()}

    hearing = Hearing(heard=heard, evidence=evidence, now=now)
    news = False
    for order_id, told in facts.items():
        order = orders[order_id]
        gathered: list[tuple[type_Fact, Hearing]] = [(fact, hearing) for fact in told]
        if order_id in learned:
            gathered += [
                (
                    parking.read(parked),
                    Hearing(heard=parked.heard, evidence=parked.evidence, now=parked.heard_at),
                )
                for parked in parking.take(order, learned[order_id])
            ]
        news |= merge(
            order,
            gathered,
            learned=learned.get(order_id),
            actor=actors.broker(account),
            now=now,
        )
    for order, snapshot in conflicts:
        _note_conflict(order, snapshot, evidence=evidence, now=now)
    if heard == Heard.WEBHOOK:
        Feed.objects.filter(account_id=account.id).update(pushed_at=now)
    return Heeded(orders=tuple(facts), news=news, parked=len(strays))


def _is(order: Order, snapshot: Snapshot) -> bool:
    """Whether the broker's order is the one we sent, and ours has no other there yet."""
    return (
        order.broker_order_id is None
        and order.submission in FOUND_FROM
        and (order.symbol, order.side, order.quantity)
        == (snapshot.symbol, snapshot.side, snapshot.quantity)
    )


def _park(
    account: Account,
    strays: list[type_Fact],
    *,
    known: set[UUID],
    heard: str,
    evidence: str,
    now: datetime,
) -> None:
    if not strays:
        return
    if related(account.id, Report(fills=tuple(f for f in strays if isinstance(f, Fill)))) - known:
        raise _LearnedMeanwhile
    parking.park(account.id, strays, heard=heard, evidence=evidence, now=now)


def _note_conflict(order: Order, snapshot: Snapshot, *, evidence: str, now: datetime) -> None:
    """The broker has another order under our id. Say so; take nothing of it for ours."""
    before = projection(order)
    why = (
        f"The broker has order {snapshot.broker_order_id} under our id {order.wire_id}:"
        f" {snapshot.side} {snapshot.quantity:f} {snapshot.symbol}."
    )
    if order.submission == Submission.UNKNOWN:
        order.submission_reason = why
        order.submission_code = "conflict"
    already = order.events.filter(action="order.conflict", reason=why).exists()
    if not already:
        change(
            order,
            before,
            action="order.conflict",
            actor=actors.broker(order.account),
            now=now,
            reason=why,
            evidence=[evidence],
        )
