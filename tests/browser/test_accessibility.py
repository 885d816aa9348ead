"""Every page in dark and light: WCAG 2.2 AA, as far as axe can tell."""

from __future__ import annotations

from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.db import transaction
from django.utils import timezone

from brokers.vocabulary import Environment, Side, Status
from orders import alarming
from orders.models import Feed
from orders.states import Submission
from tests.browser.conftest import live
from tests.factories import AccountFactory, OrderFactory
from tests.paper_exchange import TOKEN, paper, paper_process  # noqa: F401

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
TRAITS = [
    {"working": True},
    {"part_filled": True},
    {"filled": True},
    {"canceled": True},
    {"rejected": True},
    {"sending": True},
    {"unknown": True},
    {"refused": True},
    {"working": True, "status": Status.HELD},
    {"working": True, "status": Status.INDETERMINATE, "raw_status": "zombie"},
    {"working": True, "flags": ["overfill", "fills_missing"]},
    {"submission": Submission.BLOCKED},
    {"submission": Submission.AWAITING_APPROVAL},
    {},
]


@pytest.fixture
def every_state(account, trader):
    """An order in each state there is, on paper and live."""
    real = AccountFactory(name="Real money", environment=Environment.LIVE, trader=trader)
    Feed.objects.filter(account=real).update(silent_since=timezone.now(), failure="Silence.")
    orders = [OrderFactory(account=account, side=Side.SELL, **traits) for traits in TRAITS]
    OrderFactory(account=real, working=True, cancel_requested_at=timezone.now())
    for kind, severity in (("denied", "critical"), ("disputed", "warning"), ("external", "notice")):
        with transaction.atomic():
            alarming.alarm(
                kind, account=account, severity=severity, says="It says so.", now=timezone.now()
            )
    soon = timezone.now() + timedelta(minutes=1)
    return [*orders, OrderFactory(account=account, unknown=True, look_at=soon)]


def violations(page):
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}})
    return [
        (rule["id"], node["html"][:160], node.get("failureSummary", "")[:200])
        for rule in found.response["violations"]
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("width", [1600, 390])
@pytest.mark.parametrize(
    "path",
    ["/", "/orders/", "/doubt/", "/incidents/", "/executions/", "/positions/", "/reconciliation/"],
)
def test_page(visit, every_state, path, theme, width):
    page = live(visit(path, theme=theme, width=width))
    page.wait_for_timeout(500)  # for the panels that come after the page

    assert violations(page) == []


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_order(visit, every_state, theme):
    page = live(visit(f"/orders/{every_state[-1].id}/", theme=theme))

    assert violations(page) == []


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_preview_and_dialogs(visit, every_state, theme):
    page = live(visit("/", theme=theme))
    page.click(".side-choice.side-sell")
    page.fill("#ticket_symbol", "ACME")
    page.fill("#ticket_quantity", "1")
    page.fill("#ticket_limit_price", "1")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#ticket .headline")
    assert violations(page) == []

    page.keyboard.press("?")
    assert violations(page) == []


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_door(visit, theme):
    assert violations(visit("/sign-in/", theme=theme, signed_in=False)) == []


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_lab(visit, trader, paper, settings, theme):  # noqa: F811
    settings.DESK_PAPER_URL, settings.DESK_PAPER_TOKEN = paper.url, TOKEN
    account = AccountFactory.build(broker="paper", base_url=paper.url)
    account.seal_credentials(paper.account().credentials)
    account.save(force_insert=True)
    Feed.objects.create(account=account)
    account.grants.create(user=trader, role="trader")
    page = live(visit("/lab/", theme=theme))
    page.click("#scenario-taken-504")
    page.wait_for_selector(".dials tr.on")
    page.wait_for_selector(".tape")

    assert violations(page) == []
