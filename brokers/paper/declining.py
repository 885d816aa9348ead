"""How each broker says no: status and body, out of the exchange's own refusal.

A code of the exchange that a table does not name gets its status from the exchange's own table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from brokers.paper.refusals import Refusal

No = tuple[int, dict[str, Any]]

MALFORMED = "malformed"  # every code about a field of the request that is missing or makes no sense

# Exchange's rule, or else its code → status, code. Alpaca has one code for many things, told apart
# by their texts.
ALPACA: Mapping[str, tuple[int, int]] = {
    MALFORMED: (422, 40010001),
    "duplicate_client_order_id": (422, 40010001),
    "insufficient_buying_power": (403, 40310000),
    "insufficient_position": (403, 40310000),
    "not_shortable": (403, 40310000),
    "declined": (403, 40310000),
    "unknown_symbol": (422, 42210000),
    "not_tradable": (422, 42210000),
    "market_closed": (422, 42210000),
    "account_not_active": (403, 40310000),
    "wash_trade": (403, 40310000),
    "position_effect_mismatch": (422, 42210000),
    "not_replaceable": (422, 42210000),
    "replace_held": (422, 42210000),
    "insufficient_quantity": (403, 40310000),
    "not_fractionable": (403, 40310000),
    "least_money": (403, 40310000),
    "sub_penny": (422, 42210000),
    "extended_hours": (422, 42210000),
    "fractional_time": (422, 42210000),
    "fractional_short": (422, 42210000),
    "crypto_time": (422, 42210000),
    "fractional_class": (422, 42210000),
    "legs_crossed": (422, 42210000),
    "take_profit_wrong_side": (422, 42210000),
    "stop_loss_wrong_side": (422, 42210000),
    "stop_limit_wrong_side": (422, 42210000),
    "too_late": (422, 42210000),
    "filled_further": (422, 42210000),
    "not_found": (404, 40410000),
    "unauthorized": (401, 40110000),
    "too_many": (429, 42910000),
    "internal": (500, 50010000),
}
# What it says in words of its own; `{…}` are the refusal's facts.
ALPACA_SAYS: Mapping[str, str] = {
    "duplicate_client_order_id": "client_order_id must be unique",
    "insufficient_buying_power": "insufficient buying power",
    "insufficient_position": "account is not allowed to short",
    "insufficient_quantity": "insufficient qty available for order"
    " (requested: {requested}, available: {available})",
    "not_shortable": 'asset "{symbol}" cannot be sold short',
    "account_not_active": "account is not active",
    "wash_trade": "potential wash trade detected. use complex orders",
    "position_effect_mismatch": "position intent mismatch, inferred: {inferred},"
    " specified: {specified}",
    "not_replaceable": "unable to replace order",
    "replace_held": "cannot replace order in accepted status",
    "not_fractionable": 'asset "{symbol}" is not fractionable',
    "least_money": "cost basis must be >= minimal amount of order {least}",
    "sub_penny": "invalid {field} {given}."
    " sub-penny increment does not fulfill minimum pricing criteria",
    "extended_hours": "extended hours order must be DAY or GTC limit orders",
    "fractional_time": "fractional orders must be DAY orders",
    "fractional_short": "fractional orders cannot be sold short",
    "crypto_time": "invalid crypto time_in_force",
    "crypto_type": "invalid order type for crypto order",
    "fractional_class": "fractional orders must be simple orders",
    "leg_missing": "{order_class} orders require {field}",
    "entry_type": "{order_class} orders must be market or limit orders",
    "pair_type": "{order_class} orders must be limit orders",
    "not_an_entry": "{order_class} orders must be entry orders",
    "chain_pending": "order chain not fully replaced",
    "leg_terms": "unable to replace {field} of a leg",
    "entry_filling": "unable to replace order, its entry has begun to fill",
}
TAPP: Mapping[str, tuple[int, str]] = {
    MALFORMED: (400, "VALIDATION_ERROR"),
    "missing_field": (400, "MISSING_REQUIRED_FIELD"),
    "invalid_json": (400, "INVALID_FORMAT"),
    "duplicate_client_order_id": (409, "DUPLICATE_CLIENT_ORDER_ID"),
    "insufficient_buying_power": (422, "INSUFFICIENT_BUYING_POWER"),
    "insufficient_position": (422, "INSUFFICIENT_BUYING_POWER"),
    "declined": (422, "INSUFFICIENT_BUYING_POWER"),
    "not_shortable": (422, "SYMBOL_NOT_TRADABLE"),
    "unknown_symbol": (422, "SYMBOL_NOT_TRADABLE"),
    "not_tradable": (422, "SYMBOL_NOT_TRADABLE"),
    "unsupported_class": (400, "INVALID_ENUM_VALUE"),
    "market_closed": (422, "MARKET_CLOSED"),
    "account_not_active": (422, "ACCOUNT_NOT_ACTIVE"),
    "position_effect_mismatch": (400, "VALIDATION_ERROR"),
    "wash_trade": (422, "INVALID_ORDER_STATE"),
    "not_replaceable": (422, "INVALID_ORDER_STATE"),
    "too_late": (422, "INVALID_ORDER_STATE"),
    "filled_further": (422, "INVALID_ORDER_STATE"),
    "not_found": (404, "ORDER_NOT_FOUND"),
    "unauthorized": (401, "UNAUTHORIZED"),
    "too_many": (429, "RATE_LIMITED"),
    "internal": (500, "INTERNAL"),
}
# Clear Street's code is the status over again: risk says 400, a row that does not fit says 422.
CLEARSTREET: Mapping[str, int] = {
    MALFORMED: 422,
    "invalid_json": 400,
    "duplicate_client_order_id": 409,
    "insufficient_buying_power": 400,
    "insufficient_position": 400,
    "not_shortable": 400,
    "declined": 400,
    "unknown_symbol": 400,
    "not_tradable": 400,
    "unsupported_class": 422,
    "market_closed": 400,
    "account_not_active": 400,
    "position_effect_mismatch": 422,
    "wash_trade": 400,
    "not_replaceable": 400,
    "too_late": 400,
    "filled_further": 400,
}
# Gateway: status, code, and the reject code of whichever broker is behind it.
GATEWAY: Mapping[str, tuple[int, str, str]] = {
    MALFORMED: (400, "VALIDATION_ERROR", ""),
    "missing_field": (400, "INVALID_REQUEST", ""),
    "invalid_json": (400, "INVALID_REQUEST", ""),
    "duplicate_client_order_id": (422, "ORDER_REJECTED", "40010001"),
    "insufficient_buying_power": (422, "ORDER_REJECTED", "INSUFFICIENT_FUNDS"),
    "insufficient_position": (422, "ORDER_REJECTED", "INSUFFICIENT_FUNDS"),
    "not_shortable": (422, "ORDER_REJECTED", "INSUFFICIENT_FUNDS"),
    "declined": (422, "ORDER_REJECTED", "40310000"),
    "unknown_symbol": (422, "ORDER_REJECTED", "INVALID_SYMBOL"),
    "not_tradable": (422, "ORDER_REJECTED", "INVALID_SYMBOL"),
    "unsupported_class": (400, "INVALID_VALUE", ""),
    "market_closed": (422, "ORDER_REJECTED", "MARKET_CLOSED"),
    "account_not_active": (422, "ORDER_REJECTED", "40310000"),
    "position_effect_mismatch": (422, "ORDER_REJECTED", "REDUCE_ONLY_VIOLATED"),
    "wash_trade": (422, "ORDER_REJECTED", "40310000"),
    "not_replaceable": (409, "ORDER_NOT_MODIFIABLE", ""),
    "too_late": (409, "ORDER_NOT_MODIFIABLE", ""),
    "filled_further": (409, "ORDER_NOT_MODIFIABLE", ""),
    "not_found": (404, "ORDER_NOT_FOUND", ""),
    "unauthorized": (401, "UNAUTHORIZED", ""),
    "too_many": (429, "RATE_LIMITED", ""),
    "internal": (502, "PROVIDER_ERROR", ""),
}
RELATION = "The relationship of the prices for the orders is not correct."
# Binance: status, code, text. Only the text of -2010 tells what it is about.
BINANCE: Mapping[str, tuple[int, int, str]] = {
    MALFORMED: (400, -1013, ""),
    "missing_field": (400, -1102, ""),
    "unknown_field": (400, -1104, ""),
    "invalid_json": (400, -1100, ""),
    "unknown_symbol": (400, -1121, "Invalid symbol."),
    "duplicate_client_order_id": (400, -2010, "Duplicate order sent."),
    "insufficient_buying_power": (
        400,
        -2010,
        "Account has insufficient balance for requested action.",
    ),
    "insufficient_position": (400, -2010, "Account has insufficient balance for requested action."),
    "not_shortable": (400, -2010, "Account has insufficient balance for requested action."),
    "declined": (400, -2010, "This action is disabled on this account."),
    "not_tradable": (400, -2010, "This symbol is not permitted for this account."),
    "unsupported_class": (400, -2010, "OCO orders are not supported for this symbol"),
    "legs_crossed": (400, -2010, RELATION),
    "take_profit_wrong_side": (400, -2010, RELATION),
    "stop_loss_wrong_side": (400, -2010, "Order would trigger immediately."),
    "stop_limit_wrong_side": (400, -2010, RELATION),
    "market_closed": (400, -2010, "Market is closed."),
    "account_not_active": (400, -2010, "This action is disabled on this account."),
    "position_effect_mismatch": (400, -2022, "ReduceOnly Order is rejected."),
    "wash_trade": (400, -2010, "This action is disabled on this account."),
    "not_replaceable": (400, -2022, "Order cancel-replace failed."),
    "too_late": (400, -2011, "Unknown order sent."),
    "filled_further": (400, -2022, "Order cancel-replace failed."),
    "not_found": (400, -2013, "Order does not exist."),
    "unauthorized": (401, -2015, "Invalid API-key, IP, or permissions for action."),
    "too_many": (429, -1003, "Too many requests."),
    "internal": (500, -1000, "An unknown error occurred while processing the request."),
}


def as_paper(refusal: Refusal) -> No:
    """Say it in the exchange's own words."""
    return refusal.status, refusal.json()


def as_alpaca(refusal: Refusal) -> No:
    """Say it with a number, a text and the facts. A duplicate has the number of a bad parameter."""
    found = ALPACA.get(refusal.rule) or ALPACA.get(_kind(refusal))
    status, code = found or (refusal.status, refusal.status * 100_000)
    says = ALPACA_SAYS.get(refusal.rule)
    words = says.format(field=refusal.field, **refusal.facts) if says else str(refusal)
    return status, {"code": code, "message": words, **refusal.facts}


def as_tapp(refusal: Refusal) -> No:
    """Say it in an envelope, with a word."""
    kind = _kind(refusal)
    status, code = TAPP.get(refusal.code) or TAPP.get(kind) or (refusal.status, "VALIDATION_ERROR")
    error = {"code": code, "message": str(refusal), "request_id": f"req_{uuid4().hex[:12]}"}
    return status, {"error": error if refusal.field is None else {**error, "field": refusal.field}}


def as_clearstreet(refusal: Refusal) -> No:
    """Say it in an envelope, with the status over again."""
    status = CLEARSTREET.get(refusal.code) or CLEARSTREET.get(_kind(refusal)) or refusal.status
    error = {"code": status, "message": str(refusal)}
    return status, {"data": None, "error": error, "metadata": {"request_id": uuid4().hex}}


def as_gateway(refusal: Refusal) -> No:
    """Pass on what the broker behind it said, as far as it knows the words."""
    found = GATEWAY.get(refusal.code) or GATEWAY.get(_kind(refusal))
    status, code, reject_code = found or (refusal.status, "INTERNAL_ERROR", "")
    if code != "ORDER_REJECTED":
        return status, {"code": code, "message": f"Invalid request: {refusal}"}
    duplicate = refusal.code == "duplicate_client_order_id"
    words = "client_order_id must be unique" if duplicate else str(refusal)
    return status, {
        "code": code,
        "message": f"Order rejected: {words}",
        "details": {"reject_code": reject_code},
    }


def as_binance(refusal: Refusal) -> No:
    """Say it with a negative number."""
    found = BINANCE.get(refusal.code) or BINANCE.get(_kind(refusal))
    status, code, words = found or (refusal.status, -1000, "")
    return status, {"code": code, "msg": words or str(refusal)}


def _kind(refusal: Refusal) -> str:
    malformed = refusal.code in ("missing_field", "unknown_field") or refusal.code.startswith(
        "invalid_"
    )
    return MALFORMED if malformed else refusal.code
