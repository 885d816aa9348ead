"""The paper exchange says each reason by its own name."""

from __future__ import annotations

from collections.abc import Mapping

from brokers.reasons.codes import Reason
from brokers.reasons.said import Dialect, Said

R = Reason

STATUSES: Mapping[R, int] = {
    R.MISSING_FIELD: 400,
    R.UNWANTED_FIELD: 400,
    R.UNAUTHORIZED: 401,
    R.NOT_FOUND: 404,
    R.DUPLICATE_CLIENT_ORDER_ID: 409,
    R.TOO_MANY: 429,
}

# It names the field in the code, or has one code for fields of all kinds. What is wrong with the
# field is in the sentence.
FIELDS = (
    "invalid_json",
    "invalid_symbol",
    "invalid_side",
    "invalid_type",
    "invalid_time_in_force",
    "invalid_quantity",
    "invalid_notional",
    "invalid_limit_price",
    "invalid_stop_price",
    "invalid_trail_price",
    "invalid_trail_percent",
    "invalid_expires_at",
    "invalid_extended_hours",
    "invalid_position_effect",
    "invalid_order_class",
    "invalid_take_profit",
    "invalid_stop_loss",
    "invalid_parameter",
)

PRICES = ("invalid_limit_price", "invalid_stop_price", "invalid_take_profit", "invalid_stop_loss")
SIZES = ("invalid_quantity", "invalid_notional")

DIALECT = Dialect(
    says={reason: Said(STATUSES.get(reason, 422), reason.value) for reason in R},
    also=(
        *((Said(422, code), R.INVALID_FIELD) for code in FIELDS),
        (Said(400, "unknown_field"), R.UNWANTED_FIELD),
        (
            Said(422, "invalid_client_order_id", "must be no more than"),
            R.CLIENT_ORDER_ID_TOO_LONG,
        ),
        *((Said(422, code, "must be a multiple of"), R.INVALID_PRICE_INCREMENT) for code in PRICES),
        *((Said(422, code, "in whole units"), R.NOT_FRACTIONABLE) for code in SIZES),
        (Said(422, "invalid_quantity", "takes whole units"), R.UNSUPPORTED_FRACTIONAL),
        (Said(422, "invalid_notional", "is for a quantity"), R.UNSUPPORTED_NOTIONAL),
        (Said(422, "invalid_time_in_force", "Fractional orders"), R.UNSUPPORTED_FRACTIONAL),
        (Said(422, "invalid_time_in_force", "Auctions take"), R.UNSUPPORTED_TIME_IN_FORCE),
        (Said(422, "invalid_time_in_force", "A trailing stop is"), R.UNSUPPORTED_TIME_IN_FORCE),
        (Said(422, "invalid_time_in_force", "Not for crypto"), R.UNSUPPORTED_TIME_IN_FORCE),
        (Said(422, "invalid_time_in_force", "takes day or gtc"), R.UNSUPPORTED_TIME_IN_FORCE),
        (Said(422, "invalid_type", "Fractional orders"), R.UNSUPPORTED_FRACTIONAL),
        (Said(422, "invalid_type", "Not with an amount of money"), R.UNSUPPORTED_NOTIONAL),
        (Said(422, "invalid_type", "Not for crypto"), R.UNSUPPORTED_TYPE),
        (Said(422, "invalid_type", "limit order"), R.UNSUPPORTED_TYPE),
        (Said(422, "invalid_extended_hours", "Out of hours"), R.UNSUPPORTED_EXTENDED_HOURS),
        (Said(422, "invalid_extended_hours", "regular hours"), R.UNSUPPORTED_EXTENDED_HOURS),
        (Said(422, "not_shortable", "Parts of a unit"), R.UNSUPPORTED_FRACTIONAL),
        *((Said(422, code, "does not go with"), R.UNWANTED_FIELD) for code in FIELDS),
        *((Said(422, code, "does not take this"), R.UNWANTED_FIELD) for code in FIELDS),
        (Said(422, "invalid_expires_at", "Only a gtd order"), R.UNWANTED_FIELD),
    ),
)
