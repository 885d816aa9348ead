"""The exchange itself: the one room in which an order changes.

A method checks everything before it changes anything, so a Refusal means that
nothing was done. What it changes is appended to the ledger in the same breath,
and counts once `commit` returns: nobody is answered or told before.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from brokers.paper import matching
from brokers.paper.accounts import Account, Duplicates
from brokers.paper.amounts import EXACT, write_amount, write_time
from brokers.paper.books import Books
from brokers.paper.judging import judge
from brokers.paper.ledger import Ledger
from brokers.paper.market import Market
from brokers.paper.orders import Execution, Order, Standing, Terms
from brokers.paper.refusals import Refusal
from brokers.vocabulary import NEEDS_STOP, TimeInForce

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # no 0 O 1 I: people read ids out over the phone
AT_ONCE = frozenset({TimeInForce.IOC, TimeInForce.FOK})
MARK_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class News:
    """A webhook owed to an account, as the ledger has it."""

    id: str
    account: str
    body: dict[str, Any]
    since: datetime


class Exchange:
    """Every account and order, rebuilt from the ledger and kept in step with it.

    `tell` is called with each piece of news once it is on the disk.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        seed: int,
        now: datetime,
        tell: Callable[[News], None] = lambda _: None,
    ) -> None:
        self.ledger = ledger
        self.books = Books(ledger)
        marks = [line.body for line in ledger.latest("marks")]
        prices = {symbol: Decimal(price) for symbol, price in marks[-1].items()} if marks else {}
        self.market = Market(seed=seed, now=now, prices=prices)
        self._marked_at = now
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

    def place(self, account: Account, terms: Terms, *, now: datetime) -> tuple[Order, bool]:
        """Take an order and work it at once. Returns it, and whether it is new. Raises Refusal."""
        earlier = self._earlier(account, terms)
        if earlier is not None:
            return earlier, False
        judge(account, terms, books=self.books, market=self.market)
        now = self._time(now)
        order = self._enter(account, terms, now=now)
        self._work(order, now)
        return order, True

    def replace(
        self,
        account: Account,
        order_id: str,
        terms: Terms,
        *,
        filled: Decimal | None = None,
        now: datetime,
    ) -> tuple[Order, bool]:
        """Put a new order in an order's place. Returns as `place` does. Raises Refusal.

        The new order's quantity is what is to be worked, whatever the old one
        has filled. A client that says how much it knows to be `filled` is
        refused if there is more: its quantity was reckoned without that.
        """
        earlier = self._earlier(account, terms)
        if earlier is not None:
            return earlier, False
        old = self._still_open(account, order_id)
        if filled is not None and old.filled > filled:
            raise Refusal(
                "filled_further",
                f"{write_amount(old.filled)} is filled by now.",
                field="filled_quantity",
            )
        judge(account, terms, books=self.books, market=self.market, replacing=old)
        now = self._time(now)
        order = self._enter(account, terms, now=now, replaces=old.id)
        old.replaced_by = order.id
        self._end(old, Standing.REPLACED, now)
        self._work(order, now)
        return order, True

    def cancel(self, account: Account, order_id: str, *, now: datetime) -> Order:
        """Mark an order to be cancelled at the next tick. Raises Refusal."""
        order = self.books.order(account, order_id)
        if order.ended and account.personality.cancels_ended:
            return order
        if order.standing is not Standing.CANCEL_PENDING:
            order = self._still_open(account, order_id)
            order.standing = Standing.CANCEL_PENDING
            self._changed(order, self._time(now))
        return order

    def step(self, *, now: datetime) -> None:
        """Move the market by a tick, and every open order with it."""
        now = self._time(now)
        self.market.step(now=now)
        for order in list(self.books.open.values()):
            self._work(order, now)
        if now - self._marked_at >= MARK_EVERY:
            self.mark(now=now)

    def mark(self, *, now: datetime) -> None:
        """Record every price, so that a restart does not move the market."""
        self._marked_at = now
        prices = {
            symbol: write_amount(listing.last) for symbol, listing in self.market.listings.items()
        }
        self.ledger.append("marks", prices, at=now, name="market")

    def commit(self) -> list[News]:
        """Put what happened on the disk, then let it be told. Returns the news."""
        self.ledger.commit()
        news, self._outbox = self._outbox, []
        for item in news:
            self._tell(item)
        return news

    # How an order changes ---------------------------------------------------------

    def _earlier(self, account: Account, terms: Terms) -> Order | None:
        """Return the order to answer a used client order id with, if it is not a new order."""
        earlier = self.books.orders_with(account, terms.client_order_id)
        if account.personality.frees_ids:
            earlier = [order for order in earlier if not order.ended]
        if not earlier or account.duplicates is Duplicates.ACCEPT_TWICE:
            return None
        if account.duplicates is Duplicates.RETURN_EXISTING:
            return earlier[0]
        raise Refusal(
            "duplicate_client_order_id",
            f"Order {earlier[0].id} already has this client_order_id.",
            field="client_order_id",
        )

    def _still_open(self, account: Account, order_id: str) -> Order:
        order = self.books.order(account, order_id)
        if order.ended or order.standing is Standing.CANCEL_PENDING:
            raise Refusal("too_late", f"The order is already {order.standing}.", field="id")
        return order

    def _enter(self, account: Account, terms: Terms, *, now: datetime, replaces: str = "") -> Order:
        sequence = len(self.books.orders) + 1
        order = Order(
            id=f"P-{self._birth}-{sequence:06d}",
            sequence=sequence,
            account=account.key,
            terms=terms,
            standing=Standing.WAITING if terms.type in NEEDS_STOP else Standing.WORKING,
            created_at=now,
            updated_at=now,
            replaces=replaces,
        )
        self.books.add_order(order)
        self._changed(order, now)
        return order

    def _work(self, order: Order, now: datetime) -> None:
        """Do to an open order whatever is due: cancel, expire, trigger, fill."""
        listing = self.market.listings[order.terms.symbol]
        if order.standing is Standing.CANCEL_PENDING:
            self._end(order, Standing.CANCELLED, now, reason="Cancelled at the client's request.")
            return
        if order.terms.time_in_force is TimeInForce.DAY and now >= _end_of_day(order.created_at):
            self._end(order, Standing.EXPIRED, now, reason="The day is over.")
            return
        if not listing.opened or not matching.is_triggered(order, last=listing.last):
            return
        if order.standing is Standing.WAITING:
            order.standing, order.triggered = Standing.WORKING, True
            self._changed(order, now)
        for part in matching.take(order, listing):
            self._fill(order, part, now)
        if not order.ended and order.terms.time_in_force in AT_ONCE:
            self._end(order, Standing.CANCELLED, now, reason="No more could be filled at once.")

    def _fill(self, order: Order, part: matching.Part, now: datetime) -> None:
        sequence = self.books.traded + 1
        terms = order.terms
        execution = Execution(
            id=f"X-{self._birth}-{sequence:07d}",
            sequence=sequence,
            number=len(self.books.executions_in(order)) + 1,
            order_id=order.id,
            client_order_id=terms.client_order_id,
            symbol=terms.symbol,
            side=terms.side,
            quantity=part.quantity,
            price=part.price,
            at=now,
        )
        order.filled = EXACT.add(order.filled, part.quantity)
        order.cost = EXACT.add(order.cost, EXACT.multiply(part.quantity, part.price))
        order.standing = Standing.PART_FILLED if order.remaining else Standing.FILLED
        self.books.add_execution(execution, account=order.account)
        self.ledger.append(
            "executions", execution.json(), at=now, account=order.account, name=execution.id
        )
        self._changed(order, now, execution=execution)

    def _end(self, order: Order, standing: Standing, now: datetime, *, reason: str = "") -> None:
        order.standing, order.reason = standing, reason
        self._changed(order, now)

    def _changed(self, order: Order, now: datetime, *, execution: Execution | None = None) -> None:
        """Record an order's new version, and the news of it."""
        order.version += 1
        order.updated_at = now
        if order.ended:
            self.books.close_order(order)
        told = order.json()
        self.ledger.append("orders", told, at=now, account=order.account, name=order.id)
        account = self.books.accounts[order.account]
        hook, words = account.webhook, account.personality
        if hook is None or hook.disabled:
            return
        fill = {} if execution is None else {"execution": words.execution(execution.json())}
        news = News(
            id=f"msg_{order.id[2:]}-{order.version}",
            account=order.account,
            body={
                "type": "order.filled" if fill else "order.updated",
                "timestamp": write_time(now),
                "data": {"order": words.order(told), **fill},
            },
            since=now,
        )
        self.ledger.append("webhooks", news.body, at=now, account=news.account, name=news.id)
        self._outbox.append(news)

    def _time(self, now: datetime) -> datetime:
        """Return `now`, or a microsecond past the last time given: order ids and times agree."""
        self._clock = max(now, self._clock + timedelta(microseconds=1))
        return self._clock


def _birth(ledger: Ledger, now: datetime) -> str:
    """Return the letters in this ledger's ids: no other exchange's orders have the same ones."""
    for line in ledger.lines("births"):
        return line.name
    birth = "".join(secrets.choice(ALPHABET) for _ in range(5))
    ledger.append("births", {}, at=now, name=birth)
    ledger.commit()
    return birth


def _end_of_day(at: datetime) -> datetime:
    midnight = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(days=1)
