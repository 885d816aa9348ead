"""Prices: the broker's latest quote, and its bars."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from brokers.messages import Bar, Quote
from orders import asking
from orders.api.gateway import showing
from orders.api.gateway.fields import LONGEST_SYMBOL, WORD, count, moment, query
from orders.api.gateway.view import View
from orders.api.gateway.wording import no_such_symbol, unreadable
from orders.models import Account
from orders.money import plain

NOTHING: frozenset[str] = frozenset()
BARS = frozenset({"timeframe", "start", "end", "limit"})
MINUTE, HOUR = 60, 3600
FRAMES: Mapping[str, int] = {
    **{f"{minutes}m": minutes * MINUTE for minutes in (1, 2, 5, 10, 15, 30)},
    **{f"{hours}h": hours * HOUR for hours in (1, 2, 4, 12)},
    "1d": 24 * HOUR,
    "1w": 7 * 24 * HOUR,
}
USUAL, MOST = 100, 1000


class QuoteShown(View):
    def get(self, request: Request, symbol: str) -> Response:
        account = self.account_of(request)
        query(request, NOTHING)
        return Response(quoted(account, _quote(account, symbol)))


class Bars(View):
    def get(self, request: Request, symbol: str) -> Response:
        """Bars, oldest first: the first ones from `start` on, or else the latest."""
        account = self.account_of(request)
        asked = query(request, BARS)
        frame = asked.get("timeframe", "")
        if frame not in FRAMES:
            raise unreadable(f"timeframe must be one of {', '.join(FRAMES)}", field="timeframe")
        start, end = (moment(name, asked.get(name)) for name in ("start", "end"))
        limit = count("limit", asked.get("limit"), usual=USUAL, most=MOST)
        _quote(account, symbol)  # of a symbol that it does not know, a broker may tell no bars
        wanted = limit if start is None and end is None else MOST
        told = asking.bars(account, symbol, seconds=FRAMES[frame], count=max(wanted, 1))
        found = [bar for bar in told if _is_between(bar.at, start, end)]
        chosen = found[:limit] if start is not None else found[len(found) - limit :]
        if limit >= len(found):
            chosen = found
        return Response([barred(account, symbol, frame, bar) for bar in chosen])


def quoted(account: Account, quote: Quote) -> dict[str, Any]:
    """Return a quote as it is shown."""
    return {
        "symbol": quote.symbol,
        "provider": account.broker,
        "bid": plain(quote.bid),
        "ask": plain(quote.ask),
        "last": plain(quote.last),
        "timestamp": showing.moment(quote.at),
    }


def barred(account: Account, symbol: str, frame: str, bar: Bar) -> dict[str, Any]:
    """Return a bar as it is shown. Nobody tells the desk a volume, and clients need one."""
    return {
        "symbol": symbol,
        "provider": account.broker,
        "timeframe": frame,
        "timestamp": showing.moment(bar.at),
        "open": plain(bar.open),
        "high": plain(bar.high),
        "low": plain(bar.low),
        "close": plain(bar.close),
        "volume": "0",
    }


def _quote(account: Account, symbol: str) -> Quote:
    if len(symbol) > LONGEST_SYMBOL or not WORD.fullmatch(symbol):
        raise no_such_symbol(symbol)
    quote = asking.quote(account, symbol)
    if quote is None:
        raise no_such_symbol(symbol)
    return quote


def _is_between(at: datetime, start: datetime | None, end: datetime | None) -> bool:
    return (start is None or at >= start) and (end is None or at <= end)
