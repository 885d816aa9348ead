"""Reads what clients send. Nothing past this room sees an unchecked word.

Amounts are strings, unknown fields are refused by name, and nothing is
coerced: a client whose `quantity` was a float learns of it here, not in a fill.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from brokers.paper.amounts import ZERO, parse_amount, read_time
from brokers.paper.orders import Terms
from brokers.paper.refusals import Refusal
from brokers.vocabulary import NEEDS_LIMIT, NEEDS_STOP, OrderType, Side, TimeInForce

Word = TypeVar("Word", bound=StrEnum)

CLIENT_ORDER_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
REQUIRED = ("client_order_id", "symbol", "side", "type", "time_in_force", "quantity")
OPTIONAL = ("limit_price", "stop_price")
LARGEST_PAGE = 500


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body. Raises Refusal."""
    try:
        told = json.loads(body, object_pairs_hook=_once_each, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refusal("invalid_json", "The body is not JSON.") from error
    if not isinstance(told, dict):
        raise Refusal("invalid_json", "The body must be a JSON object.")
    return told


def check_fields(
    told: Mapping[str, Any], *, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> None:
    """Raise Refusal unless the object has every required field and no unknown one."""
    for field in told:
        if field not in required and field not in optional:
            raise Refusal("unknown_field", "There is no such field.", field=field[:64])
    for field in required:
        if told.get(field) is None:
            raise Refusal("missing_field", f"{field} is required.", field=field)


def read_terms(told: Mapping[str, Any]) -> Terms:
    """Return the terms of a new order. Raises Refusal, naming the field."""
    check_fields(told, required=REQUIRED, optional=OPTIONAL)
    order_type = _word(OrderType, "type", told["type"])
    return Terms(
        client_order_id=read_client_order_id(told["client_order_id"]),
        symbol=read_text("symbol", told["symbol"], longest=32),
        side=_word(Side, "side", told["side"]),
        type=order_type,
        time_in_force=_word(TimeInForce, "time_in_force", told["time_in_force"]),
        quantity=_amount("quantity", told["quantity"]),
        limit_price=_price("limit_price", told, needed=order_type in NEEDS_LIMIT),
        stop_price=_price("stop_price", told, needed=order_type in NEEDS_STOP),
    )


def read_replacement(told: Mapping[str, Any], *, of: Terms) -> Terms:
    """Return the terms of an order that takes another's place.

    What is left out stays as it was, and symbol, side and type may be given but not changed.
    """
    check_fields(
        told,
        required=("client_order_id", "quantity"),
        optional=(*REQUIRED, *OPTIONAL, "filled_quantity"),
    )
    kept = {"symbol": of.symbol, "side": of.side.value, "type": of.type.value}
    for field, value in kept.items():
        if told.get(field) not in (None, value):
            raise Refusal(f"invalid_{field}", f"A replacement keeps its {field}.", field=field)
    as_it_was = {
        "time_in_force": of.time_in_force.value,
        "limit_price": None if of.limit_price is None else f"{of.limit_price:f}",
        "stop_price": None if of.stop_price is None else f"{of.stop_price:f}",
    }
    given = {
        field: value
        for field, value in told.items()
        if value is not None and field != "filled_quantity"
    }
    return read_terms({**as_it_was, **given, **kept})


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
            "client_order_id takes 1 to 64 of letters, digits, dots, colons, dashes, underscores.",
            field="client_order_id",
        )
    return value


def read_text(field: str, value: object, *, longest: int) -> str:
    """Return a short printable string. Raises Refusal."""
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= longest:
        raise Refusal(
            "invalid_symbol" if field == "symbol" else "invalid_parameter",
            f"{field} must be a string of 1 to {longest} printable characters.",
            field=field,
        )
    return value


def read_count(name: str, text: str | None, *, default: int, most: int) -> int:
    """Return a whole number from 1 to `most` out of a query. Raises Refusal."""
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) or not 1 <= int(text) <= most:
        raise Refusal(
            "invalid_parameter", f"{name} must be a whole number from 1 to {most}.", field=name
        )
    return int(text)


def read_since(text: str | None) -> datetime | None:
    """Return the time in a `since` parameter, if there is one. Raises Refusal."""
    if text is None:
        return None
    try:
        return read_time(text)
    except ValueError as error:
        raise Refusal(
            "invalid_parameter", "since must be an RFC 3339 time with a zone.", field="since"
        ) from error


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


def _price(field: str, told: Mapping[str, Any], *, needed: bool) -> Decimal | None:
    value = told.get(field)
    if needed and value is None:
        raise Refusal("missing_field", f"{field} is required for this order type.", field=field)
    if value is None:
        return None
    if not needed:
        raise Refusal(f"invalid_{field}", f"{field} does not go with this type.", field=field)
    return _amount(field, value)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    told = dict(pairs)
    if len(told) != len(pairs):
        raise ValueError("a field is given twice")  # which one was meant is anybody's guess
    return told


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
