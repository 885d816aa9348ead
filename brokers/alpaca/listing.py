"""Walks Alpaca's lists to their end: orders, and the trades among an account's activities.

Orders are listed by when they came, which is not unique, and a page begins after a moment. So each
page begins a little before the last one ended, and what was there before is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from brokers.alpaca import reading
from brokers.alpaca.line import Line, each
from brokers.errors import OutcomeUnknown
from brokers.http import Answer
from brokers.messages import Fill, Snapshot
from brokers.terms import Need
from brokers.vocabulary import WITH_LEGS

ORDERS, TRADES = 500, 100  # a page holds at most so many
MOST_PAGES = 10_000  # a list that goes on for longer is going round in circles
OVERLAP = timedelta(milliseconds=10)
BESIDE = timedelta(seconds=1)  # legs come with their order, or just after
COMPLEX = frozenset(map(str, WITH_LEGS))

Row = Mapping[str, Any]


def orders(line: Line, since: datetime) -> Iterator[tuple[tuple[Snapshot, ...], Answer]]:
    """Yield every page of an account's orders, legs as orders of their own, oldest first.

    A flat list does not say whose leg an order is, so where there may be legs, the same time is
    listed once more with them inside their orders.
    """
    for rows, answer in _rows(line, since):
        unsaid = [row for row in rows if row.get("order_class") in COMPLEX and _is_mute(row)]
        whose = _parents(line, unsaid) if unsaid else {}
        yield line.sense(answer, partial(_flat, rows, whose)), answer


def trades(
    line: Line, *, since: datetime, order_id: str = "", need: Need
) -> Iterator[tuple[tuple[Fill, ...], Answer]]:
    """Yield every page of an account's trades at or after `since`, or of one order's, in order."""
    params = {"direction": "asc", "page_size": str(TRADES), "after": _said(since - OVERLAP)}
    if order_id:
        params["order_id"] = order_id
    for _ in range(MOST_PAGES):
        answer = line.get("/v2/account/activities/FILL", params, need=need)
        fills, last = line.read(answer, _trades)
        # Not every version of it heeds the filter.
        yield tuple(one for one in fills if order_id in ("", one.broker_order_id)), answer
        if len(fills) < TRADES:
            return
        if last == params.get("page_token"):
            break
        params["page_token"] = last
    raise OutcomeUnknown("The list has no end.", call=answer.call)


def _trades(told: Any) -> tuple[tuple[Fill, ...], str]:
    fills = each(reading.fill, told)
    return fills, str(told[-1]["id"]) if told else ""


def _rows(
    line: Line, since: datetime, *, until: datetime | None = None, nested: bool = False
) -> Iterator[tuple[list[Row], Answer]]:
    """Yield the rows of every page, each row once."""
    params = {
        "status": "all",
        "limit": str(ORDERS),
        "direction": "asc",
        "nested": str(nested).lower(),
    }
    place = {"after": _said(since - OVERLAP)}
    until_ = {} if until is None else {"until": _said(until)}
    seen: set[str] = set()
    for _ in range(MOST_PAGES):
        answer = line.get("/v2/orders", params | place | until_, need=Need.LIST)
        rows, at = line.read(answer, _page)
        fresh = [row for row in rows if row["id"] not in seen]
        yield fresh, answer
        if len(rows) < ORDERS:
            return
        seen |= {row["id"] for row in rows}
        if fresh and "after" in place:
            place = {"after": _said(at - OVERLAP)}
        elif fresh or "after" in place:
            # More of one moment than a page holds: on from the order itself, as far as that goes.
            place, until_ = {"after_order_id": rows[-1]["id"]}, {}
        else:
            break
    raise OutcomeUnknown("The list has no end.", call=answer.call)


def _page(told: Any) -> tuple[list[Row], datetime]:
    rows = each(_row, told)
    return list(rows), reading.came(rows[-1]) if rows else datetime.now(UTC)


def _row(told: Any) -> Row:
    if not isinstance(told, dict) or not isinstance(told["id"], str):
        raise TypeError("not an order")
    return told


def _parents(line: Line, rows: list[Row]) -> dict[str, str]:
    """Return whose legs some rows are, as far as the same time's list says it."""
    times = [reading.came(row) for row in rows]
    whose: dict[str, str] = {}
    for page, answer in _rows(line, min(times) - BESIDE, until=max(times) + BESIDE, nested=True):
        whose |= line.sense(answer, partial(reading.parents, page))
    return whose


def _flat(rows: list[Row], whose: Mapping[str, str]) -> tuple[Snapshot, ...]:
    return tuple(snapshot for row in rows for snapshot in _snapshots(row, whose))


def _snapshots(row: Row, whose: Mapping[str, str]) -> tuple[Snapshot, ...]:
    """Read a row of a flat list. Options that trade together have no symbol as a whole."""
    if row.get("order_class") == "mleg" and not row.get("side"):
        return reading.group(row)
    return (reading.order(row, parent=whose.get(row["id"], "")),)


def _is_mute(row: Row) -> bool:
    """Whether it does not say whose leg it is. A desk does."""
    return "blotter" not in row


def _said(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
