"""How an account is shown: its balance and positions, and what is wrong with it."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from brokers.vocabulary import Environment, Leg, OrderType, Side
from orders.api.fields import Amount, Choice, Moment
from orders.api.showing import OrderShown, Shown
from orders.closing import Closing
from orders.models import Incident, Order, Severity, Stream
from orders.models.stream import StreamState


class StreamShown(Shown):
    """The open connection over which a broker tells its news. Working orders are asked after
    whatever its state, and more often while it is not live.
    """

    state = serializers.SerializerMethodField()
    since = serializers.SerializerMethodField()
    heard_at = Moment(allow_null=True, help_text="It last told something.")
    connects = serializers.IntegerField(help_text="How often it was connected.")
    error = serializers.SerializerMethodField()
    retry_at = Moment(allow_null=True, help_text="It is connected again then.")

    @extend_schema_field(Choice(StreamState.values))
    def get_state(self, stream: Stream) -> str:
        """`live`: connected, and all that was missed before is known; `delayed`: not all yet."""
        return stream.state_at(timezone.now()).value

    @extend_schema_field(Moment())
    def get_since(self, stream: Stream) -> str:
        return Moment().to_representation(stream.since_at(timezone.now()))

    @extend_schema_field({"type": "string"})
    def get_error(self, stream: Stream) -> str:
        """Why it is not live; empty while it is."""
        return stream.failure_at(timezone.now())


class FeedShown(Shown):
    """How well the desk hears the account's broker."""

    heard_at = Moment(allow_null=True, help_text="The broker last answered.")
    took_ms = serializers.IntegerField(allow_null=True)
    pushed_at = Moment(allow_null=True, help_text="It last told something unasked.")
    silent_since = Moment(allow_null=True, help_text="The desk's requests fail since then.")
    failure = serializers.CharField()
    stream = StreamShown(
        allow_null=True, help_text="null where the broker tells its news in another way."
    )


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
    """What the account holds of one symbol, by the desk's own executions. Short is negative.

    Orders that are being sent or in doubt may trade unseen: the position lies from `least` to
    `most`. null there: an order for an amount of money is among them, and no price is known.
    """

    symbol = serializers.CharField()
    side = Choice(("long", "short"), allow_null=True, help_text="null when flat.")
    quantity = Amount()
    least = Amount(allow_null=True)
    most = Amount(allow_null=True)
    in_doubt = serializers.ListField(
        child=serializers.UUIDField(), help_text="The orders that may trade unseen."
    )
    average_price = Amount(allow_null=True, help_text="Of what is held; null when flat.")
    realized = Amount(help_text="Profit or loss of what was closed, before fees.")
    fees = Amount(help_text="Of every trade, those that opened it included.")
    net = Amount(help_text="`realized` less `fees`.")
    broker_quantity = Amount(
        allow_null=True, help_text="By the broker's own count; null if it did not say."
    )
    drift = Amount(
        allow_null=True, help_text="How much the broker's count is above ours; null likewise."
    )


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


class StillOpenShown(Shown):
    """An order that is open in the symbol of a position that is being closed."""

    order_id = serializers.UUIDField(source="id")
    client_order_id = serializers.CharField()
    side = Choice(Side)
    order_type = Choice(OrderType)
    leg = Choice(Leg, allow_null=True)
    leaves_quantity = Amount(allow_null=True)
    would = serializers.SerializerMethodField()
    in_doubt = serializers.BooleanField(source="is_in_doubt")

    @extend_schema_field({"type": "string", "enum": ["close", "increase"]})
    def get_would(self, order: Order) -> str:
        """What it does to the position that is being closed, if it trades."""
        return "close" if order.side == self.context["closing_side"] else "increase"


class ClosingShown(Shown):
    """The order that closes a position, and what else is open in its symbol."""

    order = OrderShown()
    still_open = serializers.SerializerMethodField()

    @extend_schema_field(StillOpenShown(many=True))
    def get_still_open(self, closing: Closing) -> Any:
        """Other open orders of the symbol. They are not touched: cancel them, or mean them."""
        context = {"closing_side": closing.order.side}
        return StillOpenShown(list(closing.still_open), many=True, context=context).data


class OutcomeShown(Shown):
    """What became of the wish to close one position of many: an order, or why there is none."""

    symbol = serializers.CharField()
    closing = ClosingShown(allow_null=True)
    code = serializers.CharField(source="error.code", default=None, allow_null=True)
    message = serializers.CharField(source="error.message", default=None, allow_null=True)
    orders = serializers.ListField(
        source="error.orders",
        default=list,
        child=serializers.UUIDField(),
        help_text="The orders that stand in the way, if any do.",
    )


class OutcomeList(Shown):
    """Every position that was held, and what became of the wish to close it."""

    positions = OutcomeShown(many=True)


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
