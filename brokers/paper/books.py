"""The books: every account, order and execution in memory, found by what people ask by."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from brokers.paper.accounts import Account, account_from, buying_power
from brokers.paper.committing import Commitments
from brokers.paper.executions import Execution, execution_from
from brokers.paper.grouping import Group
from brokers.paper.ledger import Ledger
from brokers.paper.market import Market
from brokers.paper.orders import Order, order_from
from brokers.paper.queueing import Queue
from brokers.paper.refusals import Refusal
from brokers.paper.terms import Terms


class Books:
    """What the ledger adds up to. It is filled from the ledger once, and kept in step after."""

    def __init__(self, ledger: Ledger) -> None:
        self.accounts: dict[str, Account] = {}
        self.orders: dict[str, Order] = {}
        self.queue = Queue()
        self.traded = 0
        self._trades: dict[str, Execution] = {}  # by id: the latest word on each
        self._open_of: dict[str, dict[str, Order]] = {}
        self._commitments_of: dict[str, Commitments] = {}
        self._orders_of: dict[str, list[Order]] = {}
        self._executions_of: dict[str, list[Execution]] = {}
        self._executions_in: dict[str, list[Execution]] = {}
        self._legs_of: dict[str, list[Order]] = {}  # by the id of the order they are legs of
        self._by_client_id: dict[tuple[str, str], list[Order]] = {}
        for line in ledger.latest("accounts"):
            self.add_account(account_from(line.body))
        for line in ledger.lines("executions"):
            self.add_execution(execution_from(line.body), account=line.account)
        for line in ledger.latest("orders"):
            self.add_order(order_from(line.body, account=line.account))

    def add_account(self, account: Account) -> None:
        """Take in an account, new or changed."""
        self.accounts[account.key] = account
        self._open_of.setdefault(account.key, {})
        self._commitments_of.setdefault(account.key, Commitments())
        self._orders_of.setdefault(account.key, [])
        self._executions_of.setdefault(account.key, [])

    def add_order(self, order: Order) -> None:
        """Take in a new order."""
        self.orders[order.id] = order
        self._orders_of[order.account].append(order)
        key = (order.account, order.terms.client_order_id)
        self._by_client_id.setdefault(key, []).append(order)
        if order.parent:
            self._legs_of.setdefault(order.parent, []).append(order)
        if not order.ended:
            self.queue.enter(order)
        self.keep_order(order)

    def keep_order(self, order: Order) -> None:
        """Take in what has become of an order: if it is open, where it waits, what it binds."""
        if order.ended:
            self._open_of[order.account].pop(order.id, None)
        else:
            self._open_of[order.account][order.id] = order
        self.queue.keep(order)
        commitments, group = self._commitments_of[order.account], self.group_of(order)
        # Who of a group binds anything hangs on which of the others are open.
        for one in (order,) if group is None else group.members:
            commitments.keep(one, binds=one.workable if group is None else group.binds(one))

    def add_execution(self, execution: Execution, *, account: str) -> None:
        """Take in a trade, or a later word on one: cash and position follow it."""
        earlier = self._trades.get(execution.id)
        if earlier is not None:
            self.accounts[account].unbook(earlier)
        self._trades[execution.id] = execution
        self.accounts[account].book(execution)
        self._executions_of[account].append(execution)
        self._executions_in.setdefault(execution.order_id, []).append(execution)
        self.traded = execution.sequence

    def order(self, account: Account, order_id: str) -> Order:
        """Return an account's own order. Raises Refusal."""
        order = self.orders.get(order_id)
        if order is None or order.account != account.key:
            raise Refusal("not_found", "This account has no such order.", field="id")
        return order

    def group_of(self, order: Order) -> Group | None:
        """Return an order and its legs, or a leg with all that it belongs to."""
        head = self.orders.get(order.parent) if order.parent else order
        legs = self._legs_of.get(order.parent or order.id)
        if head is None or not legs:
            return None
        return Group(head, tuple(legs))

    def is_over(self, order: Order) -> bool:
        """Say whether an order has ended, and its legs with it."""
        group = self.group_of(order)
        return order.ended if group is None else group.is_over

    def with_free_id(self, account: Account, terms: Terms) -> Terms:
        """Return terms that the exchange made, with a client order id that nobody has used."""
        while self.orders_with(account, terms.client_order_id):
            terms = replace(terms, client_order_id=f"{terms.client_order_id}x")
        return terms

    def orders_of(self, account: Account) -> list[Order]:
        """Return an account's orders, oldest first."""
        return self._orders_of[account.key]

    def orders_with(self, account: Account, client_order_id: str) -> list[Order]:
        """Return an account's orders with a client order id, oldest first: one, as a rule."""
        return self._by_client_id.get((account.key, client_order_id), [])

    def trade(self, execution_id: str) -> Execution:
        """Return the latest word on a trade. Raises Refusal."""
        found = self._trades.get(execution_id)
        if found is None:
            raise Refusal("not_found", "There is no such execution.", field="id")
        return found

    def executions_of(self, account: Account) -> list[Execution]:
        """Return an account's executions, and later words on them, as they were told."""
        return self._executions_of[account.key]

    def executions_in(self, order: Order) -> list[Execution]:
        """Return an order's executions, and later words on them, as they were told."""
        return self._executions_in.get(order.id, [])

    def open_of(self, account: Account) -> dict[str, Order]:
        """Return an account's open orders by id."""
        return self._open_of[account.key]

    def commitments_of(self, account: Account) -> Commitments:
        """Return what an account's open orders bind."""
        return self._commitments_of[account.key]

    def buying_power(
        self, account: Account, market: Market, *, without: Order | None = None
    ) -> Decimal:
        """Return what is free for new orders, as if one of the open ones were not there."""
        open_orders = self._commitments_of[account.key]
        return buying_power(account, open_orders, market.price_of, without=without)
