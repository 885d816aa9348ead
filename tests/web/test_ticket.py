"""The ticket: what is wrong is named, what is confirmed is placed once, and nothing else is."""

from __future__ import annotations

import re
from decimal import Decimal
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from orders.models import Order
from tests.factories import AccountFactory, OrderFactory
from tests.web.conftest import HTMX


@pytest.fixture
def told(account):
    return {
        "account": str(account.id),
        "side": "buy",
        "symbol": "ACME",
        "quantity": "10",
        "order_type": "limit",
        "time_in_force": "day",
        "limit_price": "99.50",
    }


BAD = [
    ("account", ""),
    ("account", "not-an-id"),
    ("account", "\0"),
    ("account", "1b243058-7012-4171-8cda-891d44cb847c"),
    ("side", ""),
    ("side", "hold"),
    ("symbol", ""),
    ("symbol", " "),
    ("symbol", "A" * 33),
    ("symbol", "AC\0ME"),
    ("symbol", "ÄCME"),
    ("symbol", "💥"),
    ("symbol", "A\nB"),
    ("quantity", ""),
    ("quantity", "0"),
    ("quantity", "-1"),
    ("quantity", "+1"),
    ("quantity", "ten"),
    ("quantity", "NaN"),
    ("quantity", "Infinity"),
    ("quantity", "1e3"),
    ("quantity", "1e999999"),
    ("quantity", "1_000"),
    ("quantity", "1,000"),
    ("quantity", "١٢"),
    ("quantity", "１２"),
    ("quantity", "0x10"),
    ("quantity", "1000000000000"),
    ("quantity", "9" * 39),
    ("quantity", "1.0000000001"),
    ("quantity", "1 2"),
    ("quantity", "1\0"),
    ("order_type", ""),
    ("order_type", "trailing"),
    ("time_in_force", ""),
    ("time_in_force", "soon"),
    ("limit_price", ""),
    ("limit_price", "0"),
    ("limit_price", "-5"),
    ("limit_price", "nan"),
    ("limit_price", "1e999999"),
    ("stop_price", "98"),  # does not go with a limit order
    ("intent", "not-an-id"),
]


class TestBadInput:
    @pytest.mark.parametrize(("field", "value"), BAD)
    @pytest.mark.parametrize("path", ["/orders/preview/", "/orders/place/"])
    def test_is_named_at_its_field_and_places_nothing(self, page, told, path, field, value):
        intent = {"intent": str(uuid4())} if path == "/orders/place/" else {}

        response = page.post(path, {**told, **intent, field: value}, headers=HTMX)

        assert response.status_code == 422
        assert field in response.context["form"].errors
        assert "Not sent." in response.text
        assert not Order.objects.exists()

    @pytest.mark.parametrize("field", ["side", "symbol", "quantity", "order_type", "limit_price"])
    def test_a_missing_field_is_named(self, page, told, field):
        del told[field]

        response = page.post("/orders/preview/", told, headers=HTMX)

        assert response.status_code == 422
        assert field in response.context["form"].errors

    def test_an_unknown_field_is_refused(self, page, told):
        response = page.post("/orders/preview/", {**told, "leverage": "20"}, headers=HTMX)

        assert response.status_code == 422
        assert "There is no field &#x27;leverage&#x27; here." in response.text

    def test_a_field_that_comes_twice_is_refused(self, page, told):
        response = page.post("/orders/preview/", {**told, "quantity": ["1", "100"]}, headers=HTMX)

        assert response.status_code == 422
        assert response.context["form"].errors["quantity"] == ["This came twice."]

    def test_a_halted_account_is_named(self, page, told, account):
        account.halted_at, account.halt_reason = timezone.now(), "Ana halted it."
        account.save()

        response = page.post("/orders/place/", {**told, "intent": uuid4()}, headers=HTMX)

        assert response.status_code == 422
        assert "Ana halted it." in response.text
        assert not Order.objects.exists()

    def test_what_was_filled_in_stays(self, page, told):
        response = page.post("/orders/preview/", {**told, "quantity": "ten"}, headers=HTMX)

        assert 'value="ten"' in response.text
        assert 'value="99.50"' in response.text

    def test_somebody_elses_account_can_not_be_named(self, page, told):
        told["account"] = str(AccountFactory().id)

        assert page.post("/orders/preview/", told, headers=HTMX).status_code == 422


class TestPreview:
    def test_shows_what_would_be_sent_and_sends_nothing(self, page, told, broker):
        response = page.post("/orders/preview/", told, headers=HTMX)

        shown = response.context["preview"]
        assert response.status_code == 200
        assert shown.value == Decimal(995)
        assert shown.after == Decimal(10)
        assert str(shown.intent) in response.text
        assert not Order.objects.exists()
        assert broker.submitted == []

    def test_warns_of_an_order_in_doubt(self, page, told, account):
        OrderFactory(unknown=True, account=account)

        text = page.post("/orders/preview/", told, headers=HTMX).text

        assert "in doubt" in text
        assert "don't enter it again" in text

    def test_shows_like_orders_of_late(self, page, told, account):
        alike = OrderFactory(working=True, account=account)

        text = page.post("/orders/preview/", told, headers=HTMX).text

        assert f"/orders/{alike.id}/" in text

    def test_does_without_a_broker_that_does_not_answer(self, page, told, broker):
        broker.quote = broker.balance = lambda *_: (_ for _ in ()).throw(TimeoutError)
        told |= {"order_type": "limit"}

        response = page.post("/orders/preview/", told, headers=HTMX)

        assert response.status_code == 200
        assert "broker did not say" in response.text

    def test_works_without_javascript(self, page, told):
        response = page.post("/orders/preview/", told)

        assert "<html" in response.text
        assert 'action="/orders/place/"' in response.text


@pytest.mark.django_db(transaction=True)
class TestPlace:
    def confirm(self, page, told, **headers):
        shown = page.post("/orders/preview/", told, headers=HTMX).text
        form = shown.split('action="/orders/place/"')[1].split("</form>")[0]
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
        return fields, page.post("/orders/place/", fields, headers=headers)

    def test_places_what_was_previewed(self, page, told, account, trader):
        fields, response = self.confirm(page, told, **HTMX)

        order = Order.objects.get()
        assert response.status_code == 201
        assert "Recorded" in response.text
        assert order.client_order_id == fields["intent"]
        assert (order.account, order.placed_by) == (account, trader)
        assert (order.symbol, order.quantity) == ("ACME", 10)
        assert order.events.get().actor_name == "ana"

    def test_a_replayed_confirmation_places_one_order(self, page, told):
        fields, _ = self.confirm(page, told, **HTMX)

        again = page.post("/orders/place/", fields, headers=HTMX)

        assert again.status_code == 200
        assert "Already recorded" in again.text
        assert Order.objects.count() == 1

    def test_a_replay_with_other_terms_is_refused(self, page, told):
        fields, _ = self.confirm(page, told, **HTMX)

        response = page.post("/orders/place/", {**fields, "quantity": "11"}, headers=HTMX)

        assert response.status_code == 422
        assert "already belongs to another order" in response.text
        assert Order.objects.count() == 1

    def test_a_replay_after_a_halt_says_that_it_was_placed(self, page, told, account):
        fields, _ = self.confirm(page, told, **HTMX)
        account.halted_at = timezone.now()
        account.save()

        response = page.post("/orders/place/", fields, headers=HTMX)

        assert "had already placed" in response.text
        assert Order.objects.count() == 1

    def test_takes_no_ticket_that_was_not_previewed(self, page, told):
        response = page.post("/orders/place/", told, headers=HTMX)

        assert response.status_code == 422
        assert "Look at the preview first" in response.text
        assert not Order.objects.exists()

    def test_works_without_javascript(self, page, told):
        _, response = self.confirm(page, told)

        assert response.url == f"/orders/{Order.objects.get().id}/"

    def test_csrf_is_asked_for(self, trader, told):
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(trader)

        assert strict.post("/orders/place/", told).status_code == 403
        assert not Order.objects.exists()


class TestBlank:
    def test_offers_what_the_accounts_broker_takes(self, page, account):
        text = page.get(f"/orders/new/?account={account.id}&order_type=market").text

        assert 'value="gtc"' in text

    @pytest.mark.parametrize("query", ["account=x", "order_type=x&account=%00", "quantity=%FF"])
    def test_survives_any_query(self, page, account, query):
        assert page.get(f"/orders/new/?{query}").status_code == 200
