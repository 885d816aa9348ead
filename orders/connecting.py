"""Connects an account to its broker."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from brokers import addressing, registry
from brokers.adapter import BrokerAdapter
from brokers.addressing import Misaddressed
from brokers.passport import Passport
from brokers.vocabulary import Environment
from orders import budgeting
from orders.models import Account, Feed
from orders.secrets import SecretUnreadable

# What keeps an account from its broker, and is no word of the broker's.
UNCONNECTABLE = (SecretUnreadable, Misaddressed)


def connect(account: Account) -> BrokerAdapter:
    """Return the adapter that speaks for an account. Raises SecretUnreadable or Misaddressed."""
    check_account(account)
    return registry.connect(
        account.broker,
        credentials=account.unseal_credentials(),
        base_url=account.base_url,
        budget=budgeting.of(account.id, passport(account).allowance),
    )


def check_account(account: Account) -> None:
    """Raise Misaddressed for an account whose credentials this desk shows to nobody."""
    environment = Environment(account.environment)
    check_address(passport(account), account.base_url, environment=environment)


def check_address(terms: Passport, base_url: str, *, environment: Environment) -> None:
    """Raise Misaddressed for an address that this desk sends no account's requests to."""
    addressing.check(
        terms, base_url, environment=environment, trusted=settings.DESK_TRUSTED_BROKERS
    )


def passport(account: Account) -> Passport:
    """Return the terms of an account's broker."""
    return registry.passport(account.broker)


def note_heard(account: Account, *, took_ms: int | None, now: datetime) -> None:
    """Note that a broker answered, for the health strip."""
    Feed.objects.filter(account=account).update(
        heard_at=now, took_ms=took_ms, silent_since=None, failure=""
    )


def note_silent(account: Account, failure: str, *, now: datetime) -> None:
    """Note that a broker did not answer. The first failure of a row of them is the one kept."""
    Feed.objects.filter(account=account, silent_since__isnull=True).update(
        silent_since=now, failure=failure
    )
