"""The promises every broker adapter keeps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from brokers.messages import (
    Absent,
    Balance,
    Bar,
    Delivery,
    Holding,
    Instrument,
    Quote,
    Report,
    Ticket,
)
from brokers.passport import Passport


class BrokerAdapter(ABC):
    """One account at one broker.

    An adapter translates. It keeps no state, makes no decisions and retries
    nothing: each write method sends exactly one request. It raises only what
    `brokers.errors` defines, and what it raises carries the `Call` as evidence.
    """

    passport: ClassVar[Passport]

    # Writing: one request each. ------------------------------------------------

    @abstractmethod
    def submit(self, ticket: Ticket) -> Report:
        """Send an order and return the broker's first word on it: one snapshot of that order.

        Snapshots of its legs follow, where the broker keeps them together and
        tells them. The first snapshot's wire id, symbol, side and quantity are
        the ticket's, or Conflict is raised. Raises Refused, NotSent or
        OutcomeUnknown.
        """

    @abstractmethod
    def replace(
        self,
        broker_order_id: str,
        ticket: Ticket,
        *,
        filled: Decimal,
        was: Ticket | None = None,
    ) -> Report:
        """Ask for an order to be replaced by a new one with the ticket's terms and wire id.

        The ticket's quantity is what the new order is to work, beyond the
        `filled` that we know of the old one. A broker that can compare refuses
        when the old one has filled further: otherwise the two would overfill.
        `was` is what the old one's terms are, for a broker that is told the changes alone.
        The report has the new order's snapshot, and the old one's where the
        broker tells it. Raises Refused, NotSent or OutcomeUnknown.
        """

    @abstractmethod
    def cancel(self, broker_order_id: str) -> Report:
        """Ask for an order to be cancelled. Whether it was comes later, as a snapshot.

        Raises Refused (for instance: too late), NotSent or OutcomeUnknown.
        """

    # Reading: an answer is proof, its absence is not. ---------------------------

    @abstractmethod
    def find(self, wire_id: str) -> Report | Absent:
        """Look an order up by our own id, with all its fills, and its legs with theirs.

        Absent means that the broker itself said it has no such order, and
        nothing less: any doubt raises.
        """

    @abstractmethod
    def read(self, broker_order_id: str) -> Report | Absent:
        """Look an order up by the broker's id. What is returned is as in `find`."""

    @abstractmethod
    def orders_since(self, since: datetime) -> Iterator[Report]:
        """Yield every page of the account's orders created at or after `since`, any status."""

    @abstractmethod
    def executions_since(self, since: datetime) -> Iterator[Report]:
        """Yield every page of the account's executions at or after `since`."""

    @abstractmethod
    def holdings(self) -> tuple[Holding, ...]:
        """Return the broker's own positions."""

    @abstractmethod
    def balance(self) -> Balance:
        """Return the broker's own figures for the account."""

    # Market: what the ticket and the chart show. ---------------------------------

    @abstractmethod
    def instruments(self) -> tuple[Instrument, ...]:
        """Return what can be traded."""

    @abstractmethod
    def quote(self, symbol: str) -> Quote | None:
        """Return the latest quote, or None for a symbol the broker does not know."""

    @abstractmethod
    def bars(self, symbol: str, *, seconds: int, count: int) -> tuple[Bar, ...]:
        """Return the latest bars of an interval, oldest first."""

    # Push: what the broker tells us unasked. --------------------------------------

    untrusted_status: ClassVar[int] = 401  # the answer to a delivery that nobody vouches for

    @staticmethod
    @abstractmethod
    def verify_webhook(
        secrets: tuple[str, ...], headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> str:
        """Return the delivery's id if any of the secrets signed it. Raises Untrusted.

        Headers are keyed in lower case.
        """

    @staticmethod
    @abstractmethod
    def read_webhook(body: bytes) -> Delivery:
        """Parse a verified webhook. Raises Unreadable."""
