"""Issues an API key. The secret is shown once, here."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from orders import issuing, timing
from orders.actors import component
from orders.models import Account, ApiKey

LONGEST_NAME = 60

TOLD = """\
API key for {account}{limits}

  key     {key}
  secret  {secret}

The secret is not kept and can't be shown again. Try the key:

  curl -H 'X-API-Key: {key}' -H 'X-API-Secret: {secret}' {url}/api/v1/accounts

What else it can do: {url}/api/docs/
"""


class Command(BaseCommand):
    """`manage.py key`."""

    help = "Make an API key for an account, and show its secret once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", metavar="NAME", help="which account, if there are several")
        parser.add_argument("--name", default="made by hand", help="what the audit calls the key")
        parser.add_argument("--read-only", action="store_true", help="it may look and not trade")
        parser.add_argument("--json", action="store_true", help="for programs")
        parser.add_argument("--revoke", metavar="KEY", help="take this key back instead")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["revoke"]:
            self._revoke(options["revoke"])
            return
        name = _name(options["name"])
        account = _account(options["account"])
        key, secret = issuing.issue(
            account,
            name=name,
            may_trade=not options["read_only"],
            actor=component("manage.py"),
            now=timing.database_now(),
        )
        told = {
            "account": account.name,
            "account_id": str(account.id),
            "name": key.name,
            "key": key.key,
            "secret": secret,
            "read_only": not key.may_trade,
            "url": settings.DESK_URL,
        }
        if options["json"]:
            self.stdout.write(json.dumps(told))
            return
        limits = "" if key.may_trade else ", which may look and not trade"
        self.stdout.write(TOLD.format(**told | {"limits": limits}), ending="")

    def _revoke(self, named: str) -> None:
        key = ApiKey.objects.filter(key=named).first()
        if key is None:
            raise CommandError(f"There is no key {named!r}.")
        live = issuing.revoke(key, actor=component("manage.py"), now=timing.database_now())
        self.stdout.write("Taken back." if live else "It was taken back before.")


def _account(named: str | None) -> Account:
    if named is not None:
        account = Account.objects.filter(name=named).first()
        if account is None:
            raise CommandError(f"There is no account {named!r}. {_there_are()}")
        return account
    accounts = list(Account.objects.all()[:2])
    if len(accounts) != 1:
        raise CommandError(
            f"Say which account, with --account. {_there_are()}"
            if accounts
            else "There is no account yet. ./desk up opens one on the paper exchange."
        )
    return accounts[0]


def _name(name: str) -> str:
    if not 0 < len(name.strip()) <= LONGEST_NAME or not name.isprintable():
        raise CommandError(f"--name takes 1 to {LONGEST_NAME} printable characters.")
    return name.strip()


def _there_are() -> str:
    names = ", ".join(Account.objects.values_list("name", flat=True)[:20])
    return f"There are: {names}." if names else "There are none yet."
