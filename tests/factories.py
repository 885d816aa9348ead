"""People, accounts and orders by trait. What needs a history gets it by the desk's own doors."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import factory
from django.contrib.auth import get_user_model
from django.utils import timezone

from brokers.messages import Ticket
from brokers.vocabulary import Environment, OrderType, Side, Status, TimeInForce
from orders import actors, placing
from orders.ids import uuid7
from orders.models import Account, Feed, Grant, Order, Role
from orders.states import Submission

User = get_user_model()


class UserFactory(factory.django.DjangoModelFactory[Any]):
    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"trader{n}")
    password = factory.django.Password("correct horse battery")


class AccountFactory(factory.django.DjangoModelFactory[Account]):
    """An account at the scripted broker. `trader=user` and `viewer=user` grant it."""

    class Meta:
        model = Account
        skip_postgeneration_save = True

    id = factory.LazyFunction(uuid7)
    name = factory.Sequence(lambda n: f"Account {n}")
    broker = "scripted"
    environment = Environment.PAPER
    base_url = "http://scripted"
    created_at = factory.LazyFunction(timezone.now)

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> Account:
        account: Account = model_class(*args, **kwargs)
        account.seal_credentials({"key": "k", "secret": "s"})
        account.save(force_insert=True)
        Feed.objects.create(account=account)
        return account

    @factory.post_generation
    def trader(self, create: bool, extracted: Any, **kwargs: Any) -> None:
        if extracted:
            Grant.objects.create(account=self, user=extracted, role=Role.TRADER)

    @factory.post_generation
    def viewer(self, create: bool, extracted: Any, **kwargs: Any) -> None:
        if extracted:
            Grant.objects.create(account=self, user=extracted, role=Role.VIEWER)


class OrderFactory(factory.django.DjangoModelFactory[Order]):
    """An order as a row, without its history: for lists, pages and constraints."""

    class Meta:
        model = Order

    class Params:
        working = factory.Trait(
            submission=Submission.ACCEPTED,
            status=Status.NEW,
            raw_status="new",
            broker_order_id=factory.LazyAttribute(lambda order: f"B-{order.wire_id}"),
        )
        part_filled = factory.Trait(
            working=True,
            status=Status.PARTIALLY_FILLED,
            raw_status="partially_filled",
            filled_quantity=Decimal(4),
            filled_value=Decimal(398),
            average_price=Decimal("99.50"),
            claimed_quantity=Decimal(4),
        )
        filled = factory.Trait(
            working=True,
            status=Status.FILLED,
            raw_status="filled",
            filled_quantity=Decimal(10),
            filled_value=Decimal(995),
            average_price=Decimal("99.50"),
            claimed_quantity=Decimal(10),
        )
        canceled = factory.Trait(working=True, status=Status.CANCELED, raw_status="canceled")
        rejected = factory.Trait(
            working=True, status=Status.REJECTED, raw_status="rejected", reason="No such luck."
        )
        sending = factory.Trait(submission=Submission.SENDING)
        unknown = factory.Trait(
            submission=Submission.UNKNOWN, submission_reason="No answer: silence for 20 s."
        )
        refused = factory.Trait(
            submission=Submission.REFUSED,
            submission_code="insufficient_buying_power",
            submission_reason="Not enough buying power.",
        )

    account = factory.SubFactory(AccountFactory)
    client_order_id = factory.Sequence(lambda n: f"C-{n}")
    wire_id = factory.SelfAttribute("client_order_id")
    symbol = "ACME"
    side = Side.BUY
    quantity = Decimal(10)
    order_type = OrderType.LIMIT
    limit_price = Decimal("99.50")
    time_in_force = TimeInForce.DAY
    source = "page"
    placed_at = factory.LazyFunction(timezone.now)
    submit_by = factory.LazyAttribute(lambda order: order.placed_at + timedelta(minutes=5))
    submission_at = factory.SelfAttribute("placed_at")
    changed_at = factory.SelfAttribute("placed_at")


def a_ticket(**changes: Any) -> Ticket:
    """Return a ticket with a fresh id: buy 10 ACME at 99.50, for the day."""
    terms: dict[str, Any] = {
        "wire_id": str(uuid7()),
        "symbol": "ACME",
        "side": Side.BUY,
        "quantity": Decimal(10),
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.DAY,
        "limit_price": Decimal("99.50"),
    }
    return Ticket(**(terms | changes))


ANA = actors.component("ana")


def place(account: Account | None = None, **changes: Any) -> Order:
    """Place an order by the desk's own door, and return it as recorded. Nothing is sent."""
    order, _ = placing.place(
        account or AccountFactory(),
        a_ticket(**changes),
        source="api",
        actor=ANA,
        now=timezone.now(),
    )
    return order
