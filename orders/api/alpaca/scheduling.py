"""The clock and the calendar of the paper exchange, which never closes.

Its days begin and end at midnight UTC, with an auction. Of the hours of other markets the desk
knows nothing, and says so.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from brokers import registry
from brokers.reasons import Reason
from orders import timing
from orders.api.alpaca import showing
from orders.api.alpaca.fields import moment
from orders.api.alpaca.refusing import declined, not_found
from orders.api.alpaca.view import View
from orders.api.authenticating import key_of
from orders.models import Account

PAPER = frozenset(adapter.passport.broker for adapter in registry.PAPER)  # in whatever person
MOST_DAYS = 366
USUAL_DAYS = 30
A_DAY = timedelta(days=1)


class Clock(View):
    def get(self, request: Request) -> Response:
        _check_is_known(key_of(request).account)
        now = timing.database_now()
        midnight = timing.day_begins(timing.trading_day(now)) + A_DAY
        return Response(
            {
                "timestamp": showing.moment(now),
                "is_open": True,
                "next_open": showing.moment(midnight),
                "next_close": showing.moment(midnight),
            }
        )


class Calendar(View):
    def get(self, request: Request) -> Response:
        _check_is_known(key_of(request).account)
        today = timing.trading_day(timing.database_now())
        told = request.query_params
        first = _day("start", told.get("start", ""), usual=today)
        last = _day("end", told.get("end", ""), usual=first + USUAL_DAYS * A_DAY)
        if (last - first).days >= MOST_DAYS:
            raise declined(Reason.INVALID_FIELD, f"end must be within {MOST_DAYS} days of start")
        days = range(max((last - first).days + 1, 0))
        return Response([_session(first + number * A_DAY) for number in days])


def _session(day: date) -> dict[str, Any]:
    """Return one day, in hours and minutes UTC: the last minute is all that they can say."""
    return {
        "date": day.isoformat(),
        "open": "00:00",
        "close": "23:59",
        "session_open": "0000",
        "session_close": "2359",
        "settlement_date": day.isoformat(),
    }


def _day(name: str, value: str, *, usual: date) -> date:
    at = moment(name, value)
    if at is not None and not 1970 <= at.year < 2200:
        raise declined(Reason.INVALID_FIELD, f"invalid {name}")
    return usual if at is None else at.date()


def _check_is_known(account: Account) -> None:
    if account.broker not in PAPER:
        raise not_found(f"this desk keeps no calendar of {account.broker}")
