from __future__ import annotations

from dataclasses import replace
from decimal import Context, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers import tickets
from brokers.errors import InvalidTicket
from brokers.vocabulary import NEEDS_LIMIT, NEEDS_STOP, OrderType
from tests.brokers.contract import TICKET

WIDE = Context(prec=200)


@pytest.mark.parametrize("order_type", list(OrderType))
def test_a_price_goes_with_the_types_that_take_one(order_type):
    bare = replace(TICKET, order_type=order_type, limit_price=None, stop_price=None)
    limit = Decimal(100) if order_type in NEEDS_LIMIT else None
    stop = Decimal(100) if order_type in NEEDS_STOP else None

    tickets.check(replace(bare, limit_price=limit, stop_price=stop))

    for field, price in (("limit_price", limit), ("stop_price", stop)):
        wrong = replace(bare, limit_price=limit, stop_price=stop)
        wrong = replace(wrong, **{field: None if price else Decimal(100)})
        with pytest.raises(InvalidTicket) as caught:
            tickets.check(wrong)
        assert caught.value.field == field


@pytest.mark.parametrize(
    "amount",
    [
        "0", "-1", "NaN", "sNaN", "Infinity", "-Infinity", "1e12", "1e999999", "1e-999999", "1e-10",
        # 25 decimals: more digits than the default context, which would round them out of sight
        "123456789012.1234567890000000000000001",
    ],
)  # fmt: skip
@pytest.mark.parametrize("field", ["quantity", "limit_price"])
def test_an_amount_nobody_can_act_on_is_named(field, amount):
    with pytest.raises(InvalidTicket) as caught:
        tickets.check(replace(TICKET, **{field: Decimal(amount)}))

    assert caught.value.field == field
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("amount", ["1", "0.000000001", "999999999999.999999999", "1e3", "1.50"])
def test_an_amount_anybody_can_is_taken(amount):
    tickets.check(replace(TICKET, quantity=Decimal(amount)))


def test_names_an_instrument():
    with pytest.raises(InvalidTicket) as caught:
        tickets.check(replace(TICKET, symbol=""))

    assert caught.value.field == "symbol"


@given(st.decimals(allow_nan=False, allow_infinity=False) | st.decimals(0, 10**12, places=12))
def test_takes_exactly_what_has_nine_decimals(amount):
    with localcontext(WIDE):
        fine = 0 < amount < 10**12 and (amount * 10**9) % 1 == 0 if abs(amount) < 10**30 else False

    try:
        tickets.check(replace(TICKET, quantity=amount))
    except InvalidTicket:
        assert not fine
    else:
        assert fine
