"""Halts an account: it sends nothing new from now on. Works with Redis and the workers down."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from orders import halting, timing
from orders.actors import component
from orders.models import Account


class Command(BaseCommand):
    """`manage.py halt`."""

    help = "Halt an account: nothing new is sent, cancels still go out."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", help="its name, or its id")
        parser.add_argument("--reason", required=True, help="why, for the record and for people")

    def handle(self, *_args: Any, **options: Any) -> None:
        account = named(options["account"])
        halted = halting.halt(
            account.id,
            reason=given(options["reason"]),
            actor=component("manage.py"),
            now=timing.database_now(),
        )
        self.stdout.write(f"{account} is halted." if halted else f"{account} was halted before.")


def named(name: str) -> Account:
    """Return an account by its name or its id. Raises CommandError."""
    for account in Account.objects.all():
        if name in {account.name, str(account.id)}:
            return account
    raise CommandError(f"There is no account {name!r}.")


def given(reason: str) -> str:
    """Return a reason that says something. Raises CommandError."""
    if not reason.strip():
        raise CommandError("--reason must say why.")
    return reason.strip()
