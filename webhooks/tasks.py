"""The door from Celery to the deliveries that wait."""

from __future__ import annotations

from celery import shared_task

from orders import timing
from webhooks import quarantining, understanding


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
