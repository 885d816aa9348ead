"""Writes an order down as its broker tells of it, where this desk did not place it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from brokers import tickets
from brokers.errors import InvalidTicket
from brokers.messages import Snapshot, Ticket
from brokers.vocabulary import NEEDS_LIMIT, NEEDS_STOP, Leg, Status
from orders import terms
from orders.models import Account, Order
from orders.models.order import OrderSource
from orders.states import Submission

SYMBOL, NAME = 32, 128  # characters that an order's columns hold


class Unadoptable(Exception):
    """What the broker shows can't be written down as an order of ours: why."""


def transcribe(
    account: Account,
    told: Snapshot,
    *,
    source: str = OrderSource.BROKER,
    parent: Order | None = None,
    placed_at: datetime,
    now: datetime,
) -> Order:
    """Return a new order, not yet saved, on the terms that a broker tells. Raises Unadoptable.

    Its status is for its facts to say, before this commits.
    """
    name, role = _free_name(account, told), _role(told) if parent else None
    return Order(
        id=Order.objects.id_for(parent, role),
        account=account,
        client_order_id=name,
        wire_id=name,
        **terms.columns(_ticket(told)),
        source=source,
        parent=parent,
        leg=role or "",
        placed_at=placed_at,
        submit_by=now,
        submission=Submission.ACCEPTED,
        submission_at=now,
        changed_at=now,
        broker_order_id=told.broker_order_id,
        status=Status.INDETERMINATE,
    )


def in_words(order: Order) -> dict[str, Any]:
    """Return what an order was written down as, in the words of the audit."""
    return {
        "client_order_id": order.client_order_id,
        **terms.in_words(order.terms()),
        "source": str(order.source),
        **({"parent": str(order.parent_id), "leg": str(order.leg)} if order.parent_id else {}),
    }


def _role(told: Snapshot) -> Leg:
    """Return what a leg is for. Where the broker does not say it, its kind does."""
    if told.leg is not None:
        return told.leg
    return Leg.STOP_LOSS if told.order_type in NEEDS_STOP else Leg.TAKE_PROFIT


def _ticket(told: Snapshot) -> Ticket:
    if told.order_type is None or told.time_in_force is None:
        raise Unadoptable("it is of a kind that this desk does not know.")
    if len(told.symbol) > SYMBOL or len(told.broker_order_id) > NAME:
        raise Unadoptable("its symbol or its id is longer than any known here.")
    ticket = Ticket(
        wire_id=told.wire_id,
        symbol=told.symbol,
        side=told.side,
        quantity=told.quantity,
        notional=told.notional,
        order_type=told.order_type,
        time_in_force=told.time_in_force,
        limit_price=told.limit_price if told.order_type in NEEDS_LIMIT else None,
        stop_price=told.stop_price if told.order_type in NEEDS_STOP else None,
        trail_price=told.trail_price,
        trail_percent=told.trail_percent,
        expires_at=told.expires_at,
        extended_hours=told.extended_hours,
        position_effect=told.position_effect,
        # A class is between the orders of a group: each is taken over for itself.
    )
    try:
        tickets.check_kept(ticket)
    except InvalidTicket as error:
        raise Unadoptable(f"its terms can't be kept exactly. {error}") from error
    return ticket


def _free_name(account: Account, told: Snapshot) -> str:
    """Return its wire id, or else the broker's own, as what we call it."""
    names = [name for name in (told.wire_id, told.broker_order_id) if 0 < len(name) <= NAME]
    ours = Order.objects.filter(account=account)
    taken = {
        *ours.filter(client_order_id__in=names).values_list("client_order_id", flat=True),
        *ours.filter(wire_id__in=names).values_list("wire_id", flat=True),
    }
    free = next((name for name in names if name not in taken), None)
    if free is None:
        raise Unadoptable("its id already belongs to another order.")
    return free
