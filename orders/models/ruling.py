from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q

from orders.models.frozen import frozen, keep_all
from orders.models.order import Order


class Ruling(models.Model):
    """A person's word on an order in doubt, where no machine may conclude anything.

    It rests on the broker's own words, given with its ticket number. Above the
    account's threshold it counts only once a second person has confirmed it.
    """

    class Verdict(models.TextChoices):
        ABSENT = "absent", "The broker does not have it"
        FOUND = "found", "The broker has it"

    class State(models.TextChoices):
        PROPOSED = "proposed", "Waits for a second person"
        CARRIED_OUT = "carried_out", "Carried out"
        DROPPED = "dropped", "Dropped"

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="rulings")
    verdict = models.CharField(max_length=8, choices=Verdict)
    broker_order_id = models.CharField(max_length=128, blank=True)  # of the order found
    reason = models.TextField()
    broker_ticket = models.CharField(max_length=100)  # the broker's number for our question
    state = models.CharField(max_length=12, choices=State, default=State.PROPOSED)
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    proposed_at = models.DateTimeField()
    needs_second = models.BooleanField()
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    confirmed_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["order"], condition=Q(state="proposed"), name="ruling_one_proposed"
            ),
            models.CheckConstraint(
                condition=Q(verdict__in=["absent", "found"]), name="ruling_verdict_known"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["proposed", "carried_out", "dropped"]),
                name="ruling_state_known",
            ),
            models.CheckConstraint(
                condition=~Q(reason="") & ~Q(broker_ticket=""), name="ruling_has_grounds"
            ),
            models.CheckConstraint(
                condition=Q(verdict="found") & ~Q(broker_order_id="")
                | Q(verdict="absent", broker_order_id=""),
                name="ruling_found_names_the_order",
            ),
            models.CheckConstraint(
                condition=Q(confirmed_by__isnull=True) | ~Q(confirmed_by=F("proposed_by")),
                name="ruling_second_is_another",
            ),
            models.CheckConstraint(
                condition=~Q(state="carried_out")
                | Q(needs_second=False)
                | Q(confirmed_by__isnull=False, confirmed_at__isnull=False),
                name="ruling_second_before_carried_out",
            ),
        ]
        triggers = [
            frozen(
                "id",
                "order_id",
                "verdict",
                "broker_order_id",
                "reason",
                "broker_ticket",
                "proposed_by_id",
                "proposed_at",
                "needs_second",
            ),
            pgtrigger.Trigger(
                name="ruled_once",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                func="""
                    IF OLD.state <> 'proposed' THEN
                        RAISE EXCEPTION 'ruled_once: ruling % has ended', OLD.id;
                    END IF;
                    RETURN NEW;
                """,
            ),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            keep_all(),
        ]

    def __str__(self) -> str:
        return f"{self.get_verdict_display()}: {self.order_id}"
