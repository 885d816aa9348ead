"""Reads kept deliveries and tells the desk what they say: one transaction each, in any order."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Q

from brokers import registry
from brokers.errors import Unreadable
from orders import recording
from orders.models.facts import Heard
from orders.recording import LearnedMeanwhile
from webhooks.models import Delivery

log = structlog.get_logger(__name__)

State = Delivery.State
TRIES = 5  # then it is set aside, and the queue goes on
AT_ONCE = 500  # deliveries a worker takes before it lets others have the thread


def understand_waiting(*, now: datetime) -> int:
    """Take in every delivery that waits, oldest first. Returns how many were dealt with.

    Several may do this at the same time: each delivery is one worker's.
    """
    for dealt_with in range(AT_ONCE):
        if not _next(now):
            return dealt_with
    return AT_ONCE


def understand(delivery: Delivery, *, now: datetime) -> None:
    """Take in one delivery, again if need be: what it says counts once. Wants a transaction."""
    account = delivery.endpoint.account
    try:
        told = registry.BROKERS[account.broker].adapter.read_webhook(bytes(delivery.body))
    except Unreadable as error:
        log.error("delivery_unreadable", delivery=delivery.id, error=str(error))  # noqa: TRY400
        _close(delivery, State.DEAD, note=f"Unreadable: {error}", now=now)
        return
    heeded = recording.heed_within(
        account,
        told.report,
        heard=Heard.WEBHOOK,
        evidence=f"delivery:{delivery.id}",
        now=now,
    )
    delivery.event = told.event[:64]
    if heeded.parked and not heeded.orders:
        _close(
            delivery, State.PARKED, note="It is about an order this desk does not know.", now=now
        )
    else:
        _close(delivery, State.UNDERSTOOD, note="" if heeded.news else "Nothing new.", now=now)


def _next(now: datetime) -> bool:
    """Deal with the delivery that has waited longest. Returns False if none waits."""
    try:
        with transaction.atomic():
            delivery = (
                Delivery.objects.select_for_update(of=("self",), skip_locked=True)
                .select_related("endpoint__account")
                .filter(Q(try_at__isnull=True) | Q(try_at__lte=now), state=State.KEPT)
                .order_by("id")
                .first()
            )
            if delivery is None:
                return False
            try:
                with transaction.atomic():
                    understand(delivery, now=now)
            except LearnedMeanwhile:
                raise
            except Exception as error:
                log.exception("delivery_failed", delivery=delivery.id)
                _put_off(delivery, error, now=now)
    except LearnedMeanwhile:
        pass  # the transaction is gone and the delivery still waits: it comes round again
    return True


def _put_off(delivery: Delivery, error: Exception, *, now: datetime) -> None:
    delivery.failures += 1
    delivery.note = repr(error)[:500]
    if delivery.failures >= TRIES:
        delivery.state = State.DEAD
    delivery.try_at = now + timedelta(seconds=2**delivery.failures)
    delivery.save(update_fields=["failures", "note", "state", "try_at"])


def _close(delivery: Delivery, state: str, *, note: str, now: datetime) -> None:
    delivery.state, delivery.note, delivery.understood_at = state, note, now
    delivery.save(update_fields=["state", "note", "event", "understood_at"])
