"""Read-only windows on endpoints, and on every delivery as it came."""

from __future__ import annotations

from django.contrib import admin
from django.utils.html import format_html

from orders.admin import Window
from webhooks.models import Delivery, Endpoint


@admin.register(Endpoint)
class EndpointAdmin(Window):
    list_display = ("__str__", "account", "created_at", "decommissioned_at")
    list_filter = ("account",)
    list_select_related = ("account",)
    exclude = ("token",)  # whoever knows it may at least knock


@admin.register(Delivery)
class DeliveryAdmin(Window):
    list_display = ("received_at", "delivery_id", "endpoint", "event", "state", "failures")
    list_filter = ("state", "is_contradicting", "endpoint__account")
    list_select_related = ("endpoint__account",)
    search_fields = ("delivery_id__exact",)
    exclude = ("body", "digest")
    readonly_fields = ("text", "sha256")

    @admin.display(description="Body")
    def text(self, delivery: Delivery) -> str:
        """Show the bytes as text, whatever they are."""
        return format_html("<pre>{}</pre>", bytes(delivery.body).decode(errors="replace"))

    @admin.display(description="SHA-256 of the body")
    def sha256(self, delivery: Delivery) -> str:
        return bytes(delivery.digest).hex()
