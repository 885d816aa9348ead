"""Writes docs/brokers.md: every broker's terms, and how each says no."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from brokers.documenting import document


class Command(BaseCommand):
    """`manage.py passports`."""

    help = "Write the brokers' terms to docs/brokers.md."
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        path = settings.BASE_DIR / "docs" / "brokers.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(document())
        self.stdout.write("Wrote docs/brokers.md.")
