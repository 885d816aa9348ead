"""A broker that keeps honest books, and carries requests and answers as badly as it is told to."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from brokers.errors import BrokerError, DuplicateId, NotSent, OutcomeUnknown, Refused
from brokers.messages import Absent, Fill, Report, Snapshot, Ticket
from brokers.passport import Passport
from brokers.vocabulary import TERMINAL, Leg, OrderClass, OrderType, Side, Status
from orders.money import ZERO, total
from tests.fakes import ScriptedBroker, call, fill, snapshot

Fact = Snapshot | Fill
WORKING = frozenset({Status.NEW, Status.PARTIALLY_FILLED})

# What becomes of one request.
ANSWERED, UNANSWERED, LATE, LOST, REFUSED, NO_ROUTE, REJECTED = (
    "answered",
    "taken, and the answer lost",
    "answer lost, and still on its way",
    "lost",
    "refused",
    "no route",
    "taken, and rejected after it",
)


@dataclass(frozen=True)
class Temper:
    """How a broker behaves, for as long as it does."""

    fails: float = 0.0  # of the requests
    silent: float = 0.0  # of the questions
    slow: float = 0.0  # of the answers


@dataclass(frozen=True)
class Customs:
    """What brokers do differently, and rightly."""

    passport: Passport
    holds_the_stop: bool = False  # while its sibling has the shares
    releases_in_part: bool = False  # the legs of an entry that ended in part
    forgets_siblings: bool = False  # of one that filled, now and then: that is a fault


@dataclass
class Row:
    """One order in the books."""

    name: str
    ticket: Ticket
    status: Status
    role: Leg | None = None
    parent: str = ""
    replaces: str = ""
    replaced_by: str = ""
    reason: str = ""
    version: int = 0
    trades: list[Fill] = field(default_factory=list)

    @property
    def quantity(self) -> Decimal:
        assert self.ticket.quantity is not None
        return self.ticket.quantity

    @property
    def filled(self) -> Decimal:
        return total(trade.quantity for trade in self.trades)

    @property
    def leaves(self) -> Decimal:
        return self.quantity - self.filled

    @property
    def is_live(self) -> bool:
        return self.status not in TERMINAL


class Exchange(ScriptedBroker):
    """Takes orders, keeps legs together where its passport says so, and tells every change."""

    def __init__(self, customs: Customs, *, rng: random.Random, start: datetime) -> None:
        super().__init__()
        self.passport = customs.passport  # type: ignore[misc]
        self.customs, self.rng, self.now = customs, rng, start
        self.temper = Temper()
        self.rows: dict[str, Row] = {}
        self.wires: dict[str, str] = {}  # the broker's names by ours
        self.written: list[str] = []  # each request that may have arrived, by our id
        self.fates: list[str] = []
        self.told: Callable[[Fact], None] = lambda fact: None
        self.timers: list[tuple[datetime, int, Callable[[], None]]] = []
        self._made = 0

    # Requests -----------------------------------------------------------------------------

    def submit(self, ticket: Ticket) -> Report:
        def take() -> Row:
            return self._take(ticket)

        return self._carry(ticket.wire_id, take)

    def replace(
        self,
        broker_order_id: str,
        ticket: Ticket,
        *,
        filled: Decimal,
        was: Ticket | None = None,
    ) -> Report:
        def take() -> Row:
            old = self.rows[broker_order_id]
            if old.status not in WORKING | {Status.HELD} or old.filled != filled:
                raise Refused("It is not as you think.", code="not_replaceable", call=call(422))
            return self._take(ticket, replaces=old)

        return self._carry(ticket.wire_id, take)

    def cancel(self, broker_order_id: str) -> Report:
        fate = self._fate({UNANSWERED: 2, LOST: 3, REFUSED: 1, NO_ROUTE: 1})
        self._before(fate)
        row = self.rows[broker_order_id]
        if not row.is_live:
            raise Refused("Too late.", code="too_late", call=call(422))
        after = timedelta(seconds=self.rng.choice([0.0, 0.1, 1.0]))
        self.at(self.now + after, lambda: self.end(row, Status.CANCELED, "As you asked."))
        if fate == UNANSWERED:
            raise OutcomeUnknown("504", call=call(504))
        return Report(call=call(202))

    def _carry(self, wire_id: str, take: Callable[[], Row]) -> Report:
        fate = self._fate({UNANSWERED: 3, LATE: 1, LOST: 2, REFUSED: 4, NO_ROUTE: 1, REJECTED: 3})
        if fate != NO_ROUTE:
            self.written.append(wire_id)
        if fate == LATE:
            self.at(self._soon(1, 9), lambda: self._arrives(take))
        self._before(fate)
        row = take()
        if fate == REJECTED:
            self.at(self._soon(0.05, 3), lambda: self.end(row, Status.REJECTED, "On reflection."))
        if fate == UNANSWERED:
            raise OutcomeUnknown("504", call=call(504))
        return self._report(row)

    def _arrives(self, take: Callable[[], Row]) -> None:
        with suppress(BrokerError):  # too late for it, and nobody hears the refusal
            take()

    def _before(self, fate: str) -> None:
        if fate in {LATE, LOST}:
            raise OutcomeUnknown("silence", call=call(None))
        if fate == REFUSED:
            raise Refused("Not today.", code="no", call=call(422))
        if fate == NO_ROUTE:
            raise NotSent("no route", call=call(None))

    def _fate(self, weights: dict[str, int]) -> str:
        fate = ANSWERED
        if self.rng.random() < self.temper.fails:
            [fate] = self.rng.choices(list(weights), list(weights.values()))
        self.fates.append(fate)
        return fate

    # Books --------------------------------------------------------------------------------

    def _take(self, ticket: Ticket, *, replaces: Row | None = None) -> Row:
        if ticket.wire_id in self.wires:
            raise DuplicateId("We have that one.", call=call(409))
        row = self._enter(ticket, Status.NEW)
        self.wires[ticket.wire_id] = row.name
        if replaces is not None:
            row.replaces, replaces.replaced_by = replaces.name, row.name
            row.role, row.parent = replaces.role, replaces.parent
            row.status = Status.HELD if replaces.status == Status.HELD else Status.NEW
            replaces.status = Status.REPLACED
            self._tell(replaces)
        self._tell(row)
        if replaces is None:
            self._let_out_legs(row)
        if ticket.order_type == OrderType.MARKET:
            self.at(self._soon(0.05, 1), lambda: self.trade(row, row.leaves))
        return row

    def _enter(self, ticket: Ticket, status: Status, **more: object) -> Row:
        self._made += 1
        row = Row(f"B-{self._made:03}", ticket, status, **more)  # type: ignore[arg-type]
        self.rows[row.name] = row
        return row

    def _let_out_legs(self, head: Row) -> None:
        """Enter the legs that an order brings with it: held, until it is whole."""
        ticket, is_pair = head.ticket, head.ticket.order_class is OrderClass.OCO
        if ticket.order_class is OrderClass.SIMPLE:
            return
        if is_pair:
            head.role = Leg.TAKE_PROFIT
        exits = ticket.side if is_pair else (Side.BUY if ticket.side == Side.SELL else Side.SELL)
        bare = replace(
            ticket,
            side=exits,
            order_class=OrderClass.SIMPLE,
            take_profit=None,
            stop_loss=None,
            limit_price=None,
        )
        legs = []
        if ticket.stop_loss:
            terms = {"order_type": OrderType.STOP, "stop_price": ticket.stop_loss.stop_price}
            legs.append((Leg.STOP_LOSS, replace(bare, wire_id=f"{head.name}-sl", **terms)))  # type: ignore[arg-type]
        if ticket.take_profit:
            terms = {"order_type": OrderType.LIMIT, "limit_price": ticket.take_profit.limit_price}
            legs.append((Leg.TAKE_PROFIT, replace(bare, wire_id=f"{head.name}-tp", **terms)))  # type: ignore[arg-type]
        for role, terms_of_it in legs:
            works = is_pair and not self.customs.holds_the_stop
            status = Status.NEW if works else Status.HELD
            self._tell(self._enter(terms_of_it, status, role=role, parent=head.name))

    def group(self, row: Row) -> tuple[Row, list[Row]] | None:
        """Return what the broker keeps together with an order: its head, and those that close."""
        head = row
        while head.parent:
            head = self.rows[head.parent]
        first = head
        while first.replaces:
            first = self.rows[first.replaces]
        while head.replaced_by:
            head = self.rows[head.replaced_by]
        chain = {first.name}
        while first.replaced_by:
            first = self.rows[first.replaced_by]
            chain.add(first.name)
        legs = [one for one in self.rows.values() if one.parent in chain]
        if not legs:
            return None
        return head, [head, *legs] if head.ticket.order_class is OrderClass.OCO else legs

    def ceiling(self, row: Row) -> Decimal:
        """Return how much an order may fill yet, for what it is kept together with."""
        kept = self.group(row)
        if kept is None or row not in kept[1]:
            return row.leaves
        return max(ZERO, min(row.leaves, self._to_close(*kept)))

    def _to_close(self, head: Row, closers: list[Row]) -> Decimal:
        opened = head.quantity + ZERO
        if head in closers:
            before = head
            while before.replaces:
                before = self.rows[before.replaces]
                opened += before.filled
        else:
            opened = self._opened(head)
        done = total(one.filled for one in closers)
        if head in closers:
            before = head
            while before.replaces:
                before = self.rows[before.replaces]
                done += before.filled
        return opened - done

    def _opened(self, head: Row) -> Decimal:
        opened = head.filled
        while head.replaces:
            head = self.rows[head.replaces]
            opened += head.filled
        return opened

    def works(self, row: Row) -> Decimal:
        """Return how much of an order works in truth: held for a sibling that works is as good."""
        if row.status in WORKING:
            return self.ceiling(row)
        if row.status != Status.HELD:
            return ZERO
        kept = self.group(row)
        assert kept is not None
        head, closers = kept
        whole = head in closers or head.status == Status.FILLED
        for_sibling = whole and any(
            one.status in WORKING for one in closers if one.role != row.role
        )
        return self.ceiling(row) if for_sibling else ZERO

    # What happens there -------------------------------------------------------------------

    def trade(self, row: Row, quantity: Decimal) -> None:
        """Fill some of an order, if it works; as much as its group lets it."""
        if row.status == Status.HELD and self.works(row) and row.role == Leg.STOP_LOSS:
            pass  # its moment has come
        elif row.status not in WORKING:
            return
        amount = min(quantity, self.ceiling(row))
        if amount <= 0:
            return
        name = f"exec-{len(row.trades) + 1:03}"
        terms = {"broker_order_id": row.name, "executed_at": self.now}
        told = fill(row.ticket, name, str(amount), "100", **terms)
        row.trades.append(told)
        row.status = Status.FILLED if not row.leaves else Status.PARTIALLY_FILLED
        self.told(told)
        self._tell(row)
        self._after_trade(row)

    def _after_trade(self, row: Row) -> None:
        kept = self.group(row)
        if kept is None:
            return
        head, closers = kept
        if row is head and head not in closers and head.status == Status.FILLED:
            self._work(closers)
        is_whole = head in closers or not head.is_live
        if is_whole and row in closers and self._to_close(head, closers) <= 0:
            for one in closers:
                forgets = self.customs.forgets_siblings and self.rng.random() < 0.5
                if one.is_live and not forgets:
                    self._end(one, Status.CANCELED, "Its group has closed the position.")

    def _work(self, closers: list[Row]) -> None:
        has_target = any(one.role == Leg.TAKE_PROFIT and one.is_live for one in closers)
        for one in closers:
            waits = self.customs.holds_the_stop and one.role == Leg.STOP_LOSS and has_target
            if one.status == Status.HELD and not waits:
                one.status = Status.NEW
                self._tell(one)

    def end(self, row: Row, status: Status, reason: str) -> None:
        """End an order otherwise than by its last fill, and what belongs to it."""
        if not row.is_live:
            return
        self._end(row, status, reason)
        kept = self.group(row)
        if kept is None:
            return
        head, closers = kept
        if row is head and head not in closers and head.filled and self.customs.releases_in_part:
            self._work(closers)
        elif row is head or status == Status.CANCELED:
            for one in closers:
                if one.is_live:
                    self._end(one, Status.CANCELED, f"{row.name} of its group has ended.")
        elif self.customs.holds_the_stop and row.role == Leg.TAKE_PROFIT:
            self._work([one for one in closers if one.role == Leg.STOP_LOSS])

    def _end(self, row: Row, status: Status, reason: str) -> None:
        row.status, row.reason = status, reason
        self._tell(row)

    # What it says -------------------------------------------------------------------------

    def word(self, row: Row) -> Snapshot:
        return snapshot(
            row.ticket,
            broker_order_id=row.name,
            status=row.status,
            raw_status=str(row.status),
            cumulative=row.filled,
            version=row.version,
            parent=row.parent,
            leg=row.role if row.parent else None,
            replaces=row.replaces,
            replaced_by=row.replaced_by,
            reason=row.reason,
        )

    def _tell(self, row: Row) -> None:
        row.version += 1
        self.told(self.word(row))

    def _report(self, row: Row) -> Report:
        rows = [row, *(one for one in self.rows.values() if one.parent == row.name)]
        return Report(
            snapshots=tuple(map(self.word, rows)),
            fills=tuple(trade for one in rows for trade in one.trades),
            call=call(),
        )

    def find(self, wire_id: str) -> Report | Absent:
        self._answers()
        name = self.wires.get(wire_id)
        return self._report(self.rows[name]) if name else Absent(call=call(404))

    def read(self, broker_order_id: str) -> Report | Absent:
        self._answers()
        row = self.rows.get(broker_order_id)
        return self._report(row) if row else Absent(call=call(404))

    def orders_since(self, since: datetime) -> Iterator[Report]:
        self._answers()
        yield Report(snapshots=tuple(map(self.word, self.rows.values())), call=call(200))

    def executions_since(self, since: datetime) -> Iterator[Report]:
        self._answers()
        trades = tuple(trade for row in self.rows.values() for trade in row.trades)
        yield Report(fills=trades, call=call(200))

    def _answers(self) -> None:
        if self.rng.random() < self.temper.silent:
            raise OutcomeUnknown("silence", call=call(None))

    # Its clock ----------------------------------------------------------------------------

    def at(self, moment: datetime, happens: Callable[[], None]) -> None:
        self._made += 1
        heapq.heappush(self.timers, (moment, self._made, happens))

    def next_at(self) -> datetime | None:
        return self.timers[0][0] if self.timers else None

    def happens(self) -> None:
        _, _, happens = heapq.heappop(self.timers)
        happens()

    def _soon(self, least: float, most: float) -> datetime:
        return self.now + timedelta(seconds=self.rng.uniform(least, most))
