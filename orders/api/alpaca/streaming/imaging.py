"""Sees an order as it stood: its columns as the record has them, row by row, and its trades.

The terms of an order never change, so they are the row's own. Everything else is taken from the
after-images of the audit, and from the facts that its rows name as their evidence. What came
later is not in the picture.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from brokers.messages import Fill
from brokers.vocabulary import ExecutionKind
from orders.api.alpaca import showing, stating
from orders.api.carrying import Carried
from orders.deriving import HARD, authority
from orders.models import Execution, Order, SnapshotFact
from orders.money import EXACT, ZERO, average, total, worth
from orders.recording.changing import PROJECTION
from orders.states import OPEN_MUTATION, Submission

Columns = Mapping[str, Any]

READ: Mapping[str, Callable[[str], Any]] = {
    "conflict_at": datetime.fromisoformat,
    "filled_quantity": Decimal,
    "filled_value": Decimal,
    "average_price": Decimal,
    "claimed_quantity": Decimal,
    "trailing_stop_price": Decimal,
    "high_water_mark": Decimal,
    "unprotected_since": datetime.fromisoformat,
    "flatten_at": datetime.fromisoformat,
    "cancel_requested_at": datetime.fromisoformat,
    "escalated_at": datetime.fromisoformat,
}
FRESH = Order()
UNTOUCHED: Columns = {name: getattr(FRESH, name) for name in PROJECTION}


class Life:
    """One order, as far as its record has been read."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.columns: dict[str, Any] = dict(UNTOUCHED)
        self.changed_at = self.submission_at = order.placed_at
        self.replacements: dict[UUID, Submission] = {}  # by id, how far each got
        # What has been told of it: its status, and the words that are said only once.
        self.status: str | None = None
        self.is_pending = ""  # what was last said to be pending: a cancel, a replace
        self.said: set[str] = set()
        self.withheld = ""  # an end that is not told before the trades that it counts
        self.waits = False  # to be told as new, until what it replaces has ended
        self.broker_quantity: Decimal | None = None  # as the broker last told it
        self._trades: dict[tuple[object, ...], tuple[Fill, Execution]] = {}
        self._told_at: dict[str, datetime] = {}
        self._traded_at: datetime | None = None

    def take(self, after: Mapping[str, Any], *, at: datetime) -> None:
        """Go on to the next after-image of the record."""
        told = {name: _read(name, after[name]) for name in PROJECTION if name in after}
        self.columns |= told
        self.changed_at = at
        if "submission" in told:
            self.submission_at = at

    def hear(self, snapshot: SnapshotFact) -> None:
        """Take in what a broker said of it."""
        earliest = self._told_at.get(snapshot.status, snapshot.heard_at)
        self._told_at[snapshot.status] = min(earliest, snapshot.heard_at)

    def book(self, execution: Execution) -> Booked:
        """Take in a trade, or a later word on one, and return what that changes."""
        fill = execution.message()
        key = (fill.broker_order_id, fill.execution_id, fill.trade_date)
        earlier = self._trades.get(key)
        if execution.kind != ExecutionKind.BUST:
            self._traded_at = max(self._traded_at or execution.executed_at, execution.executed_at)
        stands = earlier is None or authority(fill) > authority(earlier[0])
        if stands:
            self._trades[key] = fill, execution
        quantity, value = _weight(fill) if stands else (ZERO, ZERO)
        if earlier is not None and stands:
            was = _weight(earlier[0])
            quantity, value = EXACT.subtract(quantity, was[0]), EXACT.subtract(value, was[1])
        return Booked(
            earlier=earlier[1] if earlier else None, stands=stands, quantity=quantity, value=value
        )

    def image(self, **otherwise: Any) -> Order:
        """Return the order as it stands, except for columns that are said to be `otherwise`."""
        order = copy.copy(self.order)
        for name, value in {**self.columns, **otherwise}.items():
            setattr(order, name, value)
        order.changed_at, order.submission_at = self.changed_at, self.submission_at
        live = [one for one in sorted(self.replacements) if self._is_open(one)]
        more: Any = order  # what a query would have put beside the columns
        more.successor_id = live[-1] if live else None
        more.successor_submission = self.replacements[live[-1]] if live else None
        more.told_at = self._told_at.get(str(order.status))
        more.traded_at = self._traded_at
        return order

    def _is_open(self, replacement: UUID) -> bool:
        return self.replacements[replacement] in OPEN_MUTATION


class Booked:
    """What a trade changes of what an order has filled, and which word on it stood before."""

    def __init__(
        self, *, earlier: Execution | None, stands: bool, quantity: Decimal, value: Decimal
    ) -> None:
        self.earlier = earlier
        self.stands = stands
        self.quantity = quantity
        self.value = value


def running(life: Life, before: Columns, *, filled: Decimal, value: Decimal) -> dict[str, Any]:
    """Return the columns of an order of which so much has filled, between two after-images."""
    columns: dict[str, Any] = {
        "filled_quantity": filled,
        "filled_value": value,
        "average_price": average(value, filled),
    }
    if before["status"] in HARD and not life.withheld:
        columns["status"] = before["status"]  # it had ended, whatever trades come late
        return columns
    whole = life.order.quantity is not None and filled >= life.order.quantity > 0
    working = "partially_filled" if filled else "new"
    columns["status"] = "filled" if whole else working
    return columns


def carried(life: Life, lives: Mapping[UUID, Life]) -> Carried:
    """Return what an order has from those it took the place of, as they stand."""
    chain = [life]
    while (earlier := chain[-1].order.replaces_id) is not None:
        chain.append(lives[earlier])
    sized = total(one.order.replaces_filled or ZERO for one in chain)
    if life.columns["submission"] != Submission.ACCEPTED:
        return Carried(sized=sized)
    return Carried(
        sized=sized,
        filled=total(one.columns["filled_quantity"] for one in chain[1:]),
        value=total(one.columns["filled_value"] for one in chain[1:]),
    )


def shown(image: Order, life: Life, lives: Mapping[UUID, Life]) -> dict[str, Any]:
    """Return an image as Alpaca's clients see an order."""
    return showing.one(image, before=carried(life, lives))


def status(image: Order) -> str:
    """Return an image's status, whatever is pending."""
    return stating.heard(image)


def _weight(fill: Fill) -> tuple[Decimal, Decimal]:
    """Return the quantity and the value of a trade as it counts."""
    if fill.kind is ExecutionKind.BUST:
        return ZERO, ZERO
    return fill.quantity, worth(fill.quantity, fill.price)


def _read(name: str, said: Any) -> Any:
    read = READ.get(name)
    return said if said is None or read is None else read(said)
