"""The paper exchange's words and ours, both ways."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from brokers.classifying import Problem, Refusals
from brokers.messages import (
    Balance,
    Bar,
    Delivery,
    Fill,
    Holding,
    Instrument,
    Quote,
    Report,
    Snapshot,
    Ticket,
)
from brokers.parsing import (
    parse_amount,
    parse_optional_amount,
    parse_text,
    parse_time,
    parse_whole,
    storable,
)
from brokers.vocabulary import OrderType, Side, Status, TimeInForce

STATUSES = {
    "waiting": Status.NEW,  # a stop that has not been reached is live all the same
    "working": Status.NEW,
    "part_filled": Status.PARTIALLY_FILLED,
    "cancel_pending": Status.PENDING_CANCEL,  # still live until "cancelled" comes
    "filled": Status.FILLED,
    "cancelled": Status.CANCELED,
    "expired": Status.EXPIRED,
    "replaced": Status.REPLACED,
}

# The exchange's list of final refusals: it says these having changed nothing.
REFUSALS = Refusals(
    definitive=frozenset(
        {
            "invalid_json",
            "missing_field",
            "unknown_field",
            "invalid_client_order_id",
            "invalid_symbol",
            "invalid_side",
            "invalid_type",
            "invalid_time_in_force",
            "invalid_quantity",
            "invalid_limit_price",
            "invalid_stop_price",
            "invalid_parameter",
            "unknown_symbol",
            "not_tradable",
            "market_closed",
            "insufficient_buying_power",
            "insufficient_position",
            "not_shortable",
            "too_late",
            "filled_further",
            "not_found",
        }
    ),
    duplicate=frozenset({"duplicate_client_order_id"}),
    absent=frozenset({"not_found"}),
)


def order_json(ticket: Ticket) -> dict[str, Any]:
    """Translate a ticket into a request for an order."""
    prices = {"limit_price": ticket.limit_price, "stop_price": ticket.stop_price}
    return {
        "client_order_id": ticket.wire_id,
        "symbol": ticket.symbol,
        "side": ticket.side.value,
        "type": ticket.order_type.value,
        "time_in_force": ticket.time_in_force.value,
        "quantity": ticket.quantity,
        **{name: price for name, price in prices.items() if price is not None},
    }


def problem(told: Any) -> Problem | None:
    """Translate an error's body; None if it is not the exchange's own."""
    match told:
        case {"code": str(code), "message": str(message)}:
            return Problem(storable(code[:64]), storable(message[:500]))
        case _:
            return None


def snapshot(order: Mapping[str, Any]) -> Snapshot:
    """Translate an order."""
    return Snapshot(
        broker_order_id=_name(order["id"]),
        wire_id=parse_text(order["client_order_id"]),
        symbol=_name(order["symbol"]),
        side=Side(order["side"]),
        quantity=parse_amount(order["quantity"]),
        status=STATUSES.get(order["status"], Status.INDETERMINATE),
        raw_status=parse_text(order["status"]),
        cumulative=parse_amount(order["filled_quantity"]),
        average_price=parse_optional_amount(order["average_price"]),
        version=parse_whole(order["version"]),
        # A kind of order we do not know is no reason to lose sight of the order.
        order_type=OrderType(order["type"]) if order["type"] in set(OrderType) else None,
        time_in_force=TimeInForce(order["time_in_force"])
        if order["time_in_force"] in set(TimeInForce)
        else None,
        limit_price=parse_optional_amount(order["limit_price"]),
        stop_price=parse_optional_amount(order["stop_price"]),
        replaces=parse_text(order["replaces"]),
        replaced_by=parse_text(order["replaced_by"]),
        reason=parse_text(order["reason"]),
        raw=_raw(order),
    )


def fill(execution: Mapping[str, Any]) -> Fill:
    """Translate an execution. The exchange never uses an id twice, on any day."""
    at = parse_time(execution["at"])
    return Fill(
        broker_order_id=_name(execution["order_id"]),
        execution_id=_name(execution["id"]),
        trade_date=at.date(),
        quantity=parse_amount(execution["quantity"]),
        price=parse_amount(execution["price"]),
        executed_at=at,
        symbol=_name(execution["symbol"]),
        side=Side(execution["side"]),
        wire_id=parse_text(execution["client_order_id"]),
        raw=_raw(execution),
    )


def delivery(webhook: Mapping[str, Any]) -> Delivery:
    """Translate a webhook. Events other than an order's carry nothing for us."""
    event = _name(webhook["type"])
    if not event.startswith("order."):
        return Delivery(event=event)
    data = webhook["data"]
    fills = (fill(data["execution"]),) if "execution" in data else ()
    return Delivery(event=event, report=Report(snapshots=(snapshot(data["order"]),), fills=fills))


def holding(position: Mapping[str, Any]) -> Holding:
    """Translate a position."""
    return Holding(
        symbol=_name(position["symbol"]),
        quantity=parse_amount(position["quantity"]),
        average_price=parse_amount(position["average_price"]),
    )


def balance(account: Mapping[str, Any]) -> Balance:
    """Translate the account's figures."""
    return Balance(
        cash=parse_amount(account["cash"]),
        buying_power=parse_amount(account["buying_power"]),
        equity=parse_amount(account["equity"]),
        currency=_name(account["currency"]),
    )


def instrument(told: Mapping[str, Any]) -> Instrument:
    """Translate an instrument."""
    return Instrument(
        symbol=_name(told["symbol"]),
        name=_name(told["name"]),
        tradable=told["tradable"] is True,
        fractionable=told["fractionable"] is True,
        price_increment=parse_amount(told["price_increment"]),
    )


def quote(told: Mapping[str, Any]) -> Quote:
    """Translate a quote."""
    return Quote(
        symbol=_name(told["symbol"]),
        bid=parse_amount(told["bid"]),
        ask=parse_amount(told["ask"]),
        last=parse_amount(told["last"]),
        at=parse_time(told["at"]),
    )


def bar(told: Mapping[str, Any]) -> Bar:
    """Translate a bar."""
    return Bar(
        at=parse_time(told["at"]),
        open=parse_amount(told["open"]),
        high=parse_amount(told["high"]),
        low=parse_amount(told["low"]),
        close=parse_amount(told["close"]),
    )


def _name(value: object) -> str:
    text = parse_text(value, longest=128)
    if not text:
        raise ValueError("a name is missing")
    return text


def _raw(told: Mapping[str, Any]) -> str:
    return json.dumps(told, default=str)
