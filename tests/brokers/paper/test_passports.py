"""In each of its persons, the exchange takes whatever the passport of that person says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from brokers import registry
from brokers.errors import InvalidTicket
from brokers.messages import Ticket
from brokers.paper.ordering import read_terms
from brokers.paper.personalities import PERSONALITIES
from brokers.paper.translation import order_json
from brokers.vocabulary import NEEDS_LIMIT, NEEDS_STOP, OrderType, PositionEffect, Side, TimeInForce
from tests.brokers.paper.conftest import NOON, Floor

PRICES = {"AAPL": Decimal(150), "BTC/USD": Decimal(17_000)}


def tickets() -> Iterator[Ticket]:
    """Yield simple orders of every kind, as a trader might ask for them."""
    sizes = [
        {"quantity": Decimal(1), "notional": None},
        {"quantity": Decimal("0.5"), "notional": None},
        {"quantity": None, "notional": Decimal(100)},
    ]
    for symbol, price in PRICES.items():
        for kind in OrderType:
            for time_in_force in TimeInForce:
                trails = kind is OrderType.TRAILING_STOP
                until = time_in_force is TimeInForce.GTD
                ticket = Ticket(
                    wire_id="w",
                    symbol=symbol,
                    side=Side.BUY,
                    quantity=Decimal(1),
                    order_type=kind,
                    time_in_force=time_in_force,
                    limit_price=price if kind in NEEDS_LIMIT else None,
                    stop_price=price + 5 if kind in NEEDS_STOP else None,
                    trail_percent=Decimal(2) if trails else None,
                    expires_at=NOON + timedelta(days=3) if until else None,
                )
                for size in sizes:
                    yield replace(ticket, **size)
                yield replace(ticket, extended_hours=True)
                yield replace(ticket, position_effect=PositionEffect.OPEN)
                if trails:
                    yield replace(ticket, trail_percent=None, trail_price=Decimal(2))


@pytest.mark.parametrize("name", PERSONALITIES)
def test_whatever_a_passport_lets_through_is_taken(tmp_path, name):
    broker = "paper" if name == "paper" else f"paper-{name}"
    passport, taken = registry.passport(broker), 0
    floor = Floor(tmp_path / name, personality=name)
    try:
        floor.price("17000", symbol="BTC/USD")
        for number, ticket in enumerate(tickets()):
            named = replace(ticket, wire_id=f"w-{number}")
            try:
                passport.check(named)
            except InvalidTicket:
                continue
            terms = read_terms(_plain(order_json(named)))
            order, _ = floor.exchange.place(floor.account, terms, now=floor.now)
            taken += 1
            assert order.told["status"]
    finally:
        floor.close()
    assert taken >= 10


def _plain(told):
    """Return a request as it is once it has travelled."""
    return json.loads(json.dumps(told, default=lambda amount: f"{amount:f}"))
