"""Where people record what a broker told them of an order in doubt, one or two of them."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from orders import judging, timing
from orders.errors import DeskError
from orders.models import Order, Ruling
from orders.web.forms import RulingForm
from orders.web.people import Request, actor, beside, members_only, order_or_404, tradable_or_403


@members_only
@require_http_methods(["GET", "HEAD", "POST"])
def rule(request: Request, order_id: UUID) -> HttpResponse:
    """Ask what the broker said of an order in doubt, and record it."""
    order = order_or_404(request, order_id)
    if declined := tradable_or_403(request, order):
        return declined
    if request.method != "POST":
        return _dialog(request, order, RulingForm(initial={"verdict": request.GET.get("verdict")}))
    form = RulingForm(request.POST)
    if form.is_valid():
        try:
            ruling = judging.propose(
                order.id,
                **form.cleaned_data,
                user=request.user,
                actor=actor(request),
                now=timing.database_now(),
            )
        except DeskError as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
        else:
            if request.htmx:
                return render(request, "orders/_ruled.html", {"ruling": ruling}, status=201)
            return redirect("order", order.id)
    return _dialog(request, order, form, status=422)


@members_only
@require_POST
def confirm(request: Request, ruling_id: int) -> HttpResponse:
    """Confirm what another trader recorded: it is carried out."""
    return _act(
        request,
        ruling_id,
        lambda: judging.confirm(
            ruling_id, user=request.user, actor=actor(request), now=timing.database_now()
        ),
    )


@members_only
@require_POST
def drop(request: Request, ruling_id: int) -> HttpResponse:
    """Take back what waits for a second person."""
    return _act(
        request,
        ruling_id,
        lambda: judging.drop(
            ruling_id, user=request.user, actor=actor(request), now=timing.database_now()
        ),
    )


def _act(request: Request, ruling_id: int, act: Callable[[], Ruling]) -> HttpResponse:
    visible = Ruling.objects.filter(order__in=Order.objects.visible_to(request.user))
    ruling = get_object_or_404(visible, id=ruling_id)
    try:
        act()
    except DeskError as refusal:
        if request.htmx:
            context = {"why": refusal.message}
            return beside(render(request, "orders/_refused.html", context, status=refusal.status))
        messages.error(request, refusal.message)
    return redirect("order", ruling.order_id)


def _dialog(request: Request, order: Order, form: RulingForm, *, status: int = 200) -> HttpResponse:
    whole = "orders/_rule.html" if request.htmx else "orders/rule.html"
    context = {
        "nav": "doubt",
        "order": order,
        "form": form,
        "takes_two": judging.needs_second(order),
    }
    return render(request, whole, context, status=status)
