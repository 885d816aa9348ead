"""One account's inbox, and deliveries that say what the test wants."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from math import inf
from typing import Any

import pytest
from django.utils import timezone

from brokers import registry
from brokers.messages import Delivery as Told
from orders import actors
from orders.models import Account, Order
from tests.factories import AccountFactory, OrderFactory
from webhooks import trusting
from webhooks.enrolling import enroll
from webhooks.models import Delivery, Endpoint

TESTS = actors.component("tests")

Deliver = Callable[[Any], Delivery]


def forget_gates() -> None:
    """Have the door read the endpoints afresh, as it does once a second."""
    trusting._known = trusting._Known(-inf, {})


@pytest.fixture
def order(says: dict[bytes, Any]) -> Order:
    return OrderFactory(sending=True, account=AccountFactory(broker="paper"))


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> dict[bytes, Any]:
    """What each body says: the parsing itself is the adapter's, and tested there.

    A report, a whole message, or what is raised instead.
    """
    meanings: dict[bytes, Any] = {}

    def read(body: bytes) -> Told:
        meaning = meanings[body]
        if isinstance(meaning, Exception):
            raise meaning
        if isinstance(meaning, Told):
            return meaning
        return Told(event="order.updated", report=meaning)

    monkeypatch.setattr(registry.BROKERS["paper"].adapter, "read_webhook", staticmethod(read))
    return meanings


@pytest.fixture
def deliver(order: Order, says: dict[bytes, Any]) -> Deliver:
    """Keep a delivery of this meaning at the order's account, not yet understood."""
    return delivering(order.account, says)


def delivering(account: Account, says: dict[bytes, Any]) -> Deliver:
    endpoint, _ = enroll(account, actor=TESTS, now=timezone.now())

    def keep(meaning: Any) -> Delivery:
        body = f"body {len(says)}".encode()
        says[body] = meaning
        return kept(endpoint, body)

    return keep


def kept(endpoint: Endpoint, body: bytes, *, name: str = "") -> Delivery:
    return Delivery.objects.create(
        endpoint=endpoint,
        delivery_id=name or body.decode(),
        digest=sha256(body).digest(),
        body=body,
        received_at=timezone.now(),
    )
