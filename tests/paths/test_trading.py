"""The five paths from end to end, on a running desk: place, push, doubt, and the record of it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from uuid import uuid4

import pytest

from tests.running_desk import Desk

FAR = "1"  # a buy limit this low never fills


def filled_at_exchange(desk: Desk, client_order_id: str) -> list[tuple[str, Decimal, Decimal]]:
    return sorted(
        (line["id"], Decimal(line["quantity"]), Decimal(line["price"]))
        for line in desk.exchange("executions")
        if line["client_order_id"] == client_order_id
    )


def agrees(desk: Desk, order_id: str) -> None:
    """One order at the exchange, with our terms and exactly our executions."""
    order = desk.order(order_id)
    [theirs] = desk.at_exchange(order["client_order_id"])
    assert theirs["id"] == order["broker_order_id"]
    assert (theirs["symbol"], theirs["side"]) == (order["symbol"], order["side"])
    assert Decimal(theirs["quantity"]) == Decimal(order["quantity"])
    ours = sorted(
        (one["execution_id"], Decimal(one["quantity"]), Decimal(one["price"]))
        for one in desk.executions(order_id)
    )
    assert ours == filled_at_exchange(desk, order["client_order_id"])


class TestPlacing:
    def test_an_order_goes_from_the_api_to_filled(self, desk: Desk) -> None:
        desk.price("AAPL", "150")

        order_id = desk.place(quantity="7")

        order = desk.until_order(order_id, status="filled")
        assert (order["submission"], order["filled_quantity"]) == ("accepted", "7")
        assert order["flags"] == []
        agrees(desk, order_id)

    def test_it_fills_in_parts_at_several_prices(self, desk: Desk) -> None:
        desk.price("MSFT", "400", size="3")

        order_id = desk.place(symbol="MSFT", quantity="8")

        order = desk.until_order(order_id, status="filled")
        assert len(desk.executions(order_id)) > 1
        assert order["average_price"] is not None
        agrees(desk, order_id)

    def test_a_limit_waits_and_is_cancelled(self, desk: Desk) -> None:
        order_id = desk.place(order_type="limit", limit_price=FAR)
        desk.until_order(order_id, status="new")

        desk.cancel(order_id)

        desk.until_order(order_id, status="canceled", pending_cancel=False)
        agrees(desk, order_id)

    def test_a_replace_takes_its_place(self, desk: Desk) -> None:
        order_id = desk.place(order_type="limit", limit_price=FAR, quantity="10")
        desk.until_order(order_id, status="new")

        answer = desk.api.patch(
            f"/orders/{order_id}",
            json={"client_order_id": str(uuid4()), "quantity": "12", "limit_price": "2"},
        )

        assert answer.status_code == 201, answer.text
        new = desk.until_order(answer.json()["id"], status="new")
        assert (new["quantity"], new["limit_price"], new["replaces"]) == ("12", "2", order_id)
        desk.until_order(order_id, status="replaced")
        agrees(desk, new["id"])

    def test_a_refusal_is_the_brokers_and_says_why(self, desk: Desk) -> None:
        order_id = desk.place(symbol="NOSUCH")

        order = desk.until_order(order_id, submission="refused")
        assert order["submission_code"] == "unknown_symbol"
        assert order["status"] is None
        assert desk.at_exchange(order["client_order_id"]) == []

    def test_twenty_posts_of_one_intent_are_one_order(self, desk: Desk) -> None:
        client_order_id = str(uuid4())
        with ThreadPoolExecutor(20) as clicks:
            answers = list(
                clicks.map(
                    lambda _: desk.post(client_order_id=client_order_id, quantity="3"), range(20)
                )
            )

        assert {answer.json()["id"] for answer in answers} == {answers[0].json()["id"]}
        assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
        desk.until_order(answers[0].json()["id"], status="filled")
        assert len(desk.at_exchange(client_order_id)) == 1


class TestDoubt:
    @pytest.mark.parametrize(
        "fault", ["accept_then_504", "accept_then_reset", "accept_then_truncated_201",
                  "accept_then_html_502"],
    )  # fmt: skip
    def test_a_lost_answer_is_doubt_and_the_order_is_found(self, desk: Desk, fault: str) -> None:
        desk.price("AAPL", "150")
        # No webhook may help: the order is to be found by asking.
        desk.faults(**{fault: {"next": 1}}, webhook_drop={"probability": "1"})

        order_id = desk.place(quantity="4")

        desk.until_order(order_id, status="filled")
        actions = [event["action"] for event in desk.events(order_id)["events"]]
        assert "order.in_doubt" in actions
        agrees(desk, order_id)

    def test_a_webhook_settles_it_before_anybody_asks(self, desk: Desk) -> None:
        desk.price("AAPL", "150")
        desk.faults(accept_then_hang={"next": 1, "seconds": "6"})

        order_id = desk.place(quantity="4")

        desk.until_order(order_id, status="filled")
        actions = [event["action"] for event in desk.events(order_id)["events"]]
        assert "order.in_doubt" not in actions
        agrees(desk, order_id)

    def test_what_never_arrived_is_looked_for_until_that_is_proved(self, desk: Desk) -> None:
        known = desk.place(order_type="limit", limit_price=FAR)  # the control in the list
        desk.until_order(known, status="new")
        desk.faults(not_accepted_504={"next": 1})

        order_id = desk.place()

        assert desk.until_order(order_id, submission="unknown")["in_doubt"]
        order = desk.until_order(order_id, submission="absent")
        assert desk.at_exchange(order["client_order_id"]) == []
        story = desk.events(order_id)
        assert "order.absent" in [event["action"] for event in story["events"]]
        desk.cancel(known)

    def test_a_cancel_asked_in_doubt_is_carried_out_on_sight(self, desk: Desk) -> None:
        desk.faults(accept_then_504={"next": 1}, webhook_drop={"probability": "1"})
        order_id = desk.place(order_type="limit", limit_price=FAR)
        desk.until_order(order_id, submission="unknown")

        desk.cancel(order_id)

        desk.until_order(order_id, status="canceled")
        agrees(desk, order_id)

    def test_webhooks_lost_late_twice_and_in_any_order_change_nothing_in_the_end(
        self, desk: Desk
    ) -> None:
        desk.price("AMD", "20", size="2")
        desk.faults(
            webhook_drop={"probability": "0.3"},
            webhook_duplicate={"probability": "0.5"},
            webhook_reorder={"probability": "0.5"},
            webhook_delay={"probability": "0.3", "seconds": "1"},
        )

        placed = [desk.place(symbol="AMD", quantity="6") for _ in range(10)]

        for order_id in placed:
            desk.until_order(order_id, status="filled")
            agrees(desk, order_id)


class TestDeaths:
    def test_a_worker_killed_while_the_broker_hangs_leaves_doubt_and_no_double(
        self, desk: Desk
    ) -> None:
        desk.price("AAPL", "150")
        desk.faults(
            accept_then_hang={"next": 1, "seconds": "30"}, webhook_drop={"probability": "1"}
        )
        order_id = desk.place(quantity="3")
        client_order_id = desk.order(order_id)["client_order_id"]
        desk.until(lambda: desk.at_exchange(client_order_id), what="the order at the exchange")

        assert desk.kill("celery", "worker") >= 1
        desk.faults()

        # Its lease has to lapse first: nobody may know better.
        desk.until_order(order_id, within=60, status="filled")
        agrees(desk, order_id)

    def test_orders_go_out_and_fill_while_redis_is_away(self, desk: Desk) -> None:
        desk.price("AAPL", "150")
        desk.redis.kill()

        placed = [desk.place(quantity="2") for _ in range(3)]

        for order_id in placed:
            desk.until_order(order_id, status="filled")
            agrees(desk, order_id)
        desk.redis.start()
        began = time.monotonic()
        again = desk.place(quantity="2")
        desk.until_order(again, status="filled")
        assert time.monotonic() - began < 30

    def test_the_exchange_killed_and_back(self, desk: Desk) -> None:
        order_id = desk.place(order_type="limit", limit_price=FAR)
        desk.until_order(order_id, status="new")

        assert desk.kill("brokers.paper") == 1
        during = desk.place(quantity="2")

        desk.until_order(during, status="filled")
        agrees(desk, during)
        desk.cancel(order_id)
        desk.until_order(order_id, status="canceled")


class TestRecord:
    def test_the_whole_story_is_in_one_unbroken_chain(self, desk: Desk) -> None:
        order_id = desk.place(quantity="2")
        desk.until_order(order_id, status="filled")

        story = desk.events(order_id)

        actions = [event["action"] for event in story["events"]]
        assert actions[:2] == ["order.placed", "order.sending"]
        assert "order.facts" in actions
        code = (
            "from orders import auditing; from orders.models import AuditChain\n"
            "print([a.name for a in AuditChain.objects.all() if auditing.first_broken(a.name)])"
        )
        assert desk.manage("shell", "-v0", "-c", code).strip() == "[]"
