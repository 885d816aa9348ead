"""A page follows its socket: never an older row, nothing moved under the pointer, no false LIVE.

The page and the desk's end of the socket are this test's own; the scripts are the desk's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, Route, WebSocketRoute, expect

ACCOUNT = "0190aaaa-0000-7000-8000-000000000001"
FIRST, SECOND, THIRD = (f"0190bbbb-0000-7000-8000-00000000000{n}" for n in (1, 2, 3))
SCRIPTS = {f"/{name}.js": settings.BASE_DIR / f"static/desk/{name}.js" for name in ("rows", "live")}

PAGE = """<!doctype html><html data-link="offline"><head>
<style>td {{ height: 30px }} .tall td {{ height: 60px }}
#new-pill {{ position: fixed; top: 0; right: 0 }}</style></head>
<body{sequences}><output id="link-state">OFFLINE</output>
<div id="live-polite"></div><div id="live-assertive"></div>
<p id="elsewhere">Elsewhere</p><button id="new-pill" hidden></button>
<table><tbody id="rows" data-live-new>{rows}</tbody></table>
<script src="/heard.js"></script><script src="/rows.js"></script><script src="/live.js"></script>
</body></html>"""
HEARD = """window.heard = [];
for (const name of ["desk:changed", "desk:stale", "desk:signed-out"])
  document.body.addEventListener(name, (event) => heard.push([name, event.detail?.order ?? null]));
"""


def a_row(order: str, version: int, text: str, *, say: str = "", more: str = "") -> str:
    return (
        f'<tr id="order-{order}" data-version="{version}" tabindex="-1"'
        f"{f' data-say={json.dumps(say)}' if say else ''} {more}>"
        f'<td>{text}</td><td><input type="checkbox" name="chosen">'
        f'<button data-focus-key="why">Why</button>'
        f'<button id="cancel-{order}">Cancel</button></td></tr>'
    )


class Desk:
    """The desk's end of the socket."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.lines: list[WebSocketRoute] = []
        self.sequence = 7
        page.route("**/*", self._serve)
        page.route_web_socket("**/live/", self._take)
        self.html = ""

    def _take(self, line: WebSocketRoute) -> None:
        self.lines.append(line)

    def open(self, *rows: str, sequence: int | None = 7) -> Page:
        drawn = json.dumps({ACCOUNT: sequence})
        sequences = f" data-sequences='{drawn}'" if sequence is not None else ""
        self.html = PAGE.format(rows="".join(rows), sequences=sequences)
        self.page.goto("http://desk.test/")
        self.await_line(1)
        self.say("hello")
        expect(self.page.locator("#link-state")).to_have_text("LIVE")
        return self.page

    def await_line(self, count: int) -> None:
        for _ in range(100):
            if len(self.lines) >= count:
                return
            self.page.wait_for_timeout(20)
        raise AssertionError("No socket was opened.")

    def say(self, kind: str, **more: Any) -> None:
        standing = {"accounts": {ACCOUNT: self.sequence}, "delayed": False, "at": "now"}
        self.lines[-1].send(json.dumps({"type": kind, **standing, **more}))

    def change(self, order: str, row: str | None, **more: Any) -> None:
        after, self.sequence = self.sequence, self.sequence + 1
        numbers = {"account": ACCOUNT, "after": after, "sequence": self.sequence} | more
        self.lines[-1].send(json.dumps({"type": "changed", "order": order, "row": row, **numbers}))

    def heard(self, name: str) -> int:
        """How often the page was told something. A frame sent before has been read by then."""
        self.page.wait_for_timeout(100)
        return sum(said == name for said, _ in self.page.evaluate("heard"))

    def _serve(self, route: Route) -> None:
        path = route.request.url.removeprefix("http://desk.test")
        policy = {"Content-Security-Policy": "default-src 'self'; style-src 'unsafe-inline'"}
        if path == "/":
            route.fulfill(body=self.html, content_type="text/html", headers=policy)
        elif path == "/heard.js":
            route.fulfill(body=HEARD, content_type="text/javascript")
        elif path in SCRIPTS:
            route.fulfill(path=SCRIPTS[path], content_type="text/javascript")
        else:
            route.fulfill(status=404)


@pytest.fixture
def desk(chromium: Browser) -> Iterator[Desk]:
    context = chromium.new_context()
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield Desk(page)
    context.close()
    assert complaints == []


def row(page: Page, order: str) -> Any:
    return page.locator(f"#order-{order}")


class TestRows:
    def test_a_changed_one_is_replaced_where_it_is(self, desk):
        page = desk.open(a_row(SECOND, 1, "working"), a_row(FIRST, 1, "working"))

        desk.change(FIRST, a_row(FIRST, 2, "filled"))

        expect(row(page, FIRST)).to_contain_text("filled")
        assert order_of(page) == [SECOND, FIRST]
        assert desk.heard("desk:changed") == 1

    def test_an_older_one_never_replaces_a_newer_one(self, desk):
        page = desk.open(a_row(FIRST, 5, "filled"))

        desk.change(FIRST, a_row(FIRST, 4, "working"))
        desk.change(SECOND, a_row(SECOND, 1, "sending"))

        expect(row(page, SECOND)).to_be_visible()
        expect(row(page, FIRST)).to_contain_text("filled")

    def test_an_older_one_that_an_answer_put_back_is_corrected(self, desk):
        page = desk.open(a_row(FIRST, 1, "working"))
        desk.change(FIRST, a_row(FIRST, 3, "filled"))
        expect(row(page, FIRST)).to_contain_text("filled")

        page.evaluate(
            """html => { document.getElementById("rows").innerHTML = html;
                         document.dispatchEvent(new CustomEvent("htmx:after:swap")); }""",
            a_row(FIRST, 2, "working"),
        )

        expect(row(page, FIRST)).to_contain_text("filled")

    def test_a_new_one_comes_on_top_and_an_old_one_where_it_belongs(self, desk):
        page = desk.open(a_row(SECOND, 1, "working"))

        desk.change(FIRST, a_row(FIRST, 9, "filled"))
        desk.change(THIRD, a_row(THIRD, 1, "sending"))

        expect(row(page, THIRD)).to_be_visible()
        assert order_of(page) == [THIRD, SECOND, FIRST]

    def test_a_new_one_takes_the_place_of_the_word_that_there_are_none(self, desk):
        page = desk.open('<tr class="empty"><td>No orders yet.</td></tr>')

        desk.change(FIRST, a_row(FIRST, 1, "sending"))

        expect(row(page, FIRST)).to_be_visible()
        expect(page.locator(".empty")).to_have_count(0)

    def test_one_that_does_not_belong_on_the_page_stays_away(self, desk):
        page = desk.open(a_row(FIRST, 1, "working"))
        page.evaluate("document.getElementById('rows').removeAttribute('data-live-new')")

        desk.change(SECOND, a_row(SECOND, 1, "sending"))

        assert desk.heard("desk:changed") == 1
        expect(row(page, SECOND)).to_have_count(0)

    def test_what_was_ticked_stays_ticked(self, desk):
        page = desk.open(a_row(FIRST, 1, "working"))
        row(page, FIRST).locator("input").check()
        page.locator("#elsewhere").click()

        desk.change(FIRST, a_row(FIRST, 2, "filled"))

        expect(row(page, FIRST)).to_contain_text("filled")
        expect(row(page, FIRST).locator("input")).to_be_checked()


class TestThePointer:
    def test_holds_the_row_it_is_over_until_it_leaves(self, desk):
        page = desk.open(a_row(SECOND, 1, "working"), a_row(FIRST, 1, "working"))
        row(page, FIRST).hover()

        desk.change(FIRST, a_row(FIRST, 2, "filled"))
        desk.change(THIRD, a_row(THIRD, 1, "sending"))

        expect(page.locator("#new-pill")).to_have_text("2 new")
        expect(row(page, FIRST)).to_contain_text("working")
        assert row(page, FIRST).get_attribute("data-outdated") is not None
        assert order_of(page) == [SECOND, FIRST]

        page.locator("#elsewhere").hover()

        expect(row(page, FIRST)).to_contain_text("filled")
        expect(page.locator("#new-pill")).to_be_hidden()
        assert order_of(page) == [THIRD, SECOND, FIRST]

    def test_keeps_no_other_row_from_being_true(self, desk):
        page = desk.open(a_row(SECOND, 1, "working"), a_row(FIRST, 1, "working"))
        row(page, FIRST).hover()

        desk.change(SECOND, a_row(SECOND, 2, "filled"))

        expect(row(page, SECOND)).to_contain_text("filled")

    def test_keeps_a_row_that_would_grow_from_moving_those_below(self, desk):
        page = desk.open(a_row(SECOND, 1, "working"), a_row(FIRST, 1, "working"))
        row(page, FIRST).hover()

        desk.change(SECOND, a_row(SECOND, 2, "filled", more='class="tall"'))

        expect(page.locator("#new-pill")).to_have_text("1 new")
        expect(row(page, SECOND)).to_contain_text("working")
        page.locator("#elsewhere").hover()
        expect(row(page, SECOND)).to_contain_text("filled")

    def test_only_the_latest_of_several_changes_waits(self, desk):
        page = desk.open(a_row(FIRST, 1, "working"))
        row(page, FIRST).hover()

        desk.change(FIRST, a_row(FIRST, 2, "part-filled"))
        desk.change(FIRST, a_row(FIRST, 3, "filled"))

        expect(page.locator("#new-pill")).to_have_text("1 new")
        page.locator("#elsewhere").hover()
        expect(row(page, FIRST)).to_contain_text("filled")

    def test_another_answer_of_the_desk_does_not_release_what_waits(self, desk):
        page = desk.open(a_row(FIRST, 1, "working"))
        row(page, FIRST).hover()
        desk.change(FIRST, a_row(FIRST, 2, "filled"))
        expect(page.locator("#new-pill")).to_have_text("1 new")

        page.evaluate("document.dispatchEvent(new CustomEvent('htmx:after:swap'))")

        expect(row(page, FIRST)).to_contain_text("working")


class TestTheFocus:
    def test_holds_the_row_it_is_in_until_it_leaves(self, desk):
        page = desk.open(a_row(FIRST, 1, "working"))
        row(page, FIRST).locator("input").focus()

        desk.change(FIRST, a_row(FIRST, 2, "filled"))

        expect(page.locator("#new-pill")).to_have_text("1 new")
        expect(row(page, FIRST)).to_contain_text("working")
        page.evaluate("document.activeElement.blur()")
        expect(row(page, FIRST)).to_contain_text("filled")

    @pytest.mark.parametrize("place", ["[data-focus-key=why]", f"#cancel-{FIRST}"])
    def test_is_where_it_was_after_the_reader_asked_for_what_is_new(self, desk, place):
        page = desk.open(a_row(FIRST, 1, "working"))
        row(page, FIRST).locator(place).focus()
        desk.change(FIRST, a_row(FIRST, 2, "filled"))
        expect(page.locator("#new-pill")).to_be_visible()

        page.evaluate("document.getElementById('new-pill').click()")  # takes no focus

        expect(row(page, FIRST)).to_contain_text("filled")
        expect(row(page, FIRST).locator(place)).to_be_focused()

    def test_falls_to_the_row_where_its_place_is_gone(self, desk):
        page = desk.open(a_row(FIRST, 1, "working"))
        row(page, FIRST).locator(f"#cancel-{FIRST}").focus()
        bare = f'<tr id="order-{FIRST}" data-version="2" tabindex="-1"><td>filled</td></tr>'
        desk.change(FIRST, bare)
        expect(page.locator("#new-pill")).to_be_visible()

        page.evaluate("document.getElementById('new-pill').click()")

        expect(row(page, FIRST)).to_be_focused()


class TestWhatIsReadOut:
    def test_a_fill_is_said_once_and_politely(self, desk):
        page = desk.open(a_row(FIRST, 1, "working"))

        desk.change(FIRST, a_row(FIRST, 2, "filled", say="Buy 10 ACME: Filled"))
        desk.change(FIRST, a_row(FIRST, 3, "filled", say="Buy 10 ACME: Filled"))

        expect(row(page, FIRST)).to_have_attribute("data-version", "3")
        expect(page.locator("#live-polite p")).to_have_text(["Buy 10 ACME: Filled"])

    def test_a_reject_is_said_at_once_wherever_the_reader_is(self, desk):
        page = desk.open()
        page.evaluate("document.getElementById('rows').removeAttribute('data-live-new')")

        urgent = a_row(FIRST, 2, "rejected", say="Buy 10 ACME: Rejected", more="data-urgent")
        desk.change(FIRST, urgent)
        desk.change(SECOND, a_row(SECOND, 2, "filled", say="Not on this page"))

        expect(page.locator("#live-assertive p")).to_have_text(["Buy 10 ACME: Rejected"])
        assert desk.heard("desk:changed") == 2
        expect(page.locator("#live-polite p")).to_have_count(0)


class TestFreshness:
    def test_silence_is_called_delayed_and_counted(self, desk):
        desk.page.clock.install()
        page = desk.open()

        page.clock.run_for(5_900)
        expect(page.locator("#link-state")).to_have_text("DELAYED 6 s")
        expect(page.locator("html")).to_have_attribute("data-link", "delayed")
        page.clock.run_for(3_000)
        expect(page.locator("#link-state")).to_have_text("DELAYED 9 s")
        expect(page.locator("#live-polite p")).to_have_text(["This page is delayed."])

        desk.say("beat")
        expect(page.locator("#link-state")).to_have_text("LIVE")

    def test_a_desk_that_hears_late_is_not_called_live(self, desk):
        page = desk.open()

        desk.say("beat", delayed=True)

        expect(page.locator("#link-state")).to_have_text("DELAYED 2 s")

    def test_a_closed_socket_is_offline_until_another_one_speaks(self, desk):
        page = desk.open()

        desk.lines[-1].close(code=1012)
        expect(page.locator("#link-state")).to_have_text("OFFLINE")
        desk.await_line(2)
        expect(page.locator("#link-state")).to_have_text("OFFLINE")

        desk.say("hello")
        expect(page.locator("#link-state")).to_have_text("LIVE")

    def test_a_socket_that_has_long_said_nothing_is_replaced(self, desk):
        desk.page.clock.install()
        page = desk.open()

        page.clock.run_for(17_000)
        desk.await_line(2)

        expect(page.locator("html")).to_have_attribute("data-link", "offline")

    def test_signed_out_is_said_and_not_tried_again_at_once(self, desk):
        page = desk.open()

        desk.lines[-1].close(code=4401)

        expect(page.locator("#link-state")).to_have_text("OFFLINE")
        page.wait_for_timeout(1_000)
        assert desk.heard("desk:signed-out") == 1
        assert len(desk.lines) == 1


class TestWhatWasMissed:
    def test_nothing_is_fetched_again_when_nothing_was(self, desk):
        page = desk.open()

        desk.change(FIRST, a_row(FIRST, 1, "sending"))
        desk.say("beat")
        desk.say("beat")
        page.wait_for_timeout(600)

        assert desk.heard("desk:stale") == 0

    @pytest.mark.parametrize("drawn", [6, None])
    def test_between_drawing_and_hello_is_fetched(self, desk, drawn):
        page = desk.open(sequence=drawn)

        page.wait_for_timeout(600)

        assert desk.heard("desk:stale") == 1

    def test_while_the_socket_was_closed_is_fetched(self, desk):
        page = desk.open()

        desk.lines[-1].close(code=1012)
        desk.await_line(2)
        desk.sequence += 1
        desk.say("hello")
        page.wait_for_timeout(600)

        assert desk.heard("desk:stale") == 1

    def test_by_a_gap_is_fetched(self, desk):
        page = desk.open()

        desk.change(FIRST, a_row(FIRST, 1, "sending"), after=9, sequence=10)
        page.wait_for_timeout(600)

        assert desk.heard("desk:stale") == 1
        expect(row(page, FIRST)).to_be_visible()

    def test_by_a_change_that_does_not_come_by_the_next_beat_is_fetched(self, desk):
        page = desk.open()
        desk.sequence = 8

        desk.say("beat")
        page.wait_for_timeout(600)
        assert desk.heard("desk:stale") == 0
        desk.say("beat")
        page.wait_for_timeout(600)
        assert desk.heard("desk:stale") == 1

    def test_as_the_desk_says_is_fetched_once(self, desk):
        page = desk.open()

        for _ in range(5):
            desk.lines[-1].send('{"type": "stale"}')
        page.wait_for_timeout(600)

        assert desk.heard("desk:stale") == 1

    def test_as_a_row_could_not_be_drawn_is_fetched(self, desk):
        page = desk.open()

        desk.change(FIRST, None)
        page.wait_for_timeout(600)

        assert desk.heard("desk:stale") == 1

    def test_a_change_of_the_account_alone_is_passed_on(self, desk):
        desk.open()

        desk.change(None, None)  # type: ignore[arg-type]

        assert desk.heard("desk:changed") == 1
        assert desk.heard("desk:stale") == 0


def order_of(page: Page) -> list[str]:
    return [
        each.removeprefix("order-")
        for each in page.locator("#rows tr").evaluate_all("rows => rows.map(row => row.id)")
    ]
