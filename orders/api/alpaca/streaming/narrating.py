"""Tells an account's orders as events, row by row of its record. Asks the database for nothing.

Per order it is one story, in the order in which things came about: `new` before the first trade,
however late somebody found out; the end after the trades that it counts; what replaces an order as
`new` once that is `replaced`. The same rows always tell the same events.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from brokers.vocabulary import ExecutionKind, Side
from orders.api.alpaca import recounting, showing, stating
from orders.api.alpaca.streaming import imaging
from orders.api.alpaca.streaming.imaging import Columns, Life
from orders.deriving import Flag
from orders.models import Execution, Incident, Order, SnapshotFact
from orders.money import EXACT, ZERO, plain
from orders.states import NEVER_LEFT, Submission

FILLED, NEW = "filled", "new"
ONCE = frozenset({"accepted", "pending_new"})  # a second time they would say that it went back
STANDS = frozenset({"held", "stopped", "suspended", "done_for_day", "calculated", "pending_review"})
ENDS = frozenset({"canceled", "expired", "rejected", "replaced"})
# After these, that an order works is news again.
AGAIN = ENDS | {"suspended", "stopped", "done_for_day", "calculated"}
DIED = NEVER_LEFT | {Submission.REFUSED, Submission.ABSENT}
WRITTEN_DOWN = frozenset({"order.adopted", "order.leg_told"})  # what is told of them comes next
# Not every client of Alpaca's can read these: one raises on a word it does not know.
RARE = frozenset({"restated", "trade_bust", "trade_correct"})
LATER_WORD = {ExecutionKind.BUST: "trade_bust", ExecutionKind.CORRECT: "trade_correct"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the record, with the facts it names as its evidence."""

    sequence: int
    at: datetime
    order_id: UUID | None
    action: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    snapshots: tuple[SnapshotFact, ...] = ()
    executions: tuple[Execution, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """One event: its word, and everything in it but its number."""

    event: str
    said: dict[str, Any] = field(default_factory=dict)


class Narrator:
    """An account's orders, as far as its record has been told.

    `lives` must hold every order of a row's chain of replaces, `held` what the account held of
    each symbol that trades.
    """

    def __init__(self) -> None:
        self.lives: dict[UUID, Life] = {}
        self.held: dict[str, Decimal] = {}

    def tell(self, row: Row) -> list[Told]:
        """Go on by one row, and return what happened by it."""
        life = self.lives.get(row.order_id) if row.order_id else None
        if life is None:
            return []
        if row.action == "incident.raised":
            is_about_fills = row.after.get("kind") == Incident.Kind.FILLS_MISSING
            return [*self._end(life, row.at)] if is_about_fills else []
        if not row.action.startswith("order."):
            return []
        before = dict(life.columns)
        life.take(row.after, at=row.at)
        for snapshot in row.snapshots:
            life.hear(snapshot)
        events = [*self._of_replaced(life, before, row), *self._of_own(life, before, row)]
        return [*events, *self._of_replacements(life, row)]

    # --- The order itself ---

    def _of_own(self, life: Life, before: Columns, row: Row) -> Iterator[Told]:
        if row.action in WRITTEN_DOWN:
            return
        if row.executions and NEW not in life.said and not self._is_late(life):
            # Nobody says when it was new, but that it was before it traded.
            yield from self._first(life, before, min(row.at, row.executions[0].executed_at))
        yield from self._restated(life, row)
        has_filled = False
        for told in self._trades(life, before, row):
            has_filled |= told.event == "fill"
            yield told
        yield from self._turn(life, row.at, has_filled=has_filled)
        yield from self._asked(life, before, row.at)

    def _turn(self, life: Life, at: datetime, *, has_filled: bool) -> Iterator[Told]:
        """Tell how it stands, if that is news and no trade has told it."""
        image = life.image()
        was, is_now = life.status, imaging.status(image)
        life.status = is_now
        if life.waits and is_now != NEW:
            yield self._plainly(NEW, life, at, status=NEW)
        if is_now in ENDS:
            if is_now != was or life.withheld:
                life.withheld = is_now
            if Flag.FILLS_MISSING not in image.flags or image.submission in DIED:
                yield from self._end(life, at)
            return
        life.withheld = ""
        if is_now == was:
            return
        if is_now == FILLED:
            yield from [] if has_filled else [self._whole(life, at)]
        elif is_now == NEW:
            yield from self._works(life, at, again=was in AGAIN)
        elif is_now in STANDS or (is_now in ONCE and not life.said & {is_now, NEW}):
            yield self._plainly(is_now, life, at)

    def _works(self, life: Life, at: datetime, *, again: bool) -> Iterator[Told]:
        if NEW not in life.said and self._is_to_wait(life):
            life.waits = True
        elif NEW not in life.said or again:
            yield self._plainly(NEW, life, at)

    def _end(self, life: Life, at: datetime) -> Iterator[Told]:
        """Tell the end that is still to be told, if any."""
        if not life.withheld:
            return
        event, life.withheld = life.withheld, ""
        image = life.image()
        order = imaging.shown(image, life, self.lives)
        why = image.submission_reason or image.reason
        yield Told(
            event,
            {
                "timestamp": order[showing.ENDED[event]] or showing.moment(at),
                "order": order,
                **({"reason": why} if why else {}),
            },
        )

    def _asked(self, life: Life, before: Columns, at: datetime) -> Iterator[Told]:
        """Tell what somebody wants of it, and that the broker would not cancel it."""
        image = life.image()
        pending = stating.status(image)
        pending = pending if pending in {"pending_cancel", "pending_replace"} else ""
        was, life.is_pending = life.is_pending, pending
        if pending and pending != was:
            yield self._plainly(pending, life, at)
        wanted, wants = before["cancel_requested_at"], life.columns["cancel_requested_at"]
        if wanted is not None and wants is None and not image.has_ended:
            why = life.columns["cancel_refused"]
            yield self._plainly("order_cancel_rejected", life, at, reason=why)

    def _is_late(self, life: Life) -> bool:
        """Whether its end is told already, and stands."""
        return life.status in ENDS and not life.withheld and imaging.status(life.image()) in ENDS

    def _first(self, life: Life, before: Columns, at: datetime) -> Iterator[Told]:
        """Tell it as new before its first trade: it was, though nobody said so."""
        columns = imaging.running(
            life, before, filled=before["filled_quantity"], value=before["filled_value"]
        )
        yield self._plainly(NEW, life, at, **columns)

    def _restated(self, life: Life, row: Row) -> Iterator[Told]:
        for snapshot in row.snapshots:
            was, told = life.broker_quantity, snapshot.quantity
            life.broker_quantity = was if told is None else told
            if was is not None and told is not None and told != was:
                why = f"The broker has it for {plain(told)} now, and had it for {plain(was)}."
                yield self._plainly("restated", life, row.at, reason=why)

    # --- Its trades ---

    def _trades(self, life: Life, before: Columns, row: Row) -> Iterator[Told]:
        filled, value = before["filled_quantity"], before["filled_value"]
        symbol = life.order.symbol
        for number, execution in enumerate(row.executions, start=1):
            booked = life.book(execution)
            filled, value = EXACT.add(filled, booked.quantity), EXACT.add(value, booked.value)
            is_bought = life.order.side == Side.BUY
            signed = booked.quantity if is_bought else booked.quantity.copy_negate()
            self.held[symbol] = EXACT.add(self.held.get(symbol, ZERO), signed)
            columns = imaging.running(life, before, filled=filled, value=value)
            if number == len(row.executions) and life.columns["status"] not in ENDS:
                columns = {}
            if booked.stands:
                yield self._trade(life, execution, booked, life.image(**columns))

    def _trade(
        self, life: Life, execution: Execution, booked: imaging.Booked, image: Order
    ) -> Told:
        is_whole = imaging.status(image) == FILLED
        event = "fill" if is_whole else "partial_fill"
        said: dict[str, Any] = {
            "timestamp": showing.moment(execution.executed_at),
            "order": imaging.shown(image, life, self.lives),
            "execution_id": str(recounting.execution_id(execution)),
            "price": plain(execution.price),
            "qty": plain(execution.quantity),
            "position_qty": plain(self.held[life.order.symbol]),
        }
        word = LATER_WORD.get(ExecutionKind(execution.kind))
        # The first word on a trade tells it as a trade, even if that is its correction.
        if word == "trade_bust" or (word is not None and booked.earlier is not None):
            event = word
            said["timestamp"] = showing.moment(life.changed_at)
            said["reason"] = word.upper()
            if booked.earlier is not None:
                said["previous_execution_id"] = str(recounting.execution_id(booked.earlier))
        return Told(event, said)

    def _whole(self, life: Life, at: datetime) -> Told:
        """Tell it as filled where no trade makes it so: the broker alone knew that it was whole.

        It is a trade of nothing, so that who adds up trades stays right.
        """
        image = life.image()
        return Told(
            "fill",
            {
                "timestamp": showing.moment(at),
                "order": imaging.shown(image, life, self.lives),
                "price": plain(image.average_price),
                "qty": "0",
                "position_qty": plain(self.held.get(life.order.symbol, ZERO)),
            },
        )

    # --- Those whose place it takes, and those that take its place ---

    def _of_replaced(self, life: Life, before: Columns, row: Row) -> Iterator[Told]:
        """Tell what the change of a replacement means for the order that it is to replace."""
        old = self.lives.get(life.order.replaces_id) if life.order.replaces_id else None
        if old is None:
            return
        old.replacements[life.order.id] = Submission(life.columns["submission"])
        has_died = life.columns["submission"] in DIED and before["submission"] not in DIED
        yield from self._asked(old, old.columns, row.at)
        if has_died:
            why = life.columns["submission_reason"]
            yield self._plainly("order_replace_rejected", old, row.at, reason=why)

    def _is_to_wait(self, life: Life) -> bool:
        """Whether it is to be told as new only once the order that it replaces is told as ended."""
        old = self.lives.get(life.order.replaces_id) if life.order.replaces_id else None
        return old is not None and (not old.image().has_ended or bool(old.withheld))

    def _of_replacements(self, life: Life, row: Row) -> Iterator[Told]:
        """Tell those as new that waited for this order's end."""
        for number in sorted(life.replacements):
            waiting = self.lives[number]
            if waiting.waits and not self._is_to_wait(waiting):
                yield self._plainly(NEW, waiting, row.at)

    def _plainly(
        self, event: str, life: Life, at: datetime, *, reason: str = "", **columns: Any
    ) -> Told:
        """Return an event that says no more than how the order stands."""
        life.said.add(event)
        if event == NEW:
            life.waits = False
        return Told(
            event,
            {
                "timestamp": showing.moment(at),
                "order": imaging.shown(life.image(**columns), life, self.lives),
                **({"reason": reason} if reason else {}),
            },
        )


def in_time(executions: Iterable[Execution]) -> tuple[Execution, ...]:
    """Return trades that became known together in the order in which they were made."""
    return tuple(sorted(executions, key=lambda one: (one.executed_at, one.id)))
