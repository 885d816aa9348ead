"""Waits a moment for the broker's first word, which the Gateway's clients expect in the answer.

The order is on record before: however long the broker takes, nothing is lost by not waiting any
longer. Then the order is told as pending, which it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from django.db import InterfaceError, OperationalError

from brokers.vocabulary import Status
from orders.api.gateway import showing, wording
from orders.models import Account, Order
from orders.states import Submission

log = structlog.get_logger(__name__)

ANSWERED_WITHIN = 2.0  # seconds; the SDK itself waits thirty
LOOK_EVERY = 0.03
UNDER_WAY = frozenset({Submission.READY, Submission.SENDING})
SAID_NO = frozenset({Submission.REFUSED, Submission.BLOCKED})


def answered(account: Account, order: Order) -> Order:
    """Return a new order once its broker has said something of it, or as it is by then.

    Raises Declined if that is a no.
    """
    told = until(account, order, _is_answered)
    is_rejected = told.submission in SAID_NO or told.status == Status.REJECTED
    if is_rejected and not told.filled_quantity:
        raise wording.of_order(told)
    return told


def ended(account: Account, order: Order) -> Order:
    """Return an order once it has ended, or as it is by then."""
    return until(account, order, lambda told: told.has_ended)


def until(account: Account, order: Order, is_so: Callable[[Order], bool]) -> Order:
    """Return an order as soon as something is so of it, or as it is when patience ends.

    If the database goes away meanwhile, the order is returned as it was last seen.
    """
    give_up_at = time.monotonic() + ANSWERED_WITHIN
    told = order
    try:
        while True:
            told = showing.orders_of(account).get(id=order.id)
            if is_so(told) or time.monotonic() >= give_up_at:
                return told
            time.sleep(LOOK_EVERY)
    except (OperationalError, InterfaceError) as error:
        log.warning("database_away", error=str(error))
        return told


def _is_answered(order: Order) -> bool:
    if order.submission == Submission.ACCEPTED:
        return order.status is not None
    return order.submission not in UNDER_WAY
