"""Opens accounts on the desk and says who may use them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from brokers import registry
from brokers.vocabulary import Environment
from orders import auditing, connecting
from orders.actors import Actor
from orders.models import Account, Feed, Grant


@transaction.atomic
def open_account(
    *,
    name: str,
    broker: str,
    environment: str,
    base_url: str,
    credentials: Mapping[str, str],
    actor: Actor,
    now: datetime,
) -> Account:
    """Add an account at a broker. Its credentials are sealed and never come out.

    Raises KeyError for a broker this desk does not know, Misaddressed for an address that is none
    of its.
    """
    terms = registry.passport(broker)
    connecting.check_address(terms, base_url, environment=Environment(environment))
    account = Account(
        name=name, broker=broker, environment=environment, base_url=base_url, created_at=now
    )
    account.seal_credentials(credentials)
    account.save(force_insert=True)
    Feed.objects.create(account=account)
    auditing.write(
        account.id,
        action="account.opened",
        actor=actor,
        now=now,
        subject=name,
        after={"broker": broker, "environment": environment, "base_url": base_url},
    )
    return account


@transaction.atomic
def grant(account: Account, user: User, role: str, *, actor: Actor, now: datetime) -> Grant:
    """Let a person into an account, in one role."""
    granted, _ = Grant.objects.update_or_create(account=account, user=user, defaults={"role": role})
    auditing.write(
        account.id,
        action="account.granted",
        actor=actor,
        now=now,
        subject=user.get_username(),
        after={"role": role},
    )
    return granted
