from __future__ import annotations

from django.db import models
from django.db.models import Q

from orders.models.account import Account
from orders.models.facts import Heard
from orders.models.order import Order


class ParkedFact(models.Model):
    """A fact that names an order we do not know yet: a fill can beat the answer to its own order.

    It is taken in by the transaction in which an order learns that broker id.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    broker_order_id = models.CharField(max_length=128)
    digest = models.CharField(max_length=64)
    kind = models.CharField(max_length=8)  # snapshot or fill
    said = models.JSONField()
    heard = models.CharField(max_length=8, choices=Heard)
    heard_at = models.DateTimeField()
    evidence = models.CharField(max_length=64, blank=True)
    taken_by = models.ForeignKey(Order, on_delete=models.PROTECT, null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["account", "digest"], name="parked_once"),
        ]
        indexes = [
            models.Index(
                fields=["account", "broker_order_id"],
                name="parked_waiting",
                condition=Q(taken_by__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.broker_order_id}"
