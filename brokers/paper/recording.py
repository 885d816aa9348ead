"""The one room in which an order changes: in ledger, books and news, in one breath.

Nothing is judged here. What is recorded counts once `commit` returns: nobody is answered or told
before.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

from brokers.paper import grouping
from brokers.paper.accounts import Account
from brokers.paper.amounts import EXACT, write_time
from brokers.paper.books import Books
from brokers.paper.executions import Execution
from brokers.paper.ledger import Ledger
from brokers.paper.matching import Part
from brokers.paper.orders import ENDED, Order, Standing
from brokers.paper.recalling import Memory
from brokers.paper.sessions import AUCTIONS
from brokers.paper.terms import Terms

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # no 0 O 1 I: people read ids out over the phone
YEAR_ONE = datetime(1, 1, 1, tzinfo=UTC)
FOREIGN = "foreign-"  # begins the id of news that is of another account's order
LOOKED_THROUGH = 200  # orders, to find one of another account


@dataclass(frozen=True, slots=True)
class News:
    """A webhook owed to an account, as the ledger has it."""

    id: str
    account: str
    body: dict[str, Any]
    since: datetime


class Records:
    """The ledger and the books, kept in step. `tell` is called with news once it is on the disk."""

    def __init__(
        self, ledger: Ledger, *, now: datetime, tell: Callable[[News], None] = lambda _: None
    ) -> None:
        self.ledger = ledger
        self.books = Books(ledger)
        self.memory = Memory()
        self._tell = tell
        self._outbox: list[News] = []
        self._clock = max([now, *(order.updated_at for order in self.books.orders.values())])
        self._birth = _birth(ledger, now)

    def keep_account(self, account: Account, *, now: datetime) -> None:
        """Record an account, new or changed."""
        self.books.add_account(account)
        self.ledger.append(
            "accounts", account.record(), at=now, account=account.key, name=account.key
        )

    def commit(self) -> list[News]:
        """Put what happened on the disk, then let it be told. Returns the news."""
        self.ledger.commit()
        news, self._outbox = self._outbox, []
        for item in news:
            self._tell(item)
        return news

    def foreign(self, news: News, *, now: datetime) -> News | None:
        """Return news of another account's order for the account that some news is owed to."""
        account = self.books.accounts[news.account]
        latest = islice(reversed(self.books.orders.values()), LOOKED_THROUGH)
        order = next((one for one in latest if one.account != account.key), None)
        if order is None:
            return None
        told = {"order": account.personality.order(order.told)}
        body = {"type": "order.updated", "timestamp": write_time(now), "data": told}
        foreign = News(id=FOREIGN + news.id, account=account.key, body=body, since=now)
        self.ledger.append("webhooks", body, at=now, account=account.key, name=foreign.id)
        return foreign

    def time(self, now: datetime) -> datetime:
        """Return `now`, or a microsecond past the last time given: order ids and times agree."""
        self._clock = max(now, self._clock + timedelta(microseconds=1))
        return self._clock

    # How an order changes. Each takes the time it happens at, out of `time`. -----------

    def enter(
        self, account: Account, terms: Terms, standing: Standing, *, now: datetime, **given: Any
    ) -> Order:
        """Record a new order, which has whatever else is given of `Order`'s fields."""
        sequence = len(self.books.orders) + 1
        order = Order(
            id=f"P-{self._birth}-{sequence:06d}",
            sequence=sequence,
            account=account.key,
            terms=terms,
            standing=standing,
            created_at=now,
            updated_at=now,
            **given,
        )
        self.books.add_order(order)
        self.change(order, now)
        return order

    def fill(self, order: Order, part: Part, now: datetime, *, fault: str = "") -> Execution:
        """Record a trade. An order out of the market stays so, unless this completes it."""
        sequence = self.books.traded + 1
        terms = order.terms
        execution = Execution(
            id=f"X-{self._birth}-{sequence:07d}",
            sequence=sequence,
            number=1 + sum(not word.revision for word in self.books.executions_in(order)),
            order_id=order.id,
            client_order_id=terms.client_order_id,
            symbol=terms.symbol,
            side=terms.side,
            quantity=part.quantity,
            price=part.price,
            fee=self.books.accounts[order.account].fee_on(part.quantity, part.price),
            at=now,
            told_at=now,
        )
        order.filled = EXACT.add(order.filled, part.quantity)
        order.cost = EXACT.add(order.cost, EXACT.multiply(part.quantity, part.price))
        if order.ended:
            order.ended_as = order.standing
        if order.is_full(at=part.price):
            order.standing = Standing.FILLED
        elif not order.ended:
            order.standing = Standing.PART_FILLED
        self._execute(execution, order, now, fault=fault)
        return execution

    def revise(
        self, order: Order, earlier: Execution, word: Execution, now: datetime, *, fault: str = ""
    ) -> None:
        """Record a later word on a trade. One that takes from a filled order opens it again."""
        order.filled = EXACT.add(order.filled, EXACT.subtract(word.counts, earlier.counts))
        less = EXACT.multiply(earlier.counts, earlier.price)
        more = EXACT.multiply(word.counts, word.price)
        order.cost = EXACT.add(order.cost, EXACT.subtract(more, less))
        was_filled = order.standing is Standing.FILLED
        if order.is_full(at=word.price):
            if order.ended and not was_filled:
                order.ended_as = order.standing
            order.standing = Standing.FILLED
        elif order.ended_as is not None:
            order.standing = order.ended_as
        elif order.terms.time_in_force in AUCTIONS:
            order.standing = Standing.CANCELLED  # the auction is over
        elif was_filled or order.standing is Standing.PART_FILLED:
            order.standing = Standing.PART_FILLED if order.filled else Standing.WORKING
        if was_filled and not order.ended:
            self.books.queue.enter(order)  # its day may be over by now
        self._execute(word, order, now, fault=fault, back=True)

    def end(
        self, order: Order, standing: Standing, now: datetime, *, reason: str = "", fault: str = ""
    ) -> None:
        """Record that an order has ended, and its group with it unless another takes its place."""
        order.standing, order.reason = standing, reason
        self.change(order, now, fault=fault)
        group = self.books.group_of(order)
        if group is not None:
            self._follow(grouping.after_end(group, order), now)

    def change(
        self,
        order: Order,
        now: datetime,
        *,
        execution: Execution | None = None,
        fault: str = "",
        back: bool = False,
    ) -> None:
        """Record an order's new version, and the news of it.

        `back` says that it may look younger than it is: less is filled than before. Where stamps
        are coarse, it waits for the next one, for else nobody could tell which came last.
        """
        account = self.books.accounts[order.account]
        order.version += 1
        grain = account.personality.grain
        earliest = _next(order.updated_at, grain) if back else order.updated_at
        order.updated_at = max(now, earliest)
        before, order.told = order.told or None, order.json()
        self.books.keep_order(order)
        self.memory.note(order, before, now=now)
        line = {**order.told, "fault": fault} if fault else order.told
        self.ledger.append("orders", line, at=now, account=order.account, name=order.id)
        self._announce(account, order, execution, now)

    def _execute(
        self, execution: Execution, order: Order, now: datetime, *, fault: str, back: bool = False
    ) -> None:
        self.books.add_execution(execution, account=order.account)
        told = execution.json()
        line = {**told, "fault": fault} if fault else told
        self.ledger.append("executions", line, at=now, account=order.account, name=execution.line)
        self.change(order, now, execution=execution, fault=fault, back=back)
        group = self.books.group_of(order)
        if group is not None:
            self._follow(grouping.after_trade(group, order), now)

    def _follow(self, consequences: Iterator[grouping.Consequence], now: datetime) -> None:
        """Record what one order of a group made of the others, in the same breath."""
        for one in list(consequences):
            order = one.order
            if order.standing is Standing.HELD and one.standing not in ENDED:
                order.active_at = now
                self.books.queue.enter(order)  # its day begins
            order.standing, order.ceiling = one.standing, one.ceiling
            order.reason = one.reason or order.reason
            self.change(order, now)

    def _announce(
        self, account: Account, order: Order, execution: Execution | None, now: datetime
    ) -> None:
        hook, words = account.webhook, account.personality
        if hook is None or hook.disabled:
            return
        fill = {} if execution is None else {"execution": words.execution(execution.json())}
        is_trade = execution is not None and not execution.revision
        news = News(
            id=f"msg_{order.id[2:]}-{order.version}",
            account=order.account,
            body={
                "type": "order.filled" if is_trade else "order.updated",
                "timestamp": write_time(now),
                "data": {"order": words.order(order.told), **fill},
            },
            since=now,
        )
        self.ledger.append("webhooks", news.body, at=now, account=news.account, name=news.id)
        self._outbox.append(news)


def forced(order: Order, last: Decimal, *, whole: bool, room: Decimal | None) -> Part | None:
    """Return a fill that no market asked for: the rest of an order, or about half of it.

    Even that is no more than there is `room` for, if there is such a limit.
    """
    price = order.terms.limit_price or order.stop_price or last
    most = order.wanted(at=price)
    if room is not None:
        most = min(most, room)
    half = most // 2
    quantity = most if whole or not half else half
    return Part(quantity, price) if quantity > 0 else None


def _birth(ledger: Ledger, now: datetime) -> str:
    """Return the letters in this ledger's ids: no other exchange's orders have the same ones."""
    for line in ledger.lines("births"):
        return line.name
    birth = "".join(secrets.choice(ALPHABET) for _ in range(5))
    ledger.append("births", {}, at=now, name=birth)
    ledger.commit()
    return birth


def _next(at: datetime, grain: timedelta) -> datetime:
    """Return the next stamp after the one that a time is given."""
    return at - (at - YEAR_ONE) % grain + grain
