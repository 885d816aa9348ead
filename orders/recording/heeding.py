"""Takes in what brokers say, by whichever door: matched to orders and merged, or parked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from brokers.messages import Fill, Report, Snapshot
from brokers.vocabulary import ExecutionKind
from orders import actors, auditing
from orders.models import Account, Order
from orders.models.facts import Heard
from orders.recording import branching, listening, parking
from orders.recording.changing import change, lock_all, projection
from orders.recording.disputing import Hearing, is_bookable
from orders.recording.merging import FOUND_FROM, merge
from orders.recording.noticing import CONFLICT, DENIED
from orders.states import Submission

Fact = Snapshot | Fill
PUSHED = {Heard.WEBHOOK, Heard.STREAM}  # told us unasked


class LearnedMeanwhile(Exception):
    """An order learned a broker id between our look and our lock: begin the transaction again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heeded:
    """What became of a report: the orders it was about, whether it was news, facts parked."""

    orders: tuple[UUID, ...]
    news: bool
    parked: int


def heed(
    account: Account,
    report: Report,
    *,
    heard: str,
    evidence: str,
    now: datetime,
    heard_at: datetime | None = None,
) -> Heeded:
    """Take in what an account's broker says, in one transaction.

    Safe to repeat and to reorder. Touches only orders of this account. Facts
    that match none of them are parked, not lost. `heard_at`: see `heed_within`.
    """
    while True:
        try:
            with transaction.atomic():
                return heed_within(
                    account, report, heard=heard, evidence=evidence, now=now, heard_at=heard_at
                )
        except LearnedMeanwhile:
            continue


def heed_waiting(order: Order, *, now: datetime) -> bool:
    """Take in the facts that were parked though they bear an order's wire id.

    Returns whether they show that the broker has it.
    """
    for parked in parking.naming(order.account_id, order.wire_id):
        fact = parking.read(parked)
        report = Report(snapshots=(fact,)) if isinstance(fact, Snapshot) else Report(fills=(fact,))
        heed(
            order.account,
            report,
            heard=parked.heard,
            evidence=parked.evidence,
            now=now,
            heard_at=parked.heard_at,
        )
    return Order.objects.filter(id=order.id, submission=Submission.ACCEPTED).exists()


def heed_within(
    account: Account,
    report: Report,
    *,
    heard: str,
    evidence: str,
    now: datetime,
    heard_at: datetime | None = None,
) -> Heeded:
    """Do as `heed`, within the caller's transaction, which must hold no other lock yet.

    `heard_at` says when the report reached us, if that was before now. Then
    what it brings is taken in, and it is no sign of life: without news,
    nothing at all changes.

    Raises LearnedMeanwhile: then the whole transaction is to be begun again.
    """
    hearing = Hearing(heard=heard, evidence=evidence, now=heard_at or now, is_live=heard_at is None)
    orders = lock_all(related(account.id, report))
    return _merge_all(orders, report, account=account, hearing=hearing, now=now)


def related(account_id: UUID, report: Report) -> set[UUID]:
    """Return the ids of an account's orders that a report is about."""
    broker_ids = {fact.broker_order_id for fact in _facts(report)}
    broker_ids |= {told.parent for told in report.snapshots if told.parent}
    wire_ids = {fact.wire_id for fact in _facts(report) if fact.wire_id}
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
    hearing = Hearing(heard=heard, evidence=evidence, now=now)
    return _merge_all(orders, report, account=account, hearing=hearing, now=now)


def _merge_all(
    orders: dict[UUID, Order],
    report: Report,
    *,
    account: Account,
    hearing: Hearing,
    now: datetime,
) -> Heeded:
    sorted_ = _sort(orders, report)
    # Every lock before the first change: that one locks the account's audit chain.
    parking.guard(
        account.id, {*sorted_.learned.values(), *(fact.broker_order_id for fact in sorted_.strays)}
    )
    orders = orders | _branch(account, sorted_, hearing=hearing, now=now)
    _park(account, sorted_.strays, known=set(orders), hearing=hearing)
    news, moved = False, set[UUID]()
    for order_id, told in sorted_.facts.items():
        order = orders[order_id]
        before = order.status, order.filled_quantity
        gathered: list[tuple[Fact, Hearing]] = [(fact, hearing) for fact in told]
        if order_id in sorted_.learned:
            gathered += [
                (
                    parking.read(parked),
                    Hearing(
                        heard=parked.heard,
                        evidence=parked.evidence,
                        now=parked.heard_at,
                        is_live=False,
                    ),
                )
                for parked in parking.take(order, sorted_.learned[order_id])
            ]
        news |= merge(
            order,
            gathered,
            learned=sorted_.learned.get(order_id),
            actor=actors.broker(account),
            now=now,
        )
        if (order.status, order.filled_quantity) != before:
            moved.add(order_id)
    for order, fact in sorted_.conflicts:
        _note_conflict(order, fact, evidence=hearing.evidence, now=now)
    if sorted_.strays:
        # Who brought them may have more to say of them; and the record goes before the feed.
        auditing.hold(account.id)
    if hearing.heard in PUSHED and hearing.is_live:
        listening.note_pushed(account, sorted_.facts, is_news=news, now=now)
    elif hearing.heard == Heard.POLL and moved:
        listening.note_polled(moved, now=now)
    return Heeded(orders=tuple(sorted_.facts), news=news, parked=len(sorted_.strays))


def _branch(
    account: Account, sorted_: _Sorted, *, hearing: Hearing, now: datetime
) -> dict[UUID, Order]:
    """Make orders of the legs that were told of, and sort their facts to them."""
    about = [told for told in sorted_.strays if isinstance(told, Snapshot) and told.parent]
    about = [told for told in about if told.parent in sorted_.owners]
    if not about:
        return {}
    if _owners(account.id, about):
        raise LearnedMeanwhile
    legs = branching.branch(
        account, about, parents=sorted_.owners, evidence=hearing.evidence, now=now
    )
    left: list[Fact] = []
    for fact in sorted_.strays:
        leg = legs.get(fact.broker_order_id)
        if leg is None:
            left.append(fact)
        else:
            sorted_.facts[leg.id].append(fact)
            sorted_.learned[leg.id] = fact.broker_order_id
    sorted_.strays[:] = left
    return {leg.id: leg for leg in legs.values()}


@dataclass(slots=True)
class _Sorted:
    """A report's facts, by the order they are about."""

    facts: dict[UUID, list[Fact]] = field(default_factory=lambda: defaultdict(list))
    learned: dict[UUID, str] = field(default_factory=dict)  # broker ids new to us, by order
    conflicts: list[tuple[Order, Fact]] = field(default_factory=list)
    strays: list[Fact] = field(default_factory=list)
    owners: dict[str, Order] = field(default_factory=dict)  # by the broker's ids, new ones too


def _sort(orders: dict[UUID, Order], report: Report) -> _Sorted:
    """Match by the broker's id, else by our own, where that order has no other id yet."""
    out = _Sorted()
    owners = out.owners
    owners |= {order.broker_order_id: order for order in orders.values() if order.broker_order_id}
    by_wire_id = {order.wire_id: order for order in orders.values()}
    for fact in _facts(report):
        order, owner = by_wire_id.get(fact.wire_id), owners.get(fact.broker_order_id)
        if order is None or order is owner:
            continue
        if owner is None and _is(order, fact) and order.id not in out.learned:
            owners[fact.broker_order_id] = order
            out.learned[order.id] = fact.broker_order_id
        else:
            out.conflicts.append((order, fact))
    for fact in _facts(report):
        owner = owners.get(fact.broker_order_id)
        if by_wire_id.get(fact.wire_id, owner) is not owner:
            owner = None  # a broker id used twice: it speaks of another order of ours
        if owner is None:
            out.strays.append(fact)
        else:
            out.facts[owner.id].append(fact)
    return out


def _facts(report: Report) -> list[Fact]:
    return [*report.snapshots, *report.fills]


def _is(order: Order, fact: Fact) -> bool:
    """Whether the broker's order is the one we sent, and ours has no other there yet."""
    if order.broker_order_id is not None or order.submission not in FOUND_FROM:
        return False
    if (order.symbol, order.side) != (fact.symbol, fact.side):
        return False
    if isinstance(fact, Snapshot):
        return (order.quantity, order.notional) == (fact.quantity, fact.notional)
    # A bust alone leaves nothing that the broker has said of the order.
    is_trade = fact.kind is not ExecutionKind.BUST and is_bookable(fact)
    return is_trade and (order.quantity is None or fact.quantity <= order.quantity)


def _park(
    account: Account,
    strays: list[Fact],
    *,
    known: set[UUID],
    hearing: Hearing,
) -> None:
    if not strays:
        return
    if _owners(account.id, strays) - known:
        raise LearnedMeanwhile
    parking.park(
        account.id, strays, heard=hearing.heard, evidence=hearing.evidence, now=hearing.now
    )


def _owners(account_id: UUID, facts: Iterable[Fact]) -> set[UUID]:
    """Return the ids of the orders that have learned these facts' broker ids."""
    names = {fact.broker_order_id for fact in facts}
    owners = Order.objects.filter(account_id=account_id, broker_order_id__in=names)
    return set(owners.values_list("id", flat=True))


def _note_conflict(order: Order, fact: Fact, *, evidence: str, now: datetime) -> None:
    """The broker has another order under our id. Say so; take nothing of it for ours.

    That it was so stays on the order for good: no later word of the broker's unsays it.
    """
    # A fill is a part of it, and an order for money has none.
    is_whole = isinstance(fact, Snapshot) and fact.quantity is not None
    terms = f" {fact.quantity:f}" if is_whole else ""
    why = (
        f"The broker has order {fact.broker_order_id} under our id {order.wire_id}:"
        f" {fact.side}{terms} {fact.symbol}."
    )
    if order.events.filter(action="order.conflict", reason=why).exists():
        return
    before = projection(order)
    order.conflict_at = now
    is_shown = order.submission in {Submission.UNKNOWN, Submission.ACCEPTED}
    # A denial stands: the broker spoke of another order, and not of ours again.
    if is_shown and order.submission_code != DENIED:
        order.submission_reason, order.submission_code = why, CONFLICT
    change(
        order,
        before,
        action="order.conflict",
        actor=actors.broker(order.account),
        now=now,
        reason=why,
        evidence=[evidence],
    )
