"""Events over HTTP, as server-sent events: everything since some event or moment, and then live.

Each event is one line, `data: {…}`, with an empty one behind it. Lines that begin with a colon
are for people, and keep the connection open: clients skip them.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import structlog
from django.db import Error as DatabaseAway
from django.db import close_old_connections
from django.http import StreamingHttpResponse
from rest_framework.request import Request

from brokers.reasons import Reason
from orders import timing
from orders.api.alpaca.fields import moment
from orders.api.alpaca.refusing import Declined, declined
from orders.api.alpaca.streaming import numbering, recalling
from orders.api.alpaca.streaming.following import AWAY, following
from orders.api.alpaca.streaming.listening import Ended, Listener
from orders.api.alpaca.streaming.numbering import Place
from orders.api.alpaca.streaming.recalling import Event, NoSuchEvent
from orders.api.alpaca.view import View
from orders.api.authenticating import key_of
from orders.models import Account, ApiKey

log = structlog.get_logger(__name__)

HEARTBEAT = 10.0  # seconds of silence
SETTLED = 5_000_000_000  # nanoseconds: what was recorded is committed by then


@dataclass(frozen=True, slots=True)
class Wanted:
    """From where to where a client wants to be told."""

    since: Place | None  # None: from now on
    since_ns: int
    until: Place | None
    until_ns: int | None
    ahead_ns: int  # the database's clock, less this machine's monotonic one

    def begins_after(self, event: Event) -> bool:
        return event.at_ns < self.since_ns

    def ends_before(self, event: Event) -> bool:
        if self.until is not None:
            return event.place > self.until
        return self.until_ns is not None and event.at_ns > self.until_ns

    def is_over(self, listener: Listener) -> bool:
        """Whether nothing that is wanted can come any more."""
        if self.until is not None:
            return listener.has_told(self.until.sequence)
        if self.until_ns is None:
            return False
        return listener.has_told_all_before(self.until_ns + SETTLED - self.ahead_ns)

    @property
    def patience(self) -> float:
        """Seconds to wait for an event before something else is to be done."""
        if self.until is not None:
            return 1.0
        if self.until_ns is None:
            return HEARTBEAT
        left = self.until_ns + SETTLED - self.ahead_ns - time.monotonic_ns()
        return min(max(left / 1e9, 0.5), HEARTBEAT)


class Events(View):
    def get(self, request: Request) -> StreamingHttpResponse:
        """Raises Declined for what can't be told."""
        key = key_of(request)
        wanted = _wanted(request.query_params, key.account)
        answer = StreamingHttpResponse(
            _lines(key, wanted),
            content_type="text/event-stream",
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
        )
        # The request lasts as long as the client stays, and must not keep a connection so long.
        close_old_connections()
        return answer


def _wanted(told: Mapping[str, str], account: Account) -> Wanted:
    _one_of(told, "since", "since_id")
    _one_of(told, "until", "until_id")
    since_ns, until_ns = _time("since", told), _time("until", told)
    since, until = _place("since_id", told, account), _place("until_id", told, account)
    if until is not None and since is None and since_ns is None:
        raise declined(Reason.INVALID_FIELD, "since or since_id is required with until_id")
    if since_ns is not None and until_ns is not None and until_ns < since_ns:
        raise declined(Reason.INVALID_FIELD, "until must not be before since")
    if since_ns is not None:
        since = numbering.after(recalling.sequence_before(account.id, since_ns))
    now_ns = numbering.nanoseconds(timing.database_now())
    return Wanted(
        since=since,
        since_ns=since_ns or 0,
        until=until,
        until_ns=until_ns,
        ahead_ns=now_ns - time.monotonic_ns(),
    )


async def _lines(key: ApiKey, wanted: Wanted) -> AsyncIterator[str]:
    """Yield what is sent, until the client is gone or has all it wanted."""
    last_id = ""
    try:
        async with following(key) as listener:
            await listener.prepare(wanted.since)
            listener.go()
            yield ":connected\n\n"  # from here on nothing is left out
            while not wanted.is_over(listener):
                events = await listener.more(within=wanted.patience)
                for event in events:
                    if wanted.ends_before(event):
                        return
                    if not wanted.begins_after(event):
                        yield f"data: {event.text}\n\n"
                    last_id = event.said["event_id"]
                if not events:
                    yield ":heartbeat\n\n"
    except Ended as error:
        yield _farewell(error, last_id)
    except DatabaseAway as error:
        log.warning("stream_unread", error=str(error))
        yield _farewell(AWAY, last_id)
    except asyncio.CancelledError:
        log.debug("stream_gone")
        raise


def _farewell(ended: Ended, last_id: str) -> str:
    resume = f"; the last event was {last_id}, resume with since_id={last_id}" if last_id else ""
    return f":{ended.code}: {ended.why}{resume}\n\n"


def _one_of(told: Mapping[str, str], *names: str) -> None:
    if all(told.get(name) for name in names):
        raise declined(Reason.UNWANTED_FIELD, f"only one of {' or '.join(names)} is accepted")


def _time(name: str, told: Mapping[str, str]) -> int | None:
    """Return a time of a query in nanoseconds, to the last digit given: clients resume one later
    than the last event they have."""
    given = told.get(name, "")
    at = moment(name, given)
    if at is None:
        return None
    part = re.search(r"\.([0-9]{1,9})", given)
    whole = numbering.nanoseconds(at.replace(microsecond=0))
    return whole + (int(part[1].ljust(9, "0")) if part else 0)


def _place(name: str, told: Mapping[str, str], account: Account) -> Place | None:
    given = told.get(name, "")
    if not given:
        return None
    try:
        return recalling.place_of(account.id, given)
    except NoSuchEvent as error:
        raise _unknown(name) from error


def _unknown(name: str) -> Declined:
    return declined(Reason.INVALID_FIELD, f"{name} is not the id of an event of this account")
