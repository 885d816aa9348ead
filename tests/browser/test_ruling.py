"""Recording a broker's answer in a browser: the dialog, and what the second person sees."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import timezone

from orders import actors, judging
from orders.models import Grant, Role
from orders.states import Submission
from tests.browser.conftest import live
from tests.factories import OrderFactory, UserFactory


@pytest.fixture
def order(account):
    return OrderFactory(unknown=True, account=account)


def test_the_answer_is_recorded_in_a_dialog_over_the_order(visit, order):
    page = live(visit(f"/orders/{order.id}/"))

    page.click("#rule-now")
    page.check("#dialog input[value=absent]")
    page.fill("#dialog input[name=broker_ticket]", "CS-1234")
    page.fill("#dialog textarea[name=reason]", "They looked, and it is not there.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    page.wait_for_selector("#dialog >> text=on your word")
    order.refresh_from_db()
    assert order.submission == Submission.ABSENT


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("width", [390, 1600])
def test_what_waits_for_a_second_person_fits_its_page(visit, account, theme, width):
    ben = UserFactory(username="ben")
    Grant.objects.create(account=account, user=ben, role=Role.TRADER)
    large = OrderFactory(unknown=True, account=account, quantity=Decimal(1000))
    judging.propose(
        large.id,
        verdict="absent",
        reason="Jo at the desk looked for it by our id, in all books, and it is not there.",
        broker_ticket="CS-1234",
        user=ben,
        actor=actors.person(ben),
        now=timezone.now(),
    )

    page = visit(f"/orders/{large.id}/", theme=theme, width=width, height=844)

    assert page.locator("#confirm-ruling").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
