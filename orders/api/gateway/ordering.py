"""Orders: placing, listing, reading, changing and cancelling them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from structlog.contextvars import bind_contextvars

from orders import canceling, placing, replacing, timing
from orders.api.authenticating import actor_of
from orders.api.carrying import carried
from orders.api.gateway import accepting, awaiting, finding, guarding, showing, stating
from orders.api.gateway.fields import query, symbol
from orders.api.gateway.view import View
from orders.api.gateway.wording import Declined, invalid, not_modifiable
from orders.canceling import Became, Canceled
from orders.errors import NotCancelable, NotReplaceable
from orders.ids import intent_id
from orders.models import Order
from orders.models.order import OrderSource
from orders.money import EXACT, plain

NOTHING: frozenset[str] = frozenset()
BY_SYMBOL = frozenset({"symbol"})


class Orders(View):
    def get(self, request: Request) -> Response:
        """Open orders, newest first, unless the query says otherwise."""
        account = self.account_of(request)
        return Response(finding.listed(request, account, among=stating.WORKING))

    def post(self, request: Request) -> Response:
        """Record an order, have it sent, and answer with what the broker says of it, or within
        two seconds with what is known by then. The same order sent again is the same order.
        """
        account = self.account_of(request)
        query(request, NOTHING)
        ticket = accepting.ticket(request, account)
        bind_contextvars(client_order_id=ticket.wire_id)
        order, _ = placing.place(
            account,
            ticket,
            source=OrderSource.API,
            actor=actor_of(request),
            now=timing.database_now(),
        )
        bind_contextvars(order=str(order.id))
        told = awaiting.answered(account, order)
        return Response(showing.handle(told), status=201, headers=showing.page(told))

    def delete(self, request: Request) -> Response:
        """Ask for every open order, or every one in a symbol, to be cancelled."""
        account = self.account_of(request)
        wanted = symbol(query(request, BY_SYMBOL).get("symbol") or None)
        asked = canceling.cancel_all(
            account, symbol=wanted or None, actor=actor_of(request), now=timing.database_now()
        )
        failed = [str(one.order.id) for one in asked if _has_failed(one)]
        counts = {"cancelled_count": len(asked) - len(failed), "failed_count": len(failed)}
        return Response(counts | ({"failed_order_ids": failed} if failed else {}))


class History(View):
    def get(self, request: Request) -> Response:
        """Orders that have ended, newest first."""
        account = self.account_of(request)
        return Response(finding.listed(request, account, among=stating.FINAL))


class OrderDetail(View):
    def get(self, request: Request, order_id: str) -> Response:
        query(request, NOTHING)
        order = finding.the_order(self.account_of(request), order_id)
        return _shown(order)

    def patch(self, request: Request, order_id: str) -> Response:
        """Have another order take this one's place, or the prices of its legs moved.

        `quantity` is the total, what has filled included.
        """
        account = self.account_of(request)
        query(request, NOTHING)
        old = finding.the_order(account, order_id)
        bind_contextvars(order=str(old.id))
        asked = accepting.changes(request)
        legs = {name: asked.pop(name) for name in accepting.LEGS & asked.keys()}
        if legs and asked:
            name = next(iter(legs))
            raise invalid(name, "change an order and its legs one after the other")
        if legs:
            guarding.move_of_order(old, legs, actor=actor_of(request))
            return Response({"order": _one(finding.the_order(account, order_id))})
        new = self._replaced(request, old, asked)
        told = awaiting.answered(account, new)
        return Response(
            {"order": _one(told), "previous_order_id": str(old.id)}, headers=showing.page(told)
        )

    def delete(self, request: Request, order_id: str) -> Response:
        """Ask for an order to be cancelled. Its status says whether it is; asking again is safe."""
        account = self.account_of(request)
        query(request, NOTHING)
        order = finding.the_order(account, order_id)
        bind_contextvars(order=str(order.id))
        try:
            canceling.cancel(order.id, actor=actor_of(request), now=timing.database_now())
        except NotCancelable as error:
            order = finding.the_order(account, order_id)
            if stating.status(order) != "CANCELLED":
                raise _too_late(order, error.message) from error
        told = awaiting.ended(account, order)
        if (status := stating.status(told)) in stating.FINAL - {"CANCELLED"}:
            raise _too_late(told, f"It ended meanwhile: {status}.")
        return Response({"success": True, "order": _one(told)}, headers=showing.page(told))

    def _replaced(self, request: Request, old: Order, asked: dict[str, Decimal]) -> Order:
        name = str(intent_id())
        bind_contextvars(client_order_id=name)
        try:
            new, _ = replacing.replace(
                old,
                client_order_id=name,
                **_changes(old, asked),
                source=OrderSource.API,
                actor=actor_of(request),
                now=timing.database_now(),
            )
        except NotReplaceable as error:
            raise _too_late(old, error.message) from error
        return new


def _changes(old: Order, asked: dict[str, Decimal]) -> dict[str, Any]:
    """Return what is asked in the desk's words: its quantity is less what came before it."""
    trail = "trail_price" if old.trail_percent is None else "trail_percent"
    names = {"trailing_distance": trail}
    changes = {names.get(name, name): value for name, value in asked.items()}
    for name in ("trail_price", "trail_percent"):
        if name in changes and getattr(old, name) is None:
            raise invalid("trailing_distance", "it is no trailing stop")
    if (total := changes.get("quantity")) is not None:
        already = carried([old])[old.id].sized
        if total <= already:
            raise invalid("quantity", "as much has filled already", provided=plain(total))
        changes["quantity"] = EXACT.subtract(total, already)
    return changes


def _too_late(order: Order, why: str) -> Declined:
    return not_modifiable(why, order_id=str(order.id), status=stating.status(order))


def _has_failed(one: Canceled) -> bool:
    """Whether the wish to cancel one order of many came to nothing."""
    if one.became is Became.TOO_LATE:
        return stating.status(one.order) != "CANCELLED"
    return one.became is Became.FAILED


def _one(order: Order) -> dict[str, Any]:
    (shown,) = showing.several([order])
    return shown


def _shown(order: Order) -> Response:
    bind_contextvars(order=str(order.id))
    return Response(_one(order), headers=showing.page(order))
