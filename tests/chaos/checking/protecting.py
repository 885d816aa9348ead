"""C15: what a bracket opened is protected at the exchange, or a person was told that it is not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction

from tests.chaos.checking.records import Order, Version
from tests.chaos.checking.world import World, live

AT_WORK = frozenset({"waiting", "working", "part_filled", "held", "cancel_pending"})
TOLD = frozenset({"unprotected", "oversold", "doubt", "conflict"})


def left_bare(world: World) -> Iterator[str]:
    """C15: once quiet, by the exchange's own books, no bracket's position is without its stop and
    without an incident that says so; none has turned round unsaid.
    """
    truth = {(v.account, v.broker_order_id): v for v in world.versions}
    orders = {order.id: order for order in world.orders}
    told = {incident.order_id for incident in world.incidents if incident.kind in TOLD}
    legs: dict[str, list[Order]] = defaultdict(list)
    for order in world.orders:
        if order.parent is not None:
            legs[_entry(order, orders).id].append(order)
    entries: dict[str, list[Order]] = defaultdict(list)
    for order in world.orders:
        if order.wants_stop and order.parent is None:
            entries[_first(order, orders).id].append(order)
    for first, chain in entries.items():
        if first in told or told & {one.id for one in (*chain, *legs[first])}:
            continue
        opened = sum((_filled(world, one) for one in chain), Fraction())
        closed = sum((_filled(world, one) for one in legs[first]), Fraction())
        name = f"{orders[first].wire_id} ({orders[first].account})"
        if closed > opened:
            yield f"{name}: {opened} opened, {closed} closed, and nobody told"
        stops = [one for one in legs[first] if one.leg == "stop_loss"]
        stopped = sum((_at_work(truth, one) for one in stops), Fraction())
        if any(one.cancel_requested for one in stops):
            continue  # somebody took it off
        if stopped < opened - closed:
            yield f"{name}: {opened - closed} are open, {stopped} have a stop, and nobody told"


def _entry(leg: Order, orders: dict[str, Order]) -> Order:
    while leg.parent is not None:
        leg = orders[leg.parent]
    return _first(leg, orders)


def _first(order: Order, orders: dict[str, Order]) -> Order:
    while order.replaces is not None:
        order = orders[order.replaces]
    return order


def _filled(world: World, order: Order) -> Fraction:
    trades = world.trades_of.get((order.account, order.broker_order_id or ""), [])
    return sum((Fraction(trade.quantity) for trade in live(trades)), Fraction())


def _at_work(truth: dict[tuple[str, str], Version], order: Order) -> Fraction:
    version = truth.get((order.account, order.broker_order_id or ""))
    if version is None or version.status not in AT_WORK:
        return Fraction()
    return Fraction(version.quantity) - Fraction(version.filled)
