"""A broker presented: its passport, and how well this desk's accounts there are heard."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from brokers import registry
from brokers.passport import Passport
from brokers.vocabulary import OrderType, TimeInForce
from orders.models import Account, Feed
from orders.web.desk import health
from orders.web.people import Request, members_only
from orders.web.phrasing import TYPES


@members_only
@require_GET
def broker(request: Request, name: str) -> HttpResponse:
    """What one broker takes and promises, and the accounts there that the person may see."""
    try:
        passport = registry.passport(name)
    except KeyError as error:
        raise Http404(f"No broker goes by the name {name!r} here.") from error
    visible = Account.objects.visible_to(request.user).filter(broker=name)
    feeds = Feed.objects.filter(account__in=visible).select_related("account__stream")
    now = timezone.now()
    context = {
        "nav": "desk",
        "passport": passport,
        "times": list(TimeInForce),
        "kinds": [(TYPES[kind], taken) for kind, taken in _kinds(passport)],
        "rows": [(head, said) for head, said in passport.rows() if head not in SHOWN_AS_TABLE],
        "feeds": [health(feed, now=now) for feed in feeds.order_by("account__name")],
    }
    template = "orders/_broker_accounts.html" if request.htmx else "orders/broker.html"
    return render(request, template, context)


SHOWN_AS_TABLE = frozenset(f"{kind.replace('_', ' ').capitalize()} orders" for kind in OrderType)


def _kinds(passport: Passport) -> list[tuple[OrderType, list[tuple[TimeInForce, bool]]]]:
    """Return each type of order, with each time in force and whether it may have that."""
    return [(kind, [(tif, tif in passport.tifs(kind)) for tif in TimeInForce]) for kind in TYPES]
