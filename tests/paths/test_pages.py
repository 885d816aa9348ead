"""The paths as people see them: two browsers on one running desk, and the page is never wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.running_desk import Desk

pytestmark = pytest.mark.browser

SOON = 15_000  # ms
LATER = 40_000


@pytest.fixture
def person(chromium: Browser, desk: Desk) -> Iterator[Callable[[str], Page]]:
    """Open a page of the running desk as the demo trader, in a browser of their own."""
    complaints: list[str] = []
    contexts = []

    def visit(path: str) -> Page:
        context = chromium.new_context(viewport={"width": 1600, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(desk.sign_in_link())
        page.get_by_role("button", name="Sign in as demo").click()
        page.goto(desk.url + path)
        expect(page.locator("html")).to_have_attribute("data-link", "live", timeout=SOON)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []


def buy(page: Page, quantity: int, *, limit: str | None = None, symbol: str = "AAPL") -> str:
    """Buy by the ticket, preview first, and return the order's id once it is recorded."""
    page.locator("#ticket .side-choice.side-buy").click()
    page.fill("#ticket_symbol", symbol)
    page.fill("#ticket_quantity", str(quantity))
    page.select_option("#ticket_order_type", "limit" if limit else "market")
    if limit:
        page.fill("#ticket_limit_price", limit)
    page.locator("#ticket .primary").click()
    expect(page.locator("#ticket .headline")).to_contain_text(f"Buy {quantity} {symbol}")
    page.locator("#ticket .primary").click()
    link = page.locator("#ticket a[href^='/orders/']")
    expect(page.locator("#ticket")).to_contain_text("Recorded", timeout=SOON)
    href = link.first.get_attribute("href")
    assert href is not None
    return href.strip("/").split("/")[-1]


def row(page: Page, order_id: str):
    return page.locator(f"#order-{order_id}")


def test_an_order_is_watched_from_another_browser_and_cancelled_and_explained(
    desk: Desk, person: Callable[[str], Page]
) -> None:
    desk.price("AAPL", "150", size="2")
    ana, ben = person("/"), person("/")

    order_id = buy(ana, 200)

    # Ben touches nothing: the row comes, fills in parts and ends on his page.
    expect(row(ben, order_id)).to_be_visible(timeout=SOON)
    expect(row(ben, order_id)).to_contain_text("Part-filled", ignore_case=True, timeout=SOON)
    desk.price("AAPL", "150")
    expect(row(ben, order_id)).to_contain_text("Filled", timeout=LATER)
    assert desk.order(order_id)["status"] == "filled"

    # One that waits is cancelled from its row, and says so only when the exchange does.
    waiting = buy(ana, 5, limit="1")
    expect(row(ana, waiting)).to_contain_text("Working", ignore_case=True, timeout=SOON)
    row(ana, waiting).hover()
    row(ana, waiting).locator(".cancel").click()
    expect(row(ben, waiting)).to_contain_text("Cancelled", ignore_case=True, timeout=SOON)
    assert desk.order(waiting)["status"] == "canceled"

    # And its page tells the story, with what each step rests on.
    ana.goto(f"{desk.url}/orders/{waiting}/")
    expect(ana.locator("main")).to_contain_text("Cancelled", ignore_case=True)
    expect(ana.locator("main")).to_contain_text("demo")
    expect(ana.locator("main")).to_contain_text("working", ignore_case=True)


def test_a_lost_answer_is_shown_as_doubt_and_resolves_by_itself(
    desk: Desk, person: Callable[[str], Page]
) -> None:
    desk.price("AAPL", "150")
    known = desk.place(order_type="limit", limit_price="1")  # what the list is checked against
    desk.until_order(known, status="new")
    desk.faults(not_accepted_504={"next": 1})
    page, doubt = person("/"), person("/doubt/")

    order_id = buy(page, 3)

    expect(row(page, order_id)).to_contain_text("In doubt", ignore_case=True, timeout=SOON)
    expect(doubt.locator("main")).to_contain_text("AAPL", timeout=SOON)
    expect(row(page, order_id)).to_contain_text("Never arrived", timeout=LATER)
    assert desk.order(order_id)["submission"] == "absent"

    # One that did arrive is found, and works.
    desk.faults(accept_then_504={"next": 1}, webhook_drop={"probability": "1"})
    order_id = buy(page, 4)
    expect(row(page, order_id)).to_contain_text("Filled", timeout=LATER)
    actions = [event["action"] for event in desk.events(order_id)["events"]]
    assert "order.in_doubt" in actions
    desk.cancel(known)


def test_redis_away_the_page_says_delayed_orders_go_and_it_heals(
    desk: Desk, person: Callable[[str], Page]
) -> None:
    desk.price("AAPL", "150")
    page = person("/")
    link = page.locator("#link-state")

    desk.redis.kill()
    expect(link).to_contain_text("DELAYED", timeout=SOON)
    order_id = buy(page, 2)

    expect(row(page, order_id)).to_contain_text("Filled", timeout=LATER)
    expect(link).to_contain_text("DELAYED")
    assert len(desk.at_exchange(desk.order(order_id)["client_order_id"])) == 1

    desk.redis.start()
    expect(link).to_contain_text("LIVE", timeout=LATER)
    again = buy(page, 2)
    expect(row(page, again)).to_contain_text("Filled", timeout=LATER)


def test_a_bracket_is_placed_by_the_ticket_and_its_family_lives_on_another_page(
    desk: Desk, person: Callable[[str], Page]
) -> None:
    desk.price("AAPL", "150")
    ana, ben = person("/"), person("/orders/")
    ana.locator("#ticket .side-choice.side-buy").click()
    ana.fill("#ticket_symbol", "AAPL")
    ana.fill("#ticket_quantity", "20")
    ana.fill("#ticket_limit_price", "140")
    ana.select_option("#ticket_order_class", "bracket")
    ana.fill("#ticket_take_profit_price", "160")
    ana.fill("#ticket_stop_loss_price", "130")
    ana.locator("#ticket .primary").click()

    exits = ana.locator("#ticket .exits")
    expect(exits).to_contain_text("+400.00", timeout=SOON)
    expect(exits).to_contain_text("−200.00")
    expect(exits).to_contain_text("In one request")
    ana.locator("#ticket .primary").click()
    expect(ana.locator("#ticket")).to_contain_text("Recorded", timeout=SOON)
    href = ana.locator("#ticket a[href^='/orders/']").first.get_attribute("href")
    assert href is not None

    # The exchange has all three: the legs come to Ben's rows, held until the entry fills.
    expect(row(ben, href.strip("/").split("/")[-1])).to_contain_text("bracket", timeout=SOON)
    theirs = ben.locator("#rows tr[data-say^='Sell to close 20 AAPL']")
    expect(theirs.filter(has_text="target")).to_contain_text("Held", timeout=SOON)
    ben.goto(desk.url + href)
    family = ben.locator(".family")
    expect(family).to_contain_text("Nothing has filled", timeout=SOON)
    expect(family.locator("tr.leg")).to_have_count(2)

    desk.price("AAPL", "139")

    said = "20 of 20 held are protected by the stop at 130.00 and the target at 160.00."
    expect(family).to_contain_text(said, timeout=LATER)
    expect(ben.locator("#banner .loud")).to_have_count(0)

    desk.price("AAPL", "161")

    expect(family).to_contain_text("All 20 filled are closed again", timeout=LATER)
    expect(family.locator("tr.leg", has_text="Stop")).to_contain_text("Cancelled", timeout=LATER)
