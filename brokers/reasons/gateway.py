"""The Trading Gateway: its own codes for what it checks, the broker's reject code for the rest.

The text is `details.reject_code`, whose vocabulary is wider in its documents than in its code.
"""

from __future__ import annotations

from brokers.reasons.codes import Reason
from brokers.reasons.said import Dialect, Said

R = Reason


def _rejected(reject_code: str = "") -> Said:
    return Said(422, "ORDER_REJECTED", reject_code)


INVALID = Said(400, "INVALID_VALUE")
ID = Said(400, "VALIDATION_ERROR", "client_order_id")
FUNDS = _rejected("INSUFFICIENT_FUNDS")
SYMBOL = _rejected("INVALID_SYMBOL")
FIXED = Said(409, "ORDER_NOT_MODIFIABLE")

DIALECT = Dialect(
    says={
        R.MISSING_FIELD: Said(400, "INVALID_REQUEST"),
        R.INVALID_FIELD: Said(400, "VALIDATION_ERROR"),
        R.UNWANTED_FIELD: INVALID,
        R.CLIENT_ORDER_ID_TOO_LONG: ID,
        R.INVALID_CLIENT_ORDER_ID: ID,
        R.DUPLICATE_CLIENT_ORDER_ID: _rejected("DUPLICATE_CLIENT_ORDER_ID"),
        R.INVALID_PRICE_INCREMENT: _rejected("INVALID_PRICE"),
        R.LEGS_CROSSED: _rejected("INVALID_PRICE"),
        R.TAKE_PROFIT_WRONG_SIDE: _rejected("INVALID_PRICE"),
        R.STOP_LOSS_WRONG_SIDE: _rejected("INVALID_PRICE"),
        R.STOP_LIMIT_WRONG_SIDE: _rejected("INVALID_PRICE"),
        R.UNSUPPORTED_TYPE: INVALID,
        R.UNSUPPORTED_TIME_IN_FORCE: INVALID,
        R.UNSUPPORTED_CLASS: INVALID,
        R.UNSUPPORTED_EXTENDED_HOURS: INVALID,
        R.UNSUPPORTED_NOTIONAL: INVALID,
        R.UNSUPPORTED_FRACTIONAL: _rejected("INVALID_QUANTITY"),
        R.UNSUPPORTED_TRAIL: INVALID,
        R.UNSUPPORTED_POSITION_EFFECT: INVALID,
        R.UNSUPPORTED_EXPIRY: INVALID,
        R.UNKNOWN_SYMBOL: SYMBOL,
        R.NOT_TRADABLE: _rejected("SYMBOL_NOT_TRADEABLE"),
        R.NOT_FRACTIONABLE: _rejected("INVALID_QUANTITY"),
        R.MARKET_CLOSED: _rejected("MARKET_CLOSED"),
        R.AUCTION_WINDOW: _rejected("MARKET_CLOSED"),
        R.INSUFFICIENT_BUYING_POWER: FUNDS,
        R.INSUFFICIENT_POSITION: FUNDS,
        R.NOT_SHORTABLE: FUNDS,
        R.POSITION_EFFECT_MISMATCH: _rejected("REDUCE_ONLY_VIOLATED"),
        R.WASH_TRADE: _rejected("wash trade"),
        R.DECLINED: _rejected(),
        R.ACCOUNT_NOT_ACTIVE: _rejected(),
        R.ACCOUNT_HALTED: _rejected(),
        R.ACCOUNT_CLOSED: _rejected(),
        R.UNAUTHORIZED: Said(401, "UNAUTHORIZED"),
        R.TOO_MANY: Said(429, "RATE_LIMITED"),
        R.TOO_LATE: FIXED,
        R.QUANTITY_NOT_ABOVE_FILLED: INVALID,
        R.NOTHING_TO_CHANGE: INVALID,
        R.NOT_REPLACEABLE: FIXED,
        R.FILLED_FURTHER: FIXED,
        R.NOT_FOUND: Said(404, "ORDER_NOT_FOUND"),
    },
    also=(
        (Said(501, "UNSUPPORTED_OPERATION"), R.UNSUPPORTED_TYPE),
        (_rejected("INSUFFICIENT_MARGIN"), R.INSUFFICIENT_BUYING_POWER),
        (_rejected("INSUFFICIENT_BALANCE"), R.INSUFFICIENT_BUYING_POWER),
        (_rejected("client_order_id must be unique"), R.DUPLICATE_CLIENT_ORDER_ID),
        (_rejected("RATE_LIMITED"), R.TOO_MANY),
        (Said(404, "SYMBOL_NOT_FOUND"), R.UNKNOWN_SYMBOL),
    ),
)
