"""Sees the orders that take each other's place as the one intention they are.

Each alone may be in order while all of them together trade more than anybody
ever wanted: a replace that raced a fill, or one that turned up after all.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection

from orders import alarming
from orders.models import Incident, Order, Severity
from orders.money import EXACT, ZERO, plain, total
from orders.states import Submission

Kind = Incident.Kind


def members(order_id: UUID) -> list[Order]:
    """Return every order of a replace chain, oldest first: all that lead to this one, and all
    that were to take the place of any of them."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH RECURSIVE up AS (
                SELECT id, replaces_id FROM orders_order WHERE id = %s
                UNION ALL
                SELECT o.id, o.replaces_id FROM orders_order o JOIN up ON o.id = up.replaces_id
            ), chain AS (
                SELECT id FROM up WHERE replaces_id IS NULL
                UNION ALL
                SELECT o.id FROM orders_order o JOIN chain ON o.replaces_id = chain.id
            )
            SELECT id FROM chain
            """,
            [order_id],
        )
        ids = [row[0] for row in cursor.fetchall()]
    return list(Order.objects.filter(id__in=ids).order_by("id"))


def note_overfill(order: Order, *, now: datetime) -> None:
    """Say so if a chain has traded more than was ever intended of it, or does no longer.

    The audit chain must be held: then every other order of the chain shows all that was
    committed before, and of two fills at once the later one counts both.
    """
    if order.replaces_id is None and not order.replacements.exists():
        return
    chain = members(order.id)
    at_broker = [one for one in chain if one.submission == Submission.ACCEPTED] or chain[:1]
    filled = total(one.filled_quantity for one in chain)
    wanted = _intended(chain)
    most = max(wanted[one.id] for one in at_broker)
    subject = f"chain:{chain[0].id}"
    if filled <= most:
        alarming.settle(
            Kind.OVERFILL,
            subject=subject,
            outcome="What the broker said since has mended it.",
            now=now,
        )
        return
    newest = at_broker[-1]
    alarming.alarm(
        Kind.OVERFILL,
        account=order.account,
        order=newest,
        subject=subject,
        says=f"{plain(filled)} were filled over {len(chain)} orders that replaced each other, and"
        f" {plain(most)} wanted at most: {newest}.",
        severity=Severity.CRITICAL,
        now=now,
    )


def _intended(chain: list[Order]) -> dict[UUID, Decimal]:
    """Return what each order of a chain was to bring the whole chain to.

    An order works what was left of its own; before it came what the ones it took the place
    of had filled when it was sized.
    """
    before: dict[UUID, Decimal] = {}
    for order in chain:  # the replaced come before their replacements
        earlier = before.get(order.replaces_id, ZERO) if order.replaces_id else ZERO
        before[order.id] = EXACT.add(earlier, order.replaces_filled or ZERO)
    # One for an amount of money is never replaced.
    return {order.id: EXACT.add(before[order.id], order.quantity or ZERO) for order in chain}
