"""What the broker said of an order in doubt, recorded by people on its pages."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client

from brokers.vocabulary import OrderType
from orders.models import Grant, Role, Ruling
from orders.states import Submission
from tests.factories import AccountFactory, OrderFactory, UserFactory
from tests.web.conftest import HTMX

ABSENT = {
    "verdict": "absent",
    "broker_order_id": "",
    "broker_ticket": "CS-1234",
    "reason": "Jo at the desk looked and it is not there.",
}
LARGE = {"quantity": Decimal(1000)}  # 99,500 at its limit: more than one person may rule on


@pytest.fixture
def order(account):
    return OrderFactory(unknown=True, account=account)


@pytest.fixture
def second(account):
    """Another trader's browser."""
    ben = UserFactory(username="ben")
    Grant.objects.create(account=account, user=ben, role=Role.TRADER)
    browser = Client()
    browser.force_login(ben)
    return browser


class TestForm:
    def test_is_offered_where_the_order_is_in_doubt(self, page, order):
        assert f"/orders/{order.id}/rule" in page.get(f"/orders/{order.id}/").text
        assert f"/orders/{order.id}/rule" in page.get("/doubt/").text

    def test_says_when_it_takes_two(self, page, account, order):
        large = OrderFactory(unknown=True, account=account, **LARGE)

        assert "another trader has to confirm" in page.get(f"/orders/{large.id}/rule").text
        assert "another trader has to confirm" not in page.get(f"/orders/{order.id}/rule").text

    @pytest.mark.parametrize("field", ["verdict", "broker_ticket", "reason"])
    def test_names_what_is_missing_and_changes_nothing(self, page, order, field):
        answer = page.post(f"/orders/{order.id}/rule", ABSENT | {field: ""}, headers=HTMX)

        assert answer.status_code == 422
        assert "This field is required." in answer.text
        assert not Ruling.objects.exists()

    @pytest.mark.parametrize(
        "changes",
        [
            {"verdict": "perhaps"},
            {"reason": "x" * 2001},
            {"broker_ticket": "T\0"},
            {"verdict": "found"},
            {"broker_order_id": "B-1"},
            {"color": "red"},
        ],
    )
    def test_refuses_what_makes_no_sense(self, page, order, changes):
        answer = page.post(f"/orders/{order.id}/rule", ABSENT | changes, headers=HTMX)

        assert answer.status_code == 422
        order.refresh_from_db()
        assert order.submission == Submission.UNKNOWN

    def test_is_declined_for_an_order_that_is_settled(self, page, account):
        working = OrderFactory(working=True, account=account)

        answer = page.post(f"/orders/{working.id}/rule", ABSENT, headers=HTMX)

        assert answer.status_code == 422
        assert "not in doubt" in answer.text


class TestOnePerson:
    def test_settles_a_small_order(self, page, order):
        answer = page.post(f"/orders/{order.id}/rule", ABSENT, headers=HTMX)

        order.refresh_from_db()
        assert order.submission == Submission.ABSENT
        assert "on your word" in answer.text

    def test_works_without_javascript(self, page, order):
        assert page.post(f"/orders/{order.id}/rule", ABSENT).url == f"/orders/{order.id}/"

    def test_attaches_what_the_broker_has(self, page, order, broker):
        broker.has(order.ticket(), broker_order_id="B-77")

        found = ABSENT | {"verdict": "found", "broker_order_id": "B-77"}
        page.post(f"/orders/{order.id}/rule", found)

        order.refresh_from_db()
        assert (order.submission, order.broker_order_id) == (Submission.ACCEPTED, "B-77")

    def test_what_the_broker_does_not_have_is_said_at_its_field(self, page, order):
        found = ABSENT | {"verdict": "found", "broker_order_id": "B-78"}
        answer = page.post(f"/orders/{order.id}/rule", found, headers=HTMX)

        assert answer.status_code == 422
        assert "B-78" in answer.text.split('id="error_ruling_broker_order_id"')[1]


class TestTwoPeople:
    @pytest.fixture
    def ruling(self, page, account):
        large = OrderFactory(unknown=True, account=account, order_type=OrderType.LIMIT, **LARGE)
        page.post(f"/orders/{large.id}/rule", ABSENT)
        return Ruling.objects.get()

    def test_the_first_alone_changes_nothing(self, page, ruling):
        ruling.order.refresh_from_db()
        assert ruling.order.submission == Submission.UNKNOWN
        text = page.get(f"/orders/{ruling.order_id}/").text
        assert "It counts once another trader has confirmed it." in text
        assert "confirm-ruling" not in text

    def test_the_first_can_not_be_the_second(self, page, ruling):
        answer = page.post(f"/rulings/{ruling.id}/confirm", headers=HTMX)

        assert "Somebody else must confirm" in answer.text
        ruling.order.refresh_from_db()
        assert ruling.order.submission == Submission.UNKNOWN

    def test_the_second_sees_what_was_said_and_confirms(self, second, ruling):
        text = second.get(f"/orders/{ruling.order_id}/").text
        assert "CS-1234" in text
        assert "Jo at the desk" in text

        second.post(f"/rulings/{ruling.id}/confirm")

        ruling.order.refresh_from_db()
        assert ruling.order.submission == Submission.ABSENT

    def test_it_can_be_dropped(self, second, ruling):
        second.post(f"/rulings/{ruling.id}/drop")

        ruling.refresh_from_db()
        assert ruling.state == Ruling.State.DROPPED
        assert second.post(f"/rulings/{ruling.id}/drop", headers=HTMX).status_code == 409

    @pytest.mark.parametrize("word", ["confirm", "drop"])
    def test_a_viewer_can_do_neither(self, account, ruling, word):
        eve = UserFactory(username="eve")
        Grant.objects.create(account=account, user=eve, role=Role.VIEWER)
        browser = Client()
        browser.force_login(eve)

        assert browser.post(f"/rulings/{ruling.id}/{word}", headers=HTMX).status_code == 403
        ruling.refresh_from_db()
        assert ruling.state == Ruling.State.PROPOSED

    @pytest.mark.parametrize("word", ["confirm", "drop"])
    def test_for_a_stranger_it_does_not_exist(self, ruling, word):
        browser = Client()
        stranger = UserFactory()
        AccountFactory(trader=stranger)
        browser.force_login(stranger)

        assert browser.post(f"/rulings/{ruling.id}/{word}").status_code == 404
