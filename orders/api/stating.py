"""How an account is shown: its balance and positions, and what is wrong with it."""

from __future__ import annotations

from rest_framework import serializers

from brokers.vocabulary import Environment
from orders.api.fields import Amount, Choice, Moment
from orders.api.showing import Shown
from orders.models import Incident, Severity


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
