"""Who is looking, and what they may do here."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from ipaddress import ip_address
from typing import Concatenate, ParamSpec
from uuid import UUID

from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django_htmx.middleware import HtmxDetails

from orders import actors
from orders.actors import Actor
from orders.models import Account, Order

Rest = ParamSpec("Rest")


class Request(HttpRequest):
    """A request of somebody who has signed in."""

    user: User
    htmx: HtmxDetails


def members_only(
    view: Callable[Concatenate[Request, Rest], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, Rest], HttpResponseBase]:
    """Let only people in who have signed in. Others are sent to do so.

    A part of a page can't show another page in its place: it says instead that
    nothing was sent, where the answer was expected.
    """

    @wraps(view)
    def guarded(
        request: HttpRequest, /, *args: Rest.args, **kwargs: Rest.kwargs
    ) -> HttpResponseBase:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)  # type: ignore[arg-type]
        if request.headers.get("HX-Request"):
            context = {"changes": request.method == "POST"}
            return beside(render(request, "orders/_signed_out.html", context, status=401))
        here = request.get_full_path() if request.method == "GET" else reverse("desk")
        return redirect_to_login(here, login_url=reverse("sign-in"))

    return guarded


def actor(request: Request) -> Actor:
    """Return the signed-in person as whoever acts."""
    return actors.person(request.user, ip=_address(request))


def order_or_404(request: Request, order_id: UUID) -> Order:
    """Return an order the person may see. Anybody else's does not exist for them."""
    orders = Order.objects.visible_to(request.user).select_related("account", "placed_by", "parent")
    return get_object_or_404(orders, id=order_id)


def tradable_or_403(request: Request, order: Order) -> HttpResponse | None:
    """Return the refusal for somebody who may only look at an order, or None."""
    if may_trade(request, order):
        return None
    context = {"why": f"You may look at {order.account}, and not trade in it."}
    if request.htmx:
        return beside(render(request, "orders/_declined.html", context, status=403))
    return render(request, "403.html", context, status=403)


def beside(response: HttpResponse) -> HttpResponse:
    """Have htmx show a refusal among the alerts: what was filled in stays where it is."""
    response["HX-Retarget"], response["HX-Reswap"] = "#alerts", "innerHTML"
    return response


def may_trade(request: Request, order: Order) -> bool:
    """Whether the person may act on an order they see."""
    return order.account_id in tradable_ids(request)


def tradable_ids(request: Request) -> set[UUID]:
    """Return the accounts the person may trade in."""
    return set(Account.objects.tradable_by(request.user).values_list("id", flat=True))


def _address(request: HttpRequest) -> str | None:
    try:
        return str(ip_address(request.META.get("REMOTE_ADDR", "")))
    except ValueError:
        return None  # a Unix socket has none
