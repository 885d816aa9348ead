"""Writes down the legs that a broker keeps for an order of ours, as it tells of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from brokers.messages import Fill, Snapshot
from orders import actors, auditing
from orders.models import Account, Order
from orders.models.order import OrderSource
from orders.recording import transcribing
from orders.recording.changing import projection
from orders.recording.transcribing import Unadoptable


def branch(
    account: Account,
    strays: Iterable[Snapshot | Fill],
    *,
    parents: Mapping[str, Order],
    evidence: str,
    now: datetime,
) -> dict[str, Order]:
    """Make orders of the legs among what a broker told, where their parents are locked orders.

    Returns them by their broker ids, saved, their facts not yet merged. What can't be written
    down stays a stray. The guard on their ids must be held, and nobody have them by now.
    """
    legs: dict[str, Order] = {}
    for fact in strays:
        if not isinstance(fact, Snapshot) or fact.broker_order_id in legs:
            continue
        parent = parents.get(fact.parent)
        if parent is None:
            continue
        try:
            leg = grow(account, fact, parent=parent, evidence=[evidence], now=now)
        except Unadoptable:
            continue  # the sweep says so, for every order that can't be taken over
        legs[fact.broker_order_id] = leg
    return legs


def grow(
    account: Account,
    told: Snapshot,
    *,
    parent: Order,
    evidence: Iterable[str],
    placed_at: datetime | None = None,
    now: datetime,
) -> Order:
    """Write down one leg of an order of ours, with its audit row. Raises Unadoptable."""
    leg = transcribing.transcribe(
        account,
        told,
        source=OrderSource.LEG,
        parent=parent,
        placed_at=placed_at or now,
        now=now,
    )
    leg.save(force_insert=True)
    auditing.write(
        account.id,
        action="order.leg_told",
        actor=actors.broker(account),
        now=now,
        order_id=leg.id,
        after=transcribing.in_words(leg) | projection(leg),
        evidence=list(evidence),
    )
    return leg
