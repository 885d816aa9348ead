"""Moves the legs that protect a position: the stop-loss's stop price, the target's limit price."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from django.db.models import Q

from brokers.vocabulary import Leg, OrderClass, Side
from orders import replacing, timing
from orders.actors import Actor
from orders.api.gateway.wording import Declined, not_modifiable, unsupported
from orders.errors import BadTicket, NotReplaceable
from orders.ids import intent_id
from orders.models import Account, Order
from orders.models.order import OrderSource
from orders.money import plain

LEGS: Mapping[str, tuple[Leg, str]] = {
    "stop_loss": (Leg.STOP_LOSS, "stop_price"),
    "take_profit": (Leg.TAKE_PROFIT, "limit_price"),
}


def legs_of(account: Account, symbol: str, side: Side) -> list[Order]:
    """Return the open orders that would close a position as its legs, on the side that does so."""
    found = Order.objects.filter(account=account, symbol=symbol, side=side).open()
    legs = Q(parent__isnull=False) | Q(order_class=OrderClass.OCO)
    return list(found.filter(legs).order_by("id"))


def move_of_position(
    account: Account, symbol: str, side: Side, prices: Mapping[str, Decimal], *, actor: Actor
) -> dict[str, Any]:
    """Have the legs of a position moved, and return which orders now hold which price.

    Raises Declined if there is no such leg, or one can't be moved.
    """
    return _move(legs_of(account, symbol, side), prices, actor=actor)


def move_of_order(order: Order, prices: Mapping[str, Decimal], *, actor: Actor) -> None:
    """Have the open legs of an order moved. Raises Declined if it has none, or one can't be."""
    legs = list(Order.objects.filter(parent=order).open().order_by("id"))
    if not legs and not order.has_ended:
        why = "the legs of an order can be moved once they are there: when it has filled"
        raise unsupported(f"modify {next(iter(prices))}", order.account.broker, why)
    _move(legs, prices, actor=actor)


def _move(legs: Iterable[Order], prices: Mapping[str, Decimal], *, actor: Actor) -> dict[str, Any]:
    found = {name: [leg for leg in legs if _is(leg, LEGS[name][0])] for name in prices}
    for name, own in found.items():
        if not own:
            raise not_modifiable(f"No open {name} protects it.", leg_type=name)
    moved: dict[str, Any] = {}
    for name, own in found.items():
        ids = [str(_moved(leg, name, prices[name], moved, actor=actor).id) for leg in own]
        moved[name] = {"order_ids": ids, "trigger_price": plain(prices[name])}
    return moved


def _is(order: Order, leg: Leg) -> bool:
    """Whether an order is such a leg. An OCO order is itself the target."""
    if order.order_class == OrderClass.OCO:
        return leg is Leg.TAKE_PROFIT
    return order.leg == leg


def _moved(
    leg: Order, name: str, price: Decimal, moved: Mapping[str, Any], *, actor: Actor
) -> Order:
    """Return the order that holds the new price: another one takes the leg's place."""
    field = LEGS[name][1]
    if getattr(leg, field) == price:
        return leg
    change: dict[str, Any] = {field: price}
    try:
        new, _ = replacing.replace(
            leg,
            client_order_id=str(intent_id()),
            **change,
            source=OrderSource.API,
            actor=actor,
            now=timing.database_now(),
        )
    except (NotReplaceable, BadTicket) as error:
        raise _refused(leg, name, error.message, moved) from error
    return new


def _refused(leg: Order, name: str, why: str, moved: Mapping[str, Any]) -> Declined:
    """Return that a leg stays where it is, and which others have moved by then."""
    more = {"moved": dict(moved)} if moved else {}
    return not_modifiable(
        f"The {name} stays where it is: {why}", order_id=str(leg.id), leg_type=name, **more
    )
