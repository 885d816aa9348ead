"""The brokers this desk knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from brokers.adapter import BrokerAdapter
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
    connect: Callable[[Mapping[str, str], str], BrokerAdapter]
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
BROKERS: Mapping[str, Broker] = {
    adapter.passport.broker: Broker(adapter, adapter.connect, ("key", "secret"))
    for adapter in PAPER
}


def connect(broker: str, *, credentials: Mapping[str, str], base_url: str) -> BrokerAdapter:
    """Return the adapter for one account.

    Raises KeyError for an unknown broker or a missing credential.
    """
    return BROKERS[broker].connect(credentials, base_url)


def passport(broker: str) -> Passport:
    """Return a broker's terms. Raises KeyError for an unknown broker."""
    return BROKERS[broker].passport
