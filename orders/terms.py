"""An order's terms: a broker's ticket as columns, and back, and in the words of the audit."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from brokers.messages import StopLoss, TakeProfit, Ticket
from brokers.vocabulary import OrderClass, OrderType, PositionEffect, Side, TimeInForce
from orders.money import plain

ALWAYS_SAID = ("quantity", "limit_price", "stop_price")  # even of an order that has none


def columns(ticket: Ticket) -> dict[str, Any]:
    """Return the columns of an order that say what a ticket asks for, its wire id aside."""
    take_profit, stop_loss = ticket.take_profit, ticket.stop_loss
    return {
        "symbol": ticket.symbol,
        "side": ticket.side,
        "quantity": ticket.quantity,
        "notional": ticket.notional,
        "order_type": ticket.order_type,
        "time_in_force": ticket.time_in_force,
        "limit_price": ticket.limit_price,
        "stop_price": ticket.stop_price,
        "trail_price": ticket.trail_price,
        "trail_percent": ticket.trail_percent,
        "expires_at": ticket.expires_at,
        "extended_hours": ticket.extended_hours,
        "position_effect": ticket.position_effect or "",
        "order_class": ticket.order_class,
        "take_profit_price": take_profit.limit_price if take_profit else None,
        "stop_loss_price": stop_loss.stop_price if stop_loss else None,
        "stop_loss_limit_price": stop_loss.limit_price if stop_loss else None,
    }


def ticket(wire_id: str, said: Any) -> Ticket:
    """Return the ticket that an object with these columns stands for: an order, for instance."""
    take_profit, stop_loss = said.take_profit_price, said.stop_loss_price
    effect = said.position_effect
    return Ticket(
        wire_id=wire_id,
        symbol=said.symbol,
        side=Side(said.side),
        quantity=said.quantity,
        notional=said.notional,
        order_type=OrderType(said.order_type),
        time_in_force=TimeInForce(said.time_in_force),
        limit_price=said.limit_price,
        stop_price=said.stop_price,
        trail_price=said.trail_price,
        trail_percent=said.trail_percent,
        expires_at=said.expires_at,
        extended_hours=said.extended_hours,
        position_effect=PositionEffect(effect) if effect else None,
        order_class=OrderClass(said.order_class),
        take_profit=None if take_profit is None else TakeProfit(limit_price=take_profit),
        stop_loss=None
        if stop_loss is None
        else StopLoss(stop_price=stop_loss, limit_price=said.stop_loss_limit_price),
    )


def in_words(ticket: Ticket) -> dict[str, str | None]:
    """Return a ticket's terms as the audit has them. What does not apply is left out."""
    said = {name: _plain(value) for name, value in columns(ticket).items()}
    return {name: word for name, word in said.items() if word or name in ALWAYS_SAID}


def _plain(value: object) -> str | None:
    match value:
        case None | False | "" | OrderClass.SIMPLE:
            return None
        case True:
            return "yes"
        case Decimal():
            return plain(value)
        case datetime():
            return value.isoformat()
        case _:
            return str(value)
