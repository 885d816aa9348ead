"""What an order carries over from those it took the place of, as on a FIX line.

Dialects whose quantity of a changed order is the total show the whole chain: without what came
before, what is left to fill could not be told from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from orders.models import Order
from orders.money import ZERO, total
from orders.states import Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What an order has from those it took the place of."""

    sized: Decimal = ZERO  # what they had filled when it was sized
    filled: Decimal = ZERO  # what they have filled
    value: Decimal = ZERO


NOTHING = Carried()


def carried(orders: Iterable[Order]) -> dict[UUID, Carried]:
    """Return what each order has from those it took the place of."""
    wanted = list(orders)
    known = {order.id: order for order in wanted}
    while missing := {o.replaces_id for o in known.values() if o.replaces_id} - known.keys():
        known |= {order.id: order for order in Order.objects.filter(id__in=missing)}
    return {order.id: _carried(order, known) for order in wanted}


def _carried(order: Order, known: Mapping[UUID, Order]) -> Carried:
    chain = [order]
    while chain[-1].replaces_id:
        chain.append(known[chain[-1].replaces_id])
    # What the broker refused took nobody's place.
    earlier = chain[1:] if order.submission == Submission.ACCEPTED else []
    return Carried(
        sized=total(member.replaces_filled or ZERO for member in chain),
        filled=total(member.filled_quantity for member in earlier),
        value=total(member.filled_value for member in earlier),
    )
