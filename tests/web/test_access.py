"""Who sees what: nothing without signing in, and nothing of other people's accounts."""

from __future__ import annotations

from uuid import uuid4

import pytest

from orders.models import Order
from orders.web.urls import urlpatterns
from tests.factories import AccountFactory, OrderFactory, UserFactory
from tests.web.conftest import HTMX

OPEN = {"sign-in", "sign-in-once", "sign-out"}
PAGES = [
    "/",
    "/orders/",
    "/orders/new/",
    "/doubt/",
    "/executions/",
    "/positions/",
    "/incidents/",
    "/reconciliation/",
    "/lab/",
]
FRAGMENTS = [
    "/desk/side",
    "/desk/figures",
    "/desk/strip",
    "/orders/chips",
    "/doubt/count",
    "/incidents/count",
]
OF_ONE_ORDER = ["", "row", "replace", "rule"]


@pytest.mark.django_db
class TestSignedOut:
    @pytest.mark.parametrize("path", PAGES + FRAGMENTS)
    def test_is_sent_to_sign_in_and_back(self, client, path):
        response = client.get(path)

        assert response.status_code == 302
        assert response.url.startswith("/sign-in/?next=")

    @pytest.mark.parametrize("route", [r for r in urlpatterns if r.name not in OPEN], ids=repr)
    def test_no_address_answers(self, client, route):
        some = str(uuid4())
        path = "/" + str(route.pattern)
        for part in ("<uuid:order_id>", "<uuid:account_id>", "<path:symbol>", "<str:name>"):
            path = path.replace(part, some)
        path = path.replace("<int:incident_id>", "1").replace("<int:ruling_id>", "1")

        assert client.get(path).status_code == 302
        assert client.post(path).status_code == 302

    def test_a_part_of_a_page_says_so_in_place(self, client):
        response = client.get("/desk/side", headers=HTMX)

        assert response.status_code == 401
        assert "signed out" in response.text

    def test_a_submit_says_that_nothing_was_sent(self, client):
        response = client.post("/orders/place/", headers=HTMX)

        assert response.status_code == 401
        assert response["HX-Retarget"] == "#alerts"
        assert "NOT SENT — sign in again" in response.text


class TestOtherPeoplesOrders:
    @pytest.fixture
    def foreign(self, page, account):
        return OrderFactory(unknown=True, symbol="SECRET", account=AccountFactory(name="Foreign"))

    @pytest.mark.parametrize("part", OF_ONE_ORDER)
    def test_do_not_exist(self, page, foreign, part):
        assert page.get(f"/orders/{foreign.id}/{part}").status_code == 404

    @pytest.mark.parametrize("part", ["cancel", "check", "replace", "replace/confirm", "rule"])
    def test_can_not_be_acted_on(self, page, foreign, part):
        assert page.post(f"/orders/{foreign.id}/{part}").status_code == 404

        assert Order.objects.get(id=foreign.id).cancel_requested_at is None

    @pytest.mark.parametrize("path", [*PAGES[:-1], *FRAGMENTS, "/orders/?show=doubt", "/?text=SEC"])
    def test_are_on_no_page(self, page, foreign, path):
        for headers in ({}, HTMX):
            response = page.get(path, headers=headers)

            assert response.status_code == 200
            assert foreign.client_order_id not in response.text
            assert "Foreign" not in response.text
            assert "SECRET<" not in response.text

    def test_can_not_be_filtered_for(self, page, foreign):
        response = page.get(f"/orders/?account={foreign.account_id}")

        assert str(foreign.id) not in response.text

    def test_prices_of_a_foreign_account_do_not_exist(self, page, foreign):
        account = foreign.account_id

        assert page.get(f"/market/ACME/bars?account={account}").status_code == 404
        assert page.get(f"/market/symbols?account={account}").status_code == 404


class TestViewer:
    @pytest.fixture
    def order(self, page, trader, broker):
        return OrderFactory(working=True, account=AccountFactory(viewer=trader))

    def test_sees_the_order_and_no_buttons(self, page, order):
        text = page.get("/").text

        assert f"order-{order.id}" in text
        assert f"cancel-{order.id}" not in text

    @pytest.mark.parametrize("part", ["cancel", "check", "replace", "replace/confirm", "rule"])
    @pytest.mark.parametrize("headers", [{}, HTMX])
    def test_may_not_act(self, page, order, part, headers):
        response = page.post(f"/orders/{order.id}/{part}", headers=headers)

        order.refresh_from_db()
        assert response.status_code == 403
        assert "not trade in it" in response.text
        assert order.cancel_requested_at is None

    def test_may_not_place(self, page, order):
        response = page.post("/orders/preview/", {"account": order.account_id}, headers=HTMX)

        assert response.status_code == 422
        assert "No account to trade in" in response.text


class TestSigningIn:
    def test_with_a_password(self, client, trader):
        told = {"username": "ana", "password": "correct horse battery", "next": "/doubt/"}

        assert client.post("/sign-in/", told).url == "/doubt/"

    def test_never_leads_elsewhere(self, client, trader):
        told = {"username": "ana", "password": "correct horse battery", "next": "//evil.example"}

        assert client.post("/sign-in/", told).url == "/"

    def test_a_wrong_password_says_no_more_than_that(self, client, trader):
        response = client.post("/sign-in/", {"username": "ana", "password": "wrong"})

        assert "That name and password don&#x27;t go together." in response.text

    def test_signing_out_takes_a_post(self, page):
        assert page.get("/sign-out/").status_code == 405
        assert page.post("/sign-out/").url == "/sign-in/"
        assert page.get("/").status_code == 302


@pytest.mark.django_db
def test_a_person_without_accounts_is_told_so(client):
    client.force_login(UserFactory())

    text = client.get("/").text

    assert "No account to trade in" in text
    assert "No orders yet" in text
