from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from brokers import registry
from brokers.adapter import BrokerAdapter
from brokers.errors import InvalidTicket
from brokers.passport import smallest_step
from brokers.vocabulary import OrderType, TimeInForce
from tests.brokers.contract import TICKET

STRICT = replace(
    registry.passport("paper"),
    title="Strict",
    order_types=frozenset({OrderType.MARKET, OrderType.LIMIT}),
    times_in_force=frozenset({TimeInForce.DAY, TimeInForce.GTC}),
    market_tifs=frozenset({TimeInForce.DAY}),
    quantity_decimals=0,
    wire_id_pattern=r"[a-z0-9-]+",
    wire_id_length=8,
)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"order_type": OrderType.STOP}, "order_type"),
        ({"time_in_force": TimeInForce.IOC}, "time_in_force"),
        ({"order_type": OrderType.MARKET, "time_in_force": TimeInForce.GTC}, "time_in_force"),
        ({"quantity": Decimal("1.5")}, "quantity"),
        ({"wire_id": "order-123"}, "client_order_id"),
        ({"wire_id": "Order-1"}, "client_order_id"),
        ({"wire_id": "order-1\n"}, "client_order_id"),
        ({"wire_id": ""}, "client_order_id"),
    ],
)
def test_says_what_a_broker_cannot_carry(change, field):
    with pytest.raises(InvalidTicket) as caught:
        STRICT.check(replace(TICKET, **change))

    assert caught.value.field == field


def test_takes_what_it_can():
    STRICT.check(TICKET)
    STRICT.check(replace(TICKET, order_type=OrderType.MARKET))
    STRICT.check(replace(TICKET, time_in_force=TimeInForce.GTC))
    replace(STRICT, quantity_decimals=3).check(replace(TICKET, quantity=Decimal("0.125")))


def test_smallest_step():
    assert [smallest_step(n) for n in (0, 3, 9)] == [1, Decimal("0.001"), Decimal("1e-9")]


@pytest.mark.parametrize("name", registry.BROKERS)
class TestEveryPassport:
    def test_is_filed_under_its_own_name(self, name):
        assert registry.passport(name).broker == name

    def test_allows_for_doubt_in_the_order_it_arises(self, name):
        doubt = registry.passport(name).doubt

        assert doubt.first_grace < doubt.second_grace <= doubt.escalate_after

    def test_takes_only_what_it_takes_of_others_for_market_orders(self, name):
        passport = registry.passport(name)

        assert passport.market_tifs <= passport.times_in_force

    def test_connects_with_the_credentials_it_names(self, name):
        broker = registry.BROKERS[name]
        credentials = dict.fromkeys(broker.credentials, "value")

        adapter = registry.connect(name, credentials=credentials, base_url="https://b.example")

        assert isinstance(adapter, BrokerAdapter)
        assert adapter.passport is broker.passport


@pytest.mark.parametrize("asked", [registry.passport, registry.BROKERS.__getitem__])
def test_an_unknown_broker_is_a_key_error(asked):
    with pytest.raises(KeyError):
        asked("nobody")


def test_a_missing_credential_is_a_key_error():
    with pytest.raises(KeyError):
        registry.connect("paper", credentials={"key": "k"}, base_url="http://x")
