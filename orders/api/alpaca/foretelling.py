"""Legs that an order is to have, and of which nobody has told yet: their ids are known already.

A client learns the ids of a bracket's legs from the answer to its POST, and asks for them later.
Until a leg is there it shows as `held`, or as ended with its entry, and says that it is foretold.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from brokers.passport import Strategy
from brokers.vocabulary import Leg, OrderClass, OrderType, Side
from orders.ids import foretold_id, same_moment
from orders.models import Account, Order
from orders.models.order import OrderSource
from orders.money import ZERO

UNTOLD = "The broker has not told of it yet."


def legs(order: Order, told: Iterable[Order] = ()) -> list[Order]:
    """Return the legs an order is to have, besides those that are told of. They are not saved.

    What takes another's place has that one's legs, and none of its own. Where this desk lets the
    legs out itself, nobody knows beforehand how many there will be.
    """
    if order.strategy != Strategy.NATIVE or order.replaces_id is not None:
        return []
    roles = {leg.leg for leg in told}
    return [_leg(order, role) for role in _roles(order) if role not in roles]


def leg(account: Account, leg_id: UUID) -> Order | None:
    """Return the leg that has this id foretold, if it is not there yet."""
    first, last = same_moment(leg_id)
    parents = Order.objects.filter(account=account, id__gte=first, id__lte=last)
    for parent in parents.exclude(order_class=OrderClass.SIMPLE):
        for foretold in legs(parent):
            if foretold.id == leg_id:
                return foretold
    return None


def _roles(order: Order) -> list[Leg]:
    wanted = {Leg.TAKE_PROFIT: order.take_profit_price, Leg.STOP_LOSS: order.stop_loss_price}
    return [role for role, price in wanted.items() if price is not None]


def _leg(order: Order, role: Leg) -> Order:
    is_target = role is Leg.TAKE_PROFIT
    stop_limit = order.stop_loss_limit_price
    kind = OrderType.STOP if stop_limit is None else OrderType.STOP_LIMIT
    other_side = Side.SELL if order.side == Side.BUY else Side.BUY
    leg_id = foretold_id(order.id, role)
    return Order(
        id=leg_id,
        account_id=order.account_id,
        client_order_id=str(leg_id),  # until its broker gives it one
        symbol=order.symbol,
        side=order.side if order.order_class == OrderClass.OCO else other_side,
        quantity=order.quantity,
        order_type=OrderType.LIMIT if is_target else kind,
        time_in_force=order.time_in_force,
        limit_price=order.take_profit_price if is_target else stop_limit,
        stop_price=None if is_target else order.stop_loss_price,
        source=OrderSource.LEG,
        parent=order,
        leg=role,
        placed_at=order.placed_at,
        submission=order.submission,
        submission_at=order.submission_at,
        changed_at=order.changed_at,
        reason=UNTOLD,
        filled_quantity=ZERO,
        filled_value=ZERO,
    )
