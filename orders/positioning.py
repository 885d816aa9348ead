"""Positions, from our own executions: signed quantity, average cost, profit or loss, fees."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection

from brokers.messages import Fill
from brokers.vocabulary import Side
from orders.deriving import live_fills
from orders.models import Account, Execution
from orders.money import EXACT, NINE, ZERO, total, worth


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What an account holds of one symbol, by our books. Short is negative."""

    account_id: UUID
    symbol: str
    quantity: Decimal
    average_price: Decimal | None  # of what is held; None when flat
    realized: Decimal  # by what was closed, before fees
    fees: Decimal  # of every trade, those that opened it included
    opened_at: datetime | None  # of what is held, the first trade; None when flat
    traded_at: datetime | None  # the latest trade

    @property
    def net(self) -> Decimal:
        """The profit or loss of what was closed, with every fee taken off."""
        return EXACT.subtract(self.realized, self.fees)

    def unrealized(self, price: Decimal) -> Decimal:
        """Return the profit or loss of what is held, at a price."""
        if self.average_price is None:
            return ZERO
        return worth(self.quantity, EXACT.subtract(price, self.average_price))


def positions(accounts: Iterable[Account]) -> list[Position]:
    """Return the positions of accounts, by account and symbol, flat ones included."""
    books: dict[tuple[UUID, str], list[Fill]] = {}
    executions = Execution.objects.filter(account__in=list(accounts))
    for execution in executions.iterator():
        books.setdefault((execution.account_id, execution.symbol), []).append(execution.message())
    return [
        _fold(account_id, symbol, fills) for (account_id, symbol), fills in sorted(books.items())
    ]


def nothing(account: Account, symbol: str) -> Position:
    """Return the position in a symbol that an account has never traded."""
    return _fold(account.id, symbol, [])


def held(account: Account) -> dict[str, Decimal]:
    """Return the quantity of each symbol that an account holds; what it holds none of is left out.

    The same executions count as in `positions`. The database adds them up, exactly and quickly.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT symbol, sum(CASE side WHEN 'buy' THEN quantity ELSE -quantity END) FROM (
                SELECT DISTINCT ON (broker_order_id, execution_id, trade_date)
                    symbol, side, quantity, kind
                FROM orders_execution WHERE account_id = %s
                ORDER BY broker_order_id, execution_id, trade_date,
                    array_position(ARRAY['fill', 'correct', 'bust'], kind::text) DESC,
                    CASE kind WHEN 'fill' THEN 0 ELSE revision END DESC,
                    quantity DESC, price DESC
            ) AS standing
            WHERE kind <> 'bust' GROUP BY symbol
            """,
            [account.id],
        )
        return {symbol: quantity for symbol, quantity in cursor.fetchall() if quantity}


def _in_time(fill: Fill) -> tuple[datetime, str, str, date]:
    """Return what orders trades in time. Ties are certain, and profit depends on the order of a
    buy and a sell: arrival must not decide it.
    """
    return fill.executed_at, fill.broker_order_id, fill.execution_id, fill.trade_date


def _fold(account_id: UUID, symbol: str, fills: list[Fill]) -> Position:
    quantity, cost, realized = ZERO, ZERO, ZERO  # cost is signed like the quantity
    opened_at, traded_at = None, None
    live = live_fills(fills)
    for fill in sorted(live, key=_in_time):
        traded_at = fill.executed_at
        # Not even a minus sign may go without EXACT: Python's own rounds to 28 digits.
        signed = fill.quantity if fill.side is Side.BUY else fill.quantity.copy_negate()
        against = bool(quantity) and signed.is_signed() != quantity.is_signed()
        closing = min(fill.quantity, quantity.copy_abs()) if against else ZERO
        if closing:
            entry = EXACT.divide(cost, quantity)
            bought, sold = (entry, fill.price) if quantity > 0 else (fill.price, entry)
            gain = EXACT.subtract(sold, bought)
            realized = EXACT.add(realized, EXACT.multiply(closing, gain))
            quantity = EXACT.add(quantity, closing.copy_sign(signed))
            cost = EXACT.multiply(entry, quantity)
        opening = EXACT.subtract(fill.quantity, closing)
        if opening:
            opened_at = opened_at if quantity else fill.executed_at
            quantity = EXACT.add(quantity, opening.copy_sign(signed))
            cost = EXACT.add(cost, worth(opening.copy_sign(signed), fill.price))
    average = EXACT.quantize(EXACT.divide(cost, quantity), NINE) if quantity else None
    return Position(
        account_id=account_id,
        symbol=symbol,
        quantity=quantity,
        average_price=average,
        realized=EXACT.quantize(realized, NINE),
        fees=total(fill.fee for fill in live),
        opened_at=opened_at if quantity else None,
        traded_at=traded_at,
    )
