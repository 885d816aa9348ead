"""Accounts: cash, positions, and what may be bought with them.

Cash and quantities are exact; only a position's average price is rounded, to
nine places, and nothing is ever computed from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from brokers.paper.amounts import (
    EXACT,
    NINE_PLACES,
    ROUNDED,
    ZERO,
    per_unit,
    write_amount,
)
from brokers.paper.committing import Commitments, PriceOf
from brokers.paper.executions import Execution
from brokers.paper.orders import Order
from brokers.paper.personalities import PAPER, PERSONALITIES, Personality
from brokers.vocabulary import Side

TEN_THOUSAND = Decimal(10_000)


class Duplicates(StrEnum):
    """What becomes of a second order with a client order id used before."""

    REJECT = "reject"
    RETURN_EXISTING = "return_existing"
    ACCEPT_TWICE = "accept_twice"


@dataclass(slots=True, kw_only=True)
class Webhook:
    """Where an account's news goes."""

    url: str
    secret: str
    disabled: bool = False  # the receiver answered 410


@dataclass(slots=True)
class Position:
    """So many of a symbol (short is negative), and the average price paid or received."""

    quantity: Decimal = ZERO
    average_price: Decimal = ZERO

    def add(self, quantity: Decimal, price: Decimal) -> None:
        """Take in a signed trade. A reduction keeps the average; a flip starts a new one."""
        after = EXACT.add(self.quantity, quantity)
        if self.quantity * quantity >= 0:
            worth = ROUNDED.add(
                ROUNDED.multiply(abs(self.quantity), self.average_price),
                ROUNDED.multiply(abs(quantity), price),
            )
            self.average_price = per_unit(worth, abs(after)) if after else ZERO
        elif after == 0:
            self.average_price = ZERO
        elif (after > 0) != (self.quantity > 0):
            self.average_price = ROUNDED.quantize(price, NINE_PLACES)
        self.quantity = after


@dataclass(slots=True, kw_only=True)
class Account:
    """One client's account, known by its key."""

    key: str
    secret_digest: str  # sha256 of the secret: enough to recognise it
    name: str
    deposit: Decimal
    shorting: bool = True
    duplicates: Duplicates = Duplicates.REJECT
    personality: Personality = PAPER
    active: bool = True  # or else it may cancel, and nothing more
    refuses_wash_trades: bool = False
    fee_rate: Decimal = ZERO  # of each trade's worth, in parts of ten thousand
    webhook: Webhook | None = None
    cash: Decimal = ZERO
    positions: dict[str, Position] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cash = self.deposit

    def book(self, execution: Execution) -> None:
        """Take in a trade: cash one way, the position the other."""
        self._move(execution, booked=True)

    def unbook(self, execution: Execution) -> None:
        """Take a trade back, and its fee."""
        self._move(execution, booked=False)

    def _move(self, execution: Execution, *, booked: bool) -> None:
        adds = (execution.side is Side.BUY) == booked
        quantity = execution.counts if adds else -execution.counts
        self.cash = EXACT.subtract(self.cash, EXACT.multiply(quantity, execution.price))
        self.cash = EXACT.subtract(self.cash, execution.fee if booked else -execution.fee)
        position = self.positions.setdefault(execution.symbol, Position())
        position.add(quantity, execution.price)

    def fee_on(self, quantity: Decimal, price: Decimal) -> Decimal:
        """Return what a trade costs beside its price, to nine places."""
        fee = EXACT.multiply(EXACT.multiply(quantity, price), self.fee_rate)
        return per_unit(fee, TEN_THOUSAND)

    def held(self, symbol: str) -> Decimal:
        """Return the position in a symbol; nothing is zero."""
        position = self.positions.get(symbol)
        return ZERO if position is None else position.quantity

    def record(self) -> dict[str, Any]:
        """Return what the ledger keeps: everything but what the executions tell."""
        hook = self.webhook
        return {
            "key": self.key,
            "secret_digest": self.secret_digest,
            "name": self.name,
            "deposit": write_amount(self.deposit),
            "shorting": self.shorting,
            "duplicates": self.duplicates.value,
            "personality": self.personality.name,
            "active": self.active,
            "refuses_wash_trades": self.refuses_wash_trades,
            "fee_rate": write_amount(self.fee_rate),
            "webhook": None
            if hook is None
            else {"url": hook.url, "secret": hook.secret, "disabled": hook.disabled},
        }


def account_from(record: Mapping[str, Any]) -> Account:
    """Return the account a record tells of, before any of its executions."""
    hook = record["webhook"]
    # Without one, it is from before there were any; and so on below.
    personality = PERSONALITIES[record.get("personality", PAPER.name)]
    return Account(
        key=record["key"],
        secret_digest=record["secret_digest"],
        name=record["name"],
        deposit=Decimal(record["deposit"]),
        shorting=record["shorting"],
        duplicates=Duplicates(record["duplicates"]),
        personality=personality,
        active=record.get("active", True),
        refuses_wash_trades=record.get("refuses_wash_trades", personality.refuses_wash_trades),
        fee_rate=Decimal(record.get("fee_rate", 0)),
        webhook=None if hook is None else Webhook(**hook),
    )


def equity(account: Account, price_of: PriceOf) -> Decimal:
    """Return cash and what the positions would fetch."""
    worth = account.cash
    for symbol, position in account.positions.items():
        worth = EXACT.add(worth, EXACT.multiply(position.quantity, price_of(symbol)))
    return worth


def buying_power(
    account: Account, open_orders: Commitments, price_of: PriceOf, *, without: Order | None = None
) -> Decimal:
    """Return what is free for new orders, as if one of the open ones were not there.

    Cash, less twice what the shorts are worth (the proceeds, and as much
    again), less what open orders may still cost. Closing a position costs nothing.
    """
    free = account.cash
    for symbol, position in account.positions.items():
        if position.quantity < 0:
            owed = EXACT.multiply(-position.quantity, price_of(symbol))
            free = EXACT.subtract(free, 2 * owed)
    return EXACT.subtract(free, open_orders.cost(price_of, held=account.held, without=without))
