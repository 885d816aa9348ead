"""Raises incidents: what a person must know of, one row for one trouble, each with an owner.

Like every change, an incident is on the audit chain; the chain is locked first,
so whoever raises one has taken every other lock before.
"""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from orders import announcing, auditing
from orders.actors import Actor, component
from orders.errors import NotClosable
from orders.models import Account, Grant, Incident, Order, Role, Severity

Kind = Incident.Kind
DESK = component("desk")
# These end by themselves, and not before: nobody can close a doubt by saying so.
ENDS_BY_ITSELF = frozenset(
    {Kind.DOUBT, Kind.BREAK, Kind.FEED_SILENT, Kind.UNVERIFIED, Kind.FILLS_MISSING}
)
WIDE = "security"  # the chain of what concerns no one account


def alarm(
    kind: str,
    *,
    account: Account | None,
    says: str,
    now: datetime,
    severity: str = Severity.WARNING,
    order: Order | None = None,
    subject: str = "",
    evidence: str = "",
    actor: Actor = DESK,
) -> Incident:
    """Raise an incident, or count it up if it is open already. Belongs in the change's transaction.

    `subject` says which trouble of its kind it is; without one it is the
    order's, else the account's.
    """
    about = subject or (
        f"order:{order.id}" if order else f"account:{account.id}" if account else ""
    )
    chain = auditing.hold(account.id if account else WIDE)  # before the incident's own row
    known = Incident.objects.filter(kind=kind, subject=about, closed_at__isnull=True).first()
    if known is not None:
        known.seen, known.last_seen_at, known.says = known.seen + 1, now, says
        known.save(update_fields=["seen", "last_seen_at", "says"])
        return known
    incident = Incident.objects.create(
        account=account,
        order=order,
        kind=kind,
        severity=severity,
        subject=about,
        says=says,
        evidence=evidence,
        opened_at=now,
        last_seen_at=now,
        owner=_owner(account, order),
    )
    _record(incident, chain, "incident.raised", actor=actor, now=now, reason=says)
    return incident


def settle(kind: str, *, subject: str, outcome: str, actor: Actor = DESK, now: datetime) -> None:
    """Close an incident because its trouble is over. Harmless if there is none."""
    known = Incident.objects.filter(kind=kind, subject=subject, closed_at__isnull=True).first()
    if known is None:
        return
    chain = auditing.hold(known.account_id or WIDE)
    known.refresh_from_db()  # somebody may have closed it while we waited for the chain
    _close(known, chain, outcome=outcome, actor=actor, now=now)


@transaction.atomic
def acknowledge(incident_id: int, *, user: User, actor: Actor, now: datetime) -> Incident:
    """Note that a person has seen an incident; it is theirs from now on. Repeating is harmless."""
    incident = Incident.objects.get(id=incident_id)
    chain = auditing.hold(incident.account_id or WIDE)
    incident.refresh_from_db()
    if incident.acknowledged_at is None:
        incident.acknowledged_at, incident.acknowledged_by, incident.owner = now, user, user
        incident.save(update_fields=["acknowledged_at", "acknowledged_by", "owner"])
        _record(incident, chain, "incident.acknowledged", actor=actor, now=now)
    return incident


@transaction.atomic
def take(incident_id: int, *, user: User, actor: Actor, now: datetime) -> Incident:
    """Make an incident a person's own. It then is theirs to see through."""
    incident = Incident.objects.get(id=incident_id)
    chain = auditing.hold(incident.account_id or WIDE)
    incident.refresh_from_db()
    if incident.owner_id != user.pk and incident.closed_at is None:
        incident.owner = user
        incident.save(update_fields=["owner"])
        _record(incident, chain, "incident.taken", actor=actor, now=now)
    return incident


@transaction.atomic
def close(incident_id: int, *, outcome: str, actor: Actor, now: datetime) -> Incident:
    """End an incident by a person's word on how it ended. One that has ended stays as it is.

    Raises NotClosable for what ends by itself, and without a word on how it ended.
    """
    incident = Incident.objects.get(id=incident_id)
    if incident.kind in ENDS_BY_ITSELF:
        raise NotClosable("It ends by itself, once its trouble is over.")
    if not outcome.strip():
        raise NotClosable("Say how it ended.", field="outcome")
    chain = auditing.hold(incident.account_id or WIDE)
    incident.refresh_from_db()
    _close(incident, chain, outcome=outcome, actor=actor, now=now)
    return incident


def _close(incident: Incident, chain: str, *, outcome: str, actor: Actor, now: datetime) -> None:
    if incident.closed_at is not None:
        return
    incident.closed_at, incident.outcome = now, outcome
    incident.save(update_fields=["closed_at", "outcome"])
    _record(incident, chain, "incident.closed", actor=actor, now=now, reason=outcome)


def _owner(account: Account | None, order: Order | None) -> User | None:
    """Return who is to see to it: whoever placed the order, else the account's first trader."""
    if order is not None and order.placed_by is not None:
        return order.placed_by
    if account is None:
        return None
    first = (
        Grant.objects.filter(account=account, role=Role.TRADER, user__is_active=True)
        .select_related("user")
        .order_by("id")
        .first()
    )
    return first.user if first else None


def _record(
    incident: Incident, chain: str, action: str, *, actor: Actor, now: datetime, reason: str = ""
) -> None:
    sequence = auditing.write(
        chain,
        action=action,
        actor=actor,
        now=now,
        order_id=incident.order_id,
        subject=f"incident:{incident.id}",
        after={"kind": incident.kind, "severity": incident.severity, "subject": incident.subject},
        reason=reason,
    )
    if incident.account_id is not None:
        announcing.announce(incident.account_id, incident.order_id, sequence=sequence)
