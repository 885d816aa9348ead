"""Issues API keys and takes them back."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from orders import auditing
from orders.actors import Actor
from orders.models import Account, ApiKey


@transaction.atomic
def issue(
    account: Account, *, name: str, may_trade: bool, actor: Actor, now: datetime
) -> tuple[ApiKey, str]:
    """Make a key for an account. Returns it with its secret, which can't be shown again."""
    key, secret = ApiKey.issue(account, name=name, now=now, may_trade=may_trade)
    auditing.write(
        account.id,
        action="key.issued",
        actor=actor,
        now=now,
        subject=key.key,
        after={"name": name, "may_trade": may_trade},
    )
    return key, secret


@transaction.atomic
def revoke(key: ApiKey, *, actor: Actor, now: datetime) -> bool:
    """Take a key back, from the next request on. Returns whether it was live until now."""
    revoked = ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=now)
    if revoked:
        auditing.write(key.account_id, action="key.revoked", actor=actor, now=now, subject=key.key)
    return bool(revoked)
