"""The paper exchange's words and ours, both ways."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

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
from brokers.paper.dialects import PAPER, Dialect
from brokers.parsing import (
    parse_amount,
    parse_optional_amount,
    parse_text,
    parse_time,
    parse_whole,
)
from brokers.vocabulary import (
    ExecutionKind,
    Leg,
    OrderClass,
    OrderType,
    PositionEffect,
    Side,
    Status,
    TimeInForce,
)

Word = TypeVar("Word", bound=StrEnum)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def order_json(ticket: Ticket) -> dict[str, Any]:
    """Translate a ticket into a request for an order. What the ticket does not say is left out."""
    target, stop = ticket.take_profit, ticket.stop_loss
    asked = {
        "client_order_id": ticket.wire_id,
        "symbol": ticket.symbol,
        "side": ticket.side.value,
        "type": ticket.order_type.value,
        "time_in_force": ticket.time_in_force.value,
        "quantity": ticket.quantity,
        "notional": ticket.notional,
        "limit_price": ticket.limit_price,
        "stop_price": ticket.stop_price,
        "trail_price": ticket.trail_price,
        "trail_percent": ticket.trail_percent,
        "expires_at": ticket.expires_at and ticket.expires_at.astimezone(UTC).isoformat(),
        "extended_hours": ticket.extended_hours or None,
        "position_effect": ticket.position_effect and ticket.position_effect.value,
        "order_class": None
        if ticket.order_class is OrderClass.SIMPLE
        else ticket.order_class.value,
        "take_profit": target and {"limit_price": target.limit_price},
        "stop_loss": stop and {"stop_price": stop.stop_price, "limit_price": stop.limit_price},
    }
    return {name: value for name, value in asked.items() if value is not None}


def snapshot(order: Mapping[str, Any], dialect: Dialect = PAPER) -> Snapshot:
    """Translate an order."""
    status = dialect.statuses.get(order["status"], Status.INDETERMINATE)
    if status is Status.CANCELED and order["replaced_by"]:
        status = Status.REPLACED  # some have no word for it, and name the new order all the same
    quantity = parse_optional_amount(order["quantity"])
    notional = parse_optional_amount(order.get("notional"))
    if quantity is None and notional is None:
        raise ValueError("the order is for nothing")
    return Snapshot(
        broker_order_id=_name(order["id"]),
        wire_id=parse_text(order["client_order_id"]),
        symbol=_name(order["symbol"]),
        side=Side(order["side"]),
        quantity=quantity,
        notional=notional,
        status=status,
        raw_status=parse_text(order["status"]),
        cumulative=parse_amount(order["filled_quantity"]),
        average_price=parse_optional_amount(order["average_price"]),
        version=parse_whole(order["version"]) if dialect.tells_version else _stamp(order, dialect),
        # A kind of order we do not know is no reason to lose sight of the order.
        order_type=_known(OrderType, order["type"]),
        time_in_force=_known(TimeInForce, order["time_in_force"]),
        limit_price=parse_optional_amount(order["limit_price"]),
        stop_price=parse_optional_amount(order["stop_price"]),
        trail_price=parse_optional_amount(order.get("trail_price")),
        trail_percent=parse_optional_amount(order.get("trail_percent")),
        high_water_mark=parse_optional_amount(order.get("high_water_mark")),
        expires_at=None if order.get("expires_at") is None else parse_time(order.get("expires_at")),
        extended_hours=order.get("extended_hours") is True,
        position_effect=_known(PositionEffect, order.get("position_effect")),
        order_class=_known(OrderClass, order.get("order_class")) or OrderClass.SIMPLE,
        parent=parse_text(order.get("parent")),
        leg=_known(Leg, order.get("leg")),
        replaces=parse_text(order["replaces"]),
        replaced_by=parse_text(order["replaced_by"]),
        reason=parse_text(order["reason"]),
        raw=_raw(order),
    )


def fill(execution: Mapping[str, Any], dialect: Dialect = PAPER) -> Fill:
    """Translate an execution. Its id may be another order's as well: only both name it."""
    at = dialect.read_time(execution["at"])
    return Fill(
        broker_order_id=_name(execution["order_id"]),
        execution_id=_name(execution["id"]),
        trade_date=at.date(),
        quantity=parse_amount(execution["quantity"]),
        price=parse_amount(execution["price"]),
        executed_at=at,
        # A word we do not know must not pass for a trade: then the whole answer is unreadable.
        kind=ExecutionKind(execution["kind"]),
        revision=parse_whole(execution["revision"]),
        symbol=_name(execution["symbol"]),
        side=Side(execution["side"]),
        fee=parse_amount(execution.get("fee", "0")),
        wire_id=parse_text(execution["client_order_id"]),
        raw=_raw(execution),
    )


def delivery(webhook: Mapping[str, Any], dialect: Dialect = PAPER) -> Delivery:
    """Translate a webhook. The exchange tells of orders only: of another kind, we know nothing."""
    event = _name(webhook["type"])
    if not event.startswith("order."):
        return Delivery(event=event, is_known=False)
    data = webhook["data"]
    fills = (fill(data["execution"], dialect),) if "execution" in data else ()
    order = snapshot(data["order"], dialect)
    return Delivery(event=event, report=Report(snapshots=(order,), fills=fills))


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
        shortable=told.get("shortable", True) is True,
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


def _stamp(order: Mapping[str, Any], dialect: Dialect) -> int:
    """Return when an order last changed, as a whole number of microseconds."""
    return (dialect.read_time(order["updated_at"]) - EPOCH) // timedelta(microseconds=1)


def _known(words: type[Word], told: object) -> Word | None:
    """Return one of our words, or None for what is not among them."""
    return words(told) if isinstance(told, str) and told in set(words) else None


def _name(value: object) -> str:
    text = parse_text(value, longest=128)
    if not text:
        raise ValueError("a name is missing")
    return text


def _raw(told: Mapping[str, Any]) -> str:
    return json.dumps(told, default=str)
