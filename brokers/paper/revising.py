"""What the exchange says of a trade after the fact: that it was none, or that it was another."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from brokers.paper.amounts import EXACT, ZERO, affordable, write_amount
from brokers.paper.executions import Execution
from brokers.paper.orders import Order
from brokers.paper.recording import Records
from brokers.paper.refusals import Refusal
from brokers.vocabulary import ExecutionKind


def bust(records: Records, execution_id: str, *, now: datetime, fault: str = "") -> Execution:
    """Take a trade back. Raises Refusal for one that is unknown or taken back already."""
    standing = _standing(records, execution_id)
    word = standing.revised(
        sequence=records.books.traded + 1, now=now, kind=ExecutionKind.BUST, fee=ZERO
    )
    order = records.books.orders[standing.order_id]
    records.revise(order, standing, word, now, fault=fault)
    return word


def correct(
    records: Records,
    execution_id: str,
    *,
    quantity: Decimal,
    price: Decimal,
    now: datetime,
    fault: str = "",
) -> Execution:
    """Restate a trade. Raises Refusal as `bust` does, or if the order would then be overfilled."""
    standing = _standing(records, execution_id)
    order = records.books.orders[standing.order_id]
    most = most_of(order, standing, price=price)
    if quantity > most:
        raise Refusal(
            "invalid_quantity", f"At most {write_amount(most)} fits the order.", field="quantity"
        )
    word = standing.revised(
        sequence=records.books.traded + 1,
        now=now,
        kind=ExecutionKind.CORRECT,
        quantity=quantity,
        price=price,
        fee=records.books.accounts[order.account].fee_on(quantity, price),
    )
    records.revise(order, standing, word, now, fault=fault)
    return word


def most_of(order: Order, standing: Execution, *, price: Decimal) -> Decimal:
    """Return the most that a trade of an order may be restated to, at a price."""
    if order.terms.notional is None:
        return EXACT.add(order.workable, standing.quantity)
    spent = EXACT.multiply(standing.quantity, standing.price)
    return affordable(EXACT.add(order.money, spent), price)


def _standing(records: Records, execution_id: str) -> Execution:
    standing = records.books.trade(execution_id)
    if not standing.counts:
        raise Refusal("too_late", "The trade is taken back already.", field="id")
    return standing
