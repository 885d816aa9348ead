"""How orders and executions are shown, and a refusal. The schema is read off what shows them."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import OuterRef, Subquery, UUIDField
from django.db.models.expressions import RawSQL
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from brokers.passport import Strategy
from brokers.vocabulary import (
    ExecutionKind,
    Leg,
    OrderClass,
    OrderType,
    PositionEffect,
    Side,
    Status,
    TimeInForce,
)
from orders.api.fields import Amount, Choice, Moment
from orders.canceling import Became
from orders.models import Account, Order
from orders.models.facts import Heard
from orders.models.order import OrderQuerySet, OrderSource
from orders.states import OPEN_MUTATION, Submission

# Legs stay with the entry they were let out for, whatever took its place since.
LEGS = """
    ARRAY(
        WITH RECURSIVE chain AS (
            SELECT orders_order.id, orders_order.replaces_id
            UNION ALL
            SELECT earlier.id, earlier.replaces_id
              FROM orders_order AS earlier JOIN chain ON earlier.id = chain.replaces_id
        )
        SELECT leg.id FROM orders_order AS leg JOIN chain ON leg.parent_id = chain.id
         ORDER BY leg.id
    )
"""


class Shown(serializers.Serializer[Any]):
    """Something in an answer."""


class ErrorShown(Shown):
    """Why the desk declines."""

    code = serializers.CharField(help_text="For programs; never changes.")
    message = serializers.CharField(help_text="For people; may change.")
    field = serializers.CharField(
        required=False,
        help_text="The input at fault, if one is; with a dot where it is a leg's.",
    )
    orders = serializers.ListField(
        child=serializers.UUIDField(),
        required=False,
        help_text="The orders that stand in the way, if any do.",
    )
    request_id = serializers.CharField()


class TakeProfitShown(Shown):
    """The leg that takes the gain."""

    limit_price = Amount()


class StopLossShown(Shown):
    """The leg that ends the loss: a stop order, or with a limit price a stop limit order."""

    stop_price = Amount()
    limit_price = Amount(allow_null=True)


class OrderShown(Shown):
    """An order on its two axes: `submission` is the desk's word, `status` the broker's.

    `status` is null until the broker has spoken. `in_doubt` says that the order was sent and
    nobody knows yet whether the broker has it: it may be live, so don't enter it again.
    """

    id = serializers.UUIDField()
    account_id = serializers.UUIDField()
    client_order_id = serializers.CharField()
    wire_id = serializers.CharField(
        help_text="What the broker is told: your id if it can carry that, else one of the desk's."
    )
    broker_order_id = serializers.CharField(allow_null=True)
    symbol = serializers.CharField()
    side = Choice(Side)
    quantity = Amount(allow_null=True, help_text="null: it is for an amount of money.")
    notional = Amount(allow_null=True)
    order_type = Choice(OrderType)
    time_in_force = Choice(TimeInForce)
    limit_price = Amount(allow_null=True)
    stop_price = Amount(allow_null=True)
    trail_price = Amount(allow_null=True)
    trail_percent = Amount(allow_null=True)
    trailing_stop_price = Amount(
        allow_null=True, help_text="Where a trailing stop now stands, by the broker's latest word."
    )
    high_water_mark = Amount(allow_null=True, help_text="The best price that it has seen.")
    expires_at = Moment(allow_null=True)
    extended_hours = serializers.BooleanField()
    position_effect = Choice(PositionEffect, allow_null=True)
    order_class = Choice(OrderClass)
    take_profit = TakeProfitShown(source="terms.take_profit", allow_null=True)
    stop_loss = StopLossShown(source="terms.stop_loss", allow_null=True)
    strategy = Choice(
        Strategy,
        allow_null=True,
        help_text="How its legs come to the broker. `native`: with it, in one request."
        " `native_oco`: once it fills, as a pair of which one cancels the other. `pending`: once it"
        " fills, as two orders that the desk keeps together.",
    )
    parent = serializers.UUIDField(  # type: ignore[assignment]
        source="parent_id", allow_null=True, help_text="The order that this one is a leg of."
    )
    leg = Choice(Leg, allow_null=True, help_text="What it is for, as a leg.")
    legs = serializers.SerializerMethodField()
    unprotected_since = Moment(
        allow_null=True,
        help_text="Since then, what it filled lacks its legs, as far as the broker has shown.",
    )
    source = Choice(  # type: ignore[assignment]
        OrderSource.values, help_text="The door it came in by."
    )
    placed_at = Moment()
    submit_by = Moment(help_text="Past this it is not sent any more.")

    submission = Choice(Submission.values)
    submission_at = Moment()
    submission_code = serializers.CharField(
        help_text="Why, for programs, where it went no further."
    )
    submission_reason = serializers.CharField(help_text="Why, for people.")
    in_doubt = serializers.BooleanField(source="is_in_doubt")
    escalated_at = Moment(allow_null=True, help_text="In doubt for so long that a person is asked.")

    status = Choice(Status, allow_null=True)
    raw_status = serializers.CharField(help_text="The broker's own word for it.")
    reason = serializers.CharField(help_text="The broker's own words, for a rejection or the like.")
    filled_quantity = Amount(help_text="The sum of the executions that stand.")
    leaves_quantity = Amount(
        allow_null=True, help_text="null: it is for an amount of money, and nobody knows."
    )
    average_price = Amount(allow_null=True)
    claimed_quantity = Amount(help_text="Filled, as the broker's latest word has it.")
    flags = serializers.ListField(
        source="warnings",
        child=serializers.CharField(),
        help_text="What must not be shown without saying so: fills_missing,"
        " needs_confirm, overfill, terminal_conflict, fill_on_rejected, has_bust, and"
        " second_order: the broker has shown another order under our id.",
    )

    pending_cancel = serializers.SerializerMethodField()
    cancel_requested_at = Moment(allow_null=True)
    cancel_refused = serializers.CharField(help_text="The broker's answer to the latest cancel.")
    replaces = serializers.UUIDField(source="replaces_id", allow_null=True)
    replaces_filled = Amount(
        allow_null=True, help_text="What the replaced order had filled when this one was sized."
    )
    replaced_by = serializers.SerializerMethodField()

    heard_at = Moment(allow_null=True, help_text="When the broker last spoke of it.")
    next_check_at = Moment(
        source="look_at", allow_null=True, help_text="When the desk next attends to it."
    )
    updated_at = Moment(source="changed_at")
    version = serializers.IntegerField(help_text="Grows with every change of what is shown here.")

    @extend_schema_field({"type": "array", "items": {"type": "string", "format": "uuid"}})
    def get_legs(self, order: Order) -> list[str]:
        """The orders that protect what it fills, or what those filled whose place it took. Ended
        ones are among them."""
        return [str(leg) for leg in getattr(order, "leg_ids", ())]

    def get_pending_cancel(self, order: Order) -> bool:
        return order.cancel_requested_at is not None and not order.has_ended

    @extend_schema_field({"type": ["string", "null"], "format": "uuid"})
    def get_replaced_by(self, order: Order) -> str | None:
        """The order that takes its place, or is to: one at most."""
        successor = getattr(order, "successor_id", None)
        return str(successor) if successor else None


class OrderPage(Shown):
    """One page of orders, the newest first."""

    orders = OrderShown(many=True)
    next_cursor = serializers.CharField(allow_null=True, help_text="null on the last page.")


class CanceledShown(Shown):
    """One order of many, and what became of the wish to cancel it."""

    order_id = serializers.UUIDField(source="order.id")
    client_order_id = serializers.CharField(source="order.client_order_id")
    symbol = serializers.CharField(source="order.symbol")
    side = Choice(Side, source="order.side")
    became = Choice(
        Became,
        help_text="`withdrawn`: it never left the desk. `asked`: the broker is asked, and has the"
        " last word. `on_sight`: it may be live unseen, and is cancelled once it is found."
        " `too_late`: it had ended. `failed`: the desk could not record the wish; ask again.",
    )
    why = serializers.CharField()
    submission = Choice(Submission.values, source="order.submission")
    status = Choice(Status, source="order.status", allow_null=True)
    filled_quantity = Amount(source="order.filled_quantity")


class CanceledList(Shown):
    """The orders that were open, in the order in which they were cancelled."""

    orders = CanceledShown(many=True)


class ExecutionShown(Shown):
    """One trade, or the venue's later word on it: `bust` undoes it, `correct` amends it."""

    id = serializers.IntegerField()
    account_id = serializers.UUIDField()
    order_id = serializers.UUIDField()
    broker_order_id = serializers.CharField()
    execution_id = serializers.CharField(help_text="The broker's id for the trade.")
    trade_date = serializers.DateField()
    kind = Choice(ExecutionKind)
    revision = serializers.IntegerField()
    symbol = serializers.CharField()
    side = Choice(Side)
    quantity = Amount()
    price = Amount()
    fee = Amount(help_text="What the broker took for it.")
    executed_at = Moment()
    heard = Choice(Heard.values, help_text="How the desk came to know.")
    heard_at = Moment()


class ExecutionPage(Shown):
    """One page of executions, the latest to become known first."""

    executions = ExecutionShown(many=True)
    next_cursor = serializers.CharField(allow_null=True, help_text="null on the last page.")


def orders_of(account: Account) -> OrderQuerySet:
    """Return an account's orders, each with the ids of its legs and of what takes its place."""
    successors = Order.objects.filter(replaces=OuterRef("pk"), submission__in=OPEN_MUTATION)
    return Order.objects.filter(account=account).annotate(
        successor_id=Subquery(successors.values("id")[:1]),
        leg_ids=RawSQL(LEGS, [], output_field=ArrayField(UUIDField())),  # noqa: S611 — no input
    )
