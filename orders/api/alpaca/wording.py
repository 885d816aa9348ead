"""The desk's reasons in Alpaca's sentences: what is wrong, named as its clients know it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from brokers.messages import Ticket
from brokers.reasons import Reason, says
from brokers.ticks import increment, is_pair, prices
from brokers.vocabulary import OrderClass, OrderType, PositionEffect, Side, TimeInForce
from orders.errors import DeskError
from orders.money import plain

R = Reason

REASONS: Mapping[str, Reason] = {reason.value: reason for reason in Reason}
# The desk's own words that are no canonical reason.
MEANT: Mapping[str, Reason] = {
    "client_order_id_taken": R.DUPLICATE_CLIENT_ORDER_ID,
    "not_cancelable": R.TOO_LATE,
    "not_replaceable": R.NOT_REPLACEABLE,
    "position_in_doubt": R.INSUFFICIENT_POSITION,
}
FIELDS: Mapping[str, str] = {
    "quantity": "qty",
    "order_type": "type",
    "position_effect": "position_intent",
}
# Their own sentence tells little: the desk's goes with it.
EXPLAINED = frozenset(
    {
        R.INVALID_FIELD,
        R.INVALID_CLIENT_ORDER_ID,
        R.UNSUPPORTED_CLASS,
        R.UNSUPPORTED_TRAIL,
        R.UNSUPPORTED_POSITION_EFFECT,
        R.UNSUPPORTED_EXPIRY,
        R.UNSUPPORTED_NOTIONAL,
        R.NOT_TRADABLE,
        R.INSUFFICIENT_POSITION,
        R.DECLINED,
    }
)
WRONG_SIDE = frozenset({R.TAKE_PROFIT_WRONG_SIDE, R.STOP_LOSS_WRONG_SIDE})
WITH_STOP = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a request is about, as far as it was read: it fills a sentence's gaps."""

    ticket: Ticket | None = None
    status: str = ""  # of the order that is to be changed, in Alpaca's word


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """One refusal as it goes out."""

    status: int
    code: int
    message: str
    more: dict[str, Any] = field(default_factory=dict)


def of(error: DeskError, about: About) -> Saying:
    """Return what the desk declined as Alpaca says it."""
    if error.code == "nothing_held":
        return Saying(status=404, code=40410000, message="position does not exist")
    if error.code == "database_away":
        return Saying(status=503, code=50310000, message=error.message)
    reason = _reason(error.code)
    name = FIELDS.get(error.field or "", error.field or "")
    status, code, text = says(
        "alpaca", reason, **_gaps(name, about.ticket), status=about.status, order=""
    )
    if about.ticket is not None and reason in TOLD:
        code, text = TOLD[reason](name, about.ticket) or (code, text)
    if reason is R.INSUFFICIENT_POSITION:
        text = "insufficient qty available for order"
    if reason in EXPLAINED or not text:
        text = f"{text or f'invalid {name}'.strip()}: {error.message}"
    return Saying(status=status, code=int(code), message=text, more=_more(error, reason, about))


def _reason(code: str) -> Reason:
    return MEANT.get(code) or REASONS.get(code, R.DECLINED)


def _gaps(name: str, ticket: Ticket | None) -> dict[str, str]:
    if ticket is None:
        return {"field": name}
    given = dict(prices(ticket)).get(name)
    return {
        "field": name,
        "symbol": ticket.symbol,
        "time_in_force": str(ticket.time_in_force),
        "given": plain(given) or "",
    }


def _more(error: DeskError, reason: Reason, about: About) -> dict[str, Any]:
    more: dict[str, Any] = {}
    if error.orders:
        more["related_orders"] = [str(order) for order in error.orders]
    if reason in WRONG_SIDE and about.ticket is not None and about.ticket.limit_price is not None:
        more["base_price"] = plain(about.ticket.limit_price)
    return more


PARAMETER, RULE = "40010001", "42210000"
Told = tuple[str, str] | None


def _missing(name: str, ticket: Ticket) -> Told:  # noqa: PLR0911 — a line for each field
    kind = _kind(ticket)
    match name:
        case "qty":
            return PARAMETER, "qty or notional is required"
        case "limit_price" | "stop_price" if ticket.order_type is OrderType.STOP_LIMIT:
            return PARAMETER, "stop limit orders require both stop and limit price"
        case "limit_price":
            return PARAMETER, f"{kind} orders require a limit price"
        case "stop_price":
            return PARAMETER, f"{kind} orders require a stop price"
        case "trail_price":
            said = "trailing stop orders must specify one of trail_price or trail_percent"
            return PARAMETER, said
        case "stop_loss" if ticket.order_class is OrderClass.OTO:
            return PARAMETER, "oto orders require one of take_profit or stop_loss"
        case "take_profit":
            return PARAMETER, f"{ticket.order_class} orders require take_profit.limit_price"
        case "stop_loss":
            return PARAMETER, f"{ticket.order_class} orders require stop_loss.stop_price"
    return None


def _unwanted(name: str, ticket: Ticket) -> Told:  # noqa: PLR0911 — a line for each field
    is_simple = ticket.order_class is OrderClass.SIMPLE
    match name:
        case "notional":
            return PARAMETER, "only one of qty or notional is accepted"
        case "limit_price" | "stop_price" if ticket.order_type is OrderType.LIMIT:
            return PARAMETER, "limit orders require no stop price"
        case "limit_price" if ticket.order_type is OrderType.STOP:
            return PARAMETER, "stop orders require no limit price"
        case "limit_price" | "stop_price":
            return PARAMETER, f"{_kind(ticket)} orders require no stop or limit price"
        case "trail_percent" if ticket.order_type is OrderType.TRAILING_STOP:
            return PARAMETER, "only one of trail_price or trail_percent is accepted"
        case "take_profit" | "stop_loss" if is_simple:
            return PARAMETER, f"{name} is not accepted without order_class bracket, oco or oto"
        case "take_profit":
            return PARAMETER, "only one of take_profit or stop_loss is accepted"
    return None


def _wrong_type(_: str, ticket: Ticket) -> Told:
    if is_pair(ticket.symbol):
        return PARAMETER, "invalid order type for crypto order"
    if ticket.order_class is OrderClass.OCO:
        return PARAMETER, "oco orders must be limit orders"
    if ticket.order_class is not OrderClass.SIMPLE:
        return PARAMETER, f"{ticket.order_class} orders must be market or limit orders"
    return None


def _wrong_time(_: str, ticket: Ticket) -> Told:
    return (RULE, "invalid crypto time_in_force") if is_pair(ticket.symbol) else None


def _wrong_hours(_: str, ticket: Ticket) -> Told:
    if ticket.order_type in WITH_STOP:
        return RULE, "stop orders are not eligible for extended hours trading"
    return None


def _in_parts(_: str, ticket: Ticket) -> Told:
    is_short = ticket.side is Side.SELL and ticket.position_effect is PositionEffect.OPEN
    if ticket.time_in_force is not TimeInForce.DAY:
        return RULE, "fractional orders must be DAY orders"
    if ticket.order_class is not OrderClass.SIMPLE:
        return RULE, "fractional orders must be simple orders"
    if ticket.order_type is OrderType.TRAILING_STOP:
        return RULE, "fractional orders must be market, limit, stop or stop_limit orders"
    return (RULE, "fractional orders cannot be sold short") if is_short else None


def _wrong_side(name: str, ticket: Ticket) -> Told:
    base = ticket.limit_price
    if base is None:
        return None
    tick = plain(increment(ticket.symbol, base))
    is_above = name.startswith("take_profit") == (ticket.side is Side.BUY)
    return RULE, f"{name} must be {'>= base_price +' if is_above else '<= base_price -'} {tick}"


def _wrong_effect(_: str, ticket: Ticket) -> Told:
    if ticket.order_class is OrderClass.OCO:
        return RULE, "oco orders must be exit orders"
    return RULE, f"{ticket.order_class} orders must be entry orders"


TOLD: Mapping[Reason, Callable[[str, Ticket], Told]] = {
    R.MISSING_FIELD: _missing,
    R.UNWANTED_FIELD: _unwanted,
    R.UNSUPPORTED_TYPE: _wrong_type,
    R.UNSUPPORTED_TIME_IN_FORCE: _wrong_time,
    R.UNSUPPORTED_EXTENDED_HOURS: _wrong_hours,
    R.UNSUPPORTED_FRACTIONAL: _in_parts,
    R.TAKE_PROFIT_WRONG_SIDE: _wrong_side,
    R.STOP_LOSS_WRONG_SIDE: _wrong_side,
    R.POSITION_EFFECT_MISMATCH: _wrong_effect,
}


def _kind(ticket: Ticket) -> str:
    return str(ticket.order_type).replace("_", " ")
