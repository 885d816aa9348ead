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

# It names the field in the code, or has one code for fields of all kinds.
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

DIALECT = Dialect(
    says={reason: Said(STATUSES.get(reason, 422), reason.value) for reason in R},
    also=(
        *((Said(422, code), R.INVALID_FIELD) for code in FIELDS),
        (Said(400, "unknown_field"), R.UNWANTED_FIELD),
        (Said(422, "class_not_offered"), R.UNSUPPORTED_CLASS),
        (Said(422, "not_an_entry"), R.POSITION_EFFECT_MISMATCH),
        (Said(422, "leg_on_wrong_side"), R.LEGS_CROSSED),
        (Said(422, "leg_terms_fixed"), R.NOT_REPLACEABLE),
        (Said(422, "chain_pending"), R.NOT_REPLACEABLE),
    ),
)
