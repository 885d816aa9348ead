"""Read-only windows on endpoints, on every delivery as it came, and on what was turned away."""

from __future__ import annotations

from django.contrib import admin
from django.utils.html import format_html

from orders.admin import Rows, Window
from webhooks.models import (
    Delivery,
    Endpoint,
    EndpointSecret,
    Notice,
    Quarantined,
    Reception,
    Subscription,
)


class Secrets(Rows):
    model = EndpointSecret
    fields = ("id", "slot", "created_at", "last_used_at", "retired_at")
    show_change_link = False


class Receptions(Rows):
    model = Reception
    fields = ("turned_away", "not_kept", "turned_away_at")
    show_change_link = False


@admin.register(Endpoint)
class EndpointAdmin(Window):
    list_display = ("__str__", "account", "origin", "created_at", "decommissioned_at")
    list_filter = ("origin", "account")
    list_select_related = ("account",)
    exclude = ("token",)  # whoever knows it may at least knock
    inlines = (Secrets, Receptions)


@admin.register(Delivery)
class DeliveryAdmin(Window):
    list_display = ("received_at", "delivery_id", "endpoint", "event", "state", "failures")
    list_filter = ("state", "endpoint__origin", "is_contradicting", "endpoint__account")
    list_select_related = ("endpoint__account",)
    search_fields = ("delivery_id__exact",)
    exclude = ("body", "digest")
    readonly_fields = ("text", "sha256")

    @admin.display(description="Body")
    def text(self, delivery: Delivery) -> str:
        """Show the bytes as text, whatever they are."""
        return _as_text(delivery.body)

    @admin.display(description="SHA-256 of the body")
    def sha256(self, delivery: Delivery) -> str:
        return bytes(delivery.digest).hex()


@admin.register(Quarantined)
class QuarantinedAdmin(Window):
    list_display = ("received_at", "endpoint", "why", "size", "seen", "last_seen_at")
    list_filter = ("endpoint__account",)
    list_select_related = ("endpoint__account",)
    exclude = ("body", "digest", "proof", "last_proof")
    readonly_fields = ("text",)

    @admin.display(description="Body")
    def text(self, stray: Quarantined) -> str:
        """Show the bytes as text. Nobody knows who wrote them."""
        return _as_text(stray.body)


@admin.register(Subscription)
class SubscriptionAdmin(Window):
    list_display = ("url", "account", "created_at", "ended_at", "why")
    list_filter = ("account",)
    list_select_related = ("account",)
    exclude = ("sealed",)


@admin.register(Notice)
class NoticeAdmin(Window):
    list_display = ("made_at", "event", "subscription", "tries", "taken_at", "answer_status")
    list_filter = ("event", "subscription__account")
    list_select_related = ("subscription__account",)


def _as_text(body: bytes | memoryview) -> str:
    return format_html("<pre>{}</pre>", bytes(body).decode(errors="replace"))
