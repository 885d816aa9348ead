"""Reads the orders that clients ask for: each field by itself, and which fields go together.

Whether such an order may be is judged later, by `ruling` and `judging`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from brokers.messages import StopLoss, TakeProfit
from brokers.paper.amounts import ZERO, parse_amount, read_time
from brokers.paper.reading import check_fields, read_text
from brokers.paper.refusals import Refusal
from brokers.paper.terms import Terms, terms_json
from brokers.vocabulary import (
    NEEDS_LIMIT,
    NEEDS_STOP,
    OrderClass,
    OrderType,
    PositionEffect,
    Side,
    TimeInForce,
)

Word = TypeVar("Word", bound=StrEnum)

CLIENT_ORDER_ID = re.compile(r"[A-Za-z0-9._:-]{1,255}")  # as long as any broker's
REQUIRED = ("client_order_id", "symbol", "side", "type", "time_in_force")
OPTIONAL = (
    "quantity",
    "notional",
    "limit_price",
    "stop_price",
    "trail_price",
    "trail_percent",
    "expires_at",
    "extended_hours",
    "position_effect",
    "order_class",
    "take_profit",
    "stop_loss",
)
KEPT = ("symbol", "side", "type", "position_effect", "order_class")  # by a replacement
LEAST_TRAIL, MOST_TRAIL = Decimal("0.1"), Decimal(100)  # percent; the last is too much


def read_terms(told: Mapping[str, Any]) -> Terms:
    """Return the terms of a new order. Raises Refusal, naming the field."""
    check_fields(told, required=REQUIRED, optional=OPTIONAL)
    order_type = _word(OrderType, "type", told["type"])
    time_in_force = _word(TimeInForce, "time_in_force", told["time_in_force"])
    quantity, notional = _one_of(told, "quantity", "notional")
    trail_price, trail_percent = _trail(told, order_type)
    effect = told.get("position_effect")
    return Terms(
        client_order_id=read_client_order_id(told["client_order_id"]),
        symbol=read_text("symbol", told["symbol"], longest=32),
        side=_word(Side, "side", told["side"]),
        type=order_type,
        time_in_force=time_in_force,
        quantity=quantity,
        notional=notional,
        limit_price=_price("limit_price", told, needed=order_type in NEEDS_LIMIT),
        stop_price=_price("stop_price", told, needed=order_type in NEEDS_STOP),
        trail_price=trail_price,
        trail_percent=trail_percent,
        expires_at=_expiry(told, needed=time_in_force is TimeInForce.GTD),
        extended_hours=_flag("extended_hours", told),
        position_effect=None
        if effect is None
        else _word(PositionEffect, "position_effect", effect),
        order_class=_word(OrderClass, "order_class", told.get("order_class") or OrderClass.SIMPLE),
        take_profit=_take_profit(told.get("take_profit")),
        stop_loss=_stop_loss(told.get("stop_loss")),
    )


def read_replacement(told: Mapping[str, Any], *, of: Terms) -> Terms:
    """Return the terms of an order that takes another's place.

    What is left out stays as it was. What an order is (symbol, side, type, position effect, class)
    may be given but not changed; nor may a trail by price become one by percent.
    """
    check_fields(
        told,
        required=("client_order_id", "quantity"),
        optional=(*REQUIRED, *OPTIONAL, "filled_quantity"),
    )
    before = {name: value for name, value in terms_json(of).items() if value is not None}
    if of.quantity is None:
        raise Refusal(
            "not_replaceable", "An order for an amount of money can't be replaced.", field="id"
        )
    for field in KEPT:
        if told.get(field) not in (None, before.get(field)):
            raise Refusal(f"invalid_{field}", f"A replacement keeps its {field}.", field=field)
    for field in ("trail_price", "trail_percent"):
        if told.get(field) is not None and field not in before:
            raise Refusal(f"invalid_{field}", "A trail stays of its kind.", field=field)
    given = {name: value for name, value in told.items() if value is not None}
    time_in_force = given.get("time_in_force", of.time_in_force)
    if time_in_force != TimeInForce.GTD:
        before.pop("expires_at", None)
    given.pop("filled_quantity", None)
    return read_terms({**before, **given})


def read_filled(told: Mapping[str, Any]) -> Decimal | None:
    """Return what a client knows to be filled of the order it replaces, if it says so."""
    value = told.get("filled_quantity")
    if value is None or value == "0":
        return None if value is None else ZERO
    return _amount("filled_quantity", value)


def read_client_order_id(value: object) -> str:
    """Return a client order id. Raises Refusal."""
    if not isinstance(value, str) or not CLIENT_ORDER_ID.fullmatch(value):
        raise Refusal(
            "invalid_client_order_id",
            "client_order_id takes 1 to 255 of letters, digits, dots, colons, dashes, underscores.",
            field="client_order_id",
        )
    return value


def _word(words: type[Word], field: str, value: object) -> Word:
    try:
        return words(str(value))
    except ValueError as error:
        known = ", ".join(word.value for word in words)
        raise Refusal(
            f"invalid_{field}", f"{field} must be one of {known}.", field=field
        ) from error


def _amount(field: str, value: object) -> Decimal:
    try:
        return parse_amount(value)
    except ValueError as error:
        code = "invalid_quantity" if field == "filled_quantity" else f"invalid_{field}"
        raise Refusal(code, f"{field} {error}.", field=field) from error


def _one_of(
    told: Mapping[str, Any], first: str, second: str
) -> tuple[Decimal | None, Decimal | None]:
    """Return the one amount of two that is given, in its place. Raises Refusal."""
    given = [field for field in (first, second) if told.get(field) is not None]
    if not given:
        raise Refusal("missing_field", f"{first} or {second} is required.", field=first)
    if len(given) == 2:
        raise Refusal(
            f"invalid_{second}", f"Only one of {first} and {second} is taken.", field=second
        )
    amount = _amount(given[0], told[given[0]])
    return (amount, None) if given == [first] else (None, amount)


def _trail(told: Mapping[str, Any], order_type: OrderType) -> tuple[Decimal | None, Decimal | None]:
    if order_type is not OrderType.TRAILING_STOP:
        for field in ("trail_price", "trail_percent"):
            if told.get(field) is not None:
                raise _not_of_this_type(field)
        return None, None
    price, percent = _one_of(told, "trail_price", "trail_percent")
    if percent is not None and not LEAST_TRAIL <= percent < MOST_TRAIL:
        raise Refusal(
            "invalid_trail_percent",
            f"trail_percent must be at least {LEAST_TRAIL} and less than {MOST_TRAIL}.",
            field="trail_percent",
        )
    return price, percent


def _price(field: str, told: Mapping[str, Any], *, needed: bool) -> Decimal | None:
    value = told.get(field)
    if needed and value is None:
        raise Refusal("missing_field", f"{field} is required for this order type.", field=field)
    if value is None:
        return None
    if not needed:
        raise _not_of_this_type(field)
    return _amount(field, value)


def _not_of_this_type(field: str) -> Refusal:
    return Refusal(f"invalid_{field}", f"{field} does not go with this type.", field=field)


def _expiry(told: Mapping[str, Any], *, needed: bool) -> datetime | None:
    value = told.get("expires_at")
    if value is None and needed:
        raise Refusal("missing_field", "A gtd order says when it expires.", field="expires_at")
    if value is None:
        return None
    try:
        at = read_time(value)
    except (TypeError, ValueError) as error:
        raise Refusal(
            "invalid_expires_at", "expires_at must be an RFC 3339 time.", field="expires_at"
        ) from error
    if not needed:
        raise Refusal("invalid_expires_at", "Only a gtd order says so.", field="expires_at")
    return at


def _flag(field: str, told: Mapping[str, Any]) -> bool:
    value = told.get(field)
    if value is not None and not isinstance(value, bool):
        raise Refusal(f"invalid_{field}", f"{field} must be true or false.", field=field)
    return value is True


def _take_profit(told: object) -> TakeProfit | None:
    prices = _prices("take_profit", told, ("limit_price",))
    return None if prices is None else TakeProfit(limit_price=prices["limit_price"])


def _stop_loss(told: object) -> StopLoss | None:
    prices = _prices("stop_loss", told, ("stop_price",), optional=("limit_price",))
    return (
        None
        if prices is None
        else StopLoss(stop_price=prices["stop_price"], limit_price=prices.get("limit_price"))
    )


def _prices(
    leg: str, told: object, required: tuple[str, ...], *, optional: tuple[str, ...] = ()
) -> dict[str, Decimal] | None:
    """Return the prices of a leg that is asked for. Raises Refusal, naming leg and field."""
    if told is None:
        return None
    if not isinstance(told, dict):
        raise Refusal(f"invalid_{leg}", f"{leg} must be an object.", field=leg)
    prices: dict[str, Decimal] = {}
    for field in told:
        if field not in required and field not in optional:
            raise Refusal("unknown_field", "There is no such field.", field=f"{leg}.{field}"[:64])
    for field in (*required, *optional):
        if told.get(field) is not None:
            try:
                prices[field] = parse_amount(told[field])
            except ValueError as error:
                raise Refusal(
                    f"invalid_{leg}", f"{leg}.{field} {error}.", field=f"{leg}.{field}"
                ) from error
        elif field in required:
            raise Refusal("missing_field", f"{leg}.{field} is required.", field=f"{leg}.{field}")
    return prices
