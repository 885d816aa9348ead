"""What a broker accepts and promises, dated: the desk obeys it, and never guesses past it.

Durations are in seconds unless a name says otherwise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from brokers.errors import InvalidTicket
from brokers.messages import Ticket
from brokers.vocabulary import OrderClass, OrderType, PositionEffect, TimeInForce


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
class Passport:
    """One broker's terms. `tested_on` says when they were last checked, `source` against what."""

    broker: str
    title: str
    order_types: frozenset[OrderType]
    times_in_force: frozenset[TimeInForce]
    quantity_decimals: int  # 0: whole units only
    market_tifs: frozenset[TimeInForce]  # what a market order may say
    classes: frozenset[OrderClass]  # those it keeps together itself
    position_effects: frozenset[PositionEffect]  # those an order may name
    wire_id_pattern: str
    wire_id_length: int
    duplicate_id_answer: str  # in words, for people
    replace_makes_new_order: bool
    pushes: str  # how it tells us of fills, in words
    doubt: Doubt
    tested_on: date
    source: str

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

    def check(self, ticket: Ticket) -> None:
        """Raise InvalidTicket for what this broker can't carry out accurately."""
        if ticket.order_type not in self.order_types:
            raise InvalidTicket("order_type", f"{self.title} takes no {ticket.order_type} orders.")
        allowed = self.market_tifs if ticket.order_type is OrderType.MARKET else self.times_in_force
        if ticket.time_in_force not in allowed:
            raise InvalidTicket(
                "time_in_force",
                f"{self.title} takes no {ticket.order_type} orders with time in force"
                f" {ticket.time_in_force}.",
            )
        if ticket.quantity is not None and ticket.quantity != round(
            ticket.quantity, self.quantity_decimals
        ):
            raise InvalidTicket(
                "quantity",
                f"{self.title} takes quantities to {self.quantity_decimals} decimals."
                if self.quantity_decimals
                else f"{self.title} takes whole quantities only.",
            )
        if len(ticket.wire_id) > self.wire_id_length or not re.fullmatch(
            self.wire_id_pattern, ticket.wire_id
        ):
            raise InvalidTicket("client_order_id", f"{self.title} can't carry this order id.")


def smallest_step(decimals: int) -> Decimal:
    """Return the smallest quantity that a number of decimals allows: 3 gives 0.001."""
    return Decimal(1).scaleb(-decimals)
