"""Faults that strike a request before there is an answer to spoil, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from time import monotonic, sleep

import pytest

from brokers.errors import BrokerError, DuplicateId, OutcomeUnknown, Refused
from brokers.messages import Absent, Report
from brokers.paper.personalities import PERSONALITIES
from brokers.vocabulary import Status
from tests.brokers.paper.test_adapter import MARKET, RESTING

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def one(paper):
    """Open an account, of one personality if that is asked."""
    paper.price("AAPL", "150")
    return lambda personality="paper", **given: paper.account(personality=personality, **given)


def until(holds: Callable[[], bool], *, within: float = 10) -> None:
    deadline = monotonic() + within
    while not holds():
        assert monotonic() < deadline
        sleep(0.05)


class TestRefused:
    @pytest.mark.parametrize("personality", [name for name in PERSONALITIES if name != "gateway"])
    def test_for_good_in_everyones_words(self, one, personality):
        account = one(personality)
        account.faults(reject={"next": 1})

        with pytest.raises(Refused):
            account.adapter.submit(MARKET)

        assert account.orders() == []
        (request,) = account.requests("POST")
        assert (request["fault"], request["code"]) == ("reject", "declined")
        assert account.adapter.submit(MARKET).snapshots

    def test_by_the_gateway_it_proves_nothing(self, one):
        account = one("gateway")
        account.faults(reject={"next": 1})

        with pytest.raises(OutcomeUnknown):
            account.adapter.submit(MARKET)

    @pytest.mark.parametrize("personality", PERSONALITIES)
    def test_too_many_is_no_word_on_the_order(self, one, personality):
        account = one(personality)
        account.faults(too_many_429={"next": 1, "seconds": "3"})

        with pytest.raises(OutcomeUnknown) as caught:
            account.adapter.submit(MARKET)

        assert caught.value.call.status == 429
        assert account.orders() == []
        account.faults(too_many_429={"next": 1, "seconds": "3"})
        assert account.ask("POST", "/v1/orders", json={}).headers["Retry-After"] == "3"


class TestTakenLater:
    def test_it_is_there_in_the_end_and_the_ledger_knew(self, one):
        account = one()
        account.faults(late_accept={"next": 1, "seconds": "1"})

        with pytest.raises(OutcomeUnknown) as caught:
            account.adapter.submit(MARKET)

        assert caught.value.call.status == 504
        until(lambda: len(account.orders()) == 1)
        assert isinstance(account.adapter.find(MARKET.wire_id), Report)
        (order,) = account.orders()
        (request,) = account.requests("POST")
        pending, taken = account.exchange.ledger("late", account=account.key)
        assert (request["fault"], request["status"]) == ("late_accept", 0)
        assert request["late_id"] == pending["id"] == taken["id"]
        assert (pending["state"], pending["client_order_id"]) == ("pending", MARKET.wire_id)
        assert (taken["state"], taken["order_id"]) == ("taken", order["id"])
        assert datetime.fromisoformat(order["created_at"]) >= datetime.fromisoformat(taken["due"])

    def test_though_the_exchange_was_killed_meanwhile(self, one, paper):
        account = one()
        account.faults(late_accept={"next": 3, "seconds": "4"})
        for number in range(3):
            with pytest.raises(OutcomeUnknown):
                account.adapter.submit(replace(RESTING, wire_id=f"order-{number}"))

        paper.restart()

        until(lambda: len(account.orders()) == 3)
        states = [line["state"] for line in account.exchange.ledger("late", account=account.key)]
        assert sorted(states) == ["pending"] * 3 + ["taken"] * 3

    def test_a_replace_as_well(self, one):
        account = one()
        old = account.adapter.submit(RESTING).snapshots[0].broker_order_id
        account.faults(late_accept={"next": 1, "seconds": "0.5"})

        with pytest.raises(OutcomeUnknown):
            account.adapter.replace(old, replace(RESTING, wire_id="order-2"), filled=Decimal(0))

        until(lambda: len(account.orders()) == 2)
        first, second = account.orders()
        assert (first["status"], second["replaces"]) == ("replaced", first["id"])

    def test_or_never_and_the_ledger_says_why(self, one):
        account = one()
        account.faults(late_accept={"next": 1, "seconds": "0.2"})

        with pytest.raises(OutcomeUnknown):
            account.adapter.submit(replace(RESTING, symbol="HALT"))

        late = lambda: account.exchange.ledger("late", account=account.key)  # noqa: E731
        until(lambda: late()[-1]["state"] == "never")
        assert late()[-1]["code"] == "not_tradable"
        assert account.orders() == []


class TestSentTwice:
    @pytest.mark.parametrize("personality", PERSONALITIES)
    def test_the_second_answer_comes_back(self, one, personality):
        account = one(personality)
        account.faults(double_retry={"next": 1})

        with pytest.raises(DuplicateId):
            account.adapter.submit(RESTING)

        (order,) = account.orders()
        (request,) = account.requests("POST")
        assert (request["fault"], request["earlier_order_id"]) == ("double_retry", order["id"])

    @pytest.mark.parametrize(
        ("duplicates", "orders"), [("return_existing", 1), ("accept_twice", 2)]
    )
    def test_or_as_the_account_is_set(self, one, duplicates, orders):
        account = one(duplicates=duplicates)
        account.faults(double_retry={"next": 1})

        snapshot = account.adapter.submit(RESTING).snapshots[0]

        ids = [order["id"] for order in account.orders()]
        assert len(ids) == orders
        assert snapshot.broker_order_id == ids[-1]
        found = account.adapter.find(RESTING.wire_id)
        assert [one.broker_order_id for one in found.snapshots] == ids

    def test_at_binance_a_market_order_is_bought_twice(self, one):
        account = one("binance")
        account.faults(double_retry={"next": 1})

        account.adapter.submit(MARKET)

        assert [order["status"] for order in account.orders()] == ["filled", "filled"]

    @pytest.mark.parametrize("fault", ["accept_then_504", "accept_then_html_502"])
    def test_by_the_gateway_of_its_own_accord(self, one, fault):
        account = one("gateway")
        account.faults(**{fault: {"next": 1}})

        with pytest.raises(DuplicateId) as caught:
            account.adapter.submit(RESTING)

        assert caught.value.call.status == 422
        assert len(account.orders()) == len(account.requests("POST")) == 1

    def test_by_the_gateway_what_was_not_seen_the_first_time_is_taken(self, one):
        account = one("gateway")
        account.faults(not_accepted_504={"next": 1})

        assert account.adapter.submit(RESTING).snapshots

        (request,) = account.requests("POST")
        assert (request["fault"], request["status"]) == ("not_accepted_504", 201)


class TestReads:
    @pytest.mark.parametrize("personality", PERSONALITIES)
    def test_that_fail_are_no_answer(self, one, personality):
        account = one(personality)
        placed = account.adapter.submit(MARKET).snapshots[0].broker_order_id
        account.faults(read_5xx={"probability": "1"})

        for ask in (
            lambda: account.adapter.find(MARKET.wire_id),
            lambda: account.adapter.read(placed),
            lambda: list(account.adapter.orders_since(LONG_AGO)),
            lambda: list(account.adapter.executions_since(LONG_AGO)),
        ):
            with pytest.raises(BrokerError):
                ask()

        assert account.adapter.holdings()
        assert {line["fault"] for line in account.requests("GET", "/v1/orders")} == {"read_5xx"}

    @pytest.mark.parametrize("personality", [name for name in PERSONALITIES if name != "gateway"])
    def test_that_lag_know_nothing_of_what_is_new(self, one, personality):
        account = one(personality)
        placed = account.adapter.submit(MARKET).snapshots[0].broker_order_id
        account.faults(read_lag={"probability": "1", "seconds": "60"})

        assert isinstance(account.adapter.find(MARKET.wire_id), Absent)
        assert isinstance(account.adapter.read(placed), Absent)
        (page,) = account.adapter.orders_since(LONG_AGO)
        assert page.snapshots == ()
        (page,) = account.adapter.executions_since(LONG_AGO)
        assert page.fills == ()
        assert account.ask("GET", f"/v1/orders/{placed}/executions").status_code // 100 == 4

        account.faults()
        assert isinstance(account.adapter.find(MARKET.wire_id), Report)

    def test_that_lag_at_the_gateway_do_not_list_it(self, one):
        account = one("gateway")
        account.adapter.submit(RESTING)
        account.faults(read_lag={"probability": "1", "seconds": "60"})

        with pytest.raises(OutcomeUnknown):
            account.adapter.find(RESTING.wire_id)

    def test_that_lag_show_an_order_as_it_was(self, one, paper):
        account = one()
        paper.price("AAPL", "150", size="2")
        placed = account.adapter.submit(MARKET).snapshots[0].broker_order_id
        sleep(0.6)
        paper.step(5)
        account.faults(read_lag={"probability": "1", "seconds": "0.4"})

        was = account.adapter.read(placed)

        assert was.snapshots[0].status is Status.PARTIALLY_FILLED
        assert was.snapshots[0].cumulative == sum(fill.quantity for fill in was.fills) == 4
        listed = next(iter(account.adapter.orders_since(LONG_AGO)))
        assert listed.snapshots == was.snapshots
        account.faults()
        assert account.adapter.read(placed).snapshots[0].status is Status.FILLED

    def test_of_a_stale_replica_go_back_and_forth(self, one):
        account = one()
        account.adapter.submit(MARKET)
        account.faults(read_stale_replica={"probability": "0.5", "seconds": "60"})

        pages = [next(iter(account.adapter.orders_since(LONG_AGO))) for _ in range(40)]

        empty = sum(not page.snapshots for page in pages)
        assert 3 < empty < 37

    def test_that_lag_keep_to_their_pages(self, one):
        account = one()
        for number in range(5):
            if number == 3:
                sleep(1)
            account.adapter.submit(replace(MARKET, wire_id=f"c-{number}"))
        third = datetime.fromisoformat(account.orders()[2]["created_at"])
        lag = (datetime.now(UTC) - third).total_seconds() - 0.05
        account.faults(read_lag={"probability": "1", "seconds": f"{lag:.3f}"})

        first = account.ask("GET", "/v1/orders", params={"limit": "2"}).json()
        cursor = first["next_cursor"]
        second = account.ask("GET", "/v1/orders", params={"limit": "2", "cursor": cursor}).json()

        listed = [order["client_order_id"] for order in first["orders"] + second["orders"]]
        assert (listed, second["next_cursor"]) == (["c-0", "c-1", "c-2"], None)

    def test_lag_at_most_a_minute(self, one, paper):
        account = one()
        setting = {"account": account.key, "faults": {"read_lag": {"seconds": "61"}}}

        answer = paper.client.put(
            paper.url + "/admin/faults",
            headers={"X-Paper-Admin": "paper-admin-token"},
            json=setting,
        )

        assert (answer.status_code, answer.json()["field"]) == (422, "seconds")
