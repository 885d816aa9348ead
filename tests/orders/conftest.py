"""A bracket's entry, at a broker that keeps legs in one way or another."""

from __future__ import annotations

from decimal import Decimal

import pytest

from brokers import registry
from brokers.messages import StopLoss, TakeProfit
from brokers.passport import Passport
from brokers.vocabulary import OrderClass
from orders import sending
from orders.models import Order
from tests.factories import place
from tests.fakes import ScriptedBroker
from tests.orders.brackets import PENDING


@pytest.fixture
def terms(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Passport:
    passport: Passport = getattr(request, "param", PENDING)
    known = registry.passport
    monkeypatch.setattr(
        registry, "passport", lambda name: passport if name == "scripted" else known(name)
    )
    return passport


@pytest.fixture
def entry(broker: ScriptedBroker, terms: Passport) -> Order:
    """Buys 10 at 99.50, to be stopped at 95 and sold at 110; the broker has it."""
    order = place(
        wire_id="entry",
        order_class=OrderClass.BRACKET,
        take_profit=TakeProfit(limit_price=Decimal(110)),
        stop_loss=StopLoss(stop_price=Decimal(95)),
    )
    sending.send(order.id)
    order.refresh_from_db()
    return order
