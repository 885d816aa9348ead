"""What clients may ask about orders and executions, and how far each broker's lookups go."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

from brokers.paper import reading
from brokers.paper.executions import Execution
from brokers.paper.house import Answer, Ask
from brokers.paper.orders import ENDED, Order, Standing
from brokers.paper.refusals import Refusal

PAGE = 100  # orders or executions, unless the client asks for another number
MOST_IDS = 100  # in one question


class Numbered(Protocol):
    """Something in a list that only grows."""

    @property
    def sequence(self) -> int: ...


Item = TypeVar("Item", bound=Numbered)


def read_order(ask: Ask) -> Answer:
    """Answer one order; where only open orders are known by their id, an ended one is not found."""
    exchange = ask.house.exchange
    order = exchange.books.order(ask.client, ask.path["id"])
    told = exchange.records.memory.told(order, at=ask.as_of)
    if told is None or (_has_ended(told) and ask.words.by_id_knows_open_only):
        raise Refusal("not_found", f"Order {order.id} not found.", field="id")
    return 200, with_legs(ask, order, told)


def with_legs(ask: Ask, order: Order, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return an order as it is told when it is asked for by itself: its legs are in it, whole."""
    exchange = ask.house.exchange
    whole, group = ask.words.order(told), exchange.books.group_of(order)
    if group is None or group.head is not order:
        return whole
    legs = [exchange.records.memory.told(leg, at=ask.as_of) for leg in group.legs]
    return {**whole, "legs": [ask.words.order(leg) for leg in legs if leg is not None]}


def list_orders(ask: Ask) -> Answer:
    """Answer a page of orders, of any status, oldest first; or those with certain ids."""
    ask.only("client_order_id", "order_ids", "since", "cursor", "limit")
    if "order_ids" in ask.query:
        return _orders_json(ask, _with_any_of(ask, ask.query["order_ids"]), None)
    if "client_order_id" in ask.query:
        if ask.words.filters_by_client_id:
            return _orders_json(ask, _with(ask, ask.query["client_order_id"]), None)
        return _orders_json(ask, *_page(ask, _open(ask)))
    every = ask.house.exchange.books.orders_of(ask.client)
    since = reading.read_since(ask.query.get("since"))
    start = 0 if since is None else bisect_left(every, since, key=_created)
    end = len(every) if ask.as_of is None else bisect_right(every, ask.as_of, key=_created)
    return _orders_json(ask, *_page(ask, every, start, end))


def list_executions(ask: Ask) -> Answer:
    """Answer a page of executions, and of later words on them, as they were told."""
    ask.only("since", "cursor", "limit")
    every = ask.house.exchange.books.executions_of(ask.client)
    since = reading.read_since(ask.query.get("since"))
    start = 0 if since is None else bisect_left(every, since, key=_told)
    return _executions_json(ask, *_page(ask, every, start, _told_by(every, ask.as_of)))


def list_executions_in(ask: Ask) -> Answer:
    """Answer a page of one order's executions, and of later words on them, as they were told."""
    ask.only("cursor", "limit")
    exchange = ask.house.exchange
    order = exchange.books.order(ask.client, ask.path["id"])
    if exchange.records.memory.told(order, at=ask.as_of) is None:
        raise Refusal("not_found", f"Order {order.id} not found.", field="id")
    every = exchange.books.executions_in(order)
    return _executions_json(ask, *_page(ask, every, 0, _told_by(every, ask.as_of)))


def _with(ask: Ask, client_order_id: str) -> Sequence[Order]:
    """Return the account's orders with a client order id, as far as this broker tells them."""
    memory = ask.house.exchange.records.memory
    found = [
        order
        for order in ask.house.exchange.books.orders_with(ask.client, client_order_id)
        if memory.told(order, at=ask.as_of) is not None
    ]
    if not found and ask.words.declines_misses:
        raise Refusal("not_found", f"There is no order with client order id {client_order_id}.")
    return found[-1:] if ask.words.tells_newest_only else found


def _with_any_of(ask: Ask, told: str) -> list[Order]:
    """Return the account's orders with any of these ids, its own or ours, in any state."""
    books, ids = ask.house.exchange.books, told.split(",")
    if len(ids) > MOST_IDS:
        raise Refusal("invalid_parameter", f"At most {MOST_IDS} ids.", field="order_ids")
    found: dict[str, Order] = {}
    for name in ids:
        own = books.orders.get(name)
        if own is not None and own.account == ask.client.key:
            found[own.id] = own
        found.update({order.id: order for order in books.orders_with(ask.client, name)})
    return sorted(found.values(), key=_sequence)


def _open(ask: Ask) -> list[Order]:
    """Return the account's open orders, oldest first."""
    exchange = ask.house.exchange
    found = dict(exchange.books.open_of(ask.client))
    if ask.as_of is not None:
        memory = exchange.records.memory
        changed = {name: exchange.books.orders[name] for name in memory.changed_since(ask.as_of)}
        found |= {name: one for name, one in changed.items() if one.account == ask.client.key}
        seen = {name: memory.told(order, at=ask.as_of) for name, order in found.items()}
        found = {
            name: order
            for name, order in found.items()
            if (told := seen[name]) is not None and not _has_ended(told)
        }
    return sorted(found.values(), key=_sequence)


def _orders_json(ask: Ask, page: Sequence[Order], cursor: str | None) -> Answer:
    memory = ask.house.exchange.records.memory
    told = [memory.told(order, at=ask.as_of) for order in page]
    orders = [ask.words.order(one) for one in told if one is not None]
    return 200, {"orders": orders, "next_cursor": cursor}


def _executions_json(ask: Ask, page: Sequence[Execution], cursor: str | None) -> Answer:
    executions = [ask.words.execution(execution.json()) for execution in page]
    return 200, {"executions": executions, "next_cursor": cursor}


def _told_by(every: Sequence[Execution], at: datetime | None) -> int:
    """Return how many of these had been told at a time."""
    return len(every) if at is None else bisect_right(every, at, key=_told)


def _page(
    ask: Ask, every: Sequence[Item], start: int = 0, end: int | None = None
) -> tuple[Sequence[Item], str | None]:
    """Return the page after the cursor, and the cursor of the next; lists here only grow."""
    limit = reading.read_count(
        "limit", ask.query.get("limit"), default=PAGE, most=reading.LARGEST_PAGE
    )
    if "cursor" in ask.query:
        after = reading.read_count("cursor", ask.query["cursor"], default=0, most=10**9)
        start = max(start, bisect_right(every, after, key=_sequence))
    end = len(every) if end is None else end
    page = every[start : min(start + limit, end)]
    is_last = start + limit >= end
    return page, None if is_last else str(page[-1].sequence)


def _sequence(item: Numbered) -> int:
    return item.sequence


def _created(order: Order) -> datetime:
    return order.created_at


def _told(execution: Execution) -> datetime:
    return execution.told_at


def _has_ended(told: Mapping[str, Any]) -> bool:
    return Standing(told["status"]) in ENDED
