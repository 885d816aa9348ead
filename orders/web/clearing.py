"""Many orders cancelled at once: those selected, or all that a filter shows. Asked, then each told.

The confirmation names each order, so that what was counted is what is cancelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import InterfaceError, OperationalError
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from orders import canceling, timing
from orders.actors import Actor
from orders.errors import DeskError
from orders.models import Order
from orders.states import Submission
from orders.web.filtering import ROWS, Filter
from orders.web.people import Request, actor, members_only, tradable_ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of the wish to cancel one order."""

    order: Order
    tone: str
    icon: str
    says: str


@members_only
@require_GET
def ask(request: Request) -> HttpResponse:
    """Show which orders would be cancelled, and ask. Cancels nothing."""
    wanted = Filter.read(request.GET)
    picked = request.GET.getlist("order")
    found = _named(request, picked) if picked else wanted.page(request.user)[0]
    tradable = tradable_ids(request)
    orders = [o for o in found if o.is_cancelable and o.account_id in tradable]
    context = {
        "orders": orders,
        "picked": picked,
        "protecting": sum(order.parent_id is not None for order in orders),
    }
    return _dialog(request, "cancel_many", context)


@members_only
@require_POST
def cancel(request: Request) -> HttpResponse:
    """Ask for each of these orders to be cancelled, and say of each what became of it."""
    tradable = tradable_ids(request)
    orders = [o for o in _named(request, request.POST.getlist("order")) if o.account_id in tradable]
    # What may add to a position goes before what protects one.
    orders.sort(key=lambda order: order.parent_id is not None)
    outcomes = [_cancel(order, actor(request)) for order in orders]
    return _dialog(request, "canceled_many", {"outcomes": outcomes})


def _cancel(order: Order, by: Actor) -> Outcome:
    try:
        asked = canceling.cancel(order.id, actor=by, now=timing.database_now())
    except DeskError as error:
        order.refresh_from_db()
        return Outcome(order=order, tone="warning", icon="stop", says=error.message)
    except (OperationalError, InterfaceError):
        says = "Not asked for: the desk could not record it. Ask again."
        return Outcome(order=order, tone="rejected", icon="warning", says=says)
    match asked.submission:
        case Submission.WITHDRAWN:
            told = "unsent", "cross", "Withdrawn: it never left this desk."
        case Submission.ACCEPTED:
            told = "pending", "clock", "Asked for. The broker has the last word."
        case _:
            told = "doubt", "question", "It may be live: it is cancelled as soon as it is found."
    tone, icon, says = told
    return Outcome(order=asked, tone=tone, icon=icon, says=says)


def _named(request: Request, names: list[str]) -> list[Order]:
    """Return the orders named that the person may see, newest first."""
    ids = []
    for name in names[:ROWS]:
        try:
            ids.append(UUID(name))
        except ValueError:
            continue
    orders = Order.objects.visible_to(request.user).filter(id__in=ids)
    return list(orders.select_related("account").order_by("-id"))


def _dialog(request: Request, name: str, context: dict[str, object]) -> HttpResponse:
    whole = f"orders/_{name}.html" if request.htmx else f"orders/{name}.html"
    return render(request, whole, context | {"nav": "orders"})
