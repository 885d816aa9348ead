"""What the database refuses by itself, whatever the code above it does."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from brokers.messages import Report
from orders import auditing, recording
from orders.actors import component
from orders.models import Attempt, AuditEvent, Execution, Inquiry, Order, SnapshotFact
from orders.models.facts import Heard
from orders.states import ATTEMPT_NEXT, NEXT, AttemptState, Submission
from tests.factories import AccountFactory, OrderFactory
from tests.fakes import fill, snapshot

pytestmark = pytest.mark.django_db


def refuses(sql: str, *parameters: object, by: str) -> None:
    """Run a statement and see it refused by a constraint or trigger of this name."""
    with (
        pytest.raises(DatabaseError, match=re.escape(by)),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # or TRUNCATE fails for that reason
        cursor.execute(sql, parameters)


def run(sql: str, *parameters: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


@pytest.fixture
def claimed() -> tuple[Order, Attempt]:
    """An order on its way, and the attempt that was armed for it."""
    order = OrderFactory()
    claim = recording.claim_submission(order.id)
    assert claim is not None
    order.refresh_from_db()
    return order, order.attempts.get()


@pytest.fixture
def heard() -> Order:
    """A part-filled order with its facts and its record."""
    order = OrderFactory(sending=True)
    recording.heed(
        order.account,
        Report(snapshots=(snapshot(order.ticket()),), fills=(fill(order.ticket(), "a", "4"),)),
        heard=Heard.WEBHOOK,
        evidence="delivery:1",
        now=timezone.now(),
    )
    order.refresh_from_db()
    return order


TRAILING = {"order_type": "trailing_stop", "limit_price": None}


class TestOrder:
    @pytest.mark.parametrize(
        ("change", "by"),
        [
            ("quantity = 11", "frozen_terms"),
            ("symbol = 'OTHER'", "frozen_terms"),
            ("side = 'sell'", "frozen_terms"),
            ("limit_price = 1", "frozen_terms"),
            ("order_type = 'market', limit_price = NULL", "frozen_terms"),
            ("time_in_force = 'gtc'", "frozen_terms"),
            ("wire_id = 'another'", "frozen_terms"),
            ("client_order_id = 'another'", "frozen_terms"),
            ("submit_by = now() + interval '1 day'", "frozen_terms"),
            ("placed_at = now()", "frozen_terms"),
            ("submission = 'accepted'", "order_accepted_has_broker_state"),
            ("submission = 'nonsense'", "steps"),
            ("status = 'lost'", "order_status_known"),
            ("status = 'new'", "order_unsent_has_no_broker_state"),
            ("broker_order_id = 'B'", "order_unsent_has_no_broker_state"),
            ("status = 'filled', submission = 'sending'", "order_filled_iff_whole_quantity"),
            (
                "status = 'new', submission = 'sending', filled_quantity = 10, average_price = 1",
                "order_filled_iff_whole_quantity",
            ),
            ("filled_quantity = 1", "order_"),
            ("average_price = 1", "order_average_iff_filled"),
            ("filled_quantity = -1, average_price = NULL", "order_"),
            ("version = 0", "can not fall"),
        ],
    )
    def test_can_not_be_changed_to(self, change: str, by: str) -> None:
        order = OrderFactory()

        refuses(f"UPDATE orders_order SET {change} WHERE id = %s", order.id, by=by)

    @pytest.mark.parametrize(
        ("fields", "by"),
        [
            ({"quantity": 0}, "order_quantity_or_notional"),
            ({"quantity": -1}, "order_quantity_or_notional"),
            ({"limit_price": None}, "order_limit_price_fits"),
            ({"limit_price": 0}, "order_limit_price_fits"),
            ({"order_type": "market"}, "order_limit_price_fits"),
            ({"order_type": "stop"}, "order_limit_price_fits"),
            ({"order_type": "stop_limit"}, "order_stop_price_fits"),
            ({"stop_price": 1}, "order_stop_price_fits"),
            ({"order_type": "guess"}, "order_"),
            ({"side": "hold"}, "order_side_known"),
            ({"time_in_force": "soon"}, "order_tif_known"),
            ({"symbol": ""}, "order_named"),
            ({"client_order_id": "", "wire_id": "w"}, "order_named"),
            ({"submission": "sent"}, "order_submission_known"),
            ({"submission": "accepted"}, "order_accepted_has_broker_state"),
            ({"replaces_filled": 1}, "order_replaces_whole"),
            ({"quantity": None}, "order_quantity_or_notional"),
            ({"notional": 100}, "order_quantity_or_notional"),
            ({"quantity": None, "notional": 0}, "order_quantity_or_notional"),
            ({"order_type": "trailing_stop", "limit_price": None}, "order_trail_fits"),
            (TRAILING | {"trail_price": 1, "trail_percent": 1}, "order_trail_fits"),
            (TRAILING | {"trail_price": -1}, "order_trail_fits"),
            (TRAILING | {"trail_price": 1, "stop_price": 5}, "order_stop_price_fits"),
            ({"trail_price": 1}, "order_trail_fits"),
            ({"time_in_force": "gtd"}, "order_expiry_fits"),
            ({"expires_at": datetime(2026, 3, 2, tzinfo=UTC)}, "order_expiry_fits"),
            ({"position_effect": "both"}, "order_effect_known"),
            ({"order_class": "bracket"}, "order_class_fits"),
            ({"order_class": "bracket", "stop_loss_price": 5}, "order_class_fits"),
            ({"order_class": "oto", "strategy": "native"}, "order_class_fits"),
            ({"order_class": "oto", "strategy": "hope", "stop_loss_price": 5}, "order_class_fits"),
            ({"stop_loss_price": 5}, "order_class_fits"),
            ({"leg": "stop_loss"}, "order_leg_of_something"),
            ({"covers_from": 0}, "order_leg_of_something"),
        ],
    )
    def test_can_not_begin_as(self, fields: dict[str, object], by: str) -> None:
        with pytest.raises(DatabaseError, match=by), transaction.atomic():
            OrderFactory(**fields)

    def test_an_order_for_money_is_whole_when_the_broker_says_so(self) -> None:
        told = {"quantity": None, "notional": 100, "order_type": "market", "limit_price": None}
        OrderFactory(working=True, **told)
        OrderFactory(part_filled=True, **told)
        OrderFactory(filled=True, **told)

        with pytest.raises(DatabaseError, match="order_filled_iff"), transaction.atomic():
            OrderFactory(working=True, **told | {"status": "filled"})

    @pytest.mark.parametrize("field", ["client_order_id", "wire_id"])
    def test_ids_are_one_orders_per_account(self, field: str) -> None:
        first = OrderFactory(client_order_id="one", wire_id="one")
        both = {"client_order_id": "two", "wire_id": "two"} | {field: "one"}

        OrderFactory(**both)  # in another account it is another order
        with pytest.raises(DatabaseError, match="unique"), transaction.atomic():
            OrderFactory(account=first.account, **both)

    def test_a_brokers_order_is_one_row(self, heard: Order) -> None:
        other = OrderFactory(account=heard.account, sending=True)

        refuses(
            "UPDATE orders_order SET broker_order_id = %s WHERE id = %s",
            heard.broker_order_id,
            other.id,
            by="order_broker_id_unique",
        )

    def test_learns_its_brokers_id_once(self, heard: Order) -> None:
        refuses(
            "UPDATE orders_order SET broker_order_id = 'B-2' WHERE id = %s",
            heard.id,
            by="broker_id_once",
        )

    def test_has_one_open_replace(self, heard: Order) -> None:
        OrderFactory(account=heard.account, replaces=heard, replaces_filled=4)

        with pytest.raises(DatabaseError, match="order_one_open_replace"), transaction.atomic():
            OrderFactory(account=heard.account, replaces=heard, replaces_filled=4)

    def test_is_never_deleted(self, heard: Order) -> None:
        refuses("DELETE FROM orders_order WHERE id = %s", heard.id, by="delete")
        refuses("TRUNCATE orders_order CASCADE", by="no_truncate")

    def test_moves_along_the_table_only(self) -> None:
        """Every pair of states: the trigger allows what `orders.states` allows, and no more."""
        for before in Submission:
            for after in Submission:
                if before == after:
                    continue
                order = _in(before)
                allowed = _moves(order, after)
                assert allowed == (after in NEXT[before]), f"{before} to {after}"


def _in(state: Submission) -> Order:
    broker_state = {"status": "new", "broker_order_id": f"B-{state}"} if state == "accepted" else {}
    return OrderFactory(submission=state, **broker_state)


def _moves(order: Order, state: Submission) -> bool:
    known = ", status = 'new', broker_order_id = id::text" if state == "accepted" else ""
    forget = ", status = NULL, broker_order_id = NULL" if order.submission == "accepted" else ""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE orders_order SET submission = %s {known or forget} WHERE id = %s",
                [state, order.id],
            )
    except DatabaseError as error:
        assert "steps:" in str(error) or "broker_id_once" in str(error), error
        return False
    return True


class TestAttempt:
    def arm(
        self, order: Order, number: int = 1, *, wire_id: str = "", state: str = "sending"
    ) -> str:
        return (
            "INSERT INTO orders_attempt (order_id, kind, number, wire_id, state, armed_at,"
            " lease_until, note, method, url, request_body, answer_body, failure) VALUES"
            f" ('{order.id}', 'submit', {number}, '{wire_id or order.wire_id}', '{state}', now(),"
            " now(), '', '', '', '', '', '')"
        )

    def test_wants_a_claimed_order(self) -> None:
        refuses(self.arm(OrderFactory()), by="on_proof_only")
        refuses(self.arm(OrderFactory(unknown=True)), by="on_proof_only")

    def test_wants_the_orders_own_wire_id(self) -> None:
        refuses(self.arm(OrderFactory(sending=True), wire_id="fresh"), by="on_proof_only")

    def test_begins_as_sending(self) -> None:
        refuses(self.arm(OrderFactory(sending=True), state="not_sent"), by="on_proof_only")

    def test_has_no_gaps_in_its_numbers(self) -> None:
        refuses(self.arm(OrderFactory(sending=True), 2), by="on_proof_only")

    @pytest.mark.parametrize("state", ["sending", "accepted", "refused", "unknown"])
    def test_has_no_second_without_proof_of_the_first(
        self, claimed: tuple[Order, Attempt], state: str
    ) -> None:
        order, attempt = claimed
        run("UPDATE orders_attempt SET state = %s WHERE id = %s", state, attempt.id)

        refuses(self.arm(order, 2), by="on_proof_only")

    def test_has_a_second_on_proof_that_the_first_never_left(
        self, claimed: tuple[Order, Attempt]
    ) -> None:
        order, attempt = claimed
        run("UPDATE orders_attempt SET state = 'not_sent' WHERE id = %s", attempt.id)

        run(self.arm(order, 2))

        assert order.attempts.count() == 2

    @pytest.mark.parametrize(
        "change",
        [
            "number = 7",
            "wire_id = 'x'",
            "kind = 'cancel'",
            "armed_at = now()",
            "lease_until = now() + interval '1 day'",
        ],
    )
    def test_is_what_it_was_armed_as(self, claimed: tuple[Order, Attempt], change: str) -> None:
        refuses(
            f"UPDATE orders_attempt SET {change} WHERE id = %s",
            claimed[1].id,
            by="frozen_columns",
        )

    def test_moves_along_the_table_only(self) -> None:
        for before in AttemptState:
            for after in AttemptState:
                if before == after:
                    continue
                attempt = self._in(before)
                try:
                    with transaction.atomic():
                        Attempt.objects.filter(id=attempt.id).update(state=after)
                    allowed = True
                except DatabaseError as error:
                    assert "steps:" in str(error)
                    allowed = False
                assert allowed == (after in ATTEMPT_NEXT[before]), f"{before} to {after}"

    def _in(self, state: AttemptState) -> Attempt:
        order = OrderFactory()
        claim = recording.claim_submission(order.id)
        assert claim is not None
        path = ["unknown", "absent"] if state == "absent" else [state]
        for step in path:
            Attempt.objects.filter(id=claim.attempt_id).update(state=step)
        return Attempt.objects.get(id=claim.attempt_id)

    def test_is_never_deleted(self, claimed: tuple[Order, Attempt]) -> None:
        refuses("DELETE FROM orders_attempt WHERE id = %s", claimed[1].id, by="delete")
        refuses("TRUNCATE orders_attempt", by="no_truncate")


@pytest.mark.parametrize(
    ("table", "change"),
    [
        (SnapshotFact, "status = 'filled'"),
        (Execution, "quantity = 5"),
        (Execution, "price = 1"),
        (AuditEvent, "reason = 'better'"),
        (AuditEvent, "hash = 'x'"),
        (Inquiry, "result = 'absent'"),
    ],
)
def test_what_is_kept_is_kept_as_it_came(
    heard: Order, table: type[SnapshotFact | Execution | AuditEvent | Inquiry], change: str
) -> None:
    Inquiry.objects.create(order=heard, path="p", result="found", asked_at=timezone.now())
    assert table.objects.exists()
    name = table._meta.db_table

    refuses(f"UPDATE {name} SET {change}", by="update")
    refuses(f"DELETE FROM {name}", by="delete")
    refuses(f"TRUNCATE {name} CASCADE", by="no_truncate")


def test_a_trade_is_booked_once(heard: Order) -> None:
    columns = ", ".join(
        field.column for field in Execution._meta.concrete_fields if field.column != "id"
    )

    refuses(
        f"INSERT INTO orders_execution ({columns}) SELECT {columns} FROM orders_execution",
        by="execution_once",
    )


def test_an_accounts_nature_is_frozen() -> None:
    account = AccountFactory()

    for change in ("environment = 'live'", "broker = 'other'", "created_at = now()"):
        refuses(
            f"UPDATE orders_account SET {change} WHERE id = %s", account.id, by="frozen_columns"
        )
    refuses("TRUNCATE orders_account CASCADE", by="no_truncate")


def test_a_sequence_is_used_once() -> None:
    auditing.write("security", action="x", actor=component("t"), now=timezone.now())
    columns = ", ".join(
        field.column for field in AuditEvent._meta.concrete_fields if field.column != "id"
    )

    refuses(
        f"INSERT INTO orders_auditevent ({columns}) SELECT {columns} FROM orders_auditevent",
        by="audit_sequence_unique",
    )
