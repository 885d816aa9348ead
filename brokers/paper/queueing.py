"""Which open orders have anything to do at a tick. The rest is not even looked at.

Resting orders lie sorted by their price, so that the market finds those it has reached.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from brokers.paper.market import Listing
from brokers.paper.orders import Order, Standing
from brokers.vocabulary import Side, TimeInForce

AT_ONCE = frozenset({TimeInForce.IOC, TimeInForce.FOK})

Place = tuple[Decimal, int, str]  # price, sequence, order id


def _by_side() -> dict[Side, list[Place]]:
    return {side: [] for side in Side}


@dataclass(slots=True)
class Line:
    """The open orders of one symbol."""

    eager: dict[str, None] = field(default_factory=dict)  # to be worked at each tick
    # By limit and by stop, cheapest first.
    limits: dict[Side, list[Place]] = field(default_factory=_by_side)
    stops: dict[Side, list[Place]] = field(default_factory=_by_side)

    def reached(self, listing: Listing) -> Iterable[str]:
        """Yield the ids of those the market has reached."""
        yield from self.eager
        last, bid, ask = listing.last, listing.bids[0].price, listing.asks[0].price
        yield from _ids(_from(self.limits[Side.BUY], ask))
        yield from _ids(_up_to(self.limits[Side.SELL], bid))
        yield from _ids(_up_to(self.stops[Side.BUY], last))
        yield from _ids(_from(self.stops[Side.SELL], last))


class Queue:
    """Every open order, by what it waits for."""

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}
        self._places: dict[str, tuple[list[Place], Place]] = {}
        self._days: list[tuple[datetime, int, str]] = []  # a heap: when a day order expires

    def enter(self, order: Order) -> None:
        """Take a new order in."""
        if order.terms.time_in_force is TimeInForce.DAY:
            heapq.heappush(self._days, (end_of_day(order), order.sequence, order.id))
        self.keep(order)

    def keep(self, order: Order) -> None:
        """Put an order where it belongs now, or nowhere once it has ended."""
        line = self._lines.setdefault(order.terms.symbol, Line())
        line.eager.pop(order.id, None)
        if order.id in self._places:
            places, place = self._places.pop(order.id)
            del places[bisect_left(places, place)]
        if order.ended:
            return
        price, places = _waits_for(order, line)
        if price is None:
            line.eager[order.id] = None
        else:
            place = (price, order.sequence, order.id)
            insort(places, place)
            self._places[order.id] = places, place

    def due(
        self, orders: Mapping[str, Order], listings: Mapping[str, Listing], *, now: datetime
    ) -> list[Order]:
        """Return the orders with anything to do, oldest first: who came first trades first."""
        names = {
            name for symbol, line in self._lines.items() for name in line.reached(listings[symbol])
        }
        while self._days and self._days[0][0] <= now:
            names.add(heapq.heappop(self._days)[2])
        return sorted(
            (orders[name] for name in names if not orders[name].ended), key=lambda one: one.sequence
        )


def end_of_day(order: Order) -> datetime:
    """Return when a day order expires."""
    midnight = order.created_at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(days=1)


def _waits_for(order: Order, line: Line) -> tuple[Decimal | None, list[Place]]:
    """Return the price an order waits for, and the list it waits in; None: it waits for nothing."""
    terms = order.terms
    if order.standing is Standing.CANCEL_PENDING or terms.time_in_force in AT_ONCE:
        return None, []
    if order.standing is Standing.WAITING:
        return terms.stop_price, line.stops[terms.side]
    return terms.limit_price, line.limits[terms.side]


def _from(places: list[Place], price: Decimal) -> Iterable[Place]:
    return places[bisect_left(places, price, key=_price) :]


def _up_to(places: list[Place], price: Decimal) -> Iterable[Place]:
    return places[: bisect_right(places, price, key=_price)]


def _ids(places: Iterable[Place]) -> Iterable[str]:
    return (name for _, _, name in places)


def _price(place: Place) -> Decimal:
    return place[0]
