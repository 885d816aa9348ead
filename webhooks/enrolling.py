"""Opens addresses for brokers to deliver to, and makes the secrets they sign with."""

from __future__ import annotations

import base64
import os
from datetime import datetime

from django.db import transaction

from orders import auditing
from orders.actors import Actor
from orders.models import Account
from webhooks.models import Endpoint, EndpointSecret

SECRET_BYTES = 32


@transaction.atomic
def enroll(account: Account, *, actor: Actor, now: datetime) -> tuple[Endpoint, str]:
    """Open an endpoint for an account. Returns it with its secret, which is shown only here."""
    endpoint = Endpoint.objects.create(account=account, created_at=now)
    secret = "whsec_" + base64.b64encode(os.urandom(SECRET_BYTES)).decode()
    EndpointSecret.seal(endpoint, secret, created_at=now).save(force_insert=True)
    auditing.write(
        account.id,
        action="endpoint.opened",
        actor=actor,
        now=now,
        subject=str(endpoint.id),
    )
    return endpoint, secret
