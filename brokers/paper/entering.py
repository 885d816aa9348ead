"""Takes judged orders into the books: with their legs, and in the place of those they replace."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from brokers.paper import grouping
from brokers.paper.accounts import Account
from brokers.paper.amounts import ZERO
from brokers.paper.market import Market
from brokers.paper.orders import Order, Standing
from brokers.paper.recording import Records
from brokers.paper.sessions import active_standing, trades_in
from brokers.paper.terms import Terms
from brokers.paper.trailing import better, stop_behind
from brokers.vocabulary import OrderClass, OrderType


class Entries:
    """How orders come into the books."""

    def __init__(self, records: Records, market: Market) -> None:
        self._records, self._market = records, market

    def take(
        self, account: Account, terms: Terms, *, now: datetime, instead_of: Order | None
    ) -> list[Order]:
        """Take an order in, in an older one's place if there is one. Its legs follow it."""
        old = instead_of
        if old is not None and old.leg is not None:
            # It may do what the other still might.
            place: dict[str, Any] = {"parent": old.parent, "leg": old.leg, "ceiling": old.workable}
            return [self._take(account, terms, now=now, instead_of=old, **place)]
        most = terms.quantity if terms.order_class is OrderClass.OCO else None
        head = self._take(account, terms, now=now, instead_of=old, ceiling=most)
        return [head, *self._take_legs(account, head, now=now, instead_of=old)]

    def _take_legs(
        self, account: Account, head: Order, *, now: datetime, instead_of: Order | None
    ) -> list[Order]:
        """Take in the legs of an order that was just taken in, in the place of an older one's."""
        is_pair = head.terms.order_class is OrderClass.OCO
        group = None if instead_of is None else self._records.books.group_of(instead_of)
        return [
            self._take(
                account,
                self._records.books.with_free_id(account, terms),
                now=now,
                instead_of=None if group is None else group.working(role),
                parent=head.id,
                leg=role,
                is_held=not is_pair,
                ceiling=terms.quantity if is_pair else ZERO,
            )
            for role, terms in grouping.legs_of(head.terms, entry_id=head.id)
        ]

    def _take(
        self,
        account: Account,
        terms: Terms,
        *,
        now: datetime,
        instead_of: Order | None,
        is_held: bool = False,
        **given: Any,
    ) -> Order:
        """Take an order in, which has whatever else is given of `Order`'s fields."""
        old, listing = instead_of, self._market.listing(terms.symbol)
        is_held = is_held or (old is not None and old.standing is Standing.HELD)
        is_active = not is_held and trades_in(terms, listing.phase)
        mark, trails = None, terms.type is OrderType.TRAILING_STOP
        if old is not None and trails:  # another type in its place has seen no best price
            mark = old.high_water_mark
        if is_active and trails:
            mark = better(terms.side, mark, listing.last)
        order = self._records.enter(
            account,
            terms,
            Standing.HELD
            if is_held
            else active_standing(terms)
            if is_active
            else Standing.ACCEPTED,
            now=now,
            active_at=now if is_active else None,
            high_water_mark=mark,
            trailing_at=mark and stop_behind(terms, listing.instrument, mark=mark),
            replaces="" if old is None else old.id,
            **given,
        )
        if old is not None:
            old.replaced_by = order.id
            self._records.end(old, Standing.REPLACED, now)
        return order
