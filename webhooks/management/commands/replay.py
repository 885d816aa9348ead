"""Reads kept deliveries again: dead letters after a repair, or any range of time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from orders import timing
from webhooks.management.naming import HELP, endpoint_named
from webhooks.models import Delivery
from webhooks.replaying import replay

State = Delivery.State
SHOWN = 20  # failures that are told one by one


class Command(BaseCommand):
    """`manage.py replay`. What a delivery tells counts once, so repeating this is harmless."""

    help = "Read deliveries again. Nothing changes but for what the desk does not have yet."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("ids", nargs="*", type=int, metavar="ID", help="these deliveries")
        parser.add_argument("--endpoint", help=f"deliveries to one: {HELP}")
        parser.add_argument("--since", type=_moment, metavar="TIME", help="received at or after")
        parser.add_argument("--until", type=_moment, metavar="TIME", help="received before")
        parser.add_argument("--dead", action="store_true", help="only those not understood so far")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Read the range again and say what came of it. Fails if any can't be understood."""
        if not any(options[name] for name in ("ids", "endpoint", "since", "until", "dead")):
            raise CommandError("Say which: by ids, --endpoint, --since, --until or --dead.")
        result = replay(_chosen(options).order_by("id"), now=timing.database_now())
        self.stdout.write(
            f"{result.read} read again, {result.news} of them with news,"
            f" {result.revived} dead letters revived."
        )
        for delivery_id, why in list(result.failed.items())[:SHOWN]:
            self.stderr.write(f"Delivery {delivery_id} can't be understood: {why}")
        if result.failed:
            raise CommandError(f"{len(result.failed)} of {result.read} can't be understood.")


def _chosen(options: dict[str, Any]) -> Any:
    deliveries = Delivery.objects.all()
    if options["ids"]:
        deliveries = deliveries.filter(id__in=options["ids"])
        missing = set(options["ids"]) - set(deliveries.values_list("id", flat=True))
        if missing:
            raise CommandError(f"There is no delivery {', '.join(map(str, sorted(missing)))}.")
    if options["endpoint"]:
        deliveries = deliveries.filter(endpoint=endpoint_named(options["endpoint"]))
    if options["since"]:
        deliveries = deliveries.filter(received_at__gte=options["since"])
    if options["until"]:
        deliveries = deliveries.filter(received_at__lt=options["until"])
    if options["dead"]:
        deliveries = deliveries.filter(state=State.DEAD)
    return deliveries


def _moment(text: str) -> datetime:
    """Read a date or a time, in UTC unless it says otherwise."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
