from __future__ import annotations

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models

from orders.models.frozen import grow_only, keep_all
from orders.models.order import Order


class AuditChain(models.Model):
    """The head of one hash chain: an account's, or the one of security events.

    Its sequence is also the account's number of changes, by which an open page
    notices that it missed one.
    """

    name = models.CharField(max_length=40, primary_key=True)  # an account's id, or "security"
    sequence = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64, default="0" * 64)

    class Meta:
        triggers = [
            pgtrigger.Trigger(
                name="one_by_one",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                func="""
                    IF NEW.name <> OLD.name OR NEW.sequence NOT IN (OLD.sequence, OLD.sequence + 1)
                       OR (NEW.sequence = OLD.sequence AND NEW.hash <> OLD.hash) THEN
                        RAISE EXCEPTION 'one_by_one: the head of % only goes on', OLD.name;
                    END IF;
                    RETURN NEW;
                """,
            ),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            keep_all(),
        ]

    def __str__(self) -> str:
        return f"{self.name} at {self.sequence}"


class AuditEvent(models.Model):
    """One thing that was done or came to be known, by whom, on what evidence."""

    class ActorKind(models.TextChoices):
        PERSON = "person", "Person"
        API_KEY = "api_key", "API key"
        COMPONENT = "component", "Desk"
        BROKER = "broker", "Broker"

    chain = models.CharField(max_length=40)
    sequence = models.BigIntegerField()
    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=10, choices=ActorKind)
    actor_id = models.CharField(max_length=64)
    actor_name = models.CharField(max_length=150)
    request_id = models.CharField(max_length=64, blank=True)
    ip = models.GenericIPAddressField(null=True, blank=True)
    action = models.CharField(max_length=40)
    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, null=True, blank=True, related_name="events"
    )
    subject = models.CharField(max_length=128, blank=True)  # where it is not about an order
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    reason = models.TextField(blank=True)
    evidence = ArrayField(models.CharField(max_length=64), default=list)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["chain", "sequence"], name="audit_sequence_unique"),
        ]
        triggers = grow_only()

    def __str__(self) -> str:
        return f"{self.action} by {self.actor_name}"
