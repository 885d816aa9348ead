"""A desk whose broker is another desk: it hears of its fills by that desk's stream.

The near desk is this process, the far one a whole running desk.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from brokers.vocabulary import OrderType, Status
from orders import sending, timing
from orders.models import Account, Execution, Order, Stream
from tests.factories import AccountFactory, place
from tests.running_desk import Desk, desk, desk_process  # noqa: F401
from tests.streams.conftest import Start, comes_to_be, row, work
from tests.streams.upstream import Loop, until
from webhooks.models import Delivery
from webhooks.understanding import understand_waiting

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def account(desk: Desk) -> Account:  # noqa: F811
    made: Account = AccountFactory(broker="alpaca", base_url=f"{desk.url}/alpaca")
    sign(made, desk.api.headers["X-API-Secret"], desk)
    return made


def sign(account: Account, secret: str, far: Desk) -> None:
    account.seal_credentials({"key": far.api.headers["X-API-Key"], "secret": secret})
    account.save()


def bought(account: Account) -> Order:
    """Buy 5 AAPL at the market, of which no answer tells that they are ours yet."""
    terms: dict[str, Any] = {"symbol": "AAPL", "quantity": Decimal(5), "limit_price": None}
    order = place(account, order_type=OrderType.MARKET, **terms)
    sending.send(order.id)
    return order


def is_filled(order: Order) -> bool:
    order.refresh_from_db()
    return order.status == Status.FILLED


def is_filled_by_what_was_told(order: Order) -> bool:
    understand_waiting(now=timing.database_now())  # and nobody asks
    return is_filled(order) and order.executions.exists()


def test_a_fill_is_heard_without_asking_and_one_of_the_gap_before_it_is_live(
    account: Account,
    desk: Desk,  # noqa: F811
    start: Start,
    loop: Loop,
) -> None:
    sign(account, "not it", desk)
    first = start()
    until(lambda: row(account, "unauthorized"))
    sign(account, desk.api.headers["X-API-Secret"], desk)
    comes_to_be(account, "live")

    heard = bought(account)
    until(lambda: is_filled_by_what_was_told(heard))

    assert {trade.heard for trade in heard.executions.all()} == {"stream"}
    loop.loop.call_soon_threadsafe(first.stop)
    until(lambda: row(account, "offline"))
    known = Delivery.objects.count()
    missed = bought(account)
    missed.refresh_from_db()
    until(lambda: desk.order(missed.broker_order_id)["status"] == "filled")
    assert Delivery.objects.count() == known

    start()
    comes_to_be(account, "live")

    assert is_filled(missed)
    traded = Execution.objects.filter(order=missed)
    assert sum(trade.quantity for trade in traded) == 5
    until(lambda: Delivery.objects.count() > known)  # the far desk remembers, and tells it too
    until(lambda: work() or not Delivery.objects.filter(state="kept").exists())
    assert sum(trade.quantity for trade in traded.all()) == 5
    assert not Delivery.objects.filter(state="dead").exists()
    assert Stream.objects.get(account=account).event_id
