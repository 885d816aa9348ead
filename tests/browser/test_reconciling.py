"""The reconciliation pages in a browser: asked for, read, on any width and in both themes."""

from __future__ import annotations

from decimal import Decimal

import pytest

from brokers.errors import OutcomeUnknown
from brokers.messages import Holding
from orders import balancing, sending, tasks, timing, weighing
from tests.browser.conftest import live
from tests.factories import ANA, place
from tests.fakes import call


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weighing, "PAUSES", (0.0,))


def reconcile(account):
    return balancing.reconcile_account(account, actor=ANA, now=timing.database_now())


@pytest.fixture
def broken(account, broker):
    """An account with a break of each sort, an order in doubt, and a report of before."""
    reconcile(account)
    lost, known = place(account), place(account, symbol="AAPL")
    sending.send(lost.id)
    sending.send(known.id)
    del broker.books[lost.wire_id]
    broker.script = [OutcomeUnknown("No answer for 20 s.", call=call(None))]
    sending.send(place(account).id)
    broker.held = (Holding(symbol="BTC/USD", quantity=Decimal("-0.25"), average_price=None),)
    return reconcile(account)


def test_a_report_that_was_asked_for_appears_by_itself(visit, account, monkeypatch):
    def at_once(task, *args):
        task(*args)
        return True

    monkeypatch.setattr(tasks, "ring", at_once)
    page = live(visit(f"/reconciliation/{account.id}/"))

    page.click("#reconcile-now")

    page.wait_for_selector("#news >> text=Comparing Scripted 1")
    page.wait_for_selector(".badge >> text=They agree")
    assert page.locator(".reports li").count() == 1


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("width", [390, 1600])
def test_fits_its_page(visit, account, broken, theme, width):
    for path in ("/reconciliation/", f"/reconciliation/{account.id}/"):
        page = visit(path, theme=theme, width=width, height=844)

        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.locator(".badge >> text=2 breaks").count() >= 1
    assert page.locator(".beside tbody tr").count() == 2
