"""Merges facts into one locked order: stored if new, then everything shown is derived afresh."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from brokers.messages import Fill, Snapshot
from brokers.vocabulary import ExecutionKind
from orders import timing
from orders.actors import Actor
from orders.deriving import Flag, derive, digest
from orders.models import Execution, Order, SnapshotFact
from orders.recording.changing import change, projection, reschedule
from orders.states import AttemptKind, AttemptState, Submission

FOUND_FROM = {
    Submission.READY,
    Submission.SENDING,
    Submission.UNKNOWN,
    Submission.REFUSED,
    Submission.ABSENT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """How facts reached us: the door, the evidence they rest on, and when."""

    heard: str
    evidence: str
    now: datetime


def merge(
    order: Order,
    facts: Iterable[tuple[Snapshot | Fill, Hearing]],
    *,
    learned: str | None,
    actor: Actor,
    now: datetime,
) -> bool:
    """Take facts into a locked order. Returns whether any was news.

    `learned` is the broker's id for the order, if this is where we learn it.

    Safe to repeat and to reorder: a fact counts once, by its identity.
    """
    facts = list(facts)
    before = projection(order)
    if learned is not None:
        order.broker_order_id = learned
    snapshots, fills = _keep(order, facts)
    order.heard_at = now
    _note_contradictions(order, facts, actor=actor, now=now)
    if not snapshots and not fills:
        _schedule(order, now)
        reschedule(order)
        return False
    _found(order, now)
    _derive(order)
    _schedule(order, now)
    change(
        order,
        before,
        action="order.facts",
        actor=actor,
        now=now,
        reason=_in_words(snapshots, fills),
        evidence=[
            *(f"snapshot:{fact.id}" for fact in snapshots),
            *(f"execution:{fact.id}" for fact in fills),
            *sorted({fact.evidence for fact in snapshots} | {fact.evidence for fact in fills}),
        ],
    )
    return True


def _derive(order: Order) -> None:
    """Write the cache of `derive` into an order's columns."""
    view = derive(
        order.quantity,
        [fact.message() for fact in order.snapshots.all()],
        [fact.message() for fact in order.executions.all()],
    )
    order.status = view.status
    order.raw_status = view.raw_status
    order.reason = view.reason
    order.filled_quantity = view.filled
    order.filled_value = view.value
    order.average_price = view.average_price
    order.claimed_quantity = view.claimed
    order.flags = [str(flag) for flag in view.flags]


def _keep(
    order: Order, facts: list[tuple[Snapshot | Fill, Hearing]]
) -> tuple[list[SnapshotFact], list[Execution]]:
    known = set(order.snapshots.values_list("digest", flat=True))
    snapshots: dict[str, SnapshotFact] = {}
    fills: dict[tuple[object, ...], Execution] = {}
    counted = {_identity(fact) for fact in order.executions.all()}
    for fact, hearing in facts:
        if isinstance(fact, Snapshot):
            name = digest(fact)
            if name not in known:
                snapshots.setdefault(name, _snapshot(order, fact, name, hearing))
        elif _identity(fact) not in counted:
            fills.setdefault(_identity(fact), _execution(order, fact, hearing))
    # The row lock makes what we read above complete; the constraints make it certain.
    return (
        SnapshotFact.objects.bulk_create(snapshots.values()),
        Execution.objects.bulk_create(fills.values()),
    )


def _note_contradictions(
    order: Order, facts: list[tuple[Snapshot | Fill, Hearing]], *, actor: Actor, now: datetime
) -> None:
    """Put on record that a trade we have was told again as another. The first telling stands."""
    kept = {_identity(fact): fact for fact in order.executions.all()}
    for fact, hearing in facts:
        if not isinstance(fact, Fill):
            continue
        known = kept[_identity(fact)]
        if (known.quantity, known.price) == (fact.quantity, fact.price):
            continue
        why = (
            f"Execution {fact.execution_id} was {known.quantity:f} at {known.price:f},"
            f" and is told as {fact.quantity:f} at {fact.price:f}."
        )
        if not order.events.filter(action="order.contradicted", reason=why).exists():
            change(
                order,
                projection(order),
                action="order.contradicted",
                actor=actor,
                now=now,
                reason=why,
                evidence=[hearing.evidence],
            )


def _identity(fact: Fill | Execution) -> tuple[object, ...]:
    return (
        fact.broker_order_id,
        fact.execution_id,
        fact.trade_date,
        ExecutionKind(fact.kind),
        fact.revision,
    )


def _snapshot(order: Order, said: Snapshot, name: str, hearing: Hearing) -> SnapshotFact:
    return SnapshotFact(
        order=order,
        digest=name,
        broker_order_id=said.broker_order_id,
        broker_version=said.version,
        sequence=said.sequence,
        quantity=said.quantity,
        status=said.status,
        raw_status=said.raw_status,
        cumulative=said.cumulative,
        average_price=said.average_price,
        replaces=said.replaces,
        replaced_by=said.replaced_by,
        reason=said.reason,
        raw=said.raw,
        heard=hearing.heard,
        heard_at=hearing.now,
        evidence=hearing.evidence,
    )


def _execution(order: Order, said: Fill, hearing: Hearing) -> Execution:
    return Execution(
        account_id=order.account_id,
        order=order,
        broker_order_id=said.broker_order_id,
        execution_id=said.execution_id,
        trade_date=said.trade_date,
        kind=said.kind,
        revision=said.revision,
        symbol=said.symbol or order.symbol,
        side=said.side or order.side,
        quantity=said.quantity,
        price=said.price,
        executed_at=said.executed_at,
        raw=said.raw,
        heard=hearing.heard,
        heard_at=hearing.now,
        evidence=hearing.evidence,
    )


def _found(order: Order, now: datetime) -> None:
    """The broker speaks of it, so the broker has it, whatever the answer to our request was."""
    if order.submission not in FOUND_FROM:
        return
    order.submission = Submission.ACCEPTED
    order.submission_reason = order.submission_code = ""
    order.looks, order.escalated_at = 0, None
    if order.cancel_requested_at is not None:
        order.cancel_at = now  # cancel on sight
    order.attempts.exclude(kind=AttemptKind.CANCEL).filter(
        state__in=[
            AttemptState.SENDING,
            AttemptState.UNKNOWN,
            AttemptState.REFUSED,
            AttemptState.ABSENT,
        ]
    ).update(state=AttemptState.ACCEPTED)


def _schedule(order: Order, now: datetime) -> None:
    if order.has_ended:
        order.cancel_at = None
        order.look_at = now + timing.PENDING_POLL if Flag.FILLS_MISSING in order.flags else None
    elif order.submission == Submission.ACCEPTED:
        order.look_at, order.looks = now + _pace(order), 0
        if order.cancel_requested_at is not None and order.cancel_at is None:
            order.cancel_at = now  # it had ended, and a bust made it work again


def _pace(order: Order) -> timedelta:
    pending = order.cancel_requested_at is not None or Flag.FILLS_MISSING in order.flags
    return timing.PENDING_POLL if pending else timing.WORKING_POLL


def _in_words(snapshots: list[SnapshotFact], fills: list[Execution]) -> str:
    said = [f"{fact.raw_status}" for fact in snapshots]
    traded = [str(fact) for fact in fills]
    return "; ".join(filter(None, [", ".join(said), ", ".join(traded)]))
