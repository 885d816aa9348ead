"""How a person names an endpoint on the command line."""

from __future__ import annotations

from uuid import UUID

from django.core.management.base import CommandError

from webhooks.models import Endpoint, Origin

HELP = "the endpoint's id, or the name of an account that has only one in use"


def endpoint_named(named: str) -> Endpoint:
    """Return the endpoint of this id, or the only live one of the account of this name.

    Raises CommandError, which says what there is.
    """
    known = Endpoint.objects.select_related("account")
    try:
        found = list(known.filter(id=UUID(named)))
    except ValueError:
        live = known.filter(account__name=named, decommissioned_at__isnull=True)
        found = list(live.filter(origin=Origin.WEBHOOK)[:2]) or list(live)  # else its stream
    if len(found) == 1:
        return found[0]
    if found:
        raise CommandError(f"{named} has several endpoints: name one by its id.{there_are()}")
    raise CommandError(f"There is no endpoint {named!r}.{there_are()}")


def there_are() -> str:
    """Return the live endpoints, a line each."""
    live = Endpoint.objects.filter(decommissioned_at__isnull=True).select_related("account")
    lines = [f"  {endpoint.id}  {endpoint.account}" for endpoint in live.order_by("id")[:50]]
    return "\n".join(["", "There are:", *lines]) if lines else " There are none yet."
