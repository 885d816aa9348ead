"""What an order asks for, in words: the same for a ticket about to be sent and for an order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

from brokers.messages import Ticket
from brokers.vocabulary import Leg, OrderClass, OrderType, PositionEffect, Side
from orders.models import Order
from orders.web.amounts import amount, price

TYPES = {
    OrderType.LIMIT: "Limit",
    OrderType.MARKET: "Market",
    OrderType.STOP: "Stop",
    OrderType.STOP_LIMIT: "Stop limit",
    OrderType.TRAILING_STOP: "Trailing",
}
SHORT_TYPES = {
    OrderType.MARKET: "MKT",
    OrderType.LIMIT: "LMT",
    OrderType.STOP: "STP",
    OrderType.STOP_LIMIT: "STP LMT",
    OrderType.TRAILING_STOP: "TRAIL",
}
CLASSES = {
    OrderClass.SIMPLE: "Simple",
    OrderClass.BRACKET: "Bracket",
    OrderClass.OTO: "One leg",
    OrderClass.OCO: "Exit in two",
}
EFFECTS = {
    (Side.BUY, PositionEffect.OPEN): "Buy to open",
    (Side.BUY, PositionEffect.CLOSE): "Buy to cover",
    (Side.SELL, PositionEffect.OPEN): "Sell short",
    (Side.SELL, PositionEffect.CLOSE): "Sell to close",
}
LEGS = {Leg.TAKE_PROFIT: "Target", Leg.STOP_LOSS: "Stop", Leg.EXIT: "Closing order"}


def leg(name: str) -> str:
    """Write what a protective order is for."""
    return LEGS[Leg(name)]


def order_class(name: str) -> str:
    """Write how an order and its legs belong together."""
    return CLASSES[OrderClass(name)]


def short_type(order_type: str) -> str:
    """Write an order type as desks do."""
    return SHORT_TYPES[OrderType(order_type)]


class Terms(Protocol):
    """What an order and a ticket have in common. Read only."""

    @property
    def symbol(self) -> str: ...
    @property
    def side(self) -> str: ...
    @property
    def quantity(self) -> Decimal | None: ...
    @property
    def notional(self) -> Decimal | None: ...
    @property
    def order_type(self) -> str: ...
    @property
    def limit_price(self) -> Decimal | None: ...
    @property
    def stop_price(self) -> Decimal | None: ...
    @property
    def trail_price(self) -> Decimal | None: ...
    @property
    def trail_percent(self) -> Decimal | None: ...
    @property
    def position_effect(self) -> str | None: ...


def side(terms: Terms) -> str:
    """Write which way it trades: Sell, or Sell short where it says so."""
    if not terms.position_effect:
        return Side(terms.side).title()
    return EFFECTS[Side(terms.side), PositionEffect(terms.position_effect)]


def size(terms: Terms) -> str:
    """Write how much it is for: a quantity, or an amount of money."""
    return amount(terms.quantity) if terms.notional is None else f"${amount(terms.notional)}"


def named(terms: Terms) -> str:
    """Write how much of what: 10 ACME, or $250 of ACME."""
    return f"{size(terms)} {'' if terms.notional is None else 'of '}{terms.symbol}"


def trail(terms: Terms) -> str:
    """Write how far a trailing stop stays behind; nothing for other orders."""
    if terms.trail_percent is not None:
        return f"{amount(terms.trail_percent)} %"
    return "" if terms.trail_price is None else price(terms.trail_price)


def pricing(terms: Terms) -> str:
    """Write the price it asks for, as it comes after how much of what."""
    if trailing := trail(terms):
        return f"trailing {trailing}"
    said = [
        f"{word} {price(value)}"
        for word, value in (("stop", terms.stop_price), ("limit", terms.limit_price))
        if value is not None
    ]
    return " ".join(said) or "at market"


def trailing(order: Order) -> str:
    """Write how a trailing stop stands: where it is now, and the best price it has seen."""
    if not trail(order):
        return ""
    said = [f"trails {trail(order)}"]
    if order.trailing_stop_price is not None:
        said.append(f"stop now {price(order.trailing_stop_price)}")
    if order.high_water_mark is not None:
        said.append(f"best {price(order.high_water_mark)}")
    return ", ".join(said)


def legs(ticket: Ticket) -> Iterator[tuple[Leg, Decimal, Decimal | None]]:
    """Yield the ways out that a ticket names: what for, at which price, and a stop's limit.

    An exit in two is itself the target.
    """
    target = ticket.take_profit.limit_price if ticket.take_profit else None
    if ticket.order_class is OrderClass.OCO:
        target = ticket.limit_price
    if target is not None:
        yield Leg.TAKE_PROFIT, target, None
    if ticket.stop_loss is not None:
        yield Leg.STOP_LOSS, ticket.stop_loss.stop_price, ticket.stop_loss.limit_price


def conditions(terms: Terms) -> Iterator[str]:
    """Yield what else there is to say of when and how it may trade."""
    if isinstance(terms, Order) and trail(terms):
        yield trailing(terms)
    expires_at: datetime | None = getattr(terms, "expires_at", None)
    if expires_at is not None:
        yield f"good till {expires_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if getattr(terms, "extended_hours", False):
        yield "also outside regular hours"
