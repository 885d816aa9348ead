"""Changes how the desk uses an account, and the credentials that it uses it with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypedDict, Unpack
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from brokers import registry
from orders import announcing, auditing
from orders.actors import Actor
from orders.models import Account
from orders.money import plain


class Arrangement(TypedDict, total=False):
    """What may be changed of an account; `orders.models.Account` says what each is."""

    market_submit_within: timedelta
    submit_within: timedelta
    second_person_above: Decimal
    unprotected: str
    answer_within: timedelta
    replays_duplicates: bool


@transaction.atomic
def arrange(
    account_id: UUID, *, actor: Actor, now: datetime, **wanted: Unpack[Arrangement]
) -> Account:
    """Change what is given of an account, and put on record what it was before.

    Raises django's ValidationError, and nothing is changed; what is as wanted already is not
    recorded again.
    """
    account = Account.objects.select_for_update().get(id=account_id)
    before, after = {}, {}
    for name, value in wanted.items():
        if getattr(account, name) != value:
            before[name] = _told(getattr(account, name))
            setattr(account, name, value)
            after[name] = _told(value)
    _check(account)
    if after:
        account.save(update_fields=list(after))
        sequence = auditing.write(
            account.id,
            action="account.arranged",
            actor=actor,
            now=now,
            subject=account.name,
            before=before,
            after=after,
        )
        announcing.announce(account.id, None, sequence=sequence)
    return account


@transaction.atomic
def rekey(
    account_id: UUID, credentials: Mapping[str, str], *, actor: Actor, now: datetime
) -> Account:
    """Put other credentials in the place of an account's own. They never come out again.

    Raises ValidationError if they are not those that its broker wants, each of them not empty.
    """
    account = Account.objects.select_for_update().get(id=account_id)
    check_credentials(account.broker, credentials)
    account.seal_credentials(credentials)
    account.save(update_fields=["credentials"])
    auditing.write(account.id, action="account.rekeyed", actor=actor, now=now, subject=account.name)
    return account


def check_credentials(broker: str, credentials: Mapping[str, str]) -> None:
    """Raise ValidationError for credentials that can't be those of an account at a broker."""
    wanted = registry.BROKERS[broker].credentials
    if set(credentials) != set(wanted) or not all(one.strip() for one in credentials.values()):
        raise ValidationError(f"{broker} wants {' and '.join(wanted)}, and neither may be empty.")


def _check(account: Account) -> None:
    for name in ("market_submit_within", "submit_within", "answer_within"):
        if getattr(account, name) <= timedelta(0):
            raise ValidationError({name: "It must be longer than nothing."})
    if account.second_person_above < 0:
        raise ValidationError({"second_person_above": "It can't be less than nothing."})
    given = Arrangement.__annotations__
    every = Account._meta.concrete_fields  # noqa: SLF001 — public, for all its name
    account.clean_fields(exclude={field.name for field in every if field.name not in given})


def _told(value: object) -> object:
    match value:
        case timedelta():
            return f"{value // timedelta(seconds=1)} s"
        case Decimal():
            return plain(value)
        case _:
            return value
