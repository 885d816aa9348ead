"""How an order's story is shown: each change, and what was said and heard."""

from __future__ import annotations

from rest_framework import serializers

from brokers.vocabulary import Status
from orders.api.fields import Amount, Choice, Moment
from orders.api.showing import ExecutionShown, OrderShown, Shown
from orders.models import AuditEvent, Inquiry
from orders.models.facts import Heard
from orders.states import AttemptKind, AttemptState


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
    stop_price = Amount(allow_null=True, help_text="Where a trailing stop stood.")
    high_water_mark = Amount(allow_null=True, help_text="The best price that it had seen.")
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
