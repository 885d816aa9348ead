"""Ours beside the broker's: what the latest report of each account found, and its breaks by age."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from orders import connecting, tasks
from orders.models import Account, Break, Order, Reconciliation
from orders.web.people import Request, beside, members_only, tradable_ids
from orders.web.words import Badge

ROWS = 200  # lines of a report on one page
HISTORY = 30  # reports

SHOWN = {"": "Differences", "order": "Orders", "execution": "Executions", "position": "Positions"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One account, and how it stands with its broker."""

    account: Account
    report: Reconciliation | None  # the latest
    verdict: Badge
    oldest: datetime | None  # break that is open
    may_ask: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """One order, execution or position: as we have it, and as the broker has it."""

    what: str
    name: str
    order_id: UUID | None  # the page to look at
    ours: str
    theirs: str
    agrees: bool
    since: datetime | None  # when it was first seen to differ; None: it agrees, or it moved


@members_only
@require_GET
def accounts(request: Request) -> HttpResponse:
    """Every account the person may see, and how it stands with its broker."""
    tradable = tradable_ids(request)
    found = [
        _standing(account, may_ask=account.id in tradable)
        for account in Account.objects.visible_to(request.user)
    ]
    whole = "orders/_reconciliations.html" if request.htmx else "orders/reconciliations.html"
    return render(request, whole, {"nav": "reconciliation", "standings": found})


@members_only
@require_GET
def account(request: Request, account_id: UUID) -> HttpResponse:
    """One account's latest report, or an earlier one of them, and all those before it."""
    found = _account_or_404(request, account_id)
    chosen = request.GET.get("report", "")
    report = _report(found, chosen)
    asked = request.GET.get("show", "")
    show = asked if asked in SHOWN else ""
    lines = _shown(report, show) if report else []
    history = found.reconciliations.defer("lines").select_related("asked_by")
    context = {
        "nav": "reconciliation",
        "account": found,
        "broker": connecting.passport(found).title,
        "report": report,
        "verdict": verdict(report),
        "counts": _counts(report) if report else [],
        "doubts": [_doubt(told) for told in report.doubts] if report else [],
        "show": show,
        "chips": SHOWN.items(),
        "lines": _beside(report, lines[:ROWS]) if report else [],
        "left_out": max(len(lines) - ROWS, 0),
        "chosen": chosen,
        "still_open": 0 if report is None or report.has_verdict else _open(found).count(),
        "history": [(past, verdict(past)) for past in history[:HISTORY]],
        "may_ask": found.id in tradable_ids(request),
    }
    whole = "orders/_reconciliation.html" if request.htmx else "orders/reconciliation.html"
    return render(request, whole, context)


@members_only
@require_POST
def now(request: Request, account_id: UUID) -> HttpResponse:
    """Have an account compared with its broker now. The report appears when it is done."""
    found = _account_or_404(request, account_id)
    if found.id not in tradable_ids(request):
        context = {"why": f"You may look at {found}, and not trade in it."}
        if request.htmx:
            return beside(render(request, "orders/_refused.html", context, status=403))
        return render(request, "403.html", context, status=403)
    tasks.reconcile_soon(found, request.user)
    said = f"Comparing {found} with its broker now. The report appears here within half a minute."
    if request.htmx:
        return render(request, "orders/_said.html", {"said": said, "heard": True})
    messages.info(request, said)
    return redirect("reconciliation", found.id)


def verdict(report: Reconciliation | None) -> Badge:
    """Return what a report comes to, in a word."""
    if report is None:
        return Badge("ended", "ring", "Never compared", "No report has been made yet.")
    if report.breaks:
        count = len(report.breaks)
        return Badge("conflict", "warning", f"{count} break{'s' * (count != 1)}", "They differ.")
    if not report.has_verdict:
        return Badge("doubt", "question", "No verdict", report.failure)
    if report.failure:
        return Badge("warning", "clock", "Not whole", report.failure)
    if report.doubts:
        return Badge("doubt", "question", f"{len(report.doubts)} in doubt", "The rest agrees.")
    return Badge("filled", "tick", "They agree", "Ours and the broker's are the same.")


def _account_or_404(request: Request, account_id: UUID) -> Account:
    visible: Account = get_object_or_404(Account.objects.visible_to(request.user), id=account_id)
    return visible


def _standing(account: Account, *, may_ask: bool) -> Standing:
    report = account.reconciliations.defer("lines").first()
    return Standing(
        account=account,
        report=report,
        verdict=verdict(report),
        oldest=_open(account).values_list("first_seen_at", flat=True).first(),
        may_ask=may_ask,
    )


def _open(account: Account) -> QuerySet[Break]:
    return Break.objects.filter(account=account, closed_at__isnull=True)


def _report(account: Account, asked: str) -> Reconciliation | None:
    """Return the report that is asked for, else the latest. Raises Http404 for one not there."""
    if not asked:
        return account.reconciliations.select_related("asked_by").first()
    if not (asked.isascii() and asked.isdigit() and len(asked) < 19):
        raise Http404
    return get_object_or_404(account.reconciliations.select_related("asked_by"), id=asked)


def _counts(report: Reconciliation) -> list[tuple[str, int, int]]:
    return [
        (what.title(), getattr(report, f"{what}_ours"), getattr(report, f"{what}_theirs"))
        for what in ("orders", "executions", "positions")
    ]


def _shown(report: Reconciliation, show: str) -> list[dict[str, Any]]:
    """Return the lines of one kind, or all of which the two sides differ."""
    if show:
        return [line for line in report.lines if line["what"] == show]
    return [line for line in report.lines if not line["agrees"]]


def _beside(report: Reconciliation, lines: list[dict[str, Any]]) -> list[Beside]:
    since = {
        (told["what"], told["name"]): datetime.fromisoformat(told["first_seen_at"])
        for told in report.breaks
    }
    named = {line["broker_order_id"] for line in lines} - {""}
    known = Order.objects.filter(account_id=report.account_id, broker_order_id__in=named)
    orders = dict(known.values_list("broker_order_id", "id"))
    return [
        Beside(
            what=line["what"],
            name=line["name"],
            order_id=orders.get(line["broker_order_id"]),
            ours=line["ours"],
            theirs=line["theirs"],
            agrees=line["agrees"],
            since=since.get((line["what"], line["name"])),
        )
        for line in lines
    ]


def _doubt(told: dict[str, Any]) -> dict[str, Any]:
    return told | {"since": datetime.fromisoformat(told["since"])}
