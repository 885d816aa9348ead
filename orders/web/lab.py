"""The lab: makes the paper exchange misbehave on purpose, and shows what its market does.

Only for paper accounts at this desk's own exchange, and only for who may trade in them.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from brokers import registry
from brokers.messages import Quote
from brokers.paper.admin import Admin, Dial, Listing, NotDone
from brokers.vocabulary import Environment
from orders import asking, connecting
from orders.asking import NoAnswer
from orders.models import Account
from orders.models.account import AccountQuerySet
from orders.web.forms import AmountField, StrictForm
from orders.web.people import Request, members_only
from orders.web.scenarios import POINTS, SCENARIOS

PAPER = [adapter.passport.broker for adapter in registry.PAPER]  # in whatever person


class DialForm(StrictForm):
    fault = forms.CharField(max_length=64)
    probability = forms.DecimalField(min_value=0, max_value=1, max_digits=7, decimal_places=6)
    next = forms.IntegerField(min_value=0, max_value=1_000)
    seconds = forms.DecimalField(required=False, min_value=0, max_digits=8, decimal_places=2)
    times = forms.IntegerField(required=False, min_value=0, max_value=100)


class MoveForm(StrictForm):
    symbol = forms.CharField(max_length=32)
    price = AmountField(required=False)
    do = forms.ChoiceField(
        choices=[(word, word) for word in ("hold", "release", "open", "close", "late")]
    )


@members_only
@require_GET
def lab(request: Request) -> HttpResponse:
    """The first paper account's dials, or that there is none."""
    account = _paper_accounts(request).first()
    if account is None:
        return render(request, "orders/lab.html", {"nav": "lab", "account": None})
    return redirect("lab-account", account.id)


@members_only
@require_GET
def lab_account(request: Request, account_id: UUID) -> HttpResponse:
    """One account's dials, scenarios and tape."""
    return _page(request, _account(request, account_id))


@members_only
@require_GET
def tape(request: Request, account_id: UUID) -> HttpResponse:
    """What the market does, every two seconds."""
    account = _account(request, account_id)
    try:
        rows = [(listing, _quote(account, listing)) for listing in _admin().listings()]
    except NotDone as error:
        return render(request, "orders/_tape.html", {"failure": str(error)})
    return render(request, "orders/_tape.html", {"rows": rows, "account": account})


@members_only
@require_POST
def scenario(request: Request, account_id: UUID, name: str) -> HttpResponse:
    """Set something up to go wrong with the next order or the next news."""
    if name not in SCENARIOS:
        raise Http404
    chosen = SCENARIOS[name]
    return _turn(
        request,
        account_id,
        lambda admin, key: admin.strike_next(key, *chosen.faults),
        said=f"{chosen.title}. {chosen.expect}",
    )


@members_only
@require_POST
def dial(request: Request, account_id: UUID) -> HttpResponse:
    """Set one fault: how likely it is, how often it strikes for certain."""
    account = _account(request, account_id)
    form = DialForm(request.POST)
    if not form.is_valid():
        return _page(request, account, failure=_first_error(form), status=422)
    told = form.cleaned_data
    changes = {name: told[name] for name in ("probability", "next", "seconds", "times")}
    given = {name: value for name, value in changes.items() if value is not None}
    return _turn(
        request,
        account_id,
        lambda admin, key: admin.turn(key, told["fault"], **given),
        said="Set.",
    )


@members_only
@require_POST
def calm(request: Request, account_id: UUID) -> HttpResponse:
    """Take every fault off."""
    return _turn(request, account_id, lambda admin, key: admin.calm(key), said="All is calm.")


@members_only
@require_POST
def move(request: Request, account_id: UUID) -> HttpResponse:
    """Hold a price, let it go; open or close an instrument, or let it trade out of hours."""
    account = _account(request, account_id)
    form = MoveForm(request.POST)
    if form.is_valid() and form.cleaned_data["do"] == "hold" and not form.cleaned_data["price"]:
        form.add_error("price", "Name the price to hold.")
    if not form.is_valid():
        return _page(request, account, failure=_first_error(form), status=422)
    told = form.cleaned_data
    changes: dict[str, Any] = {
        "hold": {"price": told["price"]},
        "release": {"release": True},
        "open": {"open": True},
        "close": {"open": False},
        "late": {"phase": "extended"},
    }[told["do"]]
    return _turn(
        request,
        account_id,
        lambda admin, _key: admin.move(told["symbol"], **changes),
        said=f"{told['symbol']}: {told['do']}.",
    )


def _turn(
    request: Request, account_id: UUID, do: Callable[[Admin, str], object], *, said: str
) -> HttpResponse:
    account = _account(request, account_id)
    try:
        do(_admin(), account.unseal_credentials()["key"])
    except NotDone as error:
        return _page(request, account, failure=str(error), status=502)
    if not request.htmx:
        return redirect(reverse("lab-account", args=[account.id]))
    return _page(request, account, said=said)


def _page(
    request: Request, account: Account, *, said: str = "", failure: str = "", status: int = 200
) -> HttpResponse:
    dials: list[Dial] = []
    try:
        dials = _admin().dials(account.unseal_credentials()["key"])
    except NotDone as error:
        failure = failure or str(error)
    context = {
        "nav": "lab",
        "account": account,
        "accounts": _paper_accounts(request),
        "broker": connecting.passport(account).title,
        "dials": dials,
        "groups": [
            (words, list(group))
            for words, group in groupby(dials, lambda dial: POINTS.get(dial.point, dial.point))
        ],
        "scenarios": SCENARIOS,
        "said": said,
        "failure": failure,
    }
    template = "orders/_lab.html" if request.htmx else "orders/lab.html"
    return render(request, template, context, status=status)


def _admin() -> Admin:
    return Admin(base_url=settings.DESK_PAPER_URL, token=settings.DESK_PAPER_TOKEN)


def _paper_accounts(request: Request) -> AccountQuerySet:
    accounts = Account.objects.tradable_by(request.user)
    if not settings.DESK_PAPER_URL:
        return accounts.none()
    return accounts.filter(
        broker__in=PAPER, environment=Environment.PAPER, base_url=settings.DESK_PAPER_URL
    )


def _account(request: Request, account_id: UUID) -> Account:
    found = _paper_accounts(request).filter(id=account_id).first()
    if found is None:
        raise Http404
    return found


def _quote(account: Account, listing: Listing) -> Quote | None:
    try:
        return asking.quote(account, listing.symbol)
    except NoAnswer:
        return None


def _first_error(form: forms.Form) -> str:
    name, errors = next(iter(form.errors.items()))
    return f"{name}: {errors[0]}" if name != "__all__" else str(errors[0])
