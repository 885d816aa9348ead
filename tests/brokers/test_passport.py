from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers import registry, tickets
from brokers.adapter import BrokerAdapter
from brokers.errors import InvalidTicket
from brokers.messages import Instrument, StopLoss, TakeProfit
from brokers.passport import Strategy, Trail, fit_wire_id, smallest_step
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
from tests.brokers.test_tickets import BRACKET, LIMIT, MARKET, OCO, OTO, TRAILING, kind

R = Reason
D = Decimal
BROKERS = list(registry.BROKERS)
SIMPLE_ALONE = frozenset({OrderClass.SIMPLE})
DAY, GTC = TimeInForce.DAY, TimeInForce.GTC

STRICT = replace(
    registry.passport("paper"),
    title="Strict",
    takes={OrderType.MARKET: frozenset({DAY}), OrderType.LIMIT: frozenset({DAY, GTC})},
    in_parts={},
    for_money={},
    extended_hours={},
    pairs={},
    quantity_decimals=0,
    classes=SIMPLE_ALONE,
    position_effects=frozenset(),
    wire_id_pattern=r"[a-z0-9-]+",
    wire_id_length=8,
)
LOOSE = replace(
    registry.passport("paper"),
    quantity_decimals=3,
    in_parts={OrderType.MARKET: frozenset({DAY})},
    for_money={OrderType.MARKET: frozenset({DAY})},
    extended_hours={OrderType.LIMIT: frozenset({DAY})},
    pairs={OrderType.LIMIT: frozenset({GTC})},
    trails=frozenset({Trail.PERCENT}),
    trail_percent_decimals=2,
    position_effects=frozenset({PositionEffect.OPEN}),
    sells_short=False,
)
STOCK = Instrument(
    symbol="AAPL", name="Apple", tradable=True, fractionable=True, price_increment=D("0.01")
)
FOR_MONEY = {"quantity": None, "notional": D(100)}


@pytest.mark.parametrize(
    ("passport", "ticket", "change", "field", "reason"),
    [
        (STRICT, kind(OrderType.STOP), {}, "order_type", R.UNSUPPORTED_TYPE),
        (STRICT, TRAILING, {}, "order_type", R.UNSUPPORTED_TYPE),
        (STRICT, LIMIT, {"time_in_force": TimeInForce.IOC}, "time_in_force",
         R.UNSUPPORTED_TIME_IN_FORCE),
        (STRICT, MARKET, {"time_in_force": GTC}, "time_in_force", R.UNSUPPORTED_TIME_IN_FORCE),
        (STRICT, kind(OrderType.LIMIT, TimeInForce.GTD), {}, "time_in_force",
         R.UNSUPPORTED_EXPIRY),
        (STRICT, LIMIT, {"quantity": D("1.5")}, "quantity", R.UNSUPPORTED_FRACTIONAL),
        (LOOSE, MARKET, {"quantity": D("1.0005")}, "quantity", R.UNSUPPORTED_FRACTIONAL),
        (LOOSE, LIMIT, {"quantity": D("1.5")}, "quantity", R.UNSUPPORTED_FRACTIONAL),
        (STRICT, MARKET, FOR_MONEY, "notional", R.UNSUPPORTED_NOTIONAL),
        (LOOSE, LIMIT, FOR_MONEY, "notional", R.UNSUPPORTED_NOTIONAL),
        (STRICT, LIMIT, {"extended_hours": True}, "extended_hours", R.UNSUPPORTED_EXTENDED_HOURS),
        (LOOSE, LIMIT, {"extended_hours": True, "time_in_force": GTC}, "extended_hours",
         R.UNSUPPORTED_EXTENDED_HOURS),
        (LOOSE, TRAILING, {}, "trail_price", R.UNSUPPORTED_TRAIL),
        (LOOSE, TRAILING, {"trail_price": None, "trail_percent": D("1.125")}, "trail_percent",
         R.UNSUPPORTED_TRAIL),
        (STRICT, LIMIT, {"position_effect": PositionEffect.OPEN}, "position_effect",
         R.UNSUPPORTED_POSITION_EFFECT),
        (LOOSE, LIMIT, {"position_effect": PositionEffect.CLOSE}, "position_effect",
         R.UNSUPPORTED_POSITION_EFFECT),
        (LOOSE, LIMIT, {"side": Side.SELL, "position_effect": PositionEffect.OPEN},
         "position_effect", R.NOT_SHORTABLE),
        (STRICT, LIMIT, {"symbol": "BTC/USD"}, "symbol", R.NOT_TRADABLE),
        (LOOSE, LIMIT, {"symbol": "BTC/USD"}, "time_in_force", R.UNSUPPORTED_TIME_IN_FORCE),
        (LOOSE, MARKET, {"symbol": "BTC/USD"}, "order_type", R.UNSUPPORTED_TYPE),
        (LOOSE, BRACKET, {"symbol": "BTC/USD", "time_in_force": GTC}, "order_class",
         R.UNSUPPORTED_CLASS),
        (LOOSE, LIMIT, {"symbol": "BTC/USD", "time_in_force": GTC, "extended_hours": True},
         "extended_hours", R.UNSUPPORTED_EXTENDED_HOURS),
        (STRICT, BRACKET, {}, "stop_loss", R.UNSUPPORTED_CLASS),
        (STRICT, OTO, {}, "stop_loss", R.UNSUPPORTED_CLASS),
        (STRICT, OCO, {}, "order_class", R.UNSUPPORTED_CLASS),
        (STRICT, LIMIT, {"limit_price": D("100.005")}, "limit_price", R.INVALID_PRICE_INCREMENT),
        (LOOSE, BRACKET, {"take_profit": TakeProfit(limit_price=D("110.005"))},
         "take_profit.limit_price", R.INVALID_PRICE_INCREMENT),
        (STRICT, LIMIT, {"wire_id": "order-123"}, "client_order_id", R.CLIENT_ORDER_ID_TOO_LONG),
        (STRICT, LIMIT, {"wire_id": "Order-1"}, "client_order_id", R.INVALID_CLIENT_ORDER_ID),
        (STRICT, LIMIT, {"wire_id": "order-1\n"}, "client_order_id", R.INVALID_CLIENT_ORDER_ID),
        (STRICT, LIMIT, {"wire_id": "órder"}, "client_order_id", R.INVALID_CLIENT_ORDER_ID),
        (STRICT, LIMIT, {"wire_id": ""}, "client_order_id", R.INVALID_CLIENT_ORDER_ID),
    ],
)  # fmt: skip
def test_says_what_a_broker_cannot_carry(passport, ticket, change, field, reason):
    with pytest.raises(InvalidTicket) as caught:
        passport.check(replace(ticket, **change))

    assert (caught.value.field, caught.value.reason) == (field, reason)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("passport", "ticket"),
    [
        (STRICT, TICKET),
        (STRICT, MARKET),
        (STRICT, replace(LIMIT, time_in_force=GTC)),
        (STRICT, replace(OTO, stop_loss=None, take_profit=TakeProfit(limit_price=D(110)))),
        (LOOSE, replace(MARKET, quantity=D("0.125"))),
        (LOOSE, replace(MARKET, quantity=D("0.1250000"))),
        (LOOSE, replace(MARKET, **FOR_MONEY)),
        (LOOSE, replace(LIMIT, extended_hours=True)),
        (LOOSE, replace(TRAILING, trail_price=None, trail_percent=D("1.250"))),
        (LOOSE, replace(LIMIT, position_effect=PositionEffect.OPEN)),
        (LOOSE, replace(LIMIT, symbol="BTC/USD", time_in_force=GTC, quantity=D("0.023"))),
        (LOOSE, BRACKET),
        (LOOSE, OCO),
    ],
)
def test_takes_what_it_can(passport, ticket):
    passport.check(ticket)


@pytest.mark.parametrize(
    ("told", "change", "field", "reason"),
    [
        ({"tradable": False}, {}, "symbol", R.NOT_TRADABLE),
        ({"fractionable": False}, {"quantity": D("0.5")}, "quantity", R.NOT_FRACTIONABLE),
        ({"fractionable": False}, {"quantity": None, "notional": D(5)}, "notional",
         R.NOT_FRACTIONABLE),
        ({"shortable": False}, {"side": Side.SELL, "position_effect": PositionEffect.OPEN},
         "position_effect", R.NOT_SHORTABLE),
        ({"price_increment": D("0.05")}, {"limit_price": D("100.01")}, "limit_price",
         R.INVALID_PRICE_INCREMENT),
    ],
)  # fmt: skip
def test_heeds_the_brokers_word_on_an_instrument(told, change, field, reason):
    paper, ticket = registry.passport("paper"), replace(LIMIT, **change)
    paper.check(ticket, instrument=STOCK)

    with pytest.raises(InvalidTicket) as caught:
        paper.check(ticket, instrument=replace(STOCK, **told))

    assert (caught.value.field, caught.value.reason) == (field, reason)


def test_a_stop_that_a_broker_does_not_have_is_said_in_words_a_trader_understands():
    with pytest.raises(InvalidTicket) as caught:
        registry.passport("paper-tapp").check(BRACKET)

    assert str(caught.value) == (
        "Paper exchange as TAPP Engine has no stop orders, so it can't hold a stop-loss."
    )


@pytest.mark.parametrize(
    ("broker", "bracket", "oco"),
    [
        ("paper", Strategy.NATIVE, Strategy.NATIVE),
        ("paper-alpaca", Strategy.NATIVE, Strategy.NATIVE),
        ("paper-tapp", Strategy.PENDING, None),
        ("paper-clearstreet", Strategy.PENDING, None),
        ("paper-gateway", Strategy.PENDING, None),
        ("paper-binance", Strategy.NATIVE_OCO, Strategy.NATIVE),
    ],
)
def test_how_legs_come_to_each_broker(broker, bracket, oco):
    passport = registry.passport(broker)

    assert passport.strategy(OrderClass.SIMPLE) is None
    assert (passport.strategy(OrderClass.BRACKET), passport.strategy(OrderClass.OCO)) == (
        bracket,
        oco,
    )


def test_the_stop_of_a_bracket_must_be_sayable_for_as_long_as_it_is_to_hold():
    passport = replace(STRICT, takes={**LOOSE.takes, OrderType.STOP: frozenset({GTC})})

    with pytest.raises(InvalidTicket, match="no stop orders good for day"):
        passport.check(BRACKET)

    passport.check(replace(BRACKET, time_in_force=GTC))


S = "symbol"
BTC = {"symbol": "BTC/USD", "quantity": D("0.023")}
STOP_LOSS = StopLoss(stop_price=D(90))

# Which brokers take an order: the first letter of each, in the order of the registry.
# p(aper) a(lpaca) t(app) c(learstreet) g(ateway) b(inance)
LETTERS = dict(zip("patcgb", ["paper", "paper-alpaca", "paper-tapp", "paper-clearstreet",
                              "paper-gateway", "paper-binance"], strict=True))  # fmt: skip


@pytest.mark.parametrize(
    ("ticket", "taken_by"),
    [
        (kind(OrderType.MARKET, DAY), "patcg"),
        (kind(OrderType.MARKET, GTC), "patcgb"),
        (kind(OrderType.MARKET, TimeInForce.IOC), "patcgb"),
        (kind(OrderType.MARKET, TimeInForce.FOK), "patcg"),
        (kind(OrderType.MARKET, TimeInForce.OPG), "patc"),
        (kind(OrderType.MARKET, TimeInForce.GTD), "p"),
        (kind(OrderType.LIMIT, DAY), "patcg"),
        (kind(OrderType.LIMIT, GTC), "patcgb"),
        (kind(OrderType.LIMIT, TimeInForce.FOK), "patcgb"),
        (kind(OrderType.LIMIT, TimeInForce.CLS), "patc"),
        (kind(OrderType.LIMIT, TimeInForce.GTD), "pc"),
        (kind(OrderType.STOP, DAY), "pacg"),
        (kind(OrderType.STOP, GTC), "pacgb"),
        (kind(OrderType.STOP_LIMIT, GTC), "pacgb"),
        (kind(OrderType.STOP_LIMIT, TimeInForce.IOC), "pab"),
        (kind(OrderType.TRAILING_STOP, GTC), "pacg"),
        (kind(OrderType.TRAILING_STOP, GTC, trail_price=None, trail_percent=D(1)), "pacgb"),
        (kind(OrderType.TRAILING_STOP, GTC, trail_price=None, trail_percent=D("1.125")), "pag"),
        (replace(MARKET, quantity=D("0.5")), "patg"),
        (replace(LIMIT, quantity=D("0.5")), "patg"),
        (replace(kind(OrderType.STOP), quantity=D("0.5")), "pag"),
        (replace(MARKET, quantity=None, notional=D(100)), "pat"),
        (replace(LIMIT, quantity=None, notional=D(100)), "pa"),
        (replace(LIMIT, extended_hours=True), "patc"),
        (replace(LIMIT, extended_hours=True, time_in_force=GTC), "pac"),
        (replace(LIMIT, position_effect=PositionEffect.OPEN), "pac"),
        (replace(MARKET, side=Side.SELL, position_effect=PositionEffect.OPEN), "pac"),
        (kind(OrderType.LIMIT, GTC, **BTC), "pagb"),
        (kind(OrderType.LIMIT, DAY, **BTC), "pg"),
        (kind(OrderType.MARKET, GTC, symbol="BTC/USD", quantity=None, notional=D(100)), "pab"),
        (BRACKET, "pacg"),
        (replace(BRACKET, time_in_force=GTC), "pacgb"),
        (replace(OTO, time_in_force=GTC), "pacgb"),
        (replace(OTO, stop_loss=None, take_profit=TakeProfit(limit_price=D(110))), "patcg"),
        (replace(OCO, time_in_force=GTC), "pab"),
        (replace(LIMIT, wire_id="x" * 36, time_in_force=GTC), "patcgb"),
        (replace(LIMIT, wire_id="x" * 37, time_in_force=GTC), "patcg"),
        (replace(LIMIT, wire_id="x" * 65), "at"),
        (replace(LIMIT, wire_id="x" * 129), ""),
        (replace(LIMIT, wire_id="a.b:c", time_in_force=GTC), "patcg"),
    ],
)  # fmt: skip
def test_which_broker_takes_what(ticket, taken_by):
    tickets.check(ticket)
    taken = ""
    for letter, broker in LETTERS.items():
        try:
            registry.passport(broker).check(ticket)
        except InvalidTicket as error:
            assert error.reason is not R.INVALID_FIELD
        else:
            taken += letter

    assert taken == taken_by


class TestReplacing:
    def test_changes_what_the_broker_can_change(self):
        old = kind(OrderType.STOP_LIMIT)
        for broker in BROKERS:
            registry.passport(broker).check_replace(old, replace(old, limit_price=D(101)))

    @pytest.mark.parametrize(
        ("broker", "change"),
        [
            ("paper-tapp", {"stop_price": D(101)}),
            ("paper-tapp", {"time_in_force": GTC}),
            ("paper-clearstreet", {"time_in_force": GTC}),
        ],
    )
    def test_names_what_it_cannot(self, broker, change):
        old = kind(OrderType.STOP_LIMIT)

        with pytest.raises(InvalidTicket) as caught:
            registry.passport(broker).check_replace(old, replace(old, **change))

        assert (caught.value.field, caught.value.reason) == (next(iter(change)), R.NOT_REPLACEABLE)

    def test_never_changes_an_order_for_money(self):
        old = replace(MARKET, quantity=None, notional=D(100))

        with pytest.raises(InvalidTicket) as caught:
            registry.passport("paper").check_replace(old, replace(old, notional=D(200)))

        assert (caught.value.field, caught.value.reason) == ("notional", R.NOT_REPLACEABLE)


def mark(made: bytes) -> bytes:
    return bytes([made[0] ^ 0xFF]) * 4


class TestFittingIds:
    @pytest.mark.parametrize("broker", BROKERS)
    def test_keeps_what_fits(self, broker):
        assert fit_wire_id("order-1", registry.passport(broker), mark=mark) == "order-1"

    @pytest.mark.parametrize("broker", BROKERS)
    @given(client_order_id=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1,
                                   max_size=128))  # fmt: skip
    def test_makes_one_that_fits_always_the_same(self, broker, client_order_id):
        passport = registry.passport(broker)

        fitted = fit_wire_id(client_order_id, passport, mark=mark)

        assert passport.fits(fitted)
        assert fitted == fit_wire_id(client_order_id, passport, mark=mark)
        assert (fitted == client_order_id) == passport.fits(client_order_id)

    def test_bears_the_mark_on_its_last_four_bytes(self):
        fitted = UUID(fit_wire_id("o" * 128, registry.passport("paper-binance"), mark=mark))

        assert fitted.bytes[12:] == mark(fitted.bytes[:12])
        assert fitted.version == 8

    def test_two_ids_stay_two(self):
        binance = registry.passport("paper-binance")

        assert len({fit_wire_id(f"order.{n}", binance, mark=mark) for n in range(500)}) == 500


def test_smallest_step():
    assert [smallest_step(n) for n in (0, 3, 9)] == [1, Decimal("0.001"), Decimal("1e-9")]


@pytest.mark.parametrize("name", registry.BROKERS)
class TestEveryPassport:
    def test_is_filed_under_its_own_name(self, name):
        assert registry.passport(name).broker == name

    def test_allows_for_doubt_in_the_order_it_arises(self, name):
        doubt = registry.passport(name).doubt

        assert doubt.first_grace < doubt.second_grace <= doubt.escalate_after

    def test_takes_nothing_that_no_broker_could_act_on(self, name):
        passport = registry.passport(name)
        for order_type, tifs in passport.takes.items():
            assert tifs
            for tif in tifs:
                tickets.check(kind(order_type, tif))

    def test_says_no_more_of_parts_and_money_than_of_whole_shares(self, name):
        passport = registry.passport(name)
        if name == "paper-binance":  # it knows no day, and no shares
            return
        for table in (passport.in_parts, passport.for_money, passport.extended_hours):
            for order_type, tifs in table.items():
                assert tifs <= passport.tifs(order_type)

    def test_reads_as_rows_with_a_word_in_each(self, name):
        rows = registry.passport(name).rows()

        assert len({heading for heading, _ in rows}) == len(rows)
        assert all(heading and words for heading, words in rows)
        assert [heading for heading, _ in rows] == [
            heading for heading, _ in registry.passport("paper").rows()
        ]

    def test_connects_with_the_credentials_it_names(self, name):
        broker = registry.BROKERS[name]
        credentials = dict.fromkeys(broker.credentials, "value")

        adapter = registry.connect(name, credentials=credentials, base_url="https://b.example")

        assert isinstance(adapter, BrokerAdapter)
        assert adapter.passport is broker.passport


def test_paper_itself_takes_every_kind_of_order_there_is():
    paper = registry.passport("paper")
    at = datetime(2026, 3, 2, 20, tzinfo=UTC)
    for order_type in OrderType:
        for tif in TimeInForce:
            ticket = replace(
                TICKET,
                order_type=order_type,
                time_in_force=tif,
                limit_price=D(100) if order_type in NEEDS_LIMIT else None,
                stop_price=D(100) if order_type in NEEDS_STOP else None,
                trail_price=D(1) if order_type is OrderType.TRAILING_STOP else None,
                expires_at=at if tif is TimeInForce.GTD else None,
            )
            try:
                tickets.check(ticket)
            except InvalidTicket:
                continue
            paper.check(ticket)


@pytest.mark.parametrize("asked", [registry.passport, registry.BROKERS.__getitem__])
def test_an_unknown_broker_is_a_key_error(asked):
    with pytest.raises(KeyError):
        asked("nobody")


def test_a_missing_credential_is_a_key_error():
    with pytest.raises(KeyError):
        registry.connect("paper", credentials={"key": "k"}, base_url="http://x")
