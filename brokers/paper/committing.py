"""What an account's open orders may still cost, kept up to date order by order.

What may only lessen a position costs nothing, ever. An order to buy for an amount of money costs
that amount, even where it closes a short: what it will buy is not known yet.

Thousands may rest while the next one is judged: nothing is ever added up anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from brokers.paper.amounts import EXACT, ZERO, affordable
from brokers.paper.orders import Order
from brokers.paper.terms import Terms
from brokers.vocabulary import Side

CUSHION = Decimal("1.02")  # an order without a limit may fill a little above what is shown

PriceOf = Callable[[str], Decimal]


@dataclass(frozen=True, slots=True)
class Share:
    """What one order adds to the sums of its way."""

    remaining: Decimal  # nothing of an order whose group another one stands for
    worth: Decimal  # at its limit, or the money it is for; nothing where it has neither


@dataclass(slots=True)
class Way:
    """The open orders of one side in one symbol, oldest first, and their sums."""

    orders: dict[str, Order] = field(default_factory=dict)
    unpriced: dict[str, Order] = field(default_factory=dict)  # those without a limit
    for_money: dict[str, Order] = field(default_factory=dict)
    shares: dict[str, Share] = field(default_factory=dict)
    remaining: Decimal = ZERO
    worth: Decimal = ZERO  # of those with a limit

    def drop(self, order: Order) -> None:
        """Take an order out, if it is there."""
        share = self.shares.pop(order.id, None)
        if share is not None:
            self.remaining = EXACT.subtract(self.remaining, share.remaining)
            self.worth = EXACT.subtract(self.worth, share.worth)

    def keep(self, order: Order, binds: Decimal) -> None:
        """Take an order in, or take in what has become of it."""
        self.drop(order)
        worth = _worth(order)
        self.shares[order.id] = Share(binds, worth)
        if order.id not in self.orders:
            self._enter(order)
        if order.terms.notional is not None:
            self.for_money[order.id] = order
        elif order.terms.limit_price is None and not order.terms.only_closes:
            self.unpriced[order.id] = order
        self.remaining = EXACT.add(self.remaining, binds)
        self.worth = EXACT.add(self.worth, worth)

    def _enter(self, order: Order) -> None:
        """Put an order behind the older ones. One that works again after its end is not last."""
        newest = next(reversed(self.orders.values()), None)
        self.orders[order.id] = order
        if newest is not None and newest.sequence > order.sequence:
            oldest_first = sorted(self.orders.values(), key=lambda one: one.sequence)
            self.orders = {one.id: one for one in oldest_first}

    def end(self, order: Order) -> None:
        """Forget an order."""
        self.drop(order)
        self.orders.pop(order.id, None)
        self.unpriced.pop(order.id, None)
        self.for_money.pop(order.id, None)

    def promised(self, price_of: PriceOf, *, without: Order | None) -> Decimal:
        """Return what is still to be filled."""
        promised = self.remaining
        if without is not None and without.id in self.shares:
            promised = EXACT.subtract(promised, self.shares[without.id].remaining)
        for order in self.for_money.values():
            if order is not without:
                price = order.terms.limit_price or price_of(order.terms.symbol)
                promised = EXACT.add(promised, affordable(order.money, price))
        return promised

    def cost(self, price_of: PriceOf, *, closable: Decimal, without: Order | None) -> Decimal:
        """Return what the orders may cost; the oldest of them close the position, for nothing."""
        if not self.for_money and closable >= self.promised(price_of, without=without):
            return ZERO
        cost = self.worth
        if without is not None and without.id in self.shares:
            cost = EXACT.subtract(cost, self.shares[without.id].worth)
        for order in self.unpriced.values():
            if order is not without:
                cost = EXACT.add(cost, EXACT.multiply(order.remaining, asked(order, price_of)))
        for order in self.orders.values():
            if not closable:
                break
            if order is not without:
                closing = min(self.shares[order.id].remaining, closable)
                closable = EXACT.subtract(closable, closing)
                if not order.terms.only_closes:
                    cost = EXACT.subtract(cost, EXACT.multiply(closing, asked(order, price_of)))
        return cost


class Commitments:
    """One account's open orders, by symbol and side."""

    def __init__(self) -> None:
        self._ways: dict[tuple[str, Side], Way] = {}

    def keep(self, order: Order, *, binds: Decimal) -> None:
        """Take in what has become of an order, and how much of it ties a position up."""
        way = self._ways.setdefault((order.terms.symbol, order.terms.side), Way())
        if order.ended:
            way.end(order)
        else:
            way.keep(order, binds)

    def promised(
        self, symbol: str, side: Side, price_of: PriceOf, *, without: Order | None = None
    ) -> Decimal:
        """Return how much of a symbol open orders of one side are still to fill."""
        way = self._ways.get((symbol, side))
        return ZERO if way is None else way.promised(price_of, without=without)

    def open(self, symbol: str, side: Side) -> Iterable[Order]:
        """Return the open orders of one side in a symbol, oldest first."""
        way = self._ways.get((symbol, side))
        return () if way is None else way.orders.values()

    def cost(
        self,
        price_of: PriceOf,
        *,
        held: Callable[[str], Decimal],
        without: Order | None = None,
    ) -> Decimal:
        """Return what all open orders may cost, beyond what closes a position."""
        cost = ZERO
        for (symbol, side), way in self._ways.items():
            closable = closable_by(side, held=held(symbol))
            cost = EXACT.add(cost, way.cost(price_of, closable=closable, without=without))
        return cost


def _worth(order: Order) -> Decimal:
    """Return what an order may cost as far as it alone tells."""
    limit = order.terms.limit_price
    if order.terms.only_closes:
        return ZERO
    if order.terms.notional is not None:
        return order.money
    return ZERO if limit is None else EXACT.multiply(order.remaining, limit)


def closable_by(side: Side, *, held: Decimal) -> Decimal:
    """Return how much of a position an order of this side closes, rather than adds to."""
    return max(ZERO, -held if side is Side.BUY else held)


def asked_price(terms: Terms, price_of: PriceOf) -> Decimal:
    """Return the price an order is reckoned at before it has filled."""
    if terms.limit_price is not None:
        return terms.limit_price
    return EXACT.multiply(max(price_of(terms.symbol), terms.stop_price or ZERO), CUSHION)


def asked(order: Order, price_of: PriceOf) -> Decimal:
    """Return the price an open order is reckoned at."""
    return asked_price(order.terms, price_of)
