"""The ticket for every kind of order, families and the banner, in a browser."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import transaction
from django.utils import timezone
from playwright.sync_api import expect

from brokers.vocabulary import Leg, Status
from orders import alarming
from orders.models import Incident, Order, Severity
from tests.browser.conftest import live
from tests.browser.test_accessibility import violations
from tests.factories import OrderFactory

D = Decimal


@pytest.fixture
@transaction.atomic
def entry(account, trader):
    """A bracket of which 40 are held, with its target, its stop and the stop before that."""
    entry = OrderFactory(
        account=account,
        filled=True,
        quantity=D(40),
        filled_quantity=D(40),
        filled_value=D(4000),
        average_price=D(100),
        order_class="bracket",
        strategy="native",
        take_profit_price=D(110),
        stop_loss_price=D(95),
        placed_by=trader,
    )
    terms = {"account": account, "side": "sell", "quantity": D(40), "source": "leg"}
    stop = {"leg": Leg.STOP_LOSS, "order_type": "stop", "limit_price": None}
    leg = {**terms, "parent": entry, "working": True}
    OrderFactory(**leg, **stop, stop_price=D(94), status=Status.REPLACED)
    OrderFactory(**leg, leg=Leg.TAKE_PROFIT, limit_price=D(110))
    OrderFactory(**leg, **stop, stop_price=D(95))
    return entry


def raise_alarm(entry):
    with transaction.atomic():
        Order.objects.filter(id=entry.id).update(unprotected_since=timezone.now())
        return alarming.alarm(
            Incident.Kind.UNPROTECTED,
            account=entry.account,
            order=entry,
            severity=Severity.CRITICAL,
            says="40 ACME are without their stop.",
            now=timezone.now(),
        )


def fill_in(page, **told):
    page.click(".side-choice.side-buy")
    for name, value in {"symbol": "ACME", "quantity": "10", "limit_price": "100", **told}.items():
        page.fill(f"#ticket_{name}", value)


class TestTicket:
    def test_fields_come_and_go_with_the_type(self, visit, account):
        page = live(visit("/"))

        page.select_option("#ticket_order_type", "trailing_stop")

        expect(page.locator("#ticket_trail_percent")).to_be_visible()
        expect(page.locator("#ticket_limit_price")).to_be_hidden()
        expect(page.locator("#ticket_order_class")).to_be_hidden()

    def test_money_takes_the_place_of_a_quantity(self, visit, account):
        page = live(visit("/"))
        fill_in(page)

        page.check("input[name=sized][value=notional]")
        expect(page.locator("#ticket_quantity")).to_be_hidden()
        page.fill("#ticket_notional", "250")
        page.keyboard.press("Control+Enter")

        expect(page.locator("#ticket .headline")).to_contain_text("Buy $250 of ACME")

    def test_a_bracket_from_ticket_to_order_by_keyboard(self, visit, account):
        page = live(visit("/"))
        fill_in(page)

        page.select_option("#ticket_order_class", "bracket")
        page.fill("#ticket_take_profit_price", "110")
        page.fill("#ticket_stop_loss_price", "95")
        page.keyboard.press("Control+Enter")
        exits = page.locator(".exits")
        expect(exits).to_contain_text("+100.00")
        expect(exits).to_contain_text("−50.00")
        assert Order.objects.count() == 0
        page.keyboard.press("Control+Enter")

        expect(page.locator("#rows")).to_contain_text("bracket")
        order = Order.objects.get()
        assert (order.take_profit_price, order.stop_loss_price) == (D(110), D(95))

    def test_what_was_filled_in_survives_a_change_of_mind(self, visit, account):
        page = live(visit("/"))
        fill_in(page)
        page.select_option("#ticket_order_class", "oto")
        page.fill("#ticket_stop_loss_price", "95")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#ticket .headline")).to_be_visible()

        page.keyboard.press("Escape")

        expect(page.locator("#ticket_stop_loss_price")).to_have_value("95")
        expect(page.locator("#ticket_quantity")).to_have_value("10")


class TestBanner:
    def test_reaches_an_open_page_within_a_second_and_stays(self, visit, entry):
        page = live(visit("/positions/"))
        expect(page.locator(".loud")).to_have_count(0)

        raised = raise_alarm(entry)

        banner = page.locator(f"#loud-{raised.id}")
        expect(banner).to_be_visible(timeout=1_000)
        expect(banner).to_contain_text("NOT PROTECTED")
        page.click(f"#loud-acknowledge-{raised.id}")
        expect(banner).to_contain_text("Seen by ana")
        assert page.url.endswith("/positions/")

    def test_is_in_sight_however_far_the_page_is_scrolled(self, visit, entry, account):
        with transaction.atomic():
            OrderFactory.create_batch(60, account=account, working=True)
        raised = raise_alarm(entry)
        page = live(visit("/orders/", width=390, height=844))

        page.mouse.wheel(0, 3_000)

        expect(page.locator(f"#loud-{raised.id}")).to_be_in_viewport()

    def test_flattens_in_two_steps(self, visit, entry):
        raised = raise_alarm(entry)
        page = live(visit("/executions/"))

        page.click(f"#loud-flatten-{raised.id}")
        expect(page.locator("#dialog")).to_contain_text("closed at the market")
        entry.refresh_from_db()
        assert entry.flatten_at is None
        page.keyboard.press("Control+Enter")

        expect(page.locator("#dialog")).to_contain_text("is to be closed")
        entry.refresh_from_db()
        assert entry.flatten_at is not None


class TestMany:
    def test_selected_ones_are_cancelled_and_told_of_each(self, visit, account):
        with transaction.atomic():
            first, second, left = OrderFactory.create_batch(3, account=account)
        page = live(visit("/orders/"))

        for order in (first, second):
            page.check(f"#order-{order.id} .c-pick input")
        page.keyboard.press("Shift+X")
        expect(page.locator("#dialog")).to_contain_text("Cancel 2 orders?")
        page.keyboard.press("Control+Enter")

        expect(page.locator("#dialog")).to_contain_text("What became of 2 orders")
        expect(page.locator("#dialog .outcome")).to_have_count(2)
        left.refresh_from_db()
        assert left.submission == "ready"


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("width", [1600, 390])
def test_fits_and_reads_well(visit, entry, theme, width):
    raise_alarm(entry)
    for path in (f"/orders/{entry.id}/", "/brokers/scripted/"):
        page = live(visit(path, theme=theme, width=width, height=844))
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert violations(page) == []


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_dialogs_and_legs_read_well(visit, entry, theme):
    page = live(visit("/", theme=theme))
    fill_in(page)
    page.select_option("#ticket_order_class", "bracket")
    page.fill("#ticket_take_profit_price", "110")
    page.fill("#ticket_stop_loss_price", "95")
    page.check("#ticket_more")
    assert violations(page) == []

    page.click("#ticket .primary")
    expect(page.locator(".exits")).to_be_visible()
    assert violations(page) == []

    page.click("#cancel-shown")
    expect(page.locator("#dialog")).to_contain_text("Cancel 2 orders?")
    assert violations(page) == []


@pytest.mark.parametrize("path", ["/", "/orders/", "/positions/", "/orders/new/"])
def test_no_page_is_wider_than_a_phone(visit, entry, path):
    page = live(visit(path, width=390, height=844))

    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
