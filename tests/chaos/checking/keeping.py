"""C7, C8, C14: what was promised to be kept is kept, and what was to go has gone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.chaos.checking.records import Event, Order
from tests.chaos.checking.world import World, grouped

CHANGES = "order."  # how the actions begin that change an order


def acknowledged_and_lost(world: World) -> Iterator[str]:
    """C7: whatever was answered with a 2xx is on record, once, under the id that was told."""
    first: dict[tuple[str, str], str] = {}
    for answer in world.answers:
        if not answer.is_acknowledged:
            continue
        name = answer.account, answer.client_order_id
        row = world.order_by_client.get(name)
        if row is None:
            yield f"{name[1]} ({name[0]}): acknowledged at {answer.at:%H:%M:%S.%f}, and lost"
        elif answer.order_id and first.setdefault(name, answer.order_id) != answer.order_id:
            yield f"{name[1]} ({name[0]}): acknowledged under two ids"
        elif answer.order_id and answer.order_id != row.id:
            yield f"{name[1]} ({name[0]}): acknowledged under another id than it has"
    kept = {(delivery.account, delivery.delivery_id) for delivery in world.deliveries}
    missing = {
        (push.account, push.delivery_id): push
        for push in world.pushes
        if push.was_taken and (push.account, push.delivery_id) not in kept
    }
    for (account, delivery_id), push in missing.items():
        yield f"webhook {delivery_id} ({account}): taken at {push.at:%H:%M:%S.%f}, and lost"


def audit_gaps(world: World) -> Iterator[str]:
    """C8: no chain is broken, and an order's rows tell its whole story, step by step."""
    for chain in world.broken_chains:
        yield f"chain {chain}"
    if world.rebuild:
        yield f"rebuilding from facts gives other orders: {world.rebuild}"
    changes = [event for event in world.events if event.action.startswith(CHANGES)]
    stories = grouped(changes, lambda event: event.order_id)
    for order in world.orders:
        for why in _gaps(order, stories.get(order.id, [])):
            yield f"{order.wire_id} ({order.account}): {why}"


def left_over(world: World) -> Iterator[str]:
    """C14: no connection is leaked, no queue holds work, and nothing due is left undone."""
    yield from world.left_over


def _gaps(order: Order, story: list[Event]) -> Iterator[str]:
    if len(story) != order.version:
        yield f"version {order.version} with {len(story)} audit rows"
    said: dict[str, Any] = {}
    for event in story:
        for name, value in event.before.items():
            if name in said and said[name] != value:
                yield f"{event.action} found {name} {value!r}; the row before left {said[name]!r}"
        said |= event.after
    for name, value in order.projection.items():
        if name in said and said[name] != value:
            yield f"{name} is {value!r}, and the audit last says {said[name]!r}"
