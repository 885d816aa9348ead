"""What must be so of an account's orders at every moment, asked of the rows themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from uuid import UUID

from brokers.messages import Fill, Report
from brokers.vocabulary import TERMINAL, ExecutionKind, Side
from orders import rebuilding
from orders.deriving import UNBALANCED, Flag, digest
from orders.models import Account, Order, ParkedFact
from orders.models.attempt import LIVE, Attempt
from orders.positioning import held, positions
from orders.recording import parking, projection
from orders.recording.disputing import identity
from orders.states import (
    MAY_FOLLOW,
    NEVER_LEFT,
    NEXT,
    UNSENT,
    AttemptKind,
    AttemptState,
    Submission,
)
from tests.properties.exchange import Exchange
from tests.properties.facts import standing

NOT_THERE = UNSENT | NEVER_LEFT | {Submission.REFUSED, Submission.ABSENT}


@dataclass
class Seen:
    """What was so before, and what the desk has been told: none of it may get lost."""

    fills: set[tuple[object, ...]] = field(default_factory=set)
    orders: dict[UUID, tuple[int, Fraction, str | None, str]] = field(default_factory=dict)

    def told(self, account: Account, report: Report) -> None:
        self.fills |= {identity(fact) for fact in report.fills}


def hold(account: Account, broker: Exchange, seen: Seen) -> None:
    """Look at every order of an account, and at what it holds."""
    for difference in rebuilding.differences():
        raise AssertionError(str(difference))
    assert not broker.doubles, "submitted twice"
    rows = list(account.executions.order_by("id"))
    kept = {identity(row) for row in rows}
    waiting = ParkedFact.objects.filter(account=account, taken_by=None, kind="fill")
    assert seen.fills <= kept | {identity(parking.read(fact)) for fact in waiting}, "a fill lost"
    signed = Fraction(0)
    for order in account.orders.order_by("id").prefetch_related("attempts", "events"):
        of_order = [row.message() for row in rows if row.order_id == order.id]
        filled = _adds_up(order, of_order)
        signed += filled if order.side == Side.BUY else -filled
        _is_sent_once(order, broker)
        _is_on_record(order)
        _goes_one_way(order, filled, of_order, seen)
    assert Fraction(held(account).get("ACME", 0)) == signed
    assert sum((Fraction(one.quantity) for one in positions([account])), Fraction(0)) == signed


def agree(account: Account, broker: Exchange) -> None:
    """At the end of the day the desk has every order of the broker's, every word and every fill."""
    for row in broker.rows.values():
        order = account.orders.get(broker_order_id=row.name)
        assert order.submission == Submission.ACCEPTED
        assert (order.filled_quantity, order.claimed_quantity) == (row.filled, row.filled)
        assert not UNBALANCED & {Flag(flag) for flag in order.flags}
        assert order.snapshots.filter(digest=digest(broker.word(row))).exists()
        assert {identity(one) for one in order.executions.all()} == {*map(identity, row.trades)}
    assert not ParkedFact.objects.filter(account=account, taken_by=None).exists()
    missing = account.orders.exclude(broker_order_id__in=broker.rows)
    assert not missing.filter(submission__in=[Submission.ACCEPTED, Submission.SENDING]).exists()


def _adds_up(order: Order, told: list[Fill]) -> Fraction:
    live = standing(told)
    filled = sum((Fraction(one.quantity) for one in live), Fraction(0))
    value = sum((Fraction(one.quantity) * Fraction(one.price) for one in live), Fraction(0))
    assert (Fraction(order.filled_quantity), Fraction(order.filled_value)) == (filled, value)
    if filled:
        assert order.average_price is not None
        assert Fraction(order.average_price) == round(value / filled, 9)
    leaves = Fraction(order.quantity) - filled
    assert (Flag.OVERFILL in order.flags) == (leaves < 0)
    assert Fraction(order.leaves_quantity) == max(leaves, Fraction(0))
    return filled


def _is_sent_once(order: Order, broker: Exchange) -> None:
    attempts = submissions(order)
    assert sum(attempt.state in LIVE for attempt in attempts) <= 1
    assert all(attempt.state in MAY_FOLLOW for attempt in attempts[:-1])
    assert {attempt.wire_id for attempt in attempts} <= {order.wire_id}
    cancels = [one for one in order.attempts.all() if one.kind == AttemptKind.CANCEL]
    assert sum(cancel.state == AttemptState.SENDING for cancel in cancels) <= 1
    written = [ticket for ticket in broker.submitted if ticket.wire_id == order.wire_id]
    written += [ticket for _, ticket, _ in broker.replaced if ticket.wire_id == order.wire_id]
    assert len(written) <= len(attempts), "written without a claim"
    if order.submission in NOT_THERE:
        assert order.wire_id not in broker.books, f"{order.submission}, and the broker has it"
        late = {request.ticket.wire_id for request in broker.on_its_way}
        assert order.wire_id not in late, f"{order.submission}, and it may still arrive"


def _is_on_record(order: Order) -> None:
    """Each row of the record begins where the one before ended, and every step is one allowed."""
    said = projection(Order())
    events = [event for event in order.events.all() if event.action.startswith("order.")]
    assert len(events) == order.version, [event.action for event in events]
    for event in events:
        for name in said.keys() & event.before.keys():
            assert said[name] == event.before[name], f"{event.action} begins elsewhere: {name}"
        if event.before.get("submission") is not None:
            step = Submission(event.before["submission"]), event.after["submission"]
            assert step[1] in NEXT[step[0]], f"no such step: {step}"
        said |= {name: event.after[name] for name in said.keys() & event.after.keys()}
    sendings = sum(event.action == "order.sending" for event in events)
    assert sendings == len(submissions(order))


def submissions(order: Order) -> list[Attempt]:
    """Return the requests that were to bring an order to its broker, the latest last."""
    return [one for one in order.attempts.all() if one.kind != AttemptKind.CANCEL]


def _goes_one_way(order: Order, filled: Fraction, told: list[Fill], seen: Seen) -> None:
    taken_back = sum(one.kind is not ExecutionKind.FILL for one in told)
    was = seen.orders.get(order.id)
    if was is not None:
        assert order.version >= was[3]
        if taken_back == was[0]:
            assert filled >= was[1], "filled fell, and nothing was taken back"
            assert was[2] not in TERMINAL or order.status in TERMINAL, "it had ended"
    seen.orders[order.id] = (taken_back, filled, order.status, order.version)
