"""Addresses that brokers deliver to, and the secrets they sign with."""

from __future__ import annotations

import sys
from getpass import getpass
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from orders import timing
from orders.actors import component
from orders.models import Account
from webhooks import enrolling
from webhooks.management.naming import HELP, endpoint_named
from webhooks.models import Endpoint, EndpointSecret, Origin

ACTOR = component("manage.py")

TOLD = """\
Endpoint {id} of {account}

  address  {url}
  secret   {secret}

The secret can't be shown again. Give both to the broker.
"""
ADDED = """\
Secret {id} of endpoint {endpoint}

  {secret}

It can't be shown again. Give it to the broker. The other secret is active until you retire it:
once `endpoint list` shows that it is not used any more.
"""
TAKEN = """\
Secret {id} of endpoint {endpoint} is active, as you gave it. The other one is until you retire it.
"""


class Command(BaseCommand):
    """`manage.py endpoint list | open | rotate | retire | decommission`."""

    help = "List, open and close addresses for webhooks, and change their secrets."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        shown = verbs.add_parser("list", help="every endpoint, its secrets and when each was used")
        shown.add_argument("--addresses", action="store_true", help="whole, to give to a broker")
        opened = verbs.add_parser("open", help="a new address; its secret is shown once")
        opened.add_argument("account", help="the account's name")
        rotated = verbs.add_parser("rotate", help="add a secret beside the active one")
        rotated.add_argument("endpoint", help=HELP)
        for verb in (opened, rotated):
            verb.add_argument(
                "--given",
                action="store_true",
                help="the broker makes the secrets: read its secret from the terminal, or stdin",
            )
        retired = verbs.add_parser("retire", help="trust a secret no longer")
        retired.add_argument("secret", type=int, help="its number, from `endpoint list`")
        closed = verbs.add_parser("decommission", help="take no more deliveries, for good")
        closed.add_argument("endpoint", help=HELP)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do what the verb says. Raises CommandError with what to do instead."""
        try:
            getattr(self, f"_{options['verb']}")(options)
        except enrolling.Unfit as reason:
            raise CommandError(str(reason)) from reason

    def _list(self, options: dict[str, Any]) -> None:
        endpoints = Endpoint.objects.select_related("account", "reception")
        for endpoint in endpoints.order_by("account__name", "id"):
            state = "decommissioned" if endpoint.decommissioned_at else "live"
            self.stdout.write(f"{endpoint.id}  {endpoint}, {state}{_turned_away(endpoint)}")
            if options["addresses"] and endpoint.origin == Origin.WEBHOOK:
                self.stdout.write(f"    {_address(endpoint)}")
            for secret in endpoint.secrets.all():
                self.stdout.write(f"    secret {secret.pk}: {_use(secret)}")

    def _open(self, options: dict[str, Any]) -> None:
        account = Account.objects.filter(name=options["account"]).first()
        if account is None:
            raise CommandError(f"There is no account {options['account']!r}.")
        endpoint, secret = enrolling.enroll(
            account, given=_given(options), actor=ACTOR, now=timing.database_now()
        )
        told = "the one you gave" if options["given"] else secret
        self.stdout.write(
            TOLD.format(id=endpoint.id, account=account, url=_address(endpoint), secret=told)
        )

    def _rotate(self, options: dict[str, Any]) -> None:
        endpoint = endpoint_named(options["endpoint"])
        added, secret = enrolling.rotate(
            endpoint, given=_given(options), actor=ACTOR, now=timing.database_now()
        )
        told = TAKEN if options["given"] else ADDED
        self.stdout.write(told.format(id=added.pk, endpoint=endpoint.id, secret=secret))

    def _retire(self, options: dict[str, Any]) -> None:
        secret = EndpointSecret.objects.filter(id=options["secret"]).first()
        if secret is None:
            raise CommandError(f"There is no secret {options['secret']}.")
        is_news = enrolling.retire(secret, actor=ACTOR, now=timing.database_now())
        self.stdout.write("Retired." if is_news else "It was retired before.")

    def _decommission(self, options: dict[str, Any]) -> None:
        endpoint = endpoint_named(options["endpoint"])
        is_news = enrolling.decommission(endpoint, actor=ACTOR, now=timing.database_now())
        self.stdout.write("Decommissioned." if is_news else "It was decommissioned before.")


def _given(options: dict[str, Any]) -> str | None:
    """Return the broker's secret. Never an argument: others on this machine could read it."""
    if not options["given"]:
        return None
    return getpass("Secret: ") if sys.stdin.isatty() else sys.stdin.readline()


def _address(endpoint: Endpoint) -> str:
    return f"{settings.DESK_URL}/webhooks/{endpoint.token}"


def _turned_away(endpoint: Endpoint) -> str:
    reception = getattr(endpoint, "reception", None)
    return f", {reception.turned_away} turned away" if reception else ""


def _use(secret: EndpointSecret) -> str:
    if secret.retired_at is not None:
        return f"retired {secret.retired_at:%Y-%m-%d %H:%M} UTC"
    if secret.last_used_at is None:
        return "active, never used"
    return f"active, last used {secret.last_used_at:%Y-%m-%d %H:%M:%S} UTC"
