from __future__ import annotations

from django.db import models
from django.db.models import Q

from brokers.messages import Snapshot
from brokers.vocabulary import Side, Status
from orders.models.facts import Heard
from orders.models.frozen import grow_only
from orders.models.order import Order, words


class SnapshotFact(models.Model):
    """What a broker said of an order at one moment. Kept as it came; never edited."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="snapshots")
    digest = models.CharField(max_length=64)
    broker_order_id = models.CharField(max_length=128)
    broker_version = models.BigIntegerField()
    sequence = models.BigIntegerField(default=0)
    quantity = models.DecimalField(max_digits=36, decimal_places=18, null=True, blank=True)
    status = models.CharField(max_length=20, choices=words(Status))
    raw_status = models.CharField(max_length=500)
    cumulative = models.DecimalField(max_digits=36, decimal_places=18)
    average_price = models.DecimalField(max_digits=36, decimal_places=18, null=True, blank=True)
    # Of a trailing stop: where it stood then, and the best price it had seen.
    stop_price = models.DecimalField(max_digits=36, decimal_places=18, null=True, blank=True)
    high_water_mark = models.DecimalField(max_digits=36, decimal_places=18, null=True, blank=True)
    replaces = models.CharField(max_length=500, blank=True)
    replaced_by = models.CharField(max_length=500, blank=True)
    reason = models.TextField(blank=True)
    raw = models.TextField(blank=True)
    heard = models.CharField(max_length=8, choices=Heard)
    heard_at = models.DateTimeField()
    evidence = models.CharField(max_length=64, blank=True)  # such as attempt:12, delivery:40

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["order", "digest"], name="snapshot_once"),
            models.CheckConstraint(
                condition=Q(status__in=list(Status)), name="snapshot_status_known"
            ),
        ]
        triggers = grow_only()

    def __str__(self) -> str:
        return f"{self.raw_status} of {self.order_id}"

    def message(self) -> Snapshot:
        """Return the fact as the broker's message, for `orders.deriving`."""
        return Snapshot(
            broker_order_id=self.broker_order_id,
            wire_id="",
            symbol="",
            side=Side.BUY,
            quantity=self.quantity,
            status=Status(self.status),
            raw_status=self.raw_status,
            cumulative=self.cumulative,
            average_price=self.average_price,
            version=self.broker_version,
            sequence=self.sequence,
            stop_price=self.stop_price,
            high_water_mark=self.high_water_mark,
            replaces=self.replaces,
            replaced_by=self.replaced_by,
            reason=self.reason,
        )
