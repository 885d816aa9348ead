"""Follows every chain of the record from its first row to its head."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orders import auditing, rebuilding
from orders.models import AuditChain


class Command(BaseCommand):
    """`manage.py audit_verify`: exit 1 at the first row that does not follow, naming it."""

    help = "Check the audit's hash chains, row by row, up to their heads."

    def handle(self, *_args: Any, **_options: Any) -> None:
        with rebuilding.one_moment():
            for chain in auditing.chains():
                if (flaw := auditing.flaw(chain)) is not None:
                    raise CommandError(f"Audit chain {chain} is broken: {flaw}.")
                head = AuditChain.objects.get(name=chain)
                self.stdout.write(f"{chain}  {head.sequence} rows  {head.hash}")
