"""The desk in a browser: by mouse, by keyboard, and by what others do meanwhile."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.utils import timezone
from playwright.sync_api import Page, expect

from orders import placing, recording, sending
from orders.actors import component
from orders.models import Order
from orders.models.facts import Heard
from tests.browser.conftest import live
from tests.factories import OrderFactory, a_ticket
from tests.fakes import fill

ANSWER = 10_000  # ms


@pytest.fixture
def working(account, broker):
    """An order that came the whole way: recorded, sent, answered."""
    order, _ = placing.place(
        account, a_ticket(), source="page", actor=component("test"), now=timezone.now()
    )
    sending.send(order.id)
    order.refresh_from_db()
    return order


def fill_in(page: Page) -> None:
    page.click(".side-choice.side-buy")
    page.fill("#ticket_symbol", "acme")
    page.fill("#ticket_quantity", "10")
    page.fill("#ticket_limit_price", "99.5")


class TestTicket:
    def test_is_previewed_then_confirmed_and_its_row_comes_by_itself(self, visit, account):
        page = live(visit("/"))
        fill_in(page)

        page.click("text=Preview")
        expect(page.locator("#ticket .headline")).to_contain_text("Buy 10 ACME")
        assert not Order.objects.exists()
        page.click("#ticket .primary")

        expect(page.locator("#ticket")).to_contain_text("Recorded")
        order = Order.objects.get()
        expect(page.locator(f"#order-{order.id}")).to_contain_text("Ready", timeout=ANSWER)

    def test_by_keyboard_alone(self, visit, account):
        page = live(visit("/"))

        page.keyboard.press("n")
        page.keyboard.type("ACME")
        page.keyboard.press("Escape")
        page.keyboard.press("s")
        page.fill("#ticket_quantity", "3")
        page.fill("#ticket_limit_price", "101")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#ticket .headline")).to_contain_text("Sell 3 ACME")
        expect(page.locator("#ticket .primary")).to_be_focused()
        page.keyboard.press("Control+Enter")

        expect(page.locator("#ticket")).to_contain_text("Recorded")
        assert Order.objects.get().quantity == 3

    def test_escape_goes_back_and_never_trades(self, visit, account):
        page = live(visit("/"))
        fill_in(page)
        page.keyboard.press("Control+Enter")
        expect(page.locator("#ticket .headline")).to_be_visible()

        page.keyboard.press("Escape")

        expect(page.locator("#ticket_quantity")).to_have_value("10")
        assert not Order.objects.exists()

    def test_names_what_is_wrong_and_puts_the_cursor_there(self, visit, account):
        page = live(visit("/", forgive="422"))
        fill_in(page)
        page.fill("#ticket_quantity", "ten")

        page.click("text=Preview")

        expect(page.locator("#ticket .field-quantity .error")).to_contain_text("plain number")
        expect(page.locator("#ticket_quantity")).to_be_focused()

    def test_a_price_that_does_not_apply_is_neither_shown_nor_sent(self, visit, account):
        page = live(visit("/"))
        fill_in(page)

        page.select_option("#ticket_order_type", "market")
        expect(page.locator("#ticket_limit_price")).to_be_hidden()
        page.click("text=Preview")

        expect(page.locator("#ticket .headline")).to_contain_text("at market")

    def test_an_expired_session_says_not_sent_and_keeps_what_was_filled_in(self, visit, account):
        page = live(visit("/", forgive="401"))
        fill_in(page)
        Session.objects.all().delete()

        page.click("text=Preview")

        expect(page.locator("#alerts")).to_contain_text("NOT SENT — sign in again")
        expect(page.locator("#ticket_quantity")).to_have_value("10")

    def test_a_desk_that_does_not_answer_leaves_no_press_in_silence(self, visit, account):
        page = live(visit("/", forgive=("ERR_FAILED", "Failed to fetch")))
        fill_in(page)
        page.route("**/orders/p*/", lambda route: route.abort())
        page.click("text=Preview")
        expect(page.locator("#alerts")).to_contain_text("NOT SENT")

        page.unroute("**/orders/p*/")
        page.click("text=Preview")
        page.wait_for_selector("#ticket .headline")
        page.route("**/orders/p*/", lambda route: route.abort())
        page.click("#ticket .primary")

        expect(page.locator("#alerts")).to_contain_text("can not place a second order")
        page.unroute("**/orders/p*/")
        page.click("#ticket .primary")
        expect(page.locator("#ticket")).to_contain_text("Recorded")
        assert Order.objects.count() == 1

    def test_a_page_older_than_the_sign_in_says_not_sent(self, visit, account):
        page = live(visit("/", forgive="403"))
        fill_in(page)
        page.context.add_cookies(
            [{"name": settings.CSRF_COOKIE_NAME, "value": "x" * 32, "url": page.url}]
        )

        page.click("text=Preview")

        expect(page.locator("#alerts")).to_contain_text("NOT SENT")
        expect(page.locator("#ticket_quantity")).to_have_value("10")

    def test_works_without_javascript(self, chromium, visit, account):
        cookies = visit("/").context.cookies()
        context = chromium.new_context(java_script_enabled=False)
        context.add_cookies(cookies)
        page = context.new_page()
        page.goto(visit("/").url)
        fill_in(page)

        page.click("text=Preview")
        page.click("#ticket .primary")

        expect(page.locator("h1")).to_contain_text("Buy 10 ACME")
        page.click("#cancel-now")
        expect(page.locator(".order-state")).to_contain_text("Withdrawn")
        context.close()


class TestRows:
    def test_cancel_asks_and_never_shows_more_than_is_so(self, visit, working):
        page = live(visit("/"))
        row = page.locator(f"#order-{working.id}")

        row.hover()
        row.locator(".cancel").click()

        expect(row).to_contain_text("Cancel pending")
        expect(row).to_contain_text("Working")
        working.refresh_from_db()
        assert working.cancel_requested_at is not None

    def test_cancel_by_keyboard_keeps_the_focus_on_the_row(self, visit, working):
        page = live(visit("/"))

        page.keyboard.press("j")
        page.keyboard.press("x")

        row = page.locator(f"#order-{working.id}")
        expect(row).to_contain_text("Cancel pending")
        expect(row).to_be_focused()

    def test_a_fill_comes_by_itself(self, visit, working, account, broker):
        page = live(visit("/"))
        row = page.locator(f"#order-{working.id}")
        expect(row).to_contain_text("Working")

        report = broker.has(working.ticket(), fill(working.ticket(), "e-1", "4", "99.25"))
        recording.heed(account, report, heard=Heard.WEBHOOK, evidence="d:1", now=timezone.now())

        expect(row).to_contain_text("Part-filled", timeout=ANSWER)
        expect(page.locator(".books")).to_contain_text("99.25", timeout=ANSWER)

    def test_replace_takes_two_steps(self, visit, working):
        page = live(visit("/"))
        page.keyboard.press("j")
        page.keyboard.press("r")

        page.fill("#replace_limit_price", "98")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#dialog")).to_contain_text("New order would work")
        assert Order.objects.count() == 1
        page.keyboard.press("Control+Enter")

        expect(page.locator("#dialog")).to_contain_text("Recorded")
        assert Order.objects.latest("id").limit_price == Decimal(98)

    def test_why_leads_to_the_story(self, visit, working):
        page = live(visit("/"))
        page.keyboard.press("j")
        page.keyboard.press("w")

        page.wait_for_url(f"**/orders/{working.id}/")
        expect(page.locator(".timeline")).to_contain_text("Recorded here")


class TestOrder:
    def test_doubt_is_said_counted_down_and_left_when_the_broker_speaks(
        self, visit, account, broker
    ):
        order = OrderFactory(
            account=account, unknown=True, look_at=timezone.now() + timezone.timedelta(minutes=5)
        )
        page = live(visit(f"/orders/{order.id}/"))
        expect(page.locator("#order-detail")).to_contain_text("Don't enter it again")
        expect(page.locator(".doubt-card")).to_contain_text("in 4 min")

        report = broker.has(order.ticket())
        recording.heed(account, report, heard=Heard.POLL, evidence="poll", now=timezone.now())

        expect(page.locator(".order-state")).to_contain_text("Working", timeout=ANSWER)
        expect(page.locator(".doubt-card")).to_have_count(0)

    def test_what_is_unfolded_stays_so(self, visit, working, account, broker):
        page = live(visit(f"/orders/{working.id}/"))
        page.locator(".evidence summary").first.click()

        report = broker.has(working.ticket(), fill(working.ticket(), "e-1", "4", "99.25"))
        recording.heed(account, report, heard=Heard.POLL, evidence="poll", now=timezone.now())

        expect(page.locator(".timeline")).to_contain_text("filled 4 at 99.25", timeout=ANSWER)
        expect(page.locator(".evidence[open]")).to_have_count(1)


def test_keys_are_explained(visit, account):
    page = live(visit("/"))

    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()


def test_dark_and_light_are_remembered(visit, account):
    page = live(visit("/"))
    page.click("[data-theme-toggle]")
    page.reload()

    assert page.get_attribute("html", "data-theme") == "light"


def test_nothing_is_cut_off_on_a_phone(visit, working):
    for path in ("/", "/orders/", "/doubt/", f"/orders/{working.id}/"):
        page = live(visit(path, width=390, height=844))

        assert page.evaluate("document.documentElement.scrollWidth") <= 390
