"""Shows orders as Alpaca does: every field always, amounts as plain strings, null for nothing.

An order that took another's place carries over what that one had filled, as on a FIX line: its
`qty` is the total that was asked for, and its `filled_qty` and average are of the whole chain.
Without that, what is left to fill could not be told from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db.models import OuterRef, Subquery, UUIDField
from django.db.models.expressions import RawSQL
from django.urls import reverse

from brokers.vocabulary import ExecutionKind, OrderClass, OrderType, PositionEffect, TimeInForce
from orders.api.alpaca import foretelling, naming, stating
from orders.api.carrying import NOTHING, Carried, carried
from orders.api.fields import Moment
from orders.api.showing import LEGS
from orders.models import Account, Execution, Order, SnapshotFact
from orders.models.order import OrderQuerySet
from orders.money import EXACT, average, plain
from orders.states import OPEN_MUTATION, Submission

ENDED = {
    "canceled": "canceled_at",
    "expired": "expired_at",
    "rejected": "failed_at",
    "replaced": "replaced_at",
}


def orders_of(account: Account) -> OrderQuerySet:
    """Return an account's orders, with what else showing one takes."""
    return _with_more(Order.objects.filter(account=account))


def _with_more(orders: OrderQuerySet) -> OrderQuerySet:
    successors = Order.objects.filter(replaces=OuterRef("pk"), submission__in=OPEN_MUTATION)
    told = SnapshotFact.objects.filter(order=OuterRef("pk"), status=OuterRef("status"))
    trades = Execution.objects.filter(order=OuterRef("pk")).exclude(kind=ExecutionKind.BUST)
    return orders.select_related("parent").annotate(
        successor_id=Subquery(successors.values("id")[:1]),
        successor_submission=Subquery(successors.values("submission")[:1]),
        told_at=Subquery(told.order_by("heard_at").values("heard_at")[:1]),
        traded_at=Subquery(trades.order_by("-executed_at").values("executed_at")[:1]),
    )


def several(orders: Iterable[Order], *, nested: bool) -> list[dict[str, Any]]:
    """Return orders as they are shown, each with its legs inside if they are to be `nested`."""
    found = list(orders)
    legs: dict[UUID, list[Order]] = {}
    if nested:
        legs = _legs(order.id for order in found if order.order_class != OrderClass.SIMPLE)
    everything = [*found, *(leg for own in legs.values() for leg in own)]
    before = carried(everything)
    shown = []
    for order in found:
        inside = None
        if nested and order.order_class != OrderClass.SIMPLE:
            told = legs.get(order.id, [])
            inside = [one(leg, before=before[leg.id]) for leg in told] + foretold(order, told)
        shown.append(one(order, before=before[order.id], legs=inside))
    return shown


def foretold(order: Order, told: Iterable[Order] = ()) -> list[dict[str, Any]]:
    """Return the legs that an order is to have besides those there are, as they are shown."""
    status = stating.of_foretold(order)
    return [one(leg, status=status) for leg in foretelling.legs(order, told)]


def _legs(parents: Iterable[UUID]) -> dict[UUID, list[Order]]:
    """Return the legs that each of some orders shows: its own, and those of what it replaced."""
    shown = Order.objects.filter(id__in=list(parents)).order_by()
    ids = dict(
        shown.annotate(
            leg_ids=RawSQL(LEGS, [], output_field=ArrayField(UUIDField()))  # noqa: S611 — no input
        ).values_list("id", "leg_ids")
    )
    every = {leg for own in ids.values() for leg in own}
    found = {leg.id: leg for leg in _with_more(Order.objects.filter(id__in=every))}
    return {parent: [found[leg] for leg in own] for parent, own in ids.items()}


def one(
    order: Order,
    *,
    before: Carried = NOTHING,
    legs: list[dict[str, Any]] | None = None,
    status: str = "",
) -> dict[str, Any]:
    """Return one order as it is shown. It asks the database for nothing."""
    status = status or stating.status(order)
    filled = EXACT.add(order.filled_quantity, before.filled)
    trails = order.order_type == OrderType.TRAILING_STOP
    # Alpaca knows no date of expiry but that of an order good until cancelled.
    until_date = order.time_in_force == TimeInForce.GTD
    return {
        "id": str(order.id),
        "client_order_id": order.client_order_id,
        "created_at": moment(order.placed_at),
        "updated_at": moment(order.changed_at),
        "submitted_at": moment(order.placed_at),
        **_ends(order, status),
        "expires_at": moment(order.expires_at),
        "replaced_by": _name(
            getattr(order, "successor_id", None) if status == "replaced" else None
        ),
        "replaces": _name(order.replaces_id),
        "asset_id": naming.asset_id(order.symbol),
        "symbol": order.symbol,
        "asset_class": naming.asset_class(order.symbol),
        "notional": plain(order.notional),
        "qty": None if order.quantity is None else plain(EXACT.add(order.quantity, before.sized)),
        "filled_qty": plain(filled),
        "filled_avg_price": plain(average(EXACT.add(order.filled_value, before.value), filled)),
        "order_class": _order_class(order),
        "order_type": str(order.order_type),
        "type": str(order.order_type),
        "side": str(order.side),
        "position_intent": _intent(order),
        "time_in_force": "gtc" if until_date else str(order.time_in_force),
        "limit_price": plain(order.limit_price),
        "stop_price": plain(order.trailing_stop_price if trails else order.stop_price),
        "status": status,
        "extended_hours": order.extended_hours,
        "legs": legs,
        "trail_percent": plain(order.trail_percent),
        "trail_price": plain(order.trail_price),
        "hwm": plain(order.high_water_mark),
        "ratio_qty": None,
        "subtag": None,
        "source": None,
        "blotter": _beyond(order, before),
    }


def page(order: Order) -> dict[str, str]:
    """Return the header that says where people see an order."""
    return {"X-Blotter-Order": f"{settings.DESK_URL}{reverse('order', args=[order.id])}"}


def moment(at: datetime | None) -> str | None:
    """Return a time as it is shown: RFC 3339 in UTC."""
    return None if at is None else Moment().to_representation(at)


def _ends(order: Order, status: str) -> dict[str, str | None]:
    """Return when it ended, under the name of how: as far as facts say, else when we knew."""
    heard = getattr(order, "told_at", None) or order.changed_at
    ended_at = heard if order.submission == Submission.ACCEPTED else order.submission_at
    times: dict[str, str | None] = {
        "filled_at": None,
        "expired_at": None,
        "canceled_at": None,
        "failed_at": None,
        "replaced_at": None,
    }
    if status == "filled":
        times["filled_at"] = moment(getattr(order, "traded_at", None) or heard)
    elif status in ENDED:
        times[ENDED[status]] = moment(ended_at)
    return times


def _order_class(order: Order) -> str:
    """Return its class: a leg has that of the order it belongs to, and simple is no word."""
    of = order if order.parent is None else order.parent
    return "" if of.order_class == OrderClass.SIMPLE else str(of.order_class)


def _intent(order: Order) -> str | None:
    if not order.position_effect:
        return None
    return f"{order.side}_to_{PositionEffect(order.position_effect)}"


def _beyond(order: Order, before: Carried) -> dict[str, Any]:
    """Return what Alpaca has no field for, and nobody should have to guess."""
    return {
        "submission": str(order.submission),
        "in_doubt": order.is_in_doubt,
        "reason": order.submission_reason or order.reason,
        "warnings": order.warnings,
        "leg": str(order.leg) or None,
        "parent": _name(order.parent_id),
        "carried_filled_qty": plain(before.filled) if order.replaces_id else None,
    }


def _name(order_id: object) -> str | None:
    return None if order_id is None else str(order_id)
