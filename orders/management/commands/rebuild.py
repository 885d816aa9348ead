"""Adds every order's facts up anew, and compares the sum with what is stored."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from orders import rebuilding
from orders.models import Order


class Command(BaseCommand):
    """`manage.py rebuild --verify`: exit 1 if anything stored does not follow from the facts."""

    help = "Recompute every order from its facts and its record, and name what differs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--verify", action="store_true", help="compare, and change nothing")

    def handle(self, *_args: Any, **options: Any) -> None:
        if not options["verify"]:
            raise CommandError("Say --verify. What differs is for a person to look into.")
        found = 0
        with rebuilding.one_moment():
            count = Order.objects.count()
            for difference in rebuilding.differences():
                found += 1
                self.stdout.write(str(difference))
        if found:
            raise CommandError(f"{found} stored values do not follow from the facts.")
        self.stdout.write(f"All that is stored of {count} orders follows from their facts.")
