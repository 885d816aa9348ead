"""Reads deliveries again, whatever became of them the first time: without news, nothing changes.

For dead letters after a repair, and for anyone who wants to see that a range of
deliveries tells nothing that the desk does not have.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import structlog
from django.db import OperationalError, transaction
from django.db.models import QuerySet

from orders import alarming
from orders.models import Incident
from orders.recording import LearnedMeanwhile
from webhooks.models import Delivery
from webhooks.understanding import DATABASE_TROUBLE, Outcome, is_collision, take_in

log = structlog.get_logger(__name__)

State = Delivery.State


@dataclass(slots=True)
class Replayed:
    """What came of reading again. `failed` names each that can't be understood, and why."""

    read: int = 0
    news: int = 0
    revived: int = 0  # dead before, and no longer
    failed: dict[int, str] = field(default_factory=dict)


def replay(deliveries: QuerySet[Delivery], *, now: datetime) -> Replayed:
    """Read deliveries again, in their order, one transaction each.

    What they tell counts once, so without news no order, no record and no feed
    changes. One that was understood stays so, even if it can't be read any
    more. Those that still wait for their first time are left out.
    """
    result = Replayed()
    ids = deliveries.exclude(state=State.KEPT).values_list("id", flat=True)
    for delivery_id in list(ids):
        result.read += 1
        try:
            _replay(delivery_id, result, now=now)
        except DATABASE_TROUBLE:
            raise
        except Exception as error:
            log.exception("replay_failed", delivery=delivery_id)
            result.failed[delivery_id] = repr(error)[:500]
    return result


def _replay(delivery_id: int, result: Replayed, *, now: datetime) -> None:
    while True:
        try:
            with transaction.atomic():
                delivery = (
                    Delivery.objects.select_for_update(of=("self",))
                    .select_related("endpoint__account")
                    .get(id=delivery_id)
                )
                was = delivery.state
                outcome = take_in(delivery, now=now, heard_at=delivery.received_at)
                _note(delivery, outcome, now=now)
        except LearnedMeanwhile:
            continue
        except OperationalError as trouble:
            if not is_collision(trouble):
                raise
            continue
        break
    result.news += outcome.news
    if outcome.state == State.DEAD:
        result.failed[delivery_id] = outcome.note
    elif was == State.DEAD:
        result.revived += 1


def _note(delivery: Delivery, outcome: Outcome, *, now: datetime) -> None:
    """Write down what became of a delivery, where it is more than was known."""
    was = delivery.state
    if outcome.state == State.DEAD and was != State.DEAD:
        return
    if not outcome.news and (outcome.state, outcome.event) == (was, delivery.event):
        return
    delivery.state, delivery.event, delivery.note = outcome.state, outcome.event, outcome.note
    delivery.failures, delivery.try_at, delivery.understood_at = 0, None, now
    delivery.save(update_fields=["state", "event", "note", "failures", "try_at", "understood_at"])
    if was == State.DEAD and delivery.state != State.DEAD:
        _settle_if_last(delivery, now=now)


def _settle_if_last(delivery: Delivery, *, now: datetime) -> None:
    if delivery.endpoint.deliveries.filter(state=State.DEAD).exists():
        return
    alarming.settle(
        Incident.Kind.DEAD_LETTER,
        subject=delivery.endpoint.place,
        outcome="Every dead letter has been understood by now.",
        now=now,
    )
