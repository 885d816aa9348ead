"""Merges facts into one locked order: stored if new, then everything shown is derived afresh."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from brokers.messages import Fill, Snapshot
from orders import timing
from orders.actors import Actor
from orders.deriving import UNBALANCED, derive, digest
from orders.models import Execution, Feed, Order, SnapshotFact
from orders.recording import chaining, disputing
from orders.recording.changing import change, projection, reschedule
from orders.recording.disputing import Hearing
from orders.recording.noticing import DENIED
from orders.states import OPEN_MUTATION, AttemptKind, AttemptState, Submission

FOUND_FROM = {
    Submission.READY,
    Submission.SENDING,
    Submission.UNKNOWN,
    Submission.REFUSED,
    Submission.ABSENT,
}

KEPT = 16 * 1024  # characters of a broker's object kept as it came


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
    is_live = any(hearing.is_live for _, hearing in facts)
    disputing.note(order, facts, actor=actor, now=now)
    if is_live:
        order.heard_at = now
        _believe_again(order)
    if not snapshots and not fills and projection(order) == before:
        if is_live:
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
        reason=_in_words(snapshots, fills) or "The broker speaks of it again.",
        evidence=[
            *(f"snapshot:{fact.id}" for fact in snapshots),
            *(f"execution:{fact.id}" for fact in fills),
            *sorted({fact.evidence for fact in snapshots} | {fact.evidence for fact in fills}),
        ],
    )
    if fills:
        chaining.note_overfill(order, now=now)
    return True


def _derive(order: Order) -> None:
    """Write the cache of `derive` into an order's columns."""
    view = derive(
        order.quantity,
        [fact.message() for fact in order.snapshots.all()],
        [fact.message() for fact in order.executions.all()],
    )
    for column, value in view.columns().items():
        setattr(order, column, value)


def _keep(
    order: Order, facts: list[tuple[Snapshot | Fill, Hearing]]
) -> tuple[list[SnapshotFact], list[Execution]]:
    known = set(order.snapshots.values_list("digest", flat=True))
    snapshots: dict[str, SnapshotFact] = {}
    fills: dict[tuple[object, ...], Execution] = {}
    counted = {disputing.identity(fact) for fact in order.executions.all()}
    for fact, hearing in facts:
        if isinstance(fact, Snapshot):
            name = digest(fact)
            if name not in known:
                snapshots.setdefault(name, _snapshot(order, fact, name, hearing))
        elif disputing.is_bookable(fact) and disputing.identity(fact) not in counted:
            fills.setdefault(disputing.identity(fact), _execution(order, fact, hearing))
    # The row lock makes what we read above complete; the constraints make it certain.
    return (
        SnapshotFact.objects.bulk_create(snapshots.values()),
        Execution.objects.bulk_create(fills.values()),
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
        stop_price=said.stop_price,
        high_water_mark=said.high_water_mark,
        replaces=said.replaces,
        replaced_by=said.replaced_by,
        reason=said.reason,
        raw=said.raw[:KEPT],
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
        symbol=order.symbol,  # the order's own; where a broker says otherwise, that is on record
        side=order.side,
        quantity=said.quantity,
        price=said.price,
        fee=said.fee,
        executed_at=said.executed_at,
        raw=said.raw[:KEPT],
        heard=hearing.heard,
        heard_at=hearing.now,
        evidence=hearing.evidence,
    )


def _believe_again(order: Order) -> None:
    """The broker speaks of it again, after it had denied that it has it."""
    if order.submission == Submission.ACCEPTED and order.submission_code == DENIED:
        order.submission_code = order.submission_reason = ""


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
        order.look_at = None if UNBALANCED.isdisjoint(order.flags) else now + timing.PENDING_POLL
    elif order.submission == Submission.ACCEPTED:
        order.look_at, order.looks = now + _pace(order), 0
        if order.cancel_requested_at is not None and order.cancel_at is None:
            order.cancel_at = now  # it had ended, and a bust made it work again


def _pace(order: Order) -> timedelta:
    pending = (
        order.cancel_requested_at is not None
        or not UNBALANCED.isdisjoint(order.flags)
        # Until the broker says that this one is replaced, both may trade.
        or order.replacements.filter(submission__in=OPEN_MUTATION).exists()
    )
    feed: Feed | None = getattr(order.account, "feed", None)
    unheard = feed is not None and feed.suspect_since is not None
    return timing.PENDING_POLL if pending or unheard else timing.WORKING_POLL


def _in_words(snapshots: list[SnapshotFact], fills: list[Execution]) -> str:
    said = [f"{fact.raw_status}" for fact in snapshots]
    traded = [str(fact) for fact in fills]
    return "; ".join(filter(None, [", ".join(said), ", ".join(traded)]))
