"""What the exchange says in another's person is understood there as what it meant."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from brokers.classifying import Verdict, classify
from brokers.errors import Refused
from brokers.messages import Ticket
from brokers.paper import declining, dialects
from brokers.paper.personalities import PERSONALITIES
from brokers.paper.refusals import STATUSES, Refusal
from brokers.reasons import Reason, reason_of, says
from brokers.vocabulary import PositionEffect, Side, TimeInForce
from tests.brokers.contract import TICKET
from tests.brokers.paper.test_adapter import MARKET
from tests.paper_exchange import PaperAccount

D = Decimal
R = Reason
TO_NOBODY_PLACING_ORDERS = {
    "account_exists", "invalid_webhook", "internal", "no_such_path", "method_not_allowed",
    "too_large",
}  # fmt: skip
FACTS = {
    "symbol": "KO", "requested": "5", "available": "0", "inferred": "open", "specified": "close",
    "given": "1.005", "least": "1", "order_class": "bracket", "base_price": "150",
}  # fmt: skip

# rule, the code it comes with, the exchange's sentence → what it means
RULES = [
    ("sub_penny", "invalid_limit_price", "limit_price must be a multiple of 0.01.",
     R.INVALID_PRICE_INCREMENT),
    ("sub_penny", "invalid_stop_loss", "stop_loss.stop_price must be a multiple of 0.01.",
     R.INVALID_PRICE_INCREMENT),
    ("id_length", "invalid_client_order_id",
     "client_order_id must be no more than 64 characters.", R.CLIENT_ORDER_ID_TOO_LONG),
    ("auction_type", "invalid_time_in_force", "Auctions take market and limit orders.",
     R.UNSUPPORTED_TIME_IN_FORCE),
    ("trailing_time", "invalid_time_in_force", "A trailing stop is a day or gtc order.",
     R.UNSUPPORTED_TIME_IN_FORCE),
    ("crypto_time", "invalid_time_in_force", "Not for crypto, whose market never closes.",
     R.UNSUPPORTED_TIME_IN_FORCE),
    ("crypto_type", "invalid_type", "Not for crypto.", R.UNSUPPORTED_TYPE),
    ("extended_hours", "invalid_extended_hours",
     "Out of hours, day and gtc limit orders are taken.", R.UNSUPPORTED_EXTENDED_HOURS),
    ("money_type", "invalid_type", "Not with an amount of money.", R.UNSUPPORTED_NOTIONAL),
    ("not_fractionable", "invalid_quantity", "KO trades in whole units.", R.NOT_FRACTIONABLE),
    ("fractional_time", "invalid_time_in_force", "Fractional orders are day orders.",
     R.UNSUPPORTED_FRACTIONAL),
    ("fractional_type", "invalid_type", "Fractional orders do not trail.",
     R.UNSUPPORTED_FRACTIONAL),
    ("fractional_short", "not_shortable", "Parts of a unit can't be sold short.",
     R.UNSUPPORTED_FRACTIONAL),
    ("fractional_class", "invalid_quantity", "Class bracket takes whole units.",
     R.UNSUPPORTED_FRACTIONAL),
    ("leg_missing", "missing_field", "Class bracket requires stop_loss.stop_price.",
     R.MISSING_FIELD),
    ("entry_type", "invalid_type", "Class bracket takes a market or limit order.",
     R.UNSUPPORTED_TYPE),
    ("pair_type", "invalid_type", "Class oco takes a limit order.", R.UNSUPPORTED_TYPE),
    ("not_an_entry", "position_effect_mismatch",
     "Class bracket opens a position or adds to it.", R.POSITION_EFFECT_MISMATCH),
    ("replace_held", "not_replaceable", "An order that waits can't be replaced.",
     R.NOT_REPLACEABLE),
    ("chain_pending", "not_replaceable", "One of its group is being replaced already.",
     R.NOT_REPLACEABLE),
    ("leg_terms", "not_replaceable", "Only the prices of a leg change.", R.NOT_REPLACEABLE),
    ("entry_filling", "not_replaceable", "The entry has begun to fill.", R.NOT_REPLACEABLE),
    ("insufficient_quantity", "insufficient_position", "The account may not sell short.",
     R.INSUFFICIENT_POSITION),
    ("least_money", "invalid_notional", "notional must be at least 1.", R.INVALID_FIELD),
]  # fmt: skip

# What is read as something narrower, or wider, than it was meant.
OTHERWISE = {
    ("alpaca", "insufficient_position"): R.NOT_SHORTABLE,  # an account that may not sell short
    ("alpaca", "filled_further"): R.QUANTITY_NOT_ABOVE_FILLED,
    ("binance", "declined"): R.ACCOUNT_NOT_ACTIVE,
    ("gateway", "invalid_json"): R.MISSING_FIELD,
}


@pytest.mark.parametrize(("rule", "code", "sentence", "meant"), RULES)
@pytest.mark.parametrize("name", PERSONALITIES)
def test_a_broken_rule_is_understood(name, rule, code, sentence, meant):
    refusal = Refusal(code, sentence, field="limit_price", rule=rule, **FACTS)

    assert declining.reason(refusal) is meant
    assert understood(name, refusal) is reason_of(name, *says(name, meant))


@pytest.mark.parametrize("code", sorted(set(STATUSES) - TO_NOBODY_PLACING_ORDERS))
@pytest.mark.parametrize("name", PERSONALITIES)
def test_a_code_is_understood(name, code):
    field = code.removeprefix("invalid_")
    refusal = Refusal(code, "The exchange's own words.", field=field, **FACTS)
    meant = declining.reason(refusal)

    read = understood(name, refusal)

    assert meant is not R.DECLINED or code == "declined"
    assert read is OTHERWISE.get((name, code), reason_of(name, *says(name, meant)))


@pytest.mark.parametrize(
    "code", sorted(set(STATUSES) - TO_NOBODY_PLACING_ORDERS - {"unauthorized", "too_many"})
)
@pytest.mark.parametrize("name", [name for name in PERSONALITIES if name != "gateway"])
def test_a_refusal_is_final_or_a_duplicate(name, code):
    """A broker's no that its adapter does not know puts an order in doubt for nothing."""
    dialect = getattr(dialects, name.upper())
    refusal = Refusal(code, "The exchange's own words.", field="limit_price", **FACTS)
    status, body = PERSONALITIES[name].declines(refusal)

    verdict = classify(status, dialect.read_problem(body), dialect.refusals)

    is_duplicate = code == "duplicate_client_order_id"
    assert verdict is (Verdict.DUPLICATE if is_duplicate else Verdict.REFUSED)


@pytest.mark.parametrize("rule", [rule for rule, *_ in RULES])
@pytest.mark.parametrize("name", [name for name in PERSONALITIES if name != "gateway"])
def test_a_broken_rule_is_final(name, rule):
    dialect = getattr(dialects, name.upper())
    code, sentence = next((code, sentence) for one, code, sentence, _ in RULES if one == rule)
    refusal = Refusal(code, sentence, field="limit_price", rule=rule, **FACTS)
    status, body = PERSONALITIES[name].declines(refusal)

    verdict = classify(status, dialect.read_problem(body), dialect.refusals)

    assert verdict is Verdict.REFUSED


@pytest.mark.parametrize("code", sorted(TO_NOBODY_PLACING_ORDERS))
@pytest.mark.parametrize("name", PERSONALITIES)
def test_what_no_broker_has_a_word_for_keeps_its_status(name, code):
    status, body = PERSONALITIES[name].declines(Refusal(code, "The exchange's own words."))

    assert status == STATUSES[code] or (name, code) == ("gateway", "internal")
    assert body


def understood(name: str, refusal: Refusal) -> Reason:
    """Return the reason that the desk reads from a refusal, said in a broker's person."""
    status, body = PERSONALITIES[name].declines(refusal)
    problem = getattr(dialects, name.upper()).read_problem(body)
    if name != "paper" and problem is None:
        raise AssertionError(body)
    return reason_of(name, status, problem.code, problem.message)


REST = replace(TICKET, time_in_force=TimeInForce.GTC, limit_price=D(100))


@pytest.mark.parametrize("name", [name for name in PERSONALITIES if name != "gateway"])
class TestFromEndToEnd:
    """Whatever the exchange refuses reaches the desk as its canonical reason."""

    @pytest.fixture
    def open_one(self, paper, name):
        paper.price("AAPL", "150")
        return lambda **settings: paper.account(personality=name, **settings)

    @pytest.mark.parametrize(
        ("change", "meant"),
        [
            ({"symbol": "NONE"}, R.UNKNOWN_SYMBOL),
            ({"symbol": "HALT"}, R.NOT_TRADABLE),
            ({"symbol": "CLSD"}, R.MARKET_CLOSED),
            ({"quantity": D(999_999)}, R.INSUFFICIENT_BUYING_POWER),
            ({"limit_price": D("100.001")}, R.INVALID_PRICE_INCREMENT),
            ({"symbol": "KO", "quantity": D("0.5"), "time_in_force": TimeInForce.DAY},
             R.NOT_FRACTIONABLE),
            ({"quantity": D("0.5")}, R.UNSUPPORTED_FRACTIONAL),
            ({"extended_hours": True, "time_in_force": TimeInForce.IOC},
             R.UNSUPPORTED_EXTENDED_HOURS),
            ({"symbol": "BTC/USD", "side": Side.SELL}, R.NOT_SHORTABLE),
            ({"side": Side.SELL, "position_effect": PositionEffect.CLOSE},
             R.POSITION_EFFECT_MISMATCH),
            ({"wire_id": "no spaces"}, R.INVALID_CLIENT_ORDER_ID),
        ],
    )  # fmt: skip
    def test_an_order(self, name, open_one, change, meant):
        account = open_one()

        assert refused(account, replace(REST, **change)) is as_told(name, meant)
        assert account.orders() == []

    def test_an_account_that_is_not_active(self, name, open_one):
        account = open_one(active=False)

        assert refused(account, REST) is as_told(name, R.ACCOUNT_NOT_ACTIVE)

    def test_an_order_that_could_trade_with_the_accounts_own(self, name, open_one):
        account = open_one(refuses_wash_trades=True)
        account.adapter.submit(REST)

        sale = replace(REST, wire_id="order-2", side=Side.SELL, limit_price=D(90))
        assert refused(account, sale) is as_told(name, R.WASH_TRADE)

    def test_a_sale_of_more_than_is_held(self, name, open_one):
        account = open_one(shorting=False)
        account.adapter.submit(replace(MARKET, wire_id="before"))

        sale = replace(REST, side=Side.SELL, quantity=D(11), limit_price=D(200))
        assert refused(account, sale) is as_told(name, R.INSUFFICIENT_POSITION)

    def test_a_cancel_that_is_too_late(self, name, open_one):
        if name == "clearstreet":
            pytest.skip("it answers with the order")
        account = open_one()
        placed = account.adapter.submit(MARKET).snapshots[0].broker_order_id

        with pytest.raises(Refused) as caught:
            account.adapter.cancel(placed)

        assert caught.value.reason is as_told(name, R.TOO_LATE)


def as_told(name: str, meant: Reason) -> Reason:
    """Return what a reason is taken for, once it was said in a broker's words."""
    return reason_of(name, *says(name, meant))


def refused(account: PaperAccount, ticket: Ticket) -> Reason:
    with pytest.raises(Refused) as caught:
        account.adapter.submit(ticket)
    return caught.value.reason
