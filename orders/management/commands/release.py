"""Releases a halted account: it may send again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from orders import halting, timing
from orders.actors import component
from orders.management.commands.halt import given, named


class Command(BaseCommand):
    """`manage.py release`."""

    help = "Release a halted account. What was blocked meanwhile stays blocked."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", help="its name, or its id")
        parser.add_argument("--reason", required=True, help="why, for the record")

    def handle(self, *_args: Any, **options: Any) -> None:
        account = named(options["account"])
        released = halting.release(
            account.id,
            reason=given(options["reason"]),
            actor=component("manage.py"),
            now=timing.database_now(),
        )
        self.stdout.write(f"{account} may send again." if released else f"{account} is not halted.")
