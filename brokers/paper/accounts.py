"""Accounts: cash, positions, and what may be bought with them.

Cash and quantities are exact; only a position's average price is rounded, to
nine places, and nothing is ever computed from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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
from brokers.paper.orders import Execution, Order, Terms
from brokers.paper.personalities import PAPER, PERSONALITIES, Personality
from brokers.vocabulary import Side

CUSHION = Decimal("1.02")  # an order without a limit may fill a little above what is shown


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
    webhook: Webhook | None = None
    cash: Decimal = ZERO
    positions: dict[str, Position] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cash = self.deposit

    def book(self, execution: Execution) -> None:
        """Take in a trade: cash one way, the position the other."""
        sign = 1 if execution.side is Side.BUY else -1
        cost = EXACT.multiply(execution.quantity, execution.price)
        self.cash = EXACT.subtract(self.cash, sign * cost)
        position = self.positions.setdefault(execution.symbol, Position())
        position.add(sign * execution.quantity, execution.price)

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
            "webhook": None
            if hook is None
            else {"url": hook.url, "secret": hook.secret, "disabled": hook.disabled},
        }


def account_from(record: Mapping[str, Any]) -> Account:
    """Return the account a record tells of, before any of its executions."""
    hook = record["webhook"]
    return Account(
        key=record["key"],
        secret_digest=record["secret_digest"],
        name=record["name"],
        deposit=Decimal(record["deposit"]),
        shorting=record["shorting"],
        duplicates=Duplicates(record["duplicates"]),
        # Without one, it is from before there were any.
        personality=PERSONALITIES[record.get("personality", PAPER.name)],
        webhook=None if hook is None else Webhook(**hook),
    )


def equity(account: Account, price_of: Callable[[str], Decimal]) -> Decimal:
    """Return cash and what the positions would fetch."""
    worth = account.cash
    for symbol, position in account.positions.items():
        worth = EXACT.add(worth, EXACT.multiply(position.quantity, price_of(symbol)))
    return worth


def buying_power(
    account: Account, working: Iterable[Order], price_of: Callable[[str], Decimal]
) -> Decimal:
    """Return what is free for new orders.

    Cash, less twice what the shorts are worth (the proceeds, and as much
    again), less what working orders may still cost. Closing a position costs nothing.
    """
    free = account.cash
    for symbol, position in account.positions.items():
        if position.quantity < 0:
            owed = EXACT.multiply(-position.quantity, price_of(symbol))
            free = EXACT.subtract(free, 2 * owed)
    closable: dict[tuple[str, Side], Decimal] = {}
    for order in working:
        terms, opening = order.terms, order.remaining
        way = (terms.symbol, terms.side)
        if way not in closable:
            closable[way] = closable_by(terms.side, held=account.held(terms.symbol))
        if closable[way]:
            closing = min(opening, closable[way])
            closable[way] = EXACT.subtract(closable[way], closing)
            opening = EXACT.subtract(opening, closing)
        if opening:
            free = EXACT.subtract(free, EXACT.multiply(opening, asked_price(terms, price_of)))
    return free


def closable_by(side: Side, *, held: Decimal) -> Decimal:
    """Return how much of a position an order of this side closes, rather than adds to."""
    return max(ZERO, -held if side is Side.BUY else held)


def asked_price(terms: Terms, price_of: Callable[[str], Decimal]) -> Decimal:
    """Return the price an order is reckoned at before it has filled."""
    if terms.limit_price is not None:
        return terms.limit_price
    return EXACT.multiply(max(price_of(terms.symbol), terms.stop_price or ZERO), CUSHION)
