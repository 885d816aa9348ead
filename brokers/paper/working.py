"""What becomes of open orders: they wake, follow the market, trigger, fill, expire and end."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from brokers.paper import matching
from brokers.paper.befalling import Fate
from brokers.paper.limiting import room_for
from brokers.paper.market import Listing, Market, Phase
from brokers.paper.matching import Part
from brokers.paper.orders import Order, Standing
from brokers.paper.recording import Records
from brokers.paper.sessions import AT_ONCE, active_standing, expiry, trades_in
from brokers.paper.trailing import follow
from brokers.vocabulary import OrderType, TimeInForce

ASLEEP = frozenset({Standing.HELD, Standing.ACCEPTED})
OVER = {
    TimeInForce.OPG: "Not filled in the opening auction.",
    TimeInForce.CLS: "Not filled in the closing auction.",
}


class Works:
    """Every open order, worked: by the tick, by the clock, and in auctions."""

    def __init__(self, records: Records, market: Market, fate: Fate) -> None:
        self._records, self._market, self._fate = records, market, fate
        self._books = records.books

    def tick(self, *, now: datetime) -> None:
        """Work every order that has anything to do."""
        for order in self._books.queue.due(self._books.orders, self._market.listings, now=now):
            self.work(order, now)

    def work(self, order: Order, now: datetime) -> None:
        """Do to an open order whatever is due: cancel, expire, trigger, fill."""
        if order.ended:
            return  # by what was worked before it
        listing, until = self._market.listings[order.terms.symbol], expiry(order)
        if order.standing is Standing.CANCEL_PENDING:
            self._cancel(order, now)
        elif until is not None and now >= until:
            is_day = order.terms.time_in_force is TimeInForce.DAY
            reason = "The day is over." if is_day else "Its time is up."
            self._records.end(order, Standing.EXPIRED, now, reason=reason)
        elif order.standing not in ASLEEP and trades_in(order.terms, listing.phase):
            self._trade(order, listing, now)

    def end_day(self, midnight: datetime, *, now: datetime) -> None:
        """Hold the closing auctions of a day that ended at midnight."""
        self._auctions(TimeInForce.CLS, midnight, now)

    def begin_day(self, midnight: datetime, *, now: datetime) -> None:
        """Hold the opening auctions of a day that began at midnight."""
        self._auctions(TimeInForce.OPG, midnight, now)

    def turn(self, listing: Listing, phase: Phase, *, now: datetime) -> None:
        """Open or close a market: whoever waits for that auction has it, then the others wake."""
        symbol = listing.instrument.symbol
        if listing.phase is Phase.OPEN:
            self.auction(listing, TimeInForce.CLS, now=now)
        listing.phase = phase
        if phase is Phase.OPEN:
            self.auction(listing, TimeInForce.OPG, now=now)
        for order in self._books.queue.asleep(self._books.orders, symbol):
            if trades_in(order.terms, phase):
                self._wake(order, listing, now)

    def auction(
        self,
        listing: Listing,
        kind: TimeInForce,
        *,
        now: datetime,
        entered_before: datetime | None = None,
    ) -> None:
        """Hold an opening or a closing auction. What is not filled in it is cancelled."""
        asleep = self._books.queue.asleep(self._books.orders, listing.instrument.symbol)
        mine = [
            order
            for order in asleep
            if order.terms.time_in_force is kind
            and (entered_before is None or order.created_at < entered_before)
        ]
        for order in sorted(mine, key=matching.by_price_and_time):
            for part in matching.auctioned(order, listing, room=self._room(order)):
                self._fill(order, part, now)
            if not order.ended:
                self._records.end(order, Standing.CANCELLED, now, reason=OVER[kind])

    def _auctions(self, kind: TimeInForce, midnight: datetime, now: datetime) -> None:
        for listing in self._market.listings.values():
            if listing.phase is Phase.OPEN:
                self.auction(listing, kind, now=now, entered_before=midnight)

    def _wake(self, order: Order, listing: Listing, now: datetime) -> None:
        """Let an order into the market that waited for it to open."""
        order.standing, order.active_at = active_standing(order.terms), now
        if order.terms.type is OrderType.TRAILING_STOP:
            follow(order, listing.instrument, last=listing.last)
        self._books.queue.enter(order)
        self._records.change(order, now)
        self.work(order, now)

    def _trade(self, order: Order, listing: Listing, now: datetime) -> None:
        if (
            order.terms.type is OrderType.TRAILING_STOP
            and not order.triggered
            and follow(order, listing.instrument, last=listing.last)
        ):
            self._records.change(order, now)
        if not matching.is_triggered(order, last=listing.last):
            return
        if order.standing is Standing.WAITING:
            order.standing, order.triggered = Standing.WORKING, True
            self._records.change(order, now)
        room = self._room(order)
        for part in matching.take(order, listing, room=room):
            self._fill(order, part, now)
        if order.ended:
            return
        if order.terms.time_in_force in AT_ONCE:
            reason = "No more could be filled at once."
            self._records.end(order, Standing.CANCELLED, now, reason=reason)
        elif room is not None and not self._room(order):
            reason = "It may only lessen the position, and there is nothing left of it."
            self._records.end(order, Standing.CANCELLED, now, reason=reason)
        elif matching.is_spent(order, listing):
            self._records.end(order, Standing.FILLED, now)

    def _fill(self, order: Order, part: Part, now: datetime) -> None:
        self._fate.traded(self._records.fill(order, part, now), order, now)

    def _room(self, order: Order) -> Decimal | None:
        account = self._books.accounts[order.account]
        return room_for(order, account, self._market.listings[order.terms.symbol].instrument)

    def _cancel(self, order: Order, now: datetime) -> None:
        self._fate.before_cancel(order, now)
        if not order.ended:
            reason = "Cancelled at the client's request."
            self._records.end(order, Standing.CANCELLED, now, reason=reason)
            self._fate.canceled(order, now)
