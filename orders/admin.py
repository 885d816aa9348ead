"""Read-only windows on what the desk keeps. Whoever wants to change something uses the desk."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.http import HttpRequest
from django.utils.functional import cached_property

from orders.models import (
    Account,
    ApiKey,
    Attempt,
    AuditEvent,
    Execution,
    Feed,
    Grant,
    Heartbeat,
    Inquiry,
    Order,
    ParkedFact,
    SnapshotFact,
    Stream,
)

COUNTED = 10_000  # rows a list counts before it says no more than "that many"


class Bounded(Paginator):  # type: ignore[type-arg]
    """Pages through the first ten thousand rows: to count all of a large table takes seconds."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows[:COUNTED].count())


class ReadOnly(admin.options.BaseModelAdmin):  # type: ignore[type-arg]
    """Shows everything and changes nothing."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False


class Window(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """A list and a page for each row, without a button on either."""

    actions = None
    show_full_result_count = False
    paginator = Bounded
    list_per_page = 50


class Rows(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]
    """Rows that belong to the one above."""

    extra = 0
    show_change_link = True
    can_delete = False


class Feeds(Rows):
    model = Feed
    fields = ("heard_at", "took_ms", "pushed_at", "silent_since", "failure")


class Grants(Rows):
    model = Grant
    fields = ("user", "role")


class Attempts(Rows):
    model = Attempt
    fields = ("kind", "number", "state", "armed_at", "answer_status", "took_ms", "note")


class Inquiries(Rows):
    model = Inquiry
    fields = ("asked_at", "path", "result", "answer_status", "note")


class Snapshots(Rows):
    model = SnapshotFact
    fields = ("heard_at", "heard", "raw_status", "status", "cumulative", "broker_version", "reason")


class Executions(Rows):
    model = Execution
    fields = ("executed_at", "execution_id", "kind", "quantity", "price", "heard")


class Events(Rows):
    model = AuditEvent
    fields = ("at", "action", "actor_name", "before", "after", "reason", "evidence")


@admin.register(Account)
class AccountAdmin(Window):
    list_display = ("name", "broker", "environment", "is_open", "halted_at", "created_at")
    list_filter = ("broker", "environment", "is_open")
    search_fields = ("name",)
    exclude = ("credentials",)  # they go in and never come out
    inlines = (Feeds, Grants)


@admin.register(Grant)
class GrantAdmin(Window):
    list_display = ("user", "role", "account")
    list_filter = ("role", "account")
    list_select_related = ("user", "account")


@admin.register(ApiKey)
class ApiKeyAdmin(Window):
    list_display = (
        "name",
        "key",
        "account",
        "may_trade",
        "created_at",
        "last_used_at",
        "revoked_at",
    )
    list_filter = ("account", "may_trade")
    list_select_related = ("account",)
    search_fields = ("key__exact", "name")
    exclude = ("secret_hash",)


@admin.register(Order)
class OrderAdmin(Window):
    list_display = (
        "__str__",
        "account",
        "submission",
        "status",
        "filled_quantity",
        "placed_by",
        "placed_at",
    )
    list_filter = ("account", "submission", "status", "side", "order_type", "source")
    list_select_related = ("account", "placed_by")
    search_fields = (
        "id__exact",
        "client_order_id__exact",
        "broker_order_id__exact",
        "symbol__exact",
    )
    search_help_text = "A whole id (ours, the client's or the broker's), or a symbol."
    inlines = (Attempts, Inquiries, Snapshots, Executions, Events)


@admin.register(Attempt)
class AttemptAdmin(Window):
    list_display = ("order_id", "kind", "number", "state", "armed_at", "answer_status", "took_ms")
    list_filter = ("kind", "state")
    search_fields = ("wire_id__exact",)
    ordering = ("-id",)


@admin.register(Execution)
class ExecutionAdmin(Window):
    list_display = (
        "executed_at",
        "account",
        "side",
        "quantity",
        "symbol",
        "price",
        "kind",
        "heard",
    )
    list_filter = ("account", "kind", "heard")
    list_select_related = ("account",)
    search_fields = ("symbol__exact", "execution_id__exact", "broker_order_id__exact")
    ordering = ("-id",)


@admin.register(SnapshotFact)
class SnapshotAdmin(Window):
    list_display = ("heard_at", "order_id", "raw_status", "status", "cumulative", "heard")
    list_filter = ("heard", "status")
    search_fields = ("broker_order_id__exact",)
    ordering = ("-id",)


@admin.register(AuditEvent)
class AuditEventAdmin(Window):
    list_display = ("at", "action", "actor_name", "order_id", "chain", "sequence")
    list_filter = ("actor_kind",)
    search_fields = ("chain__exact", "action__exact", "actor_name__exact", "order__id__exact")
    ordering = ("-id",)


@admin.register(ParkedFact)
class ParkedFactAdmin(Window):
    list_display = ("broker_order_id", "account", "kind", "heard", "heard_at", "taken_by_id")
    list_filter = ("account", ("taken_by", admin.EmptyFieldListFilter))
    list_select_related = ("account",)
    search_fields = ("broker_order_id__exact",)
    ordering = ("-id",)


@admin.register(Heartbeat)
class HeartbeatAdmin(Window):
    list_display = ("name", "at")


@admin.register(Stream)
class StreamAdmin(Window):
    list_display = ("account", "state", "since", "heard_at", "connects", "failures", "held_until")
    list_filter = ("state",)
    list_select_related = ("account",)
