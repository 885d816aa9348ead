"""The data of a broker's terms, and what follows from it alone.

Durations are in seconds unless a name says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from brokers.vocabulary import Environment, OrderClass, OrderType, PositionEffect, TimeInForce

# Types of order, each with the times in force that it may have.
Kinds = Mapping[OrderType, frozenset[TimeInForce]]

DAY_ALONE = frozenset({TimeInForce.DAY})
RESTING = frozenset({TimeInForce.DAY, TimeInForce.GTC})
NO_AUCTION = frozenset(TimeInForce) - {TimeInForce.OPG, TimeInForce.CLS}

# All that `brokers.tickets` lets through.
EVERY_KIND: Kinds = {
    OrderType.MARKET: frozenset(TimeInForce),
    OrderType.LIMIT: frozenset(TimeInForce),
    OrderType.STOP: NO_AUCTION,
    OrderType.STOP_LIMIT: NO_AUCTION,
    OrderType.TRAILING_STOP: RESTING,
}
IN_PARTS: Kinds = {
    OrderType.MARKET: DAY_ALONE,
    OrderType.LIMIT: DAY_ALONE,
    OrderType.STOP: DAY_ALONE,
    OrderType.STOP_LIMIT: DAY_ALONE,
}
AROUND_HOURS: Kinds = {OrderType.LIMIT: RESTING}
NO_KIND: Kinds = {}

REPLACEABLE = frozenset(
    {"quantity", "limit_price", "stop_price", "trail_price", "trail_percent", "time_in_force"}
)


class Read(StrEnum):
    """A way of asking a broker whether it has an order."""

    OUR_ID = "our id"
    ORDER_LIST = "its list of orders"
    EXECUTIONS = "its list of executions"


class Strategy(StrEnum):
    """How the legs of an order come to the broker."""

    NATIVE = "native"  # with the order, in one request: the broker keeps them together
    NATIVE_OCO = "native_oco"  # the entry alone; as it fills, a pair of which one cancels the other
    PENDING = "pending"  # the entry alone; as it fills, two orders that this desk keeps together


class Trail(StrEnum):
    """What a trailing stop may keep its distance in."""

    PRICE = "price"
    PERCENT = "percent"


class Need(StrEnum):
    """What a request to a broker is for. What comes first goes first when few are left."""

    CANCEL = "cancel"
    ORDER = "order"  # a new one, or a change
    LIST = "list"  # of all that an account has: what no fill gets lost by
    LOOK = "look"  # at one order
    FIGURE = "figure"  # what pages show beside the orders


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """How many requests a broker takes, and how many of them are kept for what comes first."""

    per_minute: int
    for_cancels: int
    for_orders: int
    for_lists: int
    for_looks: int

    def most(self, need: Need) -> int | None:
        """Return how many in a minute there may be before one more of this need; None: always."""
        match need:
            case Need.CANCEL:
                return None
            case Need.ORDER:
                return self.per_minute - self.for_cancels
            case Need.LIST:
                return self.per_minute - self.for_cancels - self.for_orders
            case Need.LOOK:
                return self.per_minute - self.for_cancels - self.for_orders - self.for_lists
            case Need.FIGURE:
                kept = self.for_cancels + self.for_orders + self.for_lists + self.for_looks
                return self.per_minute - kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """How long silence lasts at a broker, and what may be concluded from it."""

    first_grace: timedelta  # G1: before this, "no such order" means nothing
    second_grace: timedelta  # G2: absence must be seen again past this
    escalate_after: timedelta  # then a person is told; polling goes on
    reads: tuple[Read, ...]  # every way there is; all of them are used at each look
    absence_by: frozenset[Read]  # all of them must deny it; none: only a person may conclude it

    @property
    def absence_is_definitive(self) -> bool:
        """Whether the desk itself may conclude that an order is not there."""
        return bool(self.absence_by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """One broker's terms. `tested_on` says when they were last checked, `source` against what.

    Unless it says otherwise, a broker takes all that any could.
    """

    broker: str
    title: str
    # Where it is, on paper and live. Empty: wherever an account says, and then never live.
    hosts: Mapping[Environment, str] = field(default_factory=dict)
    allowance: Allowance | None = None  # of requests, per account; None: as many as there are
    takes: Kinds = field(default_factory=lambda: EVERY_KIND)
    in_parts: Kinds = field(default_factory=lambda: IN_PARTS)  # shares, not whole ones
    for_money: Kinds = field(default_factory=lambda: IN_PARTS)  # of shares: for an amount of money
    extended_hours: Kinds = field(default_factory=lambda: AROUND_HOURS)
    pairs: Kinds | None = None  # of pairs such as BTC/USD, without legs; None: as of shares
    quantity_decimals: int = 9  # 0: whole units only
    trails: frozenset[Trail] = frozenset(Trail)
    trail_percent_decimals: int = 9
    classes: frozenset[OrderClass] = frozenset(OrderClass)  # those it keeps together itself
    position_effects: frozenset[PositionEffect] = frozenset(PositionEffect)  # an order may name
    sells_short: bool = True
    wire_id_pattern: str
    wire_id_length: int
    duplicate_id_answer: str  # in words, for people
    lists_all: bool = False  # it tells all that it trades: what is not in its list, it refuses
    replaceable: frozenset[str] = REPLACEABLE  # the fields that a replacement may change
    replace_makes_new_order: bool = True
    replaces_partly_filled: bool = True
    pushes: str  # how it tells us of fills, in words
    doubt: Doubt
    tested_on: date
    source: str

    @property
    def order_types(self) -> frozenset[OrderType]:
        """The types of order it takes."""
        return frozenset(self.takes)

    @property
    def times_in_force(self) -> frozenset[TimeInForce]:
        """The times in force it takes with one type or another. See `tifs`."""
        return frozenset[TimeInForce]().union(*self.takes.values())

    @property
    def market_tifs(self) -> frozenset[TimeInForce]:
        """What a market order may say."""
        return self.tifs(OrderType.MARKET)

    def tifs(self, order_type: OrderType) -> frozenset[TimeInForce]:
        """Return the times in force that a type of order may have; none of a type not taken."""
        return self.takes.get(order_type, frozenset())

    def strategy(self, order_class: OrderClass) -> Strategy | None:
        """Return how an order's legs come to this broker; None: it has none, or none can."""
        if order_class is OrderClass.SIMPLE:
            return None
        if order_class in self.classes:
            return Strategy.NATIVE
        if order_class is OrderClass.OCO:
            return None
        if order_class is OrderClass.BRACKET and OrderClass.OCO in self.classes:
            return Strategy.NATIVE_OCO
        return Strategy.PENDING

    def fits(self, wire_id: str) -> bool:
        """Whether this broker can carry an id of ours as it is."""
        return (
            len(wire_id) <= self.wire_id_length
            and re.fullmatch(self.wire_id_pattern, wire_id) is not None
        )
