"""PATCH and DELETE: a working order makes place for another, or is to go."""

from uuid import UUID

import pytest

from brokers.vocabulary import Status
from orders import sending
from orders.models import Order
from orders.states import Submission
from tests.factories import OrderFactory


@pytest.fixture
def working(program):
    """An order that the scripted broker has, and works."""
    placed = program.place(client_order_id="first").told
    sending.send(UUID(placed["id"]))
    return placed["id"]


class TestReplace:
    def test_makes_a_new_order(self, program, working):
        changes = {"client_order_id": "second", "quantity": "12", "limit_price": 99.75}
        answer = program.ask("PATCH", f"orders/{working}", changes)

        assert answer.status_code == 201
        assert answer.told["replaces"] == working
        assert (answer.told["quantity"], answer.told["limit_price"]) == ("12", "99.75")
        old = program.get(f"orders/{working}").told
        assert old["replaced_by"] == answer.told["id"]
        assert old["status"] == "new"  # it works on until the broker agrees
        assert answer.headers["Location"].endswith(answer.told["id"])

    def test_repeated_is_the_same_order(self, program, working):
        changes = {"client_order_id": "second", "quantity": "12"}
        answers = [program.ask("PATCH", f"orders/{working}", changes) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [201, 200]
        assert answers[0].told["id"] == answers[1].told["id"]

    def test_id_may_come_by_header(self, program, working):
        headers = {"Idempotency-Key": "second"}
        answer = program.ask("PATCH", f"orders/{working}", {"quantity": "12"}, **headers)

        assert answer.told["client_order_id"] == "second"

    @pytest.mark.parametrize(
        ("changes", "status", "code"),
        [
            ({"quantity": "12"}, 400, "client_order_id_required"),
            ({"client_order_id": "second"}, 422, "nothing_to_change"),
            ({"client_order_id": "second", "quantity": "10"}, 422, "nothing_to_change"),
            ({"client_order_id": "second", "stop_price": "1"}, 422, "unwanted_field"),
            ({"client_order_id": "first", "quantity": "12"}, 409, "client_order_id_taken"),
            ({"client_order_id": "second", "symbol": "OTHER"}, 400, "invalid_request"),
            ({"client_order_id": "second", "quantity": None}, 400, "invalid_request"),
            ({"client_order_id": "second", "quantity": "NaN"}, 400, "invalid_request"),
            ({}, 400, "client_order_id_required"),
        ],
        ids=repr,
    )
    def test_says_why_not(self, program, working, changes, status, code):
        answer = program.ask("PATCH", f"orders/{working}", changes)

        assert (answer.status_code, answer.told["code"]) == (status, code)
        assert Order.objects.count() == 1

    @pytest.mark.parametrize("trait", ["unknown", "filled", "canceled", "refused", "sending"])
    def test_only_of_a_working_order(self, program, trait):
        order = OrderFactory(account=program.account, **{trait: True})

        answer = program.ask(
            "PATCH", f"orders/{order.id}", {"client_order_id": "second", "quantity": "12"}
        )

        assert (answer.status_code, answer.told["code"]) == (409, "not_replaceable")

    def test_only_one_at_a_time(self, program, working):
        program.ask("PATCH", f"orders/{working}", {"client_order_id": "a", "quantity": "12"})

        answer = program.ask(
            "PATCH", f"orders/{working}", {"client_order_id": "b", "quantity": "13"}
        )

        assert (answer.status_code, answer.told["code"]) == (409, "not_replaceable")


class TestCancel:
    def test_withdraws_what_has_not_left(self, program):
        placed = program.place().told

        answer = program.ask("DELETE", f"orders/{placed['id']}")

        assert (answer.status_code, answer.told["submission"]) == (202, "withdrawn")
        assert answer.told["status"] is None  # no broker has said anything

    def test_is_pending_until_the_broker_says_so(self, program, working):
        answers = [program.ask("DELETE", f"orders/{working}") for _ in range(2)]

        assert [answer.status_code for answer in answers] == [202, 202]
        assert answers[1].told["pending_cancel"] is True
        assert answers[1].told["status"] == "new"

    def test_of_an_order_in_doubt_waits_for_it(self, program):
        order = OrderFactory(account=program.account, unknown=True)

        answer = program.ask("DELETE", f"orders/{order.id}")

        assert answer.status_code == 202
        assert (answer.told["in_doubt"], answer.told["pending_cancel"]) == (True, True)

    @pytest.mark.parametrize("trait", ["filled", "canceled", "rejected", "refused"])
    def test_of_an_order_that_has_ended(self, program, trait):
        order = OrderFactory(account=program.account, **{trait: True})

        answer = program.ask("DELETE", f"orders/{order.id}")

        assert (answer.status_code, answer.told["code"]) == (409, "not_cancelable")

    def test_works_while_the_account_is_halted(self, program, working):
        program.account.halted_at = program.key.created_at
        program.account.save()

        assert program.ask("DELETE", f"orders/{working}").status_code == 202

    def test_once_asked_never_reads_as_canceled(self, program, working):
        program.ask("DELETE", f"orders/{working}")
        sending.send_cancel(UUID(working))  # the broker takes it, and says no more

        told = program.get(f"orders/{working}").told
        assert (told["status"], told["pending_cancel"]) == (Status.NEW, True)
        assert told["submission"] == Submission.ACCEPTED


class TestCancelAll:
    def test_says_what_became_of_each(self, program, working):
        withdrawn = program.place().told["id"]
        doubtful = OrderFactory(account=program.account, unknown=True)
        OrderFactory(account=program.account, filled=True)
        other = OrderFactory(working=True)

        answer = program.ask("DELETE", "orders")

        assert answer.status_code == 207
        assert [(row["order_id"], row["became"]) for row in answer.told["orders"]] == [
            (str(doubtful.id), "on_sight"),
            (withdrawn, "withdrawn"),
            (working, "asked"),
        ]
        assert answer.told["orders"][-1]["status"] == "new"  # the broker has the last word
        other.refresh_from_db()
        assert other.cancel_requested_at is None

    @pytest.mark.parametrize(
        ("query", "found"),
        [("symbol=ACME", {"buy"}), ("side=sell", {"sell"}), ("symbol=B/C&side=sell", {"sell"})],
    )
    def test_of_some(self, program, query, found):
        OrderFactory(account=program.account, working=True, client_order_id="buy")
        OrderFactory(
            account=program.account, working=True, client_order_id="sell", side="sell", symbol="B/C"
        )

        told = program.ask("DELETE", f"orders?{query}").told

        assert {row["client_order_id"] for row in told["orders"]} == found

    @pytest.mark.parametrize(
        "query",
        [
            *("side=short", "side=", "symbol=%00", "symbol=a%20b", "symbol=" + "x" * 33),
            *("status=new", "open=true", "side=buy&side=sell", "symbol=%F0%9F%92%A9"),
        ],
    )
    def test_of_what_it_would_have_to_guess_at_cancels_nothing(self, program, working, query):
        answer = program.ask("DELETE", f"orders?{query}")

        assert (answer.status_code, answer.told["code"]) == (400, "invalid_request")
        assert Order.objects.get().cancel_requested_at is None

    def test_works_while_the_account_is_halted(self, program, working):
        program.account.halted_at = program.key.created_at
        program.account.save()

        assert program.ask("DELETE", "orders").told["orders"][0]["became"] == "asked"

    def test_of_another_account_is_not_there(self, program):
        other = OrderFactory(working=True)

        assert (
            program.ask("DELETE", f"/api/v1/accounts/{other.account_id}/orders").status_code == 404
        )
        other.refresh_from_db()
        assert other.cancel_requested_at is None
