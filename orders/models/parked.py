from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import Q

from orders.models.account import Account
from orders.models.facts import Heard
from orders.models.frozen import frozen, keep_all
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
        triggers = [
            frozen(
                "id",
                "account_id",
                "broker_order_id",
                "digest",
                "kind",
                "said",
                "heard",
                "heard_at",
                "evidence",
                name="as_it_came",
            ),
            pgtrigger.Trigger(
                name="taken_once",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                func="""
                    IF OLD.taken_by_id IS NOT NULL
                       AND OLD.taken_by_id IS DISTINCT FROM NEW.taken_by_id THEN
                        RAISE EXCEPTION 'taken_once: parked fact % was taken in', OLD.id;
                    END IF;
                    RETURN NEW;
                """,
            ),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            keep_all(),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.broker_order_id}"
