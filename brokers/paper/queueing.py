"""Which open orders have anything to do at a tick. The rest is not even looked at.

Resting orders lie sorted by their price, so that the market finds those it has reached. A trailing
stop lies by its mark as well, so that a better price finds those it moves.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from brokers.paper.market import Listing
from brokers.paper.orders import Order, Standing
from brokers.paper.sessions import AT_ONCE, expiry
from brokers.vocabulary import Side

Place = tuple[Decimal, int, str]  # price, sequence, order id


def _by_side() -> dict[Side, list[Place]]:
    return {side: [] for side in Side}


@dataclass(slots=True)
class Line:
    """The open orders of one symbol."""

    eager: dict[str, None] = field(default_factory=dict)  # to be worked at each tick
    asleep: dict[str, None] = field(default_factory=dict)  # until an auction, or the opening
    # By limit, by stop and by high-water mark, cheapest first.
    limits: dict[Side, list[Place]] = field(default_factory=_by_side)
    stops: dict[Side, list[Place]] = field(default_factory=_by_side)
    marks: dict[Side, list[Place]] = field(default_factory=_by_side)

    def reached(self, listing: Listing) -> Iterable[str]:
        """Yield the ids of those the market has reached."""
        yield from self.eager
        last, bid, ask = listing.last, listing.bids[0].price, listing.asks[0].price
        yield from _ids(_from(self.limits[Side.BUY], ask))
        yield from _ids(_up_to(self.limits[Side.SELL], bid))
        yield from _ids(_up_to(self.stops[Side.BUY], last))
        yield from _ids(_from(self.stops[Side.SELL], last))
        yield from _ids(_above(self.marks[Side.BUY], last))
        yield from _ids(_below(self.marks[Side.SELL], last))


class Queue:
    """Every open order, by what it waits for."""

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}
        self._places: dict[str, list[tuple[list[Place], Place]]] = {}
        self._expiries: list[tuple[datetime, int, str]] = []  # a heap

    def enter(self, order: Order) -> None:
        """Take an order in that is new, new in the market, or in it again."""
        until = expiry(order)
        if until is not None:
            heapq.heappush(self._expiries, (until, order.sequence, order.id))
        self.keep(order)

    def keep(self, order: Order) -> None:
        """Put an order where it belongs now, or nowhere once it has ended."""
        line = self._lines.setdefault(order.terms.symbol, Line())
        line.eager.pop(order.id, None)
        line.asleep.pop(order.id, None)
        for places, place in self._places.pop(order.id, ()):
            del places[bisect_left(places, place)]
        if order.ended or order.standing is Standing.HELD:
            return
        if order.standing is Standing.ACCEPTED:
            line.asleep[order.id] = None
            return
        waits = _waits_for(order, line)
        if not waits:
            line.eager[order.id] = None
            return
        self._places[order.id] = [
            (places, (price, order.sequence, order.id)) for price, places in waits
        ]
        for places, place in self._places[order.id]:
            insort(places, place)

    def due(
        self, orders: Mapping[str, Order], listings: Mapping[str, Listing], *, now: datetime
    ) -> list[Order]:
        """Return the orders with anything to do, oldest first: who came first trades first."""
        names = {
            name for symbol, line in self._lines.items() for name in line.reached(listings[symbol])
        }
        while self._expiries and self._expiries[0][0] <= now:
            names.add(heapq.heappop(self._expiries)[2])
        return sorted(
            (orders[name] for name in names if not orders[name].ended), key=lambda one: one.sequence
        )

    def asleep(self, orders: Mapping[str, Order], symbol: str) -> list[Order]:
        """Return the orders of a symbol that wait for an auction or the opening, oldest first."""
        line = self._lines.get(symbol, Line())
        return sorted((orders[name] for name in line.asleep), key=lambda one: one.sequence)


def _waits_for(order: Order, line: Line) -> list[tuple[Decimal, list[Place]]]:
    """Return the prices an order waits for, each with the list it waits in; none: it does not."""
    terms = order.terms
    if order.standing is Standing.CANCEL_PENDING or terms.time_in_force in AT_ONCE:
        return []
    if order.standing is not Standing.WAITING:
        limit = terms.limit_price
        return [] if limit is None else [(limit, line.limits[terms.side])]
    waits = []
    if order.stop_price is not None:
        waits.append((order.stop_price, line.stops[terms.side]))
    if order.high_water_mark is not None:
        waits.append((order.high_water_mark, line.marks[terms.side]))
    return waits


def _from(places: list[Place], price: Decimal) -> Iterable[Place]:
    return places[bisect_left(places, price, key=_price) :]


def _above(places: list[Place], price: Decimal) -> Iterable[Place]:
    return places[bisect_right(places, price, key=_price) :]


def _up_to(places: list[Place], price: Decimal) -> Iterable[Place]:
    return places[: bisect_right(places, price, key=_price)]


def _below(places: list[Place], price: Decimal) -> Iterable[Place]:
    return places[: bisect_left(places, price, key=_price)]


def _ids(places: Iterable[Place]) -> Iterable[str]:
    return (name for _, _, name in places)


def _price(place: Place) -> Decimal:
    return place[0]
