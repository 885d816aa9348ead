"""What the desk and a broker say to each other: the only thing that crosses the border.

Messages are frozen: a record of what was said is worth nothing if it can be
edited afterwards. Quantities are in units of the instrument, prices in the
account's currency per unit, and times are aware UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from brokers.vocabulary import (
    ExecutionKind,
    Leg,
    OrderClass,
    OrderType,
    PositionEffect,
    Side,
    Status,
    TimeInForce,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeProfit:
    """The leg that takes the gain: a limit order against the entry."""

    limit_price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class StopLoss:
    """The leg that ends the loss: a stop order against the entry, or a stop limit order."""

    stop_price: Decimal
    limit_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """An instruction to trade, complete enough for any broker to act on. See `brokers.tickets`.

    It is for a `quantity`, or for as much as a `notional` amount of money buys: one of the two.
    Of class OCO, the order itself is the target, and `stop_loss` its other half.
    """

    wire_id: str  # our id for it at the broker: the same on every attempt
    symbol: str
    side: Side
    quantity: Decimal | None
    order_type: OrderType
    time_in_force: TimeInForce
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    notional: Decimal | None = None
    # How far a trailing stop stays behind the best price: in money, or in parts of a hundred.
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    expires_at: datetime | None = None  # of an order good until a date
    extended_hours: bool = False
    position_effect: PositionEffect | None = None
    order_class: OrderClass = OrderClass.SIMPLE
    take_profit: TakeProfit | None = None
    stop_loss: StopLoss | None = None


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
    quantity: Decimal | None  # None: of an order for an amount of money
    status: Status
    raw_status: str  # the broker's own word
    cumulative: Decimal  # filled so far, as claimed
    average_price: Decimal | None
    version: int
    sequence: int = 0
    order_type: OrderType | None = None  # None: in words we do not know
    time_in_force: TimeInForce | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None  # of a trailing stop, where it now stands
    notional: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    high_water_mark: Decimal | None = None  # the best price a trailing stop has seen
    expires_at: datetime | None = None
    extended_hours: bool = False
    position_effect: PositionEffect | None = None
    order_class: OrderClass = OrderClass.SIMPLE
    parent: str = ""  # broker order id of the order that this one is a leg of
    leg: Leg | None = None
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
    fee: Decimal = Decimal(0)  # what the broker took for it, in the account's currency
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
    price_increment: Decimal  # at and above one unit of money, where it depends on the price
    shortable: bool = True
