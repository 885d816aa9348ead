"""The canonical reasons. Programs act on them: a code never changes, a sentence may."""

from enum import StrEnum


class Reason(StrEnum):
    """One way in which an order, a change or a cancel can't be."""

    # Fields
    MISSING_FIELD = "missing_field"
    INVALID_FIELD = "invalid_field"  # its value makes no sense
    UNWANTED_FIELD = "unwanted_field"  # it does not go with the rest of the order
    INVALID_CLIENT_ORDER_ID = "invalid_client_order_id"
    CLIENT_ORDER_ID_TOO_LONG = "client_order_id_too_long"
    DUPLICATE_CLIENT_ORDER_ID = "duplicate_client_order_id"

    # Prices
    INVALID_PRICE_INCREMENT = "invalid_price_increment"  # finer than the tick
    LEGS_CROSSED = "legs_crossed"  # the target is no better than the stop
    TAKE_PROFIT_WRONG_SIDE = "take_profit_wrong_side"  # of the entry, or of the market
    STOP_LOSS_WRONG_SIDE = "stop_loss_wrong_side"  # of the entry, or of the market
    STOP_LIMIT_WRONG_SIDE = "stop_limit_wrong_side"  # the stop's limit could not fill at the stop

    # What this broker can't say
    UNSUPPORTED_TYPE = "unsupported_type"
    UNSUPPORTED_TIME_IN_FORCE = "unsupported_time_in_force"
    UNSUPPORTED_CLASS = "unsupported_class"
    UNSUPPORTED_EXTENDED_HOURS = "unsupported_extended_hours"
    UNSUPPORTED_NOTIONAL = "unsupported_notional"
    UNSUPPORTED_FRACTIONAL = "unsupported_fractional"
    UNSUPPORTED_TRAIL = "unsupported_trail"
    UNSUPPORTED_POSITION_EFFECT = "unsupported_position_effect"
    UNSUPPORTED_EXPIRY = "unsupported_expiry"

    # The instrument and its market
    UNKNOWN_SYMBOL = "unknown_symbol"
    NOT_TRADABLE = "not_tradable"
    NOT_FRACTIONABLE = "not_fractionable"
    NOT_SHORTABLE = "not_shortable"
    MARKET_CLOSED = "market_closed"
    AUCTION_WINDOW = "auction_window"  # too late, or too early, for the auction

    # The account
    INSUFFICIENT_BUYING_POWER = "insufficient_buying_power"
    INSUFFICIENT_POSITION = "insufficient_position"
    POSITION_EFFECT_MISMATCH = "position_effect_mismatch"
    WASH_TRADE = "wash_trade"  # it could trade with an order of the same account
    ACCOUNT_NOT_ACTIVE = "account_not_active"
    ACCOUNT_HALTED = "account_halted"
    ACCOUNT_CLOSED = "account_closed"
    UNAUTHORIZED = "unauthorized"
    TOO_MANY = "too_many"  # requests, within too short a time

    # Changing an order, and ending it
    QUANTITY_NOT_ABOVE_FILLED = "quantity_not_above_filled"
    NOTHING_TO_CHANGE = "nothing_to_change"
    NOT_REPLACEABLE = "not_replaceable"  # as it stands now; later perhaps
    FILLED_FURTHER = "filled_further"  # than we knew when we asked for the change
    TOO_LATE = "too_late"  # it has ended
    NOT_FOUND = "not_found"

    DECLINED = "declined"  # the broker's no, in words that we have no code for
