"""Orders that a broker has and the desk has no record of."""

from __future__ import annotations

from dataclasses import replace as with_changes
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from brokers.errors import OutcomeUnknown
from brokers.messages import Fill, Report, Snapshot
from brokers.vocabulary import Leg, OrderType, Side, Status
from orders import canceling, positioning, rebuilding, recording, sending, timing
from orders.ids import intent_id, is_of_this_desk
from orders.models import Account, Incident, Order, ParkedFact
from orders.models.facts import Heard
from orders.recording import Unadoptable
from orders.states import Submission
from tests.factories import ANA, AccountFactory, UserFactory, a_ticket, place
from tests.fakes import ScriptedBroker, fill, snapshot

pytestmark = pytest.mark.django_db

# Made by no desk. A test's name says it, so it must be the same in every process.
AN_ID = "01a1fea9-5e95-7027-9cf9-6e5ba2a7b823"


def told(account: Account, *facts: Snapshot | Fill) -> None:
    report = Report(
        snapshots=tuple(fact for fact in facts if isinstance(fact, Snapshot)),
        fills=tuple(fact for fact in facts if isinstance(fact, Fill)),
    )
    recording.heed(account, report, heard=Heard.POLL, evidence="sweep", now=timing.database_now())


def adopt(account: Account, broker_order_id: str) -> Order | None:
    return recording.adopt(account.id, broker_order_id, now=timing.database_now())


class TestAdopting:
    def test_takes_over_terms_status_and_every_fact_that_waited(self) -> None:
        account, ticket = AccountFactory(), a_ticket(side=Side.SELL)
        told(account, snapshot(ticket), fill(ticket, "x1", "4"))
        ended = {"status": Status.CANCELED, "cumulative": Decimal(4), "version": 2}
        told(account, snapshot(ticket, **ended))  # type: ignore[arg-type]

        order = adopt(account, f"B-{ticket.wire_id}")

        assert order is not None
        order.refresh_from_db()
        assert order.ticket() == ticket
        assert (order.source, order.submission) == ("broker", Submission.ACCEPTED)
        assert (order.status, order.filled_quantity) == (Status.CANCELED, 4)
        assert (order.placed_by, order.look_at) == (None, None)
        assert order.snapshots.count() == 2
        assert set(ParkedFact.objects.values_list("taken_by", flat=True)) == {order.id}
        [position] = positioning.positions([account])
        assert position.quantity == -4

    def test_is_on_record_and_the_chain_holds(self) -> None:
        account, ticket = AccountFactory(), a_ticket()
        told(account, snapshot(ticket))

        order = adopt(account, f"B-{ticket.wire_id}")

        assert order is not None
        assert [event.action for event in order.events.order_by("id")] == [
            "order.adopted",
            "order.facts",
        ]
        assert not list(rebuilding.differences())

    def test_is_told_on_its_page(self, broker: ScriptedBroker, client: Client) -> None:
        account, ticket = AccountFactory(trader=(trader := UserFactory())), a_ticket()
        told(account, snapshot(ticket))
        order = adopt(account, f"B-{ticket.wire_id}")
        assert order is not None
        client.force_login(trader)

        page = client.get(f"/orders/{order.id}/").content.decode()

        assert "we had no record of it" in page
        assert "by Broker" in page

    def test_a_successor_made_elsewhere_is_an_order_of_its_own(
        self, broker: ScriptedBroker
    ) -> None:
        first = place()
        sending.send(first.id)
        later = with_changes(first.ticket(), wire_id="theirs", quantity=Decimal(7))
        told(
            first.account,
            snapshot(first.ticket(), status=Status.REPLACED, replaced_by="B-theirs", version=2),
            snapshot(later, replaces=f"B-{first.wire_id}"),
        )

        order = adopt(first.account, "B-theirs")

        assert order is not None
        first.refresh_from_db()
        assert (first.status, order.quantity, order.replaces) == (Status.REPLACED, 7, None)

    def test_a_leg_is_one_whichever_word_says_whose(self, broker: ScriptedBroker) -> None:
        entry = place()
        leg = a_ticket(wire_id="its-own", side=Side.SELL)
        account = entry.account
        told(account, snapshot(leg, parent=f"B-{entry.wire_id}", leg=Leg.TAKE_PROFIT))
        told(account, snapshot(leg, status=Status.HELD, version=2))  # as its stream has it
        sending.send(entry.id)

        order = adopt(account, "B-its-own")

        assert order is not None
        order.refresh_from_db()
        assert (order.parent_id, order.leg) == (entry.id, Leg.TAKE_PROFIT)
        assert (order.source, order.status) == ("leg", Status.HELD)

    def test_is_done_once(self) -> None:
        account, ticket = AccountFactory(), a_ticket()
        told(account, snapshot(ticket))

        assert adopt(account, f"B-{ticket.wire_id}") is not None
        assert adopt(account, f"B-{ticket.wire_id}") is None

        assert Order.objects.count() == 1

    def test_can_be_cancelled_from_here(self, broker: ScriptedBroker) -> None:
        account, ticket = AccountFactory(), a_ticket()
        told(account, snapshot(ticket))
        order = adopt(account, f"B-{ticket.wire_id}")
        assert order is not None

        canceling.cancel(order.id, actor=ANA, now=timing.database_now())
        sending.send_cancel(order.id)

        assert broker.canceled == [f"B-{ticket.wire_id}"]

    def test_is_never_submitted(self, broker: ScriptedBroker) -> None:
        account, ticket = AccountFactory(), a_ticket()
        told(account, snapshot(ticket))
        order = adopt(account, f"B-{ticket.wire_id}")
        assert order is not None

        sending.send(order.id)

        assert broker.submitted == []

    def test_goes_by_the_brokers_id_where_its_own_is_missing_or_ours_already(self) -> None:
        account, nameless = AccountFactory(), a_ticket()
        told(account, with_changes(snapshot(nameless), wire_id=""))

        order = adopt(account, f"B-{nameless.wire_id}")

        assert order is not None
        assert (order.wire_id, order.client_order_id) == (f"B-{nameless.wire_id}",) * 2

    def test_prices_that_do_not_belong_to_its_type_are_left_out(self) -> None:
        account, ticket = AccountFactory(), a_ticket(order_type=OrderType.MARKET, limit_price=None)
        told(account, snapshot(ticket, limit_price=Decimal(0)))

        order = adopt(account, f"B-{ticket.wire_id}")

        assert order is not None
        assert order.limit_price is None


class TestLeaving:
    """What is not taken over stays parked."""

    @pytest.mark.parametrize(
        "changes",
        [
            {"order_type": None},
            {"time_in_force": None},
            {"quantity": Decimal("0.0000000001")},
            {"quantity": Decimal(0)},
            {"limit_price": None},
            {"symbol": "X" * 33},
        ],
        ids=str,
    )
    def test_terms_that_no_row_here_holds_exactly(self, changes: dict[str, Any]) -> None:
        account, ticket = AccountFactory(), a_ticket()
        told(account, snapshot(ticket, **changes))

        with pytest.raises(Unadoptable):
            adopt(account, f"B-{ticket.wire_id}")

        assert Order.objects.count() == 0
        assert ParkedFact.objects.filter(taken_by__isnull=True).count() == 1

    def test_a_trade_alone_is_no_order_yet(self) -> None:
        account, ticket = AccountFactory(), a_ticket()
        told(account, fill(ticket, "x1", "4"))

        assert adopt(account, f"B-{ticket.wire_id}") is None

    def test_another_order_under_our_id_is_a_conflict_and_not_a_new_order(
        self, broker: ScriptedBroker
    ) -> None:
        order = place()
        other = with_changes(order.ticket(), quantity=Decimal(99))
        told(order.account, snapshot(other, broker_order_id="B-other"))

        assert adopt(order.account, "B-other") is None

    @pytest.mark.parametrize("so", ["ready", "sending", "unknown"])
    def test_one_without_our_id_may_be_the_one_under_way(
        self, broker: ScriptedBroker, so: str
    ) -> None:
        order = place()
        if so == "sending":
            assert recording.claim_submission(order.id) is not None
        elif so == "unknown":
            broker.script = [OutcomeUnknown("silence")]
            sending.send(order.id)
        told(order.account, with_changes(snapshot(order.ticket()), wire_id=""))

        assert adopt(order.account, f"B-{order.wire_id}") is None

    def test_one_without_our_id_and_with_other_terms_is_another(
        self, broker: ScriptedBroker
    ) -> None:
        order = place()
        other = snapshot(order.ticket(), wire_id="", quantity=Decimal(11))
        told(order.account, other)

        assert adopt(order.account, f"B-{order.wire_id}") is not None

    def test_another_accounts_order_is_no_obstacle(self, broker: ScriptedBroker) -> None:
        order, account = place(), AccountFactory()
        told(account, snapshot(order.ticket()))

        assert adopt(account, f"B-{order.wire_id}") is not None


class TestWhoseItIs:
    def test_orders_entered_elsewhere_are_counted_and_halt_nothing(self) -> None:
        account = AccountFactory()
        for _ in range(2):
            ticket = a_ticket()
            told(account, snapshot(ticket))
            adopt(account, f"B-{ticket.wire_id}")

        incident = Incident.objects.get()
        assert (incident.kind, incident.severity, incident.seen) == ("external", "notice", 2)
        account.refresh_from_db()
        assert account.halted_at is None

    def test_one_that_bears_our_mark_was_ours_and_halts_the_account(
        self, broker: ScriptedBroker
    ) -> None:
        account, ticket = AccountFactory(), a_ticket(wire_id=str(intent_id()))
        told(account, snapshot(ticket))
        waiting = place(account)

        order = adopt(account, f"B-{ticket.wire_id}")

        incident = Incident.objects.get()
        assert (incident.kind, incident.severity) == ("lost_intent", "critical")
        assert incident.order == order
        account.refresh_from_db()
        assert account.halted_at is not None
        sending.send(waiting.id)
        assert broker.submitted == []

    def test_what_turns_up_while_our_records_are_in_doubt_may_be_ours(self) -> None:
        account = AccountFactory(unsure_since=timing.database_now())
        ticket = a_ticket(wire_id="chosen-by-a-program")
        told(account, snapshot(ticket))

        adopt(account, f"B-{ticket.wire_id}")

        assert Incident.objects.get().kind == "lost_intent"
        account.refresh_from_db()
        assert account.halted_at is not None


class TestMark:
    def test_is_on_every_id_that_a_page_makes(self) -> None:
        made = intent_id()

        assert is_of_this_desk(str(made))
        assert made.version == 7
        assert intent_id() != made

    @pytest.mark.parametrize("text", ["", "desk-1", AN_ID, "é" * 36])
    def test_is_on_no_other(self, text: str) -> None:
        assert not is_of_this_desk(text)

    def test_outlives_a_change_of_keys_and_tells_desks_apart(self, settings: Any) -> None:
        made = str(intent_id())

        settings.DESK_CREDENTIAL_KEYS = ["new", *settings.DESK_CREDENTIAL_KEYS]
        assert is_of_this_desk(made)
        settings.DESK_CREDENTIAL_KEYS = ["another desk's"]
        assert not is_of_this_desk(made)
