"""The incidents page in a browser: seen, acknowledged, closed, on any width and in both themes."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.utils import timezone

from orders import alarming
from orders.models import Incident, Severity
from tests.browser.conftest import live
from tests.factories import OrderFactory

Kind = Incident.Kind


@pytest.fixture
@transaction.atomic
def incidents(account):
    now = timezone.now()
    found = OrderFactory(working=True, account=account)
    lost = OrderFactory(unknown=True, account=account)
    said = {"account": account, "now": now}
    return [
        alarming.alarm(
            Kind.REVIVED,
            order=found,
            severity=Severity.CRITICAL,
            says="The broker has it after all: it had refused it at 14:02:07.",
            **said,
        ),
        alarming.alarm(
            Kind.DOUBT,
            order=lost,
            severity=Severity.CRITICAL,
            says="Nobody can say for 120 s whether the broker has it.",
            **said,
        ),
        alarming.alarm(
            Kind.EXTERNAL,
            severity=Severity.NOTICE,
            says="3 orders were entered elsewhere.",
            **said,
        ),
    ]


def test_one_is_acknowledged_and_closed_without_leaving_the_page(visit, incidents):
    page = live(visit("/incidents/"))
    revived = incidents[0]
    page.wait_for_selector("#incident-count .critical")

    page.click(f"#acknowledge-{revived.id}")
    page.wait_for_selector(f"#incident-{revived.id} >> text=acknowledged by ana")
    page.click(f"#closing-{revived.id} summary")
    page.fill(f"#closing-{revived.id} input[name=outcome]", "Sold what it had bought.")
    page.click(f"#closing-{revived.id} button")

    page.wait_for_selector(f"#incident-{revived.id}", state="detached")
    revived.refresh_from_db()
    assert revived.outcome == "Sold what it had bought."
    assert page.locator(".incident").count() == 2


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("width", [390, 1600])
def test_fits_its_page(visit, incidents, theme, width):
    page = visit("/incidents/", theme=theme, width=width, height=844)

    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator(".incident").count() == 3
