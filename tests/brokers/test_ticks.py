from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers import ticks
from brokers.errors import InvalidTicket
from brokers.messages import StopLoss, TakeProfit
from brokers.reasons import Reason
from tests.brokers.contract import TICKET

PRICES = st.decimals("0.000000001", "999999999999.999999999", places=9)
SYMBOLS = st.sampled_from(["AAPL", "BRK.B", "BTC/USD"])


@pytest.mark.parametrize(
    ("symbol", "price", "tick"),
    [
        ("AAPL", "150", "0.01"),
        ("AAPL", "1.00", "0.01"),
        ("AAPL", "0.9999", "0.0001"),
        ("AAPL", "0.00001", "0.0001"),
        ("BTC/USD", "17000", "0.000000001"),
        ("BTC/USD", "0.5", "0.000000001"),
    ],
)
def test_increments(symbol, price, tick):
    assert ticks.increment(symbol, Decimal(price)) == Decimal(tick)


@pytest.mark.parametrize(
    ("symbol", "price", "told", "tick"),
    [
        ("BTC/USD", "17000", "0.01", "0.01"),
        ("BTC/USD", "0.5", "0.25", "0.25"),
        ("AAPL", "150", "0.05", "0.05"),  # a pilot's nickel ticks
        ("AAPL", "150", "0.001", "0.01"),  # no broker may go below the rule
        ("AAPL", "0.5", "0.01", "0.0001"),  # its word is about prices from one dollar up
    ],
)
def test_a_brokers_own_word_on_an_instrument(symbol, price, told, tick):
    assert ticks.increment(symbol, Decimal(price), told=Decimal(told)) == Decimal(tick)


@pytest.mark.parametrize(
    ("change", "field", "good"),
    [
        ({"limit_price": "290.123"}, "limit_price", "290.12 or 290.13"),
        ({"limit_price": "1.001"}, "limit_price", "1 or 1.01"),
        ({"limit_price": "0.99999"}, "limit_price", "0.9999 or 1."),
        ({"limit_price": "0.00005"}, "limit_price", "Take 0.0001."),
        ({"stop_price": "10.005"}, "stop_price", "10 or 10.01"),
        ({"take_profit": TakeProfit(limit_price=Decimal("301.005"))}, "take_profit.limit_price",
         "301 or 301.01"),
        ({"stop_loss": StopLoss(stop_price=Decimal("9.999"))}, "stop_loss.stop_price",
         "9.99 or 10."),
        ({"stop_loss": StopLoss(stop_price=Decimal(10), limit_price=Decimal("9.991"))},
         "stop_loss.limit_price", "9.99 or 10."),
    ],
)  # fmt: skip
def test_refuses_what_lies_between_and_names_its_neighbours(change, field, good):
    given = {
        name: Decimal(value) if isinstance(value, str) else value for name, value in change.items()
    }

    with pytest.raises(InvalidTicket) as caught:
        ticks.check(replace(TICKET, **given))

    assert (caught.value.field, caught.value.reason) == (field, Reason.INVALID_PRICE_INCREMENT)
    assert good in str(caught.value)


@pytest.mark.parametrize("price", ["150.25", "150.250000", "1", "0.9999", "0.0001", "1e3"])
def test_takes_what_is_on_the_tick(price):
    ticks.check(replace(TICKET, limit_price=Decimal(price), stop_price=Decimal(price)))


def test_a_pair_takes_nine_decimals_unless_its_instrument_says_otherwise():
    ticket = replace(TICKET, symbol="BTC/USD", limit_price=Decimal("17000.123456789"))

    ticks.check(ticket)

    with pytest.raises(InvalidTicket, match=r"17000\.12 or 17000\.13"):
        ticks.check(ticket, told=Decimal("0.01"))


def test_trails_are_distances_and_go_by_no_tick():
    ticks.check(replace(TICKET, limit_price=None, trail_price=Decimal("0.005")))


@given(symbol=SYMBOLS, price=PRICES)
def test_neighbours_hold_the_price_and_are_good_themselves(symbol, price):
    below, above = ticks.nearest(symbol, price)

    assert below <= price <= above
    tick = ticks.increment(symbol, price)
    assert Fraction(above) - Fraction(below) in {0, Fraction(tick)}
    for good in {below, above} - {0}:
        assert ticks.nearest(symbol, good) == (good, good)


@given(symbol=SYMBOLS, price=PRICES)
def test_refuses_exactly_what_is_no_multiple(symbol, price):
    ticket = replace(TICKET, symbol=symbol, limit_price=price)
    is_good = Fraction(price) % Fraction(ticks.increment(symbol, price)) == 0

    if is_good:
        ticks.check(ticket)
    else:
        with pytest.raises(InvalidTicket):
            ticks.check(ticket)
