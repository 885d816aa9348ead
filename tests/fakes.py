"""A broker that does as the test tells it. It keeps the promises of `tests/brokers/contract.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace as with_changes
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from brokers.adapter import BrokerAdapter
from brokers.errors import BrokerError, Unreadable, Untrusted
from brokers.messages import (
    Absent,
    Balance,
    Bar,
    Call,
    Delivery,
    Fill,
    Holding,
    Instrument,
    Quote,
    Report,
    Snapshot,
    Ticket,
)
from brokers.passport import Doubt, Passport, Read
from brokers.vocabulary import OrderType, Side, Status, TimeInForce

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

PASSPORT = Passport(
    broker="scripted",
    title="Scripted",
    wire_id_pattern=r"[!-~]+",
    wire_id_length=128,
    duplicate_id_answer="refuses",
    pushes="nothing",
    doubt=Doubt(
        first_grace=timedelta(seconds=1),
        second_grace=timedelta(seconds=5),
        escalate_after=timedelta(seconds=10),
        reads=(Read.OUR_ID, Read.ORDER_LIST, Read.EXECUTIONS),
        absence_by=frozenset({Read.OUR_ID, Read.ORDER_LIST}),
    ),
    tested_on=date(2026, 3, 2),
    source="tests",
)


def snapshot(ticket: Ticket, *, status: Status = Status.NEW, **changes: object) -> Snapshot:
    """Return what a broker that has this ticket's order says of it."""
    said = Snapshot(
        broker_order_id=f"B-{ticket.wire_id}",
        wire_id=ticket.wire_id,
        symbol=ticket.symbol,
        side=ticket.side,
        quantity=ticket.quantity,
        status=status,
        raw_status=str(status),
        cumulative=Decimal(0),
        average_price=None,
        version=1,
        order_type=ticket.order_type,
        time_in_force=ticket.time_in_force,
        limit_price=ticket.limit_price,
        stop_price=ticket.stop_price,
    )
    return with_changes(said, **changes)  # type: ignore[arg-type]


def fill(
    ticket: Ticket, name: str, quantity: str, price: str = "100", /, **changes: object
) -> Fill:
    """Return one trade against this ticket's order."""
    said = Fill(
        broker_order_id=f"B-{ticket.wire_id}",
        execution_id=name,
        trade_date=NOON.date(),
        quantity=Decimal(quantity),
        price=Decimal(price),
        executed_at=NOON,
        symbol=ticket.symbol,
        side=ticket.side,
    )
    return with_changes(said, **changes)  # type: ignore[arg-type]


def call(status: int | None = 201, body: str = "{}") -> Call:
    return Call(
        method="POST",
        url="http://scripted/orders",
        request_body="{}",
        started_at=NOON,
        took_ms=7,
        status=status,
        answer_body=body,
    )


class ScriptedBroker(BrokerAdapter):
    """Answers each write with the next line of the script, or else takes the order and works it."""

    passport = PASSPORT

    def __init__(self) -> None:
        self.script: list[Report | BrokerError] = []
        self.submitted: list[Ticket] = []
        self.replaced: list[tuple[str, Ticket, Decimal]] = []
        self.canceled: list[str] = []
        self.books: dict[str, Report] = {}  # by wire id: what the broker has
        self.held: tuple[Holding, ...] = ()
        self.silent: BrokerError | None = None  # raised by every read, while set

    def submit(self, ticket: Ticket) -> Report:
        self.submitted.append(ticket)
        if self.script:
            return self._next()
        return self.has(ticket)

    def replace(
        self,
        broker_order_id: str,
        ticket: Ticket,
        *,
        filled: Decimal,
        was: Ticket | None = None,
    ) -> Report:
        self.replaced.append((broker_order_id, ticket, filled))
        if self.script:
            return self._next()
        return self.has(ticket)

    def cancel(self, broker_order_id: str) -> Report:
        self.canceled.append(broker_order_id)
        return self._next() if self.script else Report(call=call(202))

    def has(self, ticket: Ticket, *fills: Fill, **changes: object) -> Report:
        """Put an order into the broker's books, and return what it says of it."""
        report = Report(snapshots=(snapshot(ticket, **changes),), fills=fills, call=call())  # type: ignore[arg-type]
        self.books[ticket.wire_id] = report
        return report

    def find(self, wire_id: str) -> Report | Absent:
        self._listen()
        return self.books.get(wire_id) or Absent(call=call(404))

    def read(self, broker_order_id: str) -> Report | Absent:
        self._listen()
        for report in self.books.values():
            if report.snapshots[0].broker_order_id == broker_order_id:
                return report
        return Absent(call=call(404))

    def orders_since(self, since: datetime) -> Iterator[Report]:
        self._listen()
        for report in self.books.values():
            yield Report(snapshots=report.snapshots, call=call(200))

    def executions_since(self, since: datetime) -> Iterator[Report]:
        self._listen()
        for report in self.books.values():
            yield Report(fills=report.fills, call=call(200))

    def holdings(self) -> tuple[Holding, ...]:
        self._listen()
        return self.held

    def balance(self) -> Balance:
        self._listen()
        return Balance(cash=Decimal(1000), buying_power=Decimal(1000), equity=Decimal(1000))

    def instruments(self) -> tuple[Instrument, ...]:
        return (
            Instrument(
                symbol="ACME",
                name="Acme",
                tradable=True,
                fractionable=True,
                price_increment=Decimal("0.01"),
            ),
        )

    def quote(self, symbol: str) -> Quote | None:
        if symbol != "ACME":
            return None
        price = Decimal(100)
        return Quote(symbol=symbol, bid=price, ask=price, last=price, at=NOON)

    def bars(self, symbol: str, *, seconds: int, count: int) -> tuple[Bar, ...]:
        return ()

    @staticmethod
    def verify_webhook(
        secrets: tuple[str, ...], headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> str:
        raise Untrusted("The scripted broker sends nothing.")

    @staticmethod
    def read_webhook(body: bytes) -> Delivery:
        raise Unreadable("The scripted broker sends nothing.")

    def _next(self) -> Report:
        line = self.script.pop(0)
        if isinstance(line, BrokerError):
            raise line
        return line

    def _listen(self) -> None:
        if self.silent is not None:
            raise self.silent


TICKET = Ticket(
    wire_id="T-1",
    symbol="ACME",
    side=Side.BUY,
    quantity=Decimal(10),
    order_type=OrderType.LIMIT,
    time_in_force=TimeInForce.DAY,
    limit_price=Decimal("99.50"),
)
