"""Connects an account to its broker."""

from __future__ import annotations

from datetime import datetime

from brokers import registry
from brokers.adapter import BrokerAdapter
from brokers.passport import Passport
from orders.models import Account, Feed


def connect(account: Account) -> BrokerAdapter:
    """Return the adapter that speaks for an account. Raises SecretUnreadable."""
    return registry.connect(
        account.broker, credentials=account.unseal_credentials(), base_url=account.base_url
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
