"""Lists, one order's story, accounts and positions."""

import json
import threading
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from brokers.errors import OutcomeUnknown
from orders import asking, sending
from orders.models import Feed, Order, Stream
from tests.factories import OrderFactory
from tests.fakes import call, fill


@pytest.fixture(autouse=True)
def _forget_answers():
    """Answers of brokers are kept for a second; the next test's broker says something else."""
    asking._kept.clear()


def walk(program, path, name):
    """Return the rows of every page, and how many pages there were."""
    rows, pages, cursor = [], 0, None
    while True:
        page = program.get(path + (f"&cursor={cursor}" if cursor else "")).told
        rows += page[name]
        pages += 1
        cursor = page["next_cursor"]
        if cursor is None:
            return rows, pages


class TestOrderList:
    def test_is_newest_first_and_ours_alone(self, program):
        ours = [OrderFactory(account=program.account) for _ in range(3)]
        OrderFactory()

        told = program.get("orders").told

        assert [row["id"] for row in told["orders"]] == [str(o.id) for o in reversed(ours)]
        assert told["next_cursor"] is None

    def test_walk_misses_none_and_repeats_none_while_orders_arrive(self, program):
        there = {str(OrderFactory(account=program.account).id) for _ in range(25)}
        seen, cursor = [], ""
        while cursor is not None:
            page = program.get(f"orders?limit=4{cursor and '&cursor=' + cursor}").told
            seen += [row["id"] for row in page["orders"]]
            cursor = page["next_cursor"]
            OrderFactory.create_batch(3, account=program.account)

        assert len(seen) == len(set(seen))
        assert set(seen) == there

    def test_last_page_may_be_full(self, program):
        OrderFactory.create_batch(4, account=program.account)

        rows, pages = walk(program, "orders?limit=2", "orders")

        assert (len(rows), pages) == (4, 2)

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("", {"working", "filled", "doubt", "sell"}),
            ("open=true", {"working", "doubt", "sell"}),
            ("open=false", {"filled"}),
            ("status=filled", {"filled"}),
            ("status=new&side=sell", {"sell"}),
            ("submission=unknown", {"doubt"}),
            ("symbol=ACME", {"working", "filled", "doubt"}),
            ("client_order_id=doubt", {"doubt"}),
            ("symbol=NONE", set()),
        ],
    )
    def test_filters(self, program, query, found):
        ours = program.account
        OrderFactory(account=ours, working=True, client_order_id="working")
        OrderFactory(account=ours, filled=True, client_order_id="filled")
        OrderFactory(account=ours, unknown=True, client_order_id="doubt")
        OrderFactory(account=ours, working=True, client_order_id="sell", side="sell", symbol="B")

        told = program.get(f"orders?{query}").told

        assert {row["client_order_id"] for row in told["orders"]} == found

    def test_filters_by_time_half_open(self, program):
        now = timezone.now()
        for minutes in (0, 1, 2):
            placed_at = now + timedelta(minutes=minutes)
            OrderFactory(account=program.account, placed_at=placed_at, client_order_id=str(minutes))
        after, before = (
            (now + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")
            for minutes in (1, 2)
        )

        told = program.get(f"orders?placed_after={after}&placed_before={before}").told

        assert [row["client_order_id"] for row in told["orders"]] == ["1"]

    @pytest.mark.parametrize(
        "query",
        [
            *("status=lost", "status=", "submission=x", "open=1", "open=yes", "side=BUY"),
            *("limit=0", "limit=201", "limit=-1", "limit=1.0", "limit=%D9%A1", "limit=" + "9" * 99),
            *("cursor=x", "cursor=1", "cursor=" + "f" * 64, "cursor=%00", "page=2"),
            *(
                "placed_after=yesterday",
                "placed_after=2026-01-01",
                "placed_after=2026-01-01T00:00",
            ),
            *("placed_before=0001-01-01T00:00:00%2B14:00", "placed_before=2026-13-01T00:00:00Z"),
            *("symbol=a%20b", "symbol=%00", "symbol=%ED%A0%80", "symbol=" + "x" * 99),
            *("client_order_id=%F0%9F%92%A9", "side=buy&side=sell"),
        ],
    )
    def test_refuses_a_query_that_it_would_have_to_guess_at(self, program, query):
        answer = program.get(f"orders?{query}")

        assert (answer.status_code, answer.told["code"]) == (400, "invalid_request")
        assert answer.told["field"] == query.partition("=")[0]

    def test_counts_nothing_and_asks_once(self, program):
        OrderFactory.create_batch(20, account=program.account)
        program.get("orders")

        with CaptureQueriesContext(
            connection,
        ) as queries:
            program.get("orders?limit=10")

        asked = [query["sql"] for query in queries]
        assert len(asked) == 2  # the key, and the rows
        assert not any("COUNT(" in sql for sql in asked)


class TestExecutionList:
    @pytest.fixture
    def traded(self, program, broker):
        """An order with ten fills."""
        order = program.place(order_type="market", limit_price=...).told
        ticket = Order.objects.get().ticket()
        fills = [fill(ticket, f"e{number}", "1") for number in range(10)]
        broker.script.append(
            broker.has(ticket, *fills, cumulative=Decimal(10), average_price=Decimal(100))
        )
        sending.send(UUID(order["id"]))
        return order["id"]

    def test_shows_each_fill_once(self, program, traded):
        rows, pages = walk(program, "executions?limit=3", "executions")

        assert pages == 4
        assert sorted(row["execution_id"] for row in rows) == [f"e{n}" for n in range(10)]
        assert {(row["order_id"], row["quantity"], row["price"]) for row in rows} == {
            (traded, "1", "100")
        }

    def test_filters(self, program, traded):
        assert len(program.get(f"executions?order_id={traded}").told["executions"]) == 10
        assert program.get("executions?symbol=OTHER").told["executions"] == []
        later = "executed_after=2030-01-01T00:00:00Z"
        assert program.get(f"executions?{later}").told["executions"] == []

    def test_adds_up_to_the_order_and_the_position(self, program, traded):
        order = program.get(f"orders/{traded}").told
        positions = program.get("positions").told

        assert (order["status"], order["filled_quantity"], order["average_price"]) == (
            "filled",
            "10",
            "100",
        )
        (position,) = positions["positions"]
        assert (position["symbol"], position["quantity"]) == ("ACME", "10")
        assert (position["average_price"], position["realized"]) == ("100", "0")

    def test_refuses_what_is_no_cursor(self, program):
        for cursor in ("x", "-1", "0", "9" * 30, "1.5", "%D9%A1%D9%A1x"):
            assert program.get(f"executions?cursor={cursor}").status_code == 400


class TestStory:
    def test_holds_what_was_sent_and_answered(self, program, broker):
        placed = program.place().told
        broker.script.append(OutcomeUnknown("silence for 20 s", call=call(None, "")))
        sending.send(UUID(placed["id"]))

        told = program.get(f"orders/{placed['id']}/events").told

        actions = [event["action"] for event in told["events"]]
        assert actions == ["order.placed", "order.sending", "order.in_doubt"]
        assert told["order"]["in_doubt"] is True
        (attempt,) = told["attempts"]
        assert (attempt["state"], attempt["answer_status"]) == ("unknown", None)
        assert told["events"][-1]["evidence"] == [f"attempt:{attempt['id']}"]
        assert told["events"][0]["actor_kind"] == "api_key"


class TestAccount:
    def test_says_what_the_broker_says(self, program):
        told = program.get(f"/api/v1/accounts/{program.account.id}").told

        assert told["balance"]["cash"] == "1000"
        assert told["balance_error"] is None
        assert told["open"] is True
        assert "credentials" not in json.dumps(told)

    def test_does_without_a_silent_broker(self, program, broker):
        broker.silent = OutcomeUnknown("silence for 20 s")

        account = program.get(f"/api/v1/accounts/{program.account.id}").told
        positions = program.get("positions").told

        assert (account["balance"], positions["broker_positions"]) == (None, None)
        assert "silence" in account["balance_error"]
        assert "silence" in positions["broker_error"]

    def test_does_not_wait_for_a_broker_that_hangs(self, program, broker, monkeypatch):
        released = threading.Event()
        monkeypatch.setattr(broker, "balance", lambda: released.wait(20))
        monkeypatch.setattr(asking, "WITHIN", 0.2)
        began = timezone.now()

        told = program.get(f"/api/v1/accounts/{program.account.id}").told

        released.set()
        assert timezone.now() - began < timedelta(seconds=5)
        assert told["balance"] is None
        assert told["feed"]["silent_since"] is None or told["feed"]["failure"]

    def test_shows_how_well_the_broker_is_heard(self, program):
        Feed.objects.filter(account=program.account).update(
            silent_since=timezone.now(), failure="No route."
        )

        (told,) = program.get("/api/v1/accounts").told["accounts"]

        assert told["feed"]["failure"] == "No route."
        assert told["feed"]["stream"] is None

    def test_shows_a_stream_as_it_is_and_not_as_it_was_left(self, program):
        now = timezone.now()
        until = now + timedelta(seconds=20)
        stream = Stream.objects.create(
            account=program.account, state="live", since=now, held_until=until, connects=3
        )

        (told,) = program.get("/api/v1/accounts").told["accounts"]
        assert (told["feed"]["stream"]["state"], told["feed"]["stream"]["error"]) == ("live", "")
        assert told["feed"]["stream"]["connects"] == 3

        stream.held_until = now - timedelta(seconds=1)
        stream.save()
        (told,) = program.get("/api/v1/accounts").told["accounts"]
        assert told["feed"]["stream"]["state"] == "offline"
        assert "no stream bridge runs" in told["feed"]["stream"]["error"]
