"""The ticket: filled in, looked at once more as the broker will get it, then confirmed.

The preview carries the intent's id. Confirming it twice, by a double click or
a page sent again, places one order.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from orders import placing, timing
from orders.errors import DeskError
from orders.ids import intent_id
from orders.models import Order
from orders.models.order import OrderSource
from orders.web import previewing
from orders.web.offering import TicketForm
from orders.web.people import Request, actor, members_only


@members_only
@require_GET
def blank(request: Request) -> HttpResponse:
    """The ticket, blank or as far as it was filled in, with the choices its account allows."""
    told = {name: request.GET[name] for name in TicketForm.base_fields if name in request.GET}
    form = TicketForm(user=request.user, initial=told)
    if request.htmx:
        return render(request, "orders/_ticket.html", {"form": form})
    return render(request, "orders/ticket.html", {"form": form, "nav": "desk"})


@members_only
@require_POST
def preview(request: Request) -> HttpResponse:
    """Show what would be sent, or what is wrong with it. Sends nothing."""
    form = TicketForm(request.POST, user=request.user)
    if not form.is_valid():
        return _again(request, form)
    shown = previewing.preview(form, form.cleaned_data["intent"] or intent_id())
    return _render(request, "preview", {"preview": shown, "form": form})


@members_only
@require_POST
def place(request: Request) -> HttpResponse:
    """Place a confirmed ticket. The same confirmation again answers with the same order."""
    form = TicketForm(request.POST, user=request.user)
    if form.is_valid() and form.cleaned_data["intent"] is None:
        form.add_error(None, "Look at the preview first, then confirm it.")
    if not form.is_valid():
        return _again(request, form, repeated=_placed_before(request, form))
    account, intent = form.cleaned_data["account"], form.cleaned_data["intent"]
    try:
        order, is_new = placing.place(
            account,
            form.ticket(intent),
            source=OrderSource.PAGE,
            actor=actor(request),
            now=timing.database_now(),
        )
    except DeskError as error:
        form.blame(error)
        return _again(request, form)
    if not request.htmx:
        return redirect("order", order.id)
    context = {
        "form": TicketForm(user=request.user, initial=_next(order)),
        "placed": order,
        "is_new": is_new,
    }
    return render(request, "orders/_ticket.html", context, status=201 if is_new else 200)


def _again(request: Request, form: TicketForm, *, repeated: Order | None = None) -> HttpResponse:
    return _render(request, "ticket", {"form": form, "placed_before": repeated}, status=422)


def _render(
    request: Request, name: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    whole = f"orders/_{name}.html" if request.htmx else f"orders/{name}.html"
    return render(request, whole, context | {"nav": "desk"}, status=status)


def _placed_before(request: Request, form: TicketForm) -> Order | None:
    """Return the order an intent already became: a replay says so, whatever changed since."""
    intent = form.cleaned_data.get("intent") if hasattr(form, "cleaned_data") else None
    if intent is None:
        return None
    orders = Order.objects.visible_to(request.user).select_related("account")
    return orders.filter(client_order_id=str(intent)).first()


def _next(order: Order) -> dict[str, Any]:
    """Return what the blank ticket keeps of the order before: where, not how much."""
    return {
        "account": order.account,
        "symbol": order.symbol,
        "side": order.side,
        "order_type": order.order_type,
        "time_in_force": order.time_in_force,
    }
