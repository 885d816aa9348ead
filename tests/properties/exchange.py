"""A broker that loses requests and answers, tells its news late, twice or never, and never lies."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from brokers.errors import BrokerError, DuplicateId, NotSent, OutcomeUnknown, Refused
from brokers.messages import Fill, Report, Snapshot, Ticket
from brokers.vocabulary import TERMINAL, ExecutionKind, Status
from orders.money import total
from tests.fakes import ScriptedBroker, call, fill, snapshot
from tests.properties.facts import Fact, standing

# What becomes of one request.
ANSWERED, UNANSWERED, LATE, LOST, REFUSED, NO_ROUTE = (
    "answered",
    "taken, and the answer lost",
    "answer lost, and still on its way",
    "lost",
    "refused",
    "no route",
)
FATES = (ANSWERED, UNANSWERED, LATE, LOST, REFUSED, NO_ROUTE)


@dataclass
class Row:
    """One order in the broker's books."""

    ticket: Ticket
    replaces: str = ""
    status: Status = Status.NEW
    replaced_by: str = ""
    version: int = 1
    trades: list[Fill] = field(default_factory=list)  # and every later word on them

    @property
    def name(self) -> str:
        return f"B-{self.ticket.wire_id}"

    @property
    def filled(self) -> Decimal:
        return total(trade.quantity for trade in standing(self.trades))

    @property
    def works(self) -> bool:
        return self.status not in TERMINAL


@dataclass(frozen=True)
class OnItsWay:
    """A submission that the sender has given up on, and that may arrive until its lease is over."""

    ticket: Ticket
    until: datetime


class Exchange(ScriptedBroker):
    """Does with each request as `fate` says. `untold` is what its webhooks have still to tell."""

    def __init__(self) -> None:
        super().__init__()
        self.fate = ANSWERED
        self.wire_until: datetime | None = None  # when what is LATE can't arrive any more
        self.rows: dict[str, Row] = {}
        self.untold: list[Fact] = []
        self.on_its_way: list[OnItsWay] = []
        self.doubles: list[str] = []

    def submit(self, ticket: Ticket) -> Report:
        self.submitted.append(ticket)
        if self.fate == LATE:
            assert self.wire_until is not None
            self.on_its_way.append(OnItsWay(ticket, self.wire_until))
        self._lose_before()
        return self._answer(self.take(ticket))

    def replace(
        self,
        broker_order_id: str,
        ticket: Ticket,
        *,
        filled: Decimal,
        was: Ticket | None = None,
    ) -> Report:
        self.replaced.append((broker_order_id, ticket, filled))
        self._lose_before()
        old = self.rows[broker_order_id]
        if not old.works or old.filled != filled:
            raise Refused("It is not as you think.", code="not_replaceable", call=call(422))
        report = self.take(ticket, replaces=old.name)
        old.status, old.replaced_by = Status.REPLACED, f"B-{ticket.wire_id}"
        self._tell(old)
        return self._answer(report)

    def cancel(self, broker_order_id: str) -> Report:
        self.canceled.append(broker_order_id)
        self._lose_before()
        row = self.rows[broker_order_id]
        if not row.works:
            raise Refused("Too late.", code="too_late", call=call(422))
        self.end(row, Status.CANCELED)
        return self._answer(Report(call=call(202)))

    def take(self, ticket: Ticket, *, replaces: str = "") -> Report:
        """Take an order into the books: the second time too, which is what must never be asked."""
        row = Row(ticket, replaces=replaces)
        if row.name in self.rows:
            self.doubles.append(ticket.wire_id)
            raise DuplicateId("We have that one.", call=call(409))
        self.rows[row.name] = row
        self._tell(row)
        return self.books[ticket.wire_id]

    def trade(self, row: Row, quantity: int, *, at: datetime, is_named: bool) -> None:
        """Fill some of an order: of one that has ended too, if the trade was before."""
        left = row.ticket.quantity - row.filled
        if left <= 0:
            return
        name = f"exec-{1 + sum(t.kind is ExecutionKind.FILL for t in row.trades):03}"
        traded = str(min(Decimal(quantity), left))
        wire_id = row.ticket.wire_id if is_named else ""
        told = fill(row.ticket, name, traded, "99.75", executed_at=at, wire_id=wire_id)
        self._book(row, told)

    def take_back(self, row: Row, kind: ExecutionKind, quantity: int) -> None:
        """Bust the latest trade of an order, or correct it."""
        trade = row.trades[-1]
        if kind is ExecutionKind.CORRECT:
            trade = replace(trade, quantity=Decimal(quantity), price=trade.price + 1)
        self._book(row, replace(trade, kind=kind, revision=trade.revision + 1))

    def end(self, row: Row, status: Status) -> None:
        row.status = status
        self._tell(row)

    def word(self, row: Row) -> Snapshot:
        """Return what the books say of an order now."""
        return snapshot(
            row.ticket,
            status=row.status,
            cumulative=row.filled,
            version=row.version,
            replaces=row.replaces,
            replaced_by=row.replaced_by,
        )

    def _book(self, row: Row, told: Fill) -> None:
        row.trades.append(told)
        self.untold.append(told)
        if row.status in {Status.NEW, Status.PARTIALLY_FILLED, Status.FILLED}:
            full = row.filled >= row.ticket.quantity
            some = Status.PARTIALLY_FILLED if row.filled else Status.NEW
            row.status = Status.FILLED if full else some
        self._tell(row)

    def _tell(self, row: Row) -> None:
        row.version += 1
        self.untold.append(self.word(row))
        self.books[row.ticket.wire_id] = Report(
            snapshots=(self.word(row),), fills=tuple(row.trades), call=call()
        )

    def _lose_before(self) -> None:
        errors: dict[str, BrokerError] = {
            LATE: OutcomeUnknown("silence", call=call(None)),
            LOST: OutcomeUnknown("silence", call=call(None)),
            REFUSED: Refused("No.", code="no", call=call(422)),
            NO_ROUTE: NotSent("no route", call=call(None)),
        }
        if self.fate in errors:
            raise errors[self.fate]

    def _answer(self, report: Report) -> Report:
        if self.fate == UNANSWERED:
            raise OutcomeUnknown("504", call=call(504))
        return report
