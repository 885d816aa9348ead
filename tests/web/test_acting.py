"""Cancel, replace, check now: one call each, and an answer in every case."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

import pytest

from orders.models import Order
from tests.factories import OrderFactory
from tests.web.conftest import HTMX


@pytest.fixture
def order(account):
    return OrderFactory(working=True, account=account)


class TestCancel:
    def test_asks_and_answers_with_the_row_as_it_stands(self, page, order):
        response = page.post(f"/orders/{order.id}/cancel", headers=HTMX)

        order.refresh_from_db()
        assert order.cancel_requested_at is not None
        assert response.text.strip().startswith(f'<tr id="order-{order.id}" data-version="2"')
        assert "Cancel pending" in response.text
        assert "Cancelled" not in response.text

    def test_again_is_harmless(self, page, order):
        page.post(f"/orders/{order.id}/cancel", headers=HTMX)

        assert page.post(f"/orders/{order.id}/cancel", headers=HTMX).status_code == 200

    def test_of_an_ended_order_says_so_in_the_row(self, page, account):
        order = OrderFactory(filled=True, account=account)

        response = page.post(f"/orders/{order.id}/cancel", headers=HTMX)

        assert response.status_code == 409
        assert "The order has ended: filled." in response.text

    def test_in_doubt_is_cancel_on_sight(self, page, account):
        order = OrderFactory(unknown=True, account=account)

        response = page.post(f"/orders/{order.id}/cancel", headers=HTMX)

        assert "Cancel on sight" in response.text
        assert "In doubt" in response.text

    def test_works_without_javascript(self, page, order):
        assert page.post(f"/orders/{order.id}/cancel").url == f"/orders/{order.id}/"

    def test_from_the_orders_own_page_leads_back_there(self, page, order):
        response = page.post(f"/orders/{order.id}/cancel?then=detail", headers=HTMX)

        assert response.url == f"/orders/{order.id}/"


class TestCheck:
    def test_has_the_broker_asked(self, page, account, monkeypatch):
        order, rung = OrderFactory(unknown=True, account=account), []
        monkeypatch.setattr("orders.web.acting.ring", lambda *ringing: rung.append(ringing) or True)

        response = page.post(f"/orders/{order.id}/check", headers=HTMX)

        assert "Asking the broker now" in response.text
        assert rung[0][1] == str(order.id)

    def test_says_so_when_nobody_hears_the_bell(self, page, account, monkeypatch):
        order = OrderFactory(unknown=True, account=account)
        monkeypatch.setattr("orders.web.acting.ring", lambda *_: False)

        assert (
            "looked for again when it is due"
            in page.post(f"/orders/{order.id}/check", headers=HTMX).text
        )


@pytest.mark.django_db(transaction=True)
class TestReplace:
    def test_takes_two_steps(self, page, order):
        asked = page.get(f"/orders/{order.id}/replace", headers=HTMX)
        shown = page.post(
            f"/orders/{order.id}/replace", {"quantity": "20", "limit_price": "98"}, headers=HTMX
        )
        assert asked.status_code == shown.status_code == 200
        assert Order.objects.count() == 1

        confirmed = page.post(
            f"/orders/{order.id}/replace/confirm",
            {"quantity": "20", "limit_price": "98", "intent": shown.context["intent"]},
            headers=HTMX,
        )

        new = Order.objects.exclude(id=order.id).get()
        assert confirmed.status_code == 201
        assert (new.replaces_id, new.quantity, new.limit_price) == (order.id, 20, Decimal(98))

    def test_replayed_replaces_once(self, page, order):
        told = {"quantity": "20", "intent": str(uuid4())}

        for _ in range(2):
            answer = page.post(f"/orders/{order.id}/replace/confirm", told, headers=HTMX)
            assert answer.status_code == 201

        assert Order.objects.count() == 2

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("quantity", ""),
            ("quantity", "NaN"),
            ("quantity", "1e999999"),
            ("quantity", "0"),
            ("limit_price", "-1"),
            ("limit_price", "٣"),
            ("intent", "x"),
        ],
    )
    def test_names_what_is_wrong_and_replaces_nothing(self, page, order, field, value):
        told = {"quantity": "20", "intent": str(uuid4()), field: value}

        response = page.post(f"/orders/{order.id}/replace/confirm", told, headers=HTMX)

        assert response.status_code == 422
        assert field in response.context["form"].errors
        assert Order.objects.count() == 1

    @pytest.mark.parametrize("trait", ["filled", "unknown", "canceled"])
    def test_of_what_does_not_work_says_so(self, page, account, trait):
        order = OrderFactory(account=account, **{trait: True})
        told = {"quantity": "20", "intent": str(uuid4())}

        response = page.post(f"/orders/{order.id}/replace/confirm", told, headers=HTMX)

        assert response.status_code == 422
        assert "can be replaced" in response.text

    def test_without_the_preview_is_refused(self, page, order):
        response = page.post(
            f"/orders/{order.id}/replace/confirm", {"quantity": "20"}, headers=HTMX
        )

        assert response.status_code == 422
        assert Order.objects.count() == 1
