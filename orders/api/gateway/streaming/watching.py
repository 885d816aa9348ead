"""Looks at what has no record of its own: alarms, how the broker is heard, and prices.

An alarm is told until its `event_id` has been acknowledged, which the SDK does once the strategy's
own code has run; and to each stream that opens while it stands. It is kept by the incident itself:
neither a lost connection nor a restart loses it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from orders import asking, positioning, timing
from orders.api.gateway import quoting, showing
from orders.asking import NoAnswer
from orders.models import Account, Feed, Incident, Order

Frame = dict[str, Any]

AGAIN_AFTER = 15.0  # seconds without an acknowledgement
MOST_SYMBOLS = 20  # of which prices are told to one stream
MINUTE = 60
ALARMS = {
    Incident.Kind.UNPROTECTED: "POSITION_UNPROTECTED",
    Incident.Kind.OVERSOLD: "OCO_DOUBLE_EXIT",
}


class Watch:
    """What one stream has been told of its account, beside what happened to orders."""

    def __init__(self, account: Account, symbols: Iterable[str]) -> None:
        self.account = account
        self._chosen = tuple(symbols)[:MOST_SYMBOLS]
        self._told_at: dict[str, float] = {}  # alarms, by event id
        self._acknowledged: set[str] = set()
        self._silent_since: datetime | None = None
        self._quoted: dict[str, datetime] = {}
        self._barred: dict[str, datetime] = {}

    def acknowledge(self, event_ids: Iterable[object]) -> None:
        """Note what the client has dealt with."""
        self._acknowledged |= {one for one in event_ids if isinstance(one, str)} & set(
            self._told_at
        )

    def look(self) -> list[Frame]:
        """Return what is to be told now. Raises django.db.Error."""
        now = timing.database_now()
        return [*self._alarms(), *self._hearing(now), *self._prices(now)]

    def _alarms(self) -> Iterator[Frame]:
        incidents = Incident.objects.open().filter(account=self.account, kind__in=ALARMS)
        for incident in incidents.select_related("order").order_by("id"):
            event_id = f"incident-{incident.pk}"
            told_at = self._told_at.get(event_id)
            is_due = told_at is None or time.monotonic() - told_at > AGAIN_AFTER
            if is_due and event_id not in self._acknowledged:
                self._told_at[event_id] = time.monotonic()
                yield _alarm(incident, event_id)

    def _hearing(self, now: datetime) -> Iterator[Frame]:
        """Tell that the broker has fallen silent, or is heard again."""
        feed = Feed.objects.get(account=self.account)
        was, self._silent_since = self._silent_since, feed.silent_since
        if (was is None) == (feed.silent_since is None):
            return
        told: Frame = {"type": "connection", "broker": self.account.broker}
        if was is None:
            told |= {"event": "BROKER_DISCONNECTED", "error": feed.failure}
        else:
            gap = int((now - was).total_seconds() * 1000)
            told |= {"event": "BROKER_RECONNECTED", "gap_duration_ms": max(gap, 0)}
        yield told | {"timestamp": showing.moment(now)}

    def _prices(self, now: datetime) -> Iterator[Frame]:
        at = showing.moment(now)
        for symbol in self._symbols():
            try:
                yield from self._price(symbol, at)
            except NoAnswer:
                return  # nor will it tell the others

    def _price(self, symbol: str, at: str) -> Iterator[Frame]:
        quote = asking.quote(self.account, symbol)
        if quote is None:
            return
        if self._quoted.get(symbol) != quote.at:
            self._quoted[symbol] = quote.at
            told = quoting.quoted(self.account, quote)
            yield {"type": "quote", "quote": told, "timestamp": at}
        minute = quote.at.replace(second=0, microsecond=0)
        if self._barred.setdefault(symbol, minute) == minute:
            return
        self._barred[symbol] = minute
        bars = asking.bars(self.account, symbol, seconds=MINUTE, count=2)
        for bar in [bar for bar in bars if bar.at < minute][-1:]:
            told = quoting.barred(self.account, symbol, "1m", bar)
            yield {"type": "candle", "bar": told, "timestamp": at}

    def _symbols(self) -> tuple[str, ...]:
        """Return the symbols that were asked for, or else those that are held or to be traded."""
        if self._chosen:
            return self._chosen
        working = Order.objects.filter(account=self.account).open().order_by()
        traded = set(working.values_list("symbol", flat=True).distinct())
        return tuple(sorted(traded | positioning.held(self.account).keys()))[:MOST_SYMBOLS]


def _alarm(incident: Incident, event_id: str) -> Frame:
    order = incident.order
    about = {"order_id": str(order.id), "symbol": order.symbol} if order else {}
    return {
        "type": "error",
        "code": ALARMS[Incident.Kind(incident.kind)],
        "message": incident.says,
        "details": about | {"incident_id": incident.pk},
        "event_id": event_id,
        "timestamp": showing.moment(incident.opened_at),
    }
