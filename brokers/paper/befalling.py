"""What befalls orders that a fault has struck: out of the blue, late, or too late.

What is planned is in memory, and a restart forgets it: nobody was promised anything. What has
happened is in the ledger, marked with its fault.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from brokers.paper.amounts import EXACT
from brokers.paper.executions import Execution
from brokers.paper.faults import Faults
from brokers.paper.limiting import room_for
from brokers.paper.market import Market
from brokers.paper.orders import Order, Standing
from brokers.paper.recording import Records, forced
from brokers.paper.revising import bust, correct, most_of

SOME = 4  # one correction in so many changes the quantity as well
WHOLE = 3  # one forced fill in so many takes all that is left


class Fate:
    """Everything that is yet to befall orders."""

    def __init__(self, records: Records, market: Market, luck: Faults) -> None:
        self._records, self._market, self._luck = records, market, luck
        self._plans: list[tuple[datetime, int, Callable[[datetime], None]]] = []  # a heap
        self._planned = 0
        self._fills_first: set[str] = set()  # orders that fill before their cancel takes effect
        self._fills_after: dict[str, timedelta] = {}  # and those that fill so long after

    def entered(self, order: Order, now: datetime) -> None:
        """Take note of a new order."""
        struck = self._luck.strikes(order.account, "expire")
        if struck is not None:
            after = self._luck.within(order.account, struck.seconds)
            self._plan(now + after, lambda at: self._expire(order, at))

    def traded(self, execution: Execution, order: Order, now: datetime) -> None:
        """Take note of a trade."""
        for fault, befall in (("bust", self._bust), ("correct", self._correct)):
            struck = self._luck.strikes(order.account, fault)
            if struck is not None:
                self._plan(
                    now + timedelta(seconds=float(struck.seconds)),
                    lambda at, befall=befall: befall(order, execution, at),  # type: ignore[misc]
                )

    def canceling(self, order: Order, fault: str, after: Decimal) -> None:
        """Take note of a cancel that was taken, and of the fault that met it."""
        if fault == "fill_after_cancel_ack":
            self._fills_first.add(order.id)
        elif fault == "fill_after_cancelled":
            self._fills_after[order.id] = timedelta(seconds=float(after))

    def before_cancel(self, order: Order, now: datetime) -> None:
        """Let an order fill that is about to be cancelled, if it was to."""
        if order.id in self._fills_first:
            self._fills_first.discard(order.id)
            self._force(order, now, fault="fill_after_cancel_ack")

    def canceled(self, order: Order, now: datetime) -> None:
        """Take note that a cancel has taken effect."""
        after = self._fills_after.pop(order.id, None)
        if after is not None:
            self._plan(now + after, lambda at: self._fill_late(order, at))

    def replacing(self, order: Order, now: datetime) -> None:
        """Let an order fill further just before another takes its place, if that fault strikes."""
        if self._luck.strikes(order.account, "replace_fills_first") is not None:
            self._force(order, self._records.time(now), fault="replace_fills_first")

    def catch_up(self, now: datetime) -> None:
        """Let everything befall that is due."""
        while self._plans and self._plans[0][0] <= now:
            _, _, befall = heapq.heappop(self._plans)
            befall(self._records.time(now))

    def _plan(self, due: datetime, befall: Callable[[datetime], None]) -> None:
        self._planned += 1
        heapq.heappush(self._plans, (due, self._planned, befall))

    def _expire(self, order: Order, now: datetime) -> None:
        if not order.ended:
            reason = "Expired by the exchange."
            self._records.end(order, Standing.EXPIRED, now, reason=reason, fault="expire")

    def _fill_late(self, order: Order, now: datetime) -> None:
        if order.standing is Standing.CANCELLED:
            self._force(order, now, fault="fill_after_cancelled")

    def _bust(self, _order: Order, execution: Execution, now: datetime) -> None:
        if self._records.books.trade(execution.id).counts:
            bust(self._records, execution.id, now=now, fault="bust")

    def _correct(self, order: Order, execution: Execution, now: datetime) -> None:
        standing = self._records.books.trade(execution.id)
        if not standing.counts:
            return
        listing = self._market.listings[order.terms.symbol]
        price = EXACT.add(standing.price, listing.instrument.increment)
        half = standing.quantity // 2
        less = half if half and self._luck.one_in(order.account, SOME) else standing.quantity
        less = min(less, most_of(order, standing, price=price))
        if not less:
            return  # all the money is spent, and dearer it buys nothing
        correct(self._records, execution.id, quantity=less, price=price, now=now, fault="correct")

    def _force(self, order: Order, now: datetime, *, fault: str) -> None:
        listing = self._market.listings[order.terms.symbol]
        last, instrument = listing.last, listing.instrument
        account = self._records.books.accounts[order.account]
        whole = self._luck.one_in(order.account, WHOLE)
        part = forced(order, last, whole=whole, room=room_for(order, account, instrument))
        if part is not None:
            execution = self._records.fill(order, part, now, fault=fault)
            self.traded(execution, order, now)
