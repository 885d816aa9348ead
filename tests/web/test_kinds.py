"""Every kind of order through the ticket: offered where it is taken, shown as it will be sent."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from brokers import registry
from brokers.passport import Trail
from brokers.vocabulary import OrderClass, OrderType, PositionEffect, TimeInForce
from orders.models import Order
from orders.web.offering import TicketForm
from tests.fakes import PASSPORT
from tests.web.conftest import HTMX

D = Decimal


@pytest.fixture
def told(account):
    return {
        "account": str(account.id),
        "side": "buy",
        "symbol": "ACME",
        "quantity": "10",
        "order_type": "limit",
        "time_in_force": "day",
        "limit_price": "100",
    }


@pytest.fixture
def terms(monkeypatch):
    """Have the scripted broker take less."""

    def take(**changes: Any) -> None:
        monkeypatch.setattr(registry, "passport", lambda _name: replace(PASSPORT, **changes))

    return take


def hidden_fields(text: str) -> dict[str, str]:
    form = text.split('action="/orders/place/"')[1].split("</form>", maxsplit=1)[0]
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))


BRACKET = {"order_class": "bracket", "take_profit_price": "110", "stop_loss_price": "95"}
SHORT = {"take_profit_price": "90", "stop_loss_price": "105"}
KINDS = [
    ({"order_type": "market", "limit_price": ""}, {"limit_price": None}),
    ({"order_type": "stop", "limit_price": "", "stop_price": "101"}, {"stop_price": D(101)}),
    ({"order_type": "stop_limit", "stop_price": "101"}, {"stop_price": D(101)}),
    (
        {"order_type": "trailing_stop", "limit_price": "", "trail_percent": "1.5"},
        {"trail_percent": D("1.5"), "trail_price": None},
    ),
    (
        {"order_type": "trailing_stop", "limit_price": "", "trail_price": "2"},
        {"trail_price": D(2), "trail_percent": None},
    ),
    ({"quantity": "", "notional": "250"}, {"quantity": None, "notional": D(250)}),
    ({"quantity": "", "notional": "250", "sized": "notional"}, {"notional": D(250)}),
    ({"extended_hours": "on"}, {"extended_hours": True}),
    ({"side": "sell", "position_effect": "open"}, {"position_effect": "open"}),
    ({"time_in_force": "opg"}, {"time_in_force": "opg"}),
    ({"time_in_force": "gtd", "expires_at": "2031-05-06T20:00"}, {"time_in_force": "gtd"}),
    (
        {**BRACKET, "stop_loss_limit_price": "94.80"},
        {
            "order_class": "bracket",
            "strategy": "native",
            "take_profit_price": D(110),
            "stop_loss_price": D(95),
            "stop_loss_limit_price": D("94.80"),
        },
    ),
    ({"order_class": "oto", "stop_loss_price": "95"}, {"order_class": "oto"}),
    (
        {"side": "sell", "order_class": "oco", "stop_loss_price": "95"},
        {"order_class": "oco", "limit_price": D(100)},
    ),
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("changes", "so"), KINDS, ids=repr)
def test_what_is_confirmed_is_what_was_filled_in(page, told, changes, so):
    shown = page.post("/orders/preview/", {**told, **changes}, headers=HTMX)
    assert shown.status_code == 200, shown.context["form"].errors

    response = page.post("/orders/place/", hidden_fields(shown.text), headers=HTMX)

    assert response.status_code == 201
    order = Order.objects.get()
    assert {name: getattr(order, name) for name in so} == so
    if changes.get("expires_at"):
        assert order.expires_at.isoformat() == "2031-05-06T20:00:00+00:00"


BAD = [
    ({"notional": "250"}, "notional"),
    ({"quantity": ""}, "quantity"),
    ({"order_type": "trailing_stop", "limit_price": ""}, "trail_price"),
    (
        {
            "order_type": "trailing_stop",
            "limit_price": "",
            "trail_price": "1",
            "trail_percent": "1",
        },
        "trail_percent",
    ),
    ({"trail_price": "1"}, "trail_price"),
    ({"time_in_force": "gtd"}, "expires_at"),
    ({"expires_at": "2031-05-06T20:00"}, "expires_at"),
    ({"time_in_force": "gtd", "expires_at": "2001-05-06T20:00"}, "expires_at"),
    ({"time_in_force": "gtd", "expires_at": "9999-12-31T23:59-14:00"}, "expires_at"),
    ({"time_in_force": "gtd", "expires_at": "tomorrow"}, "expires_at"),
    ({"time_in_force": "gtd", "expires_at": "0001-01-01T00:00+14:00"}, "expires_at"),
    ({"order_class": "bracket", "take_profit_price": "110"}, "stop_loss_price"),
    ({"order_class": "bracket", "stop_loss_price": "95"}, "take_profit_price"),
    ({**BRACKET, "take_profit_price": "99"}, "take_profit_price"),
    ({**BRACKET, "stop_loss_price": "100"}, "stop_loss_price"),
    ({**BRACKET, "stop_loss_limit_price": "96"}, "stop_loss_limit_price"),
    ({"order_class": "oto", "stop_loss_limit_price": "94"}, "stop_loss_price"),
    ({"order_class": "oto"}, "stop_loss_price"),
    ({"stop_loss_price": "95"}, "stop_loss_price"),
    ({"order_class": "oco", "side": "sell"}, "stop_loss_price"),
    ({"order_class": "pair"}, "order_class"),
    ({"position_effect": "flip"}, "position_effect"),
    ({"extended_hours": "on", "time_in_force": "ioc"}, "extended_hours"),
    ({"limit_price": "100.001"}, "limit_price"),
]


@pytest.mark.parametrize(("changes", "field"), BAD, ids=repr)
@pytest.mark.parametrize("path", ["/orders/preview/", "/orders/place/"])
def test_what_is_wrong_is_said_at_a_field_that_is_shown(page, told, path, changes, field):
    intent = {"intent": str(uuid4())} if "place" in path else {}

    response = page.post(path, {**told, **intent, **changes}, headers=HTMX)

    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    assert field not in response.context["form"].off
    assert not Order.objects.exists()


class TestPreview:
    def shown(self, page, told, **changes):
        return page.post("/orders/preview/", {**told, **changes}, headers=HTMX)

    def test_reckons_each_leg_from_the_entry(self, page, told):
        response = self.shown(page, told, **BRACKET)

        exits = response.context["preview"].exits
        assert [(one.leg, one.distance, one.result) for one in exits] == [
            ("take_profit", D(10), D(100)),
            ("stop_loss", D(-5), D(-50)),
        ]
        assert response.context["preview"].ratio == D(2)
        assert "+100.00" in response.text
        assert "−50.00" in response.text

    def test_of_a_short_entry_the_gain_lies_below(self, page, told):
        response = self.shown(page, told, **(BRACKET | SHORT), side="sell")

        assert [one.result for one in response.context["preview"].exits] == [D(100), D(-50)]

    @pytest.mark.parametrize(
        ("classes", "words"),
        [
            (frozenset(OrderClass), "In one request"),
            ({OrderClass.SIMPLE, OrderClass.OCO}, "A pair, once it fills"),
            ({OrderClass.SIMPLE}, "Two orders, once it fills"),
        ],
    )
    def test_says_how_the_legs_come(self, page, told, terms, classes, words):
        terms(classes=frozenset(classes))
        is_native = OrderClass.BRACKET in classes

        response = self.shown(page, told, **BRACKET)

        sent = dict(response.context["preview"].told)
        assert words in response.text
        assert ("take profit price" in sent) == is_native
        assert ("is open without them" in response.text) != is_native

    def test_for_money_says_how_much_it_buys(self, page, told):
        response = self.shown(page, told, quantity="", notional="250")

        assert "Buy $250 of ACME" in response.text
        assert response.context["preview"].value == D(250)
        assert response.context["preview"].after == D("2.5")

    def test_says_when_it_may_trade(self, page, told):
        text = self.shown(page, told, time_in_force="gtd", expires_at="2031-05-06T20:00").text

        assert "good till 2031-05-06 20:00 UTC" in text

    def test_changing_it_keeps_everything(self, page, told):
        fields = hidden_fields(self.shown(page, told, **BRACKET, more="on").text)

        text = page.get("/orders/new/", fields).text

        assert 'value="110"' in text
        assert 'value="95"' in text
        assert '<option value="bracket" selected>' in text


class TestOffer:
    def form(self, trader, **told):
        return TicketForm(user=trader, initial=told)

    def offered(self, form, name):
        return {value for value, _ in form.fields[name].choices}

    def test_is_what_the_broker_takes(self, account, trader, terms):
        terms(
            takes={OrderType.LIMIT: frozenset({TimeInForce.DAY})},
            classes=frozenset({OrderClass.SIMPLE}),
            position_effects=frozenset(),
        )

        form = self.form(trader)

        assert self.offered(form, "order_type") == {"limit"}
        assert self.offered(form, "time_in_force") == {"day"}
        assert self.offered(form, "order_class") == {"simple", "bracket", "oto"}
        assert not form.has_effects

    def test_effects_are_those_it_can_be_told(self, account, trader, terms):
        terms(position_effects=frozenset({PositionEffect.CLOSE}))

        assert self.offered(self.form(trader), "position_effect") == {"", "close"}

    @pytest.mark.parametrize(
        ("told", "shown"),
        [
            ({}, "quantity limit_price order_class extended_hours"),
            ({"order_type": "market"}, "quantity order_class"),
            ({"order_type": "stop_limit"}, "quantity limit_price stop_price"),
            ({"order_type": "trailing_stop"}, "quantity trail_price trail_percent"),
            ({"sized": "notional"}, "notional limit_price order_class extended_hours"),
            ({"notional": "5"}, "notional limit_price order_class extended_hours"),
            (
                {"time_in_force": "gtd"},
                "quantity limit_price expires_at",
            ),
            (
                {"order_class": "bracket"},
                (
                    "quantity limit_price order_class"
                    " take_profit_price stop_loss_price stop_loss_limit_price"
                ),
            ),
            (
                {"order_class": "oco"},
                "quantity limit_price order_class stop_loss_price stop_loss_limit_price",
            ),
        ],
        ids=repr,
    )
    def test_shows_what_goes_with_the_rest(self, account, trader, told, shown):
        form = self.form(trader, **told)

        always = {"account", "side", "symbol", "sized", "order_type", "time_in_force", "intent"}
        always |= {"more", "position_effect"}
        assert set(form.fields) - form.off - always == set(shown.split())

    def test_a_trail_in_percent_alone(self, account, trader, terms):
        terms(trails=frozenset({Trail.PERCENT}))

        form = self.form(trader, order_type="trailing_stop")

        assert "trail_price" in form.off
        assert "trail_percent" not in form.off

    def test_without_javascript_everything_is_there(self, page, account):
        text = page.get("/orders/new/").text

        for name in ("notional", "stop_price", "trail_percent", "expires_at", "stop_loss_price"):
            assert f'name="{name}"' in text
        assert " disabled" not in text.split('id="ticket"')[1].split("</section>")[0]
