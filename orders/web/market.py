"""Prices for charts and tickets, as JSON and as fragments."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from brokers.vocabulary import ExecutionKind
from orders import asking
from orders.asking import NoAnswer
from orders.models import Account, Execution, Order
from orders.money import plain
from orders.web.people import Request, members_only

INTERVALS = (5, 60, 300, 900)  # seconds
BARS = 180
MARKS = 60  # fills drawn on a chart
LINES = 12  # open orders drawn on a chart


@members_only
@require_GET
def bars(request: Request, symbol: str) -> HttpResponse:
    """Candles, the last price, and the person's own fills, for the chart."""
    account = _account(request)
    asked = request.GET.get("seconds", "")
    seconds = int(asked) if asked in map(str, INTERVALS) else 60
    try:
        drawn = asking.bars(account, symbol, seconds=seconds, count=BARS)
        quote = asking.quote(account, symbol)
    except NoAnswer as error:
        return JsonResponse({"error": str(error)}, status=503)
    if quote is None:
        return JsonResponse({"error": f"{account} has no {symbol[:32]}."}, status=404)
    since = drawn[0].at if drawn else datetime.now(UTC)
    return JsonResponse(
        {
            "symbol": symbol,
            "seconds": seconds,
            "bars": [
                {
                    "at": int(bar.at.timestamp()),
                    "open": plain(bar.open),
                    "high": plain(bar.high),
                    "low": plain(bar.low),
                    "close": plain(bar.close),
                }
                for bar in drawn
            ],
            "quote": {
                "bid": plain(quote.bid),
                "ask": plain(quote.ask),
                "last": plain(quote.last),
                "at": quote.at.isoformat(),
            },
            "fills": _marks(account, symbol, since=since),
            "orders": _lines(account, symbol),
        }
    )


@members_only
@require_GET
def symbols(request: Request) -> HttpResponse:
    """What the ticket suggests for its symbol."""
    try:
        known = asking.instruments(_account(request))
    except NoAnswer:
        known = ()
    return render(request, "orders/_symbols.html", {"instruments": known})


def _account(request: Request) -> Account:
    visible = Account.objects.visible_to(request.user)
    try:
        wanted = UUID(request.GET.get("account", ""))
    except ValueError as error:
        raise Http404 from error
    return get_object_or_404(visible, id=wanted)


def _marks(account: Account, symbol: str, *, since: datetime) -> list[dict[str, Any]]:
    fills = Execution.objects.filter(
        account=account, symbol=symbol, executed_at__gte=since, kind=ExecutionKind.FILL
    )
    return [
        {
            "at": int(fill.executed_at.timestamp()),
            "side": fill.side,
            "quantity": plain(fill.quantity),
            "price": plain(fill.price),
        }
        for fill in fills.order_by("-id")[:MARKS][::-1]
    ]


def _lines(account: Account, symbol: str) -> list[dict[str, Any]]:
    orders = Order.objects.filter(account=account, symbol=symbol).open()
    priced = orders.exclude(limit_price=None, stop_price=None)
    return [
        {
            "side": order.side,
            "quantity": plain(order.leaves_quantity or order.notional),
            "price": plain(order.limit_price or order.stop_price),
        }
        for order in priced[:LINES]
    ]
