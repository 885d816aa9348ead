"""Tells events as the Gateway's frames: each with the order, and after a trade what it changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from orders.api.alpaca.recounting import NUMBER
from orders.api.alpaca.streaming.recalling import Event
from orders.api.counting import standing
from orders.api.gateway import accounting, holding, showing
from orders.asking import NoAnswer
from orders.models import Account
from orders.money import EXACT, ZERO
from orders.positioning import Position, nothing, positions

Frame = dict[str, Any]

# That an order is recorded or on its way is in the answer to its POST, and no event.
SILENT = frozenset({"accepted", "pending_new", "pending_review"})
WORDS: Mapping[str, str] = {
    "new": "ORDER_CREATED",
    "partial_fill": "ORDER_PARTIALLY_FILLED",
    "fill": "ORDER_FILLED",
    "canceled": "ORDER_CANCELLED",
    "replaced": "ORDER_CANCELLED",  # what takes its place is told as modified
    "expired": "ORDER_EXPIRED",
    "rejected": "ORDER_REJECTED",
}
TRADES = frozenset({"fill", "partial_fill"})


def frames(account: Account, events: Iterable[Event]) -> list[Frame]:
    """Return what some events of an account are told as: orders as they stand by now."""
    heard = [event for event in events if event.name not in SILENT]
    ids = {UUID(event.said["order"]["id"]) for event in heard}
    found = showing.orders_of(account).filter(id__in=ids) if ids else []
    shown = {told["id"]: told for told in showing.several(found)}
    told = [
        frame
        for event in heard
        if event.said["order"]["id"] in shown
        for frame in _of_event(account, event, shown[event.said["order"]["id"]])
    ]
    return [*told, *_of_positions(account, [event for event in heard if _is_trade(event)])]


def _of_event(account: Account, event: Event, order: dict[str, Any]) -> Iterator[Frame]:
    at = event.said["timestamp"]
    word = WORDS.get(event.name, "ORDER_MODIFIED")
    if event.name == "new" and "replaces" in order["blotter"]:
        word = "ORDER_MODIFIED"
    parent = order.get("parent_order_id")
    frame = {"type": "order", "event": word, "order": order, "timestamp": at}
    yield frame | ({"parent_order_id": parent} if parent else {})
    if _is_trade(event):
        number = UUID(event.said["execution_id"]).int & NUMBER
        standing_now: Any = standing(account)  # with a column that Django's types do not know
        for trade in standing_now.filter(first_pk=number):
            told = accounting.trade(trade, accounting.currency(account))
            yield {"type": "trade", "event": "TRADE_FILLED", "trade": told, "timestamp": at}


def _is_trade(event: Event) -> bool:
    return event.name in TRADES and "execution_id" in event.said


def _of_positions(account: Account, trades: list[Event]) -> Iterator[Frame]:
    """Tell each position that some trades changed, and the account after them."""
    if not trades:
        return
    at = trades[-1].said["timestamp"]
    held = {one.symbol: one for one in positions([account])}
    for symbol in dict.fromkeys(event.said["order"]["symbol"] for event in trades):
        own = [event for event in trades if event.said["order"]["symbol"] == symbol]
        position = held.get(symbol) or nothing(account, symbol)
        yield {
            "type": "position",
            "event": _change(own),
            "position": _shown(account, position, at),
            "timestamp": at,
        }
    try:
        told = accounting.figures(account)
    except NoAnswer:
        return  # a client can't read an account without its figures
    yield {"type": "account", "event": "BALANCE_UPDATED", "account": told, "timestamp": at}


def _change(trades: list[Event]) -> str:
    """Return what some trades in one symbol did to the position, taken together."""
    first, last = trades[0].said, trades[-1].said
    quantity = Decimal(first["qty"])
    signed = quantity if first["order"]["side"] == "buy" else quantity.copy_negate()
    before = EXACT.subtract(Decimal(first["position_qty"]), signed)
    if not Decimal(last["position_qty"]):
        return "POSITION_CLOSED"
    return "POSITION_MODIFIED" if before else "POSITION_OPENED"


def _shown(account: Account, position: Position, at: str) -> dict[str, Any]:
    """Return a position as it is shown; one that is closed has nothing left, and no price of it."""
    if position.quantity:
        return holding.shown(account, position)
    told = holding.shown(account, position, opened_at=at)
    return told | {"average_entry_price": "0", "unrealized_pnl": str(ZERO)}
