"""C6: what a person or a program was shown was so, or said that it was in doubt.

A view is what one answer of the desk's said of one order. The desk read its database at some
moment between `before` and `after`, so a view is judged by what the ledger held then:

* *There is no order*: ready, refused, absent, withdrawn, not sent, blocked. Untrue if the exchange
  had made an order of it before `before`, unless it said by `after` that it rejects it. Nothing
  excuses more: the desk commits SENDING before a byte leaves, so "ready" can't be stale either.
* *It has ended*: cancelled, expired, replaced, rejected. Untrue unless the exchange had said by
  `after` that it has ended without being filled. A fill that comes after the exchange's own word
  of a cancel makes the view old, not untrue: the exchange said so first. What it says last is C4's.
* *It is filled*, or so much of it is. Untrue if the exchange had never filled as much by `after`,
  unless the view says so itself: a trade that was taken back while its word was lost stays in the
  sum until we hear of it, and such a sum is shown as an overfill, or as unconfirmed.

Whatever says in doubt, sending, working or pending claims none of these.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from tests.chaos.checking.records import Order, Sample, Version
from tests.chaos.checking.world import World

NO_ORDER = frozenset(
    {
        *("awaiting_approval", "ready", "refused", "absent", "withdrawn"),
        *("expired_unsent", "blocked"),
    }
)
NO_ORDER_WORDS = frozenset(
    {"Awaiting approval", "Ready", "Never arrived", "Withdrawn", "Not sent", "Blocked", "Rejected"}
)
ENDED = frozenset({"canceled", "expired", "replaced", "rejected"})
ENDED_WORDS = frozenset({"Cancelled", "Expired", "Replaced"})
ENDED_THERE = frozenset({"cancelled", "expired", "replaced", "rejected"})


def untrue_views(world: World) -> Iterator[str]:
    """C6: yield every sampled view that was untrue while it was shown."""
    for sample in world.samples:
        order = world.order_by_id.get(sample.order_id)
        if order is None:
            yield f"{sample.order_id}: shown on {sample.seen_on}, and not on the desk any more"
            continue
        why = _untrue(sample, _history(world, order))
        if why:
            yield (
                f"{order.wire_id} ({order.account}): {sample.seen_on} said"
                f" {_said(sample)} at {sample.after:%H:%M:%S.%f}; {why}"
            )


def _untrue(sample: Sample, history: list[Version]) -> str:
    by_then = [version for version in history if version.at <= sample.after]
    if sample.submission in NO_ORDER or sample.word in NO_ORDER_WORDS:
        there = [version for version in history if version.at < sample.before]
        if there and not any(version.status == "rejected" for version in by_then):
            return f"the exchange had it {there[-1].status} since {there[0].at:%H:%M:%S.%f}"
    has_ended = sample.status in ENDED and sample.submission not in NO_ORDER
    if (has_ended or sample.word in ENDED_WORDS) and not any(
        version.status in ENDED_THERE for version in by_then
    ):
        return f"the exchange had it {by_then[-1].status if by_then else 'not at all'}"
    if sample.is_qualified:
        return ""
    most = max((version.filled for version in by_then), default=Decimal(0))
    if sample.filled > most:
        return f"{most:f} was filled at the exchange, and it said {sample.filled:f}"
    if (sample.status == "filled" or sample.word == "Filled") and not any(
        version.status == "filled" for version in by_then
    ):
        return "the exchange had not filled it"
    return ""


def _history(world: World, order: Order) -> list[Version]:
    """Return the versions of the broker's order that the row is, oldest first."""
    versions = world.versions_of.get((order.account, order.wire_id), [])
    mine = [v for v in versions if v.broker_order_id == order.broker_order_id]
    return mine or versions


def _said(sample: Sample) -> str:
    return sample.word or f"{sample.submission}, {sample.status}"
