"""The plain records that both sides' testimony is taken down in, and what was seen on the way.

An account is named by its key at the exchange, an order by its wire id. Times are aware UTC, all
off one machine's clock; amounts are exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any


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
    in_conflict: bool  # it says that the broker has another order under its id
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
    order_class: str = "simple"
    wants_stop: bool = False  # its fills are to be protected by one
    parent: str | None = None  # the order that it is a leg of
    replaces: str | None = None
    leg: str = ""
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
    parent: str = ""  # the broker's id of the order that it is a leg of
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


UNTRUSTWORTHY = frozenset({"webhook_bad_signature", "webhook_stale", "webhook_foreign"})


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
    is_qualified: bool = (
        False  # it says that what is filled may be wrong: an overfill, or unconfirmed
    )


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
