"""What a replacement keeps of the order it replaces, and what it may change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from brokers.messages import StopLoss, TakeProfit
from brokers.paper.ordering import read_replacement, read_terms
from brokers.paper.refusals import Refusal
from brokers.paper.terms import Terms, terms_from, terms_json
from brokers.vocabulary import OrderClass, OrderType, PositionEffect, Side, TimeInForce

WHOLE = Terms(
    client_order_id="c1",
    symbol="AAPL",
    side=Side.SELL,
    type=OrderType.STOP_LIMIT,
    time_in_force=TimeInForce.GTD,
    quantity=Decimal(10),
    limit_price=Decimal("139.5"),
    stop_price=Decimal(140),
    expires_at=datetime(2030, 1, 1, tzinfo=UTC),
    position_effect=PositionEffect.CLOSE,
)
TRAILING = replace(
    WHOLE,
    type=OrderType.TRAILING_STOP,
    time_in_force=TimeInForce.GTC,
    limit_price=None,
    stop_price=None,
    expires_at=None,
    trail_percent=Decimal("2.5"),
)
FAMILY = replace(
    WHOLE,
    order_class=OrderClass.BRACKET,
    take_profit=TakeProfit(limit_price=Decimal(160)),
    stop_loss=StopLoss(stop_price=Decimal(120), limit_price=Decimal("119.5")),
)
MONEY = replace(WHOLE, quantity=None, notional=Decimal("99.95"), extended_hours=True)
GIVEN = {"client_order_id": "c2", "quantity": "7"}


@pytest.mark.parametrize("terms", [WHOLE, TRAILING, FAMILY, MONEY], ids=lambda terms: terms.type)
def test_terms_are_told_and_read_as_they_are(terms):
    told = terms_json(terms)

    assert terms_from(told) == terms
    assert read_terms(told) == terms


@pytest.mark.parametrize("old", [WHOLE, TRAILING, FAMILY], ids=lambda terms: terms.order_class)
def test_what_is_left_out_stays(old):
    new = read_replacement(GIVEN, of=old)

    assert new == replace(old, client_order_id="c2", quantity=Decimal(7))


def test_a_trail_changes_its_value():
    new = read_replacement({**GIVEN, "trail_percent": "3"}, of=TRAILING)

    assert (new.trail_percent, new.trail_price) == (3, None)


def test_an_order_that_is_no_longer_until_a_date_has_none():
    new = read_replacement({**GIVEN, "time_in_force": "gtc"}, of=WHOLE)

    assert (new.time_in_force, new.expires_at) == (TimeInForce.GTC, None)


@pytest.mark.parametrize(
    ("old", "change", "field"),
    [
        (WHOLE, {"symbol": "MSFT"}, "symbol"),
        (WHOLE, {"side": "buy"}, "side"),
        (WHOLE, {"type": "stop"}, "type"),
        (WHOLE, {"position_effect": "open"}, "position_effect"),
        (WHOLE, {"order_class": "bracket"}, "order_class"),
        (WHOLE, {"notional": "100"}, "notional"),
        (WHOLE, {"trail_price": "5"}, "trail_price"),
        (TRAILING, {"trail_price": "5"}, "trail_price"),
        (TRAILING, {"stop_price": "140"}, "stop_price"),
    ],
    ids=str,
)
def test_what_an_order_is_does_not_change(old, change, field):
    with pytest.raises(Refusal) as caught:
        read_replacement({**GIVEN, **change}, of=old)

    assert (caught.value.code, caught.value.field) == (f"invalid_{field}", field)


def test_an_order_for_money_is_not_replaced():
    with pytest.raises(Refusal) as caught:
        read_replacement(GIVEN, of=MONEY)

    assert caught.value.code == "not_replaceable"
