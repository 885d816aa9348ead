"""Begins and ends subscriptions: addresses that are told what happens in an account."""

from __future__ import annotations

import base64
import os
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction

from orders import auditing
from orders.actors import Actor
from orders.models import Account
from webhooks.models import Subscription

SECRET_BYTES = 32
LONGEST_URL = 500


class Unfit(Exception):
    """An address that nothing may be sent to. The message says why."""


@transaction.atomic
def subscribe(
    account: Account, url: str, *, actor: Actor, now: datetime
) -> tuple[Subscription, str]:
    """Have an address told. Returns the subscription with its secret, which is shown only here.

    Raises Unfit for an address that is not https, but for hosts the desk is told to trust.
    """
    subscription = Subscription(account=account, url=_checked(url), created_at=now)
    secret = "whsec_" + base64.b64encode(os.urandom(SECRET_BYTES)).decode()
    subscription.seal(secret)
    subscription.save(force_insert=True)
    _record("subscription.begun", subscription, actor=actor, now=now, reason=subscription.url)
    return subscription, secret


@transaction.atomic
def end(subscription: Subscription, *, why: str, actor: Actor, now: datetime) -> bool:
    """Tell an address nothing more. Returns False if it had ended before."""
    ended = Subscription.objects.filter(id=subscription.id, ended_at__isnull=True).update(
        ended_at=now, why=why
    )
    if ended:
        subscription.notices.filter(due_at__isnull=False).update(due_at=None, failure=why)
        _record("subscription.ended", subscription, actor=actor, now=now, reason=why)
    return bool(ended)


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise Unfit(f"This is no address: {error}.") from error
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url.strip():
        raise Unfit(f"An address has at most {LONGEST_URL} plain characters.")
    if not host or parts.username is not None or port == 0:
        raise Unfit("An address names a host, and holds no password.")
    if parts.scheme == "https":
        return url.strip()
    if parts.scheme == "http" and host in settings.DESK_TRUSTED_RECEIVERS:
        return url.strip()
    raise Unfit(
        "What is told must not be read on the way: use https."
        " (Hosts of your own network can be named in DESK_TRUSTED_RECEIVERS.)"
    )


def _record(
    action: str, subscription: Subscription, *, actor: Actor, now: datetime, reason: str
) -> None:
    auditing.write(
        subscription.account_id,
        action=action,
        actor=actor,
        now=now,
        subject=str(subscription.id),
        reason=reason,
    )
