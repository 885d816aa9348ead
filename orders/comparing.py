"""Puts ours beside theirs: an order, a trade, a position, and whether the two agree.

Their word is read by the rules that ours is derived by, so that what differs
is the books and not the wording.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from brokers.messages import Fill, Snapshot
from brokers.vocabulary import NEEDS_LIMIT, NEEDS_STOP, ExecutionKind, Status
from orders.deriving import live_fills, standing
from orders.models import Break, Order
from orders.money import EXACT, plain
from orders.states import Submission

LONGEST_NAME = 200  # of a break, in the database
CENT = -2  # the exponent of what an average price is told to, at the least


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One order, execution or position, as we have it and as the broker has it."""

    what: str  # of Break.What
    name: str
    broker_order_id: str  # "" for a position
    ours: str  # in words; "" where we have none
    theirs: str
    agrees: bool


def order_line(order: Order | None, said: Snapshot | None) -> Line:
    """Compare an order with what its broker says of it. One of the two is there."""
    broker_order_id = said.broker_order_id if said else (order and order.broker_order_id) or ""
    return Line(
        what=Break.What.ORDER,
        name=_named(order.wire_id if order else broker_order_id),
        broker_order_id=broker_order_id,
        ours=_order_in_words(order) if order else "",
        theirs=_snapshot_in_words(said) if said else "",
        agrees=order is not None and said is not None and _same_order(order, said),
    )


def execution_lines(ours: Iterable[Fill], theirs: Iterable[Fill]) -> list[Line]:
    """Compare trades, each as it stands after corrections; one that was busted is none."""
    books = [{_trade(fill): fill for fill in live_fills(fills)} for fills in (ours, theirs)]
    return [
        _execution_line(*(book.get(trade) for book in books)) for trade in {**books[0], **books[1]}
    ]


def position_lines(ours: Mapping[str, Decimal], theirs: Mapping[str, Decimal]) -> list[Line]:
    """Compare what is held of each symbol; short is negative, and nothing is no position."""
    return [
        Line(
            what=Break.What.POSITION,
            name=_named(symbol),
            broker_order_id="",
            ours=plain(ours[symbol]) or "" if ours.get(symbol) else "",
            theirs=plain(theirs[symbol]) or "" if theirs.get(symbol) else "",
            agrees=ours.get(symbol, 0) == theirs.get(symbol, 0),
        )
        for symbol in sorted({*ours, *theirs})
        if ours.get(symbol) or theirs.get(symbol)
    ]


def _execution_line(ours: Fill | None, theirs: Fill | None) -> Line:
    told = ours or theirs
    assert told is not None  # noqa: S101 — it came out of one of the two books
    return Line(
        what=Break.What.EXECUTION,
        name=_named(f"{told.execution_id} of {told.broker_order_id}, {told.trade_date}"),
        broker_order_id=told.broker_order_id,
        ours=_fill_in_words(ours) if ours else "",
        theirs=_fill_in_words(theirs) if theirs else "",
        agrees=ours is not None and theirs is not None and _same_fill(ours, theirs),
    )


def _same_order(order: Order, said: Snapshot) -> bool:
    """Whether it is the same order, and as far. What a broker leaves out is not held against it."""
    terms: list[tuple[object, object]] = [
        (order.broker_order_id, said.broker_order_id),
        (order.submission, Submission.ACCEPTED),
        (order.symbol, said.symbol),
        (order.side, said.side),
        (order.quantity, said.quantity),
        (order.notional, said.notional),
        (order.status, standing(order.quantity, said.cumulative, said)),
        (order.filled_quantity, said.cumulative),
    ]
    told: list[tuple[object, object]] = [
        (order.order_type, said.order_type),
        (order.time_in_force, said.time_in_force),
    ]
    if order.order_type in NEEDS_LIMIT:  # others have none, whatever a broker puts there
        told.append((order.limit_price, said.limit_price))
    if order.order_type in NEEDS_STOP:
        told.append((order.stop_price, said.stop_price))
    terms += [(ours, theirs) for ours, theirs in told if theirs is not None]
    return all(ours == theirs for ours, theirs in terms) and _same_average(order, said)


def _same_average(order: Order, said: Snapshot) -> bool:
    """Whether two averages are one figure, rounded as the broker rounds it, up or down."""
    ours, theirs = order.average_price, said.average_price
    if ours is None or theirs is None:
        return True  # nothing filled, which is compared for itself, or not told
    exponent = theirs.normalize(EXACT).as_tuple().exponent
    last_place = Decimal(1).scaleb(min(exponent, CENT) if isinstance(exponent, int) else CENT)
    return EXACT.subtract(ours, theirs).copy_abs() < last_place


def _same_fill(ours: Fill, theirs: Fill) -> bool:
    return (
        (ours.quantity, ours.price) == (theirs.quantity, theirs.price)
        and (theirs.side or ours.side) == ours.side
        and (theirs.symbol or ours.symbol) == ours.symbol
    )


def _trade(fill: Fill) -> tuple[object, ...]:
    return fill.broker_order_id, fill.execution_id, fill.trade_date


def _order_in_words(order: Order) -> str:
    if order.submission != Submission.ACCEPTED:
        how = Submission(order.submission).label.lower()
    else:
        how = _standing_in_words(order.status, order.filled_quantity, order.average_price)
    return f"{_terms(order)}: {how}"


def _snapshot_in_words(said: Snapshot) -> str:
    status = standing(said.quantity, said.cumulative, said)
    word = said.raw_status if status is Status.INDETERMINATE else status
    return f"{_terms(said)}: {_standing_in_words(word, said.cumulative, said.average_price)}"


def _terms(order: Order | Snapshot) -> str:
    prices = [plain(price) for price in (order.limit_price, order.stop_price) if price is not None]
    words = [
        str(order.side),
        plain(order.quantity) or f"{plain(order.notional)} worth of",
        order.symbol,
        str(order.order_type or ""),
        *prices,
        str(order.time_in_force or ""),
    ]
    return " ".join(word for word in words if word).replace("_", " ")


def _standing_in_words(status: str | None, filled: Decimal, average: Decimal | None) -> str:
    words = str(status or "no status").replace("_", " ")
    if not filled:
        return words
    return f"{words}, {plain(filled)} filled" + (f" at {plain(average)}" if average else "")


def _fill_in_words(fill: Fill) -> str:
    words = f"{plain(fill.quantity)} at {plain(fill.price)}"
    side = f"{fill.side} " if fill.side else ""
    if fill.kind is ExecutionKind.FILL:
        return f"{side}{words}"
    return f"{side}{words}, correction {fill.revision}"


def _named(name: str) -> str:
    """Return a name that fits, and is still no other's."""
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{name[: LONGEST_NAME - len(digest) - 1]} {digest}"
