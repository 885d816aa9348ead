"""Alpaca: few codes, each for many things. Its texts may change, and are all that tells.

Where it was never seen to say a thing (crossed legs, a trail, an expiry), the text is ours.
"""

from __future__ import annotations

from brokers.reasons.codes import Reason
from brokers.reasons.said import Dialect, Said

R = Reason

PARAMETER, RULE, FORBIDDEN = "40010001", "42210000", "40310000"

DIALECT = Dialect(
    says={
        R.MISSING_FIELD: Said(422, PARAMETER, "{field} is required"),
        R.INVALID_FIELD: Said(422, PARAMETER),
        R.UNWANTED_FIELD: Said(422, PARAMETER, "{field} is not accepted"),
        R.INVALID_CLIENT_ORDER_ID: Said(422, PARAMETER, "invalid client_order_id"),
        R.CLIENT_ORDER_ID_TOO_LONG: Said(
            422, PARAMETER, "client_order_id must be no more than 128 characters"
        ),
        R.DUPLICATE_CLIENT_ORDER_ID: Said(422, PARAMETER, "client_order_id must be unique"),
        R.INVALID_PRICE_INCREMENT: Said(
            422,
            RULE,
            "invalid {field} {given}. sub-penny increment does not fulfill minimum pricing"
            " criteria",
        ),
        R.LEGS_CROSSED: Said(
            422, RULE, "take_profit.limit_price must be beyond stop_loss.stop_price"
        ),
        R.TAKE_PROFIT_WRONG_SIDE: Said(
            422, RULE, "take_profit.limit_price must be {bound}base_price"
        ),
        R.STOP_LOSS_WRONG_SIDE: Said(422, RULE, "stop_loss.stop_price must be {bound}base_price"),
        R.STOP_LIMIT_WRONG_SIDE: Said(422, RULE, "stop_loss.limit_price must be"),
        R.UNSUPPORTED_TYPE: Said(422, PARAMETER, "invalid order type"),
        R.UNSUPPORTED_TIME_IN_FORCE: Said(422, PARAMETER, "invalid time_in_force"),
        R.UNSUPPORTED_CLASS: Said(422, PARAMETER, "invalid order_class"),
        R.UNSUPPORTED_EXTENDED_HOURS: Said(
            422, RULE, "extended hours order must be DAY or GTC limit orders"
        ),
        R.UNSUPPORTED_NOTIONAL: Said(422, RULE, "notional orders must be DAY orders"),
        R.UNSUPPORTED_FRACTIONAL: Said(422, RULE, "fractional orders must be DAY orders"),
        R.UNSUPPORTED_TRAIL: Said(422, PARAMETER, "invalid trail"),
        R.UNSUPPORTED_POSITION_EFFECT: Said(422, PARAMETER, "invalid position_intent"),
        R.UNSUPPORTED_EXPIRY: Said(422, PARAMETER, "invalid expires_at"),
        R.UNKNOWN_SYMBOL: Said(422, RULE, 'asset "{symbol}" not found'),
        R.NOT_TRADABLE: Said(422, PARAMETER, "asset {symbol} is not active"),
        R.NOT_FRACTIONABLE: Said(403, FORBIDDEN, 'asset "{symbol}" is not fractionable'),
        R.NOT_SHORTABLE: Said(403, FORBIDDEN, 'asset "{symbol}" cannot be sold short'),
        R.MARKET_CLOSED: Said(422, RULE, "market is closed"),
        R.AUCTION_WINDOW: Said(
            403,
            FORBIDDEN,
            "{time_in_force} orders must be submitted after 7:00pm and before {closes}",
        ),
        R.INSUFFICIENT_BUYING_POWER: Said(403, FORBIDDEN, "insufficient buying power"),
        R.INSUFFICIENT_POSITION: Said(
            403,
            FORBIDDEN,
            "insufficient qty available for order (requested: {requested}, available: {available})",
        ),
        R.POSITION_EFFECT_MISMATCH: Said(
            422, RULE, "position intent mismatch, inferred: {inferred}, specified: {specified}"
        ),
        R.WASH_TRADE: Said(403, FORBIDDEN, "potential wash trade detected. use complex orders"),
        R.ACCOUNT_NOT_ACTIVE: Said(403, FORBIDDEN, "account is not active"),
        R.ACCOUNT_HALTED: Said(403, FORBIDDEN, "new orders are rejected by user request"),
        R.ACCOUNT_CLOSED: Said(403, FORBIDDEN, "account is closed"),
        R.UNAUTHORIZED: Said(401, "40110000"),
        R.TOO_MANY: Said(429, "42910000"),
        R.QUANTITY_NOT_ABOVE_FILLED: Said(422, RULE, "qty must be > filled_qty"),
        R.NOTHING_TO_CHANGE: Said(422, RULE, "order parameters are not changed"),
        R.NOT_REPLACEABLE: Said(422, RULE, "cannot replace order in {status} status"),
        R.FILLED_FURTHER: Said(422, RULE, "qty must be > filled_qty"),
        R.TOO_LATE: Said(422, RULE, 'order is already in "{status}" state'),
        R.NOT_FOUND: Said(404, "40410000", "order not found for {order}"),
        R.DECLINED: Said(403, FORBIDDEN),
    },
    also=(
        (Said(422, PARAMETER, "is required"), R.MISSING_FIELD),
        (Said(422, PARAMETER, "orders require"), R.MISSING_FIELD),
        (Said(422, RULE, "orders require"), R.MISSING_FIELD),
        (Said(422, PARAMETER, "must specify one of"), R.MISSING_FIELD),
        (Said(422, PARAMETER, "only one of {fields} is accepted"), R.UNWANTED_FIELD),
        (Said(422, PARAMETER, "orders require no"), R.UNWANTED_FIELD),
        (Said(422, PARAMETER, "orders must be market or limit orders"), R.UNSUPPORTED_TYPE),
        (Said(422, RULE, "orders must be entry orders"), R.POSITION_EFFECT_MISMATCH),
        (Said(422, RULE, "invalid crypto time_in_force"), R.UNSUPPORTED_TIME_IN_FORCE),
        (Said(422, RULE, "sub-penny"), R.INVALID_PRICE_INCREMENT),
        (Said(422, RULE, "extended hours order must be"), R.UNSUPPORTED_EXTENDED_HOURS),
        (Said(422, RULE, "not eligible for extended hours"), R.UNSUPPORTED_EXTENDED_HOURS),
        (Said(422, RULE, "fractional orders must be"), R.UNSUPPORTED_FRACTIONAL),
        (Said(422, RULE, "fractional orders cannot be sold short"), R.UNSUPPORTED_FRACTIONAL),
        (Said(403, FORBIDDEN, "fractional orders cannot be sold"), R.UNSUPPORTED_FRACTIONAL),
        (Said(403, FORBIDDEN, "fractional trading is disabled"), R.UNSUPPORTED_FRACTIONAL),
        (Said(404, "40410000", "asset not found"), R.UNKNOWN_SYMBOL),
        (Said(404, "40410000", "symbol not found"), R.UNKNOWN_SYMBOL),
        (Said(404, "40410000"), R.NOT_FOUND),
        (Said(403, FORBIDDEN, "account is not allowed to short"), R.NOT_SHORTABLE),
        (Said(403, FORBIDDEN, "orders must be submitted after"), R.AUCTION_WINDOW),
        (Said(403, FORBIDDEN, "insufficient qty available"), R.INSUFFICIENT_POSITION),
        (Said(403, FORBIDDEN, "opposite side"), R.WASH_TRADE),
        (Said(403, FORBIDDEN, "wash trade"), R.WASH_TRADE),
        (Said(422, RULE, "wash trade"), R.WASH_TRADE),
        (Said(422, RULE, "opposite side"), R.WASH_TRADE),
        (Said(422, RULE, "unable to replace order, order is not open"), R.TOO_LATE),
        (Said(422, RULE, "order already replaced"), R.TOO_LATE),
        (Said(422, RULE, "order chain not fully replaced"), R.NOT_REPLACEABLE),
        (Said(422, RULE, "unable to replace"), R.NOT_REPLACEABLE),
        (Said(422, PARAMETER, "orders must be limit orders"), R.UNSUPPORTED_TYPE),
        (Said(403, FORBIDDEN, "cost basis must be >= minimal amount"), R.INVALID_FIELD),
    ),
)
