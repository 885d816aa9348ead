"""C5: nothing is left in flight or in doubt, but what nobody could have settled."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.checking.records import Order
from tests.chaos.checking.world import World

UNSETTLED = frozenset({"awaiting_approval", "ready", "sending", "unknown"})


def left_in_doubt(world: World) -> Iterator[str]:
    """C5: past its time, an order in doubt has been given to a person, and rightly.

    Rightly: the exchange's ledger has no such order, and its passport allows no machine to
    conclude that. Were it there, a look would have found it; could absence be proved, it would
    have been. A conflict is a person's too: the broker has another order under our id.
    """
    told = {
        incident.order_id
        for incident in world.incidents
        if incident.open and incident.kind in {"doubt", "conflict"}
    }
    for order in world.orders:
        if order.submission not in UNSETTLED:
            continue
        account = world.account_of[order.account]
        age = world.ended_at - order.submission_at
        if age <= account.doubt_ends_within:
            continue
        name = f"{order.wire_id} ({order.account})"
        since = f"for {age.total_seconds():.0f} s"
        if order.submission != "unknown":
            yield f"{name}: {order.submission} {since}"
        elif not order.in_conflict and _could_be_settled(world, order):
            yield f"{name}: in doubt {since}, and asking would have told"
        elif not order.escalated or order.id not in told:
            yield f"{name}: in doubt {since}, and no person has been told"


def _could_be_settled(world: World, order: Order) -> bool:
    is_there = bool(world.finals.get((order.account, order.wire_id)))
    return is_there or world.account_of[order.account].machine_may_conclude_absence
