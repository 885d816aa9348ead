"""The exchange itself: what is asked of it is judged, taken and worked here.

A method checks everything before it changes anything, so a Refusal means that nothing was done.
What changes goes through `records`, which keeps ledger, books and news in step.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from brokers.paper.accounts import Account, Duplicates
from brokers.paper.amounts import write_amount
from brokers.paper.befalling import Fate
from brokers.paper.books import Books
from brokers.paper.entering import Entries
from brokers.paper.faults import Faults
from brokers.paper.judging import Judge
from brokers.paper.ledger import Ledger
from brokers.paper.market import Market, Phase
from brokers.paper.orders import Order, Standing
from brokers.paper.promising import Promise, Promises
from brokers.paper.recording import News, Records
from brokers.paper.refusals import Refusal
from brokers.paper.sessions import midnight_before
from brokers.paper.terms import Terms
from brokers.paper.working import Works
from brokers.vocabulary import OrderClass

MARK_EVERY = timedelta(minutes=1)


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
        luck: Faults | None = None,
        tell: Callable[[News], None] = lambda _: None,
    ) -> None:
        self.ledger = ledger
        self.records = Records(ledger, now=now, tell=tell)
        self.books: Books = self.records.books
        self.promises = Promises(ledger)
        marks = list(ledger.latest("marks"))[-1:]
        prices = {symbol: Decimal(told) for mark in marks for symbol, told in mark.body.items()}
        self.market = Market(seed=seed, now=now, prices=prices)
        for line in ledger.latest("sessions"):
            self.market.listings[line.name].phase = Phase(line.body["phase"])
        self.fate = Fate(self.records, self.market, luck or Faults(seed=seed))
        self.works = Works(self.records, self.market, self.fate)
        self.entries = Entries(self.records, self.market)
        self._marked_at = now
        # The day that was under way when it last ran may have ended since.
        self._day = midnight_before(marks[0].at if marks else now)

    def place(self, account: Account, terms: Terms, *, now: datetime) -> tuple[Order, bool]:
        """Take an order and work it at once. Returns it, and whether it is new. Raises Refusal."""
        _check_client(account, terms)
        earlier = self._earlier(account, terms)
        if earlier is not None:
            return earlier, False
        now = self.records.time(now)
        self._judge(account, terms, now=now)
        return self._enter(account, terms, now=now), True

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
        _check_client(account, terms)
        earlier = self._earlier(account, terms)
        if earlier is not None:
            return earlier, False
        old = self._still_open(account, order_id)
        self._check_chain(old)
        self.fate.replacing(old, now)
        old = self._still_open(account, order_id)  # it may just have filled
        if filled is not None and old.filled > filled:
            raise Refusal(
                "filled_further",
                f"{write_amount(old.filled)} is filled by now.",
                field="filled_quantity",
            )
        now = self.records.time(now)
        self._judge(account, terms, now=now, replacing=old)
        return self._enter(account, terms, now=now, instead_of=old), True

    def terms_of(self, order: Order) -> Terms:
        """Return what an order was taken on, with its legs as they now stand."""
        group = self.books.group_of(order)
        return order.terms if group is None else group.terms_of(order)

    def cancel(self, account: Account, order_id: str, *, now: datetime) -> Order:
        """Mark an order to be cancelled at the next tick, its group with it. Raises Refusal."""
        order = self.books.order(account, order_id)
        if order.ended and account.personality.cancels_ended:
            return order
        if order.standing is not Standing.CANCEL_PENDING:
            order = self._still_open(account, order_id)
            order.standing = Standing.CANCEL_PENDING
            self.records.change(order, self.records.time(now))
        return order

    def step(self, *, now: datetime) -> None:
        """Move the market by a tick, and every open order that it has reached."""
        now = self.records.time(now)
        midnight = midnight_before(now)
        is_new_day = midnight > self._day
        if is_new_day:
            self.works.end_day(midnight, now=now)
        self.market.step(now=now)
        if is_new_day:
            self.works.begin_day(midnight, now=now)
        self.works.tick(now=now)
        self.catch_up(now=now)
        if is_new_day or now - self._marked_at >= MARK_EVERY:
            self._day = midnight
            self.mark(now=now)

    def turn(self, symbol: str, phase: Phase, *, now: datetime) -> None:
        """Open or close a market, or let it trade out of hours. Raises Refusal."""
        listing = self.market.listing(symbol)
        if listing.phase is phase:
            return
        now = self.records.time(now)
        self.works.turn(listing, phase, now=now)
        self.ledger.append("sessions", {"phase": phase.value}, at=now, name=symbol)

    def catch_up(self, *, now: datetime) -> None:
        """Do what is due by the clock, whether or not the market moves."""
        while (promise := self.promises.take_due(now)) is not None:
            self._keep(promise, now=now)
        self.fate.catch_up(now)

    def mark(self, *, now: datetime) -> None:
        """Record every price, so that a restart does not move the market."""
        self._marked_at = now
        prices = {
            symbol: write_amount(listing.last) for symbol, listing in self.market.listings.items()
        }
        self.ledger.append("marks", prices, at=now, name="market")

    def commit(self) -> list[News]:
        """Put what happened on the disk, then let it be told. Returns the news."""
        return self.records.commit()

    # What becomes of an order -----------------------------------------------------

    def _earlier(self, account: Account, terms: Terms) -> Order | None:
        """Return the order to answer a used client order id with, if it is not a new order."""
        earlier = self.books.orders_with(account, terms.client_order_id)
        if account.personality.frees_ids:
            earlier = [order for order in earlier if not self.books.is_over(order)]
        if not earlier or account.duplicates is Duplicates.ACCEPT_TWICE:
            return None
        if account.duplicates is Duplicates.RETURN_EXISTING:
            return earlier[0]
        raise Refusal(
            "duplicate_client_order_id",
            f"Order {earlier[0].id} already has this client_order_id.",
            field="client_order_id",
        )

    def _judge(
        self, account: Account, terms: Terms, *, now: datetime, replacing: Order | None = None
    ) -> None:
        Judge(
            account=account,
            terms=terms,
            books=self.books,
            market=self.market,
            now=now,
            replacing=replacing,
        ).check()

    def _still_open(self, account: Account, order_id: str) -> Order:
        order = self.books.order(account, order_id)
        if order.ended or order.standing is Standing.CANCEL_PENDING:
            raise Refusal("too_late", f"The order is already {order.standing}.", field="id")
        return order

    def _check_chain(self, order: Order) -> None:
        """Raise Refusal for an order of a group that is not to change now."""
        group = self.books.group_of(order)
        if group is None:
            return
        if order.leg is None and order.filled and order.terms.order_class is not OrderClass.OCO:
            raise Refusal(
                "not_replaceable", "The entry has begun to fill.", field="id", rule="entry_filling"
            )
        if self.promises.replaces_any(one.id for one in group.members):
            raise Refusal(
                "not_replaceable",
                "One of its group is being replaced already.",
                field="id",
                rule="chain_pending",
            )

    def _enter(
        self, account: Account, terms: Terms, *, now: datetime, instead_of: Order | None = None
    ) -> Order:
        """Take a judged order in, in an older one's place if there is one, and work it."""
        orders = self.entries.take(account, terms, now=now, instead_of=instead_of)
        for order in orders:
            self.fate.entered(order, now)
        self.works.work(orders[0], now)
        return orders[0]

    def _keep(self, promise: Promise, *, now: datetime) -> None:
        """Take an order that was promised, or find that it can't be taken."""
        account = self.books.accounts[promise.account]
        try:
            if promise.replaces:
                order, _ = self.replace(
                    account, promise.replaces, promise.terms, filled=promise.filled, now=now
                )
            else:
                order, _ = self.place(account, promise.terms, now=now)
        except Refusal as refusal:
            self.promises.broken(promise, refusal.code, now=now)
        else:
            self.promises.kept(promise, order.id, now=now)


def _check_client(account: Account, terms: Terms) -> None:
    if not account.active:
        raise Refusal("account_not_active", "The account is not active.")
    longest = account.personality.longest_id
    if len(terms.client_order_id) > longest:
        raise Refusal(
            "invalid_client_order_id",
            f"client_order_id must be no more than {longest} characters.",
            field="client_order_id",
            rule="id_length",
        )
