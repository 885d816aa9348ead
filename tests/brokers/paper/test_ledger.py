from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from brokers.paper.accounts import account_from
from brokers.paper.executions import execution_from
from brokers.paper.ledger import TABLES, Ledger, LedgerInUse
from brokers.paper.orders import order_from
from brokers.vocabulary import OrderClass
from tests.brokers.contract import TICKET
from tests.brokers.paper.test_adapter import MARKET, RESTING

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path)
    yield ledger
    ledger.close()


class TestLines:
    @pytest.mark.parametrize("table", TABLES)
    @pytest.mark.parametrize("change", ["UPDATE {} SET body = '{{}}'", "DELETE FROM {}"])
    def test_are_never_changed(self, ledger, tmp_path, table, change):
        ledger.append(table, {"a": 1}, at=NOW, name="x")
        ledger.commit()

        other = sqlite3.connect(tmp_path / "ledger.sqlite3")
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            other.execute(change.format(table))
        other.close()

    def test_count_once_committed(self, tmp_path):
        ledger = Ledger(tmp_path)
        ledger.append("orders", {"n": 1}, at=NOW, name="kept")
        ledger.commit()
        ledger.append("orders", {"n": 2}, at=NOW, name="lost")
        ledger.close()

        again = Ledger(tmp_path)
        assert [line.name for line in again.lines("orders")] == ["kept"]
        again.close()

    def test_an_execution_is_written_once(self, ledger):
        ledger.append("executions", {}, at=NOW, name="X-1")

        with pytest.raises(sqlite3.IntegrityError):
            ledger.append("executions", {}, at=NOW, name="X-1")

    def test_latest_is_each_ones_last_in_the_order_they_came(self, ledger):
        for name, n in (("a", 1), ("b", 1), ("a", 2)):
            ledger.append("orders", {"n": n}, at=NOW, name=name)

        assert [(line.name, line.body["n"]) for line in ledger.latest("orders")] == [
            ("a", 2),
            ("b", 1),
        ]

    def test_one_process_writes(self, ledger, tmp_path):
        with pytest.raises(LedgerInUse):
            Ledger(tmp_path)

    def test_are_nobody_elses_to_read(self, ledger, tmp_path):
        assert (tmp_path / "ledger.sqlite3").stat().st_mode & 0o077 == 0


class TestOldLines:
    """A ledger from before an order had more than a quantity, a limit and a stop."""

    def test_are_read_as_what_they_were(self):
        told = {
            "id": "P-X-000001",
            "sequence": 1,
            "version": 2,
            "client_order_id": "c1",
            "symbol": "AAPL",
            "side": "sell",
            "type": "stop",
            "time_in_force": "day",
            "quantity": "10",
            "limit_price": None,
            "stop_price": "140",
            "status": "waiting",
            "filled_quantity": "0",
            "cost": "0",
            "average_price": None,
            "triggered": False,
            "replaces": None,
            "replaced_by": None,
            "reason": None,
            "created_at": "2026-03-02T12:00:00.000000Z",
            "updated_at": "2026-03-02T12:00:01.000000Z",
        }

        order = order_from(told, account="k")

        assert told.items() <= order.json().items()
        assert (order.stop_price, order.active_at) == (Decimal(140), NOW)
        assert order.terms.order_class is OrderClass.SIMPLE
        assert order_from(order.json(), account="k") == order

    def test_of_a_trade_and_an_account_cost_nothing_more(self):
        trade = {
            "id": "X-X-0000001",
            "sequence": 1,
            "order_id": "P-X-000001",
            "client_order_id": "c1",
            "symbol": "AAPL",
            "side": "buy",
            "quantity": "10",
            "price": "150",
            "at": "2026-03-02T12:00:00.000000Z",
        }
        account = {
            "key": "k",
            "secret_digest": "d",
            "name": "k",
            "deposit": "1",
            "shorting": True,
            "duplicates": "reject",
            "webhook": None,
        }

        assert execution_from(trade).fee == 0
        assert (account_from(account).active, account_from(account).fee_rate) == (True, 0)
        assert not account_from(account).refuses_wash_trades
        assert account_from({**account, "personality": "alpaca"}).refuses_wash_trades


class TestKill:
    """A real process, killed without a word."""

    def test_everything_answered_is_there_afterwards(self, paper):
        paper.price("AAPL", "150")
        account = paper.account()
        adapter = account.adapter
        filled = adapter.submit(MARKET).snapshots[0]
        working = adapter.submit(replace(RESTING, wire_id="order-2")).snapshots[0]
        canceled = adapter.submit(replace(RESTING, wire_id="order-3")).snapshots[0]
        adapter.cancel(canceled.broker_order_id)
        account.faults(accept_then_reset={"probability": "0.5", "next": 3})
        before = adapter.balance().cash, adapter.holdings(), account.orders(), account.executions()

        paper.restart()

        after = adapter.balance().cash, adapter.holdings(), account.orders(), account.executions()
        assert after == before
        assert adapter.read(filled.broker_order_id).fills[0].quantity == MARKET.quantity
        paper.step()
        assert adapter.read(canceled.broker_order_id).snapshots[0].raw_status == "cancelled"
        assert adapter.read(working.broker_order_id).snapshots[0].raw_status == "working"
        kept = paper.admin("GET", f"/admin/faults?account={account.key}")["faults"]
        assert (kept["accept_then_reset"]["probability"], kept["accept_then_reset"]["next"]) == (
            "0.5",
            0,
        )

    def test_ids_go_on_where_they_were_and_a_used_client_id_stays_used(self, paper):
        paper.price("AAPL", "150")
        account = paper.account()
        first = account.adapter.submit(MARKET).snapshots[0].broker_order_id

        paper.restart()

        paper.price("AAPL", "150")
        again = account.ask(
            "POST",
            "/v1/orders",
            json={
                "client_order_id": MARKET.wire_id,
                "symbol": "AAPL",
                "side": "buy",
                "type": "market",
                "time_in_force": "day",
                "quantity": "1",
            },
        )
        second = account.adapter.submit(replace(TICKET, wire_id="order-2")).snapshots[0]
        assert (again.status_code, again.json()["code"]) == (409, "duplicate_client_order_id")
        assert second.broker_order_id > first
        ids = [fill["id"] for fill in account.executions()]
        assert len(ids) == len(set(ids))

    def test_the_market_stays_where_it_was(self, paper):
        paper.price("AMD", "33.33")

        paper.restart()

        account = paper.account()
        assert account.adapter.quote("AMD").last == Decimal("33.33")
