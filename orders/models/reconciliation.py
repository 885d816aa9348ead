from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from orders.models.account import Account
from orders.models.frozen import frozen, grow_only, keep_all


class Reconciliation(models.Model):
    """One comparison of an account's books with its broker's. Kept as it was found."""

    class Occasion(models.TextChoices):
        END_OF_DAY = "end_of_day", "End of day"
        ON_DEMAND = "on_demand", "On demand"

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="reconciliations")
    occasion = models.CharField(max_length=12, choices=Occasion)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    since = models.DateTimeField()  # orders and executions from here on were compared
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    failure = models.TextField(blank=True)  # why it could not be done, or not whole
    orders_ours = models.PositiveIntegerField(default=0)
    orders_theirs = models.PositiveIntegerField(default=0)
    executions_ours = models.PositiveIntegerField(default=0)
    executions_theirs = models.PositiveIntegerField(default=0)
    positions_ours = models.PositiveIntegerField(default=0)
    positions_theirs = models.PositiveIntegerField(default=0)
    breaks = models.JSONField(default=list)  # each: what, name, ours, theirs, first_seen_at
    doubts = models.JSONField(default=list)  # orders in doubt: name, says, since
    lines = models.JSONField(default=list)  # ours beside theirs: what, name, ours, theirs, agrees

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(occasion__in=["end_of_day", "on_demand"]),
                name="reconciliation_occasion_known",
            ),
        ]
        indexes = [models.Index(fields=["account", "-id"], name="reconciliation_newest")]
        triggers = grow_only()

    def __str__(self) -> str:
        return f"{self.account_id} at {self.ended_at}"

    @property
    def has_verdict(self) -> bool:
        """Whether the broker answered; what moved while it was read may still have none."""
        counted = (
            self.orders_ours,
            self.orders_theirs,
            self.executions_ours,
            self.executions_theirs,
            self.positions_ours,
            self.positions_theirs,
        )
        return not self.failure or any(counted)


class Break(models.Model):
    """One difference between our books and a broker's, for as long as it lasts."""

    class What(models.TextChoices):
        ORDER = "order", "Order"
        EXECUTION = "execution", "Execution"
        POSITION = "position", "Position"

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="breaks")
    what = models.CharField(max_length=10, choices=What)
    name = models.CharField(max_length=200)  # the order's, execution's or position's name
    broker_order_id = models.CharField(max_length=128, blank=True)  # where to look again
    ours = models.TextField(blank=True)
    theirs = models.TextField(blank=True)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["first_seen_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "what", "name"],
                condition=Q(closed_at__isnull=True),
                name="break_open_once",
            ),
            models.CheckConstraint(
                condition=Q(what__in=["order", "execution", "position"]), name="break_what_known"
            ),
        ]
        triggers = [
            frozen("id", "account_id", "what", "name", "broker_order_id", "first_seen_at"),
            keep_all(),
        ]

    def __str__(self) -> str:
        return f"{self.what} {self.name}"
