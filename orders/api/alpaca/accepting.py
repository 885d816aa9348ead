"""Reads what Alpaca's clients ask for. A field nobody knows is refused: it may be a price spelt
wrong. One that is null or "" was never said.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar

from rest_framework.request import Request

from brokers.messages import StopLoss, TakeProfit, Ticket
from brokers.reasons import Reason
from brokers.vocabulary import OrderClass, OrderType, PositionEffect, Side, TimeInForce
from orders.api.alpaca import naming
from orders.api.alpaca.fields import amount, is_unset, text, yes_or_no
from orders.api.alpaca.refusing import Declined, declined
from orders.api.refusing import BadRequest
from orders.ids import intent_id
from orders.models import Account
from orders.placing import LONGEST_ID

LONGEST_SYMBOL = 32  # an asset's id is longer, and stands for one
NEW = frozenset(
    {
        *("symbol", "qty", "notional", "side", "type", "time_in_force", "limit_price"),
        *("stop_price", "trail_price", "trail_percent", "extended_hours", "client_order_id"),
        *("order_class", "take_profit", "stop_loss", "position_intent", "legs"),
    }
)
CHANGED = frozenset(
    {"qty", "notional", "time_in_force", "limit_price", "stop_price", "trail", "client_order_id"}
)
SIDES: Mapping[str, Side] = {str(word): word for word in Side}
TYPES: Mapping[str, OrderType] = {str(word): word for word in OrderType}
# The desk has one more, which Alpaca's clients don't know.
TIMES: Mapping[str, TimeInForce] = {
    str(word): word for word in TimeInForce if word is not TimeInForce.GTD
}
CLASSES: Mapping[str, OrderClass] = {str(word): word for word in OrderClass}
INTENTS: Mapping[str, tuple[Side, PositionEffect]] = {
    f"{side}_to_{effect}": (side, effect) for side in Side for effect in PositionEffect
}

Word = TypeVar("Word")


def ticket(request: Request, account: Account) -> Ticket:
    """Return the order that a request asks for. Raises Declined or BadRequest."""
    told = _told(request, NEW)
    order_class = _order_class(told)
    take_profit = _take_profit(told)
    side, effect = _side(told)
    limit_price = amount("limit_price", told.get("limit_price"))
    if order_class is OrderClass.OCO and take_profit is not None:
        # The order is itself the target. Where the two differ, the leg's own name is the plainer.
        limit_price, take_profit = take_profit.limit_price, None
    return Ticket(
        wire_id=client_order_id(told) or str(intent_id()),
        symbol=_symbol(told, account),
        side=side,
        quantity=amount("qty", told.get("qty")),
        notional=amount("notional", told.get("notional")),
        order_type=_word(told, "type", TYPES, declined(Reason.UNSUPPORTED_TYPE)),
        time_in_force=_time_in_force(told),
        limit_price=limit_price,
        stop_price=amount("stop_price", told.get("stop_price")),
        trail_price=amount("trail_price", told.get("trail_price")),
        trail_percent=amount("trail_percent", told.get("trail_percent")),
        extended_hours=yes_or_no("extended_hours", told.get("extended_hours")),
        position_effect=effect,
        order_class=order_class,
        take_profit=take_profit,
        stop_loss=_stop_loss(told),
    )


def changes(request: Request) -> dict[str, Any]:
    """Return what a request asks to change about a working order: only what it says.

    Keys are Alpaca's. Raises Declined or BadRequest.
    """
    told = _told(request, CHANGED)
    if not is_unset(told.get("notional")):
        raise declined(
            Reason.NOT_REPLACEABLE, "unable to replace order: notional orders can't be replaced"
        )
    asked: dict[str, Any] = {
        name: amount(name, told.get(name)) for name in ("qty", "limit_price", "stop_price", "trail")
    }
    asked["client_order_id"] = client_order_id(told)
    if not is_unset(told.get("time_in_force")):
        asked["time_in_force"] = _time_in_force(told)
    return {name: value for name, value in asked.items() if not is_unset(value)}


def client_order_id(told: Mapping[str, Any]) -> str:
    """Return the client's id for an order, or "" if it gave none. Raises Declined."""
    value = told.get("client_order_id")
    if isinstance(value, str) and len(value) > LONGEST_ID:
        raise declined(Reason.CLIENT_ORDER_ID_TOO_LONG)
    return text("client_order_id", value, longest=LONGEST_ID)


def _told(request: Request, known: frozenset[str]) -> Mapping[str, Any]:
    told = request.data
    if not isinstance(told, Mapping):
        raise BadRequest("write a JSON object")
    for name, value in told.items():
        if name not in known and not is_unset(value):
            raise declined(Reason.UNWANTED_FIELD, field=name[:64])
    return told


def _word(told: Mapping[str, Any], name: str, words: Mapping[str, Word], wrong: Declined) -> Word:
    value = told.get(name)
    if is_unset(value):
        raise declined(Reason.MISSING_FIELD, field=name)
    if not isinstance(value, str) or value not in words:
        raise wrong
    return words[value]


def _time_in_force(told: Mapping[str, Any]) -> TimeInForce:
    return _word(told, "time_in_force", TIMES, declined(Reason.UNSUPPORTED_TIME_IN_FORCE))


def _symbol(told: Mapping[str, Any], account: Account) -> str:
    given = text("symbol", told.get("symbol"), longest=64)
    if not given:
        raise declined(Reason.MISSING_FIELD, field="symbol")
    symbol = naming.symbol_of(account, given)
    if len(symbol) > LONGEST_SYMBOL:
        raise declined(Reason.UNKNOWN_SYMBOL, symbol=symbol)
    return symbol


def _order_class(told: Mapping[str, Any]) -> OrderClass:
    value = told.get("order_class")
    if not is_unset(told.get("legs")) and told.get("legs") != []:
        raise declined(Reason.UNSUPPORTED_CLASS, "invalid order_class: mleg is not taken here")
    if is_unset(value):
        return OrderClass.SIMPLE
    if not isinstance(value, str) or value not in CLASSES:
        raise declined(Reason.UNSUPPORTED_CLASS)
    return CLASSES[value]


def _side(told: Mapping[str, Any]) -> tuple[Side, PositionEffect | None]:
    """Return the side, and what the order may do to the position: the intent says both."""
    side = _word(told, "side", SIDES, declined(Reason.INVALID_FIELD, "invalid side"))
    intent = told.get("position_intent")
    if is_unset(intent):
        return side, None
    if not isinstance(intent, str) or intent not in INTENTS:
        raise declined(Reason.UNSUPPORTED_POSITION_EFFECT)
    meant, effect = INTENTS[intent]
    if meant is not side:
        raise declined(
            Reason.POSITION_EFFECT_MISMATCH, inferred=f"{side}_to_{effect}", specified=intent
        )
    return side, effect


def _take_profit(told: Mapping[str, Any]) -> TakeProfit | None:
    prices = _prices(told, "take_profit", "limit_price")
    return None if prices is None else TakeProfit(limit_price=prices["limit_price"])


def _stop_loss(told: Mapping[str, Any]) -> StopLoss | None:
    prices = _prices(told, "stop_loss", "stop_price", "limit_price")
    if prices is None:
        return None
    return StopLoss(stop_price=prices["stop_price"], limit_price=prices.get("limit_price"))


def _prices(
    told: Mapping[str, Any], leg: str, needed: str, *more: str
) -> dict[str, Decimal] | None:
    """Return a leg's prices, or None where it is not asked for. Raises Declined."""
    value = told.get(leg)
    if is_unset(value):
        return None
    if not isinstance(value, Mapping):
        raise declined(Reason.INVALID_FIELD, f"invalid {leg}")
    prices: dict[str, Decimal] = {}
    for name, said in value.items():
        field = f"{leg}.{name[:64]}"
        if name not in {needed, *more} and not is_unset(said):
            raise declined(Reason.UNWANTED_FIELD, field=field)
        price = amount(field, said)
        if price is not None:
            prices[name] = price
    if not prices:
        return None  # the keys are there, and say nothing
    if needed not in prices:
        raise declined(Reason.MISSING_FIELD, field=f"{leg}.{needed}")
    return prices
