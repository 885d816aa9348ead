from __future__ import annotations

from django.db import models
from django.db.models import Q

from orders.models.frozen import grow_only
from orders.models.order import Order


class Inquiry(models.Model):
    """One time we asked a broker about an order, and what it said: kept while in doubt, and
    whenever asking brought news."""

    class Result(models.TextChoices):
        FOUND = "found", "Found"
        ABSENT = "absent", "The broker says it has no such order"
        NO_ANSWER = "no_answer", "No answer that proves anything"

    was_made = True  # not kept: False while there was no room for the request
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="inquiries")
    path = models.CharField(max_length=24)  # which way we asked: by our id, by its id
    result = models.CharField(max_length=10, choices=Result)
    asked_at = models.DateTimeField()
    note = models.TextField(blank=True)
    method = models.CharField(max_length=8, blank=True)
    url = models.TextField(blank=True)
    took_ms = models.PositiveIntegerField(null=True, blank=True)
    answer_status = models.PositiveSmallIntegerField(null=True, blank=True)
    answer_body = models.TextField(blank=True)
    failure = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(result__in=["found", "absent", "no_answer"]),
                name="inquiry_result_known",
            ),
        ]
        triggers = grow_only()

    def __str__(self) -> str:
        return f"{self.path}: {self.result}"
