"""Writes docs/openapi.json: the API's description, for those who read it without a desk."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from orders.api.documenting import document


class Command(BaseCommand):
    """`manage.py openapi`."""

    help = "Write the API's OpenAPI document to docs/openapi.json."
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        path = settings.BASE_DIR / "docs" / "openapi.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(document())
        self.stdout.write("Wrote docs/openapi.json.")
