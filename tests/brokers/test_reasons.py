"""Each dialect's table, read both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.paper import refusals
from brokers.reasons import DIALECTS, Reason, cannot_tell, reason_of, says

R = Reason
FIELD_RULES = {
    R.LEGS_CROSSED, R.TAKE_PROFIT_WRONG_SIDE, R.STOP_LOSS_WRONG_SIDE, R.STOP_LIMIT_WRONG_SIDE,
    R.UNSUPPORTED_CLASS, R.UNSUPPORTED_NOTIONAL,
}  # fmt: skip

# What a broker has no words of its own for: it reads as something else.
UNTOLD = {
    "paper": set(),
    "alpaca": {R.FILLED_FURTHER},
    "tapp": {
        *FIELD_RULES, R.UNWANTED_FIELD, R.INVALID_CLIENT_ORDER_ID, R.CLIENT_ORDER_ID_TOO_LONG,
        R.INVALID_PRICE_INCREMENT, R.UNSUPPORTED_TIME_IN_FORCE, R.UNSUPPORTED_EXTENDED_HOURS,
        R.UNSUPPORTED_FRACTIONAL, R.UNSUPPORTED_TRAIL, R.UNSUPPORTED_POSITION_EFFECT,
        R.UNSUPPORTED_EXPIRY, R.UNKNOWN_SYMBOL, R.NOT_FRACTIONABLE, R.NOT_SHORTABLE,
        R.AUCTION_WINDOW, R.INSUFFICIENT_POSITION, R.POSITION_EFFECT_MISMATCH, R.WASH_TRADE,
        R.ACCOUNT_HALTED, R.ACCOUNT_CLOSED, R.QUANTITY_NOT_ABOVE_FILLED, R.NOTHING_TO_CHANGE,
        R.NOT_REPLACEABLE, R.FILLED_FURTHER, R.DECLINED,
    },
    "clearstreet": {
        *FIELD_RULES, R.NOT_FRACTIONABLE, R.AUCTION_WINDOW, R.ACCOUNT_CLOSED, R.FILLED_FURTHER,
    },
    "gateway": {
        *FIELD_RULES - {R.UNSUPPORTED_CLASS, R.UNSUPPORTED_NOTIONAL},
        R.INVALID_CLIENT_ORDER_ID, R.UNSUPPORTED_TYPE, R.UNSUPPORTED_TIME_IN_FORCE,
        R.UNSUPPORTED_CLASS,
        R.UNSUPPORTED_EXTENDED_HOURS, R.UNSUPPORTED_NOTIONAL, R.UNSUPPORTED_TRAIL,
        R.UNSUPPORTED_POSITION_EFFECT, R.UNSUPPORTED_EXPIRY, R.NOT_FRACTIONABLE, R.NOT_SHORTABLE,
        R.AUCTION_WINDOW, R.INSUFFICIENT_POSITION, R.ACCOUNT_NOT_ACTIVE, R.ACCOUNT_HALTED,
        R.ACCOUNT_CLOSED, R.QUANTITY_NOT_ABOVE_FILLED, R.NOTHING_TO_CHANGE, R.NOT_REPLACEABLE,
        R.FILLED_FURTHER,
    },
    "binance": {
        R.CLIENT_ORDER_ID_TOO_LONG, R.TAKE_PROFIT_WRONG_SIDE, R.STOP_LIMIT_WRONG_SIDE,
        R.UNSUPPORTED_EXTENDED_HOURS, R.UNSUPPORTED_POSITION_EFFECT, R.UNSUPPORTED_EXPIRY,
        R.NOT_FRACTIONABLE, R.INSUFFICIENT_POSITION, R.NOT_SHORTABLE, R.AUCTION_WINDOW,
        R.WASH_TRADE, R.ACCOUNT_HALTED, R.ACCOUNT_CLOSED, R.QUANTITY_NOT_ABOVE_FILLED,
        R.NOTHING_TO_CHANGE, R.FILLED_FURTHER,
    },
}  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
class TestEveryDialect:
    def test_says_every_reason(self, dialect):
        for reason in Reason:
            status, code, _ = says(dialect, reason)
            assert 400 <= status <= 501
            assert code

    def test_is_understood_in_its_own_words(self, dialect):
        for reason in set(Reason) - UNTOLD[dialect]:
            assert reason_of(dialect, *says(dialect, reason)) is reason

    def test_cannot_tell_just_what_is_known_to_be_untold(self, dialect):
        assert cannot_tell(dialect) == UNTOLD[dialect]

    def test_takes_what_it_cannot_tell_for_a_reason_it_says_alike(self, dialect):
        for reason in UNTOLD[dialect]:
            read = reason_of(dialect, *says(dialect, reason))
            assert says(dialect, read)[:2] == says(dialect, reason)[:2]

    def test_tells_with_the_gaps_filled_and_in_any_case(self, dialect):
        about = dict.fromkeys(
            ["symbol", "field", "given", "bound", "status", "order", "requested", "available",
             "inferred", "specified", "time_in_force", "closes"], "X9"
        )  # fmt: skip
        for reason in set(Reason) - UNTOLD[dialect]:
            status, code, text = says(dialect, reason, **about)
            assert "{" not in text
            assert reason_of(dialect, status, code, f"Sorry: {text.upper()}!") is reason

    def test_an_unknown_code_is_declined(self, dialect):
        assert reason_of(dialect, 418, "teapot", "short and stout") is R.DECLINED

    @given(status=st.integers(100, 599), code=st.text(max_size=30), message=st.text(max_size=80))
    def test_reads_anything(self, dialect, status, code, message):
        assert isinstance(reason_of(dialect, status, code, message), Reason)


@pytest.mark.parametrize(
    ("dialect", "status", "code", "message", "reason"),
    [
        ("alpaca", 422, "42210000",
         "invalid limit_price 2.123. sub-penny increment does not fulfill minimum pricing criteria",
         R.INVALID_PRICE_INCREMENT),
        ("alpaca", 422, "40010001 client_order_id must be unique",
         "client_order_id must be unique", R.DUPLICATE_CLIENT_ORDER_ID),
        ("alpaca", 422, "40010001", "qty must be > 0", R.INVALID_FIELD),
        ("alpaca", 422, "40010001", "limit orders require a limit price", R.MISSING_FIELD),
        ("alpaca", 422, "40010001", "only one of qty or notional is accepted", R.UNWANTED_FIELD),
        ("alpaca", 422, "40010001", "market orders require no stop or limit price",
         R.UNWANTED_FIELD),
        ("alpaca", 403, "40310000",
         "insufficient qty available for order (requested: 5, available: 0)",
         R.INSUFFICIENT_POSITION),
        ("alpaca", 403, "40310000", "insufficient buying power", R.INSUFFICIENT_BUYING_POWER),
        ("alpaca", 403, "40310000", 'asset "KO" cannot be sold short', R.NOT_SHORTABLE),
        ("alpaca", 403, "40310000", "account is not allowed to short", R.NOT_SHORTABLE),
        ("alpaca", 422, "42210000", "fractional orders cannot be sold short",
         R.UNSUPPORTED_FRACTIONAL),
        ("alpaca", 403, "40310000",
         "opg orders must be submitted after 7:00pm and before 9:28am", R.AUCTION_WINDOW),
        ("alpaca", 403, "40310000",
         "potential wash trade detected. opposite side limit order exists. use complex orders",
         R.WASH_TRADE),
        ("alpaca", 422, "42210000", "potential wash trade detected. use complex orders",
         R.WASH_TRADE),
        ("alpaca", 422, "42210000", 'asset "NONE" not found', R.UNKNOWN_SYMBOL),
        ("alpaca", 422, "42210000", 'order is already in "filled" state', R.TOO_LATE),
        ("alpaca", 422, "42210000", "order parameters are not changed", R.NOTHING_TO_CHANGE),
        ("alpaca", 422, "42210000", "qty must be > filled_qty", R.QUANTITY_NOT_ABOVE_FILLED),
        ("alpaca", 422, "42210000",
         "position intent mismatch, inferred: buy_to_open, specified: sell_to_close",
         R.POSITION_EFFECT_MISMATCH),
        ("alpaca", 422, "42210000", "take_profit.limit_price must be >= base_price + 0.01",
         R.TAKE_PROFIT_WRONG_SIDE),
        ("alpaca", 422, "42210000", "stop_loss.stop_price must be <= base_price - 0.01",
         R.STOP_LOSS_WRONG_SIDE),
        ("alpaca", 422, "42210000", "invalid crypto time_in_force", R.UNSUPPORTED_TIME_IN_FORCE),
        ("alpaca", 403, "40310000", "something new", R.DECLINED),
        ("alpaca", 404, "40410000", "order not found for 1234", R.NOT_FOUND),
        ("alpaca", 404, "40410000", "position does not exist", R.NOT_FOUND),
        ("binance", 400, "-2010", "Market is closed.", R.MARKET_CLOSED),
        ("binance", 400, "-2010 Account has insufficient balance for requested action.",
         "Account has insufficient balance for requested action.", R.INSUFFICIENT_BUYING_POWER),
        ("binance", 400, "-2010",
         "The relationship of the prices for the orders is not correct.", R.LEGS_CROSSED),
        ("binance", 400, "-2010", "Trailing orders are not supported for this symbol.",
         R.UNSUPPORTED_TYPE),
        ("binance", 400, "-2010", "OCO orders are not supported for this symbol",
         R.UNSUPPORTED_CLASS),
        ("binance", 400, "-2010", "Order would be unwise.", R.DECLINED),
        ("binance", 400, "-1013", "Filter failure: PRICE_FILTER", R.INVALID_PRICE_INCREMENT),
        ("binance", 400, "-1013", "Filter failure: NOTIONAL", R.INVALID_FIELD),
        ("binance", 400, "-1121", "Invalid symbol.", R.UNKNOWN_SYMBOL),
        ("tapp", 409, "DUPLICATE_CLIENT_ORDER_ID", "seen before", R.DUPLICATE_CLIENT_ORDER_ID),
        ("tapp", 422, "ACCOUNT_NOT_ACTIVE", "", R.ACCOUNT_NOT_ACTIVE),
        ("tapp", 422, "INSUFFICIENT_BUYING_POWER", "no", R.INSUFFICIENT_BUYING_POWER),
        ("tapp", 401, "KEY_REVOKED", "", R.UNAUTHORIZED),
        ("clearstreet", 400, "400", "Risk check failed: BUYING_POWER",
         R.INSUFFICIENT_BUYING_POWER),
        ("clearstreet", 400, "400", "SUB_PENNY", R.INVALID_PRICE_INCREMENT),
        ("clearstreet", 400, "400", "Risk check failed: SELF_MATCH", R.WASH_TRADE),
        ("clearstreet", 422, "422",
         "Failed to deserialize the body into the target type: [0]: missing field `order_type`",
         R.MISSING_FIELD),
        ("clearstreet", 422, "422", "Invalid limit price: must be positive", R.INVALID_FIELD),
        ("gateway", 422, "ORDER_REJECTED", "Order rejected: client_order_id must be unique",
         R.DUPLICATE_CLIENT_ORDER_ID),
        ("gateway", 422, "ORDER_REJECTED", "INSUFFICIENT_MARGIN", R.INSUFFICIENT_BUYING_POWER),
        ("gateway", 400, "VALIDATION_ERROR", "Invalid request: quantity", R.INVALID_FIELD),
        ("paper", 422, "invalid_limit_price", "limit_price must be positive.", R.INVALID_FIELD),
        ("paper", 400, "unknown_field", "There is no such field.", R.UNWANTED_FIELD),
        ("nobody", 429, "busy", "", R.TOO_MANY),
        ("nobody", 401, "who", "", R.UNAUTHORIZED),
        ("nobody", 422, "no", "", R.DECLINED),
    ],
)  # fmt: skip
def test_documented_answers_are_understood(dialect, status, code, message, reason):
    assert reason_of(dialect, status, code, message) is reason


def test_every_code_of_the_exchange_has_a_reason_of_its_own():
    elsewhere = {
        "account_exists", "no_such_path", "method_not_allowed", "too_large", "internal",
        "invalid_webhook", "declined",
    }  # fmt: skip
    unknown = {
        code
        for code, status in refusals.STATUSES.items()
        if code not in elsewhere and reason_of("paper", status, code, "") is R.DECLINED
    }

    assert unknown == set()


def test_a_text_that_says_more_is_meant_and_then_the_status():
    assert reason_of("alpaca", 403, "40310000", "insufficient buying power") is not R.DECLINED
    assert says("alpaca", R.WASH_TRADE)[0] == 403


def test_an_unknown_dialect_says_nothing():
    with pytest.raises(KeyError):
        says("nobody", R.DECLINED)
