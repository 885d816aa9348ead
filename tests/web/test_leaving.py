"""Positions and their pages: what is held, what it brought, and how it is closed."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from django.utils import timezone

from brokers.messages import Holding, Report
from brokers.vocabulary import Status
from orders import recording
from orders.models import Order
from orders.models.facts import Heard
from tests.factories import AccountFactory, OrderFactory
from tests.fakes import fill, snapshot
from tests.web.conftest import HTMX

D = Decimal


def trade(account, side, quantity, price, *, fee="0"):
    """Have the broker tell of an order that it filled at once."""
    order = OrderFactory(
        account=account, working=True, side=side, quantity=D(quantity), limit_price=D(price)
    )
    ticket = order.ticket()
    told = fill(ticket, f"x-{order.id}", quantity, price, fee=D(fee))
    said = snapshot(ticket, status=Status.FILLED, cumulative=D(quantity), version=2)
    recording.heed(
        account,
        Report(snapshots=(said,), fills=(told,)),
        heard=Heard.WEBHOOK,
        evidence="delivery:1",
        now=timezone.now(),
    )
    return order


def _form(text):
    return text.split('action="/positions/close/confirm"')[1].split("</form>")[0]


@pytest.mark.django_db(transaction=True)
class TestPositions:
    def row(self, page):
        return page.get("/positions/", headers=HTMX).context["holdings"]

    def test_fees_are_taken_off_what_was_realised(self, page, account):
        trade(account, "buy", "10", "100", fee="1.50")
        trade(account, "sell", "4", "110", fee="0.50")

        ((held, can_trade),) = self.row(page)

        assert (held.ours, held.realized, held.fees, held.net) == (D(6), D(40), D(2), D(38))
        assert held.unrealized == D(0)
        assert can_trade

    def test_drift_is_said(self, page, account, broker):
        trade(account, "buy", "10", "100")
        broker.held = (Holding(symbol="ACME", quantity=D(7), average_price=D(100)),)

        assert "Drift −3" in page.get("/positions/", headers=HTMX).text

    def test_in_doubt_it_is_a_range(self, page, account):
        trade(account, "buy", "10", "100")
        OrderFactory(account=account, unknown=True, side="sell", quantity=D(4))

        assert "6 … 10" in page.get("/positions/", headers=HTMX).text

    def test_a_viewer_can_not_close(self, page, trader, account):
        trade(AccountFactory(viewer=trader), "buy", "10", "100")

        assert "/positions/close" not in page.get("/positions/", headers=HTMX).text


@pytest.mark.django_db(transaction=True)
class TestClosing:
    @pytest.fixture
    def held(self, account):
        trade(account, "buy", "10", "100")
        return {"account": str(account.id), "symbol": "ACME"}

    def preview(self, page, held, **told):
        return page.post("/positions/close", {**held, **told}, headers=HTMX)

    def confirm(self, page, shown, **headers):
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', _form(shown.text)))
        return fields, page.post("/positions/close/confirm", fields, headers=headers)

    def test_asks_how_much(self, page, held):
        text = page.get("/positions/close", held, headers=HTMX).text

        assert "10 held by our own executions" in text
        assert "worth about 1,000.00" in text

    @pytest.mark.parametrize(("quantity", "closed"), [("", D(10)), ("4", D(4)), ("10", D(10))])
    def test_whole_or_in_part(self, page, held, quantity, closed):
        shown = self.preview(page, held, quantity=quantity)
        _, response = self.confirm(page, shown, **HTMX)

        order = Order.objects.latest("id")
        assert response.status_code == 201
        assert (order.side, order.quantity, order.order_type) == ("sell", closed, "market")

    def test_a_short_one_is_bought_back(self, page, account):
        trade(account, "sell", "3", "100")

        shown = self.preview(page, {"account": str(account.id), "symbol": "ACME"})

        assert "Buy 3 ACME" in shown.text

    def test_the_same_confirmation_places_one_order(self, page, held):
        fields, _ = self.confirm(page, self.preview(page, held), **HTMX)

        again = page.post("/positions/close/confirm", fields, headers=HTMX)

        assert again.status_code == 201
        assert Order.objects.filter(order_type="market").count() == 1

    def test_what_may_turn_it_round_is_asked_about(self, page, held, account):
        OrderFactory(account=account, unknown=True, side="sell")
        fields, response = self.confirm(page, self.preview(page, held), **HTMX)

        assert response.status_code == 422
        assert "might turn the position round" in response.text
        assert 'name="despite_doubt"' in response.text
        assert not Order.objects.filter(order_type="market").exists()

        response = page.post(
            "/positions/close/confirm", {**fields, "despite_doubt": "on"}, headers=HTMX
        )
        assert response.status_code == 201

    def test_other_open_orders_are_named(self, page, held, account):
        OrderFactory(account=account, working=True, side="sell")

        text = page.get("/positions/close", held, headers=HTMX).text

        assert "1 open order for ACME stays open" in text

    @pytest.mark.parametrize(
        "told", [{"quantity": "11"}, {"quantity": "0"}, {"quantity": "x"}, {"symbol": "NONE"}]
    )
    def test_what_can_not_be_closed_is_said(self, page, held, told):
        response = self.preview(page, {**held, **told})
        if response.status_code == 200:
            _, response = self.confirm(page, response, **HTMX)

        assert response.status_code == 422
        assert "error" in response.text
        assert not Order.objects.filter(order_type="market").exists()

    @pytest.mark.parametrize("role", [{}, {"viewer": True}])
    def test_nobody_closes_what_is_not_theirs(self, page, trader, account, role):
        foreign = AccountFactory(**dict.fromkeys(role, trader))
        trade(foreign, "buy", "10", "100")
        told = {"account": str(foreign.id), "symbol": "ACME"}

        assert page.get("/positions/close", told).status_code == 404
        assert page.post("/positions/close", told).status_code == 422
        assert not Order.objects.filter(order_type="market").exists()

    def test_works_without_javascript(self, page, held):
        shown = page.post("/positions/close", held)
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', _form(shown.text)))

        response = page.post("/positions/close/confirm", fields)

        assert response.status_code == 302
