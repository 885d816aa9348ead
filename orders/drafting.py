"""Writes the tickets of legs: what protects a position, in words that its broker takes."""

from __future__ import annotations

from dataclasses import replace as with_changes
from decimal import Decimal

from brokers.messages import StopLoss, Ticket
from brokers.vocabulary import Leg, OrderClass, OrderType, PositionEffect, Side, TimeInForce
from orders import connecting, placing
from orders.covering import Group
from orders.errors import DeskError
from orders.ids import leg_id
from orders.measures import Place
from orders.models import Order

LASTING = (TimeInForce.GTC, TimeInForce.DAY)
AT_ONCE = (TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC)


def draft(group: Group, action: Place) -> Ticket:
    """Return what a leg is to be at the broker: good till cancelled, if it takes that.

    For closing only, where it knows such orders. Raises BadTicket or AccountClosed if the leg
    can't be placed at all.
    """
    account, ticket = group.root.account, _ticket(group, action)
    why: DeskError | None = None
    for tif in AT_ONCE if ticket.order_type is OrderType.MARKET else LASTING:
        fitting = with_changes(ticket, time_in_force=tif)
        try:
            placing.check(account, fitting)
        except DeskError as error:
            why = why or error
        else:
            return fitting
    raise why or DeskError("No time in force is left.")


def _ticket(group: Group, action: Place) -> Ticket:
    terms, passport = group.terms, connecting.passport(group.root.account)
    order_type, limit, stop, stop_loss = _prices(terms, action)
    exit_side = Side.SELL if terms.side == Side.BUY else Side.BUY
    closes = PositionEffect.CLOSE in passport.position_effects
    return Ticket(
        wire_id=leg_id(group.root.id, "+".join(action.legs), action.covers_from, action.number),
        symbol=terms.symbol,
        side=Side(terms.side) if group.is_exit else exit_side,
        quantity=action.quantity,
        order_type=order_type,
        time_in_force=TimeInForce.GTC,
        limit_price=limit,
        stop_price=stop,
        position_effect=PositionEffect.CLOSE if closes else None,
        order_class=OrderClass.OCO if stop_loss else OrderClass.SIMPLE,
        stop_loss=stop_loss,
    )


def _prices(
    terms: Order, action: Place
) -> tuple[OrderType, Decimal | None, Decimal | None, StopLoss | None]:
    """Return a leg's type, limit and stop, and the stop that goes with it in a pair."""
    stop, stop_limit = terms.stop_loss_price, terms.stop_loss_limit_price
    if action.legs == (Leg.EXIT,):
        return OrderType.MARKET, None, None, None
    if action.legs == (Leg.STOP_LOSS,):
        kind = OrderType.STOP if stop_limit is None else OrderType.STOP_LIMIT
        return kind, stop_limit, stop, None
    pair = None
    if len(action.legs) > 1 and stop is not None:
        pair = StopLoss(stop_price=stop, limit_price=stop_limit)
    return OrderType.LIMIT, terms.take_profit_price, None, pair
