"""Binance: negative numbers. Of -2010, -1013 and -1100 only the text tells what they are about."""

from __future__ import annotations

from brokers.reasons.codes import Reason
from brokers.reasons.said import Dialect, Said

R = Reason


def _rejected(text: str = "") -> Said:
    return Said(400, "-2010", text)


DISABLED = _rejected("This action is disabled on this account.")
BALANCE = _rejected("Account has insufficient balance for requested action.")
NOT_PERMITTED = _rejected("This symbol is not permitted for this account.")
CLIENT_ID = Said(400, "-1100", "Illegal characters found in parameter 'newClientOrderId'")
RELATION = _rejected("The relationship of the prices for the orders is not correct.")
LOT = Said(400, "-1013", "Filter failure: LOT_SIZE")
FAILED = Said(400, "-2022", "Order cancel-replace failed.")

DIALECT = Dialect(
    says={
        R.MISSING_FIELD: Said(400, "-1102"),
        R.INVALID_FIELD: Said(400, "-1013"),
        R.UNWANTED_FIELD: Said(400, "-1104"),
        R.INVALID_CLIENT_ORDER_ID: CLIENT_ID,
        R.CLIENT_ORDER_ID_TOO_LONG: CLIENT_ID,  # its legal range says both
        R.DUPLICATE_CLIENT_ORDER_ID: _rejected("Duplicate order sent."),
        R.INVALID_PRICE_INCREMENT: Said(400, "-1013", "Filter failure: PRICE_FILTER"),
        R.LEGS_CROSSED: RELATION,
        R.TAKE_PROFIT_WRONG_SIDE: RELATION,
        R.STOP_LOSS_WRONG_SIDE: _rejected("Order would trigger immediately."),
        R.STOP_LIMIT_WRONG_SIDE: RELATION,
        R.UNSUPPORTED_TYPE: Said(400, "-1116"),
        R.UNSUPPORTED_TIME_IN_FORCE: Said(400, "-1115"),
        R.UNSUPPORTED_CLASS: _rejected("OCO orders are not supported for this symbol"),
        R.UNSUPPORTED_EXTENDED_HOURS: Said(400, "-1104"),
        R.UNSUPPORTED_NOTIONAL: _rejected(
            "Quote order qty market orders are not support for this symbol."
        ),
        R.UNSUPPORTED_FRACTIONAL: LOT,
        R.UNSUPPORTED_TRAIL: Said(400, "-1013", "Filter failure: TRAILING_DELTA"),
        R.UNSUPPORTED_POSITION_EFFECT: Said(400, "-1104"),
        R.UNSUPPORTED_EXPIRY: Said(400, "-1104"),
        R.UNKNOWN_SYMBOL: Said(400, "-1121"),
        R.NOT_TRADABLE: NOT_PERMITTED,
        R.NOT_FRACTIONABLE: LOT,
        R.INSUFFICIENT_BUYING_POWER: BALANCE,
        R.INSUFFICIENT_POSITION: BALANCE,
        R.NOT_SHORTABLE: BALANCE,
        R.MARKET_CLOSED: _rejected("Market is closed."),
        R.AUCTION_WINDOW: _rejected("Market is closed."),
        R.POSITION_EFFECT_MISMATCH: Said(400, "-2022", "ReduceOnly Order is rejected."),
        R.ACCOUNT_NOT_ACTIVE: DISABLED,
        R.WASH_TRADE: DISABLED,  # it keeps such orders apart by itself, and refuses none
        R.ACCOUNT_HALTED: DISABLED,
        R.ACCOUNT_CLOSED: DISABLED,
        R.UNAUTHORIZED: Said(401, "-2015"),
        R.TOO_MANY: Said(429, "-1003"),
        R.NOT_REPLACEABLE: FAILED,
        R.QUANTITY_NOT_ABOVE_FILLED: FAILED,
        R.NOTHING_TO_CHANGE: FAILED,
        R.FILLED_FURTHER: FAILED,
        R.TOO_LATE: Said(400, "-2011"),
        R.NOT_FOUND: Said(400, "-2013"),
        R.DECLINED: _rejected(),
    },
    also=(
        (Said(400, "-1106"), R.UNWANTED_FIELD),
        (Said(400, "-1100"), R.INVALID_FIELD),
        (Said(400, "-1105"), R.MISSING_FIELD),
        (Said(400, "-1111"), R.INVALID_FIELD),
        (Said(400, "-1117"), R.INVALID_FIELD),
        (Said(429, "-1015"), R.TOO_MANY),
        (Said(401, "-2014"), R.UNAUTHORIZED),
        (_rejected("are not supported for this symbol"), R.UNSUPPORTED_TYPE),
    ),
)
