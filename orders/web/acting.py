"""What a person does with one order: cancel, replace, have it looked for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from orders import bracketing, canceling, connecting, replacing, tasks, timing
from orders.errors import DeskError
from orders.ids import intent_id
from orders.models import Order
from orders.models.order import OrderSource
from orders.money import plain
from orders.ringing import ring
from orders.web.forms import PRICES, ReplaceForm
from orders.web.people import Request, actor, may_trade, members_only, order_or_404, tradable_or_403


@members_only
@require_POST
def cancel(request: Request, order_id: UUID) -> HttpResponse:
    """Ask for an order to be cancelled: one step, as it only ever lessens risk."""
    order = order_or_404(request, order_id)
    if declined := tradable_or_403(request, order):
        return declined
    error = None
    try:
        order = canceling.cancel(order.id, actor=actor(request), now=timing.database_now())
    except DeskError as refusal:
        error = refusal
    return _answer(request, order, error)


@members_only
@require_POST
def check(request: Request, order_id: UUID) -> HttpResponse:
    """Have the broker asked about an order now instead of when it is due."""
    order = order_or_404(request, order_id)
    if declined := tradable_or_403(request, order):
        return declined
    heard = ring(tasks.look, str(order.id))
    said = (
        "Asking the broker now. What it says appears here."
        if heard
        else "Nobody could be asked to look right now. It is looked for again when it is due."
    )
    if request.htmx:
        return render(request, "orders/_said.html", {"said": said, "heard": heard})
    messages.info(request, said)
    return redirect("order", order.id)


@members_only
@require_http_methods(["GET", "HEAD", "POST"])
def replace(request: Request, order_id: UUID) -> HttpResponse:
    """Ask what a working order should become; then show the change as it would be sent."""
    order = order_or_404(request, order_id)
    if declined := tradable_or_403(request, order):
        return declined
    if request.method != "POST":
        form = ReplaceForm(initial=_terms(order), prices=_changeable(order))
        return _dialog(request, "replace", {"order": order, "form": form})
    form = ReplaceForm(request.POST, prices=_changeable(order))
    if not form.is_valid():
        return _dialog(request, "replace", {"order": order, "form": form}, status=422)
    wanted = form.cleaned_data
    context = {
        "order": order,
        "form": form,
        "intent": wanted["intent"] or intent_id(),
        "wanted": wanted,
        "changes": [
            (form.fields[name].label or name.replace("_", " ").capitalize(), was, wanted[name])
            for name in _changeable(order)
            if (was := getattr(order, name)) is not None
        ],
        "fields": [
            (name, plain(value))
            for name in ("quantity", *_changeable(order))
            if (value := wanted[name]) is not None
        ],
        "to_work": wanted["quantity"] - order.filled_quantity,
    }
    return _dialog(request, "replace_preview", context)


@members_only
@require_POST
def confirm_replace(request: Request, order_id: UUID) -> HttpResponse:
    """Replace a working order. The same confirmation again answers with the same replace."""
    order = order_or_404(request, order_id)
    if declined := tradable_or_403(request, order):
        return declined
    form = ReplaceForm(request.POST, prices=_changeable(order))
    if form.is_valid() and form.cleaned_data["intent"] is None:
        form.add_error(None, "Look at the change first, then confirm it.")
    if form.is_valid():
        wanted = form.cleaned_data
        try:
            new, _ = replacing.replace(
                order,
                client_order_id=str(wanted["intent"]),
                quantity=wanted["quantity"],
                **{name: wanted[name] for name in _changeable(order)},
                source=OrderSource.PAGE,
                actor=actor(request),
                now=timing.database_now(),
            )
        except DeskError as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
        else:
            if request.htmx:
                return render(request, "orders/_replaced.html", {"order": new}, status=201)
            return redirect("order", new.id)
    return _dialog(request, "replace", {"order": order, "form": form}, status=422)


@members_only
@require_http_methods(["GET", "HEAD", "POST"])
def flatten(request: Request, order_id: UUID) -> HttpResponse:
    """Ask whether what a bracket opened is to be closed; then have it closed."""
    order = order_or_404(request, order_id)
    if declined := tradable_or_403(request, order):
        return declined
    if request.method != "POST":
        return _dialog(request, "flatten", {"order": order})
    try:
        bracketing.flatten(order.id, actor=actor(request), now=timing.database_now())
    except DeskError as error:
        context = {"order": order, "declined": error.message}
        return _dialog(request, "flatten", context, status=error.status)
    if request.htmx:
        return render(request, "orders/_flattened.html", {"order": order}, status=201)
    return redirect("order", order.id)


@members_only
@require_GET
def row(request: Request, order_id: UUID) -> HttpResponse:
    """One order's row, as it now stands."""
    order = order_or_404(request, order_id)
    return _row(request, order)


def _answer(request: Request, order: Order, error: DeskError | None) -> HttpResponse:
    if request.htmx and request.GET.get("then") != "detail":
        return _row(request, order, error=error)
    if error:
        messages.error(request, error.message)
    return redirect("order", order.id)


def _row(request: Request, order: Order, *, error: DeskError | None = None) -> HttpResponse:
    context: dict[str, Any] = {
        "order": order,
        "can_trade": may_trade(request, order),
        "error": error.message if error else "",
    }
    return render(request, "orders/_row.html", context, status=error.status if error else 200)


def _dialog(
    request: Request, name: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    whole = f"orders/_{name}.html" if request.htmx else f"orders/{name}.html"
    return render(request, whole, context | {"nav": "orders"}, status=status)


def _terms(order: Order) -> dict[str, Any]:
    return {name: getattr(order, name) for name in ("quantity", *_changeable(order))}


def _changeable(order: Order) -> list[str]:
    """Return the prices that an order has and its broker can change."""
    taken = connecting.passport(order.account).replaceable
    return [name for name in PRICES if name in taken and getattr(order, name) is not None]
