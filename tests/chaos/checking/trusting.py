"""C11, C12: strangers change nothing, and no secret comes out."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.checking.world import World, grouped

NEVER_TAKEN = frozenset({"webhook_bad_signature", "webhook_stale"})
DELIVERY = "delivery:"


def strangers_believed(world: World) -> Iterator[str]:
    """C11: what was wrongly or long ago signed is turned away; nothing foreign touches an order.

    A delivery that is rightly signed and speaks of another account's order may be taken: it is
    kept. No fact may rest on it but on orders of the account that it came in for.
    """
    pushes = grouped(world.pushes, lambda push: (push.account, push.delivery_id))
    for push in world.pushes:
        if push.fault in NEVER_TAKEN and push.was_taken:
            yield f"webhook {push.delivery_id} ({push.account}): taken, in spite of {push.fault}"
    deliveries = {delivery.id: delivery for delivery in world.deliveries}
    for fact in (*world.fills, *world.told):
        if not fact.evidence.startswith(DELIVERY):
            continue
        delivery = deliveries.get(int(fact.evidence.removeprefix(DELIVERY)))
        if delivery is None:
            yield f"{fact.order_id}: rests on {fact.evidence}, which is not on record"
            continue
        if delivery.account != fact.account:
            yield f"{fact.order_id} ({fact.account}): rests on a webhook for {delivery.account}"
        tries = pushes.get((delivery.account, delivery.delivery_id), [])
        if tries and all(push.is_untrustworthy for push in tries):
            yield f"{fact.order_id} ({fact.account}): rests on a webhook that was {tries[0].fault}"


def secrets_shown(world: World) -> Iterator[str]:
    """C12: no secret of ours stands in a log, a page, an answer or a column."""
    yield from world.secrets_found
