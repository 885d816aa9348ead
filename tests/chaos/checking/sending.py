"""C1, C9, C13: how often, and when, our requests reached the exchange."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from tests.chaos.checking.records import Attempt, Request
from tests.chaos.checking.world import World, grouped

HALT_WITHIN = timedelta(seconds=2)


def sent_twice(world: World) -> Iterator[str]:
    """C1: of each intent, at most one request and one broker order.

    Every request of ours that reached the exchange stands in its ledger, also where it made
    nothing of it. Where it made two orders of one request, that is its own doing; then the desk
    must say on the order's row that there is another.
    """
    for (account, wire_id), requests in world.requests_of.items():
        if len(requests) > 1:
            yield f"{wire_id} ({account}): {len(requests)} requests reached the exchange"
    for (account, wire_id), orders in world.finals.items():
        if len(orders) < 2:
            continue
        if (account, wire_id) not in world.own_doubles:
            yield f"{wire_id} ({account}): {len(orders)} orders at the exchange"
        elif not _says_so(world, account, wire_id):
            yield f"{wire_id} ({account}): the broker made {len(orders)} of it; the desk is silent"


def sent_when_halted(world: World) -> Iterator[str]:
    """C9: once a halt has committed, no claim commits and no order reaches the broker.

    A request that was on the wire when the halt committed may take the network's own time: it
    was claimed before. Everything else has two seconds.
    """
    armed = _armed(world)
    for halt in world.halts:
        until = halt.resumed_at or world.ended_at
        for request in world.requests:
            if request.account != halt.account:
                continue
            if not halt.committed_at + HALT_WITHIN < request.at < until:
                continue
            claims = armed.get((request.account, request.wire_id), [])
            if not any(
                claim.armed_at <= halt.committed_at
                and request.at <= claim.armed_at + world.latest_send
                for claim in claims
            ):
                yield f"{request.wire_id} ({request.account}): {_late(request, halt.committed_at)}"
        for attempt in world.attempts:
            order = world.order_by_id[attempt.order_id]
            if (
                attempt.kind != "cancel"
                and order.account == halt.account
                and halt.committed_at < attempt.armed_at < until
            ):
                yield f"{order.wire_id} ({order.account}): claimed while the account was halted"


def sent_late(world: World) -> Iterator[str]:
    """C13: no claim after an intent's submit_by, and no arrival that such a claim explains."""
    for attempt in world.attempts:
        order = world.order_by_id[attempt.order_id]
        if attempt.kind != "cancel" and attempt.armed_at >= order.submit_by:
            yield f"{order.wire_id} ({order.account}): claimed after its submit_by"
    for (account, wire_id), requests in world.requests_of.items():
        known = world.order_by_wire.get((account, wire_id))
        if known is None:
            continue  # C2 says so
        for request in requests:
            if request.at > known.submit_by + world.latest_send:
                yield f"{wire_id} ({account}): {_late(request, known.submit_by)}"


def _says_so(world: World, account: str, wire_id: str) -> bool:
    order = world.order_by_wire.get((account, wire_id))
    if order is None:
        return False
    return order.in_conflict or any(
        incident.order_id == order.id and incident.kind == "conflict"
        for incident in world.incidents
    )


def _armed(world: World) -> dict[tuple[str, str], list[Attempt]]:
    submissions = [attempt for attempt in world.attempts if attempt.kind != "cancel"]
    return grouped(submissions, lambda attempt: _name(world, attempt))


def _name(world: World, attempt: Attempt) -> tuple[str, str]:
    order = world.order_by_id[attempt.order_id]
    return order.account, order.wire_id


def _late(request: Request, since: object) -> str:
    return f"reached the exchange at {request.at:%H:%M:%S.%f}, and {since:%H:%M:%S.%f} was the end"
