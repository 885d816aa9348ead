"""Has an account hold something, by executions that its broker told."""

from __future__ import annotations

from decimal import Decimal
from itertools import count

from django.utils import timezone

from brokers.messages import Report
from orders import recording
from orders.models import Account, Order
from orders.models.facts import Heard
from tests.factories import OrderFactory
from tests.fakes import fill, snapshot

NAMES = count(1)


def hold(
    account: Account, quantity: str, *, symbol: str = "ACME", price: str = "100", fee: str = "0"
) -> Order:
    """Have an account buy so much, or sell it if it is negative."""
    size = Decimal(quantity).copy_abs()
    order: Order = OrderFactory(
        account=account,
        side="sell" if quantity.startswith("-") else "buy",
        quantity=size,
        symbol=symbol,
        sending=True,
    )
    ticket = order.ticket()
    trade = fill(ticket, f"h{next(NAMES)}", str(size), price, fee=Decimal(fee))
    recording.heed(
        account,
        Report(snapshots=(snapshot(ticket, cumulative=size),), fills=(trade,)),
        heard=Heard.POLL,
        evidence="poll",
        now=timezone.now(),
    )
    order.refresh_from_db()
    return order
