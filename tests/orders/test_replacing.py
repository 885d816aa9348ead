"""A replace is a submission of its own, and never makes the two of them too large."""

from __future__ import annotations

from dataclasses import replace as with_changes
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from brokers.errors import OutcomeUnknown
from brokers.vocabulary import TimeInForce
from orders import actors, connecting, placing, replacing, sending
from orders.errors import BadTicket, NotReplaceable, OrderIdTaken
from orders.models import Order
from orders.states import Submission
from tests.factories import OrderFactory, a_ticket
from tests.fakes import ScriptedBroker

pytestmark = pytest.mark.django_db

ANA = actors.component("ana")


def replace(order: Order, **changes: Any) -> Order:
    terms: dict[str, Any] = {"client_order_id": "R-1", "quantity": Decimal(20)} | changes
    new, _ = replacing.replace(order, source="api", actor=ANA, now=timezone.now(), **terms)
    return new


class TestReplace:
    def test_sends_what_is_left_of_the_new_total(self, broker: ScriptedBroker) -> None:
        order = OrderFactory(part_filled=True)

        new = replace(order, quantity=Decimal(20), limit_price=Decimal(101))
        sending.send(new.id)

        [(target, ticket, filled)] = broker.replaced
        assert (target, filled) == (order.broker_order_id, Decimal(4))
        assert (ticket.wire_id, ticket.quantity, ticket.limit_price) == ("R-1", 16, 101)
        new.refresh_from_db()
        assert (new.submission, new.replaces) == (Submission.ACCEPTED, order)
        assert new.attempts.get().kind == "replace"

    def test_for_the_day_has_no_date_any_more(self, broker: ScriptedBroker) -> None:
        until = timezone.now() + timedelta(days=2)
        order = OrderFactory(working=True, time_in_force=TimeInForce.GTD, expires_at=until)

        new = replace(order, time_in_force=TimeInForce.GTC)
        sending.send(new.id)

        assert (new.time_in_force, new.expires_at) == (TimeInForce.GTC, None)
        [(_, ticket, _)] = broker.replaced
        assert (ticket.time_in_force, ticket.expires_at) == (TimeInForce.GTC, None)

    @pytest.mark.parametrize("standing", ["part_filled", "claims"])
    def test_that_could_trade_twice_is_not_asked_for(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch, standing: str
    ) -> None:
        unsure = with_changes(
            connecting.registry.passport("scripted"), replaces_partly_filled=False
        )
        monkeypatch.setattr(connecting, "passport", lambda _account: unsure)
        claims = {"working": True, "status": "partially_filled"}  # of trades that nobody has told
        order = OrderFactory(**(claims if standing == "claims" else {"part_filled": True}))

        with pytest.raises(NotReplaceable, match="partly filled"):
            replace(order)

        untouched = OrderFactory(working=True)
        assert replace(untouched, client_order_id="R-2").replaces == untouched

    def test_repeated_is_the_same_replace(self, broker: ScriptedBroker) -> None:
        order = OrderFactory(working=True)

        assert replace(order) == replace(order)
        with pytest.raises(OrderIdTaken):
            replace(order, quantity=Decimal(21))

    def test_is_blocked_if_more_filled_before_it_left(self, broker: ScriptedBroker) -> None:
        order = OrderFactory(working=True)
        new = replace(order)
        Order.objects.filter(id=order.id).update(filled_quantity=4, filled_value=1, average_price=1)

        sending.send(new.id)

        new.refresh_from_db()
        assert (new.submission, new.submission_code) == (Submission.BLOCKED, "filled_meanwhile")
        assert broker.replaced == []

    def test_one_at_a_time(self, broker: ScriptedBroker) -> None:
        order = OrderFactory(working=True)
        replace(order)

        with pytest.raises(NotReplaceable, match="still open"):
            replace(order, client_order_id="R-2", quantity=Decimal(30))

    def test_none_on_top_of_one_in_doubt(self, broker: ScriptedBroker) -> None:
        order = OrderFactory(working=True)
        new = replace(order)
        broker.script = [OutcomeUnknown("silence")]
        sending.send(new.id)

        new.refresh_from_db()
        assert new.submission == Submission.UNKNOWN
        with pytest.raises(NotReplaceable):
            replace(order, client_order_id="R-2")

    @pytest.mark.parametrize("trait", ["unknown", "sending", "filled", "canceled", "refused"])
    def test_only_of_an_order_that_works(self, broker: ScriptedBroker, trait: str) -> None:
        with pytest.raises(NotReplaceable):
            replace(OrderFactory(**{trait: True}))

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"quantity": Decimal(4)}, "quantity"),
            ({"quantity": Decimal("NaN")}, "quantity"),
            ({"quantity": Decimal("1e999999")}, "quantity"),
            ({"quantity": Decimal("1e-10")}, "quantity"),
            ({"limit_price": Decimal(0)}, "limit_price"),
            ({"stop_price": Decimal(1)}, "stop_price"),
            ({"quantity": None}, None),
            ({"client_order_id": "two words"}, "client_order_id"),
            ({"client_order_id": "\0"}, "client_order_id"),
            ({"client_order_id": ""}, "client_order_id"),
        ],
    )
    def test_refuses_bad_terms_and_names_the_field(
        self, broker: ScriptedBroker, changes: dict[str, Any], field: str | None
    ) -> None:
        order = OrderFactory(part_filled=True)

        with pytest.raises(BadTicket) as refused:
            replace(order, **changes)

        assert refused.value.field == field
        assert Order.objects.count() == 1

    def test_refuses_what_the_broker_can_not_change(
        self, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stubborn = with_changes(broker.passport, replaceable=frozenset({"quantity"}))
        monkeypatch.setattr(connecting, "passport", lambda account: stubborn)
        order = OrderFactory(working=True)

        with pytest.raises(BadTicket) as refused:
            replace(order, limit_price=Decimal(98))

        assert (refused.value.field, refused.value.code) == ("limit_price", "not_replaceable")
        replace(order, quantity=Decimal(12))


class TestPlace:
    def test_an_id_of_a_replace_is_taken(self, broker: ScriptedBroker) -> None:
        order = OrderFactory(working=True)
        new = replace(order)

        with pytest.raises(OrderIdTaken):
            placing.place(
                order.account,
                a_ticket(wire_id="R-1", quantity=new.quantity),
                source="api",
                actor=ANA,
                now=timezone.now(),
            )
