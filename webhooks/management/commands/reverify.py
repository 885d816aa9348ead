"""Verifies again what an endpoint turned away, now that its secrets are others."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from orders import timing
from orders.actors import component
from webhooks.management.naming import HELP, endpoint_named
from webhooks.quarantining import reverify


class Command(BaseCommand):
    """`manage.py reverify`. Adding a secret does this too."""

    help = "Verify an endpoint's quarantine again; what is verified moves into the inbox."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("endpoint", help=HELP)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Verify again, and say what came of it."""
        found = reverify(
            endpoint_named(options["endpoint"]),
            actor=component("manage.py"),
            now=timing.database_now(),
        )
        self.stdout.write(
            f"{found.verified} verified, {found.new} of them new to the inbox;"
            f" {found.left} stay in quarantine."
        )
