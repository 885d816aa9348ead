"""What a person must know of: incidents, and what people do about them."""

from __future__ import annotations

from collections.abc import Callable, Collection

from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from orders import alarming, timing
from orders.errors import DeskError
from orders.models import Incident, Severity
from orders.web.people import Request, actor, beside, members_only, tradable_ids

ROWS = 200  # at most, on one page

FIRST_CRITICAL = Case(
    When(severity=Severity.CRITICAL, then=Value(0)),
    When(severity=Severity.WARNING, then=Value(1)),
    default=Value(2),
    output_field=IntegerField(),
)


@members_only
@require_GET
def incidents(request: Request) -> HttpResponse:
    """Open incidents, the worst first; or, asked for, those that have ended, the newest first."""
    ended = request.GET.get("show") == "ended"
    tradable = tradable_ids(request)
    visible = Incident.objects.visible_to(request.user).select_related(
        "account", "order", "owner", "acknowledged_by"
    )
    found: QuerySet[Incident] = (
        visible.filter(closed_at__isnull=False).order_by("-closed_at")
        if ended
        else visible.open().order_by(FIRST_CRITICAL, "-id")
    )
    context = {
        "nav": "incidents",
        "ended": ended,
        "incidents": [
            (item, _is_theirs(item, tradable), item.kind in alarming.ENDS_BY_ITSELF)
            for item in found[:ROWS]
        ],
    }
    whole = "orders/_incidents.html" if request.htmx else "orders/incidents.html"
    return render(request, whole, context)


@members_only
@require_GET
def count(request: Request) -> HttpResponse:
    """How many incidents nobody has acknowledged yet: said on every page."""
    waiting = Incident.objects.visible_to(request.user).open().filter(acknowledged_at__isnull=True)
    critical = waiting.filter(severity=Severity.CRITICAL).count()
    context = {"waiting": waiting.count(), "critical": critical}
    return render(request, "orders/_incident_count.html", context)


@members_only
@require_POST
def acknowledge(request: Request, incident_id: int) -> HttpResponse:
    """Say that one has seen an incident. It is one's own from then on."""
    return _act(
        request,
        incident_id,
        lambda incident: alarming.acknowledge(
            incident.id, user=request.user, actor=actor(request), now=timing.database_now()
        ),
    )


@members_only
@require_POST
def take(request: Request, incident_id: int) -> HttpResponse:
    """Make an incident one's own."""
    return _act(
        request,
        incident_id,
        lambda incident: alarming.take(
            incident.id, user=request.user, actor=actor(request), now=timing.database_now()
        ),
    )


@members_only
@require_POST
def close(request: Request, incident_id: int) -> HttpResponse:
    """Say how an incident ended."""
    outcome = request.POST.get("outcome", "").replace("\0", "")[:2000]
    return _act(
        request,
        incident_id,
        lambda incident: alarming.close(
            incident.id, outcome=outcome, actor=actor(request), now=timing.database_now()
        ),
    )


def _act(request: Request, incident_id: int, act: Callable[[Incident], Incident]) -> HttpResponse:
    visible = Incident.objects.visible_to(request.user)
    incident = get_object_or_404(visible, id=incident_id)
    why, status = "", 200
    if not _is_theirs(incident, tradable_ids(request)):
        why, status = "You may look at this incident, and not act on it.", 403
    else:
        try:
            act(incident)
        except DeskError as refusal:
            why, status = refusal.message, refusal.status
    if why and request.htmx:
        return beside(render(request, "orders/_refused.html", {"why": why}, status=status))
    if not why and request.htmx and request.GET.get("then") == "banner":
        return redirect("banner")
    if why:
        return render(request, "403.html", {"why": why}, status=status)
    return redirect("incidents")


def _is_theirs(incident: Incident, tradable: Collection[object]) -> bool:
    """Whether a person may act on it: a trader of its account, or of any for the desk's own."""
    if incident.account_id is None:
        return bool(tradable)
    return incident.account_id in tradable
