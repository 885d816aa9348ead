"""Reads the events of an account off its record, batch by batch, from any place in it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any
from uuid import UUID

import structlog
from django.db import connection

from orders.api.alpaca.streaming import narrating, numbering
from orders.api.alpaca.streaming.imaging import Life
from orders.api.alpaca.streaming.narrating import Narrator, Row, Told
from orders.api.alpaca.streaming.numbering import Place
from orders.models import ApiKey, AuditChain, AuditEvent, Execution, Order, SnapshotFact
from orders.money import ZERO

log = structlog.get_logger(__name__)

MOST_ROWS = 200  # read at once
MOST_LIVES = 1000  # orders kept in mind; beyond that it is cheaper to read them again

# A row's moment, less its number, so that the latest of these says how far time has come: see
# `numbering`. An index of the audit is on just this.
MOMENT = "((extract(epoch FROM at AT TIME ZONE 'UTC') * 1000000)::bigint - sequence)"
CHAIN = """
    WITH RECURSIVE up AS (
        SELECT id, replaces_id FROM orders_order WHERE id = ANY(%s)
        UNION
        SELECT o.id, o.replaces_id FROM orders_order o JOIN up ON o.id = up.replaces_id
    ), chain AS (
        SELECT id FROM up
        UNION
        SELECT o.id FROM orders_order o JOIN chain ON o.replaces_id = chain.id
    )
    SELECT id FROM chain
"""
# What the account held when its record had come to a row: all it filled, less what came after.
# One statement, so that both are of one moment.
HELD = """
    SELECT symbol, sum(signed) FROM (
        SELECT symbol, CASE side WHEN 'buy' THEN filled_quantity ELSE -filled_quantity END AS signed
          FROM orders_order WHERE account_id = %(account)s AND symbol = ANY(%(symbols)s)
        UNION ALL
        SELECT o.symbol, CASE o.side WHEN 'buy' THEN -1 ELSE 1 END * (
                   (e.after->>'filled_quantity')::numeric
                   - coalesce((e.before->>'filled_quantity')::numeric, 0))
          FROM orders_auditevent e JOIN orders_order o ON o.id = e.order_id
         WHERE e.chain = %(chain)s AND e.sequence > %(sequence)s
           AND e.after ? 'filled_quantity' AND o.symbol = ANY(%(symbols)s)
    ) AS movements GROUP BY symbol
"""


class NoSuchEvent(Exception):
    """An id that is not one of this account's events."""


@dataclass(frozen=True)
class Event:
    """One thing that happened to an order. `said` is all that is told of it."""

    place: Place
    at_ns: int
    name: str
    said: dict[str, Any]

    @cached_property
    def text(self) -> str:
        return json.dumps(self.said)


@dataclass(frozen=True, slots=True)
class Batch:
    """The events of some rows of the record, and the last of those rows."""

    events: tuple[Event, ...]
    sequence: int
    is_last: bool  # there was no more to read


class Recall:
    """The events of an account after a row of its record, in their order, batch by batch."""

    def __init__(self, account_id: UUID, sequence: int) -> None:
        self.account_id = account_id
        self.sequence = sequence
        self._high: int | None = None  # see MOMENT
        self._narrator = Narrator()

    def next(self) -> Batch:
        """Read on. Raises django.db.Error: then it stands where it stood."""
        if self._high is None:
            self._high = latest_moment(self.account_id, self.sequence)
        rows = self._rows(sequence__gt=self.sequence, most=MOST_ROWS)
        self._prepare(rows)
        events = []
        for row in rows:
            self.sequence = row.sequence
            moment = numbering.microseconds(row.at) - row.sequence
            self._high = moment if self._high is None else max(self._high, moment)
            told = self._tell(row)
            events += [self._numbered(one, row, nth) for nth, one in enumerate(told)]
        return Batch(tuple(events), self.sequence, is_last=len(rows) < MOST_ROWS)

    def _tell(self, row: Row) -> list[Told]:
        try:
            return self._narrator.tell(row)
        except Exception:  # one order that can't be told must not hide the others
            log.exception("event_not_told", order=str(row.order_id), sequence=row.sequence)
            return []

    def _numbered(self, told: Told, row: Row, nth: int) -> Event:
        place = Place(row.sequence, nth)
        at_ns = numbering.published((self._high or 0) + row.sequence, nth)
        said = {
            "event_id": numbering.event_id(place, at_ns=at_ns),
            "at": numbering.written(at_ns),
            "event": told.event,
            **told.said,
        }
        return Event(place, at_ns, told.event, said)

    # --- What telling takes ---

    def _prepare(self, rows: list[Row]) -> None:
        """Have in mind every order these rows are about, and how things stood before them."""
        if len(self._narrator.lives) > MOST_LIVES:
            self._narrator = Narrator()
        lives = self._narrator.lives
        unknown = {row.order_id for row in rows if row.order_id} - lives.keys()
        if unknown:
            self._remember(unknown)
        traded = {
            lives[row.order_id].order.symbol for row in rows if row.order_id and row.executions
        }
        if unheld := traded - self._narrator.held.keys():
            self._narrator.held.update(self._held(unheld))

    def _remember(self, order_ids: Collection[UUID]) -> None:
        lives = self._narrator.lives
        with connection.cursor() as cursor:
            cursor.execute(CHAIN, [list(order_ids)])
            chain = {row[0] for row in cursor.fetchall()} - lives.keys()
        found = Order.objects.filter(id__in=chain, account_id=self.account_id)
        orders = list(found.select_related("parent"))
        past = self._rows(sequence__lte=self.sequence, order_id__in=chain)
        lives.update({order.id: Life(order) for order in orders})
        held = dict(self._narrator.held)
        for row in past:
            self._tell(row)
        self._narrator.held = held  # which counted these trades already

    def _held(self, symbols: Collection[str]) -> dict[str, Decimal]:
        with connection.cursor() as cursor:
            cursor.execute(
                HELD,
                {
                    "account": self.account_id,
                    "chain": str(self.account_id),
                    "sequence": self.sequence,
                    "symbols": list(symbols),
                },
            )
            return dict.fromkeys(symbols, ZERO) | dict(cursor.fetchall())

    def _rows(self, *, most: int | None = None, **which: Any) -> list[Row]:
        found = list(
            AuditEvent.objects.filter(chain=str(self.account_id), **which)
            .order_by("sequence")
            .only("sequence", "at", "order_id", "action", "before", "after", "evidence")[:most]
        )
        snapshots = _named(SnapshotFact, "snapshot", found)
        executions = _named(Execution, "execution", found)
        return [
            Row(
                sequence=one.sequence,
                at=one.at,
                order_id=one.order_id,
                action=one.action,
                before=one.before,
                after=one.after,
                snapshots=tuple(snapshots[one.sequence]),
                executions=narrating.in_time(executions[one.sequence]),
            )
            for one in found
        ]


def head(account_id: UUID) -> int:
    """Return how far an account's record has come."""
    found = AuditChain.objects.filter(name=str(account_id)).values_list("sequence", flat=True)
    return found.first() or 0


def heads(account_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Return how far the records of accounts have come."""
    names = {str(account_id): account_id for account_id in account_ids}
    known = AuditChain.objects.filter(name__in=names).values_list("name", "sequence")
    return dict.fromkeys(names.values(), 0) | {names[name]: sequence for name, sequence in known}


def still_live(keys: Collection[int]) -> set[int]:
    """Return which keys are still live."""
    return set(
        ApiKey.objects.filter(pk__in=keys, revoked_at__isnull=True).values_list("pk", flat=True)
    )


def place_of(account_id: UUID, event_id: str) -> Place:
    """Return the place of an account's event. Raises NoSuchEvent."""
    try:
        place, told_ms = numbering.read(event_id)
    except ValueError as error:
        raise NoSuchEvent(event_id) from error
    high = latest_moment(account_id, place.sequence)
    if high is None or place.sequence > head(account_id):
        raise NoSuchEvent(event_id)
    at_ns = numbering.published(high + place.sequence, place.nth)
    if at_ns // 1_000_000 != told_ms:
        raise NoSuchEvent(event_id)
    return place


def sequence_before(account_id: UUID, at_ns: int) -> int:
    """Return a row of an account's record before which nothing was published at a time or later."""
    # A second less, and one microsecond for each row: time never goes back, so a row may be
    # published later than its own clock says.
    wanted = at_ns // 1000 - 1_000_000 - head(account_id)
    with connection.cursor() as cursor:
        cursor.execute(
            # Not the bare sequence, or its index would be taken and read from the beginning.
            f"SELECT min(sequence + 0) FROM orders_auditevent WHERE chain = %s AND {MOMENT} >= %s",  # noqa: S608 — no input
            [str(account_id), wanted],
        )
        first = cursor.fetchone()[0]
    return head(account_id) if first is None else int(first) - 1


def latest_moment(account_id: UUID, sequence: int) -> int | None:
    """Return how far time has come by a row of an account's record, or None if there is none."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {MOMENT} FROM orders_auditevent WHERE chain = %s AND sequence <= %s"  # noqa: S608 — no input
            f" ORDER BY {MOMENT} DESC LIMIT 1",
            [str(account_id), sequence],
        )
        row = cursor.fetchone()
    return None if row is None else int(row[0])


def _named(model: Any, kind: str, rows: Iterable[AuditEvent]) -> dict[int, list[Any]]:
    """Return the facts of a kind that each row names as its evidence."""
    numbers = defaultdict(list)
    for row in rows:
        for name in row.evidence:
            what, _, number = name.partition(":")
            if what == kind:
                numbers[row.sequence].append(int(number))
    found = model.objects.defer("raw").in_bulk({one for named in numbers.values() for one in named})
    facts: dict[int, list[Any]] = defaultdict(list)
    for sequence, named in numbers.items():
        facts[sequence] = [found[one] for one in named if one in found]
    return facts
