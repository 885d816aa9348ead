"""Halts accounts and releases them: a halted account sends nothing new; cancels still go out.

The halt takes the account's row, which every claim shares until its commit: once a halt is
committed, no claim commits after it.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from orders import announcing, auditing
from orders.actors import Actor
from orders.models import Account


@transaction.atomic
def halt(account_id: UUID, *, reason: str, actor: Actor, now: datetime) -> bool:
    """Stop an account from sending anything new. Returns False if it is halted already.

    The first reason stands: it is what somebody has to see to.
    """
    halted = Account.objects.filter(id=account_id, halted_at__isnull=True).update(
        halted_at=now, halt_reason=reason
    )
    if halted:
        sequence = auditing.write(
            account_id, action="account.halted", actor=actor, now=now, reason=reason
        )
        announcing.announce(account_id, None, sequence=sequence)
    return bool(halted)


@transaction.atomic
def release(account_id: UUID, *, reason: str, actor: Actor, now: datetime) -> bool:
    """Let an account send again. Returns False if it is not halted."""
    released = Account.objects.filter(id=account_id, halted_at__isnull=False).update(
        halted_at=None, halt_reason=""
    )
    if released:
        sequence = auditing.write(
            account_id, action="account.released", actor=actor, now=now, reason=reason
        )
        announcing.announce(account_id, None, sequence=sequence)
    return bool(released)
