"""Clear Street: the code is the status over again, so only the text tells anything.

It documents INVALID_TICK_SIZE, BUYING_POWER, SELF_MATCH and LIQUIDATION_ONLY, and what a row that
does not fit is answered. The other words are ours, for where we speak as it does.
"""

from __future__ import annotations

from brokers.reasons.codes import Reason
from brokers.reasons.said import Dialect, Said

R = Reason


def _risk(text: str = "") -> Said:
    return Said(400, "400", text)


def _row(text: str = "") -> Said:
    return Said(422, "422", text)


DIALECT = Dialect(
    says={
        R.MISSING_FIELD: _row("missing field `{field}`"),
        R.INVALID_FIELD: _row(),
        R.UNWANTED_FIELD: _row("unexpected field `{field}`"),
        R.INVALID_CLIENT_ORDER_ID: _row("Invalid id"),
        R.CLIENT_ORDER_ID_TOO_LONG: _row("Invalid id: at most 64 characters"),
        R.DUPLICATE_CLIENT_ORDER_ID: Said(409, "409"),
        R.INVALID_PRICE_INCREMENT: _risk("INVALID_TICK_SIZE"),
        R.LEGS_CROSSED: _row(),
        R.TAKE_PROFIT_WRONG_SIDE: _row(),
        R.STOP_LOSS_WRONG_SIDE: _row(),
        R.STOP_LIMIT_WRONG_SIDE: _row(),
        R.UNSUPPORTED_TYPE: _row("order_type: unknown variant"),
        R.UNSUPPORTED_TIME_IN_FORCE: _row("time_in_force: unknown variant"),
        R.UNSUPPORTED_CLASS: _row(),
        R.UNSUPPORTED_EXTENDED_HOURS: _row("Invalid extended_hours"),
        R.UNSUPPORTED_NOTIONAL: _row(),
        R.UNSUPPORTED_FRACTIONAL: _row("Invalid quantity: must be whole"),
        R.UNSUPPORTED_TRAIL: _row("Invalid trailing_offset"),
        R.UNSUPPORTED_POSITION_EFFECT: _row("position_intent: unknown variant"),
        R.UNSUPPORTED_EXPIRY: _row("Invalid expires_at"),
        R.UNKNOWN_SYMBOL: _risk("INSTRUMENT_NOT_FOUND"),
        R.NOT_TRADABLE: _risk("INSTRUMENT_NOT_TRADABLE"),
        R.NOT_FRACTIONABLE: _row("Invalid quantity: must be whole"),
        R.NOT_SHORTABLE: _risk("LOCATE_REQUIRED"),
        R.MARKET_CLOSED: _risk("MARKET_CLOSED"),
        R.AUCTION_WINDOW: _risk("MARKET_CLOSED"),
        R.INSUFFICIENT_BUYING_POWER: _risk("BUYING_POWER"),
        R.INSUFFICIENT_POSITION: _risk("POSITION_LIMIT"),
        R.POSITION_EFFECT_MISMATCH: _row("Invalid position_intent"),
        R.WASH_TRADE: _risk("SELF_MATCH"),
        R.ACCOUNT_HALTED: _risk("LIQUIDATION_ONLY"),
        R.ACCOUNT_NOT_ACTIVE: _risk("ACCOUNT_NOT_ACTIVE"),
        R.ACCOUNT_CLOSED: _risk("ACCOUNT_NOT_ACTIVE"),
        R.UNAUTHORIZED: Said(401, "401"),
        R.TOO_MANY: Said(429, "429"),
        R.QUANTITY_NOT_ABOVE_FILLED: _risk("quantity must exceed filled_quantity"),
        R.NOTHING_TO_CHANGE: _risk("nothing to replace"),
        R.NOT_REPLACEABLE: _risk("order cannot be replaced"),
        R.FILLED_FURTHER: _risk("quantity must exceed filled_quantity"),
        R.TOO_LATE: _risk("order is in a terminal state"),
        R.NOT_FOUND: Said(404, "404"),
        R.DECLINED: _risk(),
    },
    also=(
        (_risk("SUB_PENNY"), R.INVALID_PRICE_INCREMENT),  # what it was called before
        (_risk("buying power"), R.INSUFFICIENT_BUYING_POWER),
        (_risk("Failed to parse"), R.INVALID_FIELD),
        (Said(403, "403"), R.UNAUTHORIZED),
    ),
)
