"""Everything that is known once a run is over, as plain records: what the checks are functions of.

Two witnesses: the desk (its database, read through its own models) and the exchange (its ledger).
Beside them what the driver was told, what the sampler read, and which processes died when. An
account is named by its key at the exchange, an order by its wire id. Times are aware UTC, all off
one machine's clock; amounts are exact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account, on both sides."""

    key: str  # at the exchange
    id: str  # on the desk
    broker: str
    machine_may_conclude_absence: bool
    doubt_ends_within: timedelta  # by then it is resolved, or a person has been told


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One row of the desk's."""

    id: str
    account: str
    client_order_id: str
    wire_id: str
    symbol: str
    side: str
    quantity: Decimal
    order_type: str
    time_in_force: str
    limit_price: Decimal | None
    stop_price: Decimal | None
    source: str
    placed_at: datetime
    submit_by: datetime
    submission: str
    submission_at: datetime
    submission_code: str
    broker_order_id: str | None
    status: str | None
    filled: Decimal
    value: Decimal
    average_price: Decimal | None
    flags: tuple[str, ...]
    version: int
    cancel_requested: bool
    escalated: bool
    look_at: datetime | None
    projection: Mapping[str, Any] = field(default_factory=dict)  # in the words of the audit


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One trade fact of the desk's: a fill, or a later word on it."""

    order_id: str
    account: str
    broker_order_id: str
    execution_id: str
    trade_date: str
    kind: str
    revision: int
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    executed_at: datetime
    heard_at: datetime
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One snapshot fact of the desk's, as far as trust goes: whose it is and what it rests on."""

    order_id: str
    account: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request the desk armed."""

    order_id: str
    kind: str
    number: int
    state: str
    armed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One row of the audit."""

    order_id: str | None
    action: str
    at: datetime
    before: Mapping[str, Any]
    after: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One webhook that the desk kept."""

    id: int
    account: str
    delivery_id: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One incident."""

    order_id: str | None
    account: str | None
    kind: str
    open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of one order, as the exchange's ledger has it. The last one is how it ended."""

    account: str
    broker_order_id: str
    wire_id: str
    at: datetime
    version: int
    status: str
    symbol: str
    side: str
    quantity: Decimal
    order_type: str
    time_in_force: str
    limit_price: Decimal | None
    stop_price: Decimal | None
    filled: Decimal
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One line of the exchange's executions: a trade, or what it later said of one."""

    account: str
    broker_order_id: str
    wire_id: str
    execution_id: str
    kind: str
    revision: int
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request that reached the exchange and asks for an order: a submission or a replace."""

    account: str
    wire_id: str
    at: datetime
    fault: str
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """One try of the exchange's at delivering a webhook, or one of a forger's."""

    account: str  # whose endpoint it went to
    delivery_id: str
    status: int
    fault: str  # "": it was as it should be
    at: datetime

    @property
    def is_untrustworthy(self) -> bool:
        """Signed wrongly, signed long ago, or about another's order: it must have no effect."""
        return self.fault in UNTRUSTWORTHY

    @property
    def was_taken(self) -> bool:
        return 200 <= self.status < 300


UNTRUSTWORTHY = frozenset(
    {"webhook_bad_signature", "webhook_stale", "webhook_foreign", "webhook_foreign_account"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One thing the desk told the driver about one of its intents."""

    at: datetime
    account: str
    client_order_id: str
    what: str  # place, again, cancel, replace
    web: int
    status: int  # 0: no answer came
    order_id: str = ""

    @property
    def is_acknowledged(self) -> bool:
        return self.what in {"place", "again", "replace"} and 200 <= self.status < 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What one order was said to be, wherever a person or a program could have read it.

    Between `before` and `after` the desk read its database. Equal samples of one kind are kept as
    two: the first and the last, which are the strictest for every question asked of them.
    """

    before: datetime
    after: datetime
    order_id: str
    seen_on: str  # api, list, page
    submission: str  # "" where only a word was shown
    status: str | None
    word: str  # the badge's word, on pages
    filled: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """One halt of an account: when its transaction had committed, and when it was taken back."""

    account: str
    committed_at: datetime
    resumed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """One process that was killed, and what for."""

    at: datetime
    role: str
    cause: str
    point: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """So much of a symbol in an account, as one of the two sides counts it."""

    account: str
    symbol: str
    quantity: Decimal


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
