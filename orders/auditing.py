"""Writes the record: append-only, one hash chain per account, each row sealing the one before.

A chain's head is locked from the first row written until the commit, so every
other lock a transaction needs must be taken before it writes here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from orders.actors import Actor
from orders.models import AuditChain, AuditEvent

GENESIS = "0" * 64  # what the first row of a chain follows


def write(
    chain: UUID | str,
    *,
    action: str,
    actor: Actor,
    now: datetime,
    order_id: UUID | None = None,
    subject: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
    evidence: Iterable[str] = (),
) -> int:
    """Append one row to a chain and return its sequence. Belongs in the change's transaction."""
    head = _locked(str(chain))
    event = AuditEvent(
        chain=head.name,
        sequence=head.sequence + 1,
        at=now,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=actor.name,
        request_id=actor.request_id,
        ip=actor.ip,
        action=action,
        order_id=order_id,
        subject=subject,
        before=dict(before or {}),
        after=dict(after or {}),
        reason=reason,
        evidence=list(evidence),
        previous_hash=head.hash,
    )
    event.hash = seal(event)
    event.save(force_insert=True)
    head.sequence, head.hash = event.sequence, event.hash
    head.save(update_fields=["sequence", "hash"])
    return event.sequence


def hold(chain: UUID | str) -> str:
    """Lock a chain until this transaction ends, and return its name."""
    return _locked(str(chain)).name


def seal(event: AuditEvent) -> str:
    """Return the hash a row must carry: sha256 of the previous hash and its canonical content."""
    content = [
        event.chain,
        event.sequence,
        event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        event.actor_kind,
        event.actor_id,
        event.actor_name,
        event.request_id,
        event.ip,
        event.action,
        str(event.order_id) if event.order_id else None,
        event.subject,
        event.before,
        event.after,
        event.reason,
        event.evidence,
    ]
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{event.previous_hash}\n{canonical}".encode()).hexdigest()


def first_broken(chain: str) -> AuditEvent | None:
    """Return the first row of a chain that does not follow from the one before, or None."""
    expected_sequence, expected_hash = 1, GENESIS
    for event in AuditEvent.objects.filter(chain=chain).order_by("sequence").iterator():
        if (
            event.sequence != expected_sequence
            or event.previous_hash != expected_hash
            or event.hash != seal(event)
        ):
            return event
        expected_sequence, expected_hash = event.sequence + 1, event.hash
    return None


def flaw(chain: str) -> str | None:
    """Return what is wrong with a chain, in words, or None for one that holds to its head.

    Reads every row. Belongs in a transaction that sees one moment, if the desk is at work.
    """
    broken = first_broken(chain)
    if broken is not None:
        return f"row {broken.sequence} ({broken.action}) does not follow from the one before"
    head = AuditChain.objects.filter(name=chain).values_list("sequence", "hash").first()
    last = (
        AuditEvent.objects.filter(chain=chain)
        .order_by("-sequence")
        .values_list("sequence", "hash")
        .first()
    )
    if (head or (0, GENESIS)) != (last or (0, GENESIS)):
        # The rows before it seal nothing of what came after: only the head tells of a cut-off tail.
        return (
            f"it ends at row {last[0] if last else 0}, and its head says {head[0] if head else 0}"
        )
    return None


def chains() -> list[str]:
    """Return the names of all chains, by their heads and by their rows."""
    heads = AuditChain.objects.values_list("name", flat=True)
    rows = AuditEvent.objects.order_by().values_list("chain", flat=True).distinct()
    return sorted({*heads, *rows})


def _locked(name: str) -> AuditChain:
    heads = AuditChain.objects.select_for_update().filter(name=name)
    head = heads.first()
    if head is None:
        AuditChain.objects.bulk_create([AuditChain(name=name)], ignore_conflicts=True)
        head = heads.get()
    return head
