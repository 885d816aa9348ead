"""What the desk and a broker say to each other: the only thing that crosses the border.

Messages are frozen: a record of what was said is worth nothing if it can be
edited afterwards. Quantities are in units of the instrument, prices in the
account's currency per unit, and times are aware UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from brokers.vocabulary import ExecutionKind, OrderType, Side, Status, TimeInForce


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """An instruction to trade, complete enough for any broker to act on. See `brokers.tickets`."""

    wire_id: str  # our id for it at the broker: the same on every attempt
    symbol: str
    side: Side
    quantity: Decimal
    order_type: OrderType
    time_in_force: TimeInForce
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request and what came back, redacted: the broker's own words as evidence."""

    method: str
    url: str
    request_body: str
    started_at: datetime
    took_ms: int
    status: int | None = None  # None: no answer came
    answer_body: str = ""
    failure: str = ""  # what broke, when no whole answer came


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a broker says of one order at one moment.

    `version` and `sequence` order snapshots of one order at one broker: the
    first is the broker's own version or stamp (in µs), the second breaks its ties.
    """

    broker_order_id: str
    wire_id: str  # "" where the broker does not say it
    symbol: str
    side: Side
    quantity: Decimal
    status: Status
    raw_status: str  # the broker's own word
    cumulative: Decimal  # filled so far, as claimed
    average_price: Decimal | None
    version: int
    sequence: int = 0
    order_type: OrderType | None = None  # None: in words we do not know
    time_in_force: TimeInForce | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    replaces: str = ""  # broker order id of the order this one took the place of
    replaced_by: str = ""
    reason: str = ""  # the broker's own words, for a rejection, a cancel or an expiry
    raw: str = ""  # the object it was read from


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One trade against an order, or a later word on it (bust, correct).

    The identity (broker order id, execution id, trade date, kind, revision)
    holds the order and the day because brokers reuse execution ids across both.
    """

    broker_order_id: str
    execution_id: str
    trade_date: date
    quantity: Decimal
    price: Decimal
    executed_at: datetime
    kind: ExecutionKind = ExecutionKind.FILL
    revision: int = 0
    symbol: str = ""
    side: Side | None = None
    wire_id: str = ""  # "" where the broker does not say it
    raw: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one message tells: snapshots of orders and the fills it carries.

    It may repeat what was told before and leave out what was told elsewhere.
    """

    snapshots: tuple[Snapshot, ...] = ()
    fills: tuple[Fill, ...] = ()
    call: Call | None = None  # the conversation it was heard in, where there was one


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """The broker itself said that it has no such order, and these are its words."""

    call: Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A verified and parsed webhook: the kind of event, and what it says of orders.

    A kind of which the adapter can't say whether it matters is not known.
    """

    event: str
    report: Report = field(default_factory=Report)
    is_known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """The broker's own count of one position. Short is negative."""

    symbol: str
    quantity: Decimal
    average_price: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """The broker's own figures for an account."""

    cash: Decimal
    buying_power: Decimal
    equity: Decimal
    currency: str = "USD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    symbol: str
    bid: Decimal
    ask: Decimal
    last: Decimal
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Open, high, low, close of one interval that starts at `at`."""

    at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    symbol: str
    name: str
    tradable: bool
    fractionable: bool
    price_increment: Decimal
