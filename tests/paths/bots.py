"""A bot written with alpaca-py, and an account of its own on the running desk for it to trade in.

    from tests.paths.bots import bot, bots  # noqa: F401

    def test_something(desk, bot):
        order = bot.client.submit_order(...)         # the SDK as it comes, over HTTP
        bot.until(order, status="filled")            # by the SDK
        bot.check_once(order)                        # at the exchange, in the audit, natively

The exchange stands in for Alpaca towards the account. After each test nothing of it is left open.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.models import Order
from alpaca.trading.requests import GetOrderByIdRequest

from tests.running_desk import Desk

OPEN = """
import json, secrets
from decimal import Decimal
from django.conf import settings
from brokers import registry
from brokers.paper.admin import Admin
from orders import issuing, opening, timing
from orders.actors import component
from webhooks.enrolling import enroll

now, actor, told = timing.database_now(), component("test"), []
for name, replays in (("Bot", False), ("Bot that sends again", True)):
    theirs = {"key": secrets.token_hex(8), "secret": secrets.token_urlsafe(24)}
    url = settings.DESK_PAPER_URL
    account = opening.open_account(
        name=name, broker="paper-alpaca", environment="paper", base_url=url, credentials=theirs,
        actor=actor, now=now,
    )
    account.replays_duplicates = replays
    account.save(update_fields=["replays_duplicates"])
    Admin(base_url=url, token=settings.DESK_PAPER_TOKEN).open_account(
        **theirs, cash=Decimal(1_000_000), name=name, personality="alpaca"
    )
    endpoint, secret = enroll(account, actor=actor, now=now)
    adapter = registry.connect(account.broker, credentials=theirs, base_url=url)
    adapter.deliver_to(f"{settings.DESK_URL}/webhooks/{endpoint.token}", secret)
    key, key_secret = issuing.issue(account, name="bot", may_trade=True, actor=actor, now=now)
    reader, its_secret = issuing.issue(account, name="eye", may_trade=False, actor=actor, now=now)
    told.append({
        "account_id": str(account.id), "paper_key": theirs["key"],
        "key": key.key, "secret": key_secret,
        "reader": {"key": reader.key, "secret": its_secret},
    })
print(json.dumps(told))
"""


@dataclass
class Bot:
    """A client of the desk in Alpaca's words, with a native one and the exchange's books beside."""

    desk: Desk
    account_id: str
    paper_key: str
    key: str
    secret: str
    reader: Mapping[str, str]
    client: TradingClient = field(init=False)
    native: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.sdk()
        self.native = httpx.Client(
            base_url=f"{self.desk.url}/api/v1/accounts/{self.account_id}",
            headers={"X-API-Key": self.key, "X-API-Secret": self.secret},
            trust_env=False,
            timeout=20,
        )

    def sdk(self, *, url: str = "", key: str = "", secret: str = "") -> TradingClient:
        """Return a client of the SDK, with only the address changed."""
        return TradingClient(
            key or self.key,
            secret or self.secret,
            paper=True,
            url_override=url or f"{self.desk.url}/alpaca",
        )

    def close(self) -> None:
        self.client._session.close()
        self.native.close()

    # As the SDK sees it. ---------------------------------------------------------------------

    def order(self, order: Order | UUID | str) -> Order:
        """Return an order as it stands, with its legs inside."""
        wanted = order.id if isinstance(order, Order) else order
        return self.client.get_order_by_id(wanted, GetOrderByIdRequest(nested=True))

    def until(self, order: Order | UUID | str, **wanted: Any) -> Order:
        """Wait until an order's fields are so, and return it."""

        def so() -> Order | None:
            found = self.order(order)
            return found if all(getattr(found, name) == wanted[name] for name in wanted) else None

        return self.desk.until(so, what=f"{wanted} of {self.order(order)}")

    def until_legs(self, order: Order, **kinds: str) -> dict[str, Order]:
        """Wait until an order has legs of these types, each with this status; return them so."""

        def so() -> dict[str, Order] | None:
            legs = {leg.type.value: leg for leg in self.order(order).legs or []}
            return legs if {name: leg.status.value for name, leg in legs.items()} == kinds else None

        return self.desk.until(so, what=f"legs {kinds} of {self.order(order)}")

    def held(self, symbol: str) -> Decimal:
        """Return how much is held of a symbol."""
        try:
            return Decimal(self.client.get_open_position(symbol).qty)
        except APIError as error:
            assert (error.status_code, error.code) == (404, 40410000)
            return Decimal(0)

    def until_held(self, symbol: str, quantity: str) -> None:
        self.desk.until(
            lambda: self.held(symbol) == Decimal(quantity), what=f"{quantity} {symbol} held"
        )

    # As everybody else sees it. --------------------------------------------------------------

    def read(self, path: str) -> dict[str, Any]:
        """Return what the native API answers."""
        answer = self.native.get(path)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def exchange(self, table: str) -> list[dict[str, Any]]:
        """Return the lines of the exchange's own ledger for this account."""
        query = f"/admin/ledger/{table}?account={self.paper_key}&limit=10000"
        lines: list[dict[str, Any]] = self.desk._admin("GET", query)["lines"]
        return lines

    def faults(self, **faults: Mapping[str, Any]) -> None:
        """Set the exchange's faults for this account. Those not named are taken off."""
        self.desk._admin("PUT", "/admin/faults", {"account": self.paper_key, "faults": faults})

    def at_exchange(self, client_order_id: str) -> list[dict[str, Any]]:
        """Return the exchange's orders under one of our ids."""
        orders = self.exchange("orders")
        return [one for one in orders if one["client_order_id"] == client_order_id]

    def executions(self, order: Order) -> list[dict[str, Any]]:
        """Return what truly traded of an order."""
        (theirs,) = self.at_exchange(order.client_order_id)
        return [one for one in self.exchange("executions") if one["order_id"] == theirs["id"]]

    def traded(self, order: Order) -> Decimal:
        return sum((Decimal(one["quantity"]) for one in self.executions(order)), Decimal(0))

    def check_once(self, order: Order) -> dict[str, Any]:
        """Check that an order is one at the exchange, on the record, and the same natively.

        Returns the exchange's own line for it.
        """

        def accepted() -> dict[str, Any] | None:
            found = self.read(f"/orders/{order.id}")
            return found if found["submission"] == "accepted" else None

        native = self.desk.until(accepted, what=f"the broker's word on {order.client_order_id}")
        assert native["client_order_id"] == order.client_order_id
        assert (native["symbol"], native["side"]) == (order.symbol, order.side.value)
        (theirs,) = self.at_exchange(native["wire_id"])
        assert theirs["id"] == native["broker_order_id"]
        events = self.read(f"/orders/{order.id}/events")["events"]
        placed = [one for one in events if one["action"] == "order.placed"]
        assert [one["actor_kind"] for one in placed] == ["api_key"]
        return theirs

    def clear(self) -> None:
        """Leave nothing open and nothing held."""
        self.faults()

        def is_flat() -> bool:
            if self.client.get_orders():
                self.client.cancel_orders()
                return False
            if self.client.get_all_positions():
                self.client.close_all_positions()
                return False
            return True

        self.desk.until(is_flat, what="nothing open, nothing held")


def a_name() -> str:
    """Return a client order id that nobody has used."""
    return f"bot-{uuid4()}"


@pytest.fixture(scope="session")
def bots(desk_process: Desk) -> Iterator[tuple[Bot, Bot]]:
    """Two accounts; the second replays what it is sent again."""
    told = json.loads(desk_process.manage("shell", "-c", OPEN).splitlines()[-1])
    first, second = (Bot(desk_process, **one) for one in told)
    yield first, second
    first.close()
    second.close()


@pytest.fixture
def bot(desk: Desk, bots: tuple[Bot, Bot]) -> Iterator[Bot]:
    """A bot with an account in which nothing is open and nothing is held."""
    found, _ = bots
    yield found
    found.clear()
