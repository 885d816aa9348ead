"""Orders: placing, listing, reading, replacing and cancelling them."""

from __future__ import annotations

from dataclasses import replace as with_changes
from datetime import timedelta
from decimal import Decimal
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from structlog.contextvars import bind_contextvars

from brokers.reasons import Reason
from brokers.vocabulary import OrderClass
from orders import canceling, placing, replacing, timing
from orders.api.alpaca import accepting, finding, knowing, showing, stating
from orders.api.alpaca.fields import yes_or_no
from orders.api.alpaca.finding import Foretold
from orders.api.alpaca.refusing import Declined, declined, not_found
from orders.api.alpaca.view import View
from orders.api.alpaca.wording import About
from orders.api.authenticating import actor_of, key_of
from orders.api.carrying import NOTHING, Carried, carried
from orders.canceling import Became, Canceled
from orders.errors import BadTicket, NotReplaceable
from orders.ids import intent_id
from orders.models import Order
from orders.models.order import OrderSource
from orders.money import EXACT, ZERO

# The SDK sends a POST again by itself, within nine seconds of the first.
REPLAYED_WITHIN = timedelta(seconds=60)
SIZED = frozenset({"qty", "client_order_id"})  # what is not simply another value of the same


class Orders(View):
    def get(self, request: Request) -> Response:
        """Open orders, newest first, unless the query says otherwise."""
        return Response(finding.listed(request, key_of(request).account))

    def post(self, request: Request) -> Response:
        """Record an order, and answer at once: whether the broker takes it shows later."""
        key = key_of(request)
        ticket = accepting.ticket(request, key.account)
        self.about = About(ticket=ticket)
        bind_contextvars(client_order_id=ticket.wire_id)
        knowing.check(key.account, ticket)
        now = timing.database_now()
        order, is_new = placing.place(
            key.account, ticket, source=OrderSource.API, actor=actor_of(request), now=now
        )
        bind_contextvars(order=str(order.id))
        if is_new:
            return _made(order)
        by_this_key = order.placed_with_id == key.pk
        if not (
            key.account.replays_duplicates
            and by_this_key
            and now - order.placed_at <= REPLAYED_WITHIN
        ):
            raise declined(Reason.DUPLICATE_CLIENT_ORDER_ID)
        return _shown(finding.the_order(key.account, str(order.id)), nested=True)

    def delete(self, request: Request) -> Response:
        """Ask for every open order to be cancelled, and say of each whether that could be asked."""
        canceled = canceling.cancel_all(
            key_of(request).account, actor=actor_of(request), now=timing.database_now()
        )
        return Response([_canceled(one) for one in canceled], status=207)


class OrderDetail(View):
    def get(self, request: Request, order_id: str) -> Response:
        account = key_of(request).account
        nested = yes_or_no("nested", request.query_params.get("nested", ""))
        try:
            return _shown(finding.the_order(account, order_id), nested=nested)
        except Foretold as early:
            return Response(early.shown, headers=showing.page(early.entry))

    def patch(self, request: Request, order_id: str) -> Response:
        """Record the order that is to take this one's place, and answer with it.

        `qty` is the total, what this one and those before it have filled included.
        """
        old = finding.the_order(key_of(request).account, order_id)
        bind_contextvars(order=str(old.id))
        asked = accepting.changes(request)
        before = carried([old])[old.id]
        (shown,) = showing.several([old], nested=True)
        changes = _changes(old, asked, already=before.sized)
        name = asked.get("client_order_id") or str(intent_id())
        proposal = with_changes(old.terms(), wire_id=name, **changes)
        self.about = About(ticket=proposal, status=stating.status(old))
        try:
            order, is_new = replacing.replace(
                old,
                client_order_id=name,
                **changes,
                source=OrderSource.API,
                actor=actor_of(request),
                now=timing.database_now(),
            )
        except NotReplaceable as error:
            raise _not_replaceable(old, error.message) from error
        except BadTicket as error:
            # Of an order that has ended, nobody wants to know what else could not be changed.
            if old.has_ended:
                raise _not_replaceable(old, error.message) from error
            raise
        if not is_new:
            raise declined(Reason.DUPLICATE_CLIENT_ORDER_ID)
        bind_contextvars(client_order_id=order.client_order_id)
        sized = EXACT.add(before.sized, order.replaces_filled or ZERO)
        return _made(order, before=Carried(sized=sized), legs=shown["legs"])

    def delete(self, request: Request, order_id: str) -> Response:
        """Ask for an order to be cancelled. That it is comes later."""
        order = finding.the_order(key_of(request).account, order_id)
        bind_contextvars(order=str(order.id))
        self.about = About(status=stating.status(order))
        canceling.cancel(order.id, actor=actor_of(request), now=timing.database_now())
        return Response(status=204, headers=showing.page(order))


class ByClientOrderId(View):
    def get(self, request: Request) -> Response:
        account = key_of(request).account
        given = request.query_params.get("client_order_id", "")
        if not given:
            raise declined(Reason.MISSING_FIELD, field="client_order_id")
        found = None
        if "\0" not in given:
            found = showing.orders_of(account).filter(client_order_id=given).first()
        if found is None:
            raise not_found(f"order not found for {given[:128]}")
        return _shown(found, nested=yes_or_no("nested", request.query_params.get("nested", "")))


def _shown(order: Order, *, nested: bool) -> Response:
    bind_contextvars(order=str(order.id))
    (shown,) = showing.several([order], nested=nested)
    return Response(shown, headers=showing.page(order))


def _made(
    order: Order,
    *,
    before: Carried = NOTHING,
    legs: list[dict[str, Any]] | None = None,
) -> Response:
    """Answer with a new order as it was written: it is on record, and nothing can fail any more.

    Its legs are told as they will be, under the ids that they will have; those of a replacement
    are the ones that the order before it had.
    """
    bind_contextvars(order=str(order.id))
    if legs is None and order.order_class != OrderClass.SIMPLE:
        legs = showing.foretold(order)
    return Response(showing.one(order, before=before, legs=legs), headers=showing.page(order))


def _changes(old: Order, asked: dict[str, Any], *, already: Decimal) -> dict[str, Any]:
    """Return what is asked in the desk's words; `already` had filled when the old was sized."""
    names = {"trail": "trail_price" if old.trail_percent is None else "trail_percent"}
    changes = {names.get(name, name): value for name, value in asked.items() if name not in SIZED}
    if (total := asked.get("qty")) is not None:
        if total <= already:
            raise declined(Reason.QUANTITY_NOT_ABOVE_FILLED)
        changes["quantity"] = EXACT.subtract(total, already)
    return changes


def _not_replaceable(old: Order, why: str) -> Declined:
    """Return why an order can't be replaced, in the sentence for how it now stands."""
    now = finding.the_order(old.account, str(old.id))
    status = stating.status(now)
    if status == "replaced":
        return declined(Reason.NOT_REPLACEABLE, "order already replaced")
    if status in stating.FINAL:
        return declined(Reason.NOT_REPLACEABLE, "unable to replace order, order is not open")
    if old.quantity is None:
        return declined(Reason.NOT_REPLACEABLE, f"unable to replace order: {why}")
    if now.is_replaceable and status != "pending_replace":
        return declined(Reason.NOT_REPLACEABLE, "order chain not fully replaced")
    return declined(Reason.NOT_REPLACEABLE, status=status)


def _canceled(one: Canceled) -> dict[str, Any]:
    """Return what became of the wish to cancel one order of many."""
    told: dict[str, Any] = {"id": str(one.order.id), "status": 200}
    match one.became:
        case Became.TOO_LATE:
            no = declined(Reason.TOO_LATE, status=stating.status(one.order))
        case Became.FAILED:
            no = Declined(500, 50010000, one.why)
        case _:
            return told
    return told | {"status": no.status_code, "body": no.body}
