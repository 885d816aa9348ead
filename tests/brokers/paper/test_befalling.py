"""Faults that befall orders, on an exchange whose clock moves by hand; and busts over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from brokers.messages import Report
from brokers.paper.orders import Standing
from brokers.paper.personalities import PERSONALITIES
from brokers.paper.refusals import Refusal
from brokers.paper.revising import bust, correct
from brokers.vocabulary import ExecutionKind, Side, Status, TimeInForce
from orders.deriving import Flag, derive
from tests.brokers.paper.receiver import SECRET, Receiver
from tests.brokers.paper.test_adapter import MARKET, RESTING

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
SECONDS = timedelta(seconds=3)


def faults_of(lines):
    return [line["fault"] for line in lines if "fault" in line]


def cost_of_open(floor):
    """Return what the account's open orders may cost, beyond what closes its position."""
    account, price_of = floor.account, floor.exchange.market.price_of
    commitments = floor.exchange.books.commitments_of(account)
    return commitments.cost(price_of, held=account.held, without=None)


class TestCancels:
    def test_is_refused_and_the_order_works_on(self, paper):
        paper.price("AAPL", "150")
        account = paper.account()
        placed = account.adapter.submit(RESTING).snapshots[0].broker_order_id
        account.faults(cancel_refused={"next": 1})

        answer = account.ask("DELETE", f"/v1/orders/{placed}")

        assert (answer.status_code, answer.json()["code"]) == (422, "too_late")
        paper.step()
        assert account.adapter.read(placed).snapshots[0].status is Status.NEW
        (request,) = account.requests("DELETE")
        assert request["fault"] == "cancel_refused"

    @pytest.mark.parametrize("personality", PERSONALITIES)
    def test_is_taken_and_the_order_fills_first(self, paper, personality):
        paper.price("AAPL", "150")
        account = paper.account(personality=personality)
        placed = account.adapter.submit(RESTING).snapshots[0].broker_order_id
        account.faults(fill_after_cancel_ack={"next": 1})

        asked = account.adapter.cancel(placed).snapshots[0]
        paper.step()

        assert (asked.status, asked.cumulative) == (Status.PENDING_CANCEL, 0)
        ended = account.adapter.read(placed)
        assert ended.snapshots[0].status in {Status.CANCELED, Status.FILLED}
        filled = sum(fill.quantity for fill in ended.fills)
        assert 0 < filled == ended.snapshots[0].cumulative <= RESTING.quantity
        assert {fill.price for fill in ended.fills} == {RESTING.limit_price}
        assert account.executions()[0]["fault"] == "fill_after_cancel_ack"

    @pytest.mark.parametrize("whole", [True, False])
    def test_is_done_and_the_order_fills_all_the_same(self, floor, whole):
        floor.luck.one_in = lambda *_: whole
        order = floor.place("10", limit="100")
        floor.exchange.cancel(floor.account, order.id, now=floor.now)
        floor.exchange.fate.canceling(order, "fill_after_cancelled", Decimal(2))

        floor.step()
        assert (order.standing, order.filled) == (Standing.CANCELLED, 0)
        floor.step(after=SECONDS)

        ended = Standing.FILLED if whole else Standing.CANCELLED
        assert (order.standing, order.filled) == (ended, 10 if whole else 5)
        assert order.version == 4
        assert faults_of(floor.lines("orders", order.id)) == ["fill_after_cancelled"]
        floor.step()
        assert order.version == 4

    def test_its_fault_is_the_ledgers_alone_after_a_restart_too(self, floor):
        order = floor.place("10", limit="100")
        floor.exchange.cancel(floor.account, order.id, now=floor.now)
        floor.exchange.fate.canceling(order, "fill_after_cancelled", Decimal(2))
        floor.step()
        floor.step(after=SECONDS)
        assert faults_of(floor.lines("orders", order.id)) == ["fill_after_cancelled"]

        floor.reopen()

        assert "fault" not in floor.exchange.books.orders[order.id].told

    def test_a_late_fill_taken_back_leaves_it_cancelled(self, floor):
        floor.luck.one_in = lambda *_: True
        order = floor.place("10", limit="100")
        floor.exchange.cancel(floor.account, order.id, now=floor.now)
        floor.exchange.fate.canceling(order, "fill_after_cancelled", Decimal(2))
        floor.step()
        floor.step(after=SECONDS)
        (fill,) = floor.exchange.books.executions_in(order)

        floor.reopen()
        order = floor.exchange.books.orders[order.id]
        bust(floor.exchange.records, fill.id, now=floor.now)

        assert (order.standing, order.filled) == (Standing.CANCELLED, 0)


class TestReplaces:
    def test_the_old_order_fills_further_and_who_knew_less_is_refused(self, floor):
        order = floor.place("10", limit="100")
        floor.strike(replace_fills_first={"next": 1})
        terms = floor.terms("10", limit="101")

        with pytest.raises(Refusal) as caught:
            floor.exchange.replace(floor.account, order.id, terms, filled=Decimal(0), now=floor.now)

        assert caught.value.code in {"filled_further", "too_late"}
        assert order.filled > 0
        assert len(floor.exchange.books.orders) == 1
        assert faults_of(floor.lines("orders", order.id)) == ["replace_fills_first"]

    def test_and_who_does_not_say_what_it_knows_overfills(self, floor):
        floor.luck.one_in = lambda *_: False
        order = floor.place("10", limit="100")
        floor.strike(replace_fills_first={"next": 1})

        floor.exchange.replace(
            floor.account, order.id, floor.terms("10", limit="150.5"), now=floor.now
        )

        assert (order.standing, order.filled) == (Standing.REPLACED, 5)
        assert floor.account.held("AAPL") == 15


class TestExpiry:
    def test_comes_out_of_the_blue_within_the_time(self, floor):
        floor.strike(expire={"next": 1, "seconds": "10"})
        order, other = floor.place("10", limit="100"), floor.place("10", limit="100")

        floor.step(after=timedelta(seconds=10))

        assert (order.standing, order.reason) == (Standing.EXPIRED, "Expired by the exchange.")
        assert other.standing is Standing.WORKING
        assert faults_of(floor.lines("orders", order.id)) == ["expire"]

    def test_leaves_alone_what_has_ended(self, floor):
        floor.strike(expire={"next": 1, "seconds": "10"})
        order = floor.place("10")

        floor.step(after=timedelta(seconds=10))

        assert order.standing is Standing.FILLED


class TestRevisions:
    def test_a_bust_strikes_later_and_the_books_follow(self, floor):
        floor.strike(bust={"next": 1, "seconds": "2"})
        order = floor.place("10", limit="200")
        cash = floor.account.cash
        floor.price("300")

        floor.step(after=SECONDS)

        first, word = floor.exchange.books.executions_in(order)
        assert (word.kind, word.revision, word.id) == (ExecutionKind.BUST, 1, first.id)
        assert word.at == first.at
        assert word.told_at - first.told_at >= timedelta(seconds=2)
        assert (order.filled, order.cost, order.standing) == (0, 0, Standing.WORKING)
        assert floor.account.cash == cash + first.quantity * first.price == Decimal(1_000_000)
        assert floor.account.held("AAPL") == 0
        names = [line.name for line in floor.exchange.ledger.lines("executions")]
        assert names == [first.id, f"{first.id}/1"]
        assert faults_of(floor.lines("executions", f"{first.id}/1")) == ["bust"]

    def test_an_order_that_a_bust_opened_again_is_filled_again(self, floor):
        order = floor.place("10", limit="200")
        (fill,) = floor.exchange.books.executions_in(order)
        bust(floor.exchange.records, fill.id, now=floor.now)

        floor.step()

        assert (order.standing, order.filled) == (Standing.FILLED, 10)
        numbers = [word.number for word in floor.exchange.books.executions_in(order)]
        assert numbers == [1, 1, 2]

    def test_which_comes_before_the_newer_ones_as_after_a_restart(self, floor):
        floor.place("10", side=Side.SELL)
        order = floor.place("10", limit="160")
        floor.place("10", limit="100")
        (fill,) = floor.exchange.books.executions_in(order)
        bust(floor.exchange.records, fill.id, now=floor.now)
        floor.exchange.commit()

        before = cost_of_open(floor)
        floor.reopen()

        assert before == cost_of_open(floor) == 1000

    def test_or_expires_if_its_day_is_over_by_then(self, floor):
        order = floor.place("10", limit="200", time_in_force=TimeInForce.DAY)
        (fill,) = floor.exchange.books.executions_in(order)
        floor.price("300")
        floor.step(after=timedelta(days=1))
        bust(floor.exchange.records, fill.id, now=floor.exchange.records.time(floor.now))

        floor.step()

        assert order.standing is Standing.EXPIRED

    def test_a_correct_strikes_later_and_restates(self, floor):
        floor.luck.one_in = lambda *_: True
        floor.strike(correct={"next": 1, "seconds": "2"})
        order = floor.place("10", limit="200")
        floor.price("300")

        floor.step(after=SECONDS)

        first, word = floor.exchange.books.executions_in(order)
        assert (word.kind, word.revision) == (ExecutionKind.CORRECT, 1)
        assert (word.quantity, word.price) == (5, first.price + Decimal("0.01"))
        assert (order.filled, order.standing) == (5, Standing.PART_FILLED)
        assert order.cost == 5 * word.price == 1_000_000 - floor.account.cash

    def test_is_refused_where_it_makes_no_sense(self, floor):
        records = floor.exchange.records
        order = floor.place("10", limit="200")
        (fill,) = floor.exchange.books.executions_in(order)

        with pytest.raises(Refusal) as caught:
            correct(records, fill.id, quantity=Decimal(11), price=Decimal(1), now=floor.now)
        assert caught.value.field == "quantity"
        bust(records, fill.id, now=floor.now)
        for again in (
            lambda: bust(records, fill.id, now=floor.now),
            lambda: correct(records, fill.id, quantity=Decimal(1), price=Decimal(1), now=floor.now),
        ):
            with pytest.raises(Refusal) as caught:
                again()
            assert caught.value.code == "too_late"
        with pytest.raises(Refusal):
            bust(records, "X-NONE-1", now=floor.now)


class TestRevisionsOnTheWire:
    """Every personality tells a bust and a correct so that the desk derives what is so."""

    @pytest.fixture(params=PERSONALITIES)
    def account(self, paper, request):
        paper.price("AAPL", "150", size="2")
        account = paper.account(personality=request.param)
        account.adapter.submit(MARKET)
        return account

    def view(self, account):
        (order,) = account.orders()
        snapshots = [s for page in account.adapter.orders_since(LONG_AGO) for s in page.snapshots]
        fills = [f for page in account.adapter.executions_since(LONG_AGO) for f in page.fills]
        whole = account.adapter.read(order["id"])
        assert isinstance(whole, Report)
        assert (list(whole.snapshots), list(whole.fills)) == (snapshots, fills)
        return order, snapshots, fills

    def test_a_bust(self, account, paper):
        before = self.view(account)
        paper.admin("POST", f"/admin/executions/{account.executions()[0]['id']}/bust")

        order, snapshots, fills = self.view(account)

        assert [fill.kind for fill in fills] == [
            ExecutionKind.FILL,
            ExecutionKind.FILL,
            ExecutionKind.BUST,
        ]
        assert (fills[2].execution_id, fills[2].trade_date, fills[2].revision) == (
            fills[0].execution_id,
            fills[0].trade_date,
            1,
        )
        told = derive(MARKET.quantity, [*before[1], *snapshots], fills)
        assert told.filled == Decimal(order["filled_quantity"]) == 2
        assert told.status is Status.PARTIALLY_FILLED
        assert told.claimed == 2
        assert Flag.FILLS_MISSING not in told.flags

    def test_a_correct_and_another(self, account, paper):
        before = self.view(account)
        name = account.executions()[1]["id"]
        for quantity, price in (("1", "149"), ("1.5", "148.5")):
            told = {"quantity": quantity, "price": price}
            paper.admin("POST", f"/admin/executions/{name}/correct", **told)

        order, snapshots, fills = self.view(account)

        assert [fill.revision for fill in fills] == [0, 0, 1, 2]
        view = derive(MARKET.quantity, [*before[1], *snapshots], fills)
        assert view.filled == Decimal(order["filled_quantity"]) == Decimal("3.5")
        assert view.value == Decimal(order["cost"])
        assert view.claimed == Decimal("3.5")
        holding = account.adapter.holdings()[0]
        assert holding.quantity == Decimal("3.5")
        assert account.adapter.balance().cash == 1_000_000 - Decimal(order["cost"])

    def test_survive_a_restart(self, account, paper):
        name = account.executions()[0]["id"]
        paper.admin("POST", f"/admin/executions/{name}/bust")
        before = self.view(account), account.adapter.balance().cash, account.adapter.holdings()

        paper.restart()

        after = self.view(account), account.adapter.balance().cash, account.adapter.holdings()
        assert after == before


def test_news_of_a_bust_carries_it(paper):
    paper.price("AAPL", "150")
    account = paper.account()
    account.adapter.submit(MARKET)
    with Receiver() as receiver:
        account.webhook(receiver.url, SECRET)
        paper.admin("POST", f"/admin/executions/{account.executions()[0]['id']}/bust")

        told = account.adapter.read_webhook(receiver.next().body)

    (fill,) = told.report.fills
    assert (told.event, fill.kind, fill.revision) == ("order.updated", ExecutionKind.BUST, 1)
    assert told.report.snapshots[0].cumulative == 0
