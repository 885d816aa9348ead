"""The exchange's HTTP surface: what it takes, and how it says no."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from time import monotonic

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brokers.paper.ordering import OPTIONAL
from tests.brokers.paper.test_adapter import MARKET, RESTING
from tests.paper_exchange import ROOT, TOKEN, PaperExchange

ORDER = {
    "client_order_id": "c-1",
    "symbol": "AAPL",
    "side": "buy",
    "type": "limit",
    "time_in_force": "day",
    "quantity": "10",
    "limit_price": "100",
}
TRAILING = {"type": "trailing_stop", "limit_price": None, "trail_percent": "5"}
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=5,
)


@pytest.fixture
def account(paper):
    paper.price("AAPL", "150")
    return paper.account()


class TestOrders:
    @pytest.mark.parametrize(
        ("change", "code", "field"),
        [
            ({"quantity": 10}, "invalid_quantity", "quantity"),
            ({"quantity": "10.0000000001"}, "invalid_quantity", "quantity"),
            ({"quantity": "1e3"}, "invalid_quantity", "quantity"),
            ({"quantity": "1e999999"}, "invalid_quantity", "quantity"),
            ({"quantity": "NaN"}, "invalid_quantity", "quantity"),
            ({"quantity": "Infinity"}, "invalid_quantity", "quantity"),
            ({"quantity": "-1"}, "invalid_quantity", "quantity"),
            ({"quantity": "0"}, "invalid_quantity", "quantity"),
            ({"quantity": "٣"}, "invalid_quantity", "quantity"),
            ({"quantity": " 1"}, "invalid_quantity", "quantity"),
            ({"quantity": "9" * 1_000}, "invalid_quantity", "quantity"),
            ({"quantity": None}, "missing_field", "quantity"),
            ({"quantity": ["10"]}, "invalid_quantity", "quantity"),
            ({"limit_price": None}, "missing_field", "limit_price"),
            ({"limit_price": "0.00001"}, "invalid_limit_price", "limit_price"),
            ({"stop_price": "100"}, "invalid_stop_price", "stop_price"),
            ({"type": "market"}, "invalid_limit_price", "limit_price"),
            ({"type": "stop", "limit_price": None}, "missing_field", "stop_price"),
            ({"type": "trailing"}, "invalid_type", "type"),
            ({"side": "BUY"}, "invalid_side", "side"),
            ({"side": {}}, "invalid_side", "side"),
            ({"time_in_force": "week"}, "invalid_time_in_force", "time_in_force"),
            ({"symbol": ""}, "invalid_symbol", "symbol"),
            ({"symbol": "A" * 33}, "invalid_symbol", "symbol"),
            ({"symbol": "A\n"}, "invalid_symbol", "symbol"),
            ({"symbol": "aapl"}, "unknown_symbol", "symbol"),
            ({"symbol": "ÄÄPL"}, "unknown_symbol", "symbol"),
            ({"client_order_id": ""}, "invalid_client_order_id", "client_order_id"),
            ({"client_order_id": "a" * 129}, "invalid_client_order_id", "client_order_id"),
            ({"client_order_id": "a b"}, "invalid_client_order_id", "client_order_id"),
            ({"client_order_id": 7}, "invalid_client_order_id", "client_order_id"),
            ({"colour": "red"}, "unknown_field", "colour"),
            ({"client_order_id": "a" * 256}, "invalid_client_order_id", "client_order_id"),
            ({"notional": "100"}, "invalid_notional", "notional"),
            ({"quantity": None, "notional": "0"}, "invalid_notional", "notional"),
            ({"trail_price": "1"}, "invalid_trail_price", "trail_price"),
            ({"type": "trailing_stop", "limit_price": None}, "missing_field", "trail_price"),
            ({**TRAILING, "trail_price": "1"}, "invalid_trail_percent", "trail_percent"),
            ({**TRAILING, "trail_percent": "0.09"}, "invalid_trail_percent", "trail_percent"),
            ({**TRAILING, "trail_percent": "100"}, "invalid_trail_percent", "trail_percent"),
            ({**TRAILING, "stop_price": "1"}, "invalid_stop_price", "stop_price"),
            ({**TRAILING, "time_in_force": "ioc"}, "invalid_time_in_force", "time_in_force"),
            ({"time_in_force": "gtd"}, "missing_field", "expires_at"),
            ({"time_in_force": "gtd", "expires_at": "soon"}, "invalid_expires_at", "expires_at"),
            ({"time_in_force": "gtd", "expires_at": 7}, "invalid_expires_at", "expires_at"),
            (
                {"time_in_force": "gtd", "expires_at": "2020-01-01T00:00:00Z"},
                "invalid_expires_at",
                "expires_at",
            ),
            ({"expires_at": "2100-01-01T00:00:00Z"}, "invalid_expires_at", "expires_at"),
            ({"extended_hours": "yes"}, "invalid_extended_hours", "extended_hours"),
            (
                {"extended_hours": True, "time_in_force": "fok"},
                "invalid_extended_hours",
                "extended_hours",
            ),
            ({"position_effect": "both"}, "invalid_position_effect", "position_effect"),
            ({"position_effect": "close"}, "position_effect_mismatch", "position_effect"),
            ({"order_class": "triple"}, "invalid_order_class", "order_class"),
            ({"take_profit": "160"}, "invalid_take_profit", "take_profit"),
            ({"take_profit": {}}, "missing_field", "take_profit.limit_price"),
            ({"stop_loss": {"stop_price": 1}}, "invalid_stop_loss", "stop_loss.stop_price"),
            ({"stop_loss": {"colour": "red"}}, "unknown_field", "stop_loss.colour"),
        ],
        ids=str,
    )
    def test_a_bad_word_is_named_and_nothing_is_done(self, account, change, code, field):
        answer = account.ask("POST", "/v1/orders", json={**ORDER, **change})

        assert 400 <= answer.status_code < 500
        assert (answer.json()["code"], answer.json()["field"]) == (code, field)
        assert answer.json()["message"].endswith(".")
        assert account.orders() == []

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b'"x"',
            b"null",
            b"[" * 30_000,
            b'{"a": NaN}',
            b"\xff",
            b'{"a":1,"a":2}',
        ],
        ids=lambda body: repr(body[:10]),
    )
    def test_what_is_no_object_is_refused(self, account, body):
        answer = account.ask("POST", "/v1/orders", content=body)

        assert answer.status_code == 400
        assert answer.json()["code"] in ("invalid_json", "missing_field")

    def test_what_is_too_large_is_refused(self, account):
        answer = account.ask("POST", "/v1/orders", content=b" " * 70_000)

        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")

    @settings(
        max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(change=st.dictionaries(st.sampled_from([*ORDER, *OPTIONAL, "x"]), ANY_JSON, min_size=1))
    def test_whatever_is_sent_is_answered_in_words(self, account, change):
        told = {**ORDER, **change}
        try:
            body = httpx.Request("POST", "http://x", json=told).content
        except ValueError:
            return  # NaN: httpx will not write it

        answer = account.ask("POST", "/v1/orders", content=body)

        assert answer.status_code in (201, 400, 409, 422)
        assert answer.json().keys() >= ({"id"} if answer.status_code == 201 else {"code"})

    def test_a_time_has_microseconds_and_a_zone(self, account):
        told = account.ask("POST", "/v1/orders", json=ORDER).json()

        assert told["created_at"].endswith("Z")
        assert len(told["created_at"]) == len("2026-03-02T12:00:00.000000Z")
        assert datetime.fromisoformat(told["created_at"])


class TestDuplicates:
    def test_are_rejected(self, account):
        account.ask("POST", "/v1/orders", json=ORDER)

        answer = account.ask("POST", "/v1/orders", json=ORDER)

        assert (answer.status_code, answer.json()["code"]) == (409, "duplicate_client_order_id")

    @pytest.mark.parametrize(("setting", "orders"), [("return_existing", 1), ("accept_twice", 2)])
    def test_or_as_the_account_is_set(self, paper, account, setting, orders):
        paper.admin("PATCH", f"/admin/accounts/{account.key}", duplicates=setting)
        first = account.ask("POST", "/v1/orders", json=ORDER)

        second = account.ask("POST", "/v1/orders", json=ORDER)

        assert second.status_code == (200 if orders == 1 else 201)
        assert len(account.orders()) == orders
        assert (first.json()["id"] == second.json()["id"]) == (orders == 1)

    def test_two_accounts_may_use_one_id(self, paper, account):
        for client in (account, paper.account()):
            assert client.ask("POST", "/v1/orders", json=ORDER).status_code == 201


class TestDoors:
    @pytest.mark.parametrize("path", ["/v1/orders", "/v1/account", "/v1/quotes/AAPL"])
    @pytest.mark.parametrize(
        "headers", [{}, {"X-Paper-Key": "nobody", "X-Paper-Secret": ""}, {"X-Paper-Admin": TOKEN}]
    )
    def test_clients_show_key_and_secret(self, paper, path, headers):
        answer = httpx.get(paper.url + path, headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")

    def test_a_wrong_secret_is_no_secret(self, account):
        answer = account.ask("GET", "/v1/account", headers={"X-Paper-Secret": "wrong"})

        assert answer.status_code == 401

    @pytest.mark.parametrize("path", ["/admin/faults", "/admin/ledger/orders"])
    def test_admins_show_their_token(self, account, path):
        answer = account.ask("GET", path, headers={"X-Paper-Admin": TOKEN + "x"})

        assert answer.status_code == 401

    def test_an_order_of_another_account_is_not_found(self, paper, account):
        placed = account.adapter.submit(RESTING).snapshots[0].broker_order_id
        other = paper.account()

        for method in ("GET", "DELETE"):
            answer = other.ask(method, f"/v1/orders/{placed}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert other.ask("GET", f"/v1/orders/{placed}/executions").status_code == 404
        assert other.ask("POST", f"/v1/orders/{placed}/replace", json={}).status_code == 404
        assert account.orders()[0]["version"] == 1

    @pytest.mark.parametrize(
        ("method", "path", "code"),
        [
            ("GET", "/nowhere", "no_such_path"),
            ("GET", "/v1/orders/", "no_such_path"),
            ("PATCH", "/v1/orders", "method_not_allowed"),
            ("GET", "/v1/orders/P-1", "not_found"),
            ("GET", "/v1/quotes/NOPE", "not_found"),
            ("GET", "/v1/bars/AAPL?seconds=7", "invalid_parameter"),
            ("GET", "/v1/bars/AAPL?count=0", "invalid_parameter"),
            ("GET", "/v1/orders?limit=x", "invalid_parameter"),
            ("GET", "/v1/orders?cursor=-1", "invalid_parameter"),
            ("GET", "/v1/orders?since=yesterday", "invalid_parameter"),
            ("GET", "/v1/orders?since=2026-01-01T00:00:00", "invalid_parameter"),
            ("GET", "/v1/orders?status=open", "invalid_parameter"),
        ],
    )
    def test_every_no_is_json(self, account, method, path, code):
        answer = account.ask(method, path)

        assert answer.json()["code"] == code
        assert answer.json()["message"]

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"url": "ftp://x"}, "url"),
            ({"url": "http://"}, "url"),
            ({"url": "http://[x"}, "url"),
            ({"url": 5}, "url"),
            ({"secret": "whsec_"}, "secret"),
            ({"secret": "whsec_é"}, "secret"),
            ({"secret": "AAAA"}, "secret"),
            ({"secret": None}, "secret"),
        ],
        ids=str,
    )
    def test_a_webhook_that_is_none_is_refused(self, account, change, field):
        told = {"url": "http://127.0.0.1:9/", "secret": "whsec_" + "QUFB" * 8, **change}

        answer = account.ask("PUT", "/v1/webhook", json=told)

        assert (answer.status_code // 100, answer.json()["field"]) == (4, field)
        assert account.ask("GET", "/v1/webhook").status_code == 404


class TestPages:
    def test_go_through_every_order_once_while_more_come(self, account):
        for number in range(5):
            account.adapter.submit(replace(MARKET, wire_id=f"c-{number}"))
        seen, cursor = [], None
        for more in range(100, 110):
            query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
            page = account.ask("GET", "/v1/orders", params=query).json()
            seen += [order["client_order_id"] for order in page["orders"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
            if more < 103:
                account.adapter.submit(replace(MARKET, wire_id=f"c-{more}"))

        assert seen == [f"c-{number}" for number in (0, 1, 2, 3, 4, 100, 101, 102)]

    def test_since_is_inclusive(self, account):
        made = [
            account.ask("POST", "/v1/orders", json={**ORDER, "client_order_id": f"c-{n}"}).json()
            for n in range(3)
        ]

        told = account.ask("GET", "/v1/orders", params={"since": made[1]["created_at"]}).json()

        assert [order["id"] for order in told["orders"]] == [made[1]["id"], made[2]["id"]]


class TestAdmin:
    def test_opening_an_account_twice_is_opening_it_once(self, paper, account):
        told = {"key": account.key, "secret": account.secret, "cash": "5"}

        paper.admin("POST", "/admin/accounts", **told)

        assert account.adapter.balance().cash == 1_000_000

    def test_a_key_in_use_is_not_given_away(self, paper, account):
        answer = httpx.post(
            paper.url + "/admin/accounts",
            headers={"X-Paper-Admin": TOKEN},
            json={"key": account.key, "secret": "another", "cash": "5"},
        )

        assert answer.json()["code"] == "account_exists"
        assert account.adapter.balance().cash == 1_000_000

    def test_requests_are_in_the_ledger_with_their_decisions(self, account):
        account.adapter.submit(MARKET)
        account.ask("POST", "/v1/orders", json={**ORDER, "symbol": "HALT"})
        account.adapter.find(MARKET.wire_id)

        told = [(line["method"], line["status"], line["code"]) for line in account.requests()]

        assert told[:2] == [("POST", 201, ""), ("POST", 422, "not_tradable")]
        assert ("GET", 200, "") in told[2:]

    def test_a_market_closed_refuses_and_opens_again(self, paper, account):
        paper.open("AAPL", is_open=False)
        assert account.ask("POST", "/v1/orders", json=ORDER).json()["code"] == "market_closed"

        paper.open("AAPL")
        assert account.ask("POST", "/v1/orders", json=ORDER).status_code == 201

    def test_the_market_runs_and_stands_still(self, paper, account):
        paper.pause()
        before = account.adapter.quote("MSFT")
        assert account.adapter.quote("MSFT") == before

        paper.step()
        assert account.adapter.quote("MSFT").at > before.at

        paper.run()
        stepped, deadline = account.adapter.quote("MSFT").at, monotonic() + 5
        while account.adapter.quote("MSFT").at == stepped:
            assert monotonic() < deadline


class TestProcess:
    def test_stops_when_it_is_asked_to(self, tmp_path):
        assert PaperExchange(tmp_path).stop() == 0

    @pytest.mark.parametrize(
        ("environment", "says"),
        [({}, "DESK_PAPER_TOKEN"), ({"DESK_PAPER_TOKEN": "t"}, "is using")],
    )
    def test_says_why_it_does_not_start(self, paper, environment, says):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "brokers.paper", "--port", "0"),
                *("--data", str(paper.directory)),
            ],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )

        assert done.returncode == 2
        assert says in done.stderr
