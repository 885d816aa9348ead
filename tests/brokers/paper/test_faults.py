"""Each fault, shown: what the client sees, and what truly happened."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from brokers.errors import OutcomeUnknown
from brokers.messages import Absent, Report
from brokers.paper.faults import Faults
from brokers.paper.mishaps import FAULTS, Point
from brokers.paper.refusals import Refusal
from brokers.paper.spoiling import SPOILS
from tests.brokers.paper.test_adapter import MARKET, RESTING

ANSWERS = [name for name, fault in FAULTS.items() if fault.point is Point.ANSWER]
SEEN = {  # what is left of the answer: its status, and what the failure says
    "not_accepted_504": (504, ""),
    "accept_then_504": (504, ""),
    "accept_then_html_502": (502, ""),
    "accept_then_hang": (None, "RemoteProtocolError"),
    "accept_then_reset": (None, "ReadError"),
    "accept_then_truncated_201": (201, "RemoteProtocolError"),
    "late_accept": (504, ""),
    "too_many_429": (429, ""),
}
NOTHING_DONE = {"not_accepted_504", "late_accept", "too_many_429"}  # not yet, or not at all


def once(name):
    return {name: {"next": 1, "seconds": "0.2"} if FAULTS[name].seconds else {"next": 1}}


@pytest.fixture
def account(paper):
    paper.price("AAPL", "150")
    return paper.account()


class TestAnswers:
    @pytest.mark.parametrize("fault", sorted(SEEN))
    def test_leaves_the_client_in_doubt_and_the_ledger_in_none(self, account, fault):
        account.faults(**once(fault))

        with pytest.raises(OutcomeUnknown) as caught:
            account.adapter.submit(MARKET)

        status, failure = SEEN[fault]
        assert caught.value.call.status == status
        assert failure in caught.value.call.failure
        taken = fault not in NOTHING_DONE
        assert len(account.orders()) == taken
        assert isinstance(account.adapter.find(MARKET.wire_id), Report) == taken
        (request,) = account.requests("POST")
        decided = 429 if fault == "too_many_429" else 201 if taken else 0
        assert (request["fault"], request["status"]) == (fault, decided)
        assert account.fired(fault) == 1

    @pytest.mark.parametrize("fault", sorted(SEEN))
    def test_strikes_a_replace_just_the_same(self, account, fault):
        old = account.adapter.submit(RESTING).snapshots[0].broker_order_id
        account.faults(**once(fault))
        terms = replace(RESTING, wire_id="order-2")

        with pytest.raises(OutcomeUnknown):
            account.adapter.replace(old, terms, filled=Decimal(0))

        assert len(account.orders()) == (1 if fault in NOTHING_DONE else 2)

    @pytest.mark.usefixtures("impatient")
    def test_a_hang_lasts_longer_than_the_client_does(self, account):
        account.faults(accept_then_hang={"next": 1})
        started = datetime.now(UTC)

        with pytest.raises(OutcomeUnknown, match="silence"):
            account.adapter.submit(MARKET)

        assert (datetime.now(UTC) - started).total_seconds() < 2

    def test_another_account_is_not_struck(self, account, paper):
        account.faults(accept_then_504={"probability": "1"})

        assert paper.account().adapter.submit(MARKET).snapshots

    def test_reads_are_not_struck(self, account):
        account.faults(accept_then_504={"probability": "1"})

        assert isinstance(account.adapter.find("never"), Absent)

    def test_what_is_not_named_is_taken_off(self, account):
        account.faults(accept_then_504={"probability": "1"})
        account.faults()

        assert account.adapter.submit(MARKET).snapshots


class TestDice:
    def test_the_same_seed_meets_the_same_faults(self):
        def thrown(seed):
            faults = Faults(seed=seed)
            faults.set("k", {"accept_then_504": {"probability": "0.3"}})
            return [faults.first("k", Point.ANSWER) for _ in range(200)]

        assert thrown(1) == thrown(1) != thrown(2)
        assert 30 < thrown(1).count("accept_then_504") < 90

    def test_next_comes_before_the_dice(self):
        faults = Faults(seed=1)
        faults.set("k", {"webhook_drop": {"next": 2}})

        assert [bool(faults.strikes("k", "webhook_drop")) for _ in range(3)] == [True, True, False]

    def test_what_is_recorded_can_be_set_again(self):
        faults, again = Faults(seed=1), Faults(seed=1)
        faults.set("k", {"webhook_delay": {"probability": "0.25", "seconds": "1.5", "next": 3}})

        again.set("k", faults.record("k"))

        told = again.json("k")["webhook_delay"]
        assert (told["probability"], told["seconds"], told["next"]) == ("0.25", "1.5", 0)

    @pytest.mark.parametrize(
        ("told", "field"),
        [
            ({"solar_flare": {}}, "solar_flare"),
            ({"accept_then_504": 1}, "accept_then_504"),
            ({"accept_then_504": {"probability": "2"}}, "probability"),
            ({"accept_then_504": {"probability": "-1"}}, "probability"),
            ({"accept_then_504": {"probability": "NaN"}}, "probability"),
            ({"accept_then_504": {"probability": True}}, "probability"),
            ({"accept_then_504": {"next": "1.5"}}, "next"),
            ({"accept_then_504": {"next": 10**9}}, "next"),
            ({"accept_then_504": {"seconds": "1"}}, "seconds"),
            ({"accept_then_hang": {"seconds": "1e3"}}, "seconds"),
            ({"webhook_duplicate": {"times": "101"}}, "times"),
        ],
        ids=str,
    )
    def test_a_setting_that_is_none_is_named_and_nothing_is_set(self, told, field):
        faults = Faults(seed=1)

        with pytest.raises(Refusal) as caught:
            faults.set("k", {"webhook_drop": {"next": 1}, **told})

        assert caught.value.field == field
        assert faults.setting("k", "webhook_drop").next == 0


def test_every_fault_of_an_answer_has_a_way_to_spoil_it():
    decided_otherwise = {"reject", "double_retry"}
    assert set(SPOILS) == set(SEEN) == set(ANSWERS) - decided_otherwise
