"""A desk whose broker is another desk: it hears of its fills by that desk's stream.

The near desk is this process, the far one a whole running desk; or they are one and the same, and
its launcher and its own processes do everything.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
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

IN_DATABASE = pytest.mark.django_db(transaction=True)


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


@IN_DATABASE
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


CLOSED = """
from orders.models import Account
Account.objects.filter(name="Elsewhere").update(is_open=False)
"""


class Elsewhere:
    """An account of the running desk whose broker is the desk itself."""

    def __init__(self, desk: Desk) -> None:  # noqa: F811
        self.desk = desk
        key, secret = desk.api.headers["X-API-Key"], desk.api.headers["X-API-Secret"]
        where = ("--broker", "alpaca", "--url", f"{desk.url}/alpaca")
        desk.manage(
            "account", "open", "Elsewhere", *where, given=json.dumps({"key": key, "secret": secret})
        )
        told = json.loads(desk.manage("key", "--json", "--account", "Elsewhere"))
        self.address = f"{desk.url}/api/v1/accounts/{told['account_id']}"
        self.client = httpx.Client(
            base_url=self.address,
            headers={"X-API-Key": told["key"], "X-API-Secret": told["secret"]},
            trust_env=False,
            timeout=20,
        )

    def stream(self) -> dict[str, Any]:
        told: dict[str, Any] = self.client.get(self.address).json()["feed"]["stream"] or {}
        return told

    def until(self, state: str) -> dict[str, Any]:
        return until(lambda: (told := self.stream()).get("state") == state and told, within=90)

    def buy(self) -> str:
        terms = {"symbol": "AAPL", "side": "buy", "quantity": "5", "order_type": "market"}
        asked = {"client_order_id": str(uuid4()), "time_in_force": "day"} | terms
        answer = self.client.post("/orders", json=asked)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def heard(self, order_id: str) -> set[str]:
        """By which doors the trades of an order were heard of, once it is filled."""
        until(
            lambda: self.client.get(f"/orders/{order_id}").json()["status"] == "filled", within=60
        )
        page = self.client.get("/executions?limit=200").json()["executions"]
        return {one["heard"] for one in page if one["order_id"] == order_id}


def test_the_launcher_keeps_a_bridge_while_an_account_needs_it(desk: Desk) -> None:  # noqa: F811
    assert desk.kill("manage.py", "stream") == 0
    elsewhere = Elsewhere(desk)
    try:
        connects = elsewhere.until("live")["connects"]
        assert elsewhere.heard(elsewhere.buy())

        assert desk.kill("manage.py", "stream") == 1
        missed = elsewhere.buy()

        assert elsewhere.heard(missed)
        until(lambda: elsewhere.until("live")["connects"] > connects, within=90)
    finally:
        elsewhere.client.delete("/orders")  # what others left at the desk came to be in here too
        desk.manage("shell", "-c", CLOSED)
    elsewhere.until("unwanted")
    until(lambda: "stream is not needed any more" in desk.log_tail(), within=60)
    elsewhere.client.close()
