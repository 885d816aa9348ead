"""Shows orders as the Gateway does: amounts as plain strings, and what is absent left out.

What its clients have no field for is in `blotter`, which they pass over.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.urls import reverse

from brokers.vocabulary import Leg, PositionEffect, TimeInForce
from orders.api import showing as native
from orders.api.carrying import NOTHING, Carried, carried
from orders.api.fields import Moment
from orders.api.gateway import stating, wording
from orders.ids import is_of_this_desk
from orders.models import Account, Order
from orders.models.order import OrderQuerySet
from orders.money import EXACT, ZERO, average, plain

# Times in force that its clients can't read, each as the one that is nearest.
NEAREST = {
    TimeInForce.OPG: TimeInForce.DAY,
    TimeInForce.CLS: TimeInForce.DAY,
    TimeInForce.GTD: TimeInForce.GTC,
}


def orders_of(account: Account) -> OrderQuerySet:
    """Return an account's orders, with what else showing one takes."""
    return native.orders_of(account)


def several(orders: Iterable[Order]) -> list[dict[str, Any]]:
    """Return orders as they are shown."""
    found = list(orders)
    before = carried(found)
    return [one(order, before=before[order.id]) for order in found]


def handle(order: Order) -> dict[str, Any]:
    """Return what a client needs to know an order again."""
    return _said(
        {
            "id": str(order.id),
            "status": stating.status(order),
            "client_order_id": _client_order_id(order),
            "correlation_id": order.wire_id,
        }
    )


def one(order: Order, *, before: Carried = NOTHING) -> dict[str, Any]:
    """Return one order as it is shown. It asks the database for nothing."""
    status = stating.status(order)
    filled = EXACT.add(order.filled_quantity, before.filled)
    value = EXACT.add(order.filled_value, before.value)
    # Of an order for an amount of money, nobody knows the quantity but as far as it has filled.
    quantity = filled if order.quantity is None else EXACT.add(order.quantity, before.sized)
    trail = order.trail_price if order.trail_percent is None else order.trail_percent
    tif = TimeInForce(order.time_in_force)
    return _said(
        {
            "id": str(order.id),
            "client_order_id": _client_order_id(order),
            "symbol": order.symbol,
            "side": str(order.side).upper(),
            "order_type": str(order.order_type).upper(),
            "quantity": plain(quantity),
            "filled_quantity": plain(filled),
            "remaining_quantity": plain(max(EXACT.subtract(quantity, filled), ZERO)),
            "limit_price": plain(order.limit_price),
            "stop_price": plain(order.stop_price),
            "stop_loss": plain(order.stop_loss_price),
            "take_profit": plain(order.take_profit_price),
            "trailing_distance": plain(trail),
            "trailing_type": _trailing_type(order),
            "average_fill_price": plain(average(value, filled)),
            "status": status,
            "reject_reason": _reject_reason(order, status),
            "parent_order_id": _name(order.parent_id),
            "reduce_only": True if order.position_effect == PositionEffect.CLOSE else None,
            "correlation_id": order.wire_id,
            "time_in_force": str(NEAREST.get(tif, tif)).upper(),
            "created_at": moment(order.placed_at),
            "updated_at": moment(order.changed_at),
            "blotter": _beyond(order, before),
        }
    )


def page(order: Order) -> dict[str, str]:
    """Return the header that says where people see an order."""
    return {"X-Blotter-Order": f"{settings.DESK_URL}{reverse('order', args=[order.id])}"}


def moment(at: Any) -> str:
    """Return a time as it is shown: RFC 3339 in UTC."""
    return Moment().to_representation(at)


def _said(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value is not None}


def _client_order_id(order: Order) -> str | None:
    """Return the client's own id: one that this desk made up, for want of it, is no such thing."""
    return None if is_of_this_desk(order.client_order_id) else order.client_order_id


def _trailing_type(order: Order) -> str | None:
    if order.trail_percent is not None:
        return "PERCENT"
    return None if order.trail_price is None else "ABSOLUTE"


def _reject_reason(order: Order, status: str) -> str | None:
    return wording.rejection(order.submission_code) if status == "REJECTED" else None


def _beyond(order: Order, before: Carried) -> dict[str, Any]:
    """Return what the Gateway has no field for, and nobody should have to guess."""
    more: dict[str, Any] = {
        "submission": str(order.submission),
        "status": None if order.status is None else str(order.status),
        "in_doubt": order.is_in_doubt,
        "reason": order.submission_reason or order.reason,
        "warnings": order.warnings,
        "unprotected": order.unprotected_since is not None,
        "leg": str(Leg(order.leg)).upper() if order.leg else None,
        "legs": [str(leg) for leg in getattr(order, "leg_ids", ())],
        "replaces": _name(order.replaces_id),
        "replaced_by": _name(getattr(order, "successor_id", None)),
        "carried_filled_quantity": plain(before.filled) if order.replaces_id else None,
        "notional": plain(order.notional),
        "time_in_force": str(order.time_in_force),
    }
    return _said(more)


def _name(order_id: object) -> str | None:
    return None if order_id is None else str(order_id)
