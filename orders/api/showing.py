"""How things are shown: what each answer holds. The schema is read off these."""

from __future__ import annotations

from typing import Any

from django.db.models import OuterRef, Subquery
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from brokers.vocabulary import Environment, ExecutionKind, OrderType, Side, Status, TimeInForce
from orders.api.fields import Amount, Choice, Moment
from orders.models import Account, AuditEvent, Incident, Inquiry, Order, Severity
from orders.models.facts import Heard
from orders.models.order import OrderQuerySet, OrderSource
from orders.states import OPEN_MUTATION, AttemptKind, AttemptState, Submission


class Shown(serializers.Serializer[Any]):
    """Something in an answer."""


class OrderShown(Shown):
    """An order on its two axes: `submission` is the desk's word, `status` the broker's.

    `status` is null until the broker has spoken. `in_doubt` says that the order was sent and
    nobody knows yet whether the broker has it: it may be live, so don't enter it again.
    """

    id = serializers.UUIDField()
    account_id = serializers.UUIDField()
    client_order_id = serializers.CharField()
    broker_order_id = serializers.CharField(allow_null=True)
    symbol = serializers.CharField()
    side = Choice(Side)
    quantity = Amount()
    order_type = Choice(OrderType)
    time_in_force = Choice(TimeInForce)
    limit_price = Amount(allow_null=True)
    stop_price = Amount(allow_null=True)
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
    leaves_quantity = Amount()
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
    executed_at = Moment()
    heard = Choice(Heard.values, help_text="How the desk came to know.")
    heard_at = Moment()


class ExecutionPage(Shown):
    """One page of executions, the latest to become known first."""

    executions = ExecutionShown(many=True)
    next_cursor = serializers.CharField(allow_null=True, help_text="null on the last page.")


class IncidentShown(Shown):
    """Something that a person must know of. It ends when `closed_at` is set."""

    id = serializers.IntegerField()
    kind = Choice(Incident.Kind.values)
    severity = Choice(Severity.values)
    order_id = serializers.UUIDField(allow_null=True)
    says = serializers.CharField()
    opened_at = Moment()
    last_seen_at = Moment()
    seen = serializers.IntegerField(help_text="How often the same trouble came up meanwhile.")
    owner = serializers.CharField(source="owner.username", default=None, allow_null=True)
    acknowledged_at = Moment(allow_null=True)
    acknowledged_by = serializers.CharField(
        source="acknowledged_by.username", default=None, allow_null=True
    )
    closed_at = Moment(allow_null=True)
    outcome = serializers.CharField(help_text="How it ended.")


class IncidentPage(Shown):
    """One page of incidents, newest first."""

    incidents = IncidentShown(many=True)
    next_cursor = serializers.CharField(allow_null=True, help_text="null on the last page.")


class EventShown(Shown):
    """One row of the audit: what was done or came to be known, by whom, on what evidence."""

    sequence = serializers.IntegerField(help_text="Within the account's chain.")
    at = Moment()
    actor_kind = Choice(AuditEvent.ActorKind.values)
    actor_id = serializers.CharField()
    actor_name = serializers.CharField()
    request_id = serializers.CharField()
    ip = serializers.CharField(allow_null=True)
    action = serializers.CharField()
    before = serializers.DictField()
    after = serializers.DictField()
    reason = serializers.CharField()
    evidence = serializers.ListField(
        child=serializers.CharField(), help_text="Such as attempt:12, execution:40."
    )
    hash = serializers.CharField(help_text="Seals this row and the one before.")


class CallShown(Shown):
    """What was said to a broker and what came back, redacted."""

    id = serializers.IntegerField()
    method = serializers.CharField()
    url = serializers.CharField()
    took_ms = serializers.IntegerField(allow_null=True)
    answer_status = serializers.IntegerField(allow_null=True)
    answer_body = serializers.CharField()
    failure = serializers.CharField(help_text="What broke, when no whole answer came.")
    note = serializers.CharField(help_text="What it was taken to mean.")


class AttemptShown(CallShown):
    """One request armed for the broker, and the answer as it came."""

    kind = Choice(AttemptKind.values)
    number = serializers.IntegerField()
    wire_id = serializers.CharField()
    state = Choice(AttemptState.values)
    armed_at = Moment()
    ended_at = Moment(allow_null=True)
    request_body = serializers.CharField()


class InquiryShown(CallShown):
    """One time the desk asked the broker about the order, and what it said."""

    path = serializers.CharField(help_text="Which way it asked.")
    result = Choice(Inquiry.Result.values)
    asked_at = Moment()


class SnapshotShown(Shown):
    """What the broker said of the order at one moment, as it came."""

    id = serializers.IntegerField()
    broker_order_id = serializers.CharField()
    broker_version = serializers.IntegerField()
    status = Choice(Status)
    raw_status = serializers.CharField()
    cumulative = Amount()
    average_price = Amount(allow_null=True)
    reason = serializers.CharField()
    raw = serializers.CharField()
    heard = Choice(Heard.values)
    heard_at = Moment()
    evidence = serializers.CharField()


class StoryShown(Shown):
    """Everything the desk has on one order: each change, and the facts it rests on."""

    order = OrderShown()
    events = EventShown(many=True)
    attempts = AttemptShown(many=True)
    inquiries = InquiryShown(many=True)
    snapshots = SnapshotShown(many=True)
    executions = ExecutionShown(many=True)


class FeedShown(Shown):
    """How well the desk hears the account's broker."""

    heard_at = Moment(allow_null=True, help_text="The broker last answered.")
    took_ms = serializers.IntegerField(allow_null=True)
    pushed_at = Moment(allow_null=True, help_text="It last told something unasked.")
    silent_since = Moment(allow_null=True, help_text="The desk's requests fail since then.")
    failure = serializers.CharField()


class BalanceShown(Shown):
    """The broker's own figures."""

    cash = Amount()
    buying_power = Amount()
    equity = Amount()
    currency = serializers.CharField()


class AccountShown(Shown):
    """One account at one broker."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    broker = serializers.CharField()
    environment = Choice(Environment)
    open = serializers.BooleanField(source="is_open", help_text="Takes new orders.")
    halted_at = Moment(allow_null=True)
    halt_reason = serializers.CharField()
    feed = FeedShown()


class AccountWithBalance(AccountShown):
    """One account, with the broker's own figures where the broker answers in time."""

    balance = BalanceShown(allow_null=True)
    balance_error = serializers.CharField(allow_null=True)


class AccountList(Shown):
    """The accounts of a key: one."""

    accounts = AccountShown(many=True)


class PositionShown(Shown):
    """What the account holds of one symbol, by the desk's own executions. Short is negative."""

    symbol = serializers.CharField()
    quantity = Amount()
    average_price = Amount(allow_null=True, help_text="Of what is held; null when flat.")
    realized = Amount(help_text="Profit or loss of what was closed.")


class HoldingShown(Shown):
    """What the broker says the account holds of one symbol."""

    symbol = serializers.CharField()
    quantity = Amount()
    average_price = Amount(allow_null=True)


class PositionList(Shown):
    """Positions twice: by the desk's own books, and by the broker's where it answers in time."""

    positions = PositionShown(many=True)
    broker_positions = HoldingShown(many=True, allow_null=True)
    broker_error = serializers.CharField(allow_null=True)


class ErrorShown(Shown):
    """Why the desk declines."""

    code = serializers.CharField(help_text="For programs; never changes.")
    message = serializers.CharField(help_text="For people; may change.")
    field = serializers.CharField(required=False, help_text="The input at fault, if one is.")
    request_id = serializers.CharField()


def orders_of(account: Account) -> OrderQuerySet:
    """Return an account's orders, each with the id of the order that takes its place."""
    successors = Order.objects.filter(replaces=OuterRef("pk"), submission__in=OPEN_MUTATION).values(
        "id"
    )[:1]
    return Order.objects.filter(account=account).annotate(successor_id=Subquery(successors))
