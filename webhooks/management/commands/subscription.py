"""Addresses that are told what happens in an account."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from orders import timing
from orders.actors import component
from orders.models import Account
from webhooks import subscribing
from webhooks.models import Subscription

ACTOR = component("manage.py")

TOLD = """\
Subscription {id} of {account}

  address  {url}
  secret   {secret}

The secret can't be shown again. What is sent is signed with it (Standard Webhooks).
"""


class Command(BaseCommand):
    """`manage.py subscription list | begin | end`."""

    help = "Have an address told of an account's incidents, as they come up and as they end."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        verbs.add_parser("list", help="every subscription, and what it is still to be told")
        begun = verbs.add_parser("begin", help="tell an address; its secret is shown once")
        begun.add_argument("account", help="the account's name")
        begun.add_argument("url", help="an https address")
        ended = verbs.add_parser("end", help="tell it nothing more")
        ended.add_argument("subscription", help="its id, from `subscription list`")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do what the verb says. Raises CommandError with what to do instead."""
        try:
            getattr(self, f"_{options['verb']}")(options)
        except subscribing.Unfit as reason:
            raise CommandError(str(reason)) from reason

    def _list(self, _options: dict[str, Any]) -> None:
        for one in Subscription.objects.select_related("account"):
            waiting = one.notices.filter(due_at__isnull=False).count()
            state = f"ended: {one.why}" if one.ended_at else f"live, {waiting} waiting"
            self.stdout.write(f"{one.id}  {one}, {state}")

    def _begin(self, options: dict[str, Any]) -> None:
        account = Account.objects.filter(name=options["account"]).first()
        if account is None:
            raise CommandError(f"There is no account {options['account']!r}.")
        begun, secret = subscribing.subscribe(
            account, options["url"], actor=ACTOR, now=timing.database_now()
        )
        self.stdout.write(TOLD.format(id=begun.id, account=account, url=begun.url, secret=secret))

    def _end(self, options: dict[str, Any]) -> None:
        known = Subscription.objects.filter(id=_uuid(options["subscription"])).first()
        if known is None:
            raise CommandError("There is no such subscription.")
        is_news = subscribing.end(
            known, why="Ended by hand.", actor=ACTOR, now=timing.database_now()
        )
        self.stdout.write("Ended." if is_news else "It had ended before.")


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise CommandError(
            "A subscription has an id, such as `subscription list` shows."
        ) from error
