"""What an account's broker is known not to trade is refused at the door, and nothing else is."""

from __future__ import annotations

import threading

import pytest

from brokers.errors import OutcomeUnknown
from brokers.paper.adapter import PaperAdapter
from orders import asking
from orders.models import Account, Order
from tests.api.alpaca.conftest import check_declined
from tests.api.alpaca.test_examples import Desk, buys, desk, sells  # noqa: F401

pytestmark = pytest.mark.django_db
PARAMETER, RULE, FORBIDDEN = 40010001, 42210000, 40310000


@pytest.fixture
def knows(desk):  # noqa: F811
    """The desk has the exchange's list at hand."""
    assert desk.bot.get("assets").status_code == 200


@pytest.mark.parametrize(
    ("order", "refusal"),
    [
        (buys("APPL"), (422, RULE, 'asset "APPL" not found')),
        (buys("aapl"), (422, RULE, 'asset "aapl" not found')),
        (buys("DOGE/USD", time_in_force="gtc"), (422, RULE, 'asset "DOGE/USD" not found')),
        (buys("HALT"), (422, PARAMETER, "asset HALT is not active")),
        (buys("KO", 0.5), (403, FORBIDDEN, 'asset "KO" is not fractionable')),
        (
            sells("BTC/USD", time_in_force="gtc", position_intent="sell_to_open"),
            (403, FORBIDDEN, 'asset "BTC/USD" cannot be sold short'),
        ),
    ],
    ids=lambda told: told["symbol"] if isinstance(told, dict) else "",
)
def test_is_refused(desk, knows, order, refusal):  # noqa: F811
    check_declined(desk.bot.ask("POST", "orders", order), *refusal)
    assert not Order.objects.exists()


def test_what_it_trades_is_taken(desk, knows):  # noqa: F811
    assert desk.bot.ask("POST", "orders", buys("AAPL")).status_code == 200


def test_is_asked_for_at_the_first_order(desk, monkeypatch):  # noqa: F811
    monkeypatch.setattr(asking, "AT_HAND", 10)  # a slow machine is no silent broker

    check_declined(desk.bot.ask("POST", "orders", buys("APPL")), 422, RULE, "not found")


class TestNotKnown:
    def test_while_the_broker_is_silent(self, desk, monkeypatch):  # noqa: F811
        def silent(self):
            raise OutcomeUnknown("Silence.")

        monkeypatch.setattr(PaperAdapter, "instruments", silent)

        assert desk.bot.ask("POST", "orders", buys("APPL")).status_code == 200

    def test_nobody_waits_long_nor_twice(self, desk, monkeypatch):  # noqa: F811
        answers, asked = threading.Event(), []

        def slow(self):
            asked.append(1)
            answers.wait(10)
            raise OutcomeUnknown("Silence.")

        monkeypatch.setattr(PaperAdapter, "instruments", slow)
        monkeypatch.setattr(asking, "AT_HAND", 0.01)
        try:
            for _ in range(3):
                assert desk.bot.ask("POST", "orders", buys("APPL")).status_code == 200
        finally:
            answers.set()
        assert asked == [1]

    def test_of_a_list_that_is_old(self, desk, knows, monkeypatch):  # noqa: F811
        monkeypatch.setattr(asking, "INSTRUMENTS_KEPT", -1)

        assert desk.bot.ask("POST", "orders", buys("APPL")).status_code == 200

    def test_of_a_broker_that_does_not_list_everything(self, bot):
        assert bot.get("assets").told[0]["symbol"] == "ACME"

        assert bot.place(symbol="XYZ").status_code == 200


def test_a_repeat_is_told_that_it_is_one(desk, monkeypatch):  # noqa: F811
    """The order came before the list did."""
    monkeypatch.setattr(asking, "AT_HAND", 0)
    monkeypatch.setattr(asking, "_learn", lambda account: None)
    order = buys("APPL", client_order_id="mine")
    assert desk.bot.ask("POST", "orders", order).status_code == 200
    assert desk.bot.get("assets").status_code == 200

    check_declined(desk.bot.ask("POST", "orders", order), 422, PARAMETER, "must be unique")
    Account.objects.update(replays_duplicates=True)
    assert desk.bot.ask("POST", "orders", order).status_code == 200
