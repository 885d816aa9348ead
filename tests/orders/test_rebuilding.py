"""What is stored follows from the facts and the record, or is named."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.utils import timezone

from brokers.errors import BrokerError, NotSent, OutcomeUnknown, Refused
from brokers.messages import Fill, Report, Snapshot
from brokers.vocabulary import ExecutionKind, Status
from orders import canceling, rebuilding, recording, sending
from orders.models import Account, Attempt, Order, ParkedFact
from orders.models.facts import Heard
from tests.factories import ANA, AccountFactory, place
from tests.fakes import NOON, ScriptedBroker, call, fill, snapshot


def hear(account: Account, *facts: Snapshot | Fill) -> None:
    recording.heed(
        account,
        Report(
            snapshots=tuple(fact for fact in facts if isinstance(fact, Snapshot)),
            fills=tuple(fact for fact in facts if isinstance(fact, Fill)),
        ),
        heard=Heard.WEBHOOK,
        evidence="delivery:1",
        now=timezone.now(),
    )


def part_filled(account: Account | None = None) -> Order:
    """Place an order, send it, and hear of a fill: everything by the desk's own doors."""
    order = place(account)
    sending.send(order.id)
    ticket = order.ticket()
    hear(
        order.account,
        snapshot(ticket, status=Status.PARTIALLY_FILLED, version=2, cumulative=Decimal(4)),
        fill(ticket, "a", "4", "99.123456789123456789"),
    )
    order.refresh_from_db()
    return order


def tamper(sql: str) -> None:
    """Do what somebody with the superuser's hands could do."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql)
        assert cursor.rowcount == 1, sql
        cursor.execute("SET LOCAL session_replication_role = origin")


def found() -> list[tuple[str, str]]:
    return [(difference.subject, difference.column) for difference in rebuilding.differences()]


@pytest.mark.django_db
class TestDifferences:
    def test_there_are_none_after_a_day_of_all_sorts(self, broker: ScriptedBroker) -> None:
        account = AccountFactory()
        part_filled(account)
        for mishap in (
            OutcomeUnknown("silence", call=call(None)),
            Refused("no funds", code="no_funds", call=call(422)),
            NotSent("no route", call=call(None)),
            BrokerError("?"),
        ):
            order = place(account)
            broker.script = [mishap]
            sending.send(order.id)
        recording.conclude_absent(
            Order.objects.filter(submission="unknown")[0].id,
            why="Asked.",
            inquiries=[],
            now=timezone.now(),
        )
        canceling.cancel(place(account).id, actor=ANA, now=timezone.now())  # withdrawn
        late = place(account)
        recording.expire(late.id, now=timezone.now() + timedelta(hours=1))
        claimed = place(account)
        recording.claim_submission(claimed.id)
        # One that turns up after all, with a fill that beat it, a bust and a cancel that is open.
        refused = Order.objects.get(submission="refused")
        hear(account, fill(refused.ticket(), "b", "4"))
        hear(account, snapshot(refused.ticket()))
        hear(account, fill(refused.ticket(), "b", "4", kind=ExecutionKind.BUST))
        canceling.cancel(refused.id, actor=ANA, now=timezone.now())
        # And one that the broker shows before it was sent.
        hear(account, snapshot(place(account).ticket()))
        again = place(account)
        broker.script = [Refused("no funds", code="no_funds", call=call(422))]
        sending.send(again.id)

        assert found() == []
        assert len(set(Order.objects.values_list("submission", flat=True))) == 8

    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("status", "'new'"),
            ("raw_status", "'x'"),
            ("reason", "'x'"),
            ("filled_quantity", "filled_quantity + 1e-18"),
            ("filled_value", "filled_value + 1e-36"),
            ("average_price", "average_price + 1e-9"),
            ("claimed_quantity", "5"),
            ("flags", "'{overfill}'"),
            ("broker_order_id", "'B-other'"),
            ("submission", "'unknown'"),
            ("submission_reason", "'x'"),
            ("cancel_requested_at", "now()"),
            ("cancel_refused", "'x'"),
        ],
    )
    def test_a_column_changed_by_hand_is_named(
        self, broker: ScriptedBroker, column: str, value: str
    ) -> None:
        order = part_filled()
        part_filled()
        tamper(f"UPDATE orders_order SET {column} = {value} WHERE id = '{order.id}'")

        differences = found()

        assert {subject for subject, _ in differences} == {f"order {order.id}"}
        assert {name for _, name in differences} & {column, f"{column}, by the record"}

    @pytest.mark.parametrize(
        ("deed", "column"),
        [
            ("DELETE FROM orders_execution", "filled_quantity"),
            ("UPDATE orders_execution SET price = price + 1e-18", "filled_value"),
            ("UPDATE orders_execution SET broker_order_id = 'x'", "broker_order_id"),
            ("UPDATE orders_execution SET side = 'sell'", "execution"),
            (
                "UPDATE orders_snapshotfact SET cumulative = 5 WHERE broker_version = 2",
                "claimed_quantity",
            ),
            ("UPDATE orders_snapshotfact SET reason = 'x' WHERE broker_version = 1", "snapshot"),
            ("UPDATE orders_attempt SET state = 'unknown'", "latest attempt"),
            (
                "UPDATE orders_auditevent SET evidence = '{}' WHERE evidence @> '{delivery:1}'",
                "execution",
            ),
        ],
    )
    def test_a_fact_changed_by_hand_shows(
        self, broker: ScriptedBroker, deed: str, column: str
    ) -> None:
        order = part_filled()
        tamper(deed)

        assert any(
            subject == f"order {order.id}" and name.startswith(column) for subject, name in found()
        )

    def test_an_accepted_order_without_a_fact_is_named(self, broker: ScriptedBroker) -> None:
        order = place()
        sending.send(order.id)
        tamper("DELETE FROM orders_snapshotfact")

        assert (f"order {order.id}", "submission") in found()

    @pytest.mark.parametrize(
        ("submission", "states"),
        [
            ("withdrawn", ["unknown"]),
            ("ready", ["refused"]),
            ("accepted", ["unknown"]),
            ("accepted", ["refused"]),
            ("refused", []),
            ("sending", ["not_sent"]),
            ("unknown", ["absent"]),
            ("unknown", ["refused", "unknown"]),
            ("absent", ["unknown"]),
        ],
    )
    def test_a_submission_that_no_attempt_bears_out_is_named(
        self, broker: ScriptedBroker, submission: str, states: list[str]
    ) -> None:
        order = place()
        for number, state in enumerate(states, 1):
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL session_replication_role = replica")
                Attempt.objects.create(
                    order=order,
                    kind="submit",
                    number=number,
                    wire_id=order.wire_id,
                    state=state,
                    armed_at=NOON,
                    lease_until=NOON,
                )
                cursor.execute("SET LOCAL session_replication_role = origin")
        order.submission = submission

        columns = {difference.column for difference in rebuilding.of_order(order)}

        assert columns & {"latest attempt", "earlier attempts"}

    def test_a_parked_fact_that_its_order_left_waiting_is_named(
        self, broker: ScriptedBroker
    ) -> None:
        order = part_filled()
        stray = fill(order.ticket(), "z", "1", broker_order_id="B-nobody")
        hear(order.account, stray)
        assert found() == []
        parked = ParkedFact.objects.get()

        tamper(f"UPDATE orders_parkedfact SET broker_order_id = '{order.broker_order_id}'")
        assert found() == [(f"parked fact {parked.id}", "fill")]

        ParkedFact.objects.update(taken_by=order)
        assert found() == [(f"parked fact {parked.id}", "fill")]

    def test_a_parked_fact_that_was_taken_in_is_not(self, broker: ScriptedBroker) -> None:
        order = place()
        broker.script = [OutcomeUnknown("silence", call=call(None))]
        sending.send(order.id)
        hear(order.account, fill(order.ticket(), "a", "4"), fill(order.ticket(), "b", "-1"))
        hear(order.account, snapshot(order.ticket()))

        assert ParkedFact.objects.filter(taken_by=order).count() == 2
        assert found() == []

    def test_a_record_that_was_cut_off_is_named(self, broker: ScriptedBroker) -> None:
        order = part_filled()
        tamper(
            "DELETE FROM orders_auditevent WHERE sequence ="
            " (SELECT max(sequence) FROM orders_auditevent)"
        )

        assert (f"audit chain {order.account_id}", "rows") in found()


def run(*command: str) -> tuple[str, str]:
    """Run a command, and return what it prints and why it failed."""
    said = StringIO()
    try:
        call_command(*command, stdout=said)
    except CommandError as error:
        assert error.returncode == 1
        return said.getvalue(), str(error)
    return said.getvalue(), ""


@pytest.mark.django_db(transaction=True)
class TestCommands:
    def test_rebuild_says_that_all_is_well(self, broker: ScriptedBroker) -> None:
        part_filled()

        assert run("rebuild", "--verify") == (
            "All that is stored of 1 orders follows from their facts.\n",
            "",
        )

    def test_rebuild_names_the_row_the_column_and_both_values(self, broker: ScriptedBroker) -> None:
        order = part_filled()
        tamper(f"UPDATE orders_order SET claimed_quantity = 5 WHERE id = '{order.id}'")

        said, failed = run("rebuild", "--verify")

        assert f"order {order.id}  claimed_quantity: stored 5, derived 4\n" in said
        assert failed == "2 stored values do not follow from the facts."  # and by the record

    def test_rebuild_repairs_nothing(self) -> None:
        assert run("rebuild") == ("", "Say --verify. What differs is for a person to look into.")

    def test_rebuild_sees_one_moment_of_a_desk_at_work(self, broker: ScriptedBroker) -> None:
        order = part_filled()

        with rebuilding.one_moment():
            assert Order.objects.get().filled_quantity == 4  # the moment it sees begins here
            meanwhile(lambda: hear(order.account, fill(order.ticket(), "b", "6")))

            assert found() == []
            assert Order.objects.get().filled_quantity == 4
        assert Order.objects.get().filled_quantity == 10

    def test_audit_verify_follows_every_chain(self, broker: ScriptedBroker) -> None:
        orders = [part_filled(), part_filled()]

        said, failed = run("audit_verify")

        assert failed == ""
        for order in orders:
            assert f"{order.account_id}  {order.events.count()} rows  " in said

    @pytest.mark.parametrize(
        ("deed", "says"),
        [
            (
                "UPDATE orders_auditevent SET reason = 'x' WHERE sequence = 2",
                "row 2 (order.sending) does not follow from the one before",
            ),
            ("DELETE FROM orders_auditevent WHERE sequence = 4", "it ends at row 3, and its head"),
            ("DELETE FROM orders_auditchain", "it ends at row 4, and its head says 0"),
        ],
    )
    def test_audit_verify_names_the_first_bad_row(
        self, broker: ScriptedBroker, deed: str, says: str
    ) -> None:
        order = part_filled()
        tamper(deed)

        _, failed = run("audit_verify")

        assert f"Audit chain {order.account_id} is broken: {says}" in failed


def meanwhile(deed: Callable[[], None]) -> None:
    """Do a thing on a connection of its own, and wait for it."""

    def do() -> None:
        try:
            deed()
        finally:
            connections.close_all()

    thread = threading.Thread(target=do)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
