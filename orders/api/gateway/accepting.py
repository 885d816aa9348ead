"""Reads what the Gateway's clients ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace as with_changes
from decimal import Decimal
from typing import Any

from rest_framework.request import Request

from brokers.messages import StopLoss, TakeProfit, Ticket
from brokers.vocabulary import OrderClass, OrderType, PositionEffect, Side, TimeInForce
from orders import placing
from orders.api.gateway.fields import LONGEST_ID, amount, symbol, text, told, word, yes_or_no
from orders.api.gateway.wording import Declined, invalid, unreadable, unsupported
from orders.closing import WHOLE, Part
from orders.ids import intent_id
from orders.models import Account

SIDES: Mapping[str, Side] = {str(side).upper(): side for side in Side}
TYPES: Mapping[str, OrderType] = {str(kind).upper(): kind for kind in OrderType}
TIMES: Mapping[str, TimeInForce] = {
    str(tif).upper(): tif
    for tif in (TimeInForce.GTC, TimeInForce.DAY, TimeInForce.IOC, TimeInForce.FOK)
}
TRAILS: Mapping[str, str] = {"ABSOLUTE": "trail_price", "PERCENT": "trail_percent"}
MARGINS: Mapping[str, str] = {"CROSS": "cross", "ISOLATED": "isolated"}
# Of a market order that names none: it trades at once, so it hardly matters which it is.
AT_MARKET = (TimeInForce.GTC, TimeInForce.DAY, TimeInForce.IOC)

PRICES = ("limit_price", "stop_price", "trailing_distance")
NEEDED: Mapping[OrderType, tuple[str, ...]] = {
    OrderType.MARKET: (),
    OrderType.LIMIT: ("limit_price",),
    OrderType.STOP: ("stop_price",),
    OrderType.STOP_LIMIT: ("limit_price", "stop_price"),
    OrderType.TRAILING_STOP: ("trailing_distance", "trailing_type"),
}
NEW = frozenset(
    {
        *("symbol", "side", "quantity", "order_type", "time_in_force", "limit_price", "stop_price"),
        *("trailing_distance", "trailing_type", "stop_loss", "take_profit", "position_id"),
        *("reduce_only", "post_only", "hidden", "display_quantity", "margin_mode", "leverage"),
        *("client_order_id", "oco_group_id"),
    }
)
CHANGED = frozenset({"quantity", *PRICES, "stop_loss", "take_profit"})
CLOSED = frozenset({"quantity", "order_type", "limit_price", "cancel_associated_orders"})
LEGS = frozenset({"stop_loss", "take_profit"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """How much of a position is to be closed, and how."""

    part: Part
    limit_price: Decimal | None
    cancels_legs: bool


def ticket(request: Request, account: Account) -> Ticket:
    """Return the order that a request asks for. Raises Declined, BadRequest or DeskError."""
    said = told(request, NEW)
    asked = _shape(said)
    kind, given = asked.order_type, said.get("time_in_force")
    _check_prices(kind, said)
    _check_extras(said, account, asked.symbol)
    if given is None and kind is OrderType.MARKET:
        return placing.as_taken(account, asked, AT_MARKET)
    return asked


def changes(request: Request) -> dict[str, Decimal]:
    """Return what a request asks to change about a working order, by the Gateway's names.

    Raises Declined or BadRequest.
    """
    said = told(request, CHANGED)
    asked = {name: amount(name, value) for name, value in said.items()}
    found = {name: value for name, value in asked.items() if value is not None}
    if not found:
        raise unreadable(f"say what is to change: {', '.join(sorted(CHANGED))}")
    return found


def protection(request: Request) -> dict[str, Decimal]:
    """Return the new prices of a position's legs. Raises Declined or BadRequest."""
    said = told(request, LEGS)
    asked = {name: amount(name, value) for name, value in said.items()}
    found = {name: value for name, value in asked.items() if value is not None}
    if not found:
        raise unreadable("say stop_loss, take_profit, or both")
    return found


def closing(request: Request, account: Account) -> Close:
    """Return how a position is to be closed. A body is not needed. Raises Declined."""
    said = told(request, CLOSED)
    kind = word("order_type", said.get("order_type", "MARKET"), TYPES)
    limit_price = amount("limit_price", said.get("limit_price"))
    if kind not in {OrderType.MARKET, OrderType.LIMIT}:
        raise unsupported(f"close_position with {kind.upper()}", account.broker)
    if kind is OrderType.LIMIT and limit_price is None:
        raise unreadable("limit_price is required for LIMIT orders", field="limit_price")
    if kind is OrderType.MARKET and limit_price is not None:
        raise _forbidden("limit_price", kind, limit_price)
    quantity = amount("quantity", said.get("quantity"))
    return Close(
        part=WHOLE if quantity is None else Part(quantity=quantity),
        limit_price=limit_price,
        cancels_legs=said.get("cancel_associated_orders") is None
        or yes_or_no("cancel_associated_orders", said["cancel_associated_orders"]),
    )


def _shape(said: Mapping[str, Any]) -> Ticket:
    """Return the ticket, before anything is held against anything else."""
    for name in ("symbol", "side", "quantity", "order_type"):
        if name not in said:
            raise unreadable(f"missing field {name}", field=name)
    kind = word("order_type", said["order_type"], TYPES)
    read = {name: amount(name, said.get(name)) for name in (*PRICES, "stop_loss", "take_profit")}
    target, stop = read["take_profit"], read["stop_loss"]
    trail = read["trailing_distance"]
    trails = word("trailing_type", said.get("trailing_type", "ABSOLUTE"), TRAILS)
    asked = Ticket(
        wire_id=text("client_order_id", said.get("client_order_id"), longest=LONGEST_ID)
        or str(intent_id()),
        symbol=symbol(said["symbol"]),
        side=word("side", said["side"], SIDES),
        quantity=amount("quantity", said["quantity"]),
        order_type=kind,
        time_in_force=word("time_in_force", said.get("time_in_force", "GTC"), TIMES),
        limit_price=read["limit_price"],
        stop_price=read["stop_price"],
        position_effect=PositionEffect.CLOSE
        if yes_or_no("reduce_only", said.get("reduce_only"))
        else None,
        order_class=_order_class(target, stop),
        take_profit=None if target is None else TakeProfit(limit_price=target),
        stop_loss=None if stop is None else StopLoss(stop_price=stop),
    )
    if trail is None:
        return asked
    if trails == "trail_price":
        return with_changes(asked, trail_price=trail)
    return with_changes(asked, trail_percent=trail)


def _order_class(target: Decimal | None, stop: Decimal | None) -> OrderClass:
    if target is not None and stop is not None:
        return OrderClass.BRACKET
    return OrderClass.SIMPLE if target is None and stop is None else OrderClass.OTO


def _check_prices(kind: OrderType, said: Mapping[str, Any]) -> None:
    for name in NEEDED[kind]:
        if name not in said:
            raise unreadable(f"{name} is required for {kind.upper()} orders", field=name)
    for name in (*PRICES, "trailing_type"):
        if name in said and name not in NEEDED[kind]:
            raise _forbidden(name, kind, said[name])


def _forbidden(name: str, kind: OrderType, provided: object) -> Declined:
    return invalid(name, f"does not go with {kind.upper()} orders", provided=provided)


def _check_extras(said: Mapping[str, Any], account: Account, wanted: str) -> None:
    """Refuse what no broker of this desk is told, by its name: it would be left out otherwise."""
    for name in ("post_only", "hidden"):
        if yes_or_no(name, said.get(name)):
            raise unsupported(name, account.broker)
    for name in ("display_quantity", "leverage"):
        if amount(name, said.get(name)) is not None:
            raise unsupported(name, account.broker)
    if "margin_mode" in said:
        word("margin_mode", said["margin_mode"], MARGINS)
        raise unsupported("margin_mode", account.broker)
    if text("oco_group_id", said.get("oco_group_id"), longest=LONGEST_ID):
        why = "orders placed apart can't be linked: use stop_loss with take_profit"
        raise unsupported("oco_group_id", account.broker, why)
    # There is one position in a symbol, and its id is the symbol.
    if "position_id" in said and said["position_id"] != wanted:
        raise invalid("position_id", "is the position of another symbol")
