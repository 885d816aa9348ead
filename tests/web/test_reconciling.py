"""The reports on their pages: ours beside theirs, breaks by age, and who may ask for another."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest

from brokers.errors import OutcomeUnknown
from brokers.messages import Holding
from orders import balancing, sending, tasks, timing, weighing
from orders.models import Reconciliation
from tests.factories import ANA, AccountFactory, place
from tests.fakes import ScriptedBroker, call
from tests.web.conftest import HTMX


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weighing, "PAUSES", (0.0,))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What workers were asked for."""
    rung: list[tuple[str, ...]] = []
    monkeypatch.setattr(tasks, "ring", lambda task, *args: rung.append((task.name, *args)) or True)
    return rung


def reconcile(account: Any) -> Reconciliation:
    return balancing.reconcile_account(account, actor=ANA, now=timing.database_now())


def holds(broker: ScriptedBroker, *held: tuple[str, str]) -> None:
    broker.held = tuple(
        Holding(symbol=symbol, quantity=Decimal(quantity), average_price=None)
        for symbol, quantity in held
    )


def where(account: Any) -> str:
    return f"/reconciliation/{account.id}/"


class TestPages:
    def test_say_so_before_the_first_report(self, page, account):
        assert "Never compared" in page.get("/reconciliation/").text
        assert "Never compared yet." in page.get(where(account)).text

    def test_say_that_both_agree(self, page, account):
        sending.send(place(account).id)
        reconcile(account)

        assert "They agree" in page.get("/reconciliation/").text
        assert "Nothing differs." in page.get(where(account)).text

    def test_show_a_break_with_its_age(self, page, account, broker):
        holds(broker, ("ACME", "7"))
        report = reconcile(account)

        assert "1 break<" in page.get("/reconciliation/").text
        text = page.get(where(account)).text
        assert '<tr id="line-position-ACME" data-status="conflict">' in text
        assert '<td class="c-ours">nothing</td><td class="c-theirs">7</td>' in text
        assert f'<time datetime="{report.breaks[0]["first_seen_at"]}" data-time="age"' in text

    def test_show_what_agrees_beside_what_does_not(self, page, account, broker):
        order = place(account)
        sending.send(order.id)
        holds(broker, ("ACME", "7"))
        reconcile(account)

        assert order.wire_id not in page.get(where(account)).text
        text = page.get(where(account) + "?show=order").text
        assert text.count("buy 10 ACME limit 99.5 day: new") == 2
        assert f'<a href="/orders/{order.id}/">{order.wire_id}</a>' in text
        assert "ACME" in page.get(where(account) + "?show=position").text
        assert "None,</strong> on either side" in page.get(where(account) + "?show=execution").text

    def test_name_orders_in_doubt(self, page, account, broker):
        order = place(account)
        broker.script = [OutcomeUnknown("silence", call=call(None))]
        sending.send(order.id)
        reconcile(account)

        assert "1 in doubt" in page.get("/reconciliation/").text
        assert f"Order {order.wire_id} is in doubt since" in page.get(where(account)).text

    def test_give_no_verdict_where_the_broker_was_silent(self, page, account, broker):
        broker.silent = OutcomeUnknown("No answer for 20 s.", call=call(None))
        reconcile(account)

        for path in ("/reconciliation/", where(account)):
            text = page.get(path).text
            assert "No verdict" in text
            assert "No answer for 20 s." in text
            assert "They agree" not in text

    def test_say_what_was_open_before_a_silent_broker(self, page, account, broker):
        holds(broker, ("ACME", "7"))
        first = reconcile(account)
        broker.silent = OutcomeUnknown("No answer for 20 s.", call=call(None))
        reconcile(account)

        assert "1 break found before is still open." in page.get(where(account)).text
        assert "found before" not in page.get(f"{where(account)}?report={first.id}").text

    def test_keep_earlier_reports(self, page, account, broker):
        holds(broker, ("ACME", "7"))
        first = reconcile(account)
        broker.held = ()
        reconcile(account)

        text = page.get(where(account)).text
        assert "Nothing differs." in text
        assert f'href="?report={first.id}"' in text
        assert "line-position-ACME" in page.get(f"{where(account)}?report={first.id}").text

    @pytest.mark.parametrize("asked", ["0", "x", "-1", "9" * 30, "²"])
    def test_a_report_that_is_not_there_is_not_found(self, page, account, asked):
        assert page.get(where(account) + f"?report={asked}").status_code == 404

    def test_escape_what_a_broker_said(self, page, account, broker):
        holds(broker, ("<script>alert(1)</script>", "7"))
        reconcile(account)

        assert "<script>alert" not in page.get(where(account)).text


class TestAccess:
    def test_other_peoples_accounts_do_not_exist(self, page, account, broker, asked):
        foreign = AccountFactory(name="Foreign")
        holds(broker, ("SECRET", "7"))
        report = reconcile(foreign)

        assert "Foreign" not in page.get("/reconciliation/").text
        assert page.get(where(foreign)).status_code == 404
        assert page.get(f"{where(account)}?report={report.id}").status_code == 404
        assert page.post(where(foreign) + "now").status_code == 404
        assert asked == []

    @pytest.mark.parametrize("headers", [{}, HTMX])
    def test_a_viewer_may_look_and_not_ask(self, page, trader, broker, asked, headers):
        seen = AccountFactory(name="Seen", viewer=trader)
        reconcile(seen)

        for path in ("/reconciliation/", where(seen)):
            text = page.get(path).text
            assert "Seen" in text
            assert "Reconcile now" not in text
        response = page.post(where(seen) + "now", headers=headers)
        assert response.status_code == 403
        assert "not trade in it" in response.text
        assert asked == []


class TestAsking:
    def test_a_trader_has_it_done_by_a_worker(self, page, account, trader, asked):
        response = page.post(where(account) + "now", headers=HTMX)

        assert "Comparing Scripted 1 with its broker now." in response.text
        assert asked == [("orders.tasks.reconcile", str(account.id), str(trader.pk))]
        assert page.post(where(account) + "now").url == where(account)
        assert page.get(where(account) + "now").status_code == 405

    def test_the_task_compares_in_the_traders_name(self, account, trader):
        tasks.reconcile(str(account.id), str(trader.pk))

        report = Reconciliation.objects.get()
        assert (report.account, report.asked_by) == (account, trader)


@pytest.mark.django_db(transaction=True)
def test_it_is_done_here_where_there_is_no_worker(page, account, monkeypatch):
    monkeypatch.setattr(tasks, "ring", lambda task, *args: False)

    page.post(where(account) + "now")
    give_up_at = time.monotonic() + 10
    while tasks._in_hand and time.monotonic() < give_up_at:
        time.sleep(0.01)

    assert Reconciliation.objects.filter(account=account).count() == 1
