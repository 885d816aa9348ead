"""Many orders cancelled at once: asked with their count, and each told for itself."""

from __future__ import annotations

import re

import pytest
from django.db import OperationalError

from brokers.vocabulary import Status
from orders import canceling
from orders.models import Order
from tests.factories import AccountFactory, OrderFactory
from tests.web.conftest import HTMX


@pytest.fixture
def orders(account):
    return {
        "working": OrderFactory(account=account, working=True),
        "doubt": OrderFactory(account=account, unknown=True, symbol="OTHER"),
        "ready": OrderFactory(account=account),
        "filled": OrderFactory(account=account, filled=True),
    }


def asked(text):
    return set(re.findall(r'name="order" value="([^"]+)"', text))


def ids(*orders):
    return {str(order.id) for order in orders}


class TestAsking:
    def test_names_every_open_order_shown(self, page, orders):
        text = page.get("/orders/cancel/", headers=HTMX).text

        assert "Cancel 3 orders?" in text
        assert asked(text) == ids(orders["working"], orders["doubt"], orders["ready"])

    def test_goes_by_the_filter(self, page, orders):
        text = page.get("/orders/cancel/?symbol=OTHER", headers=HTMX).text

        assert asked(text) == ids(orders["doubt"])

    def test_or_by_what_is_selected(self, page, orders):
        picked = {"order": [str(orders["ready"].id), str(orders["filled"].id), "no-id"]}

        assert asked(page.get("/orders/cancel/", picked).text) == ids(orders["ready"])

    def test_says_when_a_position_would_lose_its_protection(self, page, orders, account):
        OrderFactory(account=account, working=True, parent=orders["filled"], leg="stop_loss")

        assert "1 of them protects a position" in page.get("/orders/cancel/").text

    def test_leaves_out_what_is_not_theirs(self, page, orders, trader):
        foreign = OrderFactory(working=True)
        watched = OrderFactory(account=AccountFactory(viewer=trader), working=True)
        picked = {"order": [str(foreign.id), str(watched.id)]}

        assert "Nothing to cancel" in page.get("/orders/cancel/", picked).text

    def test_is_offered_on_the_pages_with_rows(self, page, orders):
        text = page.get("/orders/?symbol=OTHER").text

        form = text.split('id="pick"')[1].split("</form>")[0]
        assert '<input type="hidden" name="symbol" value="OTHER">' in form
        assert f'value="{orders["doubt"].id}" form="pick"' in text


@pytest.mark.django_db(transaction=True)
class TestConfirming:
    def test_tells_of_each_what_became_of_it(self, page, orders):
        everything = {"order": [str(order.id) for order in orders.values()]}

        response = page.post("/orders/cancel/confirm", everything, headers=HTMX)

        told = {one.order.id: one.says for one in response.context["outcomes"]}
        assert told[orders["working"].id].startswith("Asked for.")
        assert told[orders["doubt"].id].startswith("It may be live")
        assert told[orders["ready"].id].startswith("Withdrawn")
        assert orders["filled"].id in told
        assert Order.objects.filter(cancel_requested_at__isnull=False).count() >= 2
        orders["filled"].refresh_from_db()
        assert orders["filled"].status == Status.FILLED

    def test_one_that_fails_keeps_no_other(self, page, orders, monkeypatch):
        cancel = canceling.cancel

        def lose_one(order_id, **told):
            if order_id == orders["working"].id:
                raise OperationalError("gone")
            return cancel(order_id, **told)

        monkeypatch.setattr(canceling, "cancel", lose_one)
        both = {"order": [str(orders["working"].id), str(orders["ready"].id)]}

        response = page.post("/orders/cancel/confirm", both, headers=HTMX)

        assert "could not record it. Ask again." in response.text
        assert "Withdrawn" in response.text

    def test_protection_goes_last(self, page, orders, account):
        leg = OrderFactory(account=account, working=True, parent=orders["filled"], leg="stop_loss")
        entry = orders["working"]

        response = page.post("/orders/cancel/confirm", {"order": [str(leg.id), str(entry.id)]})

        assert [one.order.id for one in response.context["outcomes"]] == [entry.id, leg.id]

    def test_nobody_cancels_what_they_may_only_see(self, page, trader, account):
        watched = OrderFactory(account=AccountFactory(viewer=trader), working=True)
        foreign = OrderFactory(working=True)

        page.post("/orders/cancel/confirm", {"order": [str(watched.id), str(foreign.id)]})

        assert not Order.objects.filter(cancel_requested_at__isnull=False).exists()
