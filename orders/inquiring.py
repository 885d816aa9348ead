"""Asks a broker about one order, by every way there is, and keeps what it said word for word.

An answer is proof, silence is none. Nothing here concludes or changes anything.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from brokers.adapter import BrokerAdapter
from brokers.errors import BrokerError, Unasked
from brokers.messages import Absent, Call, Report
from brokers.passport import Read
from orders.models import Inquiry, Order
from orders.states import Submission

log = structlog.get_logger(__name__)

LIST_FROM = timedelta(minutes=5)  # before the intent: clocks differ
ITS_ID = "its id"  # asked of an order that the broker is known to have

Result = Inquiry.Result
Answer = tuple[Inquiry, Report | None]


def by_broker_id(order: Order, adapter: BrokerAdapter, *, now: datetime) -> Answer:
    """Ask after an order by the id that the broker gave it."""
    return _ask(order, ITS_ID, lambda: adapter.read(order.broker_order_id or ""), now=now)


def by(
    path: Read, order: Order, adapter: BrokerAdapter, *, control: Order | None, now: datetime
) -> Answer:
    """Ask after an order in one of the ways that a passport names. `control`: see `control_of`."""
    match path:
        case Read.OUR_ID:
            return _ask(order, path, lambda: adapter.find(order.wire_id), now=now)
        case Read.ORDER_LIST:
            return _walk_orders(order, adapter, control=control, now=now)
        case Read.EXECUTIONS:
            return _walk_executions(order, adapter, now=now)


def control_of(order: Order) -> Order | None:
    """Return another order that the broker is known to have: a list that lacks it proves nothing.

    The next one after ours, if there is one: a list that shows it does not lag behind ours. Else
    the last one before, which is as near as can be, so that no more than needed is listed.
    """
    others = Order.objects.filter(account_id=order.account_id, submission=Submission.ACCEPTED)
    later = others.filter(placed_at__gte=order.placed_at).exclude(id=order.id)
    earlier = others.filter(placed_at__lt=order.placed_at)
    return (
        later.order_by("placed_at", "id").first() or earlier.order_by("-placed_at", "-id").first()
    )


def _ask(
    order: Order, path: str, question: Callable[[], Report | Absent], *, now: datetime
) -> Answer:
    inquiry = Inquiry(order=order, path=path, asked_at=now)
    try:
        answer = question()
    except BrokerError as error:
        return _unanswered(inquiry, error), None
    _keep_call(inquiry, answer.call)
    if isinstance(answer, Absent):
        inquiry.result = Result.ABSENT
        return inquiry, None
    inquiry.result = Result.FOUND
    return inquiry, answer


def _walk_orders(
    order: Order, adapter: BrokerAdapter, *, control: Order | None, now: datetime
) -> Answer:
    """Read the account's list of orders, all pages, for this one and for the control."""
    inquiry = Inquiry(order=order, path=Read.ORDER_LIST, asked_at=now)
    began = min(order.placed_at, control.placed_at) if control else order.placed_at
    control_seen = False
    try:
        for report in adapter.orders_since(began - LIST_FROM):
            _keep_call(inquiry, report.call)
            for snapshot in report.snapshots:
                if snapshot.wire_id == order.wire_id:
                    inquiry.result = Result.FOUND
                    listed = Report(snapshots=(snapshot,))
                    return inquiry, _whole(adapter, snapshot.broker_order_id, listed)
                control_seen |= (
                    control is not None and snapshot.broker_order_id == control.broker_order_id
                )
    except BrokerError as error:
        return _unanswered(inquiry, error), None
    if control_seen:
        inquiry.result = Result.ABSENT
    else:
        inquiry.result = Result.NO_ANSWER
        inquiry.note = (
            "The list shows no order of ours, so it proves nothing:"
            " the next one the broker takes will be the check."
        )
    return inquiry, None


def _walk_executions(order: Order, adapter: BrokerAdapter, *, now: datetime) -> Answer:
    """Read the account's list of executions, all pages, for trades of this order.

    That there are none says nothing of the order: it may be working, unfilled.
    """
    inquiry = Inquiry(order=order, path=Read.EXECUTIONS, asked_at=now)
    try:
        for report in adapter.executions_since(order.placed_at - LIST_FROM):
            _keep_call(inquiry, report.call)
            if fills := tuple(fill for fill in report.fills if fill.wire_id == order.wire_id):
                inquiry.result = Result.FOUND
                return inquiry, _whole(adapter, fills[0].broker_order_id, Report(fills=fills))
    except BrokerError as error:
        return _unanswered(inquiry, error), None
    inquiry.result = Result.NO_ANSWER
    inquiry.note = "It has not traded. That says nothing of whether it is there."
    return inquiry, None


def _whole(adapter: BrokerAdapter, broker_order_id: str, listed: Report) -> Report:
    """Return a listed order with its fills, or as listed if it can't be read.

    It is there, whatever comes of reading it; fills it lacks then are asked for again.
    """
    try:
        answer = adapter.read(broker_order_id)
    except BrokerError as error:
        log.warning("listed_and_not_read", order=broker_order_id, error=str(error))
        return listed
    return listed if isinstance(answer, Absent) else answer


def _unanswered(inquiry: Inquiry, error: BrokerError) -> Inquiry:
    inquiry.result, inquiry.note = Result.NO_ANSWER, str(error)
    inquiry.was_made = not isinstance(error, Unasked)
    _keep_call(inquiry, error.call)
    return inquiry


def _keep_call(inquiry: Inquiry, call: Call | None) -> None:
    if call is not None:
        inquiry.method, inquiry.url, inquiry.took_ms = call.method, call.url, call.took_ms
        inquiry.answer_status, inquiry.answer_body = call.status, call.answer_body
        inquiry.failure = call.failure
