"""Opens and closes addresses for brokers to deliver to, and changes the secrets they sign with.

A secret is changed without losing a delivery: a second one is added and given to
the broker, and the first is retired once nothing is signed with it any more.
"""

from __future__ import annotations

import base64
import os
from datetime import datetime

from django.db import transaction

from orders import alarming, auditing
from orders.actors import Actor
from orders.models import Account, Incident
from webhooks.models import Endpoint, EndpointSecret, Origin, new_stream_name
from webhooks.quarantining import reverify
from webhooks.trusting import gate_to

SECRET_BYTES = 32
SHORTEST = 16  # characters of a secret that is given to us
SLOTS = {1, 2}


class Unfit(Exception):
    """An endpoint or secret can't be changed like that. The message says what to do."""


@transaction.atomic
def enroll(
    account: Account, *, actor: Actor, now: datetime, given: str | None = None
) -> tuple[Endpoint, str]:
    """Open an endpoint for an account. Returns it with its secret, which is shown only here.

    `given` is the secret if the broker makes them itself. Raises Unfit for one that is none.
    """
    value = _checked(given) if given is not None else _made()
    endpoint = Endpoint.objects.create(account=account, created_at=now)
    EndpointSecret.seal(endpoint, value, slot=1, created_at=now).save(force_insert=True)
    _record("endpoint.opened", endpoint, actor=actor, now=now)
    return endpoint, value


@transaction.atomic
def enroll_stream(account: Account, *, actor: Actor, now: datetime) -> Endpoint:
    """Return what an account's stream is kept under, opened if need be. It has no address and no
    secret: nothing gets in there but what we read from the broker ourselves.
    """
    live = Endpoint.objects.filter(
        account=account, origin=Origin.STREAM, decommissioned_at__isnull=True
    )
    if (found := live.first()) is not None:
        return found
    opened = Endpoint.objects.create(
        account=account, origin=Origin.STREAM, token=new_stream_name(), created_at=now
    )
    _record("stream.opened", opened, actor=actor, now=now)
    return opened


@transaction.atomic
def rotate(
    endpoint: Endpoint, *, actor: Actor, now: datetime, given: str | None = None
) -> tuple[EndpointSecret, str]:
    """Add a secret beside the active one. Returns it with its value, which is shown only here.

    Both are active until one is retired. What is in quarantine is verified
    again, in case the secret so far was mistyped. Raises Unfit.
    """
    value = _checked(given) if given is not None else _made()
    endpoint = _locked(endpoint)
    active = list(endpoint.secrets.filter(retired_at__isnull=True))
    free = SLOTS - {secret.slot for secret in active}
    if not free:
        raise Unfit(
            "Two secrets are active already. Retire the one that the broker no longer uses first."
        )
    if value in {key.value for key in gate_to(endpoint).keys}:
        raise Unfit("This secret is active already.")
    added = EndpointSecret.seal(endpoint, value, slot=min(free), created_at=now)
    added.save(force_insert=True)
    # The audit chain is locked from its first row on, so what locks rows goes before.
    reverify(endpoint, actor=actor, now=now)
    _record("endpoint.secret_added", endpoint, actor=actor, now=now, secret=added)
    return added, value


@transaction.atomic
def retire(secret: EndpointSecret, *, actor: Actor, now: datetime) -> bool:
    """Trust nothing signed with a secret any more, within a second.

    Returns False if that was so before. Raises Unfit for an endpoint's only active secret.
    """
    endpoint = _locked(secret.endpoint)
    active = {each.id: each for each in endpoint.secrets.filter(retired_at__isnull=True)}
    if secret.id not in active:
        return False
    if len(active) == 1:
        raise Unfit("It is the only active secret. Rotate first, or decommission the endpoint.")
    _retire(active[secret.id], actor=actor, now=now)
    return True


@transaction.atomic
def decommission(endpoint: Endpoint, *, actor: Actor, now: datetime) -> bool:
    """Take no more deliveries at an endpoint: senders are told 410, for good.

    Returns False if that was so before. Raises Unfit for a stream.
    """
    endpoint = Endpoint.objects.select_for_update(no_key=True).get(id=endpoint.id)
    if endpoint.origin == Origin.STREAM:
        raise Unfit("It is a stream. It ends when nothing can happen in its account any more.")
    if endpoint.decommissioned_at is not None:
        return False
    endpoint.decommissioned_at = now
    endpoint.save(update_fields=["decommissioned_at"])
    for secret in endpoint.secrets.filter(retired_at__isnull=True).order_by("id"):
        _retire(secret, actor=actor, now=now)
    _record("endpoint.decommissioned", endpoint, actor=actor, now=now)
    alarming.settle(
        Incident.Kind.UNVERIFIED,
        subject=endpoint.place,
        outcome="The endpoint takes no more deliveries.",
        now=now,
    )
    return True


def _locked(endpoint: Endpoint) -> Endpoint:
    """Return a live endpoint, locked, so that its secrets change one at a time. Raises Unfit."""
    found: Endpoint = Endpoint.objects.select_for_update(no_key=True).get(id=endpoint.id)
    if found.decommissioned_at is not None:
        raise Unfit("This endpoint takes no more deliveries. Open another.")
    if found.origin == Origin.STREAM:
        raise Unfit("It is a stream: we connect to the broker, and nobody delivers to it.")
    return found


def _retire(secret: EndpointSecret, *, actor: Actor, now: datetime) -> None:
    secret.retired_at = now
    secret.save(update_fields=["retired_at"])
    _record("endpoint.secret_retired", secret.endpoint, actor=actor, now=now, secret=secret)


def _made() -> str:
    return "whsec_" + base64.b64encode(os.urandom(SECRET_BYTES)).decode()


def _checked(given: str) -> str:
    value = given.strip()
    if len(value) < SHORTEST or not value.isascii() or not value.isprintable() or " " in value:
        raise Unfit(f"A secret has {SHORTEST} characters or more, and no blanks among them.")
    return value


def _record(
    action: str,
    endpoint: Endpoint,
    *,
    actor: Actor,
    now: datetime,
    secret: EndpointSecret | None = None,
) -> None:
    auditing.write(
        endpoint.account_id,
        action=action,
        actor=actor,
        now=now,
        subject=str(endpoint.id),
        after={"secret": secret.pk} if secret else {},
    )
