"""What else befalls orders here: refused, taken late or twice, read late, filled or ended oddly."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest

from brokers.errors import OutcomeUnknown, Refused
from brokers.messages import Absent, Report
from brokers.vocabulary import ExecutionKind, Status
from tests.brokers.paper.test_adapter import MARKET, RESTING


@pytest.fixture
def account(paper):
    paper.price("AAPL", "150")
    return paper.account()


def said(account, terms=MARKET):
    """Return what the account's own adapter now says of an order."""
    return account.adapter.find(terms.wire_id)


class TestTaking:
    def test_a_refusal_is_final_and_nothing_is_taken(self, account):
        account.faults(reject={"next": 1})

        with pytest.raises(Refused):
            account.adapter.submit(MARKET)

        assert account.orders() == []

    def test_what_is_taken_late_is_not_there_at_first_and_then_is(self, account, paper):
        account.faults(late_accept={"next": 1, "seconds": "0.3"})
        with pytest.raises(OutcomeUnknown):
            account.adapter.submit(MARKET)
        assert isinstance(said(account), Absent)

        time.sleep(0.35)
        paper.step()

        assert isinstance(said(account), Report)
        assert len(account.orders()) == 1

    def test_what_is_promised_survives_the_exchanges_death(self, account, paper):
        account.faults(late_accept={"next": 1, "seconds": "0.3"})
        with pytest.raises(OutcomeUnknown):
            account.adapter.submit(MARKET)

        paper.kill()
        paper.restart()
        time.sleep(0.35)
        paper.step()

        assert len(account.orders()) == 1

    def test_what_is_sent_on_twice_is_taken_once_where_ids_are_kept(self, account):
        account.faults(double_retry={"next": 1})

        with pytest.raises(OutcomeUnknown):  # the second time it is a duplicate
            account.adapter.submit(MARKET)

        assert len(account.orders()) == 1


class TestReading:
    def test_an_error_is_no_word_of_absence(self, account):
        account.adapter.submit(MARKET)
        account.faults(read_5xx={"next": 1})

        with pytest.raises(OutcomeUnknown):
            said(account)

    @pytest.mark.parametrize("path", ["our id", "list"])
    def test_a_lagging_read_does_not_have_a_new_order_yet(self, account, path):
        account.adapter.submit(RESTING)
        account.faults(read_lag={"probability": "1", "seconds": "10"})

        if path == "our id":
            assert isinstance(said(account, RESTING), Absent)
        else:
            since = datetime.fromisoformat(account.orders()[0]["created_at"])
            assert [r.snapshots for r in account.adapter.orders_since(since)] == [()]

        account.faults()
        assert isinstance(said(account, RESTING), Report)


class TestLife:
    def test_a_cancel_is_refused_though_the_order_works(self, account):
        order = account.adapter.submit(RESTING).snapshots[0].broker_order_id
        account.faults(cancel_refused={"next": 1})

        with pytest.raises(Refused):
            account.adapter.cancel(order)

        assert said(account, RESTING).snapshots[0].status is Status.NEW

    def test_an_order_fills_after_its_cancel_was_taken(self, account, paper):
        order = account.adapter.submit(RESTING).snapshots[0].broker_order_id
        account.faults(fill_after_cancel_ack={"next": 1})

        account.adapter.cancel(order)
        paper.step(2)

        assert said(account, RESTING).fills

    def test_an_order_fills_after_it_was_cancelled(self, account, paper):
        order = account.adapter.submit(RESTING).snapshots[0].broker_order_id
        account.faults(fill_after_cancelled={"next": 1, "seconds": "0.1"})

        account.adapter.cancel(order)
        paper.step(2)
        time.sleep(0.15)
        paper.step(2)

        statuses = [line["status"] for line in paper.ledger("versions", account=account.key)]
        assert "cancelled" in statuses
        assert said(account, RESTING).fills

    def test_an_order_expires_out_of_the_blue(self, account, paper):
        account.faults(expire={"next": 1, "seconds": "0.1"})
        account.adapter.submit(RESTING)

        time.sleep(0.15)
        paper.step()

        assert said(account, RESTING).snapshots[0].status is Status.EXPIRED

    def test_the_old_order_fills_while_its_replace_is_taken(self, account):
        order = account.adapter.submit(RESTING).snapshots[0].broker_order_id
        account.faults(replace_fills_first={"next": 1})

        with pytest.raises(Refused):
            account.adapter.replace(order, replace(RESTING, wire_id="r-2"), filled=Decimal(0))

        assert said(account, RESTING).fills
        assert len(account.orders()) == 1


class TestRevising:
    @pytest.mark.parametrize("how", ["by fault", "by hand"])
    def test_a_trade_is_taken_back(self, account, paper, how):
        if how == "by fault":
            account.faults(bust={"next": 1, "seconds": "0.05"})
        account.adapter.submit(MARKET)
        trade = account.executions()[0]["id"]
        paper.open("AAPL", is_open=False)  # or it may fill again before anyone looks
        if how == "by hand":
            paper.admin("POST", f"/admin/executions/{trade}/bust")
        else:
            time.sleep(0.1)
            paper.step()

        told = said(account)
        assert [fill.kind for fill in told.fills] == [ExecutionKind.FILL, ExecutionKind.BUST]
        assert told.fills[1].revision == 1
        assert account.adapter.holdings() == ()

    def test_a_trade_is_restated(self, account, paper):
        account.adapter.submit(MARKET)
        trade = account.executions()[0]["id"]

        paper.admin("POST", f"/admin/executions/{trade}/correct", quantity="3", price="149.5")

        told = said(account).fills[1]
        assert (told.kind, told.quantity, told.price) == (
            ExecutionKind.CORRECT,
            Decimal(3),
            Decimal("149.5"),
        )
        assert account.adapter.holdings()[0].quantity == Decimal(3)

    def test_a_trade_is_taken_back_once(self, account, paper):
        account.adapter.submit(MARKET)
        trade = account.executions()[0]["id"]
        paper.admin("POST", f"/admin/executions/{trade}/bust")

        with pytest.raises(AssertionError, match="too_late"):
            paper.admin("POST", f"/admin/executions/{trade}/bust")
