from __future__ import annotations

from decimal import Decimal

import pytest

from brokers.paper.admin import Admin, NotDone
from tests.brokers.wire import answer, hang_up
from tests.paper_exchange import TOKEN


@pytest.fixture
def account(paper):
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
        admin.move("KO", open=True)
        admin.move("AMD", release=True)


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
