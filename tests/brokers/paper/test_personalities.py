"""Each broker the exchange stands in for, by what is peculiar to it, over HTTP and as adapted."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from brokers import registry
from brokers.errors import AuthRefused, BrokerError, DuplicateId, OutcomeUnknown, Refused
from brokers.messages import Absent, Report
from brokers.paper import dialects
from brokers.paper.personalities import PERSONALITIES
from brokers.passport import Read
from brokers.vocabulary import Status
from tests.brokers.contract import TICKET
from tests.brokers.paper.test_adapter import MARKET, RESTING

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
OTHERS = [name for name in PERSONALITIES if name != "paper"]
BODY = {
    "client_order_id": "order-1",
    "symbol": "AAPL",
    "side": "buy",
    "type": "limit",
    "time_in_force": "day",
    "quantity": "10",
    "limit_price": "100",
}


@pytest.fixture(params=PERSONALITIES)
def account(paper, request):
    paper.price("AAPL", "150")
    return paper.account(personality=request.param)


@pytest.fixture
def one(paper):
    """Open an account of one personality."""
    paper.price("AAPL", "150")
    return lambda personality: paper.account(personality=personality)


class TestEveryone:
    def test_is_understood_from_birth_to_fill(self, account):
        account.adapter.submit(MARKET)

        reports = list(account.adapter.orders_since(LONG_AGO))
        fills = [fill for page in account.adapter.executions_since(LONG_AGO) for fill in page.fills]

        (snapshot,) = (snapshot for report in reports for snapshot in report.snapshots)
        assert (snapshot.status, snapshot.cumulative) == (Status.FILLED, 10)
        assert snapshot.version > 0
        assert [fill.quantity for fill in fills] == [10]
        assert fills[0].wire_id == MARKET.wire_id
        whole = account.adapter.read(snapshot.broker_order_id)
        assert isinstance(whole, Report)
        assert (whole.snapshots, whole.fills) == ((snapshot,), tuple(fills))

    def test_says_a_duplicate_its_own_way_and_takes_one(self, account):
        account.adapter.submit(RESTING)

        with pytest.raises(DuplicateId):
            account.adapter.submit(RESTING)

        assert len(account.orders()) == 1

    def test_cancels_and_replaces_in_its_own_words(self, account, paper):
        old = account.adapter.submit(RESTING).snapshots[0].broker_order_id
        better = replace(RESTING, wire_id="order-2", limit_price=Decimal(101))
        new = account.adapter.replace(old, better, filled=Decimal(0)).snapshots[0].broker_order_id
        asked = account.adapter.cancel(new).snapshots[0]
        paper.step()

        listed = {
            snapshot.broker_order_id: snapshot.status
            for report in account.adapter.orders_since(LONG_AGO)
            for snapshot in report.snapshots
        }

        assert asked.status is Status.PENDING_CANCEL
        assert listed == {old: Status.REPLACED, new: Status.CANCELED}

    def test_turns_strangers_away(self, account, paper):
        stranger = registry.connect(
            account.broker, credentials={"key": "nobody", "secret": "x"}, base_url=paper.url
        )

        with pytest.raises(AuthRefused):
            stranger.submit(TICKET)

    def test_is_kept_over_a_restart(self, account, paper):
        account.adapter.submit(RESTING)

        paper.restart()

        with pytest.raises(DuplicateId):
            account.adapter.submit(RESTING)

    def test_never_concludes_that_an_order_is_absent_while_it_is_there(self, account):
        account.adapter.submit(MARKET)
        account.adapter.submit(replace(RESTING, wire_id="order-2"))

        for wire_id in (MARKET.wire_id, "order-2"):
            try:
                assert isinstance(account.adapter.find(wire_id), Report)
            except BrokerError:
                assert account.personality == "gateway"
        for order in account.orders():
            assert isinstance(account.adapter.read(order["id"]), Report)


class TestIds:
    @pytest.mark.parametrize("personality", [name for name in OTHERS if name != "binance"])
    def test_are_used_up_for_ever(self, one, personality):
        account = one(personality)
        account.adapter.submit(MARKET)

        with pytest.raises(DuplicateId):
            account.adapter.submit(MARKET)

    def test_are_free_again_at_binance_once_the_order_has_ended(self, one):
        account = one("binance")
        account.adapter.submit(MARKET)

        account.adapter.submit(MARKET)

        first, second = account.orders()
        found = account.adapter.find(MARKET.wire_id)
        assert [order.broker_order_id for order in found.snapshots] == [second["id"]]
        assert first["filled_quantity"] == second["filled_quantity"] == "10"

    @pytest.mark.parametrize(
        ("personality", "status", "body"),
        [
            ("paper", 409, {"code": "duplicate_client_order_id"}),
            ("alpaca", 422, {"code": 40010001, "message": "client_order_id must be unique"}),
            ("tapp", 409, {"error": {"code": "DUPLICATE_CLIENT_ORDER_ID"}}),
            ("clearstreet", 409, {"error": {"code": 409}}),
            (
                "gateway",
                422,
                {
                    "code": "ORDER_REJECTED",
                    "message": "Order rejected: client_order_id must be unique",
                },
            ),
            ("binance", 400, {"code": -2010, "msg": "Duplicate order sent."}),
        ],
    )
    def test_a_second_one_is_answered_as_documented(self, one, personality, status, body):
        account = one(personality)
        account.ask("POST", "/v1/orders", json=BODY)

        answer = account.ask("POST", "/v1/orders", json=BODY)

        assert answer.status_code == status
        assert _holds(answer.json(), body)


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "personality", "told"),
        [
            ({"quantity": "-1"}, "alpaca", (422, {"code": 40010001})),
            ({"quantity": "999999"}, "alpaca", (403, {"code": 40310000})),
            ({"symbol": "HALT"}, "alpaca", (422, {"code": 40010001})),
            (
                {"quantity": "-1"},
                "tapp",
                (400, {"error": {"code": "VALIDATION_ERROR", "field": "quantity"}}),
            ),
            ({"symbol": None}, "tapp", (400, {"error": {"code": "MISSING_REQUIRED_FIELD"}})),
            (
                {"quantity": "999999"},
                "tapp",
                (422, {"error": {"code": "INSUFFICIENT_BUYING_POWER"}}),
            ),
            ({"quantity": "-1"}, "clearstreet", (422, {"error": {"code": 422}})),
            ({"quantity": "999999"}, "clearstreet", (400, {"error": {"code": 400}})),
            ({"quantity": "-1"}, "gateway", (400, {"code": "VALIDATION_ERROR"})),
            (
                {"quantity": "999999"},
                "gateway",
                (422, {"code": "ORDER_REJECTED", "details": {"reject_code": "INSUFFICIENT_FUNDS"}}),
            ),
            ({"symbol": "NONE"}, "binance", (400, {"code": -1121})),
            (
                {"quantity": "999999"},
                "binance",
                (400, {"msg": "Account has insufficient balance for requested action."}),
            ),
        ],
    )
    def test_are_said_as_documented(self, one, change, personality, told):
        answer = one(personality).ask("POST", "/v1/orders", json={**BODY, **change})

        assert answer.status_code == told[0]
        assert _holds(answer.json(), told[1])

    @pytest.mark.parametrize("personality", [name for name in PERSONALITIES if name != "gateway"])
    @pytest.mark.parametrize("change", [{"symbol": "HALT"}, {"quantity": Decimal(999_999)}])
    def test_are_final(self, one, personality, change):
        account = one(personality)

        with pytest.raises(Refused):
            account.adapter.submit(replace(RESTING, **change))

        assert account.orders() == []

    def test_of_the_broker_behind_the_gateway_prove_nothing(self, one):
        adapter = one("gateway").adapter

        with pytest.raises(OutcomeUnknown):
            adapter.submit(replace(RESTING, symbol="HALT"))
        with pytest.raises(Refused):
            adapter.submit(replace(RESTING, quantity=Decimal("0.0000000001")))

    @pytest.mark.parametrize("personality", ["paper", "alpaca", "tapp", "binance"])
    def test_a_cancel_that_is_too_late(self, one, personality):
        account = one(personality)
        placed = account.adapter.submit(MARKET).snapshots[0].broker_order_id

        with pytest.raises(Refused):
            account.adapter.cancel(placed)

    def test_a_cancel_that_is_too_late_at_the_gateway_is_to_be_looked_into(self, one):
        account = one("gateway")
        placed = account.adapter.submit(MARKET).snapshots[0].broker_order_id

        with pytest.raises(OutcomeUnknown):
            account.adapter.cancel(placed)

    def test_a_cancel_that_is_too_late_at_clear_street_is_answered_with_the_order(self, one):
        account = one("clearstreet")
        placed = account.adapter.submit(MARKET).snapshots[0].broker_order_id

        (snapshot,) = account.adapter.cancel(placed).snapshots

        assert snapshot.status is Status.FILLED
        assert len(account.requests("DELETE")) == 1


class TestLookups:
    @pytest.mark.parametrize("personality", [name for name in PERSONALITIES if name != "gateway"])
    def test_say_that_there_is_none(self, one, personality):
        assert isinstance(one(personality).adapter.find("never"), Absent)

    @pytest.mark.parametrize(
        ("personality", "status"), [("alpaca", 404), ("binance", 400), ("tapp", 200)]
    )
    def test_with_this_status(self, one, personality, status):
        found = one(personality).adapter.find("never")

        assert found.call.status == status

    def test_clear_street_denies_by_id_what_has_ended_and_lists_it(self, one, paper):
        account = one("clearstreet")
        ended = account.adapter.submit(MARKET).snapshots[0].broker_order_id
        working = account.adapter.submit(replace(RESTING, wire_id="order-2")).snapshots[0]

        assert account.ask("GET", f"/v1/orders/{ended}").status_code == 404
        assert account.ask("GET", f"/v1/orders/{working.broker_order_id}").status_code == 200
        assert isinstance(account.adapter.read(ended), Report)
        listed = account.ask("GET", f"/v1/orders?order_ids={ended},order-2,other").json()["orders"]
        assert [order["id"] for order in listed] == [ended, working.broker_order_id]

    def test_the_list_by_ids_shows_nobody_elses(self, one):
        other = one("clearstreet").adapter.submit(MARKET).snapshots[0].broker_order_id
        account = one("clearstreet")

        assert account.ask("GET", f"/v1/orders?order_ids={other}").json()["orders"] == []
        assert isinstance(account.adapter.read(other), Absent)

    def test_the_gateway_lists_open_orders_whatever_it_is_asked(self, one, monkeypatch):
        monkeypatch.setattr("brokers.paper.adapter.PAGE", "2")
        account = one("gateway")
        account.adapter.submit(MARKET)
        for number in range(2, 7):
            account.adapter.submit(replace(RESTING, wire_id=f"order-{number}"))

        assert account.adapter.find("order-6").snapshots[0].wire_id == "order-6"
        for ended_or_never in (MARKET.wire_id, "never"):
            with pytest.raises(OutcomeUnknown, match="open orders"):
                account.adapter.find(ended_or_never)


class TestStamps:
    @pytest.mark.parametrize(
        ("personality", "looks_like"),
        [
            ("paper", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"),
            ("alpaca", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"),
            ("tapp", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
            ("clearstreet", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"),
            ("gateway", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"),
            ("binance", r"\d{13}"),
        ],
    )
    def test_are_as_fine_as_the_brokers(self, one, personality, looks_like):
        told = one(personality).ask("POST", "/v1/orders", json=BODY).json()

        assert _matches(looks_like, told["created_at"])
        assert _matches(looks_like, told["updated_at"])
        assert ("version" in told) == (personality == "paper")

    def test_are_the_version_where_there_is_none(self, one):
        account = one("tapp")

        snapshot = account.adapter.submit(RESTING).snapshots[0]

        (order,) = account.orders()
        at = datetime.fromisoformat(order["updated_at"])
        assert snapshot.version == int(at.timestamp()) * 1_000_000
        assert snapshot.sequence == 0

    def test_at_tapp_each_order_counts_its_executions_from_one(self, one, paper):
        account = one("tapp")
        paper.price("AAPL", "150", size="6")
        account.adapter.submit(MARKET)
        paper.step()
        account.adapter.submit(replace(MARKET, wire_id="order-2"))

        fills = [fill for page in account.adapter.executions_since(LONG_AGO) for fill in page.fills]

        named = [(fill.wire_id, fill.execution_id) for fill in fills]
        assert named == [
            ("order-1", "exec-001"),
            ("order-1", "exec-002"),
            ("order-2", "exec-001"),
            ("order-2", "exec-002"),
        ]


class TestPassports:
    @pytest.mark.parametrize(
        ("broker", "absence_by"),
        [
            ("paper", {Read.OUR_ID, Read.ORDER_LIST}),
            ("paper-alpaca", set()),
            ("paper-tapp", {Read.ORDER_LIST}),
            ("paper-clearstreet", {Read.ORDER_LIST}),
            ("paper-gateway", set()),
            ("paper-binance", set()),
        ],
    )
    def test_say_who_may_conclude_absence(self, broker, absence_by):
        assert registry.passport(broker).doubt.absence_by == absence_by

    def test_there_is_one_for_each_personality(self):
        named = {name.removeprefix("paper-") for name in registry.BROKERS}

        assert named == set(PERSONALITIES)
        assert all(len(name) <= 20 for name in registry.BROKERS)


def test_every_word_of_a_personality_is_in_its_dialect():
    for name, personality in PERSONALITIES.items():
        dialect = getattr(dialects, name.upper())
        assert set(personality.words.values()) <= set(dialect.statuses)


def test_a_personality_that_is_none_is_refused(paper):
    answer = paper.client.post(
        paper.url + "/admin/accounts",
        headers={"X-Paper-Admin": "paper-admin-token"},
        json={"key": "k-x", "secret": "s", "cash": "1", "personality": "etrade"},
    )

    assert (answer.status_code, answer.json()["field"]) == (422, "personality")


def _holds(told, expected):
    """Whether a body has everything expected of it, and maybe more."""
    return all(
        _holds(told[key], value) if isinstance(value, dict) else told[key] == value
        for key, value in expected.items()
    )


def _matches(pattern, value):
    return re.fullmatch(pattern, str(value)) is not None
