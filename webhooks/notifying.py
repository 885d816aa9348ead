"""Makes notices of what subscribers are to be told: every incident, as it comes up and as it ends.

They are read off the incidents themselves, so an interruption can lose none: a notice is made once,
whoever looks and however often.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Q

from orders.models import Incident
from webhooks.models import Notice, Subscription

# Incidents that have a name of their own; every other one is an incident.
EVENTS = {
    Incident.Kind.UNPROTECTED: ("position.unprotected", "position.protected"),
    Incident.Kind.OVERSOLD: ("position.oversold", "position.oversold.closed"),
}
OTHERS = ("incident.raised", "incident.closed")
LOOKED_BACK = timedelta(minutes=10)  # transactions commit later than they were begun


def notice_incidents(*, now: datetime) -> int:
    """Make the notices that are still to be made. Returns how many."""
    made = 0
    for subscription in Subscription.objects.filter(ended_at__isnull=True):
        for incident, event, about in _untold(subscription, now=now):
            _, is_new = Notice.objects.get_or_create(
                subscription=subscription,
                about=about,
                defaults={
                    "event": event,
                    "body": json.dumps(_body(incident, event, now=now)),
                    "made_at": now,
                    "due_at": now,
                },
            )
            made += is_new
    return made


def _untold(subscription: Subscription, *, now: datetime) -> Iterator[tuple[Incident, str, str]]:
    """Yield an account's incidents that came up, came up again or ended of late."""
    since = max(subscription.created_at, now - LOOKED_BACK)
    known = set(
        subscription.notices.filter(made_at__gte=since - LOOKED_BACK).values_list(
            "about", flat=True
        )
    )
    lately = Q(last_seen_at__gte=since) | Q(closed_at__gte=since)
    for incident in Incident.objects.filter(lately, account_id=subscription.account_id):
        raised, closed = EVENTS.get(Incident.Kind(incident.kind), OTHERS)
        name = f"incident:{incident.id}"
        # Of a position that lacks its protection, it is told again and again.
        said = f"{name}:{incident.seen}" if incident.kind in EVENTS else f"{name}:raised"
        if incident.last_seen_at >= since and said not in known:
            yield incident, raised, said
        if incident.closed_at is not None and f"{name}:closed" not in known:
            yield incident, closed, f"{name}:closed"


def _body(incident: Incident, event: str, *, now: datetime) -> dict[str, object]:
    """Return what is told: in Standard Webhooks' shape, amounts and times as strings."""
    return {
        "type": event,
        "timestamp": now.isoformat(),
        "data": {
            "incident_id": incident.id,
            "kind": incident.kind,
            "severity": incident.severity,
            "account_id": str(incident.account_id),
            "order_id": str(incident.order_id) if incident.order_id else None,
            "says": incident.says,
            "seen": incident.seen,
            "opened_at": incident.opened_at.isoformat(),
            "closed_at": incident.closed_at.isoformat() if incident.closed_at else None,
            "outcome": incident.outcome,
        },
    }
