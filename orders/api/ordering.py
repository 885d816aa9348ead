"""Addresses of orders. One key, one account: any other account is not there at all."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from structlog.contextvars import bind_contextvars

from brokers.vocabulary import Side
from orders import canceling, placing, replacing, timing
from orders.api import accepting, describing, finding, showing, telling
from orders.api.authenticating import account_of, actor_of
from orders.api.paging import page
from orders.api.view import View
from orders.models import Account, Order
from orders.models.order import OrderQuerySet, OrderSource

ORDER_FILTERS = {
    "status": "status",
    "submission": "submission",
    "symbol": "symbol",
    "side": "side",
    "client_order_id": "client_order_id",
    "placed_after": "placed_at__gte",
    "placed_before": "placed_at__lt",
}


@describing.tagged("Orders")
class Orders(View):
    @extend_schema(
        operation_id="list_orders",
        summary="List orders",
        parameters=[finding.OrderQuery],
        responses=describing.answers(showing.OrderPage, 404),
    )
    def get(self, request: Request, account_id: UUID) -> Response:
        """Newest first. To read on, repeat the query with `cursor` set to `next_cursor`: orders
        that arrive meanwhile neither hide one nor show one twice."""
        asked = finding.query(request, finding.OrderQuery)
        orders = _wanted(showing.orders_of(account_of(request, account_id)), asked)
        rows, after = page(orders, cursor=asked.get("cursor"), limit=asked["limit"])
        return Response(showing.OrderPage({"orders": rows, "next_cursor": after}).data)

    @extend_schema(
        operation_id="place_order",
        summary="Place an order",
        parameters=[describing.IDEMPOTENCY_KEY],
        request=accepting.OrderGiven,
        examples=describing.PLACING,
        responses={
            201: describing.created(showing.OrderShown, "Recorded, and on its way to the broker."),
            200: describing.created(showing.OrderShown, "You placed this very order before."),
            **describing.refusals(403, 404, 409, 413, 415, 422),
        },
    )
    def post(self, request: Request, account_id: UUID) -> Response:
        """The order is on record before this answers, and is sent at once. Whether the broker
        took it shows in `submission` and `status` later.

        No answer? Send the same request again: the client order id makes it the same order."""
        account = account_of(request, account_id)
        ticket = accepting.ticket(request)
        bind_contextvars(client_order_id=ticket.wire_id)
        order, is_new = placing.place(
            account,
            ticket,
            source=OrderSource.API,
            actor=actor_of(request),
            now=timing.database_now(),
        )
        return _made(account, order, is_new=is_new)

    @extend_schema(
        operation_id="cancel_orders",
        summary="Cancel all open orders",
        parameters=[finding.CancelQuery],
        request=None,
        responses={
            207: describing.created(showing.CanceledList, "What became of each."),
            **describing.refusals(403, 404),
        },
    )
    def delete(self, request: Request, account_id: UUID) -> Response:
        """Those that have not left are withdrawn, those in doubt are cancelled on sight, and for
        the others the broker is asked. Each goes by itself: what can't be cancelled keeps nothing
        else from it. Repeat it to see what is left."""
        asked = finding.query(request, finding.CancelQuery)
        account = account_of(request, account_id)
        canceled = canceling.cancel_all(
            account,
            symbol=asked.get("symbol"),
            side=Side(asked["side"]) if "side" in asked else None,
            actor=actor_of(request),
            now=timing.database_now(),
        )
        return Response(showing.CanceledList({"orders": canceled}).data, status=207)


@describing.tagged("Orders")
class OrderDetail(View):
    @extend_schema(
        operation_id="read_order",
        summary="Read an order",
        responses=describing.answers(showing.OrderShown, 404),
    )
    def get(self, request: Request, account_id: UUID, order_id: UUID) -> Response:
        """As it now stands."""
        finding.query(request)
        return Response(showing.OrderShown(_order(account_of(request, account_id), order_id)).data)

    @extend_schema(
        operation_id="replace_order",
        summary="Replace an order",
        parameters=[describing.IDEMPOTENCY_KEY],
        request=accepting.ReplacementGiven,
        examples=describing.REPLACING,
        responses={
            201: describing.created(showing.OrderShown, "The order that is to take its place."),
            200: describing.created(showing.OrderShown, "You asked for this very change before."),
            **describing.refusals(403, 404, 409, 413, 415, 422),
        },
    )
    def patch(self, request: Request, account_id: UUID, order_id: UUID) -> Response:
        """A working order makes place for a new one, with an id of its own. `quantity` is the new
        total; only what has not filled goes to the broker. Until the broker agrees, the old order
        works on."""
        account = account_of(request, account_id)
        old = _order(account, order_id)
        order, is_new = replacing.replace(
            old,
            **accepting.changes(request),
            source=OrderSource.API,
            actor=actor_of(request),
            now=timing.database_now(),
        )
        return _made(account, order, is_new=is_new)

    @extend_schema(
        operation_id="cancel_order",
        summary="Cancel an order",
        request=None,
        responses={
            202: describing.created(showing.OrderShown, "Asked for. The broker has the last word."),
            **describing.refusals(403, 404, 409),
        },
    )
    def delete(self, request: Request, account_id: UUID, order_id: UUID) -> Response:
        """An order that has not left is withdrawn at once; one in doubt is cancelled on sight.
        Otherwise it works on, with `pending_cancel`, until the broker says that it is cancelled.
        Asking again is harmless."""
        finding.query(request)
        account = account_of(request, account_id)
        order = _order(account, order_id)
        canceling.cancel(order.id, actor=actor_of(request), now=timing.database_now())
        return Response(showing.OrderShown(_order(account, order_id)).data, status=202)


@describing.tagged("Orders")
class OrderEvents(View):
    @extend_schema(
        operation_id="read_order_events",
        summary="Read an order's story",
        responses=describing.answers(telling.StoryShown, 404),
    )
    def get(self, request: Request, account_id: UUID, order_id: UUID) -> Response:
        """The audit of one order, with its evidence: what was sent and answered, byte for byte but
        for secrets, each look for it while in doubt, and every fact the broker told."""
        finding.query(request)
        order = _order(account_of(request, account_id), order_id)
        story = {
            "order": order,
            "events": order.events.all(),
            "attempts": order.attempts.all(),
            "inquiries": order.inquiries.all(),
            "snapshots": order.snapshots.all(),
            "executions": order.executions.all(),
        }
        return Response(telling.StoryShown(story).data)


def _wanted(orders: OrderQuerySet, asked: dict[str, Any]) -> OrderQuerySet:
    for name, lookup in ORDER_FILTERS.items():
        if name in asked:
            orders = orders.filter(**{lookup: asked[name]})
    match asked.get("open"):
        case True:
            return orders.open()
        case False:
            return orders.ended()
        case _:
            return orders


def _order(account: Account, order_id: UUID) -> Order:
    """Return an order of this account. Raises NotFound for any other's."""
    order = showing.orders_of(account).filter(id=order_id).first()
    if order is None:
        raise NotFound
    bind_contextvars(order=str(order.id))
    return order


def _made(account: Account, order: Order, *, is_new: bool) -> Response:
    """Answer with an order. A new one is shown as it was written: nothing can fail any more."""
    bind_contextvars(order=str(order.id))
    shown = order if is_new else _order(account, order.id)
    return Response(
        showing.OrderShown(shown).data,
        status=201 if is_new else 200,
        headers={"Location": reverse("api:order", args=[account.id, order.id])},
    )
