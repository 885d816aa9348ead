"""Finds the orders that a list asks for, newest first.

Without a status or an id, `/orders` is of those that are open, and `/orders/history` of those that
have ended. By `client_order_id`, an order is found however it stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db.models import Q
from rest_framework.request import Request

from orders.api.gateway import showing, stating
from orders.api.gateway.accepting import SIDES
from orders.api.gateway.fields import count, moment, query, symbol, word
from orders.api.gateway.wording import not_found, unreadable
from orders.models import Account, Order
from orders.models.order import OrderQuerySet

USUAL, MOST = 1000, 5000  # the SDK reads sixteen megabytes at most
FILTERS = frozenset(
    {"symbol", "status", "side", "client_order_id", "oco_group_id", "since", "until", "limit"}
)
EVERY = stating.WORKING | stating.FINAL


def listed(request: Request, account: Account, *, among: frozenset[str]) -> list[dict[str, Any]]:
    """Return the orders that a request asks for, as they are shown. Raises Declined."""
    asked = query(request, FILTERS)
    limit = count("limit", asked.get("limit"), usual=USUAL, most=MOST)
    words = _words(asked.get("status", ""))
    by_id = asked.get("client_order_id")
    if among == stating.FINAL:
        wanted = words & among if words else among
    else:
        wanted = words or (EVERY if by_id else among)
    if asked.get("oco_group_id"):
        return []  # no order here is of such a group
    filters: dict[str, Any] = {
        "symbol": symbol(asked.get("symbol") or None),
        "side": word("side", asked["side"], SIDES) if asked.get("side") else "",
        "placed_at__gte": moment("since", asked.get("since")),
        "placed_at__lt": moment("until", asked.get("until")),
    }
    found = showing.orders_of(account).filter(
        **{name: value for name, value in filters.items() if value}
    )
    if by_id is not None:
        found = found.none() if "\0" in by_id else found.filter(client_order_id=by_id)
    return showing.several(_first(found, wanted, limit))


def the_order(account: Account, given: str) -> Order:
    """Return an order of this account by its id. Raises Declined for any other's."""
    try:
        found = showing.orders_of(account).filter(id=UUID(given)).first()
    except ValueError:
        found = None
    if found is None:
        raise not_found("order", given)
    return found


def _words(given: str) -> frozenset[str]:
    words = frozenset(word for word in given.split(",") if word)
    if words - EVERY:
        raise unreadable(f"status must be among {', '.join(sorted(EVERY))}", field="status")
    return words


def _first(orders: OrderQuerySet, wanted: frozenset[str], limit: int) -> Iterator[Order]:
    """Yield the newest orders of some words. How an open one stands is told by looking at it."""
    of_ends = stating.ended_as(wanted)
    working = Q(pk__in=[])
    if wanted & stating.WORKING:
        working = Q(pk__in=orders.open().order_by().values("pk"))
    left = limit
    for order in orders.filter(of_ends | working).order_by("-placed_at", "-id").iterator(200):
        if left <= 0:
            return
        if stating.status(order) in wanted:
            left -= 1
            yield order
