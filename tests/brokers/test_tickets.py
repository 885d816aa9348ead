from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Context, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers import tickets
from brokers.errors import InvalidTicket
from brokers.messages import StopLoss, TakeProfit
from brokers.reasons import Reason
from brokers.vocabulary import (
    NEEDS_LIMIT,
    NEEDS_STOP,
    OrderClass,
    OrderType,
    PositionEffect,
    Side,
    TimeInForce,
)
from tests.brokers.contract import TICKET

WIDE = Context(prec=200)
R = Reason
D = Decimal
SOON = datetime(2026, 3, 2, 20, tzinfo=UTC)


def kind(order_type, time_in_force=TimeInForce.DAY, **changes):
    """A plain ticket of a type, with the prices that go with it."""
    return replace(
        TICKET,
        **{
            "order_type": order_type,
            "time_in_force": time_in_force,
            "limit_price": D(100) if order_type in NEEDS_LIMIT else None,
            "stop_price": D(100) if order_type in NEEDS_STOP else None,
            "trail_price": D(1) if order_type is OrderType.TRAILING_STOP else None,
            "expires_at": SOON if time_in_force is TimeInForce.GTD else None,
            **changes,
        },
    )


def target(price):
    return TakeProfit(limit_price=D(price))


def stop(price, limit=None):
    return StopLoss(stop_price=D(price), limit_price=None if limit is None else D(limit))


MARKET = kind(OrderType.MARKET)
LIMIT = kind(OrderType.LIMIT)
TRAILING = kind(OrderType.TRAILING_STOP)
PAIR = replace(LIMIT, symbol="BTC/USD")
BRACKET = replace(
    LIMIT, order_class=OrderClass.BRACKET, take_profit=target(110), stop_loss=stop(90)
)
SHORT = replace(BRACKET, side=Side.SELL, take_profit=target(90), stop_loss=stop(110))
OTO = replace(LIMIT, order_class=OrderClass.OTO, stop_loss=stop(90))
OCO = replace(  # out of a long position: the target at 100, the stop below it
    LIMIT, side=Side.SELL, order_class=OrderClass.OCO, stop_loss=stop(90)
)
COVER = replace(OCO, side=Side.BUY, stop_loss=stop(110))

REFUSED = [
    # what is traded, and how much of it
    (LIMIT, {"symbol": ""}, "symbol", R.MISSING_FIELD),
    (LIMIT, {"quantity": None}, "quantity", R.MISSING_FIELD),
    (LIMIT, {"notional": D(100)}, "notional", R.UNWANTED_FIELD),
    (MARKET, {"quantity": None, "notional": D(-1)}, "notional", R.INVALID_FIELD),
    # prices that go with the type
    (MARKET, {"limit_price": D(1)}, "limit_price", R.UNWANTED_FIELD),
    (MARKET, {"stop_price": D(1)}, "stop_price", R.UNWANTED_FIELD),
    (LIMIT, {"limit_price": None}, "limit_price", R.MISSING_FIELD),
    (LIMIT, {"stop_price": D(1)}, "stop_price", R.UNWANTED_FIELD),
    (kind(OrderType.STOP), {"stop_price": None}, "stop_price", R.MISSING_FIELD),
    (kind(OrderType.STOP), {"limit_price": D(1)}, "limit_price", R.UNWANTED_FIELD),
    (kind(OrderType.STOP_LIMIT), {"limit_price": None}, "limit_price", R.MISSING_FIELD),
    (kind(OrderType.STOP_LIMIT), {"stop_price": None}, "stop_price", R.MISSING_FIELD),
    # trails
    (LIMIT, {"trail_price": D(1)}, "trail_price", R.UNWANTED_FIELD),
    (MARKET, {"trail_percent": D(1)}, "trail_percent", R.UNWANTED_FIELD),
    (TRAILING, {"trail_price": None}, "trail_price", R.MISSING_FIELD),
    (TRAILING, {"trail_percent": D(1)}, "trail_percent", R.UNWANTED_FIELD),
    (TRAILING, {"trail_price": None, "trail_percent": D("0.09")}, "trail_percent",
     R.INVALID_FIELD),
    (TRAILING, {"trail_price": None, "trail_percent": D(100)}, "trail_percent", R.INVALID_FIELD),
    (TRAILING, {"trail_price": D("NaN")}, "trail_price", R.INVALID_FIELD),
    (TRAILING, {"trail_price": D("sNaN")}, "trail_price", R.INVALID_FIELD),
    (TRAILING, {"trail_price": None, "trail_percent": D("-sNaN")}, "trail_percent",
     R.INVALID_FIELD),
    (TRAILING, {"stop_price": D(1)}, "stop_price", R.UNWANTED_FIELD),
    (TRAILING, {"limit_price": D(1)}, "limit_price", R.UNWANTED_FIELD),
    (TRAILING, {"time_in_force": TimeInForce.IOC}, "time_in_force", R.UNSUPPORTED_TIME_IN_FORCE),
    (TRAILING, {"order_class": OrderClass.OTO, "stop_loss": stop(1)}, "order_class",
     R.UNSUPPORTED_CLASS),
    (TRAILING, {"quantity": D("1.5")}, "quantity", R.UNSUPPORTED_FRACTIONAL),
    (TRAILING, {"quantity": None, "notional": D(5)}, "notional", R.UNSUPPORTED_NOTIONAL),
    # time
    (LIMIT, {"time_in_force": TimeInForce.GTD}, "expires_at", R.MISSING_FIELD),
    (LIMIT, {"expires_at": SOON}, "expires_at", R.UNWANTED_FIELD),
    (LIMIT, {"time_in_force": TimeInForce.GTD, "expires_at": SOON.replace(tzinfo=None)},
     "expires_at", R.INVALID_FIELD),
    *(
        (kind(order_type, tif), {}, "time_in_force", R.UNSUPPORTED_TIME_IN_FORCE)
        for order_type in (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)
        for tif in (TimeInForce.OPG, TimeInForce.CLS)
    ),
    # outside regular hours
    (MARKET, {"extended_hours": True}, "extended_hours", R.UNSUPPORTED_EXTENDED_HOURS),
    (kind(OrderType.STOP_LIMIT), {"extended_hours": True}, "extended_hours",
     R.UNSUPPORTED_EXTENDED_HOURS),
    (LIMIT, {"extended_hours": True, "time_in_force": TimeInForce.IOC}, "extended_hours",
     R.UNSUPPORTED_EXTENDED_HOURS),
    (BRACKET, {"extended_hours": True}, "extended_hours", R.UNSUPPORTED_EXTENDED_HOURS),
    # parts of a share, and for money
    *(
        (kind(OrderType.LIMIT, tif), {"quantity": D("0.5")}, "quantity", R.UNSUPPORTED_FRACTIONAL)
        for tif in set(TimeInForce) - {TimeInForce.DAY}
    ),
    *(
        (kind(OrderType.MARKET, tif), {"quantity": None, "notional": D(9)}, "notional",
         R.UNSUPPORTED_NOTIONAL)
        for tif in set(TimeInForce) - {TimeInForce.DAY}
    ),
    (BRACKET, {"quantity": D("0.5")}, "quantity", R.UNSUPPORTED_FRACTIONAL),
    (OTO, {"quantity": None, "notional": D(9)}, "notional", R.UNSUPPORTED_NOTIONAL),
    (MARKET, {"side": Side.SELL, "position_effect": PositionEffect.OPEN, "quantity": D("0.5")},
     "quantity", R.UNSUPPORTED_FRACTIONAL),
    # which legs
    (LIMIT, {"stop_loss": stop(90)}, "stop_loss", R.UNWANTED_FIELD),
    (LIMIT, {"take_profit": target(110)}, "take_profit", R.UNWANTED_FIELD),
    (BRACKET, {"take_profit": None}, "take_profit", R.MISSING_FIELD),
    (BRACKET, {"stop_loss": None}, "stop_loss", R.MISSING_FIELD),
    (OTO, {"stop_loss": None}, "stop_loss", R.MISSING_FIELD),
    (OTO, {"take_profit": target(110)}, "take_profit", R.UNWANTED_FIELD),
    (OCO, {"stop_loss": None}, "stop_loss", R.MISSING_FIELD),
    (OCO, {"take_profit": target(110)}, "take_profit", R.UNWANTED_FIELD),
    # the order they belong to
    (OCO, {"order_type": OrderType.MARKET, "limit_price": None}, "order_type",
     R.UNSUPPORTED_TYPE),
    (BRACKET, {"order_type": OrderType.STOP_LIMIT, "stop_price": D(100)}, "order_type",
     R.UNSUPPORTED_TYPE),
    (OTO, {"order_type": OrderType.STOP, "stop_price": D(100), "limit_price": None}, "order_type",
     R.UNSUPPORTED_TYPE),
    *(
        (ticket, {"time_in_force": tif}, "time_in_force", R.UNSUPPORTED_TIME_IN_FORCE)
        for ticket in (BRACKET, OTO, OCO)
        for tif in (TimeInForce.IOC, TimeInForce.FOK, TimeInForce.OPG, TimeInForce.CLS)
    ),
    (BRACKET, {"position_effect": PositionEffect.CLOSE}, "position_effect",
     R.POSITION_EFFECT_MISMATCH),
    (OCO, {"position_effect": PositionEffect.OPEN}, "position_effect",
     R.POSITION_EFFECT_MISMATCH),
    # where their prices stand
    (BRACKET, {"take_profit": target(100)}, "take_profit.limit_price", R.TAKE_PROFIT_WRONG_SIDE),
    (BRACKET, {"take_profit": target("100.009")}, "take_profit.limit_price",
     R.TAKE_PROFIT_WRONG_SIDE),
    (BRACKET, {"stop_loss": stop(100)}, "stop_loss.stop_price", R.STOP_LOSS_WRONG_SIDE),
    (BRACKET, {"stop_loss": stop("99.991")}, "stop_loss.stop_price", R.STOP_LOSS_WRONG_SIDE),
    (SHORT, {"take_profit": target(100)}, "take_profit.limit_price", R.TAKE_PROFIT_WRONG_SIDE),
    (SHORT, {"stop_loss": stop(100)}, "stop_loss.stop_price", R.STOP_LOSS_WRONG_SIDE),
    (OTO, {"stop_loss": stop(101)}, "stop_loss.stop_price", R.STOP_LOSS_WRONG_SIDE),
    (OTO, {"stop_loss": None, "take_profit": target(99)}, "take_profit.limit_price",
     R.TAKE_PROFIT_WRONG_SIDE),
    (BRACKET, {"order_type": OrderType.MARKET, "limit_price": None, "stop_loss": stop(110)},
     "take_profit.limit_price", R.LEGS_CROSSED),
    (SHORT, {"order_type": OrderType.MARKET, "limit_price": None, "stop_loss": stop(89)},
     "take_profit.limit_price", R.LEGS_CROSSED),
    (OCO, {"stop_loss": stop(100)}, "stop_loss.stop_price", R.LEGS_CROSSED),
    (COVER, {"stop_loss": stop(99)}, "stop_loss.stop_price", R.LEGS_CROSSED),
    (BRACKET, {"stop_loss": stop(90, "90.01")}, "stop_loss.limit_price", R.STOP_LIMIT_WRONG_SIDE),
    (SHORT, {"stop_loss": stop(110, "109.99")}, "stop_loss.limit_price", R.STOP_LIMIT_WRONG_SIDE),
    (OCO, {"stop_loss": stop(90, 91)}, "stop_loss.limit_price", R.STOP_LIMIT_WRONG_SIDE),
    (COVER, {"stop_loss": stop(110, 109)}, "stop_loss.limit_price", R.STOP_LIMIT_WRONG_SIDE),
    # legs whose prices are no prices
    (BRACKET, {"take_profit": target("NaN")}, "take_profit.limit_price", R.INVALID_FIELD),
    (BRACKET, {"take_profit": target("1e12")}, "take_profit.limit_price", R.INVALID_FIELD),
    (BRACKET, {"stop_loss": stop("sNaN")}, "stop_loss.stop_price", R.INVALID_FIELD),
    (BRACKET, {"stop_loss": stop(0)}, "stop_loss.stop_price", R.INVALID_FIELD),
    (BRACKET, {"stop_loss": stop(90, "-Infinity")}, "stop_loss.limit_price", R.INVALID_FIELD),
    (BRACKET, {"stop_loss": stop(90, "1e-10")}, "stop_loss.limit_price", R.INVALID_FIELD),
]  # fmt: skip

TAKEN = [
    *(kind(OrderType.MARKET, tif) for tif in TimeInForce),
    *(kind(OrderType.LIMIT, tif) for tif in TimeInForce),
    *(
        kind(order_type, tif)
        for order_type in (OrderType.STOP, OrderType.STOP_LIMIT)
        for tif in set(TimeInForce) - {TimeInForce.OPG, TimeInForce.CLS}
    ),
    kind(OrderType.TRAILING_STOP, TimeInForce.GTC),
    replace(TRAILING, trail_price=None, trail_percent=D("0.1")),
    replace(TRAILING, trail_price=None, trail_percent=D("99.999999999")),
    replace(LIMIT, extended_hours=True),
    replace(LIMIT, extended_hours=True, time_in_force=TimeInForce.GTC),
    *(
        replace(kind(order_type), quantity=None, notional=D("0.01"))
        for order_type in set(OrderType) - {OrderType.TRAILING_STOP}
    ),
    replace(MARKET, quantity=D("0.000000001")),
    replace(MARKET, quantity=D("1.500")),
    replace(kind(OrderType.LIMIT, TimeInForce.GTC), quantity=D("2.000")),  # two, and no part
    replace(PAIR, quantity=D("0.023"), time_in_force=TimeInForce.GTC),
    replace(PAIR, quantity=None, notional=D(4000), time_in_force=TimeInForce.IOC),
    replace(MARKET, side=Side.SELL, position_effect=PositionEffect.OPEN),
    replace(MARKET, side=Side.SELL, position_effect=PositionEffect.CLOSE, quantity=D("0.5")),
    BRACKET,
    SHORT,
    OTO,
    OCO,
    COVER,
    replace(BRACKET, time_in_force=TimeInForce.GTC, position_effect=PositionEffect.OPEN),
    replace(BRACKET, take_profit=target("100.01"), stop_loss=stop("99.99")),
    replace(BRACKET, order_type=OrderType.MARKET, limit_price=None),
    replace(BRACKET, stop_loss=stop(90, 90)),
    replace(BRACKET, stop_loss=stop(90, 89)),
    replace(SHORT, stop_loss=stop(110, 111)),
    replace(OTO, stop_loss=None, take_profit=target(110)),
    replace(OTO, position_effect=PositionEffect.CLOSE),
    replace(OCO, position_effect=PositionEffect.CLOSE, stop_loss=stop("99.99", "99.90")),
    replace(
        BRACKET, limit_price=D("0.5"), take_profit=target("0.5001"), stop_loss=stop("0.4999")
    ),
]  # fmt: skip


@pytest.mark.parametrize(("ticket", "change", "field", "reason"), REFUSED)
def test_what_no_broker_could_act_on_is_named_with_its_reason(ticket, change, field, reason):
    with pytest.raises(InvalidTicket) as caught:
        tickets.check(replace(ticket, **change))

    assert (caught.value.field, caught.value.reason) == (field, reason)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("ticket", TAKEN)
def test_what_any_could_is_taken(ticket):
    tickets.check(ticket)


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

    assert (caught.value.field, caught.value.reason) == (field, R.INVALID_FIELD)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("amount", ["1", "0.000000001", "999999999999.999999999", "1e3", "1.50"])
def test_an_amount_anybody_can_is_taken(amount):
    tickets.check(replace(TICKET, quantity=Decimal(amount)))


@pytest.mark.parametrize("symbol", ["ÆØÅ", "苹果", "AAPL\u202e", "🦆/USD", "A" * 300])
def test_a_symbol_in_any_script_is_the_brokers_to_judge(symbol):
    tickets.check(replace(TICKET, symbol=symbol))


def test_keeps_what_a_broker_took_whatever_this_desk_would_have_said():
    odd = replace(
        OCO, extended_hours=True, quantity=Decimal("0.5"), time_in_force=TimeInForce.FOK,
        take_profit=target(1),
    )  # fmt: skip

    tickets.check_kept(odd)

    with pytest.raises(InvalidTicket):
        tickets.check_kept(replace(odd, limit_price=None))
    with pytest.raises(InvalidTicket):
        tickets.check_kept(replace(odd, take_profit=target("1e-10")))


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


ANY = st.none() | st.decimals() | st.decimals("0.01", "1000", places=2)


@given(
    order_type=st.sampled_from(OrderType),
    time_in_force=st.sampled_from(TimeInForce),
    order_class=st.sampled_from(OrderClass),
    side=st.sampled_from(Side),
    quantity=ANY,
    notional=ANY,
    limit_price=ANY,
    stop_price=ANY,
    trail_price=ANY,
    trail_percent=ANY,
    take_profit=st.none() | st.builds(TakeProfit, limit_price=st.decimals()),
    stop_loss=st.none() | st.builds(StopLoss, stop_price=st.decimals(), limit_price=ANY),
    expires_at=st.none() | st.datetimes(),
    symbol=st.text(max_size=10),
)
def test_answers_anything_with_a_field_and_a_reason(**terms):
    try:
        tickets.check(replace(TICKET, **terms))
    except InvalidTicket as error:
        assert error.field
        assert error.reason in Reason
