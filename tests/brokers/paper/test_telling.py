from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from standardwebhooks.webhooks import Webhook

from brokers.errors import Untrusted
from brokers.vocabulary import Status
from tests.brokers.paper.receiver import SECRET, Received, Receiver
from tests.brokers.paper.test_adapter import MARKET, RESTING
from tests.paper_exchange import PaperAccount


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def account(paper, receiver) -> PaperAccount:
    paper.price("AAPL", "150", size="6")
    account = paper.account()
    account.webhook(receiver.url, SECRET)
    return account


def understood(account: PaperAccount, received: Received):
    adapter = account.adapter
    adapter.verify_webhook((SECRET,), received.headers, received.body, now=datetime.now(UTC))
    return adapter.read_webhook(received.body)


class TestNews:
    def test_every_change_is_told_signed_as_the_reference_does(self, account, receiver):
        account.adapter.submit(MARKET)

        received = sorted(receiver.take(3), key=lambda one: one.id)

        for one in received:
            assert Webhook(SECRET).verify(one.body, one.headers) == one.told
        assert [one.told["type"] for one in received] == [
            "order.updated",
            "order.filled",
            "order.filled",
        ]

    def test_the_adapter_understands_it(self, account, receiver):
        account.adapter.submit(MARKET)

        told = [understood(account, one) for one in receiver.take(3)]

        fills = {fill.execution_id: fill for one in told for fill in one.report.fills}
        latest = max((one.report.snapshots[0] for one in told), key=lambda one: one.version)
        assert set(fills) == {fill["id"] for fill in account.executions()}
        assert sum(fill.quantity for fill in fills.values()) == MARKET.quantity
        assert (latest.status, latest.version) == (Status.FILLED, 3)

    def test_nobody_else_hears_of_it(self, account, receiver, paper):
        paper.account().adapter.submit(RESTING)

        account.adapter.submit(RESTING)

        assert receiver.next().told["data"]["order"]["id"] == account.orders()[0]["id"]
        assert receiver.is_quiet


class TestTrying:
    def test_goes_on_until_it_is_taken_with_the_same_id(self, account, receiver):
        statuses = iter([500, 302, 204])
        receiver.answers = lambda _: next(statuses)

        account.adapter.submit(RESTING)

        tries = receiver.take(3)
        assert len({one.id for one in tries}) == 1
        assert len({one.body for one in tries}) == 1
        assert receiver.is_quiet

    def test_each_try_is_stamped_anew(self, account, receiver):
        statuses = iter([500, 500, 204])
        receiver.answers = lambda _: next(statuses)

        account.adapter.submit(RESTING)

        first, _, last = receiver.take(3)  # half a second and a second apart
        assert int(last.headers["webhook-timestamp"]) > int(first.headers["webhook-timestamp"])
        assert first.headers["webhook-signature"] != last.headers["webhook-signature"]
        assert understood(account, last).event == "order.updated"

    def test_410_switches_the_webhook_off_until_it_is_set_again(self, account, receiver):
        receiver.answers = lambda _: 410
        account.adapter.submit(RESTING)
        receiver.next()
        _until(lambda: account.ask("GET", "/v1/webhook").json()["disabled"])

        account.adapter.submit(replace(RESTING, wire_id="order-2"))
        receiver.answers = lambda _: 204
        account.webhook(receiver.url, SECRET)
        account.adapter.submit(replace(RESTING, wire_id="order-3"))

        assert receiver.next().told["data"]["order"]["client_order_id"] == "order-3"

    def test_a_restart_loses_nothing(self, account, receiver, paper):
        receiver.answers = lambda _: 503
        account.adapter.submit(RESTING)
        first = receiver.next()

        paper.kill()
        receiver.answers = lambda _: 204
        while not receiver.is_quiet:
            receiver.next()
        paper.start()

        assert receiver.next().id == first.id

    def test_the_secret_never_comes_out(self, account):
        assert SECRET not in account.ask("GET", "/v1/webhook").text


class TestFaults:
    def test_drop(self, account, receiver):
        account.faults(webhook_drop={"next": 1})

        account.adapter.submit(RESTING)
        account.adapter.submit(replace(RESTING, wire_id="order-2"))

        assert receiver.next().told["data"]["order"]["client_order_id"] == "order-2"
        assert receiver.is_quiet
        assert account.fired("webhook_drop") == 1

    def test_duplicate(self, account, receiver):
        account.faults(webhook_duplicate={"next": 1, "times": 2})

        account.adapter.submit(RESTING)

        assert len({one.id for one in receiver.take(3)}) == 1

    def test_reorder(self, account, receiver):
        account.faults(webhook_reorder={"next": 1, "seconds": 60})

        account.adapter.submit(RESTING)
        account.adapter.submit(replace(RESTING, wire_id="order-2"))

        told = [one.told["data"]["order"]["client_order_id"] for one in receiver.take(2)]
        assert told == ["order-2", "order-1"]
        assert receiver.is_quiet

    def test_a_reordered_one_goes_alone_when_no_other_comes(self, account, receiver):
        account.faults(webhook_reorder={"next": 1, "seconds": "0.3"})
        started = datetime.now(UTC)

        account.adapter.submit(RESTING)

        assert receiver.next().told["data"]["order"]["client_order_id"] == "order-1"
        assert (datetime.now(UTC) - started).total_seconds() > 0.25

    def test_delay(self, account, receiver):
        account.faults(webhook_delay={"next": 1, "seconds": "0.4"})

        account.adapter.submit(RESTING)
        account.adapter.submit(replace(RESTING, wire_id="order-2"))

        told = [one.told["data"]["order"]["client_order_id"] for one in receiver.take(2)]
        assert told == ["order-2", "order-1"]

    def test_bad_signature_and_then_a_good_one(self, account, receiver):
        account.faults(webhook_bad_signature={"next": 1})
        statuses = iter([401, 204])
        receiver.answers = lambda _: next(statuses)

        account.adapter.submit(RESTING)

        bad, good = receiver.take(2)
        with pytest.raises(Untrusted):
            understood(account, bad)
        assert understood(account, good).event == "order.updated"
        assert bad.id == good.id

    def test_stale_and_then_a_fresh_one(self, account, receiver):
        account.faults(webhook_stale={"next": 1})
        statuses = iter([401, 204])
        receiver.answers = lambda _: next(statuses)

        account.adapter.submit(RESTING)

        stale, fresh = receiver.take(2)
        with pytest.raises(Untrusted):
            understood(account, stale)
        then = datetime.fromtimestamp(int(stale.headers["webhook-timestamp"]), UTC)
        account.adapter.verify_webhook((SECRET,), stale.headers, stale.body, now=then)
        assert understood(account, fresh).event == "order.updated"
        assert tries(account)[0] == "webhook_stale"

    def test_foreign(self, account, receiver, paper):
        paper.account(personality="tapp").adapter.submit(replace(RESTING, wire_id="theirs"))
        account.faults(webhook_foreign={"next": 1})

        account.adapter.submit(RESTING)

        told = [understood(account, one).report.snapshots[0] for one in receiver.take(2)]
        assert {one.wire_id for one in told} == {"theirs", RESTING.wire_id}
        assert [order["client_order_id"] for order in account.orders()] == [RESTING.wire_id]
        assert sorted(tries(account)) == ["", "webhook_foreign"]

    def test_foreign_where_there_is_nobody_else_is_nothing(self, floor):
        floor.place()

        assert floor.exchange.records.foreign(floor.news[0], now=floor.now) is None

    def test_before_the_answer(self, account, receiver):
        account.faults(webhook_before_answer={"next": 1})

        account.adapter.submit(RESTING)

        assert not receiver.is_quiet


def tries(account: PaperAccount) -> list[str]:
    """The faults that met the tries of an account's webhooks, once they are all recorded."""
    _until(lambda: len(account.exchange.ledger("attempts", account=account.key)) >= 2)
    return [line["fault"] for line in account.exchange.ledger("attempts", account=account.key)]


def _until(holds) -> None:
    deadline = datetime.now(UTC).timestamp() + 10
    while not holds():
        assert datetime.now(UTC).timestamp() < deadline


def test_prices_in_news_are_exact(account, receiver):
    account.adapter.submit(replace(MARKET, quantity=Decimal("0.333333333")))

    fills = [fill for one in receiver.take(2) for fill in understood(account, one).report.fills]

    assert [(fill.quantity, fill.price) for fill in fills] == [
        (Decimal("0.333333333"), Decimal("150.01"))
    ]
