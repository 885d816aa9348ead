"""The portfolio's history: what the account was worth, as far back as prices are known.

It is reckoned from the cash that the broker tells now, with every trade since taken back, and from
what was held then at that moment's prices. What was paid in or out meanwhile nobody tells the desk.
A moment for which one price of what was held is not known is left out.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from rest_framework.request import Request
from rest_framework.response import Response

from brokers.messages import Bar, Fill
from brokers.reasons import Reason
from brokers.vocabulary import Side
from orders import asking, timing
from orders.api.alpaca.fields import choice, moment
from orders.api.alpaca.refusing import declined
from orders.api.alpaca.view import View
from orders.api.authenticating import key_of
from orders.deriving import live_fills
from orders.models import Account, Execution
from orders.money import EXACT, ZERO, average, worth

FRAMES: Mapping[str, int] = {"1Min": 60, "5Min": 300, "15Min": 900, "1H": 3600, "1D": 86400}
PERIODS: Mapping[str, timedelta] = {
    "D": timedelta(days=1),
    "W": timedelta(weeks=1),
    "M": timedelta(days=30),
    "A": timedelta(days=365),
}
MOST = 1000  # moments, and bars of a symbol
A_DAY = timedelta(days=1)
EARLIEST = 1970  # a year: before it nobody traded here, and less far back than time begins


@dataclass(frozen=True, slots=True)
class Marks:
    """The prices of one symbol, in time."""

    ends: list[datetime]
    prices: list[Decimal]

    def at(self, moment: datetime) -> Decimal | None:
        """Return the last price known at a moment."""
        found = bisect_right(self.ends, moment)
        return self.prices[found - 1] if found else None


class History(View):
    def get(self, request: Request) -> Response:
        """Raises NoAnswer while the broker does not tell its figures, or a price."""
        account, now = key_of(request).account, timing.database_now()
        begin, end, frame = _asked(request.query_params, now=now)
        seconds = FRAMES[frame]
        moments = _moments(begin, end, seconds)
        worths = _worths(account, moments, seconds=seconds, now=now)
        base = next(iter(worths.values()), ZERO)
        gains = [EXACT.subtract(value, base) for value in worths.values()]
        return Response(
            {
                "timestamp": [int(at.timestamp()) for at in worths],
                "equity": [float(value) for value in worths.values()],
                "profit_loss": [float(gain) for gain in gains],
                "profit_loss_pct": [float(average(gain, base) or ZERO) for gain in gains],
                "base_value": float(base),
                "timeframe": frame,
            }
        )


def _asked(told: Mapping[str, str], *, now: datetime) -> tuple[datetime, datetime, str]:
    """Return from when until when to look, and in what steps: finer ones for less."""
    if told.get("cashflow_types"):
        raise declined(Reason.UNWANTED_FIELD, field="cashflow_types")
    choice("pnl_reset", told.get("pnl_reset", ""), ("no_reset",))  # from the first moment on
    end = min(_time("end", told) or _time("date_end", told) or now, now)
    found = re.fullmatch(r"([1-9][0-9]{0,2})([DWMA])", told.get("period", "") or "1M", re.ASCII)
    if found is None:
        raise declined(Reason.INVALID_FIELD, "invalid period")
    begin = _time("start", told) or end - int(found[1]) * PERIODS[found[2]]
    if begin > end:
        raise declined(Reason.INVALID_FIELD, "start must be before end")
    period = end - begin
    usual = "1Min" if period <= A_DAY else "15Min" if period < PERIODS["M"] else "1D"
    names = {name.lower(): name for name in FRAMES}
    asked = choice("timeframe", told.get("timeframe", ""), (usual.lower(), *names))
    return begin, end, names[asked]


def _time(name: str, told: Mapping[str, str]) -> datetime | None:
    at = moment(name, told.get(name, ""))
    if at is not None and at.year < EARLIEST:
        raise declined(Reason.INVALID_FIELD, f"invalid {name}")
    return at


def _moments(begin: datetime, end: datetime, seconds: int) -> list[datetime]:
    """Return the latest moments of a period, on whole steps of the clock, and its end."""
    step = timedelta(seconds=seconds)
    last = end - timedelta(seconds=end.timestamp() % seconds)
    count = min(int((last - begin) / step) + 1, MOST - 1)
    steps = [last - number * step for number in range(max(count, 0))]
    return [*(at for at in reversed(steps) if at < end), end]


def _worths(
    account: Account, moments: list[datetime], *, seconds: int, now: datetime
) -> dict[datetime, Decimal]:
    """Return what the account was worth at each moment for which that is known."""
    cash = asking.balance(account).cash
    executions = Execution.objects.filter(account=account)
    fills = live_fills(execution.message() for execution in executions.iterator())
    fills.sort(key=lambda fill: fill.executed_at)
    held: dict[str, Decimal] = {}
    for fill in fills:
        held[fill.symbol] = EXACT.add(held.get(fill.symbol, ZERO), _signed(fill))
    since = {fill.symbol for fill in fills if fill.executed_at > moments[0]}
    marks = {
        symbol: _marks(account, symbol, seconds=seconds, now=now)
        for symbol in sorted(since | {symbol for symbol in held if held[symbol]})
    }
    worths = []
    for at in reversed(moments):
        while fills and fills[-1].executed_at > at:
            undone = fills.pop()
            held[undone.symbol] = EXACT.subtract(held[undone.symbol], _signed(undone))
            cash = EXACT.add(EXACT.add(cash, worth(_signed(undone), undone.price)), undone.fee)
        value = _worth(cash, held, marks, at)
        if value is not None:
            worths.append((at, value))
    return dict(reversed(worths))


def _worth(
    cash: Decimal, held: Mapping[str, Decimal], marks: Mapping[str, Marks], at: datetime
) -> Decimal | None:
    """Return some cash and what is held at a moment's prices, or None where one is missing."""
    value = cash
    for symbol, quantity in held.items():
        if not quantity:
            continue
        price = marks[symbol].at(at)
        if price is None:
            return None
        value = EXACT.add(value, worth(quantity, price))
    return value


def _signed(fill: Fill) -> Decimal:
    return fill.quantity if fill.side is Side.BUY else fill.quantity.copy_negate()


def _marks(account: Account, symbol: str, *, seconds: int, now: datetime) -> Marks:
    """Return a symbol's closing prices, each known from the end of its bar, and its latest one."""
    bars: tuple[Bar, ...] = asking.bars(account, symbol, seconds=min(seconds, 900), count=MOST)
    length = timedelta(seconds=min(seconds, 900))
    known = [(min(bar.at + length, now), bar.close) for bar in bars]
    quote = asking.quote(account, symbol)
    if quote is not None:
        known.append((now, quote.last))
    return Marks([at for at, _ in known], [price for _, price in known])
