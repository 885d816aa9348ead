"""Who wants to be told, and what each is still to be told."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import Q

from orders import secrets
from orders.ids import uuid7
from orders.models import Account
from orders.models.frozen import frozen, keep_all
from webhooks.models.incoming import once


class Subscription(models.Model):
    """An address that is told what happens in one account."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="subscriptions")
    url = models.CharField(max_length=500)
    sealed = models.TextField()  # the secret that signs what is sent there
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    why = models.CharField(max_length=200, blank=True)  # it ended

    class Meta:
        ordering = ["-id"]
        triggers = [
            frozen("id", "account_id", "url", "sealed", "created_at"),
            once("ended_at", name="stays_ended"),
        ]

    def __str__(self) -> str:
        return f"{self.url} of {self.account}"

    @property
    def place(self) -> str:
        return f"subscription:{self.id}"

    def seal(self, secret: str) -> None:
        self.sealed = secrets.seal(secret, place=self.place)

    def unseal(self) -> str:
        """Raises orders.secrets.SecretUnreadable."""
        return secrets.unseal(self.sealed, place=self.place)


class Notice(models.Model):
    """One thing that a subscriber is to be told: once, however often it has to be tried."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)  # the webhook-id
    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="notices")
    event = models.CharField(max_length=40)
    about = models.CharField(max_length=100)  # what makes it this notice and no other
    body = models.TextField()  # as it is sent, byte for byte
    made_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True, blank=True)  # null: taken, or given up
    tries = models.PositiveIntegerField(default=0)
    taken_at = models.DateTimeField(null=True, blank=True)
    answer_status = models.PositiveSmallIntegerField(null=True, blank=True)  # of the latest try
    failure = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["subscription", "about"], name="notice_once"),
            models.CheckConstraint(
                condition=Q(taken_at__isnull=True) | Q(due_at__isnull=True),
                name="notice_taken_is_not_due",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], name="notice_due", condition=Q(due_at__isnull=False)),
        ]
        triggers = [
            frozen("id", "subscription_id", "event", "about", "body", "made_at"),
            once("taken_at", name="stays_taken"),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            keep_all(),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.subscription_id}"
