"""One intent, one order, however often it is asked for."""

from __future__ import annotations

import threading
from dataclasses import replace as with_changes
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from brokers import registry
from brokers.messages import TakeProfit, Ticket
from brokers.reasons import Reason
from orders import actors, auditing, placing
from orders.errors import AccountClosed, BadTicket, OrderIdTaken
from orders.ids import is_of_this_desk
from orders.models import Account, AuditEvent, Order
from tests.factories import AccountFactory, a_ticket
from tests.fakes import PASSPORT, ScriptedBroker

ANA = actors.component("ana")


def place(account: Account, ticket: Ticket) -> tuple[Order, bool]:
    return placing.place(account, ticket, source="api", actor=ANA, now=timezone.now())


@pytest.mark.django_db
class TestPlace:
    def test_records_the_intent_before_anything_else(self, broker: ScriptedBroker) -> None:
        order, is_new = place(AccountFactory(), a_ticket(wire_id="A-1"))

        assert is_new
        assert (order.client_order_id, order.wire_id, order.submission) == ("A-1", "A-1", "ready")
        event = order.events.get()
        assert (event.action, event.after["quantity"]) == ("order.placed", "10")
        assert auditing.first_broken(str(order.account_id)) is None
        assert broker.submitted == []

    def test_repeated_is_the_same_order(self, broker: ScriptedBroker) -> None:
        account, ticket = AccountFactory(), a_ticket()

        first, _ = place(account, ticket)
        second, is_new = place(account, ticket)

        assert (second, is_new) == (first, False)
        assert AuditEvent.objects.filter(action="order.placed").count() == 1

    def test_repeated_on_a_halted_account_is_still_the_same_order(
        self, broker: ScriptedBroker
    ) -> None:
        account, ticket = AccountFactory(), a_ticket()
        first, _ = place(account, ticket)
        account.halted_at = timezone.now()

        assert place(account, ticket) == (first, False)

    @pytest.mark.parametrize(
        "changes", [{"quantity": Decimal(11)}, {"symbol": "X"}, {"limit_price": Decimal(1)}]
    )
    def test_the_same_id_for_something_else_is_refused(
        self, broker: ScriptedBroker, changes: dict[str, Any]
    ) -> None:
        account, ticket = AccountFactory(), a_ticket(wire_id="A-1")
        place(account, ticket)

        with pytest.raises(OrderIdTaken):
            place(account, a_ticket(wire_id="A-1", **changes))

    def test_the_same_id_in_another_account_is_another_order(self, broker: ScriptedBroker) -> None:
        place(AccountFactory(), a_ticket(wire_id="A-1"))

        assert place(AccountFactory(), a_ticket(wire_id="A-1"))[1]

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"symbol": ""}, "symbol"),
            ({"quantity": Decimal(0)}, "quantity"),
            ({"quantity": Decimal(-1)}, "quantity"),
            ({"quantity": Decimal("NaN")}, "quantity"),
            ({"quantity": Decimal("sNaN")}, "quantity"),
            ({"quantity": Decimal("Infinity")}, "quantity"),
            ({"quantity": Decimal("1e999999")}, "quantity"),
            ({"quantity": Decimal("1e-999999")}, "quantity"),
            ({"quantity": Decimal("0.0000000001")}, "quantity"),
            ({"limit_price": None}, "limit_price"),
            ({"limit_price": Decimal(-1)}, "limit_price"),
            ({"limit_price": Decimal("NaN")}, "limit_price"),
            ({"stop_price": Decimal(1)}, "stop_price"),
            ({"wire_id": ""}, "client_order_id"),
            ({"wire_id": "x" * 129}, "client_order_id"),
            ({"wire_id": "a b"}, "client_order_id"),
            ({"wire_id": "é"}, "client_order_id"),
            ({"wire_id": "a\0"}, "client_order_id"),
            ({"wire_id": "\ud800"}, "client_order_id"),
        ],
        ids=repr,
    )
    def test_refuses_what_no_broker_could_act_on_and_names_the_field(
        self, broker: ScriptedBroker, changes: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(BadTicket) as refused:
            place(AccountFactory(), a_ticket(**changes))

        assert refused.value.field == field
        assert not Order.objects.exists()

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"limit_price": Decimal("99.505")}, Reason.INVALID_PRICE_INCREMENT),
            ({"limit_price": None}, Reason.MISSING_FIELD),
            ({"wire_id": "x" * 129}, Reason.CLIENT_ORDER_ID_TOO_LONG),
            ({"wire_id": "a b"}, Reason.INVALID_CLIENT_ORDER_ID),
            ({"take_profit": TakeProfit(limit_price=Decimal(110))}, Reason.UNWANTED_FIELD),
        ],
        ids=repr,
    )
    def test_tells_programs_the_canonical_reason(
        self, broker: ScriptedBroker, changes: dict[str, Any], reason: Reason
    ) -> None:
        with pytest.raises(BadTicket) as refused:
            place(AccountFactory(), a_ticket(**changes))

        assert refused.value.code == reason.value

    def test_refuses_an_account_that_takes_none(self, broker: ScriptedBroker) -> None:
        with pytest.raises(AccountClosed):
            place(AccountFactory(is_open=False), a_ticket())
        with pytest.raises(AccountClosed):
            place(AccountFactory(halted_at=timezone.now()), a_ticket())


@pytest.mark.django_db(transaction=True)
def test_twenty_clicks_at_once_place_one_order(broker: ScriptedBroker) -> None:
    account, ticket = AccountFactory(), a_ticket()
    start, placed = threading.Barrier(20), []

    def click() -> None:
        try:
            start.wait()
            placed.append(place(account, ticket))
        finally:
            connections.close_all()

    clicks = [threading.Thread(target=click) for _ in range(20)]
    for one in clicks:
        one.start()
    for one in clicks:
        one.join()

    assert len(placed) == 20
    assert len({order.id for order, _ in placed}) == 1
    assert sum(is_new for _, is_new in placed) == 1


@pytest.mark.django_db
class TestWireId:
    """A broker is told the client's id where it can carry that, and else one of ours for it."""

    def test_is_the_clients_own_where_it_fits(self, broker: ScriptedBroker) -> None:
        order, _ = place(AccountFactory(), a_ticket(wire_id="strategy-7"))

        assert order.wire_id == order.client_order_id == "strategy-7"

    def test_is_ours_where_it_does_not_and_the_same_on_every_try(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        terms = with_changes(PASSPORT, wire_id_pattern=r"[A-Za-z0-9_-]+", wire_id_length=36)
        monkeypatch.setattr(registry, "passport", lambda name: terms)
        account = AccountFactory()
        name = "strategy.7/" + "x" * 60

        order, is_new = place(account, a_ticket(wire_id=name))
        again, is_new_again = place(account, a_ticket(wire_id=name))

        assert (again, is_new, is_new_again) == (order, True, False)
        assert order.client_order_id == name
        assert order.ticket().wire_id == order.wire_id
        assert terms.fits(order.wire_id)
        assert is_of_this_desk(order.wire_id)
