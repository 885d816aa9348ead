"""The desk's reasons in the Gateway's codes: the reason is the code, and is repeated in details."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import exceptions

from brokers.reasons import Reason
from orders.errors import DeskError
from orders.models import Order

R = Reason
LONGEST_SHOWN = 128  # of what a client made up, and we repeat

# The Gateway's own words for why an order was rejected. Others have none: UNKNOWN.
REJECTIONS: Mapping[Reason, str] = {
    R.INSUFFICIENT_BUYING_POWER: "INSUFFICIENT_BALANCE",
    R.INSUFFICIENT_POSITION: "INSUFFICIENT_BALANCE",
    R.UNSUPPORTED_FRACTIONAL: "INVALID_QUANTITY",
    R.NOT_FRACTIONABLE: "INVALID_QUANTITY",
    R.INVALID_PRICE_INCREMENT: "INVALID_PRICE",
    R.LEGS_CROSSED: "INVALID_PRICE",
    R.TAKE_PROFIT_WRONG_SIDE: "INVALID_PRICE",
    R.STOP_LOSS_WRONG_SIDE: "INVALID_PRICE",
    R.STOP_LIMIT_WRONG_SIDE: "INVALID_PRICE",
    R.UNKNOWN_SYMBOL: "SYMBOL_NOT_TRADEABLE",
    R.NOT_TRADABLE: "SYMBOL_NOT_TRADEABLE",
    R.NOT_SHORTABLE: "SYMBOL_NOT_TRADEABLE",
    R.MARKET_CLOSED: "SYMBOL_NOT_TRADEABLE",
    R.AUCTION_WINDOW: "SYMBOL_NOT_TRADEABLE",
    R.POSITION_EFFECT_MISMATCH: "REDUCE_ONLY_VIOLATED",
    R.TOO_MANY: "RATE_LIMITED",
}
# What the account's broker has no way to do.
UNSUPPORTED = frozenset(
    {
        R.UNSUPPORTED_TYPE,
        R.UNSUPPORTED_TIME_IN_FORCE,
        R.UNSUPPORTED_CLASS,
        R.UNSUPPORTED_EXTENDED_HOURS,
        R.UNSUPPORTED_NOTIONAL,
        R.UNSUPPORTED_TRAIL,
        R.UNSUPPORTED_POSITION_EFFECT,
        R.UNSUPPORTED_EXPIRY,
    }
)
MALFORMED = frozenset(
    {R.INVALID_FIELD, R.UNWANTED_FIELD, R.QUANTITY_NOT_ABOVE_FILLED, R.NOTHING_TO_CHANGE}
)
BAD_IDS = frozenset({R.INVALID_CLIENT_ORDER_ID, R.CLIENT_ORDER_ID_TOO_LONG})
# No change of the order is possible, or none now.
FIXED = frozenset({"not_cancelable", "not_replaceable", R.FILLED_FURTHER, R.TOO_LATE})
FIELDS: Mapping[str, str] = {
    "take_profit.limit_price": "take_profit",
    "stop_loss.stop_price": "stop_loss",
    "stop_loss.limit_price": "stop_loss",
    "trail_price": "trailing_distance",
    "trail_percent": "trailing_distance",
    "position_effect": "reduce_only",
    "order_class": "stop_loss",
}


class Declined(exceptions.APIException):
    """The answer is no, in the Gateway's words."""

    def __init__(self, status: int, code: str, message: str, /, **details: Any) -> None:
        super().__init__(message)
        self.status_code = status
        self.code = code
        self.message = message
        self.details = details

    @property
    def body(self) -> dict[str, Any]:
        """What is answered."""
        told: dict[str, Any] = {"code": self.code, "message": self.message}
        return told | ({"details": self.details} if self.details else {})


def unreadable(why: str, *, field: str | None = None) -> Declined:
    """Return the refusal of a request that can't be read, or that lacks something."""
    about = {} if field is None else {"field": field[:LONGEST_SHOWN]}
    return Declined(400, "INVALID_REQUEST", f"Invalid request: {why}", **about)


def invalid(field: str, why: str, *, provided: object = None) -> Declined:
    """Return the refusal of a value that does not go with the rest, or makes no sense."""
    about: dict[str, Any] = {"field": field}
    if provided is not None:
        about["provided"] = str(provided)[:LONGEST_SHOWN]
    return Declined(400, "INVALID_VALUE", f"Invalid value for {field}: {why}", **about)


def against_rule(field: str, rule: str, why: str, **params: Any) -> Declined:
    """Return the refusal of a field that breaks a rule of its own: details are by field."""
    broken = {"code": rule, "message": why, "params": params}
    said = Declined(400, "VALIDATION_ERROR", f"Validation failed: {field}: {why}")
    said.details = {field: [broken]}
    return said


def unsupported(operation: str, provider: str, why: str = "") -> Declined:
    """Return the refusal of what the account's broker, or this desk, has no way to do."""
    message = why or f"{operation} is not supported here"
    told = {"operation": operation, "provider": provider}
    return Declined(501, "UNSUPPORTED_OPERATION", f"Unsupported operation: {message}", **told)


def not_found(what: str, given: str) -> Declined:
    """Return the answer for what is not there, or not for this key."""
    shown = given[:LONGEST_SHOWN]
    said = f"{what.capitalize()} not found: {shown}"
    return Declined(404, f"{what.upper()}_NOT_FOUND", said, resource=what, id=shown)


def no_such_symbol(symbol: str) -> Declined:
    """Return the answer for a symbol that the broker does not know."""
    shown = symbol[:LONGEST_SHOWN]
    return Declined(404, "SYMBOL_NOT_FOUND", f"Symbol not found: {shown}", symbol=shown)


def not_modifiable(why: str, **about: Any) -> Declined:
    """Return the refusal of a change that comes too late, or while another is under way."""
    return Declined(409, "ORDER_NOT_MODIFIABLE", why, **about)


def rejection(code: str) -> str:
    """Return the Gateway's word for a canonical reason: UNKNOWN for those it has none for."""
    return REJECTIONS.get(_reason(code), "UNKNOWN")


def rejected(code: str, why: str, **about: Any) -> Declined:
    """Return the refusal of an order, by its canonical reason."""
    word = REJECTIONS.get(_reason(code)) or (
        "ORDER_REJECTED" if _reason(code) is R.DECLINED else code.upper()
    )
    told = {"reject_code": word, "reject_reason": rejection(code), "reason": code, **about}
    return Declined(422, word, f"Order rejected: {why}", **told)


def of_order(order: Order) -> Declined:
    """Return the refusal of an order that its broker, or the desk, has said no to."""
    why = order.submission_reason or order.reason or "no reason was given"
    return rejected(
        order.submission_code or R.DECLINED.value,
        why,
        order_id=str(order.id),
        client_order_id=order.client_order_id,
    )


def of(error: DeskError, *, provider: str) -> Declined:  # noqa: PLR0911 — a line for each kind
    """Return what the desk declined as the Gateway says it."""
    field = FIELDS.get(error.field or "", error.field or "")
    match error.code:
        case "nothing_held":
            return Declined(404, "POSITION_NOT_FOUND", error.message, resource="position")
        case "client_order_id_taken":
            return rejected(R.DUPLICATE_CLIENT_ORDER_ID.value, error.message)
        case "position_in_doubt":
            orders = [str(order) for order in error.orders]
            return Declined(409, "POSITION_IN_DOUBT", error.message, orders=orders)
        case "database_away":
            return Declined(500, "INTERNAL_ERROR", error.message, outcome="unknown")
        case R.NOT_REPLACEABLE if field:
            return unsupported(f"modify {field}", provider, error.message)
        case code if code in FIXED:
            return not_modifiable(error.message)
    return _of_ticket(error, field, provider=provider)


def _of_ticket(error: DeskError, field: str, *, provider: str) -> Declined:
    """Return what is wrong with an order, or with a change of one."""
    about = {"field": field} if field else {}
    match error.code:
        case R.MISSING_FIELD:
            return unreadable(error.message, field=field or None)
        case code if code in MALFORMED:
            return Declined(400, "INVALID_VALUE", error.message, **about)
        case code if code in BAD_IDS:
            return against_rule("client_order_id", "shape", error.message)
        case code if code in UNSUPPORTED:
            return unsupported(field or code, provider, error.message)
    return rejected(error.code, error.message, **about)


def _reason(code: str) -> Reason:
    try:
        return Reason(code)
    except ValueError:
        return R.DECLINED
