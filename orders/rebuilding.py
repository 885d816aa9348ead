"""Rebuilds what is shown out of what is kept, and says where the two differ.

What an order shows is a cache of its facts, and every change of it is on the
record. Nothing here writes: a difference is a defect or somebody's hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Prefetch

from brokers.messages import Snapshot
from orders import auditing
from orders.deriving import derive, digest
from orders.models import Attempt, AuditEvent, Execution, Order, ParkedFact, SnapshotFact
from orders.money import plain
from orders.recording import parking, projection
from orders.recording.disputing import identity, is_bookable
from orders.states import MAY_FOLLOW, NEVER_LEFT, UNSENT, AttemptKind, AttemptState, Submission

AT_ONCE = 500  # orders held in memory, with all their facts

# What the latest request that was to bring an order to its broker must have come to; None: there
# was none. An order found before it was sent, or after proof that it was not, is accepted too.
LATEST: dict[Submission, frozenset[AttemptState | None]] = {
    **dict.fromkeys(UNSENT | NEVER_LEFT, frozenset({None, AttemptState.NOT_SENT})),
    Submission.SENDING: frozenset({AttemptState.SENDING}),
    Submission.ACCEPTED: frozenset({None, AttemptState.NOT_SENT, AttemptState.ACCEPTED}),
    Submission.REFUSED: frozenset({AttemptState.REFUSED}),
    Submission.UNKNOWN: frozenset({AttemptState.UNKNOWN}),
    Submission.ABSENT: frozenset({AttemptState.ABSENT}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something stored that does not follow from the facts and the record."""

    subject: str  # such as "order 0192…"
    column: str
    stored: str
    derived: str  # what it should say

    def __str__(self) -> str:
        return f"{self.subject}  {self.column}: stored {self.stored}, derived {self.derived}"


@contextmanager
def one_moment() -> Iterator[None]:
    """See the database as it is now, however long the looking takes: a desk at work differs
    from itself otherwise. Must be the outermost transaction.
    """
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def differences() -> Iterator[Difference]:
    """Yield all that is stored and does not follow. Reads everything, a part at a time."""
    for order in _orders():
        yield from of_order(order)
    yield from _left_waiting()
    yield from _taken_and_lost()
    for chain in auditing.chains():
        if (flaw := auditing.flaw(chain)) is not None:
            yield Difference(
                subject=f"audit chain {chain}", column="rows", stored=flaw, derived="one chain"
            )


def of_order(order: Order) -> Iterator[Difference]:
    """Yield what is stored of one order, and does not follow from its facts and its record."""
    told = [fact.message() for fact in order.snapshots.all()]
    trades = [fact.message() for fact in order.executions.all()]
    for column, derived in derive(order.quantity, told, trades).columns().items():
        stored = getattr(order, column)
        if stored != derived:
            yield _differs(order, column, stored, derived)
    yield from _belonging(order)
    yield from _attempts(order)
    yield from _record(order)


def _orders() -> Iterator[Order]:
    return (
        Order.objects.order_by("id")
        .prefetch_related(
            Prefetch("snapshots", SnapshotFact.objects.defer("raw")),
            Prefetch("executions", Execution.objects.defer("raw")),
            Prefetch("attempts", Attempt.objects.only("order_id", "kind", "state").order_by("id")),
            Prefetch(
                "events",
                AuditEvent.objects.only("order_id", "after", "evidence").order_by("sequence"),
            ),
        )
        .iterator(chunk_size=AT_ONCE)
    )


def _belonging(order: Order) -> Iterator[Difference]:
    """Every fact is of the order it stands with, and as it was when it was counted."""
    snapshots, executions = order.snapshots.all(), order.executions.all()
    ids = {fact.broker_order_id for fact in (*snapshots, *executions)}
    if order.submission == Submission.ACCEPTED and not ids:
        yield _differs(order, "submission", order.submission, "no fact says that a broker has it")
    if ids - {order.broker_order_id}:
        yield _differs(order, "broker_order_id", order.broker_order_id, ", ".join(sorted(ids)))
    for snapshot in snapshots:
        if digest(snapshot.message()) != snapshot.digest:
            yield _differs(order, f"snapshot {snapshot.id}", "other words", "what was heard")
    ours = order.account_id, order.symbol, order.side
    for execution in executions:
        said = execution.account_id, execution.symbol, execution.side
        if said != ours:
            yield _differs(order, f"execution {execution.id}", said, ours)


def _attempts(order: Order) -> Iterator[Difference]:
    states = [
        AttemptState(attempt.state)
        for attempt in order.attempts.all()
        if attempt.kind != AttemptKind.CANCEL
    ]
    latest = states[-1] if states else None
    fitting = LATEST[Submission(order.submission)]
    if latest not in fitting:
        words = " or ".join(sorted(str(state or "none") for state in fitting))
        yield _differs(order, "latest attempt", latest or "none", words)
    if set(states[:-1]) - MAY_FOLLOW:
        yield _differs(order, "earlier attempts", states[:-1], "proof that none arrived")


def _record(order: Order) -> Iterator[Difference]:
    """The record tells the same of an order as its row does, and names every fact."""
    told, named = projection(Order()), set[str]()
    for event in order.events.all():
        told |= {name: event.after[name] for name in told.keys() & event.after.keys()}
        named |= set(event.evidence)
    for column, stored in projection(order).items():
        if stored != told[column]:
            yield _differs(order, f"{column}, by the record", stored, told[column])
    facts = {f"snapshot:{fact.id}" for fact in order.snapshots.all()}
    facts |= {f"execution:{fact.id}" for fact in order.executions.all()}
    for fact in sorted(facts - named):
        yield _differs(order, fact, "kept", "named by the record")


def _left_waiting() -> Iterator[Difference]:
    known = Order.objects.filter(
        account_id=OuterRef("account_id"), broker_order_id=OuterRef("broker_order_id")
    )
    for fact in ParkedFact.objects.filter(Exists(known), taken_by__isnull=True).iterator():
        yield _lost(fact, "waiting", f"taken by the order known as {fact.broker_order_id}")


def _taken_and_lost() -> Iterator[Difference]:
    taken = ParkedFact.objects.filter(taken_by__isnull=False).select_related("taken_by")
    for fact in taken.iterator():
        told = parking.read(fact)
        if isinstance(told, Snapshot):
            kept = SnapshotFact.objects.filter(order=fact.taken_by, digest=digest(told))
            is_there = kept.exists()
        else:
            trades = Execution.objects.filter(order=fact.taken_by).defer("raw")
            is_there = not is_bookable(told) or identity(told) in map(identity, trades)
        if not is_there:
            yield _lost(fact, f"taken by {fact.taken_by_id}", "among its facts")


def _lost(fact: ParkedFact, stored: str, derived: str) -> Difference:
    return Difference(
        subject=f"parked fact {fact.id}", column=fact.kind, stored=stored, derived=derived
    )


def _differs(order: Order, column: str, stored: object, derived: object) -> Difference:
    return Difference(
        subject=f"order {order.id}", column=column, stored=_said(stored), derived=_said(derived)
    )


def _said(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case list() | tuple():
            return ", ".join(map(str, value)) or "none"
        case Decimal():
            return plain(value) or ""
        case _:
            return str(value) or "nothing"
