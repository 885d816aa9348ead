"""What a broker's stream tells reaches the orders, and what it could not tell is asked for."""

from __future__ import annotations

import json
import threading
import time
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from brokers.errors import OutcomeUnknown
from brokers.vocabulary import Status
from orders import sending, timing
from orders.models import Account, Execution, Feed, Incident, Order, Stream
from tests.factories import AccountFactory, place
from tests.fakes import ScriptedBroker, fill
from tests.streams.conftest import Start, comes_to_be, let_lapse, row, work
from tests.streams.upstream import (
    Loop,
    Upstream,
    as_binary,
    as_msgpack,
    as_text,
    until,
    update,
)
from webhooks import bridging, following
from webhooks.keeping import Keeper, Parcel
from webhooks.models import Delivery, Endpoint, Origin

pytestmark = pytest.mark.django_db(transaction=True)


def sent(account: Account) -> Order:
    """An order of 10 ACME that the broker has and works."""
    order = place(account)
    sending.send(order.id)
    order.refresh_from_db()
    return order


def about(order: Order, **changes: Any) -> dict[str, Any]:
    """An order as the broker's stream shows it."""
    return {
        "id": order.broker_order_id,
        "client_order_id": order.wire_id,
        "symbol": "ACME",
        "limit_price": "99.50",
    } | changes


def read_again(order: Order) -> Order:
    order.refresh_from_db()
    return order


def is_due(order: Order) -> bool:
    look_at = read_again(order).look_at
    return look_at is not None and look_at <= timing.database_now()


class TestConnecting:
    def test_says_who_it_is_and_is_live_once_what_it_missed_is_known(
        self, account: Account, upstream: Upstream, start: Start
    ) -> None:
        order = sent(account)

        start()
        delayed = until(lambda: row(account, "delayed"))
        until(lambda: is_due(order), within=3)  # at once: a quiet order is due much later
        stream = comes_to_be(account, "live")

        assert upstream.greetings == [{"key_id": "k", "secret_key": "s"}]
        assert (stream.connects, stream.failures) == (1, 0)
        assert stream.since > delayed.since
        swept_at = Feed.objects.get(account=account).swept_at
        assert swept_at is not None
        assert read_again(order).heard_at is not None

    @pytest.mark.parametrize("encode", [as_text, as_binary, as_msgpack])
    def test_takes_each_encoding(
        self, account: Account, upstream: Upstream, start: Start, encode: Any
    ) -> None:
        upstream.encode = encode
        order = sent(account)
        start()
        comes_to_be(account, "live")
        message = update("canceled", **about(order, status="canceled"))

        upstream.tell(message)
        delivery = until(Delivery.objects.first)
        work()

        raw = encode(message)
        assert bytes(delivery.body) == (raw.encode() if isinstance(raw, str) else raw)
        assert delivery.endpoint.origin == Origin.STREAM
        assert f"ws://127.0.0.1:{upstream.port}/stream" in delivery.headers["verified-by"]
        assert read_again(order).status == Status.CANCELED
        assert order.snapshots.filter(heard="stream").get().evidence == f"delivery:{delivery.id}"

    def test_keeps_what_is_told_before_the_broker_confirms(
        self, account: Account, upstream: Upstream, start: Start
    ) -> None:
        order = sent(account)
        upstream.early = [as_text(update("canceled", **about(order, status="canceled")))]

        start()

        until(lambda: work() or read_again(order).status == Status.CANCELED)
        assert Delivery.objects.count() == 1

    def test_remembers_the_number_of_the_last_event(
        self, account: Account, upstream: Upstream, start: Start
    ) -> None:
        order = sent(account)
        start()
        comes_to_be(account, "live")

        upstream.tell(update("new", more={"event_id": "01J8ZZ"}, **about(order)))

        stream = until(lambda: Stream.objects.filter(event_id="01J8ZZ").first())
        assert stream.heard_at is not None
        assert Delivery.objects.get().delivery_id == "01J8ZZ"

    def test_asks_for_what_came_after_it_and_without_it_where_it_is_not_known(
        self, account: Account, upstream: Upstream, start: Start
    ) -> None:
        order = sent(account)
        start()
        comes_to_be(account, "live")
        upstream.tell(update("new", more={"event_id": "01J8ZZ"}, **about(order)))
        until(lambda: Stream.objects.filter(event_id="01J8ZZ").exists())

        upstream.hang_up()
        until(lambda: upstream.handshakes == 2)
        comes_to_be(account, "live")
        upstream.knows = set()
        upstream.hang_up()
        until(lambda: upstream.handshakes == 3)
        comes_to_be(account, "live")

        assert upstream.asked_after == ["", "01J8ZZ", "01J8ZZ", ""]
        assert upstream.handshakes == 3  # it was asked again on the same connection
        assert not Delivery.objects.filter(state="dead").exists()


class TestFrames:
    def test_the_same_news_twice_counts_once_and_in_any_order(
        self, account: Account, upstream: Upstream, start: Start
    ) -> None:
        order = sent(account)
        start()
        comes_to_be(account, "live")
        ended = about(order, status="canceled", updated_at="2026-03-02T15:00:09Z")
        canceled, new = update("canceled", **ended), update("new", **about(order))

        upstream.tell(canceled, new, canceled, new, canceled)
        until(lambda: Delivery.objects.count() == 2)
        until(lambda: not work() and not Delivery.objects.filter(state="kept").exists())

        assert read_again(order).status == Status.CANCELED
        assert Delivery.objects.count() == 2

    def test_what_cannot_be_read_is_kept_and_the_connection_too(
        self, account: Account, upstream: Upstream, start: Start
    ) -> None:
        order = sent(account)
        start()
        comes_to_be(account, "live")
        garbage = [
            b"\xff\xfe",
            b"{not json",
            b"\xc1" * 9,
            b'{"stream":"trade_updates","data":null}',
        ]

        upstream.tell_raw(*garbage, b"\x01")  # the last one is a heartbeat, and no news
        upstream.tell(update("canceled", **about(order, status="canceled")))

        until(lambda: work() or read_again(order).status == Status.CANCELED)
        dead = Delivery.objects.filter(state="dead")
        assert {bytes(each.body) for each in dead} == set(garbage)
        assert Incident.objects.filter(kind="dead_letter", closed_at=None).exists()
        assert (upstream.handshakes, len(upstream.listening)) == (1, 1)


class TestGaps:
    def test_a_fill_of_the_gap_is_asked_for_before_it_is_live_again(
        self, account: Account, upstream: Upstream, start: Start, streaming: ScriptedBroker
    ) -> None:
        order = sent(account)
        start()
        comes_to_be(account, "live")
        upstream.refuses_with = 503
        upstream.hang_up()
        until(lambda: Stream.objects.filter(error__contains="503").exists())
        assert row(account, "offline")
        ticket = order.ticket()
        trade = fill(ticket, "missed", "10")
        streaming.has(ticket, trade, status=Status.FILLED, cumulative=Decimal(10), version=2)

        upstream.refuses_with = None
        until(lambda: row(account, "delayed"))
        assert not Execution.objects.exists()
        stream = comes_to_be(account, "live")

        assert Execution.objects.get().execution_id == "missed"
        assert read_again(order).status == Status.FILLED
        assert stream.connects == 2

    def test_half_a_frame_is_no_news_and_what_it_told_is_asked_for(
        self, account: Account, upstream: Upstream, start: Start, streaming: ScriptedBroker
    ) -> None:
        order = sent(account)
        start()
        comes_to_be(account, "live")
        ticket = order.ticket()
        streaming.has(ticket, status=Status.CANCELED, version=2)

        upstream.cut_off_mid_frame(as_binary(update("canceled", **about(order, status="canceled"))))

        until(lambda: upstream.handshakes == 2)
        comes_to_be(account, "live")
        assert read_again(order).status == Status.CANCELED
        assert not Delivery.objects.exists()

    @pytest.mark.parametrize("silent", ["read", "orders_since", "executions_since"])
    def test_it_is_not_live_while_the_broker_does_not_answer_for_all_of_it(
        self,
        account: Account,
        start: Start,
        streaming: ScriptedBroker,
        monkeypatch: pytest.MonkeyPatch,
        silent: str,
    ) -> None:
        sent(account)
        if silent == "read":  # nor is it told by the lists that are read besides
            monkeypatch.setattr(streaming, "orders_since", lambda since: iter(()))
        answers = getattr(streaming, silent)

        def no_answer(*args: Any) -> Any:
            raise OutcomeUnknown("silence")

        monkeypatch.setattr(streaming, silent, no_answer)
        start()
        until(lambda: row(account, "delayed"))
        for _ in range(30):
            work()
            time.sleep(0.05)
        assert row(account, "delayed")

        monkeypatch.setattr(streaming, silent, answers)
        Feed.objects.update(sweep_at=None)
        Order.objects.update(look_at=timing.database_now())
        comes_to_be(account, "live")


class TestAlone:
    def test_two_bridges_have_one_connection(
        self, account: Account, upstream: Upstream, start: Start
    ) -> None:
        bridges = [start(), start()]
        comes_to_be(account, "live")
        for _ in range(10):
            work()

        assert (upstream.handshakes, upstream.most_at_once) == (1, 1)
        assert sorted(len(bridge.followers) for bridge in bridges) == [0, 1]

    def test_the_other_takes_over_at_once_when_one_stops(
        self, account: Account, upstream: Upstream, start: Start, loop: Loop
    ) -> None:
        first = start()
        comes_to_be(account, "live")
        second = start()

        loop.loop.call_soon_threadsafe(first.stop)

        until(lambda: account.id in second.followers, within=10)  # less than a lease
        comes_to_be(account, "live")
        assert (upstream.handshakes, upstream.most_at_once) == (2, 1)

    def test_one_that_died_is_not_live_and_is_followed_by_another(
        self, account: Account, upstream: Upstream, start: Start
    ) -> None:
        now = timing.database_now()
        Stream.objects.create(
            account=account, state="live", since=now, held_by=account.id, held_until=now
        )
        let_lapse(account)
        gone = row(account, "offline")
        assert gone is not None
        assert "no stream bridge runs" in gone.failure_at(now)

        start()

        comes_to_be(account, "live")


class TestTrouble:
    def test_unauthorized_is_said_and_not_asked_again_soon(
        self, account: Account, upstream: Upstream, start: Start
    ) -> None:
        upstream.keys = {}
        start()

        stream = until(lambda: row(account, "unauthorized"))
        work()

        assert "unauthorized" in stream.error
        assert stream.retry_at is not None
        assert (stream.retry_at - timing.database_now()).total_seconds() > 25
        incident = Incident.objects.get(kind="auth_refused")
        assert (incident.severity, incident.account) == ("critical", account)
        assert upstream.handshakes == 1

    def test_new_credentials_are_used_at_once(
        self, account: Account, upstream: Upstream, start: Start
    ) -> None:
        upstream.keys = {"k2": "s2"}
        start()
        until(lambda: row(account, "unauthorized"))
        work()

        account.seal_credentials({"key": "k2", "secret": "s2"})
        account.save()

        comes_to_be(account, "live")
        work()
        assert upstream.greetings[-1]["key_id"] == "k2"
        assert Incident.objects.get(kind="auth_refused").closed_at is not None

    def test_other_credentials_are_used_instead_of_those_that_work(
        self, account: Account, upstream: Upstream, start: Start
    ) -> None:
        start()
        comes_to_be(account, "live")
        upstream.keys["k2"] = "s2"

        account.seal_credentials({"key": "k2", "secret": "s2"})
        account.save()

        until(lambda: len(upstream.greetings) == 2)
        comes_to_be(account, "live")
        assert upstream.greetings[-1]["key_id"] == "k2"
        assert (len(upstream.listening), upstream.most_at_once) == (1, 1)

    def test_429_is_asked_again_seldom(
        self, account: Account, upstream: Upstream, start: Start
    ) -> None:
        upstream.refuses_with = 429
        start()

        stream = until(lambda: Stream.objects.filter(failures=1).first())

        assert "429" in stream.error
        assert stream.retry_at is not None
        assert (stream.retry_at - timing.database_now()).total_seconds() > 1

    @pytest.mark.usefixtures("quick_pings")
    def test_a_dead_connection_is_noticed(
        self, account: Account, upstream: Upstream, start: Start
    ) -> None:
        start()
        comes_to_be(account, "live")

        upstream.fall_silent()

        until(lambda: upstream.handshakes == 2)
        assert "ping" in Stream.objects.get(account=account).error

    def test_a_redirect_is_not_followed(
        self, account: Account, upstream: Upstream, start: Start, loop: Loop
    ) -> None:
        other = Upstream(loop)
        upstream.redirects_to = f"ws://127.0.0.1:{other.port}/stream"

        start()

        until(lambda: Stream.objects.filter(account=account, failures__gte=1).exists())
        other.stop()
        assert (other.handshakes, other.greetings) == (0, [])

    def test_lasting_silence_is_an_incident_that_ends_by_itself(
        self, account: Account, upstream: Upstream, start: Start
    ) -> None:
        upstream.refuses_with = 503
        start()
        until(lambda: Stream.objects.filter(account=account, failures__gte=1).exists())
        Stream.objects.update(since=timing.database_now() - timedelta(minutes=2))
        order = sent(account)
        work()

        incident = Incident.objects.get(kind="feed_silent")
        assert "503" in incident.says
        looks_in = read_again(order).look_at - timing.database_now()  # type: ignore[operator]
        assert looks_in <= timing.PENDING_POLL

        upstream.refuses_with = None
        comes_to_be(account, "live")
        work()
        incident.refresh_from_db()
        assert incident.closed_at is not None


class TestAccounts:
    def test_one_that_is_opened_later_is_followed(
        self, account: Account, upstream: Upstream, start: Start
    ) -> None:
        start()
        comes_to_be(account, "live")
        upstream.keys["k9"] = "s9"
        other = AccountFactory(base_url=upstream.url)

        comes_to_be(other, "live")

        assert upstream.handshakes == 2

    def test_one_that_is_closed_is_let_go_once_nothing_can_happen_in_it(
        self, account: Account, upstream: Upstream, start: Start, streaming: ScriptedBroker
    ) -> None:
        order = sent(account)
        start()
        comes_to_be(account, "live")

        Account.objects.filter(id=account.id).update(is_open=False)
        upstream.hang_up()
        until(lambda: Stream.objects.filter(account=account, connects=2).exists())
        comes_to_be(account, "live")  # the order may trade still
        upstream.tell(update("canceled", **about(order, status="canceled")))

        comes_to_be(account, "unwanted")
        until(lambda: not upstream.listening)
        assert read_again(order).status == Status.CANCELED

        Account.objects.filter(id=account.id).update(is_open=True)
        comes_to_be(account, "live")
        assert Endpoint.objects.filter(account=account).count() == 1

    def test_one_without_a_readable_key_is_no_trouble_of_the_others(
        self, account: Account, upstream: Upstream, start: Start
    ) -> None:
        other = AccountFactory(base_url=upstream.url)
        Account.objects.filter(id=other.id).update(credentials="rubbish")
        start()

        comes_to_be(account, "live")
        stream = until(lambda: row(other, "unauthorized"))
        assert "open" in stream.error
        assert json.dumps(upstream.greetings).count("key_id") == 1


class TestTheDatabase:
    def test_nothing_is_kept_open_past_a_lease_that_is_not_renewed(
        self,
        account: Account,
        upstream: Upstream,
        start: Start,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(bridging, "LEASE", timedelta(seconds=1))
        monkeypatch.setattr(bridging, "SPARE", 0.2)
        ask, answering = bridging._ask, threading.Event()
        answering.set()

        def slowly(*args: Any) -> Any:
            answering.wait(20)
            return ask(*args)

        monkeypatch.setattr(bridging, "_ask", slowly)
        start()
        comes_to_be(account, "live")

        answering.clear()
        until(lambda: not upstream.listening, within=5)

        answering.set()
        until(lambda: upstream.handshakes == 2)
        comes_to_be(account, "live")

    def test_what_is_told_while_it_is_away_is_kept_once_it_is_back(
        self,
        account: Account,
        upstream: Upstream,
        start: Start,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        order = sent(account)
        start()
        comes_to_be(account, "live")
        keep, tries = Keeper.keep, [0]

        async def fail_at_first(self: Keeper, parcel: Parcel) -> None:
            tries[0] += 1
            if tries[0] < 3:
                raise psycopg.OperationalError("the connection is closed")
            await keep(self, parcel)

        monkeypatch.setattr(Keeper, "keep", fail_at_first)
        monkeypatch.setattr(following, "KEEP_AGAIN", 0.05)
        upstream.tell(update("canceled", **about(order, status="canceled")))

        until(lambda: work() or read_again(order).status == Status.CANCELED)
        assert upstream.handshakes == 1
