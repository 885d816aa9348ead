"""Activities: the trades, as far as they stand, each with how far its order had come by it.

The desk keeps trades and nothing else of what Alpaca calls activities. Asked for the others alone,
it says so: an empty list would say that there were none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from brokers.reasons import Reason
from orders.api.alpaca import finding, showing
from orders.api.alpaca.fields import choice, count, moment
from orders.api.alpaca.refusing import declined, not_found
from orders.api.alpaca.view import View
from orders.api.authenticating import key_of
from orders.api.carrying import Carried, carried
from orders.api.counting import standing
from orders.models import Account, Execution, Order
from orders.money import EXACT, ZERO, plain

FILL = "FILL"
CATEGORIES = ("", "trade_activity", "non_trade_activity")
MOST = 100
SHAPE, NUMBER = 0x8 << 76 | 0x2 << 62, 2**62 - 1  # of a UUID, version 8, that holds a number


class Activities(View):
    def get(self, request: Request, activity_type: str = "") -> Response:
        account, told = key_of(request).account, request.query_params
        category = choice("category", told.get("category", ""), CATEGORIES)
        types = activity_type or told.get("activity_types", "")
        if types and category:
            raise declined(
                Reason.UNWANTED_FIELD, "only one of category or activity_types is accepted"
            )
        if (types and FILL not in types.upper().split(",")) or category == CATEGORIES[2]:
            raise not_found(f"this desk keeps activities of type {FILL} only")
        limit = count("page_size", told.get("page_size", ""), usual=MOST, most=MOST)
        return Response(_shown(list(_wanted(account, told)[:limit])))


def activity_id(execution: Execution) -> str:
    """Return a trade's id as an activity: its moment, and a number of ours that looks like one."""
    at = execution.executed_at.astimezone(UTC)
    first = getattr(execution, "first_pk", execution.pk)
    return f"{at:%Y%m%d%H%M%S}{at.microsecond // 1000:03}::{_id_of(first)}"


def execution_id(execution: Execution) -> UUID:
    """Return a trade's id: brokers have words of any kind for it, and Alpaca's clients a UUID."""
    return _id_of(execution.pk)


def _id_of(number: int) -> UUID:
    return UUID(int=SHAPE | number)


def _wanted(account: Account, told: Mapping[str, str]) -> QuerySet[Execution]:
    trades = standing(account)
    day, until, after = (moment(name, told.get(name, "")) for name in ("date", "until", "after"))
    if day and (until or after):
        raise declined(Reason.UNWANTED_FIELD, "date is not accepted with until or after")
    if day:
        begins = datetime.combine(day.date(), time.min, UTC)
        trades = trades.filter(executed_at__gte=begins, executed_at__lt=begins + timedelta(days=1))
    if until:
        trades = trades.filter(executed_at__lt=until)
    if after:
        trades = trades.filter(executed_at__gt=after)
    if told.get("order_id"):
        trades = trades.filter(order=finding.the_order(account, told["order_id"]))
    direction = choice("direction", told.get("direction", ""), ("desc", "asc"))
    if last := _last(account, told.get("page_token", "")):
        which = "gt" if direction == "asc" else "lt"
        same = Q(executed_at=last.executed_at, **{f"pk__{which}": last.pk})
        trades = trades.filter(Q(**{f"executed_at__{which}": last.executed_at}) | same)
    step = ("executed_at", "pk") if direction == "asc" else ("-executed_at", "-pk")
    return trades.order_by(*step)


def _last(account: Account, token: str) -> Execution | None:
    """Return the trade that a page ended with. Raises Declined for what is no token of ours."""
    if not token:
        return None
    try:
        number = UUID(token.partition("::")[2]).int & NUMBER
    except ValueError:
        number = 0
    # One that was undone since is where a page ended all the same.
    stands: Any = standing(account)  # mypy knows no annotations of theirs
    found: Execution | None = (
        stands.filter(first_pk=number).first()
        or Execution.objects.filter(account=account, pk=number).first()
    )
    if found is None or activity_id(found) != token:
        raise declined(Reason.INVALID_FIELD, "invalid page_token")
    return found


def _shown(trades: Iterable[Execution]) -> list[dict[str, Any]]:
    found = list(trades)
    orders = {order.id: order for order in Order.objects.filter(id__in={t.order_id for t in found})}
    before = carried(orders.values())
    so_far = _so_far(orders)
    return [
        _trade(trade, orders[trade.order_id], before[trade.order_id], so_far[trade.pk])
        for trade in found
    ]


def _so_far(orders: Mapping[UUID, Order]) -> dict[int, Decimal]:
    """Return how much of its order each trade of some orders completed, itself included."""
    done: dict[UUID, Decimal] = {}
    reached: dict[int, Decimal] = {}
    for account in {order.account_id for order in orders.values()}:
        trades = standing(Account(id=account)).filter(order__in=orders.keys())
        for trade in trades.order_by("executed_at", "pk"):
            done[trade.order_id] = EXACT.add(done.get(trade.order_id, ZERO), trade.quantity)
            reached[trade.pk] = done[trade.order_id]
    return reached


def _trade(trade: Execution, order: Order, before: Carried, own: Decimal) -> dict[str, Any]:
    reached = EXACT.add(own, before.filled)
    left = None
    if order.quantity is not None:
        left = max(EXACT.subtract(EXACT.add(order.quantity, before.sized), reached), ZERO)
    elif order.has_ended and own == order.filled_quantity:
        left = ZERO  # of an order for money, only its end tells
    is_last = left == ZERO
    return {
        "id": activity_id(trade),
        "activity_type": FILL,
        "transaction_time": showing.moment(trade.executed_at),
        "type": "fill" if is_last else "partial_fill",
        "price": plain(trade.price),
        "qty": plain(trade.quantity),
        "side": str(trade.side),
        "symbol": trade.symbol,
        "leaves_qty": plain(left),
        "order_id": str(trade.order_id),
        "cum_qty": plain(reached),
        "order_status": "filled" if is_last else "partially_filled",
    }
