from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from brokers.errors import Refused
from brokers.paper.admin import Admin, NotDone
from brokers.vocabulary import Side
from tests.brokers.paper.test_adapter import MARKET, RESTING
from tests.brokers.wire import answer, hang_up
from tests.paper_exchange import TOKEN


@pytest.fixture
def account(paper):
    paper.price("AAPL", "150")
    return paper.account()


@pytest.fixture
def admin(paper):
    return Admin(base_url=paper.url, token=TOKEN)


def dial(dials, name):
    return next(one for one in dials if one.name == name)


class TestDials:
    def test_one_is_turned_and_the_others_stay(self, admin, account):
        admin.turn(
            account.key, "webhook_delay", probability=Decimal("0.25"), seconds=Decimal("1.5")
        )

        dials = admin.turn(account.key, "accept_then_504", probability=Decimal(1))

        assert dial(dials, "accept_then_504").probability == 1
        delay = dial(dials, "webhook_delay")
        assert (delay.probability, delay.seconds) == (Decimal("0.25"), Decimal("1.5"))
        assert {one.name for one in dials if one.is_on} == {"accept_then_504", "webhook_delay"}

    def test_striking_next_counts_up(self, admin, account):
        admin.strike_next(account.key, "webhook_drop")

        dials = admin.strike_next(account.key, "webhook_drop", "accept_then_504")

        assert dial(dials, "webhook_drop").next == 2
        assert dial(dials, "accept_then_504").next == 1

    def test_calm_takes_everything_off(self, admin, account):
        admin.strike_next(account.key, "webhook_drop")

        assert not any(one.is_on for one in admin.calm(account.key))

    @pytest.mark.parametrize("name", ["solar_flare", ""])
    def test_a_fault_that_is_none_is_not_done(self, admin, account, name):
        with pytest.raises(NotDone):
            admin.turn(account.key, name, probability=Decimal(1))


class TestMarket:
    def test_is_listed_moved_and_closed(self, admin, paper, account):
        admin.move("AMD", price=Decimal("21.5"))
        admin.move("KO", open=False)

        listed = {one.symbol: one for one in admin.listings()}

        assert account.adapter.quote("AMD").last == Decimal("21.5")
        assert (listed["KO"].is_open, listed["AMD"].is_open) == (False, True)
        assert not listed["HALT"].tradable
        admin.move("KO", phase="extended")
        assert {one.symbol: one.phase for one in admin.listings()}["KO"] == "extended"
        admin.move("KO", open=True)
        admin.move("AMD", release=True)

    def test_a_phase_that_is_none_is_not_done(self, admin):
        with pytest.raises(NotDone, match="phase must be one of open, extended, closed"):
            admin.move("KO", phase="lunch")


class TestTreatment:
    def test_an_account_is_shut_and_opened_again(self, admin, account):
        admin.treat(account.key, active=False)
        with pytest.raises(Refused) as caught:
            account.adapter.submit(RESTING)
        assert (caught.value.code, account.orders()) == ("account_not_active", [])

        admin.treat(account.key, active=True)
        assert account.adapter.submit(RESTING)

    def test_a_fee_is_taken_told_and_outlives_a_restart(self, admin, account, paper):
        admin.treat(account.key, fee_rate=Decimal(10))
        paper.restart()
        paper.price("AAPL", "150")

        account.adapter.submit(MARKET)

        (fill,) = account.adapter.find(MARKET.wire_id).fills
        assert fill.fee == Decimal("1.5001")
        assert account.adapter.balance().cash == 1_000_000 - Decimal("1500.1") - fill.fee
        admin.treat(account.key, fee_rate="0")
        account.adapter.submit(replace(MARKET, wire_id="order-2"))
        assert account.adapter.find("order-2").fills[0].fee == 0

    def test_wash_trades_are_refused_where_it_is_set_so(self, admin, account):
        account.adapter.submit(RESTING)
        other_way = replace(RESTING, wire_id="order-2", side=Side.SELL)
        admin.treat(account.key, refuses_wash_trades=True)

        with pytest.raises(Refused) as caught:
            account.adapter.submit(other_way)

        assert caught.value.code == "wash_trade"
        admin.treat(account.key, refuses_wash_trades=False)
        assert account.adapter.submit(other_way)

    @pytest.mark.parametrize("changes", [{"fee_rate": "1001"}, {"fee_rate": "-1"}, {"active": "x"}])
    def test_what_makes_no_sense_changes_nothing(self, admin, account, paper, changes):
        before = paper.ledger("accounts", account=account.key)

        with pytest.raises(NotDone):
            admin.treat(account.key, shorting=False, **changes)

        assert paper.ledger("accounts", account=account.key) == before


class TestNotDone:
    def test_with_another_token(self, paper, account):
        with pytest.raises(NotDone, match="admin token"):
            Admin(base_url=paper.url, token="another").dials(account.key)

    @pytest.mark.parametrize(
        "script",
        [hang_up, answer(502, b"<html>"), answer(200, b"[]"), answer(200, {"surprise": 1})],
    )
    def test_when_the_answer_makes_no_sense(self, wire, script):
        wire.script = script

        with pytest.raises(NotDone):
            Admin(base_url=wire.url, token="t").dials("k")
