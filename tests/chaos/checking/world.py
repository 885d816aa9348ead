"""Everything that is known once a run is over, as plain records: what the checks are functions of.

Two witnesses: the desk (its database, read through its own models) and the exchange (its ledger).
Beside them what the driver was told, what the sampler read, and which processes died when.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar

from tests.chaos.checking.records import (
    Account,
    Answer,
    Attempt,
    Death,
    Delivery,
    Event,
    Fill,
    Halt,
    Holding,
    Incident,
    Order,
    Push,
    Request,
    Sample,
    Told,
    Trade,
    Version,
)

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class World:
    """Both witnesses' testimony, and what was seen on the way."""

    ended_at: datetime
    accounts: tuple[Account, ...] = ()
    # The desk.
    orders: tuple[Order, ...] = ()
    fills: tuple[Fill, ...] = ()
    told: tuple[Told, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    events: tuple[Event, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    incidents: tuple[Incident, ...] = ()
    holdings: tuple[Holding, ...] = ()
    broken_chains: tuple[str, ...] = ()
    rebuild: str = ""  # what `manage.py rebuild --verify` complained of
    # The exchange.
    versions: tuple[Version, ...] = ()
    trades: tuple[Trade, ...] = ()
    requests: tuple[Request, ...] = ()
    pushes: tuple[Push, ...] = ()
    their_holdings: tuple[Holding, ...] = ()
    # What was seen.
    answers: tuple[Answer, ...] = ()
    samples: tuple[Sample, ...] = ()
    halts: tuple[Halt, ...] = ()
    deaths: tuple[Death, ...] = ()
    secrets_found: tuple[str, ...] = ()
    left_over: tuple[str, ...] = ()  # connections, messages, deliveries: what should be gone
    latest_send: timedelta = timedelta(seconds=29)  # from the claim to the last byte, at most

    @cached_property
    def account_of(self) -> dict[str, Account]:
        return {account.key: account for account in self.accounts}

    @cached_property
    def order_by_id(self) -> dict[str, Order]:
        return {order.id: order for order in self.orders}

    @cached_property
    def order_by_wire(self) -> dict[tuple[str, str], Order]:
        return {(order.account, order.wire_id): order for order in self.orders}

    @cached_property
    def order_by_client(self) -> dict[tuple[str, str], Order]:
        return {(order.account, order.client_order_id): order for order in self.orders}

    @cached_property
    def versions_of(self) -> dict[tuple[str, str], list[Version]]:
        """Every version of every broker order under a wire id, oldest first."""
        return grouped(self.versions, lambda version: (version.account, version.wire_id))

    @cached_property
    def finals(self) -> dict[tuple[str, str], list[Version]]:
        """How each broker order under a wire id now stands; more than one is a double."""
        found = {}
        for name, versions in self.versions_of.items():
            last = {version.broker_order_id: version for version in versions}
            found[name] = list(last.values())
        return found

    @cached_property
    def trades_of(self) -> dict[tuple[str, str], list[Trade]]:
        return grouped(self.trades, lambda trade: (trade.account, trade.broker_order_id))

    @cached_property
    def fills_of(self) -> dict[str, list[Fill]]:
        return grouped(self.fills, lambda fill: fill.order_id)

    @cached_property
    def requests_of(self) -> dict[tuple[str, str], list[Request]]:
        return grouped(self.requests, lambda request: (request.account, request.wire_id))

    @cached_property
    def own_doubles(self) -> frozenset[tuple[str, str]]:
        """The wire ids of which the broker made several orders, though we asked it once."""
        return frozenset(
            name
            for name, last in self.finals.items()
            if len(last) > 1 and len(self.requests_of.get(name, ())) <= 1
        )


def grouped(items: Iterable[Item], name: Any) -> dict[Any, list[Item]]:
    """Return items by a name of theirs, each group in the order they came."""
    groups: dict[Any, list[Item]] = defaultdict(list)
    for item in items:
        groups[name(item)].append(item)
    return dict(groups)


def live(trades: Iterable[Trade]) -> list[Trade]:
    """Return the exchange's trades that stand: a bust wins, else the latest correction."""
    standing: dict[tuple[str, str], Trade] = {}
    for trade in sorted(trades, key=lambda trade: (WEIGHT[trade.kind], trade.revision)):
        standing[trade.broker_order_id, trade.execution_id] = trade
    return [trade for trade in standing.values() if trade.kind != "bust"]


WEIGHT = {"fill": 0, "correct": 1, "bust": 2}
