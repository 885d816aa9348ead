"""An exchange in this process, with no server around it: for what happens inside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from brokers.paper.accounts import Account, Webhook
from brokers.paper.exchange import Exchange
from brokers.paper.faults import Faults
from brokers.paper.ledger import Ledger
from brokers.paper.market import Phase
from brokers.paper.orders import Order
from brokers.paper.personalities import PERSONALITIES
from brokers.paper.recording import News
from brokers.paper.refusals import Refusal
from brokers.paper.terms import Terms
from brokers.vocabulary import OrderType, Side, TimeInForce

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Floor:
    """An exchange, one account on it, and a clock that moves by hand."""

    def __init__(
        self, directory: Path, *, cash: str = "1000000", personality: str = "paper"
    ) -> None:
        self.directory, self.now = directory, NOON
        self.luck = Faults(seed=1)
        self.news: list[News] = []
        self._ids = count(1)
        self._open()
        self.account = Account(
            key="k",
            secret_digest="d",
            name="k",
            deposit=Decimal(cash),
            personality=PERSONALITIES[personality],
            refuses_wash_trades=PERSONALITIES[personality].refuses_wash_trades,
        )
        self.account.webhook = Webhook(url="http://x", secret="whsec_eA==")
        self.exchange.records.keep_account(self.account, now=NOON)
        self.price("150")

    def price(self, price: str, *, size: str = "1000000", symbol: str = "AAPL") -> None:
        """Hold a price: bids a cent and two below it, asks a cent and two above."""
        self.exchange.market.set_price(symbol, Decimal(price), size=Decimal(size))

    def terms(self, quantity: str | None = "10", **given: object) -> Terms:
        """Return a market order to buy AAPL, but for what is given: amounts as strings do."""
        limit, stop = given.pop("limit", None), given.pop("stop", None)
        for name in ("notional", "trail_price", "trail_percent"):
            if given.get(name) is not None:
                given[name] = Decimal(str(given[name]))
        kind = {
            (False, False): OrderType.MARKET,
            (True, False): OrderType.LIMIT,
            (False, True): OrderType.STOP,
            (True, True): OrderType.STOP_LIMIT,
        }[limit is not None, stop is not None]
        told = {
            "client_order_id": f"c{next(self._ids)}",
            "symbol": "AAPL",
            "side": Side.BUY,
            "type": OrderType.TRAILING_STOP
            if given.keys() & {"trail_price", "trail_percent"}
            else kind,
            "time_in_force": TimeInForce.GTC,
            "quantity": None if quantity is None else Decimal(quantity),
            "limit_price": None if limit is None else Decimal(str(limit)),
            "stop_price": None if stop is None else Decimal(str(stop)),
            **given,
        }
        return Terms(**told)  # type: ignore[arg-type]

    def place(self, quantity: str | None = "10", **given: object) -> Order:
        """Place an order."""
        order, _ = self.exchange.place(self.account, self.terms(quantity, **given), now=self.now)
        self.news += self.exchange.commit()
        return order

    def spend(self, notional: str, **given: object) -> Order:
        """Place a day order for an amount of money."""
        told = {"time_in_force": TimeInForce.DAY, **given}
        return self.place(None, notional=notional, **told)

    def refuses(self, quantity: str | None = "10", **given: object) -> str:
        """Return the code that an order is refused with, having seen that it leaves nothing."""
        before = dict(self.exchange.books.orders)
        with pytest.raises(Refusal) as caught:
            self.place(quantity, **given)
        assert self.exchange.books.orders == before
        return caught.value.code

    def turn(self, phase: Phase, *, symbol: str = "AAPL") -> None:
        """Open or close a market."""
        self.exchange.turn(symbol, phase, now=self.now)
        self.news += self.exchange.commit()

    def step(self, *, after: timedelta = timedelta(milliseconds=250)) -> None:
        """Let a tick pass."""
        self.now += after
        self.exchange.step(now=self.now)
        self.news += self.exchange.commit()

    def strike(self, **faults: Mapping[str, object]) -> None:
        """Set the account's faults, and take off the others."""
        self.luck.set(self.account.key, faults)

    def lines(self, table: str, name: str) -> list[dict[str, Any]]:
        """Return what the ledger tells of something, oldest first."""
        return [line.body for line in self.exchange.ledger.lines(table, name=name)]

    def fills(self, order: Order) -> list[tuple[str, str]]:
        """Return an order's fills as quantity and price."""
        return [
            (f"{fill.quantity:f}", f"{fill.price:f}")
            for fill in self.exchange.books.executions_in(order)
        ]

    def reopen(self) -> None:
        """Close the ledger and build the exchange anew from it."""
        self.close()
        self._open()
        self.account = self.exchange.books.accounts["k"]

    def close(self) -> None:
        self.exchange.ledger.close()

    def _open(self) -> None:
        self.exchange = Exchange(Ledger(self.directory), seed=1, now=self.now, luck=self.luck)


@pytest.fixture
def alpaca_floor(tmp_path: Path) -> Iterator[Floor]:
    """One whose account is dealt with as Alpaca does."""
    floor = Floor(tmp_path / "alpaca", personality="alpaca")
    yield floor
    floor.close()


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[Floor]:
    floor = Floor(tmp_path / "floor")
    yield floor
    floor.close()
