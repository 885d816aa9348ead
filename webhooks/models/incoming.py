"""Where deliveries arrive, and every delivery as it came."""

from __future__ import annotations

import json
import secrets as random
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from orders import secrets
from orders.ids import uuid7
from orders.models import Account
from orders.models.frozen import frozen, keep_all


def new_token() -> str:
    return random.token_hex(16)  # 128 bits: nobody finds an endpoint by trying


def once(column: str, *, name: str) -> pgtrigger.Trigger:
    """Refuse to change a moment once it is set: what has ended does not begin again."""
    return pgtrigger.Trigger(
        name=name,
        when=pgtrigger.Before,
        operation=pgtrigger.Update,
        func=f"""
            IF OLD.{column} IS NOT NULL AND OLD.{column} IS DISTINCT FROM NEW.{column} THEN
                RAISE EXCEPTION '{name}: % of % has ended', OLD.id, TG_TABLE_NAME;
            END IF;
            RETURN NEW;
        """,
    )


class Origin(models.TextChoices):
    WEBHOOK = "webhook", "Webhook"  # the broker comes to us: each delivery proves who sent it
    STREAM = (
        "stream",
        "Stream",
    )  # we went to the broker: the connection proves who speaks


STREAM_NAMED = "stream-"


def new_stream_name() -> str:
    """Return what a stream has in place of a token: no address leads to it."""
    return STREAM_NAMED + random.token_hex(12)


class Endpoint(models.Model):
    """One address that one account's broker delivers to; or its stream, which has no address."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="endpoints")
    token = models.CharField(max_length=32, unique=True, default=new_token)
    origin = models.CharField(
        max_length=7, choices=Origin, default=Origin.WEBHOOK, db_default="webhook"
    )
    created_at = models.DateTimeField()
    decommissioned_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                # The door knows addresses of hexadecimal digits, and no others.
                condition=(Q(origin="webhook") & ~Q(token__startswith=STREAM_NAMED))
                | Q(origin="stream", token__startswith=STREAM_NAMED),
                name="endpoint_stream_has_no_address",
            ),
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(origin="stream", decommissioned_at__isnull=True),
                name="endpoint_one_stream",
            ),
        ]
        triggers = [
            frozen("id", "account_id", "token", "origin", "created_at"),
            once("decommissioned_at", name="stays_decommissioned"),
        ]

    def __str__(self) -> str:
        name = "stream" if self.origin == Origin.STREAM else f"…{self.token[-4:]}"
        return f"{self.account}, {name}"

    @property
    def place(self) -> str:
        return f"endpoint:{self.id}"


class EndpointSecret(models.Model):
    """A secret the broker signs with. Two may be active at once, so that one can be rotated."""

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="secrets")
    slot = models.PositiveSmallIntegerField(default=1)  # two of them: so no third is active
    sealed = models.TextField()
    created_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True, blank=True)
    # The last delivery, some seconds late, that it signed and no newer one: without any since
    # long, it can be retired.
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "slot"],
                condition=Q(retired_at__isnull=True),
                name="secret_two_active",
            ),
            models.CheckConstraint(condition=Q(slot__in=[1, 2]), name="secret_slot_known"),
        ]
        triggers = [
            frozen("id", "endpoint_id", "slot", "created_at"),
            once("retired_at", name="stays_retired"),
        ]

    def __str__(self) -> str:
        return f"secret {self.pk} of {self.endpoint_id}"

    @classmethod
    def seal(cls, endpoint: Endpoint, value: str, **fields: object) -> EndpointSecret:
        """Return an unsaved secret, sealed for its endpoint."""
        return cls(endpoint=endpoint, sealed=secrets.seal(value, place=endpoint.place), **fields)

    @property
    def place(self) -> str:
        return f"endpoint:{self.endpoint_id}"

    def unseal(self) -> str:
        """Raises orders.secrets.SecretUnreadable."""
        return secrets.unseal(self.sealed, place=self.place)


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
    # Not before, null: at once. Of a parked one, when it was last looked at again.
    try_at = models.DateTimeField(null=True, blank=True)
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
            models.Index(
                fields=["endpoint"],
                name="delivery_unsettled",
                condition=Q(state__in=["parked", "dead"]),
            ),
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


class Reception(models.Model):
    """How deliveries fare at an endpoint. Apart from it, as it changes all the time."""

    endpoint = models.OneToOneField(
        Endpoint, on_delete=models.CASCADE, primary_key=True, related_name="reception"
    )
    turned_away = models.PositiveBigIntegerField(default=0)  # in all: no active secret signed them
    not_kept = models.PositiveBigIntegerField(default=0)  # of these, too many at once to quarantine
    # When the last few of them came, oldest first: so many within a minute are an incident.
    turned_away_at = ArrayField(models.DateTimeField(), default=list, blank=True)

    def __str__(self) -> str:
        return f"Reception of {self.endpoint_id}"


class Quarantined(models.Model):
    """A delivery turned away, as no active secret signed it, and kept for a while all the same.

    It has no effect whatever. If the secret was mistyped here, it can be
    verified again under the right one. Bounded: the oldest go.
    """

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="quarantined")
    digest = models.BinaryField(max_length=32)  # sha256 of the body
    headers = models.JSONField(default=dict)  # redacted
    proof = models.TextField()  # the headers as they came, sealed: a signature is among them
    body = models.BinaryField()
    size = models.PositiveIntegerField()  # of headers and body, in bytes
    why = models.TextField()
    received_at = models.DateTimeField()
    # Retries of it are not kept beside it. The latest one's proof is: it may be the only good one,
    # signed with a newer secret or a fresher stamp, or the first may have been.
    seen = models.PositiveIntegerField(default=1)
    last_seen_at = models.DateTimeField()
    last_proof = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "quarantined deliveries"
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "digest"], name="quarantined_once"),
        ]
        triggers = [
            frozen(
                *("id", "endpoint_id", "digest", "headers", "proof", "body", "size"),
                *("why", "received_at"),
                name="as_it_came",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.size} bytes to {self.endpoint_id}"

    @property
    def place(self) -> str:
        return f"quarantine:{self.endpoint_id}"

    def seal_proof(self, headers: Mapping[str, str]) -> None:
        """Keep the headers as they first came."""
        self.proof = self._sealed(headers)

    def seal_last_proof(self, headers: Mapping[str, str]) -> None:
        """Keep the headers of the latest retry."""
        self.last_proof = self._sealed(headers)

    def copies(self) -> Iterator[tuple[dict[str, str], datetime]]:
        """Yield the headers of its first copy and of its last, each with when that one came.

        One that no key of ours opens any more is left out.
        """
        for sealed, at in (self.proof, self.received_at), (self.last_proof, self.last_seen_at):
            if sealed:
                with suppress(secrets.SecretUnreadable):
                    yield json.loads(secrets.unseal(sealed, place=self.place)), at

    def _sealed(self, headers: Mapping[str, str]) -> str:
        return secrets.seal(json.dumps(dict(headers)), place=self.place)
