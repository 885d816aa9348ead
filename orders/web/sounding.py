"""What is said on every page, for as long as it is so: positions without their protection."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from orders.models import Account, Incident
from orders.web.people import Request, members_only

LOUD = (Incident.Kind.UNPROTECTED, Incident.Kind.OVERSOLD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One incident that nobody may overlook, and whether the person may act on it."""

    incident: Incident
    may_act: bool


def sounding(user: User) -> list[Alarm]:
    """Return what has to be said on every page that a person has open, the oldest first."""
    if not user.pk:
        return []
    loud = (
        Incident.objects.visible_to(user)
        .open()
        .filter(kind__in=LOUD)
        .select_related("account", "order", "acknowledged_by")
        .order_by("opened_at", "id")
    )
    found = list(loud)
    if not found:
        return []
    tradable = set(Account.objects.tradable_by(user).values_list("id", flat=True))
    return [Alarm(incident=one, may_act=one.account_id in tradable) for one in found]


@members_only
@require_GET
def banner(request: Request) -> HttpResponse:
    """The banner alone, as open pages fetch it again."""
    return render(request, "orders/_banner.html", {"alarms": sounding(request.user)})
