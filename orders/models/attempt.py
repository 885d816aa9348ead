from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import Q

from orders.models.frozen import frozen, in_sql, keep_all, steps
from orders.models.order import Order
from orders.states import ATTEMPT_NEXT, MAY_FOLLOW, AttemptKind, AttemptState

LIVE = [AttemptState.SENDING, AttemptState.ACCEPTED, AttemptState.UNKNOWN]


class Attempt(models.Model):
    """One request armed for a broker, and the answer as it came: the ledger of what we sent.

    The row exists, committed, before the first byte leaves. A submission may
    have a second attempt only on top of proof that the first never arrived.
    """

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="attempts")
    kind = models.CharField(max_length=8, choices=AttemptKind)
    number = models.PositiveIntegerField()  # counted per order and kind
    wire_id = models.CharField(max_length=128)
    state = models.CharField(max_length=10, choices=AttemptState, default=AttemptState.SENDING)
    armed_at = models.DateTimeField()
    lease_until = models.DateTimeField()  # past this, whoever armed it is taken for dead
    ended_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True)  # what the answer was taken to mean

    # The conversation, redacted.
    method = models.CharField(max_length=8, blank=True)
    url = models.TextField(blank=True)
    request_body = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    took_ms = models.PositiveIntegerField(null=True, blank=True)
    answer_status = models.PositiveSmallIntegerField(null=True, blank=True)
    answer_body = models.TextField(blank=True)
    failure = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["order", "kind", "number"], name="attempt_numbered"),
            models.UniqueConstraint(
                fields=["order"],
                condition=~Q(kind=AttemptKind.CANCEL) & Q(state__in=LIVE),
                name="attempt_one_live",
            ),
            models.UniqueConstraint(
                fields=["order"],
                condition=Q(kind=AttemptKind.CANCEL, state=AttemptState.SENDING),
                name="attempt_one_cancel_in_flight",
            ),
            models.CheckConstraint(
                condition=Q(state__in=AttemptState.values), name="attempt_state_known"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=AttemptKind.values), name="attempt_kind_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["lease_until"],
                name="attempt_lease",
                condition=Q(state=AttemptState.SENDING),
            ),
        ]
        triggers = [
            frozen("id", "order_id", "kind", "number", "wire_id", "armed_at", "lease_until"),
            steps("state", {s.value: sorted(ATTEMPT_NEXT[s]) for s in AttemptState}),
            pgtrigger.Trigger(
                name="on_proof_only",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func=f"""
                    IF NEW.state <> 'sending' THEN
                        RAISE EXCEPTION 'on_proof_only: an attempt begins as sending';
                    END IF;
                    IF NEW.kind = 'cancel' THEN
                        RETURN NEW;
                    END IF;
                    PERFORM 1 FROM orders_order
                      WHERE id = NEW.order_id AND wire_id = NEW.wire_id AND submission = 'sending';
                    IF NOT FOUND THEN
                        RAISE EXCEPTION
                            'on_proof_only: order % is not claimed under this wire id',
                            NEW.order_id;
                    END IF;
                    PERFORM 1 FROM orders_attempt
                      WHERE order_id = NEW.order_id AND kind <> 'cancel'
                        AND state NOT IN ({in_sql(MAY_FOLLOW)});
                    IF FOUND OR NEW.number <> 1 + (
                        SELECT count(*) FROM orders_attempt
                        WHERE order_id = NEW.order_id AND kind <> 'cancel'
                    ) THEN
                        RAISE EXCEPTION
                            'on_proof_only: attempt % of order % has no proof to stand on',
                            NEW.number, NEW.order_id;
                    END IF;
                    RETURN NEW;
                """,  # noqa: S608 — every word put in is ours
            ),
            pgtrigger.Trigger(
                name="answer_once",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                # The same answer may be recorded again, by whoever did not hear of the commit.
                func="""
                    IF OLD.method <> '' AND
                       (OLD.method, OLD.url, OLD.request_body, OLD.started_at, OLD.took_ms,
                        OLD.answer_status, OLD.answer_body, OLD.failure) IS DISTINCT FROM
                       (NEW.method, NEW.url, NEW.request_body, NEW.started_at, NEW.took_ms,
                        NEW.answer_status, NEW.answer_body, NEW.failure) THEN
                        RAISE EXCEPTION 'answer_once: what was said on attempt % is kept', OLD.id;
                    END IF;
                    RETURN NEW;
                """,
            ),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            keep_all(),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.number} of {self.order_id}"
