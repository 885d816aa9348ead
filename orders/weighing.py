"""Weighs an account's books against its broker's, while both of them move.

What differs in their lists may only be what we had not heard yet. So it is
looked at again, one order at a time: what the broker says is taken in first,
and only what then still differs, and is the same in two looks, stands.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Q

from brokers.adapter import BrokerAdapter
from brokers.messages import Absent, Fill, Report, Snapshot
from orders import positioning, recording, sweeping, timing
from orders.comparing import Line, execution_lines, order_line, position_lines
from orders.models import Account, Break, Execution, Order
from orders.recording.disputing import identity

PAUSES = (1.0, 3.0, 8.0)  # seconds before another look: some brokers' copies lag by ten
TAIL = timedelta(minutes=5)  # executions read again at each look; clocks differ
AT_ONCE = 1000  # ids in one question to the database

Key = tuple[str, str]  # what a line is of, and its name


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An account's books beside its broker's, and what of it moved too fast to be compared."""

    lines: tuple[Line, ...]
    moved: frozenset[Key]

    @property
    def breaks(self) -> list[Line]:
        """The differences that stand."""
        return [
            line
            for line in self.lines
            if not line.agrees and (line.what, line.name) not in self.moved
        ]


def weigh(account: Account, adapter: BrokerAdapter, *, since: datetime) -> Seen:
    """Compare all orders and executions since a time, and all positions. Takes in what is news.

    Orders that still work are compared whatever their age, and so is every
    break that is open. Raises BrokerError if the broker does not answer.
    """
    theirs = _Theirs()
    theirs.read(adapter, since)
    ours = _ours(account, theirs, since)
    lines = _by_order([*_order_lines(ours, theirs), *_trade_lines(account, theirs, since)])
    suspects = {name for name, of in lines.items() if not all(line.agrees for line in of)}
    suspects |= _still_open(account)
    earlier: dict[Key, Line] = {}
    differing: dict[Key, Line] = {}
    for pause in (0.0, *PAUSES):
        time.sleep(pause)
        if any(not line.ours for line in differing.values()):
            # Entered elsewhere, as it seems: the sweep knows when to take it over.
            sweeping.sweep(account.id, now=timing.database_now())
        suspects |= theirs.read_tail(adapter, account)
        for broker_order_id in sorted(suspects):
            lines[broker_order_id] = _look_again(account, adapter, theirs, broker_order_id)
        held = {holding.symbol: holding.quantity for holding in adapter.holdings()}
        lines[""] = position_lines(positioning.held(account), held)
        earlier, differing = differing, _differing(lines)
        suspects = {line.broker_order_id for line in differing.values()} - {""}
        if not differing:
            break
    moved = {key for key, line in differing.items() if earlier.get(key) != line}
    return Seen(lines=tuple(line for of in lines.values() for line in of), moved=frozenset(moved))


@dataclass(slots=True)
class _Theirs:
    """What the broker's lists say: orders, and trades by their orders."""

    orders: dict[str, Snapshot] = field(default_factory=dict)
    fills: dict[str, dict[tuple[object, ...], Fill]] = field(default_factory=dict)

    def read(self, adapter: BrokerAdapter, since: datetime) -> None:
        for report in adapter.orders_since(since):
            self.orders |= {said.broker_order_id: said for said in report.snapshots}
        for report in adapter.executions_since(since):
            self.keep(report.fills)

    def keep(self, fills: Iterable[Fill]) -> None:
        for fill in fills:
            self.fills.setdefault(fill.broker_order_id, {})[identity(fill)] = fill

    def of(self, broker_order_id: str) -> list[Fill]:
        return list(self.fills.get(broker_order_id, {}).values())

    def read_tail(self, adapter: BrokerAdapter, account: Account) -> set[str]:
        """Read the latest executions again. Returns the orders of those that we do not have."""
        told: set[tuple[object, ...]] = set()
        for report in adapter.executions_since(timing.database_now() - TAIL):
            self.keep(report.fills)
            told |= {identity(fill) for fill in report.fills}
        known: set[tuple[object, ...]] = set()
        for ids in _chunks({str(name) for name, *_ in told}):
            trades = Execution.objects.filter(account=account, broker_order_id__in=ids)
            known |= {identity(trade) for trade in trades.defer("raw")}
        return {str(name) for name, *_ in told - known}


def _ours(account: Account, theirs: _Theirs, since: datetime) -> dict[str, Order]:
    """Return our orders that are to be compared, by the broker's ids for them.

    Those of the day, those that may still work, those that traded, and those the broker lists.
    """
    mine = Order.objects.filter(account=account)
    traded = Execution.objects.filter(account=account, executed_at__gte=since)
    asked = Q(placed_at__gte=since) | Q(id__in=mine.open()) | Q(id__in=traded.values("order"))
    found = {order.id: order for order in mine.filter(asked).iterator()}
    for ids in _chunks(theirs.orders):
        found |= {order.id: order for order in mine.filter(broker_order_id__in=ids)}
    for ids in _chunks({said.wire_id for said in theirs.orders.values() if said.wire_id}):
        found |= {order.id: order for order in mine.filter(wire_id__in=ids)}
    by_wire_id = {said.wire_id: name for name, said in theirs.orders.items() if said.wire_id}
    named = {
        order.broker_order_id or by_wire_id.get(order.wire_id, ""): order
        for order in found.values()
    }
    named.pop("", None)  # not known there, as far as the list says: it is in doubt, or never left
    return named


def _order_lines(ours: dict[str, Order], theirs: _Theirs) -> Iterator[Line]:
    for name in {**ours, **theirs.orders}:
        yield order_line(ours.get(name), theirs.orders.get(name))


def _trade_lines(account: Account, theirs: _Theirs, since: datetime) -> list[Line]:
    trades = Execution.objects.filter(account=account, executed_at__gte=since).defer("raw")
    told = (fill for name in theirs.fills for fill in theirs.of(name))
    return execution_lines((trade.message() for trade in trades.iterator()), told)


def _still_open(account: Account) -> set[str]:
    names = Break.objects.filter(account=account, closed_at__isnull=True).exclude(
        broker_order_id=""
    )
    return set(names.values_list("broker_order_id", flat=True))


def _look_again(
    account: Account, adapter: BrokerAdapter, theirs: _Theirs, broker_order_id: str
) -> list[Line]:
    """Compare one order with its trades, after taking in what its broker says of it now."""
    answer = adapter.read(broker_order_id)
    if not isinstance(answer, Absent):
        theirs.orders |= {
            said.broker_order_id: said
            for said in answer.snapshots
            if said.broker_order_id == broker_order_id
        }
        theirs.keep(fill for fill in answer.fills if fill.broker_order_id == broker_order_id)
    said, fills = theirs.orders.get(broker_order_id), theirs.of(broker_order_id)
    told = Report(snapshots=(said,) if said else (), fills=tuple(fills))
    news = recording.sift(account.id, told)
    sweeping.take_in(account, news, now=timing.database_now())
    if isinstance(answer, Absent):
        # Listed, and then denied: what was listed is taken in, and the last word is what counts.
        theirs.orders.pop(broker_order_id, None)
        said = None
    order = _ours_for(account, broker_order_id, said)
    trades = order.executions.defer("raw") if order else []
    lines = execution_lines((trade.message() for trade in trades), fills)
    return [order_line(order, said), *lines] if order or said else lines


def _ours_for(account: Account, broker_order_id: str, said: Snapshot | None) -> Order | None:
    mine = Order.objects.filter(account=account)
    known = mine.filter(broker_order_id=broker_order_id).first()
    if known is None and said is not None and said.wire_id:
        return mine.filter(wire_id=said.wire_id, broker_order_id__isnull=True).first()
    return known


def _differing(lines: dict[str, list[Line]]) -> dict[Key, Line]:
    return {(line.what, line.name): line for of in lines.values() for line in of if not line.agrees}


def _by_order(lines: Iterable[Line]) -> dict[str, list[Line]]:
    grouped: dict[str, list[Line]] = {}
    for line in lines:
        grouped.setdefault(line.broker_order_id, []).append(line)
    return grouped


def _chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    every = list(ids)
    return (every[start : start + AT_ONCE] for start in range(0, len(every), AT_ONCE))
