"""Cancels orders, whatever they are doing."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from orders import recording
from orders.actors import Actor
from orders.aftercommit import after_commit
from orders.models import Order
from orders.ringing import ring
from orders.states import Submission
from orders.tasks import send_cancel


def cancel(order_id: UUID, *, actor: Actor, now: datetime) -> Order:
    """Ask for an order to be cancelled, and have the broker asked at once.

    Before it left, it is withdrawn; in doubt, it is cancelled on sight.
    Asking again is harmless. Raises NotCancelable if it has ended.
    """
    order = recording.ask_cancel(order_id, actor=actor, now=now)
    if order.submission == Submission.ACCEPTED:
        after_commit(ring, send_cancel, str(order.id))
    return order
