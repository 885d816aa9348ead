"""The sweep: finds what any lost doorbell, dead sender or silent broker left undone.

Everything due stands in an order's `look_at` and `cancel_at`, and in an account's `sweep_at`.
Handing one out moves its due time on, so that it comes round again if it gets lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from orders import reconciling, recording, sending, timing
from orders.models import Heartbeat, Order
from orders.states import UNSENT, Submission

AT_ONCE = 500  # orders handed out in one round


@dataclass(frozen=True, slots=True)
class Due:
    """An order that needs attention: a look, a cancel to be sent, or both."""

    order_id: UUID
    look: bool
    cancel: bool


def due(*, now: datetime) -> list[Due]:
    """Return the orders that need attention, and put each off until it may be lost again.

    Two sweeps at the same time get different orders. Leaves a heartbeat.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH due AS (
                SELECT id, look_at, cancel_at FROM orders_order
                WHERE look_at <= %(now)s OR cancel_at <= %(now)s
                ORDER BY least(look_at, cancel_at) LIMIT %(most)s
                FOR NO KEY UPDATE SKIP LOCKED
            )
            UPDATE orders_order AS o SET
                look_at = CASE WHEN due.look_at <= %(now)s THEN %(later)s ELSE o.look_at END,
                cancel_at = CASE WHEN due.cancel_at <= %(now)s THEN %(later)s ELSE o.cancel_at END
            FROM due WHERE o.id = due.id
            RETURNING o.id,
                coalesce(due.look_at <= %(now)s, false), coalesce(due.cancel_at <= %(now)s, false)
            """,
            {"now": now, "later": now + timing.HANDED_OUT, "most": AT_ONCE},
        )
        found = [Due(*row) for row in cursor.fetchall()]
    Heartbeat.objects.update_or_create(name="sweep", defaults={"at": now})
    return found


def brackets_due(*, now: datetime) -> list[UUID]:
    """Return orders whose brackets are to be tended, and put each off until it may be lost."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH due AS (
                SELECT id FROM orders_order WHERE tend_at <= %(now)s
                ORDER BY tend_at LIMIT %(most)s FOR NO KEY UPDATE SKIP LOCKED
            )
            UPDATE orders_order AS o SET tend_at = %(later)s FROM due WHERE o.id = due.id
            RETURNING o.id
            """,
            {"now": now, "later": now + timing.TENDED_OUT, "most": AT_ONCE},
        )
        return [order_id for (order_id,) in cursor.fetchall()]


def accounts_due(*, now: datetime) -> list[UUID]:
    """Return the accounts whose lists are to be read, each to one caller: those that are open, and
    any that is unsure, as its orders wait for that.

    Handing one out puts it off by a round, so that it comes again if it gets lost.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH due AS (
                SELECT feed.account_id FROM orders_feed AS feed
                JOIN orders_account AS account ON account.id = feed.account_id
                WHERE (account.is_open OR account.unsure_since IS NOT NULL)
                    AND coalesce(feed.sweep_at <= %(now)s, true)
                FOR NO KEY UPDATE OF feed SKIP LOCKED
            )
            UPDATE orders_feed AS feed SET sweep_at = %(later)s
            FROM due WHERE feed.account_id = due.account_id
            RETURNING feed.account_id
            """,
            {"now": now, "later": now + timing.ACCOUNT_SWEEP},
        )
        return [account_id for (account_id,) in cursor.fetchall()]


def look(order_id: UUID, *, now: datetime) -> None:
    """Do what an order needs now. Harmless when it needs nothing, or somebody else is at it."""
    order = Order.objects.only("submission").get(id=order_id)
    if order.submission in UNSENT:
        if not recording.expire(order_id, now=now):
            sending.send(order_id)
    elif not recording.lapse(order_id, now=now) and order.submission != Submission.SENDING:
        reconciling.reconcile(order_id, now=now)


def cancel(order_id: UUID, *, now: datetime) -> None:
    """Send the cancel that is due for an order."""
    recording.lapse(order_id, now=now)
    sending.send_cancel(order_id)


def last_sweep() -> datetime | None:
    """Return when a sweep last did its round, by the database's clock."""
    return Heartbeat.objects.filter(name="sweep").values_list("at", flat=True).first()
