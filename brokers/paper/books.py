"""The books: every account, order and execution in memory, found by what people ask by."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from brokers.paper.accounts import Account, account_from, buying_power
from brokers.paper.ledger import Ledger
from brokers.paper.market import Market
from brokers.paper.orders import Execution, Order, execution_from, order_from
from brokers.paper.refusals import Refusal


class Books:
    """What the ledger adds up to. It is filled from the ledger once, and kept in step after."""

    def __init__(self, ledger: Ledger) -> None:
        self.accounts: dict[str, Account] = {}
        self.orders: dict[str, Order] = {}
        self.open: dict[str, Order] = {}  # oldest first: who came first trades first
        self.traded = 0
        self._open_of: dict[str, dict[str, Order]] = {}
        self._orders_of: dict[str, list[Order]] = {}
        self._executions_of: dict[str, list[Execution]] = {}
        self._executions_in: dict[str, list[Execution]] = {}
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
        self._orders_of.setdefault(account.key, [])
        self._executions_of.setdefault(account.key, [])

    def add_order(self, order: Order) -> None:
        """Take in a new order."""
        self.orders[order.id] = order
        self._orders_of[order.account].append(order)
        key = (order.account, order.terms.client_order_id)
        self._by_client_id.setdefault(key, []).append(order)
        if not order.ended:
            self.open[order.id] = self._open_of[order.account][order.id] = order

    def close_order(self, order: Order) -> None:
        """Take an order that has ended off the open ones."""
        self.open.pop(order.id, None)
        self._open_of[order.account].pop(order.id, None)

    def add_execution(self, execution: Execution, *, account: str) -> None:
        """Take in a trade: cash and position follow it."""
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

    def orders_of(self, account: Account) -> list[Order]:
        """Return an account's orders, oldest first."""
        return self._orders_of[account.key]

    def orders_with(self, account: Account, client_order_id: str) -> list[Order]:
        """Return an account's orders with a client order id: one, unless it takes duplicates."""
        return self._by_client_id.get((account.key, client_order_id), [])

    def executions_of(self, account: Account) -> list[Execution]:
        """Return an account's executions, oldest first."""
        return self._executions_of[account.key]

    def executions_in(self, order: Order) -> list[Execution]:
        """Return an order's executions, oldest first."""
        return self._executions_in.get(order.id, [])

    def working(self, account: Account, *, without: Order | None = None) -> list[Order]:
        """Return an account's open orders, as if one of them were not there."""
        return [order for order in self._open_of[account.key].values() if order is not without]

    def buying_power(
        self, account: Account, market: Market, *, without: Order | None = None
    ) -> Decimal:
        """Return what is free for new orders, as if one of the open ones were not there."""
        working: Iterable[Order] = self.working(account, without=without)
        return buying_power(account, working, market.price_of)
