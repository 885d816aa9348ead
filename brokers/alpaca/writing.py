"""Writes orders and changes of them in Alpaca's words. Amounts travel as strings."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from brokers.messages import StopLoss, Ticket
from brokers.vocabulary import OrderClass


def order_json(ticket: Ticket) -> dict[str, Any]:
    """Return a ticket as a request for an order. What the ticket does not say is left out."""
    is_pair = ticket.order_class is OrderClass.OCO  # the order is itself the target
    effect = ticket.position_effect
    asked = {
        "symbol": ticket.symbol,
        "qty": ticket.quantity,
        "notional": ticket.notional,
        "side": ticket.side.value,
        "type": ticket.order_type.value,
        "time_in_force": ticket.time_in_force.value,
        "limit_price": None if is_pair else ticket.limit_price,
        "stop_price": ticket.stop_price,
        "trail_price": ticket.trail_price,
        "trail_percent": ticket.trail_percent,
        "extended_hours": ticket.extended_hours or None,
        "client_order_id": ticket.wire_id,
        "order_class": None
        if ticket.order_class is OrderClass.SIMPLE
        else ticket.order_class.value,
        "take_profit": _target(ticket),
        "stop_loss": _stop(ticket.stop_loss),
        "position_intent": effect and f"{ticket.side}_to_{effect}",
    }
    return {name: value for name, value in asked.items() if value is not None}


def change_json(ticket: Ticket, *, was: Ticket | None) -> dict[str, Any]:
    """Return what is to change about an order; all that could, where what it was is not known.

    A leg can be given another price and nothing else, so nothing else is to be named.
    """
    asked = {
        "qty": (ticket.quantity, was and was.quantity),
        "time_in_force": (ticket.time_in_force.value, was and was.time_in_force.value),
        "limit_price": (ticket.limit_price, was and was.limit_price),
        "stop_price": (ticket.stop_price, was and was.stop_price),
        "trail": (_trail(ticket), was and _trail(was)),
    }
    changes = {
        name: value for name, (value, before) in asked.items() if value not in (None, before)
    }
    return {**changes, "client_order_id": ticket.wire_id}


def _trail(ticket: Ticket) -> Decimal | None:
    return ticket.trail_percent if ticket.trail_price is None else ticket.trail_price


def _target(ticket: Ticket) -> dict[str, Decimal | None] | None:
    if ticket.order_class is OrderClass.OCO:
        return {"limit_price": ticket.limit_price}
    return None if ticket.take_profit is None else {"limit_price": ticket.take_profit.limit_price}


def _stop(stop: StopLoss | None) -> dict[str, Decimal] | None:
    if stop is None:
        return None
    if stop.limit_price is None:
        return {"stop_price": stop.stop_price}
    return {"stop_price": stop.stop_price, "limit_price": stop.limit_price}
