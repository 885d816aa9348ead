"""The door from Celery to the deliveries that wait, in and out."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task
from django.conf import settings

from orders import timing
from orders.ringing import ring
from webhooks import delivering, leasing, notifying, quarantining, understanding


@shared_task
def understand(*, directly: bool = False) -> None:  # noqa: ARG001 — it is always done right here
    """Take in what waits. Rung for by the door, and called by beat for what no bell was heard."""
    understanding.understand_waiting(now=timing.database_now())


@shared_task
def tidy(*, directly: bool = False) -> None:  # noqa: ARG001
    """Say of each delivery and endpoint what has become of it meanwhile. Called by beat."""
    now = timing.database_now()
    understanding.note_known_since(now=now)
    quarantining.tidy(now=now)


@shared_task
def call_bridge(*, directly: bool = False) -> None:  # noqa: ARG001
    """Say to the launcher whether there are streams to be kept. Called by beat."""
    wanted = settings.DESK_DATA / "stream.wanted"
    if leasing.any_wanted():
        wanted.touch()
    else:
        wanted.unlink(missing_ok=True)


@shared_task
def notify(*, directly: bool = False) -> None:
    """Make notices of what happened, and have those that are due delivered. Called by beat."""
    notifying.notice_incidents(now=timing.database_now())
    for notice_id in delivering.due(now=timing.database_now()):
        if directly or not ring(deliver, str(notice_id)):
            delivering.deliver(notice_id)


@shared_task
def deliver(notice_id: str) -> None:
    delivering.deliver(UUID(notice_id))
