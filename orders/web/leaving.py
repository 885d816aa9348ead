"""Leaving a position, whole or in part: filled in, looked at once more, then confirmed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from brokers.vocabulary import Side
from orders import closing, positioning, ranging, timing
from orders.closing import WHOLE, Part
from orders.errors import DeskError, MayTurnRound
from orders.ids import intent_id
from orders.models import Account, Order
from orders.models.order import OrderSource
from orders.money import EXACT, ZERO, worth
from orders.web.forms import AmountField, StrictForm, say_where
from orders.web.people import Request, actor, members_only


class LeavingForm(StrictForm):
    """How much of which position to close. No quantity: all of it."""

    account = forms.ModelChoiceField(Account.objects.none(), widget=forms.HiddenInput)
    symbol = forms.CharField(max_length=32, widget=forms.HiddenInput)
    quantity = AmountField(label="Quantity: all of it, if none is named", required=False)
    despite_doubt = forms.BooleanField(
        label="Close it even so: I have looked at those orders", required=False
    )
    intent = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.auto_id = "leaving_%s"
        # No account that the person may not trade in is there to be chosen.
        self.fields["account"].queryset = Account.objects.tradable_by(user)  # type: ignore[attr-defined]
        self.may_turn_round = False
        say_where(self)

    @property
    def part(self) -> Part:
        quantity = self.cleaned_data["quantity"]
        return WHOLE if quantity is None else Part(quantity=quantity)

    def blame(self, error: DeskError) -> None:
        """Say what the desk declined, and offer the way round it where there is one."""
        self.may_turn_round = isinstance(error, MayTurnRound)
        self.add_error(error.field if error.field in self.fields else None, error.message)


@members_only
@require_http_methods(["GET", "HEAD", "POST"])
def leave(request: Request) -> HttpResponse:
    """Ask how much of a position to close; then show the order that would close it."""
    if request.method != "POST":
        form = LeavingForm(
            {name: request.GET.get(name, "") for name in ("account", "symbol")}, user=request.user
        )
        status = 200 if form.is_valid() else 404
        return _ask(request, form, status=status)
    form = LeavingForm(request.POST, user=request.user)
    if form.is_valid():
        context = _context(form)
        wanted = form.cleaned_data["quantity"]
        held = context["held"].copy_abs()
        if not held:
            form.add_error(None, "Nothing is held of it any more.")
        elif wanted is not None and wanted > held:
            form.add_error("quantity", "That is more than is held.")
        else:
            context |= {
                "intent": form.cleaned_data["intent"] or intent_id(),
                "quantity": held if wanted is None else wanted,
                "left": ZERO if wanted is None else EXACT.subtract(held, wanted),
            }
            return _dialog(request, "leave_preview", context)
    return _ask(request, form, status=422)


@members_only
@require_POST
def confirm(request: Request) -> HttpResponse:
    """Close the position. The same confirmation again answers with the same order."""
    form = LeavingForm(request.POST, user=request.user)
    if form.is_valid() and form.cleaned_data["intent"] is None:
        form.add_error(None, "Look at the order first, then confirm it.")
    if form.is_valid():
        told = form.cleaned_data
        try:
            closed = closing.close(
                told["account"],
                told["symbol"],
                client_order_id=str(told["intent"]),
                part=form.part,
                despite_doubt=told["despite_doubt"],
                source=OrderSource.PAGE,
                actor=actor(request),
                now=timing.database_now(),
            )
        except DeskError as error:
            form.blame(error)
        else:
            if request.htmx:
                context = {"order": closed.order, "still_open": closed.still_open}
                return render(request, "orders/_left.html", context, status=201)
            return redirect("order", closed.order.id)
    return _ask(request, form, status=422)


def _context(form: LeavingForm) -> dict[str, Any]:
    account, symbol = form.cleaned_data["account"], form.cleaned_data["symbol"]
    held = positioning.held(account).get(symbol, ZERO)
    price = ranging.likely_price(account, "market", symbol, of=form)
    others = Order.objects.filter(account=account, symbol=symbol).open()
    return {
        "form": form,
        "account": account,
        "symbol": symbol,
        "held": held,
        "side": Side.SELL if held > 0 else Side.BUY,
        "value": None if price is None else worth(held.copy_abs(), price),
        "others": list(others.select_related("account").order_by("-id")),
    }


def _ask(request: Request, form: LeavingForm, *, status: int) -> HttpResponse:
    told = getattr(form, "cleaned_data", {})
    context = _context(form) if {"account", "symbol"} <= told.keys() else {"form": form}
    return _dialog(request, "leave", context, status=status)


def _dialog(
    request: Request, name: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    whole = f"orders/_{name}.html" if request.htmx else f"orders/{name}.html"
    return render(request, whole, context | {"nav": "positions"}, status=status)
