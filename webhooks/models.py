"""Where deliveries arrive, and every delivery as it came."""

from __future__ import annotations

import secrets as random

from django.db import models
from django.db.models import Q

from orders import secrets
from orders.ids import uuid7
from orders.models import Account
from orders.models.frozen import frozen, keep_all


def new_token() -> str:
    return random.token_hex(16)  # 128 bits: nobody finds an endpoint by trying


class Endpoint(models.Model):
    """One address that one account's broker delivers to."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="endpoints")
    token = models.CharField(max_length=32, unique=True, default=new_token)
    created_at = models.DateTimeField()
    decommissioned_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.account}, …{self.token[-4:]}"

    @property
    def place(self) -> str:
        return f"endpoint:{self.id}"


class EndpointSecret(models.Model):
    """A secret the broker signs with. Two may be active at once, so that one can be rotated."""

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="secrets")
    sealed = models.TextField()
    created_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"secret {self.pk} of {self.endpoint_id}"

    @classmethod
    def seal(cls, endpoint: Endpoint, value: str, **fields: object) -> EndpointSecret:
        """Return an unsaved secret, sealed for its endpoint."""
        return cls(endpoint=endpoint, sealed=secrets.seal(value, place=endpoint.place), **fields)

    def unseal(self) -> str:
        """Raises orders.secrets.SecretUnreadable."""
        return secrets.unseal(self.sealed, place=f"endpoint:{self.endpoint_id}")


class Delivery(models.Model):
    """One delivery, verified and kept before it was answered. The bytes are never edited."""

    class State(models.TextChoices):
        KEPT = "kept", "Kept, not yet understood"
        UNDERSTOOD = "understood", "Understood"
        PARKED = "parked", "About an order we do not know yet"
        DEAD = "dead", "Could not be understood"

    endpoint = models.ForeignKey(Endpoint, on_delete=models.PROTECT, related_name="deliveries")
    delivery_id = models.CharField(max_length=255)  # the sender's: the same on every retry
    digest = models.BinaryField(max_length=32)  # sha256 of the body
    headers = models.JSONField(default=dict)  # redacted
    body = models.BinaryField()
    received_at = models.DateTimeField()
    # One id, another body: both are kept and both are taken in, and it is worth a look.
    is_contradicting = models.BooleanField(default=False)

    state = models.CharField(
        max_length=10, choices=State, default=State.KEPT, db_default=State.KEPT
    )
    event = models.CharField(max_length=64, blank=True)
    note = models.TextField(blank=True)
    failures = models.PositiveSmallIntegerField(default=0, db_default=0)
    try_at = models.DateTimeField(null=True, blank=True)  # null: at once
    understood_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "delivery_id", "digest"], name="delivery_once"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["kept", "understood", "parked", "dead"]),
                name="delivery_state_known",
            ),
        ]
        indexes = [
            models.Index(fields=["id"], name="delivery_waiting", condition=Q(state="kept")),
        ]
        triggers = [
            frozen(
                "id",
                "endpoint_id",
                "delivery_id",
                "digest",
                "headers",
                "body",
                "received_at",
                name="as_it_came",
            ),
            keep_all(),
        ]

    def __str__(self) -> str:
        return self.delivery_id
