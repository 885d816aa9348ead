"""The brokers this desk knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from brokers.adapter import BrokerAdapter
from brokers.alpaca.adapter import AlpacaAdapter
from brokers.alpaca.streaming import TradeUpdates
from brokers.budgeting import UNBOUNDED, Budget
from brokers.paper import impersonating
from brokers.paper.adapter import PaperAdapter
from brokers.passport import Passport
from brokers.streams import BrokerStream


@dataclass(frozen=True, slots=True)
class Broker:
    """How to connect to a broker, and on what terms.

    `adapter` verifies and reads its webhooks, which needs no connection;
    `credentials` are the names of what an account has to bring; `stream` is how its news are
    listened to where it tells them over a connection of ours.
    """

    adapter: type[BrokerAdapter]
    connect: Callable[[Mapping[str, str], str, Budget], BrokerAdapter]
    credentials: tuple[str, ...]
    stream: BrokerStream | None = None

    @property
    def passport(self) -> Passport:
        """The broker's terms."""
        return self.adapter.passport


# The paper exchange in its own person, and standing in for others.
PAPER: tuple[type[PaperAdapter], ...] = (
    PaperAdapter,
    impersonating.AsAlpaca,
    impersonating.AsTapp,
    impersonating.AsClearStreet,
    impersonating.AsGateway,
    impersonating.AsBinance,
)
KEY = ("key", "secret")
BROKERS: Mapping[str, Broker] = {
    **{one.passport.broker: Broker(one, one.connect, KEY) for one in PAPER},
    AlpacaAdapter.passport.broker: Broker(
        AlpacaAdapter, AlpacaAdapter.connect, KEY, TradeUpdates()
    ),
}


def connect(
    broker: str,
    *,
    credentials: Mapping[str, str],
    base_url: str,
    budget: Budget = UNBOUNDED,
) -> BrokerAdapter:
    """Return the adapter for one account. `budget` counts what a passport's allowance bounds.

    Raises KeyError for an unknown broker or a missing credential.
    """
    return BROKERS[broker].connect(credentials, base_url, budget)


def passport(broker: str) -> Passport:
    """Return a broker's terms. Raises KeyError for an unknown broker."""
    return BROKERS[broker].passport
