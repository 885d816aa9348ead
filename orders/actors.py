"""Who does a thing: required wherever anything is done."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser
from structlog.contextvars import get_contextvars

from orders.models import Account, ApiKey, AuditEvent

Kind = AuditEvent.ActorKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts, as the audit names them. `user` or `key` is set where there is one."""

    kind: str
    id: str
    name: str
    ip: str | None = None
    user_id: int | None = None
    key_id: int | None = None

    @property
    def request_id(self) -> str:
        """The id of the web request in which this happens, or nothing outside one."""
        return str(get_contextvars().get("request_id", ""))


def person(user: AbstractBaseUser, *, ip: str | None = None) -> Actor:
    return Actor(
        kind=Kind.PERSON, id=str(user.pk), name=user.get_username(), ip=ip, user_id=user.pk
    )


def program(key: ApiKey, *, ip: str | None = None) -> Actor:
    return Actor(kind=Kind.API_KEY, id=key.key, name=key.name, ip=ip, key_id=key.pk)


def component(name: str) -> Actor:
    """A part of the desk itself: sender, sweep."""
    return Actor(kind=Kind.COMPONENT, id=name, name=name)


def broker(account: Account) -> Actor:
    return Actor(kind=Kind.BROKER, id=account.broker, name=account.broker)
