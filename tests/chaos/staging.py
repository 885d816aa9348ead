"""Opens the accounts of a run on both sides, and knows every secret that must never come out.

Needs Django, pointed at the desk's database. Everything is done by the desk's own doors.
"""

from __future__ import annotations

import secrets as randomness
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import httpx
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from brokers import registry
from brokers.vocabulary import Environment
from orders import connecting, issuing, opening, timing
from orders.actors import component
from orders.models import Account, Role
from webhooks.enrolling import enroll

CHAOS = component("chaos")
CASH = "1000000000"
MARKET_WITHIN = timedelta(seconds=12)  # short, so that an outage makes some orders too late
WITHIN = timedelta(seconds=90)
SETTLING = timedelta(
    seconds=45
)  # a look that hangs, one that a dying worker loses, and time to spare


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """One account: what the exchange calls it, what the desk does, and the way into both."""

    broker: str
    key: str
    secret: str
    account_id: str
    headers: Mapping[str, str] = field(repr=False)  # of its API key
    endpoint_token: str = field(repr=False)
    endpoint_secret: str = field(repr=False)

    @property
    def orders(self) -> str:
        return f"/api/v1/accounts/{self.account_id}/orders"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Every account of a run, a person who may trade in all of them, and what is secret."""

    seats: Mapping[str, Seat]  # by broker
    cookies: Mapping[str, str] = field(repr=False)
    csrf_cookie: str
    secrets: Mapping[str, str] = field(repr=False)  # what it is, and the words themselves


def personality(broker: str) -> str:
    """Return whom the exchange stands in for, for one of the desk's paper brokers."""
    return broker.removeprefix("paper").removeprefix("-") or "paper"


def doubt_ends_within(broker: str) -> timedelta:
    """Return how long doubt may last: by then it is settled, or a person has been told.

    A look comes when one can settle it, and if that one fails, another a minute later.
    """
    doubt = registry.passport(broker).doubt
    sure = max(doubt.second_grace, timing.LEASE + doubt.first_grace)
    concluded = sure + timedelta(minutes=1)
    return max(doubt.escalate_after, concluded) + SETTLING


def set_up(
    brokers: Iterable[str],
    *,
    exchange_url: str,
    admin_token: str,
    broker_url: str,
    webhook_base: str,
    environment: Mapping[str, str],
) -> Stage:
    """Open one account for each broker, and have its webhooks delivered."""
    person = User.objects.create_user("chaos")
    seats = {
        broker: _seat(
            broker,
            person,
            admin=httpx.Client(base_url=exchange_url, headers={"X-Paper-Admin": admin_token}),
            broker_url=broker_url,
            webhook_base=webhook_base,
        )
        for broker in brokers
    }
    client = Client()
    client.force_login(person)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    secrets = {"a session": session, "the exchange's admin token": admin_token}
    for name in ("DESK_SECRET_KEY", "DESK_CREDENTIAL_KEYS"):
        secrets[name] = environment[name]
    for broker, seat in seats.items():
        secrets[f"the credentials of {broker}"] = seat.secret
        secrets[f"the API secret of {broker}"] = seat.headers["X-API-Secret"]
        secrets[f"the webhook secret of {broker}"] = seat.endpoint_secret.removeprefix("whsec_")
    return Stage(
        seats=seats,
        cookies={settings.SESSION_COOKIE_NAME: session},
        csrf_cookie=settings.CSRF_COOKIE_NAME,
        secrets=secrets,
    )


def _seat(
    broker: str, person: User, *, admin: httpx.Client, broker_url: str, webhook_base: str
) -> Seat:
    key, secret = f"chaos-{broker}", f"CANARY-{randomness.token_urlsafe(24)}"
    told = {"key": key, "secret": secret, "cash": CASH, "name": broker}
    if broker != "paper":
        told["personality"] = personality(broker)
    told["refuses_wash_trades"] = False  # its orders go both ways all the time, on purpose
    with admin:
        admin.post("/admin/accounts", json=told).raise_for_status()
    now = timing.database_now()
    account = opening.open_account(
        name=broker,
        broker=broker,
        environment=Environment.PAPER,
        base_url=broker_url,
        credentials={"key": key, "secret": secret},
        actor=CHAOS,
        now=now,
    )
    Account.objects.filter(id=account.id).update(
        market_submit_within=MARKET_WITHIN, submit_within=WITHIN
    )
    opening.grant(account, person, Role.TRADER, actor=CHAOS, now=now)
    api_key, api_secret = issuing.issue(account, name="chaos", may_trade=True, actor=CHAOS, now=now)
    endpoint, endpoint_secret = enroll(account, actor=CHAOS, now=now)
    adapter = connecting.connect(account)
    adapter.deliver_to(f"{webhook_base}/webhooks/{endpoint.token}", endpoint_secret)  # type: ignore[attr-defined]
    return Seat(
        broker=broker,
        key=key,
        secret=secret,
        account_id=str(account.id),
        headers={"X-API-Key": api_key.key, "X-API-Secret": api_secret},
        endpoint_token=endpoint.token,
        endpoint_secret=endpoint_secret,
    )
