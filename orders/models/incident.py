from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.db.models import Q

from orders.models.account import Account
from orders.models.frozen import frozen, keep_all
from orders.models.order import Order


class Severity(models.TextChoices):
    CRITICAL = "critical", "Critical"  # money may be at risk now: a person must look
    WARNING = "warning", "Warning"  # something is not as it should be, and is being dealt with
    NOTICE = "notice", "Notice"  # worth knowing


class IncidentKind(models.TextChoices):
    DOUBT = "doubt", "In doubt for too long"
    CONFLICT = "conflict", "Another order under our id"
    REVIVED = "revived", "Turned up after all"
    DENIED = "denied", "The broker denies an order it had"
    UNPROTECTED = "unprotected", "A position without its protection"
    OVERSOLD = "oversold", "Protected twice over: more closed than was held"
    OVERFILL = "overfill", "More filled than ordered"
    FILL_ON_REJECTED = "fill_on_rejected", "Filled though rejected"
    TERMINAL_CONFLICT = "terminal_conflict", "Contradicting last words"
    DISPUTED = "disputed", "A trade told in two ways"
    FILLS_MISSING = "fills_missing", "Fills missing"
    LOST_INTENT = "lost_intent", "An order of ours that we have no record of"
    EXTERNAL = "external", "Orders entered elsewhere"
    UNREADABLE = "unreadable", "An order that can't be taken over"
    AUTH_REFUSED = "auth_refused", "Credentials refused"
    FEED_SILENT = "feed_silent", "News does not come by itself"
    DEAD_LETTER = "dead_letter", "A delivery that can't be understood"
    UNVERIFIED = "unverified", "Deliveries that no secret signed"
    RESTORED = "restored", "The database is not the one we left"
    BREAK = "break", "Ours and theirs differ"


class IncidentQuerySet(models.QuerySet["Incident"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> IncidentQuerySet:
        """Return what concerns the whole desk, and what concerns accounts granted to a person."""
        if not user.pk:
            return self.none()
        granted = Account.objects.visible_to(user)
        return self.filter(Q(account__isnull=True) | Q(account__in=granted))

    def open(self) -> IncidentQuerySet:
        return self.filter(closed_at__isnull=True)


class Incident(models.Model):
    """Something that a person must know of: what, how bad, whose it is, and who has seen it.

    One row stands for one trouble: while it is open, the same trouble seen again
    counts up `seen`. `orders.alarming` writes it; nothing deletes it.
    """

    Kind = IncidentKind

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, null=True, blank=True, related_name="incidents"
    )  # null: it concerns the whole desk
    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, null=True, blank=True, related_name="incidents"
    )
    kind = models.CharField(max_length=20, choices=IncidentKind)
    severity = models.CharField(max_length=8, choices=Severity)
    subject = models.CharField(max_length=200)  # what makes it this trouble and no other
    says = models.TextField()
    evidence = models.CharField(max_length=64, blank=True)
    opened_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    seen = models.PositiveIntegerField(default=1)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="incidents",
    )
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    closed_at = models.DateTimeField(null=True, blank=True)
    outcome = models.TextField(blank=True)  # how it ended

    objects = IncidentQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"],
                condition=Q(closed_at__isnull=True),
                name="incident_open_once",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=IncidentKind.values), name="incident_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(severity__in=Severity.values), name="incident_severity_known"
            ),
            models.CheckConstraint(
                condition=Q(acknowledged_at__isnull=True, acknowledged_by__isnull=True)
                | Q(acknowledged_at__isnull=False, acknowledged_by__isnull=False),
                name="incident_acknowledged_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True) | ~Q(outcome=""),
                name="incident_closed_with_outcome",
            ),
        ]
        indexes = [
            models.Index(
                fields=["account", "-id"], name="incident_open", condition=Q(closed_at__isnull=True)
            ),
        ]
        triggers = [
            frozen("id", "account_id", "order_id", "kind", "subject", "opened_at"),
            pgtrigger.Trigger(
                name="stays_closed",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                func="""
                    IF OLD.closed_at IS NOT NULL
                       AND NEW.closed_at IS DISTINCT FROM OLD.closed_at THEN
                        RAISE EXCEPTION 'stays_closed: incident % has ended', OLD.id;
                    END IF;
                    IF OLD.acknowledged_at IS NOT NULL AND
                       (NEW.acknowledged_at, NEW.acknowledged_by_id)
                       IS DISTINCT FROM (OLD.acknowledged_at, OLD.acknowledged_by_id) THEN
                        RAISE EXCEPTION 'stays_closed: incident % was acknowledged', OLD.id;
                    END IF;
                    RETURN NEW;
                """,
            ),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            keep_all(),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.subject}"
