"""What the database refuses of whoever writes to it by hand, one statement after the other.

Each of these would be a wrong state that nobody is told of. The constraints on terms, steps and
rulings have tables of their own (`test_constraints`, `test_constraints_on_rulings`).
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from django.utils import timezone

from brokers.messages import Report
from orders import recording
from orders.models import Account, Attempt, Inquiry, Order
from orders.models.facts import Heard
from orders.recording import parking
from orders.states import AttemptState, Submission
from tests.factories import AccountFactory, OrderFactory
from tests.fakes import fill, snapshot
from tests.orders.test_constraints import refuses, run

pytestmark = pytest.mark.django_db

ORDER, ATTEMPT = "UPDATE orders_order SET ", "UPDATE orders_attempt SET "
ARMED = (
    "INSERT INTO orders_attempt (order_id, kind, number, wire_id, state, armed_at, lease_until,"
    " note, method, url, request_body, answer_body, failure)"
    " SELECT order_id, {kind}, number + 1, {wire_id}, 'sending', now(), now(),"
    " '', '', '', '', '', '' FROM orders_attempt"
)
COPIED = "INSERT INTO {table} ({columns}) SELECT {values} FROM {table}"


def copy(table: str, columns: str, **changes: str) -> str:
    """Return a statement that puts a row in again, with changes."""
    names = columns.split()
    values = ", ".join(changes.get(name, name) for name in names)
    return COPIED.format(table=table, columns=", ".join(names), values=values)


def execution(**changes: str) -> str:
    return copy(
        "orders_execution",
        "account_id order_id broker_order_id execution_id trade_date kind revision symbol side"
        " quantity price executed_at raw heard heard_at evidence",
        **{"execution_id": "'another'"} | changes,
    )


def told(**changes: str) -> str:
    return copy(
        "orders_snapshotfact",
        "order_id digest broker_order_id broker_version sequence quantity status raw_status"
        " cumulative replaces replaced_by reason raw heard heard_at evidence",
        **changes,
    )


ON_ITS_WAY: Mapping[str, str] = {
    # A second live attempt, by every way there might be to one.
    ARMED.format(kind="'submit'", wire_id="wire_id"): "on_proof_only",
    ARMED.format(kind="'replace'", wire_id="wire_id"): "on_proof_only",
    ARMED.format(kind="'submit'", wire_id="'fresh'"): "on_proof_only",
    ATTEMPT + "number = 2": "frozen_columns",
    ATTEMPT + "wire_id = 'fresh'": "frozen_columns",
    ATTEMPT + "kind = 'cancel'": "frozen_columns",
    ATTEMPT + "lease_until = now() + interval '1 hour'": "frozen_columns",
    ATTEMPT + "state = 'absent'": "steps",  # it was never looked for
    ATTEMPT + "state = 'maybe'": "steps",
    ATTEMPT + "took_ms = -1": "took_ms_check",
    "DELETE FROM orders_attempt": "delete",
    # What may have left, said to have stayed here, to be refused, or not to be there.
    ORDER + "submission = 'ready'": "verdict_on_proof",
    ORDER + "submission = 'refused'": "verdict_on_proof",
    ORDER + "submission = 'absent'": "steps",
    ORDER + "submission = 'withdrawn'": "steps",
    ORDER + "submission = 'expired_unsent'": "steps",
    ORDER + "submission = 'blocked'": "steps",
    ORDER + "submission = 'awaiting_approval'": "steps",
    ORDER + "submission = 'accepted'": "order_accepted_has_broker_state",
    # What was ordered.
    ORDER + "wire_id = 'fresh'": "frozen_terms",
    ORDER + "quantity = -10": "frozen_terms",
    ORDER + "symbol = 'OTHER'": "frozen_terms",
    ORDER + "submit_by = submit_by + interval '1 day'": "frozen_terms",
    ORDER + "account_id = gen_random_uuid()": "frozen_terms",
    ORDER + "replaces_id = id, replaces_filled = 0": "frozen_terms",
    ORDER + "version = version - 1": "can not fall",
    ORDER + "version = -1": "can not fall",
    ORDER + "looks = -1": "looks_check",
    "DELETE FROM orders_order": "delete",
    "DELETE FROM orders_account": "foreign key",
}

HEARD: Mapping[str, str] = {
    # Trades.
    "UPDATE orders_execution SET quantity = 5": "grow_only",
    "UPDATE orders_execution SET price = 1": "grow_only",
    "UPDATE orders_execution SET order_id = order_id": "grow_only",
    "DELETE FROM orders_execution": "grow_only",
    "TRUNCATE orders_execution": "no_truncate",
    execution(execution_id="execution_id"): "execution_once",
    execution(quantity="-4"): "execution_quantity_positive",
    execution(quantity="0"): "execution_quantity_positive",
    execution(quantity="-4", kind="'bust'"): "execution_quantity_positive",
    execution(price="-1"): "execution_price_not_negative",
    execution(kind="'gift'"): "execution_kind_known",
    execution(side="'hold'"): "of_its_order",
    execution(side="'sell'"): "of_its_order",
    execution(symbol="'OTHER'"): "of_its_order",
    execution(account_id="(SELECT id FROM orders_account WHERE name = 'other')"): "of_its_order",
    execution(revision="-1"): "revision_check",
    # The broker's words.
    "UPDATE orders_snapshotfact SET status = 'filled'": "grow_only",
    "UPDATE orders_snapshotfact SET cumulative = 0": "grow_only",
    "DELETE FROM orders_snapshotfact": "grow_only",
    "TRUNCATE orders_snapshotfact": "no_truncate",
    told(): "snapshot_once",
    told(digest="'another'", status="'lost'"): "snapshot_status_known",
    # What was asked.
    "UPDATE orders_inquiry SET result = 'absent'": "grow_only",
    "UPDATE orders_inquiry SET asked_at = now()": "grow_only",
    "DELETE FROM orders_inquiry": "grow_only",
    "TRUNCATE orders_inquiry": "no_truncate",
    copy(
        "orders_inquiry",
        "order_id path result asked_at note method url answer_body failure",
        result="'perhaps'",
    ): "inquiry_result_known",
    # What waits for an order that is not here yet.
    "UPDATE orders_parkedfact SET said = '{}'": "as_it_came",
    "UPDATE orders_parkedfact SET broker_order_id = 'B-2'": "as_it_came",
    "UPDATE orders_parkedfact SET account_id = gen_random_uuid()": "as_it_came",
    "UPDATE orders_parkedfact SET heard_at = now()": "as_it_came",
    "UPDATE orders_parkedfact SET taken_by_id = NULL WHERE taken_by_id IS NOT NULL": "taken_once",
    "DELETE FROM orders_parkedfact": "delete",
    "TRUNCATE orders_parkedfact": "no_truncate",
    # The record, and its head.
    "UPDATE orders_auditevent SET reason = 'better'": "grow_only",
    "UPDATE orders_auditevent SET actor_name = 'ana'": "grow_only",
    "UPDATE orders_auditevent SET order_id = NULL": "grow_only",
    "DELETE FROM orders_auditevent": "grow_only",
    "DELETE FROM orders_auditevent WHERE sequence > 1": "grow_only",  # the tail of it
    "TRUNCATE orders_auditevent": "no_truncate",
    "UPDATE orders_auditchain SET sequence = sequence - 1": "one_by_one",
    "UPDATE orders_auditchain SET sequence = sequence + 2": "one_by_one",
    "UPDATE orders_auditchain SET hash = 'x'": "one_by_one",
    "UPDATE orders_auditchain SET name = 'security'": "one_by_one",
    "DELETE FROM orders_auditchain": "delete",
    "TRUNCATE orders_auditchain": "no_truncate",
    # What was made of it all.
    ORDER + "filled_quantity = -1": "order_",
    ORDER + "filled_value = -1": "order_filled_not_negative",
    ORDER + "filled_quantity = 0": "order_average_iff_filled",
    ORDER + "average_price = NULL": "order_average_iff_filled",
    ORDER + "filled_quantity = quantity": "order_filled_iff_whole_quantity",
    ORDER + "status = 'filled'": "order_filled_iff_whole_quantity",
    ORDER + "status = NULL": "order_",
    ORDER + "status = 'gone'": "order_status_known",
    ORDER + "broker_order_id = 'B-2'": "broker_id_once",
    ORDER + "broker_order_id = NULL": "broker_id_once",
    ORDER + "submission = 'absent'": "steps",
    ORDER + "submission = 'refused'": "steps",
    ORDER + "submission = 'ready'": "steps",
    ORDER + "conflict_at = NULL": "conflict_stays",
    "TRUNCATE orders_order CASCADE": "no_truncate",
    # The account.
    "UPDATE orders_account SET environment = 'live'": "frozen_columns",
    "UPDATE orders_account SET broker = 'other'": "frozen_columns",
    "TRUNCATE orders_account CASCADE": "no_truncate",
}


@pytest.fixture
def sending() -> Order:
    """An order on its way: nobody knows yet what becomes of it."""
    order = OrderFactory()
    assert recording.claim_submission(order.id) is not None
    return order


@pytest.fixture
def heard() -> Order:
    """A part-filled order with everything that is kept of it, and the trade that was parked."""
    AccountFactory(name="other")
    order = OrderFactory(sending=True, conflict_at=timezone.now())
    now, ticket = timezone.now(), order.ticket()
    traded = fill(ticket, "a", "4")
    parking.park(order.account_id, [traded], heard=Heard.POLL, evidence="poll", now=now)
    recording.heed(
        order.account,
        Report(snapshots=(snapshot(ticket),), fills=(traded,)),
        heard=Heard.WEBHOOK,
        evidence="delivery:1",
        now=now,
    )
    Inquiry.objects.create(order=order, path="p", result="found", asked_at=now)
    recording.ask_cancel(order.id, actor=recording.concluding.SWEEP, now=now)
    return order


@pytest.mark.parametrize(("statement", "by"), ON_ITS_WAY.items())
def test_of_an_order_on_its_way(sending: Order, statement: str, by: str) -> None:
    refuses(statement, by=by)


@pytest.mark.parametrize(("statement", "by"), HEARD.items())
def test_of_what_was_heard(heard: Order, statement: str, by: str) -> None:
    refuses(statement, by=by)


class TestVerdict:
    """An order is given up only on top of attempts that all came to nothing."""

    @pytest.mark.parametrize("verdict", [Submission.REFUSED, Submission.ABSENT])
    @pytest.mark.parametrize("state", [AttemptState.SENDING, AttemptState.UNKNOWN])
    def test_wants_proof_on_the_attempt(
        self, sending: Order, verdict: Submission, state: AttemptState
    ) -> None:
        run(ORDER + "submission = 'unknown'")
        run(ATTEMPT + "state = %s", state)

        refuses(ORDER + "submission = %s", verdict, by="verdict_on_proof")

    @pytest.mark.parametrize("verdict", [Submission.REFUSED, Submission.ABSENT])
    def test_does_not_go_with_an_attempt_that_the_broker_took(
        self, sending: Order, verdict: Submission
    ) -> None:
        run(ORDER + "submission = 'unknown'")
        run(ATTEMPT + "state = 'accepted'")

        refuses(ORDER + "submission = %s", verdict, by="verdict_on_proof")

    @pytest.mark.parametrize("never_left", ["withdrawn", "expired_unsent", "blocked"])
    def test_that_it_never_left_wants_proof_that_none_did(
        self, sending: Order, never_left: str
    ) -> None:
        run(ATTEMPT + "state = 'not_sent'")
        run(ORDER + "submission = 'ready'")
        assert recording.claim_submission(sending.id) is not None
        run(ATTEMPT + "state = 'refused' WHERE number = 2")
        refuses(ORDER + "submission = 'ready'", by="verdict_on_proof")

        other = OrderFactory()
        assert recording.claim_submission(other.id) is not None
        run(ATTEMPT + "state = 'not_sent' WHERE order_id = %s", other.id)
        run(ORDER + "submission = 'ready' WHERE id = %s", other.id)
        run(ORDER + "submission = %s WHERE id = %s", never_left, other.id)

    def test_stands_once_it_is_given(self, sending: Order) -> None:
        run(ATTEMPT + "state = 'refused'")
        run(ORDER + "submission = 'refused'")

        for other in ("ready", "sending", "unknown", "absent", "withdrawn"):
            refuses(ORDER + "submission = %s", other, by="steps")
        for other in ("sending", "unknown", "not_sent", "absent"):
            refuses(ATTEMPT + "state = %s", other, by="steps")


class TestAnswer:
    def test_is_kept_as_it_came(self, sending: Order) -> None:
        run(ATTEMPT + "method = 'POST', url = 'u', answer_status = 504, answer_body = 'late'")

        run(ATTEMPT + "answer_body = 'late', note = 'recorded again'")
        for change in ("answer_status = 200", "answer_body = 'better'", "request_body = '{}'"):
            refuses(ATTEMPT + change, by="answer_once")

    def test_may_come_after_the_lease(self, sending: Order) -> None:
        run(ATTEMPT + "state = 'unknown', ended_at = now()")

        run(ATTEMPT + "method = 'POST', answer_status = 200, answer_body = 'ok'")

        assert Attempt.objects.get().answer_status == 200


def test_a_parked_fact_is_taken_by_one_order(heard: Order) -> None:
    other = OrderFactory(account=Account.objects.get(id=heard.account_id))

    refuses("UPDATE orders_parkedfact SET taken_by_id = %s", other.id, by="taken_once")


def test_there_are_plenty() -> None:
    assert len(ON_ITS_WAY) + len(HEARD) >= 80
