"""Replaces working orders: a new order, sent as a replace of the old one."""

from __future__ import annotations

from dataclasses import replace as with_changes
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction

from brokers.messages import Ticket
from brokers.reasons import Reason
from brokers.vocabulary import Status, TimeInForce
from orders import connecting, placing, timing
from orders.actors import Actor
from orders.errors import BadTicket, NotReplaceable, OrderIdTaken
from orders.models import Order
from orders.recording import chaining
from orders.recording.changing import lock_all
from orders.states import IN_FLIGHT, OPEN_MUTATION, UNSENT


def replace(
    order: Order,
    *,
    client_order_id: str,
    quantity: Decimal | None = None,
    limit_price: Decimal | None = None,
    stop_price: Decimal | None = None,
    trail_price: Decimal | None = None,
    trail_percent: Decimal | None = None,
    time_in_force: TimeInForce | None = None,
    source: str,
    actor: Actor,
    now: datetime,
) -> tuple[Order, bool]:
    """Record the order that is to take a working order's place. Returns it, and whether it is new.

    `quantity` is the new total: only what has not filled yet goes to the
    broker, and the replace is blocked if more fills before it leaves. What is
    None stays as it is, and so do its legs, or what it is itself a leg of. The
    client order id makes this repeatable. One change at a time in a whole chain
    of replaces. Raises BadTicket, AccountClosed, OrderIdTaken or NotReplaceable.
    """
    placing.check_id(client_order_id)
    wanted = {
        "quantity": quantity,
        "limit_price": limit_price,
        "stop_price": stop_price,
        "trail_price": trail_price,
        "trail_percent": trail_percent,
        "time_in_force": time_in_force,
    }
    changes = {name: value for name, value in wanted.items() if value is not None}
    try:
        with transaction.atomic(durable=True):
            # The whole chain: nobody may begin a change of another of its orders meanwhile.
            old = lock_all(one.id for one in chaining.members(order.id))[order.id]
            return _replace(
                old,
                _proposal(old, client_order_id, changes),
                source=source,
                actor=actor,
                now=now,
            )
    except IntegrityError as error:
        raise NotReplaceable("Another change of this order is still open.") from error


def _proposal(old: Order, client_order_id: str, changes: dict[str, Any]) -> Ticket:
    for trail in ("trail_price", "trail_percent"):
        if trail in changes and getattr(old, trail) is None:
            raise BadTicket("How it trails can't be changed, only how far.", field=trail)
    if changes.get("time_in_force", TimeInForce.GTD) != TimeInForce.GTD:
        changes = changes | {"expires_at": None}
    return with_changes(old.terms(), wire_id=client_order_id, **changes)


def _replace(
    old: Order, proposal: Ticket, *, source: str, actor: Actor, now: datetime
) -> tuple[Order, bool]:
    earlier = Order.objects.filter(
        account_id=old.account_id, client_order_id=proposal.wire_id
    ).first()
    if earlier is not None:
        return _repeated(earlier, old, proposal)
    if old.quantity is None or proposal.quantity is None:
        raise NotReplaceable("An order for an amount of money can't be replaced.")
    placing.check(old.account, proposal)
    if not old.is_replaceable:
        raise NotReplaceable("Only an order that works at the broker can be replaced.")
    if old.replacements.filter(submission__in=OPEN_MUTATION).exists():
        raise NotReplaceable("Another change of this order is still open.")
    if any(one.submission in UNSENT | IN_FLIGHT for one in chaining.members(old.id)):
        # Nobody knows what the broker has: a third order on top of two might fill all three.
        raise NotReplaceable("An earlier change of this order is still open, or in doubt.")
    if proposal == with_changes(old.terms(), wire_id=proposal.wire_id):
        raise BadTicket("Nothing would change.", reason=Reason.NOTHING_TO_CHANGE)
    placing.check_change(old.account, old.terms(), proposal)
    has_filled = old.filled_quantity > 0 or old.status == Status.PARTIALLY_FILLED
    if has_filled and not connecting.passport(old.account).replaces_partly_filled:
        raise NotReplaceable(
            "It has partly filled, and what its broker would trade in its place is not certain:"
            " cancel it, and place another."
        )
    if proposal.quantity <= old.filled_quantity:
        raise BadTicket(
            f"{old.filled_quantity.normalize():f} have filled already: ask for more than that,"
            " or cancel the rest.",
            field="quantity",
            reason=Reason.QUANTITY_NOT_ABOVE_FILLED,
        )
    Order.objects.filter(id=old.id).update(look_at=now + timing.PENDING_POLL)
    to_work = with_changes(proposal, quantity=proposal.quantity - old.filled_quantity)
    placing.check(old.account, to_work)
    placing.check_in_time(to_work, now=now)
    return (
        placing.create(old.account, to_work, source=source, actor=actor, now=now, replaces=old),
        True,
    )


def _repeated(earlier: Order, old: Order, proposal: Ticket) -> tuple[Order, bool]:
    if earlier.replaces_id == old.id and proposal.quantity is not None:
        sized = proposal.quantity - (earlier.replaces_filled or Decimal(0))
        if earlier.terms() == with_changes(proposal, quantity=sized):
            return earlier, False
    raise OrderIdTaken(
        "This client order id already belongs to another order.", field="client_order_id"
    )
